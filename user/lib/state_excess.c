// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Rows of an image beyond a quota: see state_excess.h. */
#include <string.h>
#include <bpf/bpf.h>
#include "ct.h"
#include "ips.h"
#include "ips_tables.h"
#include "move_own.h"
#include "state_excess.h"
#include "vm.h"

int excess_hold(struct rows *late, const void *row, size_t size)
{
	void *to = rows_add(late, size);

	if (!to)
		return fail(-ENOMEM, "state: out of memory");
	memcpy(to, row, size);
	return 0;
}

void excess_free(struct excess *excess)
{
	rows_free(&excess->flows);
	rows_free(&excess->sources);
	rows_free(&excess->blocks);
}

static int compare_worths(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* The worth up to which `count` of these go. */
static int64_t find_bar(struct rows *worths, uint32_t count)
{
	int64_t *worth = worths->rows;

	qsort(worth, worths->count, sizeof(*worth), compare_worths);
	return worth[count - 1];
}

static int add_worth(struct rows *worths, int64_t worth)
{
	return excess_hold(worths, &worth, sizeof(worth));
}

/* ---- flows ---- */

struct flows {
	struct host *host;
	uint32_t slot;
	struct roam_vm vm;
	uint64_t now_ns;
	enum roam_ct_kind kind; /* one after the other */
	struct rows late;       /* of this kind */
	struct rows worths;
	uint32_t leave; /* so many go yet */
	int64_t bar;
	struct rows gone; /* those of the table */
};

/* What is left of the time that it may idle. */
static int64_t flow_worth(const struct flows *flows, const struct roam_flow *flow)
{
	return (int64_t)(ct_patience_s(&flows->vm.timeouts, flow) * NS_PER_S) -
	       (int64_t)(flows->now_ns - flow->seen_ns);
}

static bool is_kind(const struct flows *flows, const struct roam_flow_rec *rec)
{
	return ct_state_kind(rec->flow.state) == flows->kind;
}

static int note_worths(const struct roam_flow_rec *rows, uint32_t count, void *arg)
{
	struct flows *flows = arg;
	int err = 0;

	for (uint32_t i = 0; i < count && !err; i++) {
		if (is_kind(flows, &rows[i]))
			err = add_worth(&flows->worths, flow_worth(flows, &rows[i].flow));
	}
	return err;
}

static int note_gone(const struct roam_flow_rec *rows, uint32_t count, void *arg)
{
	struct flows *flows = arg;
	int err = 0;

	for (uint32_t i = 0; i < count && flows->leave && !err; i++) {
		if (!is_kind(flows, &rows[i]) || flow_worth(flows, &rows[i].flow) > flows->bar)
			continue;
		flows->leave--;
		err = excess_hold(&flows->gone, &rows[i], sizeof(rows[i]));
	}
	return err;
}

/* Late ones first: those need not be deleted. */
static void leave_late(struct flows *flows)
{
	struct roam_flow_rec *rec = flows->late.rows;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < flows->late.count; i++) {
		if (flows->leave && flow_worth(flows, &rec[i].flow) <= flows->bar)
			flows->leave--;
		else
			rec[kept++] = rec[i];
	}
	flows->late.count = kept;
}

/* With the host's lock: deleted with their second keys, and out of the clock. */
static int delete_gone(struct flows *flows)
{
	struct roam_move_run run = { .vm = flows->slot, .bank = flows->vm.ct_bank, .gone = 1 };
	struct move_maps maps = {};
	uint32_t at = 0;
	int err = move_maps_open(&maps, flows->host);

	while (at < flows->gone.count && !err) {
		uint32_t left = flows->gone.count - at;

		run.count = left < ROAM_CT_XFER_ROWS ? left : ROAM_CT_XFER_ROWS;
		memcpy(maps.xfer, (struct roam_flow_rec *)flows->gone.rows + at,
		       run.count * sizeof(*maps.xfer));
		err = move_run(flows->host, HOST_PROG_move_apply, &run);
		at += run.count;
	}
	move_maps_close(&maps);
	run.gone = ROAM_MOVE_TIDY;
	run.count = flows->kind == ROAM_CT_HALF ? flows->vm.quota_half : flows->vm.quota_flows;
	return err ? err : move_run(flows->host, HOST_PROG_move_apply, &run);
}

static int replace(struct flows *flows)
{
	uint32_t table = ROAM_CT_TABLE(flows->slot, flows->vm.ct_bank, flows->kind);
	int err = host_lock(flows->host);

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = flows->host;

	err = flows->gone.count ? delete_gone(flows) : 0;
	return err ? err : ct_load(locked, table, flows->late.rows, flows->late.count);
}

static int place_kind(struct flows *flows)
{
	int err = ct_dump(flows->host, flows->slot, note_worths, flows);

	flows->leave = flows->late.count;
	if (!err)
		err = note_worths(flows->late.rows, flows->late.count, flows);
	if (err)
		return err;
	flows->bar = find_bar(&flows->worths, flows->leave);
	leave_late(flows);
	err = ct_dump(flows->host, flows->slot, note_gone, flows);
	return err ? err : replace(flows);
}

int excess_place_flows(struct host *host, uint32_t slot, struct rows *late)
{
	struct flows flows = { .host = host, .slot = slot, .now_ns = now_ns() };
	const struct roam_flow_rec *rec = late->rows;
	int err = late->count ? vm_get(host, slot, &flows.vm) : 0;

	for (uint32_t kind = 0; kind < ROAM_CT_KINDS && !err; kind++) {
		flows.kind = kind;
		for (uint32_t i = 0; i < late->count && !err; i++) {
			if (is_kind(&flows, &rec[i]))
				err = excess_hold(&flows.late, &rec[i], sizeof(rec[i]));
		}
		if (!err && flows.late.count)
			err = place_kind(&flows);
		rows_free(&flows.late);
		rows_free(&flows.worths);
		rows_free(&flows.gone);
	}
	rows_free(late);
	return err;
}

/* ---- sources and blocks ---- */

struct sources {
	enum roam_ips_kind kind;
	uint64_t now_ns;
	struct rows worths;
	uint32_t leave;
	int64_t bar;
	struct rows gone; /* addresses */
};

/* A bucket that was paid for long ago is full. */
static int64_t source_worth(const struct sources *sources, const struct roam_ips_source *source)
{
	return (int64_t)(source->paid_ns - sources->now_ns);
}

static int64_t block_worth(const struct sources *sources, const struct roam_ips_block *block)
{
	return block->until_ns ? (int64_t)(block->until_ns - sources->now_ns) : INT64_MAX;
}

static int note_source_worth(const struct roam_ips_source_rec *rec, void *arg)
{
	struct sources *sources = arg;

	return add_worth(&sources->worths, source_worth(sources, &rec->source));
}

static int note_block_worth(const struct roam_ips_block_rec *rec, void *arg)
{
	struct sources *sources = arg;

	return add_worth(&sources->worths, block_worth(sources, &rec->block));
}

static int note_gone_addr(struct sources *sources, const struct roam_addr *addr, int64_t worth)
{
	if (!sources->leave || worth > sources->bar)
		return 0;
	sources->leave--;
	return excess_hold(&sources->gone, addr, sizeof(*addr));
}

static int note_gone_source(const struct roam_ips_source_rec *rec, void *arg)
{
	return note_gone_addr(arg, &rec->addr, source_worth(arg, &rec->source));
}

static int note_gone_block(const struct roam_ips_block_rec *rec, void *arg)
{
	return note_gone_addr(arg, &rec->addr, block_worth(arg, &rec->block));
}

/* The late one with that number: what it is worth, its address, its row. */
static int64_t look_at(const struct sources *sources, const struct rows *late, uint32_t i,
		       const struct roam_addr **ret_addr, const void **ret_row)
{
	const struct roam_ips_source_rec *source = late->rows;
	const struct roam_ips_block_rec *block = late->rows;

	if (sources->kind == ROAM_IPS_SOURCES) {
		*ret_addr = &source[i].addr;
		*ret_row = &source[i].source;
		return source_worth(sources, &source[i].source);
	}
	*ret_addr = &block[i].addr;
	*ret_row = &block[i].block;
	return block_worth(sources, &block[i].block);
}

static int each_row(struct sources *sources, struct host *host, uint32_t slot, bool gone)
{
	if (sources->kind == ROAM_IPS_SOURCES)
		return ips_each_source(host, slot, gone ? note_gone_source : note_source_worth,
				       sources);
	return ips_each_block(host, slot, gone ? note_gone_block : note_block_worth, sources);
}

static int delete_rows(const struct sources *sources, struct host *host, uint32_t slot)
{
	_cleanup_close_ int fd = host_inner(host, ips_rows_map(sources->kind), slot);
	const struct roam_addr *addr = sources->gone.rows;

	if (fd < 0)
		return fd;
	for (uint32_t i = 0; i < sources->gone.count; i++)
		bpf_map_delete_elem(fd, &addr[i]);
	return 0;
}

static size_t late_size(const struct sources *sources)
{
	return sources->kind == ROAM_IPS_SOURCES ? sizeof(struct roam_ips_source_rec)
						 : sizeof(struct roam_ips_block_rec);
}

/* As leave_late(). */
static void leave_late_sources(struct sources *sources, struct rows *late)
{
	const size_t size = late_size(sources);
	const struct roam_addr *addr;
	uint8_t *rows = late->rows;
	const void *row;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < late->count; i++) {
		if (sources->leave && look_at(sources, late, i, &addr, &row) <= sources->bar)
			sources->leave--;
		else
			memmove(rows + size * kept++, rows + size * i, size);
	}
	late->count = kept;
}

static int place_sources(struct sources *sources, struct host *host, uint32_t slot,
			 struct rows *late)
{
	const struct roam_addr *addr;
	const void *row;
	int err = each_row(sources, host, slot, false);

	for (uint32_t i = 0; i < late->count && !err; i++)
		err = add_worth(&sources->worths, look_at(sources, late, i, &addr, &row));
	if (err)
		return err;
	sources->leave = late->count;
	sources->bar = find_bar(&sources->worths, late->count);
	leave_late_sources(sources, late);
	err = each_row(sources, host, slot, true);
	if (!err)
		err = delete_rows(sources, host, slot);
	for (uint32_t i = 0; i < late->count && !err; i++) {
		look_at(sources, late, i, &addr, &row);
		err = ips_row_put_tidy(host, slot, sources->kind, addr, row);
	}
	return err;
}

int excess_place_ips(struct host *host, uint32_t slot, enum roam_ips_kind kind, struct rows *late)
{
	struct sources sources = { .kind = kind, .now_ns = now_ns() };
	int err = place_sources(&sources, host, slot, late);

	rows_free(&sources.worths);
	rows_free(&sources.gone);
	rows_free(late);
	return err;
}
