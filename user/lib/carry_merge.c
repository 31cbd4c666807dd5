// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Rows that old and new programs both write: see carry_merge.h. */
#include <stdio.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <roam/carry.h>
#include "carry_merge.h"
#include "ips_tables.h"

#define NS_PER_S 1000000000ULL

/*
 * What a merge charges for at most. Batches are closer together; but whoever carries on what was
 * killed hours ago would have a sender stand still for as many.
 */
#define COST_MAX_NS NS_PER_S

/* Room for blocks that come during an upgrade, besides as many again as there are. */
#define MORE_BLOCKS 65536

/* One map on its way, and the table of it that is at hand. */
struct merge {
	const struct carry *carry;
	enum carry_when when;
	enum roam_carry_rows kind;
	int from;
	int to;
	int prog;
	int base; /* the new host's carry_base, its only table */
	int qos_conf;
	struct carry_plans plans;
	uint32_t slot;
	int rows;  /* the new table of the slot */
	int clock; /* its clock */
};

static void merge_close(struct merge *merge)
{
	cleanup_close(&merge->from);
	cleanup_close(&merge->to);
	cleanup_close(&merge->prog);
	cleanup_close(&merge->base);
	cleanup_close(&merge->qos_conf);
	cleanup_carry_plans(&merge->plans);
}

/* ---- one row ---- */

static int run_merge(const struct merge *merge, struct roam_carry_run *run)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = run, .ctx_size_in = sizeof(*run));

	run->key.kind = merge->kind;
	if (bpf_prog_test_run_opts(merge->prog, &opts))
		return fail_errno(-errno, "host: cannot merge rows");
	return run->error ? fail_errno(run->error, "host: cannot merge rows") : 0;
}

/*
 * An old row as it is now; false if there is nothing to merge: one that nobody has written, or,
 * where there is no way back, one with what has no place here.
 */
static bool read_row(const struct merge *merge, const void *value, void *ret_row, int *ret_err)
{
	*ret_err = 0;
	if (carry_is_zero(value, carry_old_size(merge->plans.value)))
		return false;
	*ret_err = carry_row(merge->plans.value, value, ret_row);
	if (*ret_err == -EPROTO && merge->when != CARRY_BEFORE)
		*ret_err = 0;
	else if (!*ret_err)
		return true;
	return false;
}

static int merge_hit(const void *key, const void *value, void *arg)
{
	const struct merge *merge = arg;
	struct roam_carry_run run = { .key.vm = merge->slot };
	const struct roam_acl_hits none = {};
	int err;

	memcpy(&run.key.row, key, sizeof(run.key.row));
	if (bpf_map_update_elem(merge->rows, key, &none, BPF_NOEXIST) && errno != EEXIST)
		return fail_errno(-errno, "host: cannot make hits");
	return read_row(merge, value, &run.old.hits, &err) ? run_merge(merge, &run) : err;
}

static int merge_reject(const void *key, const void *value, void *arg)
{
	const struct merge *merge = arg;
	struct roam_carry_run run = {};
	int err;

	memcpy(&run.key.vm, key, sizeof(run.key.vm));
	return read_row(merge, value, &run.old.reject, &err) ? run_merge(merge, &run) : err;
}

/*
 * How long, at the direction's rate, what has passed by the old row since the last time takes:
 * since it was 0, if there was none (the program adds nothing to a row that has not been used,
 * either).
 */
static uint64_t cost_ns(const struct merge *merge, const struct roam_carry_run *run)
{
	uint32_t index = ROAM_QOS(run->key.vm, run->key.row);
	struct roam_carry_key key = run->key;
	struct roam_carry_sums base = {};
	unsigned __int128 cost;
	struct roam_qos conf;

	key.kind = merge->kind;
	(void)bpf_map_lookup_elem(merge->base, &key, &base);
	if (bpf_map_lookup_elem(merge->qos_conf, &index, &conf) || !conf.rate_Bps ||
	    run->old.qos.passed_bytes < base.sum[1])
		return 0;
	cost = run->old.qos.passed_bytes - base.sum[1];
	cost = cost * NS_PER_S / conf.rate_Bps;
	return cost < COST_MAX_NS ? cost : COST_MAX_NS;
}

static int merge_qos(const void *key, const void *value, void *arg)
{
	const struct merge *merge = arg;
	struct roam_carry_run run = {};
	uint32_t index;
	int err;

	memcpy(&index, key, sizeof(index));
	run.key.vm = index / ROAM_DIR_COUNT;
	run.key.row = index % ROAM_DIR_COUNT;
	if (!read_row(merge, value, &run.old.qos, &err))
		return err;
	run.cost_ns = cost_ns(merge, &run);
	return run_merge(merge, &run);
}

/* A row is one for each CPU. */
static int merge_lb(const void *key, const void *value, void *arg)
{
	const struct merge *merge = arg;
	size_t size = (carry_old_size(merge->plans.value) + 7) / 8 * 8;
	struct roam_carry_run run = {};
	struct roam_lb_stats *sum = &run.old.lb, one;
	int err = 0;

	memcpy(&run.key.row, key, sizeof(run.key.row));
	for (int cpu = 0; cpu < libbpf_num_possible_cpus() && !err; cpu++) {
		if (!read_row(merge, (const uint8_t *)value + cpu * size, &one, &err))
			continue;
		sum->sessions += one.sessions;
		for (int dir = 0; dir < ROAM_DIR_COUNT; dir++) {
			sum->packets[dir] += one.packets[dir];
			sum->bytes[dir] += one.bytes[dir];
		}
	}
	if (err || carry_is_zero(sum, sizeof(*sum)))
		return err;
	return run_merge(merge, &run);
}

/* A full table keeps what it has. */
static int make_row(const struct merge *merge, enum roam_ips_kind kind,
		    const struct roam_addr *addr, const void *row)
{
	int err = ips_row_put_into(merge->rows, merge->clock, kind, addr, row);

	return err == -EEXIST || err == -ENOSPC ? 0 : err;
}

/* Without a bucket that is taken from, a source is worth nothing. */
static int merge_source(const void *key, const void *value, void *arg)
{
	const struct merge *merge = arg;
	struct roam_carry_run run = { .key.vm = merge->slot };
	int err = carry_row(merge->plans.key, key, &run.key.addr);

	if (err || !read_row(merge, value, &run.old.source, &err))
		return err;
	err = make_row(merge, ROAM_IPS_SOURCES, &run.key.addr, &run.old.source);
	return err ? err : run_merge(merge, &run);
}

static int merge_block(const void *key, const void *value, void *arg)
{
	const struct merge *merge = arg;
	struct roam_carry_run run = { .key.vm = merge->slot };
	struct roam_ips_block row;
	int err = carry_row(merge->plans.key, key, &run.key.addr);

	if (err || !read_row(merge, value, &run.old.block, &err))
		return err;
	run.old.block.logged = 0;
	row = run.old.block;
	row.packets = row.bytes = 0; /* these are added */
	err = make_row(merge, ROAM_IPS_BLOCKS, &run.key.addr, &row);
	return err ? err : run_merge(merge, &run);
}

/* ---- one map ---- */

static const struct kind {
	const char *map;
	const char *prog;
	const char *clock; /* with entries for rows; by ROAM_IPS_CLOCK() */
	carry_fn merge;
	enum carry_when alone; /* when it is merged alone, or CARRY_DECIDED */
	bool has_tables;       /* one for each VM */
} kinds[ROAM_CARRY_KINDS] = {
	[ROAM_CARRY_HITS] = { "acl_hits", "acl_merge", NULL, merge_hit, CARRY_DECIDED, true },
	[ROAM_CARRY_REJECT] = { "acl_reject", "reject_merge", NULL, merge_reject, CARRY_DECIDED,
				false },
	[ROAM_CARRY_QOS] = { "qos_state", "qos_merge", NULL, merge_qos, CARRY_RATES, false },
	[ROAM_CARRY_LB] = { "lb_stats", "lb_merge", NULL, merge_lb, CARRY_DECIDED, false },
	[ROAM_CARRY_SOURCES] = { "ips_source", "source_merge", "maps/ips_clock", merge_source,
				 CARRY_DECIDED, true },
	[ROAM_CARRY_BLOCKS] = { "ips_block", "block_merge", "maps/ips_clock", merge_block,
				CARRY_BLOCKS, true },
};

static const char *pin_of(char pin[64], const char *folder, const char *name)
{
	snprintf(pin, 64, "%s/%.50s", folder, name);
	return pin;
}

static int open_base(const struct carry *carry)
{
	_cleanup_close_ int bases = carry_new(carry, "maps/carry_base");
	int base = bases < 0 ? bases : carry_inner(bases, 0);

	return bases >= 0 && base < 0 ? fail(base, "host: an upgrade without its counters") : base;
}

static int merge_open(struct merge *merge, enum roam_carry_rows kind)
{
	char pin[64];

	merge->kind = kind;
	merge->from = carry_old(merge->carry, pin_of(pin, "maps", kinds[kind].map));
	merge->to = carry_new(merge->carry, pin);
	merge->prog = carry_new(merge->carry, pin_of(pin, "progs", kinds[kind].prog));
	merge->qos_conf = carry_new(merge->carry, "maps/qos_conf");
	merge->base = open_base(merge->carry);
	if (merge->from < 0 || merge->to < 0 || merge->prog < 0 || merge->qos_conf < 0 ||
	    merge->base < 0)
		return -ENOENT;
	return carry_plans_of(merge->carry, kinds[kind].map, &merge->plans);
}

/* A VM that has none has none in the new maps, either. */
static int merge_table(struct merge *merge, int clocks, uint32_t slot)
{
	uint32_t which = merge->kind == ROAM_CARRY_BLOCKS ? ROAM_IPS_BLOCKS : ROAM_IPS_SOURCES;
	_cleanup_close_ int old = carry_inner(merge->from, slot);
	_cleanup_close_ int rows = old < 0 ? -1 : carry_inner(merge->to, slot);
	_cleanup_close_ int clock = old < 0 || clocks < 0
					    ? -1
					    : carry_inner(clocks, ROAM_IPS_CLOCK(slot, which));

	if (old < 0)
		return 0;
	if (rows < 0 || (clocks >= 0 && clock < 0))
		return fail(-ENOENT, "host: a VM lacks a table of %s", kinds[merge->kind].map);
	merge->slot = slot;
	merge->rows = rows;
	merge->clock = clock;
	return carry_each(old, kinds[merge->kind].merge, merge);
}

static int merge_tables(struct merge *merge)
{
	const struct kind *kind = &kinds[merge->kind];
	_cleanup_close_ int clocks = kind->clock ? carry_new(merge->carry, kind->clock) : -1;
	int err = kind->clock && clocks < 0 ? clocks : 0;

	for (uint32_t slot = 0; slot < ROAM_VM_MAX && !err; slot++)
		err = merge_table(merge, clocks, slot);
	return err;
}

static int merge_kind(const struct carry *carry, enum roam_carry_rows kind, enum carry_when when)
{
	__attribute__((cleanup(merge_close))) struct merge merge = {
		.carry = carry,
		.when = when,
		.from = -1,
		.to = -1,
		.prog = -1,
		.base = -1,
		.qos_conf = -1,
	};
	int err = merge_open(&merge, kind);

	if (err)
		return err;
	return kinds[kind].has_tables ? merge_tables(&merge)
				      : carry_each(merge.from, kinds[kind].merge, &merge);
}

/* What the host's version has none of is new, and empty. */
static bool is_merged(const struct carry *carry, enum roam_carry_rows kind)
{
	return carry_had(carry, kinds[kind].map) && carry_changes(&carry->texts, kinds[kind].map);
}

int carry_merge(const struct carry *carry, enum carry_when when)
{
	int err = 0;

	for (enum roam_carry_rows kind = 0; kind < ROAM_CARRY_KINDS && !err; kind++) {
		bool is_alone = when == CARRY_RATES || when == CARRY_BLOCKS;

		if (is_merged(carry, kind) && (!is_alone || kinds[kind].alone == when))
			err = merge_kind(carry, kind, when);
	}
	return err;
}

/* ---- how much has been added ---- */

static int count_row(const void *key, const void *value, void *arg)
{
	uint64_t *count = arg;

	(void)key;
	(void)value;
	(*count)++;
	return 0;
}

static int count_tables(const struct carry *carry, enum roam_carry_rows kind, uint64_t *count)
{
	char pin[64];
	_cleanup_close_ int from = carry_old(carry, pin_of(pin, "maps", kinds[kind].map));
	int err = from < 0 ? from : 0;

	for (uint32_t slot = 0; slot < ROAM_VM_MAX && !err; slot++) {
		_cleanup_close_ int old = carry_inner(from, slot);

		err = old < 0 ? 0 : carry_each(old, count_row, count);
	}
	return err;
}

/*
 * Rules stay as many as they are; of blocks there may be more by and by. Quotas are no measure: all
 * together may ask for more than the kernel can give. What a block without room here has dropped by
 * then is not counted (block_merge).
 */
static int count_base(const struct carry *carry, uint64_t *ret_count)
{
	uint64_t count = ROAM_VM_MAX * ROAM_DIR_COUNT + ROAM_LB_BACKENDS, blocks = 0;
	int err = 0;

	if (is_merged(carry, ROAM_CARRY_HITS))
		err = count_tables(carry, ROAM_CARRY_HITS, &count);
	if (!err && is_merged(carry, ROAM_CARRY_BLOCKS))
		err = count_tables(carry, ROAM_CARRY_BLOCKS, &blocks);
	*ret_count = count + 2 * blocks + MORE_BLOCKS;
	return err;
}

int carry_merge_begin(const struct carry *carry)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	_cleanup_close_ int bases = carry_new(carry, "maps/carry_base");
	_cleanup_close_ int base = -1;
	uint64_t count = 0;
	uint32_t zero = 0;
	int err = bases < 0 ? bases : count_base(carry, &count);

	if (err)
		return err;
	base = bpf_map_create(BPF_MAP_TYPE_HASH, "roam", sizeof(struct roam_carry_key),
			      sizeof(struct roam_carry_sums), count, &opts);
	if (base < 0 || bpf_map_update_elem(bases, &zero, &base, BPF_ANY))
		return fail_errno(-errno, "host: cannot make the counters of an upgrade");
	return 0;
}
