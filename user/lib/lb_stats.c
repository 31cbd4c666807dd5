// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Counters of backends: see lb_stats.h. */
#include <bpf/libbpf.h>
#include "lb_stats.h"

static int make_rows(struct roam_lb_stats **ret_rows, int *ret_cpus)
{
	int cpus = libbpf_num_possible_cpus();

	*ret_rows = cpus > 0 ? calloc(cpus, sizeof(**ret_rows)) : NULL;
	*ret_cpus = cpus;
	return *ret_rows ? 0 : fail(-ENOMEM, "lb: out of memory");
}

int lb_stats_fold(struct host *host, uint32_t number, struct roam_lb_stats *ret_stats)
{
	_cleanup_free_ struct roam_lb_stats *rows = NULL;
	struct roam_lb_stats sum = {};
	int cpus, err = make_rows(&rows, &cpus);

	if (!err)
		err = host_get(host, HOST_MAP_lb_stats, &number, rows);
	if (err)
		return err;
	for (int cpu = 0; cpu < cpus; cpu++) {
		sum.sessions += rows[cpu].sessions;
		for (int dir = 0; dir < ROAM_DIR_COUNT; dir++) {
			sum.packets[dir] += rows[cpu].packets[dir];
			sum.bytes[dir] += rows[cpu].bytes[dir];
		}
	}
	*ret_stats = sum;
	return 0;
}

int lb_stats_clear(struct host *host, uint32_t number)
{
	_cleanup_free_ struct roam_lb_stats *none = NULL;
	int cpus, err = make_rows(&none, &cpus);

	return err ? err : host_put(host, HOST_MAP_lb_stats, &number, none);
}
