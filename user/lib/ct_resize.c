// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Changing a VM's quotas while traffic runs, without losing a flow (ct.h).
 *
 * New tables are made in the idle bank. ct_moving is set before the bank is switched, so that a
 * program that misses a flow in its bank looks into the other one and moves it. When no program is
 * left that began before the switch, every row is copied, keys that are there already left alone,
 * and only then deleted from the old bank. A flow for which a packet found no room in the new bank
 * may still be promoted within the old one: so the copy is made twice, and until nothing is left.
 * Each step can be repeated: whoever finds ct_moving set after a kill goes on.
 */
#include <bpf/bpf.h>
#include "ct.h"
#include "tables.h"
#include "vm.h"

struct move {
	struct host *host;
	uint32_t from; /* ROAM_CT_TABLE() */
	uint32_t to;
	int from_fd;
	struct roam_vm vm; /* whose tables they are */
};

/* Live rows first; how many those are. */
static uint32_t partition(const struct move *move, struct roam_flow_rec *rows, uint32_t count)
{
	uint64_t now = now_ns();
	uint32_t live = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct roam_flow_rec row = rows[i];

		if (ct_flow_expired(&move->vm.timeouts, &row.flow, now))
			continue;
		rows[i] = rows[live];
		rows[live++] = row;
	}
	return live;
}

/* What has expired does not come along: it would only take room. */
static int move_rows(struct move *move, struct roam_flow_rec *rows, uint32_t count)
{
	uint32_t live = partition(move, rows, count);
	int err = ct_load_missing(move->host, move->to, rows, live);

	if (!err && live < count)
		err = ct_drop(move->host, move->from, rows + live, count - live);
	return err < 0 ? err : 0;
}

/* Moves up to as many rows as fit the buffer; how many there were. */
static int move_some(struct move *move, struct roam_flow_rec *rows, uint32_t room)
{
	struct roam_flow_key key, *at = NULL;
	uint32_t count = 0;
	int err;

	while (count < room && !bpf_map_get_next_key(move->from_fd, at, &key)) {
		if (!bpf_map_lookup_elem(move->from_fd, &key, &rows[count].flow))
			rows[count++].key = key;
		at = &key;
	}
	err = move_rows(move, rows, count);
	return err ? err : (int)count;
}

static int move_kind(struct host *host, uint32_t from, uint32_t to)
{
	enum { ROOM = 4096 };
	_cleanup_free_ struct roam_flow_rec *rows = calloc(ROOM, sizeof(*rows));
	_cleanup_close_ int from_fd = host_inner(host, HOST_MAP_ct_table, from);
	struct move move = { .host = host, .from = from, .to = to, .from_fd = from_fd };
	int moved, err = vm_get(host, from / ROAM_CT_TABLES, &move.vm);

	if (err)
		return err;
	if (!rows)
		return fail(-ENOMEM, "ct: out of memory");
	if (from_fd == -ENOENT)
		return 0;
	if (from_fd < 0)
		return from_fd;
	do
		moved = move_some(&move, rows, ROOM);
	while (moved > 0);
	return moved;
}

static int move_bank(struct host *host, uint32_t slot, uint32_t to_bank)
{
	int err = 0;

	for (uint32_t kind = 0; kind < ROAM_CT_KINDS && !err; kind++)
		err = move_kind(host, ROAM_CT_TABLE(slot, !to_bank, kind),
				ROAM_CT_TABLE(slot, to_bank, kind));
	return err;
}

/*
 * Second keys of flows that their own packets have moved: those stayed. One that its flow has given
 * up meanwhile does no harm (bpf/ct.bpf.c, claim_wire).
 */
static int copy_wire(struct host *host, uint32_t slot, uint32_t to_bank)
{
	_cleanup_close_ int from = host_inner(host, HOST_MAP_ct_wire, ROAM_CT_WIRE(slot, !to_bank));
	_cleanup_close_ int to = host_inner(host, HOST_MAP_ct_wire, ROAM_CT_WIRE(slot, to_bank));
	struct roam_flow_key key, *at = NULL;
	struct roam_ct_wire row;

	if (from < 0 || to < 0)
		return 0;
	while (!bpf_map_get_next_key(from, at, &key)) {
		at = &key;
		if (bpf_map_lookup_elem(from, &key, &row))
			continue;
		if (bpf_map_update_elem(to, &key, &row, BPF_NOEXIST) && errno != EEXIST)
			return fail_errno(-errno, "ct: cannot store a second key");
	}
	return 0;
}

/* Waits until no program runs that began before: writing an outer map does. */
static int wait_for_programs(struct host *host)
{
	uint32_t index = ROAM_VM_NONE;
	_cleanup_close_ int fd = host_inner(host, HOST_MAP_stats, index);

	return fd < 0 ? fd : host_set_inner(host, HOST_MAP_stats, index, fd);
}

int ct_finish_move(struct host *host, uint32_t slot)
{
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	for (int pass = 0; pass < 2 && !err; pass++) {
		err = wait_for_programs(host);
		if (!err)
			err = move_bank(host, slot, vm.ct_bank);
	}
	if (!err)
		err = copy_wire(host, slot, vm.ct_bank);
	if (err)
		return err;
	vm.ct_moving = 0;
	err = vm_put(host, slot, &vm);
	if (!err)
		err = wait_for_programs(host);
	if (!err)
		tables_clear_bank(host, slot, !vm.ct_bank);
	return err;
}

/* Live flows by kind. */
struct living {
	struct roam_ct_timeouts timeouts;
	uint32_t used[ROAM_CT_KINDS];
};

static int count_live(const struct roam_flow_rec *rows, uint32_t count, void *arg)
{
	uint64_t now = now_ns();
	struct living *living = arg;

	for (uint32_t i = 0; i < count; i++)
		living->used[ct_state_kind(rows[i].flow.state)] +=
			!ct_flow_expired(&living->timeouts, &rows[i].flow, now);
	return 0;
}

static int check_room(struct host *host, uint32_t slot, const struct roam_vm *wanted)
{
	struct living living = { .timeouts = wanted->timeouts };
	const uint32_t *used = living.used;
	int err = ct_dump(host, slot, count_live, &living);

	if (err)
		return err;
	if (used[ROAM_CT_FLOWS] > wanted->quota_flows)
		return fail(-EBUSY, "vm '%s': flows %u is too few: it holds %u", wanted->name,
			    wanted->quota_flows, used[ROAM_CT_FLOWS]);
	if (used[ROAM_CT_HALF] > wanted->quota_half)
		return fail(-EBUSY, "vm '%s': half %u is too few: it holds %u", wanted->name,
			    wanted->quota_half, used[ROAM_CT_HALF]);
	return 0;
}

/* From `now`, which has said that rows are moving, to `wanted`: its write is the change. */
static int switch_bank(struct host *host, uint32_t slot, const struct roam_vm *now,
		       const struct roam_vm *wanted)
{
	struct roam_vm row = *wanted;
	int err;

	row.ct_moving = 1;
	row.ct_bank = !now->ct_bank;
	err = vm_put(host, slot, &row);
	if (!err)
		err = ct_finish_move(host, slot);
	if (!err)
		return 0;
	/* New flows took the room of a smaller table meanwhile: back to where all fit. */
	vm_put(host, slot, now);
	ct_finish_move(host, slot);
	return err;
}

int ct_resize(struct host *host, uint32_t slot, const struct roam_vm *wanted)
{
	uint32_t quota[] = {
		[ROAM_CT_FLOWS] = wanted->quota_flows,
		[ROAM_CT_HALF] = wanted->quota_half,
	};
	struct roam_vm now;
	int err = vm_get(host, slot, &now);

	if (!err)
		err = check_room(host, slot, wanted);
	if (!err)
		err = tables_make_bank(host, slot, !now.ct_bank, quota);
	if (err)
		return err;
	/* A program must not see the new bank without the flag: a write of its own. */
	now.ct_moving = 1;
	err = vm_put(host, slot, &now);
	return err ? err : switch_bank(host, slot, &now, wanted);
}
