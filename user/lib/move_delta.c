// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Writing the deltas of a source: see move_source.h. A piece has the rows that some keys have now,
 * and the keys that have none; a scan has all rows, and what they refer to.
 */
#include <string.h>
#include <bpf/bpf.h>
#include "ct.h"
#include "frag.h"
#include "ips.h"
#include "move_source.h"
#include "qos.h"
#include "state_features.h"
#include "state_lb.h"
#include "stats.h"
#include "vm.h"

/* A delta in the making. */
struct delta {
	struct move_source *source;
	struct image_writer *writer;
	uint64_t rows;
	bool begun; /* the table at hand, which is only written if it has rows */
	enum schema_table_id table;
};

static void cleanup_delta(struct delta *delta)
{
	image_writer_close(delta->writer);
}
#define _cleanup_delta_ __attribute__((cleanup(cleanup_delta)))

static void begin_table(struct delta *delta, enum schema_table_id table)
{
	delta->table = table;
	delta->begun = false;
}

static int put_rows(struct delta *delta, const void *rows, size_t count)
{
	int err = 0;

	if (!count)
		return 0;
	if (!delta->begun)
		err = image_write_table(delta->writer, delta->table);
	delta->begun = true;
	delta->rows += count;
	return err ? err : image_write_rows(delta->writer, rows, count);
}

/* Keys that it is about: a part of the work, of all tables. */
struct piece {
	const struct roam_log_rec *recs;
	uint32_t count;
};

/* ---- tables that travel whole ---- */

static int put_vm(struct delta *delta)
{
	struct move_source *source = delta->source;
	struct roam_vm vm;
	int err = vm_get(source->host, source->slot, &vm);

	if (!err)
		err = acl_reject_get(source->host, source->slot, &vm.reject_paid_ns);
	begin_table(delta, TABLE_VM);
	return err ? err : put_rows(delta, &vm, 1);
}

static bool has_hits(const struct roam_acl_hits *hits)
{
	return hits->packets || hits->log_paid_ns || hits->log_lost;
}

/* In one call of the kernel, for a VM may wait. */
static int put_hits(struct delta *delta)
{
	uint32_t room = delta->source->refs.rules.count + 64, count = room, next;
	_cleanup_close_ int fd = host_inner(delta->source->host, HOST_MAP_acl_hits,
					    delta->source->slot);
	_cleanup_free_ struct roam_acl_hits *hits = calloc(room, sizeof(*hits));
	_cleanup_free_ uint32_t *ids = calloc(room, sizeof(*ids));
	int err = 0;

	begin_table(delta, TABLE_HITS);
	if (fd < 0)
		return fd;
	if (!hits || !ids)
		return fail(-ENOMEM, "move: out of memory");
	if (bpf_map_lookup_batch(fd, NULL, &next, ids, hits, &count, NULL) && errno != ENOENT)
		return fail_errno(-errno, "move: cannot read the counters of rules");
	for (uint32_t i = 0; i < count && !err; i++) {
		struct roam_hits_rec rec = { .rule = ids[i], .hits = hits[i] };

		if (has_hits(&rec.hits))
			err = put_rows(delta, &rec, 1);
	}
	return err;
}

static int put_qos(struct delta *delta)
{
	int err = 0;

	begin_table(delta, TABLE_QOS);
	for (int dir = 0; dir < ROAM_DIR_COUNT && !err; dir++) {
		struct roam_qos_rec rec;

		err = qos_get(delta->source->host, delta->source->slot, dir, &rec);
		if (!err && rec.conf.is_set)
			err = put_rows(delta, &rec, 1);
	}
	return err;
}

/* Trains of ports that the VM has no more see no packet again. */
static int put_train(const struct roam_frag_rec *rec, void *arg)
{
	struct delta *delta = arg;
	const struct state_refs *refs = &delta->source->refs;

	for (int i = 0; i < refs->port_count; i++) {
		if (refs->ports[i].zone == ROAM_ZONE_NO(rec->key.zone))
			return put_rows(delta, rec, 1);
	}
	return 0;
}

static int put_frags(struct delta *delta)
{
	begin_table(delta, TABLE_FRAG);
	return frag_each(delta->source->host, delta->source->slot, put_train, delta);
}

static int put_counter(const struct roam_stats_rec *rec, void *arg)
{
	return put_rows(arg, rec, 1);
}

static int put_stats(struct delta *delta)
{
	struct roam_stats stats;
	int err = stats_fold(delta->source->host, delta->source->slot, &stats);

	begin_table(delta, TABLE_STATS);
	return err ? err : stats_each(&stats, put_counter, delta);
}

/* ---- rows by key ---- */

/* The piece's flows: those that are there go into source->rows, the others into gone. */
static int fetch_flows(struct move_source *source, const struct piece *piece)
{
	struct roam_move_run run = { .vm = source->slot };
	struct roam_flow_rec *xfer = source->maps.xfer;
	struct roam_vm vm;
	int err;

	if (!piece->count)
		return 0;
	err = host_lock(source->host); /* the transfer rows are the host's, not ours */
	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = source->host;

	err = vm_get(locked, source->slot, &vm);
	if (err)
		return err;
	run.bank = vm.ct_bank;
	for (uint32_t i = 0; i < piece->count; i++) {
		if (piece->recs[i].table == ROAM_LOG_FLOW)
			xfer[run.count++].key = piece->recs[i].key.flow;
	}
	err = run.count ? move_run(locked, HOST_PROG_move_fetch, &run) : 0;
	for (uint32_t i = 0; i < run.count && !err; i++) {
		struct roam_log_rec key = { .table = ROAM_LOG_FLOW, .key.flow = xfer[i].key };

		if (!xfer[i].pad)
			err = move_keys_add(&source->gone, &key);
		else if (state_is_local(&xfer[i].key, source->refs.ports, source->refs.port_count))
			source->rows[source->row_count++] = xfer[i];
	}
	return err;
}

/* The next piece: how many keys of the work, from work_at on. */
static struct piece next_piece(const struct move_source *source)
{
	uint32_t left = source->work.count - source->work_at;

	return (struct piece){
		.recs = source->work.recs + source->work_at,
		.count = left < MOVE_DELTA_ROWS ? left : MOVE_DELTA_ROWS,
	};
}

static int put_gone_ips(struct delta *delta, const struct move_keys *gone)
{
	int err = 0;

	begin_table(delta, TABLE_GONE_IPS);
	for (uint32_t i = 0; i < gone->count && !err; i++) {
		struct roam_gone_ips rec = {
			.addr = gone->recs[i].key.addr,
			.block = gone->recs[i].table == ROAM_LOG_BLOCK,
		};

		if (gone->recs[i].table != ROAM_LOG_FLOW)
			err = put_rows(delta, &rec, 1);
	}
	return err;
}

static int put_gone_flows(struct delta *delta, const struct move_keys *gone)
{
	const struct state_refs *refs = &delta->source->refs;
	int err = 0;

	begin_table(delta, TABLE_GONE_FLOW);
	for (uint32_t i = 0; i < gone->count && !err; i++) {
		const struct roam_flow_key *key = &gone->recs[i].key.flow;

		if (gone->recs[i].table == ROAM_LOG_FLOW &&
		    state_is_local(key, refs->ports, refs->port_count))
			err = put_rows(delta, key, 1);
	}
	return err;
}

/* Blocks and sources that are gone, into source->gone. */
static int find_gone_ips(struct move_source *source, const struct piece *piece, uint8_t table,
			 int fd)
{
	union {
		struct roam_ips_source source;
		struct roam_ips_block block;
	} row;
	int err = 0;

	for (uint32_t i = 0; i < piece->count && !err; i++) {
		const struct roam_log_rec *rec = &piece->recs[i];

		if (rec->table == table &&
		    (fd < 0 || bpf_map_lookup_elem(fd, &rec->key.addr, &row)))
			err = move_keys_add(&source->gone, rec);
	}
	return err;
}

static int put_sources(struct delta *delta, const struct piece *piece, int fd)
{
	int err = 0;

	begin_table(delta, TABLE_IPS_SOURCE);
	for (uint32_t i = 0; i < piece->count && !err && fd >= 0; i++) {
		struct roam_ips_source_rec rec = { .addr = piece->recs[i].key.addr };

		if (piece->recs[i].table == ROAM_LOG_SOURCE &&
		    !bpf_map_lookup_elem(fd, &rec.addr, &rec.source))
			err = put_rows(delta, &rec, 1);
	}
	return err;
}

static int put_blocks(struct delta *delta, const struct piece *piece, int fd)
{
	int err = 0;

	begin_table(delta, TABLE_IPS_BLOCK);
	for (uint32_t i = 0; i < piece->count && !err && fd >= 0; i++) {
		struct roam_ips_block_rec rec = { .addr = piece->recs[i].key.addr };

		if (piece->recs[i].table == ROAM_LOG_BLOCK &&
		    !bpf_map_lookup_elem(fd, &rec.addr, &rec.block))
			err = put_rows(delta, &rec, 1);
	}
	return err;
}

/* An inner map that the VM may not have; leaves the line of errors as it is. */
static int inner_if_any(const struct move_source *source, enum host_map map)
{
	return host_has_inner(source->host, map, source->slot)
		       ? host_inner(source->host, map, source->slot)
		       : -1;
}

static int put_ips(struct delta *delta, const struct piece *piece)
{
	struct move_source *source = delta->source;
	_cleanup_close_ int sources = inner_if_any(source, HOST_MAP_ips_source);
	_cleanup_close_ int blocks = inner_if_any(source, HOST_MAP_ips_block);
	int err = find_gone_ips(source, piece, ROAM_LOG_SOURCE, sources);

	if (!err)
		err = find_gone_ips(source, piece, ROAM_LOG_BLOCK, blocks);
	if (!err)
		err = put_gone_ips(delta, &source->gone);
	if (!err)
		err = put_sources(delta, piece, sources);
	return err ? err : put_blocks(delta, piece, blocks);
}

/* ---- a delta ---- */

static int begin_delta(struct delta *delta, const struct roam_move_rec *rec)
{
	struct move_source *source = delta->source;
	struct image_header header = {
		.policy_digest = source->refs.digest,
		.sequence = source->gate->sequence + 1,
	};
	int err = image_writer_open(&source->refs.maps, move_source_write, source, &delta->writer);

	if (err)
		return err;
	image_writer_plain(delta->writer); /* bytes are cheaper than a VM's time */
	memcpy(header.vm, source->refs.vm.name, sizeof(header.vm));
	memcpy(header.uuid, source->refs.vm.uuid, sizeof(header.uuid));
	memcpy(header.handover, source->gate->id, sizeof(header.handover));
	state_host_name(header.host);
	err = image_write_header(delta->writer, &header);
	begin_table(delta, TABLE_MOVE);
	if (!err)
		err = put_rows(delta, rec, 1);
	delta->rows = 0;
	return err;
}

static int end_delta(struct delta *delta, struct move_stats *stats)
{
	int err = image_write_end(delta->writer);

	if (err)
		return err;
	stats->sequence = ++delta->source->gate->sequence;
	stats->rows = delta->rows;
	return 0;
}

static int write_piece(struct delta *delta, const struct piece *piece, bool small)
{
	struct move_source *source = delta->source;
	int err = small ? put_vm(delta) : 0;

	if (!err && small)
		err = put_hits(delta);
	if (!err && small)
		err = put_qos(delta);
	if (!err)
		err = put_ips(delta, piece);
	if (!err && small)
		err = put_frags(delta);
	if (!err)
		err = put_gone_flows(delta, &source->gone);
	begin_table(delta, TABLE_FLOW);
	if (!err)
		err = put_rows(delta, source->rows, source->row_count);
	return err || !small ? err : put_stats(delta);
}

/* What was urgent and lives on is read once more when the round ends. */
static int keep_for_round(struct move_source *source, const struct piece *piece)
{
	int err = 0;

	for (uint32_t i = 0; i < piece->count && !err; i++) {
		if (!move_keys_has(&source->gone, &piece->recs[i]))
			err = move_keys_add(&source->logged.soft, &piece->recs[i]);
	}
	return err;
}

static int write_delta(struct move_source *source, const struct piece *piece, bool last,
		       struct move_stats *stats)
{
	_cleanup_delta_ struct delta delta = { .source = source };
	bool ends = source->work_at + piece->count == source->work.count;
	struct roam_move_rec rec = {
		.small = ends && source->work_ends_round,
		.last = ends && last,
	};
	int err = fetch_flows(source, piece);

	if (!err)
		err = begin_delta(&delta, &rec);
	if (!err)
		err = write_piece(&delta, piece, rec.small);
	return err ? err : end_delta(&delta, stats);
}

/* A delta that does not get through is not lost: everything is read again. */
int move_delta_piece(struct move_source *source, bool last, struct move_stats *stats)
{
	struct piece piece = next_piece(source);
	int err;

	source->row_count = 0;
	move_keys_clear(&source->gone);
	err = write_delta(source, &piece, last, stats);
	if (!err && !source->work_ends_round)
		err = keep_for_round(source, &piece);
	source->work_at += piece.count;
	if (err)
		source->scan = true;
	return err;
}

/* ---- a scan ---- */

static int put_local(const struct roam_flow_rec *rows, uint32_t count, void *arg)
{
	struct delta *delta = arg;
	const struct state_refs *refs = &delta->source->refs;
	int err = 0;

	for (uint32_t i = 0; i < count && !err; i++) {
		if (state_is_local(&rows[i].key, refs->ports, refs->port_count))
			err = put_rows(delta, &rows[i], 1);
	}
	return err;
}

static int put_source(const struct roam_ips_source_rec *rec, void *arg)
{
	return rec->source.paid_ns ? put_rows(arg, rec, 1) : 0;
}

static int put_block(const struct roam_ips_block_rec *rec, void *arg)
{
	return put_rows(arg, rec, 1);
}

static int put_all_ips(struct delta *delta)
{
	struct move_source *source = delta->source;
	struct roam_ips conf;
	int err = ips_get(source->host, source->slot, &conf);

	if (err || !conf.is_set)
		return err;
	begin_table(delta, TABLE_IPS);
	err = put_rows(delta, &conf, 1);
	begin_table(delta, TABLE_IPS_SOURCE);
	if (!err)
		err = ips_each_source(source->host, source->slot, put_source, delta);
	begin_table(delta, TABLE_IPS_BLOCK);
	return err ? err : ips_each_block(source->host, source->slot, put_block, delta);
}

/* What the rows refer to, for a destination whose process is another. */
static int put_refs(struct delta *delta)
{
	const struct state_refs *refs = &delta->source->refs;
	int err = put_vm(delta);

	begin_table(delta, TABLE_PORT);
	if (!err)
		err = put_rows(delta, refs->ports, refs->port_count);
	begin_table(delta, TABLE_ACL);
	return err ? err : put_rows(delta, refs->rules.recs, refs->rules.count);
}

static int put_services(struct delta *delta)
{
	const struct state_lb *lb = delta->source->refs.lb;

	begin_table(delta, TABLE_LB);
	return put_rows(delta, lb->recs + 1, lb->count);
}

static int write_scan(struct delta *delta)
{
	struct move_source *source = delta->source;
	int err = put_refs(delta);

	if (!err)
		err = put_hits(delta);
	if (!err)
		err = put_qos(delta);
	if (!err)
		err = put_all_ips(delta);
	if (!err)
		err = put_frags(delta);
	if (!err)
		err = put_services(delta);
	begin_table(delta, TABLE_FLOW);
	if (!err)
		err = ct_dump(source->host, source->slot, put_local, delta);
	return err ? err : put_stats(delta);
}

int move_delta_scan(struct move_source *source, bool last, struct move_stats *stats)
{
	_cleanup_delta_ struct delta delta = { .source = source };
	struct roam_move_rec rec = { .whole = 1, .last = last, .small = 1 };
	uint64_t lost = __atomic_load_n(&source->gate->lost, __ATOMIC_SEQ_CST);
	int err;

	source->scan = true; /* until it is through */
	err = move_source_collect(source, true);
	move_keys_clear(&source->logged.urgent);
	move_source_next_round(source);
	move_keys_clear(&source->work);
	source->work_at = 0;
	source->work_ends_round = false;
	if (!err)
		err = begin_delta(&delta, &rec);
	if (!err)
		err = write_scan(&delta);
	if (!err)
		err = end_delta(&delta, stats);
	if (err)
		return err;
	source->lost = lost;
	source->scan = false;
	stats->whole = true;
	return 0;
}
