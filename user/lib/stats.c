// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Counters of VMs: see stats.h. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "stats.h"

static void add_stats(struct roam_stats *sum, const struct roam_stats *one)
{
	for (int reason = 0; reason < ROAM_REASON_MAX; reason++) {
		for (int dir = 0; dir < ROAM_DIR_COUNT; dir++) {
			sum->by_reason[reason][dir].packets += one->by_reason[reason][dir].packets;
			sum->by_reason[reason][dir].bytes += one->by_reason[reason][dir].bytes;
		}
	}
}

int stats_fold(struct host *host, uint32_t slot, struct roam_stats *ret_stats)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct roam_stats *rows = calloc(cpus, sizeof(*rows));
	_cleanup_close_ int fd = host_inner(host, HOST_MAP_stats, slot);
	struct roam_stats sum = {};
	uint32_t first = 0;

	if (!rows)
		return fail(-ENOMEM, "stats: out of memory");
	if (fd < 0)
		return fd;
	if (bpf_map_lookup_elem(fd, &first, rows))
		return fail_errno(-errno, "stats: cannot read counters");
	for (int cpu = 0; cpu < cpus; cpu++)
		add_stats(&sum, &rows[cpu]);
	*ret_stats = sum;
	return 0;
}

int stats_each(const struct roam_stats *stats, stats_fn fn, void *arg)
{
	int err = 0;

	for (uint32_t reason = 0; reason < ROAM_REASON_COUNT && !err; reason++) {
		for (uint32_t dir = 0; dir < ROAM_DIR_COUNT && !err; dir++) {
			const struct roam_counter *counter = &stats->by_reason[reason][dir];
			struct roam_stats_rec rec = {
				.packets = counter->packets,
				.bytes = counter->bytes,
				.reason = reason,
				.dir = dir,
			};

			if (counter->packets)
				err = fn(&rec, arg);
		}
	}
	return err;
}

int stats_set(struct host *host, uint32_t slot, const struct roam_stats *stats)
{
	_cleanup_free_ struct roam_stats *rows = calloc(libbpf_num_possible_cpus(), sizeof(*rows));
	_cleanup_close_ int fd = host_inner(host, HOST_MAP_stats, slot);
	uint32_t first = 0;

	if (!rows)
		return fail(-ENOMEM, "stats: out of memory");
	if (fd < 0)
		return fd;
	rows[0] = *stats;
	if (bpf_map_update_elem(fd, &first, rows, BPF_ANY))
		return fail_errno(-errno, "stats: cannot write counters");
	return 0;
}

int stats_add(struct host *host, uint32_t slot, const struct roam_stats *more)
{
	struct roam_stats_add add = { .vm = slot };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &add, .ctx_size_in = sizeof(add));
	uint32_t first = 0;
	int err = host_put(host, HOST_MAP_stats_xfer, &first, more);

	if (err)
		return err;
	if (bpf_prog_test_run_opts(host_prog(host, HOST_PROG_stats_add), &opts))
		return fail_errno(-errno, "stats: cannot run what adds counters");
	return add.error ? fail_errno(add.error, "stats: cannot add counters") : 0;
}
