// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Counters go over to another layout: the new programs have begun at 0, the old ones count no more.
 * See carry.h. So that nothing is added twice, whoever is killed on the way: a mark that comes with
 * the sum, in the same step, says that it is there, until the old ones are cleared.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <roam/stats.h>
#include "carry_own.h"
#include "util.h"

/* The mark: a place that no reason has. */
#define MARK (ROAM_REASON_MAX - 1)
_Static_assert(ROAM_REASON_COUNT <= MARK, "no place for the mark");

struct counters {
	const struct carry *carry;
	int to; /* the new outer map */
	struct carry_plans plans;
	int xfer;
	int add;
	int number[ROAM_REASON_MAX]; /* of an old reason */
};

static void close_counters(struct counters *counters)
{
	cleanup_carry_plans(&counters->plans);
	cleanup_close(&counters->to);
	cleanup_close(&counters->xfer);
	cleanup_close(&counters->add);
}

static void add_row(const struct counters *counters, const struct roam_stats *row,
		    struct roam_stats *sum)
{
	/* What this version has no name for counts as "none". */
	for (int reason = 0; reason < MARK; reason++) {
		int now = counters->number[reason] < 0 ? 0 : counters->number[reason];

		for (int dir = 0; dir < ROAM_DIR_COUNT; dir++) {
			sum->by_reason[now][dir].packets += row->by_reason[reason][dir].packets;
			sum->by_reason[now][dir].bytes += row->by_reason[reason][dir].bytes;
		}
	}
}

static int add_sum(const struct counters *counters, uint32_t slot, const struct roam_stats *sum)
{
	struct roam_stats_add add = { .vm = slot };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &add, .ctx_size_in = sizeof(add));
	uint32_t first = 0;

	if (bpf_map_update_elem(counters->xfer, &first, sum, BPF_ANY) ||
	    bpf_prog_test_run_opts(counters->add, &opts))
		return fail_errno(-errno, "host: cannot add counters");
	return add.error ? fail_errno(add.error, "host: cannot add counters") : 0;
}

/* The mark of a VM's new counters. */
static int read_mark(const struct counters *counters, uint32_t slot, uint64_t *ret_mark)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct roam_stats *rows = calloc(cpus, sizeof(*rows));
	_cleanup_close_ int fd = carry_inner(counters->to, slot);
	uint32_t first = 0;
	uint64_t mark = 0;

	if (!rows)
		return fail(-ENOMEM, "host: out of memory");
	if (fd < 0 || bpf_map_lookup_elem(fd, &first, rows))
		return fail_errno(-errno, "host: cannot read counters");
	for (int cpu = 0; cpu < cpus; cpu++)
		mark += rows[cpu].by_reason[MARK][0].packets;
	*ret_mark = mark;
	return 0;
}

static int sum_old(const struct counters *counters, const uint8_t *rows, size_t size,
		   struct roam_stats *ret_sum)
{
	int cpus = libbpf_num_possible_cpus(), err = 0;
	struct roam_stats row;

	*ret_sum = (struct roam_stats){};
	for (int cpu = 0; cpu < cpus && !err; cpu++) {
		err = carry_row(counters->plans.value, rows + cpu * size, &row);
		if (!err)
			add_row(counters, &row, ret_sum);
	}
	ret_sum->by_reason[MARK][0].packets = 1;
	return err;
}

static int carry_row_of(const struct counters *counters, int old, uint32_t slot)
{
	size_t size = (carry_old_size(counters->plans.value) + 7) / 8 * 8;
	int cpus = libbpf_num_possible_cpus(), err = 0;
	_cleanup_free_ uint8_t *rows = calloc(cpus, size), *none = calloc(cpus, size);
	struct roam_stats sum, unmark = {};
	uint32_t first = 0;
	uint64_t mark = 0;

	unmark.by_reason[MARK][0].packets = -1;
	if (!rows || !none)
		return fail(-ENOMEM, "host: out of memory");
	if (bpf_map_lookup_elem(old, &first, rows))
		return fail_errno(-errno, "host: cannot read counters");
	err = read_mark(counters, slot, &mark);
	if (!err)
		err = sum_old(counters, rows, size, &sum);
	if (!err && !mark)
		err = add_sum(counters, slot, &sum);
	if (!err && bpf_map_update_elem(old, &first, none, BPF_ANY))
		err = fail_errno(-errno, "host: cannot clear counters");
	return err ? err : add_sum(counters, slot, &unmark);
}

int carry_counters(const struct carry *carry)
{
	_cleanup_close_ int from = carry_old(carry, "maps/stats");
	__attribute__((cleanup(close_counters))) struct counters counters = {
		.carry = carry,
		.to = carry_new(carry, "maps/stats"),
		.xfer = carry_new(carry, "maps/stats_xfer"),
		.add = carry_new(carry, "progs/stats_add"),
	};
	int err = from < 0 || counters.to < 0 || counters.xfer < 0 || counters.add < 0 ? -ENOENT
										       : 0;

	if (!err)
		err = carry_plans_of(carry, "stats", &counters.plans);
	for (int reason = 0; reason < ROAM_REASON_MAX; reason++)
		counters.number[reason] = carry_number(&carry->texts, "enum roam_reason", reason);
	if (!err)
		err = carry_wait(from);
	for (uint32_t slot = 0; slot < ROAM_VM_MAX && !err; slot++) {
		_cleanup_close_ int old = carry_inner(from, slot);

		err = old < 0 ? 0 : carry_row_of(&counters, old, slot);
	}
	return err;
}
