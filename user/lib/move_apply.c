// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What a delta says, done at the destination: see move_dest.h. Rows are written where they are, no
 * map is made, and what packets of this host have written stays (struct roam_move_run). Deletions
 * first: they make the room that rows need.
 */
#include <string.h>
#include <bpf/bpf.h>
#include "acl.h"
#include "ct.h"
#include "frag.h"
#include "ips.h"
#include "ips_tables.h"
#include "merge.h"
#include "move_dest.h"
#include "qos.h"
#include "stats.h"
#include "vm.h"

/* ---- flows ---- */

/* The scan that is at hand: rows that do not get its mark are gone. */
static uint16_t mark_of(const struct taking *taking)
{
	return taking->dest->gate->scans % UINT16_MAX + taking->move.whole;
}

/* A full clock may be full of what stands for nothing: rows come and go here as they do there. */
static int tidy(struct taking *taking)
{
	struct roam_move_run run = {
		.vm = taking->dest->slot,
		.bank = taking->vm.ct_bank,
		.gone = ROAM_MOVE_TIDY,
		.count = taking->vm.quota_flows > taking->vm.quota_half ? taking->vm.quota_flows
									: taking->vm.quota_half,
	};

	taking->tidied = true;
	return move_run(taking->dest->host, HOST_PROG_move_apply, &run);
}

/* A row for which there is no place yet: of a scan, perhaps many, until what is gone is swept. */
static int hold_back(const struct taking *taking, struct rows *late, const void *row, size_t size)
{
	uint32_t bound = taking->move.whole ? taking->vm.quota_flows + taking->vm.quota_half
					    : MOVE_LATE_ROWS;
	void *to = late->count < bound ? rows_add(late, size) : NULL;

	if (!to)
		return fail(-ENOSPC, "move: more rows than the VM's quota");
	memcpy(to, row, size);
	return 0;
}

static int run_rows(struct taking *taking, const struct roam_flow_rec *rows, uint32_t count,
		    bool gone)
{
	struct move_dest *dest = taking->dest;
	struct roam_move_run run = {
		.vm = dest->slot,
		.bank = taking->vm.ct_bank,
		.gone = gone,
		.round = dest->gate->round,
		.mark = mark_of(taking),
	};
	uint32_t at = 0;
	int err = 0;

	while (at < count && !err) {
		run.count = count - at < MOVE_TAKE_ROWS ? count - at : MOVE_TAKE_ROWS;
		memcpy(dest->maps.xfer, rows + at, run.count * sizeof(*rows));
		err = move_run(dest->host, HOST_PROG_move_apply, &run);
		at += run.done;
		if (err == -ENOSPC && !taking->tidied) {
			err = tidy(taking);
			continue;
		}
		if ((err != -ENOSPC && err != -EEXIST) || gone)
			continue;
		err = hold_back(taking, &dest->late.flows, &rows[at++], sizeof(*rows));
	}
	return err;
}

int move_apply_flows(struct taking *taking)
{
	int err;

	if (taking->move.whole && !taking->scanning) /* which has them all */
		taking->dest->late.flows.count = 0;
	taking->scanning = true;
	err = run_rows(taking, taking->flows.rows, taking->flows.count, false);

	taking->flows.count = 0;
	return err;
}

static bool has_key(const struct rows *rows, const struct roam_flow_key *key)
{
	const struct roam_flow_rec *rec = rows->rows;

	for (uint32_t i = 0; i < rows->count; i++) {
		if (!memcmp(&rec[i].key, key, sizeof(*key)))
			return true;
	}
	return false;
}

/* Those that were late, but for what this delta knows better. */
static int retry_late(struct taking *taking)
{
	struct rows late = taking->dest->late.flows;
	const struct roam_flow_rec *rec = late.rows;
	int err = 0;

	taking->dest->late.flows = (struct rows){};
	for (uint32_t i = 0; i < late.count && !err; i++) {
		if (!has_key(&taking->gone_flows, &rec[i].key) &&
		    !has_key(&taking->flows, &rec[i].key))
			err = run_rows(taking, &rec[i], 1, false);
	}
	free(late.rows);
	return err;
}

/* One that is promoted makes room among the half-open ones for another: until nothing moves. */
static int settle_late(struct taking *taking)
{
	const struct rows *late = &taking->dest->late.flows;
	uint32_t before;
	int err = 0;

	do {
		before = late->count;
		taking->tidied = false;
		if (before)
			err = retry_late(taking);
	} while (!err && late->count && late->count < before);
	return err;
}

struct sweep {
	struct rows gone;
	uint16_t mark;
};

static int find_stale(const struct roam_flow_rec *rows, uint32_t count, void *arg)
{
	struct sweep *sweep = arg;

	for (uint32_t i = 0; i < count; i++) {
		struct roam_flow_rec *rec;

		if (rows[i].flow.side[ROAM_DIR_OUT].tcp.logged == sweep->mark)
			continue;
		rec = rows_add(&sweep->gone, sizeof(*rec));
		if (!rec)
			return fail(-ENOMEM, "move: out of memory");
		*rec = rows[i];
	}
	return 0;
}

/* Rows that the scan has not brought are gone, but for those that packets have written here. */
static int sweep(struct taking *taking)
{
	struct sweep sweep = { .mark = mark_of(taking) };
	int err = ct_dump(taking->dest->host, taking->dest->slot, find_stale, &sweep);

	if (!err)
		err = run_rows(taking, sweep.gone.rows, sweep.gone.count, true);
	free(sweep.gone.rows);
	return err;
}

static int apply_flows(struct taking *taking)
{
	int err = run_rows(taking, taking->gone_flows.rows, taking->gone_flows.count, true);

	if (!err && !taking->move.whole)
		err = retry_late(taking);
	if (!err)
		err = move_apply_flows(taking);
	if (!err && taking->move.whole)
		err = sweep(taking);
	if (!err)
		err = settle_late(taking);
	if (taking->move.whole)
		taking->dest->gate->scans++; /* last: rows are marked by it */
	return err;
}

/* ---- sources and blocks ---- */

static bool is_open(const struct taking *taking)
{
	return move_gate_state(taking->dest->gate) == ROAM_GATE_OPEN;
}

static bool is_ours(const struct taking *taking, const struct roam_ips_block *block)
{
	return block->logged == taking->dest->gate->round;
}

static int note_seen(struct taking *taking, enum roam_log_table table, const struct roam_addr *addr)
{
	struct roam_log_rec rec = { .table = table, .key.addr = *addr };

	return taking->move.whole ? move_keys_add(&taking->seen, &rec) : 0;
}

static int put_new_source(struct taking *taking, const struct roam_ips_source_rec *rec)
{
	struct move_dest *dest = taking->dest;
	int err = ips_row_put_tidy(dest->host, dest->slot, ROAM_IPS_SOURCES, &rec->addr,
				   &rec->source);

	return err == -ENOSPC ? hold_back(taking, &dest->late.sources, rec, sizeof(*rec)) : err;
}

static int put_new_block(struct taking *taking, const struct roam_ips_block_rec *rec)
{
	struct move_dest *dest = taking->dest;
	int err = ips_row_put_tidy(dest->host, dest->slot, ROAM_IPS_BLOCKS, &rec->addr,
				   &rec->block);

	return err == -ENOSPC ? hold_back(taking, &dest->late.blocks, rec, sizeof(*rec)) : err;
}

static int put_source(struct taking *taking, const struct roam_ips_source_rec *rec, int fd)
{
	struct roam_ips_source here;

	if (bpf_map_lookup_elem(fd, &rec->addr, &here))
		return put_new_source(taking, rec);
	if (is_open(taking) && (int64_t)(here.paid_ns - rec->source.paid_ns) > 0)
		return 0;
	return bpf_map_update_elem(fd, &rec->addr, &rec->source, BPF_EXIST) && errno != ENOENT
		       ? fail_errno(-errno, "ips: cannot store a source")
		       : 0;
}

/* The clock's entry stands for a row by when it was made. */
static int put_block(struct taking *taking, const struct roam_ips_block_rec *rec, int fd)
{
	struct roam_ips_block_rec here = { .addr = rec->addr }, merged = *rec;

	if (bpf_map_lookup_elem(fd, &rec->addr, &here.block))
		return put_new_block(taking, rec);
	if (is_ours(taking, &here.block))
		return ips_merge_block(taking->dest->host, taking->dest->slot, rec);
	if (here.block.since_ns != merged.block.since_ns) {
		bpf_map_delete_elem(fd, &rec->addr);
		return put_new_block(taking, rec);
	}
	return bpf_map_update_elem(fd, &rec->addr, &merged.block, BPF_EXIST)
		       ? fail_errno(-errno, "ips: cannot store a block")
		       : 0;
}

static void delete_ips(struct taking *taking, int fd, bool block, const struct roam_addr *addr)
{
	struct roam_ips_block here;

	if (block && !bpf_map_lookup_elem(fd, addr, &here) && is_ours(taking, &here))
		return;
	if (block || !is_open(taking))
		bpf_map_delete_elem(fd, addr);
}

/* Rows of sources or blocks that a scan has not brought. */
struct sweep_ips {
	const struct taking *taking;
	struct rows gone; /* addresses */
};

static int find_unseen(struct sweep_ips *sweep, enum roam_log_table table,
		       const struct roam_addr *addr)
{
	struct roam_log_rec rec = { .table = table, .key.addr = *addr };
	struct roam_addr *gone;

	if (move_keys_has(&sweep->taking->seen, &rec))
		return 0;
	gone = rows_add(&sweep->gone, sizeof(*gone));
	if (!gone)
		return fail(-ENOMEM, "move: out of memory");
	*gone = *addr;
	return 0;
}

static int find_unseen_source(const struct roam_ips_source_rec *rec, void *arg)
{
	return find_unseen(arg, ROAM_LOG_SOURCE, &rec->addr);
}

static int find_unseen_block(const struct roam_ips_block_rec *rec, void *arg)
{
	return find_unseen(arg, ROAM_LOG_BLOCK, &rec->addr);
}

static int sweep_ips(struct taking *taking, int fd, enum roam_log_table table)
{
	struct host *host = taking->dest->host;
	uint32_t slot = taking->dest->slot;
	struct sweep_ips sweep = { .taking = taking };
	const struct roam_addr *addr;
	int err = table == ROAM_LOG_BLOCK ? ips_each_block(host, slot, find_unseen_block, &sweep)
					  : ips_each_source(host, slot, find_unseen_source, &sweep);

	addr = sweep.gone.rows;
	for (uint32_t i = 0; i < sweep.gone.count && !err; i++)
		delete_ips(taking, fd, table == ROAM_LOG_BLOCK, &addr[i]);
	rows_free(&sweep.gone);
	return err;
}

/* Whether this delta says something of the row that begins with that address. */
static bool is_told(const struct taking *taking, const struct roam_addr *addr, bool block)
{
	const struct roam_ips_source_rec *source = taking->sources.rows;
	const struct roam_ips_block_rec *blocked = taking->blocks.rows;
	const struct roam_gone_ips *gone = taking->gone_ips.rows;
	bool told = taking->move.whole;

	for (uint32_t i = 0; i < taking->gone_ips.count; i++)
		told |= gone[i].block == block && !memcmp(&gone[i].addr, addr, sizeof(*addr));
	for (uint32_t i = 0; i < taking->sources.count && !block; i++)
		told |= !memcmp(&source[i].addr, addr, sizeof(*addr));
	for (uint32_t i = 0; i < taking->blocks.count && block; i++)
		told |= !memcmp(&blocked[i].addr, addr, sizeof(*addr));
	return told;
}

static int retry_late_ips(struct taking *taking, int sources, int blocks)
{
	struct excess late = taking->dest->late;
	const struct roam_ips_source_rec *source = late.sources.rows;
	const struct roam_ips_block_rec *block = late.blocks.rows;
	int err = 0;

	taking->dest->late.sources = taking->dest->late.blocks = (struct rows){};
	for (uint32_t i = 0; i < late.sources.count && !err; i++) {
		if (!is_told(taking, &source[i].addr, false))
			err = put_source(taking, &source[i], sources);
	}
	for (uint32_t i = 0; i < late.blocks.count && !err; i++) {
		if (!is_told(taking, &block[i].addr, true))
			err = put_block(taking, &block[i], blocks);
	}
	rows_free(&late.sources);
	rows_free(&late.blocks);
	return err;
}

/* Of a scan, the rows that found no room before the sweep. */
static int retry_scan(struct taking *taking, int sources, int blocks)
{
	bool whole = taking->move.whole;
	int err;

	taking->move.whole = false;
	taking->sources.count = taking->blocks.count = 0;
	err = retry_late_ips(taking, sources, blocks);
	taking->move.whole = whole;
	return err;
}

static int apply_ips_rows(struct taking *taking, int sources, int blocks)
{
	const struct roam_ips_source_rec *source = taking->sources.rows;
	const struct roam_ips_block_rec *block = taking->blocks.rows;
	const struct roam_gone_ips *gone = taking->gone_ips.rows;
	int err = 0;

	for (uint32_t i = 0; i < taking->gone_ips.count; i++)
		delete_ips(taking, gone[i].block ? blocks : sources, gone[i].block, &gone[i].addr);
	err = retry_late_ips(taking, sources, blocks);
	for (uint32_t i = 0; i < taking->sources.count && !err; i++) {
		err = put_source(taking, &source[i], sources);
		if (!err)
			err = note_seen(taking, ROAM_LOG_SOURCE, &source[i].addr);
	}
	for (uint32_t i = 0; i < taking->blocks.count && !err; i++) {
		err = put_block(taking, &block[i], blocks);
		if (!err)
			err = note_seen(taking, ROAM_LOG_BLOCK, &block[i].addr);
	}
	if (!err && taking->move.whole)
		err = sweep_ips(taking, sources, ROAM_LOG_SOURCE);
	if (!err && taking->move.whole)
		err = sweep_ips(taking, blocks, ROAM_LOG_BLOCK);
	if (!err && taking->move.whole)
		err = retry_scan(taking, sources, blocks);
	return err;
}

static int apply_ips(struct taking *taking)
{
	struct host *host = taking->dest->host;
	uint32_t slot = taking->dest->slot;

	if (!taking->ips.is_set)
		return 0;
	if (!taking->sources.count && !taking->blocks.count && !taking->gone_ips.count &&
	    !taking->dest->late.sources.count && !taking->dest->late.blocks.count &&
	    !taking->move.whole)
		return 0;

	_cleanup_close_ int sources = host_inner(host, HOST_MAP_ips_source, slot);
	_cleanup_close_ int blocks = host_inner(host, HOST_MAP_ips_block, slot);

	if (sources < 0 || blocks < 0)
		return sources < 0 ? sources : blocks;
	return apply_ips_rows(taking, sources, blocks);
}

/* ---- tables that travel whole ---- */

static int apply_qos(struct taking *taking)
{
	const struct roam_qos_rec *rec = taking->qos.rows;
	int err = 0;

	for (uint32_t i = 0; i < taking->qos.count && !err; i++) {
		struct roam_qos_rec own, merged = rec[i];

		err = qos_get(taking->dest->host, taking->dest->slot, merged.dir, &own);
		if (err || !own.conf.is_set)
			continue;
		merge_row(TABLE_QOS, &own, &merged);
		err = host_put(taking->dest->host, HOST_MAP_qos_state,
			       &(uint32_t){ ROAM_QOS(taking->dest->slot, merged.dir) },
			       &merged.state);
	}
	return err;
}

static int apply_hits(struct taking *taking)
{
	_cleanup_close_ int fd = host_inner(taking->dest->host, HOST_MAP_acl_hits,
					    taking->dest->slot);
	const struct roam_hits_rec *rec = taking->hits.rows;

	if (fd < 0)
		return fd;
	for (uint32_t i = 0; i < taking->hits.count; i++) {
		struct roam_hits_rec own = rec[i], merged = rec[i];

		if (!rec[i].rule || bpf_map_lookup_elem(fd, &rec[i].rule, &own.hits))
			continue;
		merge_row(TABLE_HITS, &own, &merged);
		if (bpf_map_update_elem(fd, &rec[i].rule, &merged.hits, BPF_EXIST))
			return fail_errno(-errno, "move: cannot store the counters of a rule");
	}
	return 0;
}

static int apply_reject(struct taking *taking)
{
	struct host *host = taking->dest->host;
	uint32_t slot = taking->dest->slot;
	__u64 here;
	int err = acl_reject_get(host, slot, &here);

	if (err || is_open(taking) || (int64_t)(here - taking->reject_paid_ns) >= 0)
		return err;
	return acl_reject_put(host, slot, taking->reject_paid_ns);
}

static int apply_trains(struct taking *taking)
{
	const struct roam_frag_rec *rec = taking->trains.rows;
	struct host *host = taking->dest->host;
	uint32_t slot = taking->dest->slot;
	int err = is_open(taking) ? 0 : frag_flush(host, slot);

	for (uint32_t i = 0; i < taking->trains.count && !err; i++) {
		if (rec[i].frag.lb_role && !taking->vm.lb)
			continue;
		err = frag_store(host, slot, &rec[i]);
		if (err == -EEXIST)
			err = 0;
	}
	return err;
}

/* What the source has counted since it last said; packets are counted here meanwhile. */
static int apply_stats(struct taking *taking)
{
	struct state_refs *refs = &taking->dest->refs;
	struct roam_stats more;
	int err = 0;

	if (!taking->dest->has_stats) /* what it last said is not known any more */
		err = stats_fold(taking->dest->host, taking->dest->slot, &refs->stats);
	if (err)
		return err;
	taking->dest->has_stats = true;
	for (int i = 0; i < ROAM_REASON_MAX * ROAM_DIR_COUNT; i++) {
		int reason = i / ROAM_DIR_COUNT, dir = i % ROAM_DIR_COUNT;
		const struct roam_counter *now = &taking->stats.by_reason[reason][dir];
		struct roam_counter *before = &refs->stats.by_reason[reason][dir];
		struct roam_counter *diff = &more.by_reason[reason][dir];

		*diff = (struct roam_counter){};
		if (now->packets <= before->packets || now->bytes < before->bytes)
			continue;
		*diff = (struct roam_counter){ now->packets - before->packets,
					       now->bytes - before->bytes };
		*before = *now;
	}
	return stats_add(taking->dest->host, taking->dest->slot, &more);
}

static int apply_small(struct taking *taking)
{
	int err = apply_qos(taking);

	if (!err)
		err = apply_hits(taking);
	if (!err)
		err = apply_reject(taking);
	if (!err)
		err = apply_trains(taking);
	return err ? err : apply_stats(taking);
}

int move_apply_all(struct taking *taking)
{
	int err = apply_flows(taking);

	if (!err)
		err = apply_ips(taking);
	return err || !taking->move.small ? err : apply_small(taking);
}
