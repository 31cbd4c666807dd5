// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Changing a VM's quotas while traffic runs, without losing a flow (ct.h).
 *
 * New tables are made in the idle bank. ct_moving is set before the bank is switched, so that from
 * the switch on a program that misses a flow in the new bank looks into the old one and moves it.
 * Then every row is copied, keys that are there already left alone, and only then deleted from the
 * old bank. A program that still runs with the old bank may add a row behind the copy: it is gone
 * after an RCU wait, and the copy is made again until nothing is left. Each step can be repeated:
 * whoever finds ct_moving set after a kill goes on.
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
};

static int move_rows(struct move *move, const struct roam_flow_rec *rows, uint32_t count)
{
	int err = ct_load_missing(move->host, move->to, rows, count);

	for (uint32_t i = 0; i < count && !err; i++)
		bpf_map_delete_elem(move->from_fd, &rows[i].key);
	return err;
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
	int moved;

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

	if (!err)
		err = move_bank(host, slot, vm.ct_bank);
	if (!err)
		err = wait_for_programs(host);
	if (!err)
		err = move_bank(host, slot, vm.ct_bank);
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

int ct_resize(struct host *host, uint32_t slot, uint32_t flows, uint32_t half)
{
	uint32_t used[ROAM_CT_KINDS], quota[] = {
		[ROAM_CT_FLOWS] = flows,
		[ROAM_CT_HALF] = half,
	};
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	if (!err)
		err = ct_used(host, slot, used);
	if (err)
		return err;
	if (used[ROAM_CT_FLOWS] > flows || used[ROAM_CT_HALF] > half)
		return fail(-EBUSY, "vm '%s': holds %u flows and %u half-open ones, more than that",
			    vm.name, used[ROAM_CT_FLOWS], used[ROAM_CT_HALF]);
	err = tables_make_bank(host, slot, !vm.ct_bank, quota);
	if (err)
		return err;
	vm.quota_flows = flows;
	vm.quota_half = half;
	vm.ct_moving = 1;
	err = vm_put(host, slot, &vm);
	if (err)
		return err;
	/* A program must not see the new bank without the flag: a write of its own. */
	vm.ct_bank = !vm.ct_bank;
	err = vm_put(host, slot, &vm);
	return err ? err : ct_finish_move(host, slot);
}
