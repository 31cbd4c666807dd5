// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The destination's end of a handover: see move.h. Deltas are read in move_take.c and applied in
 * move_apply.c; here is what becomes of the VM.
 */
#include <string.h>
#include "ct.h"
#include "journal.h"
#include "late.h"
#include "move_dest.h"
#include "port.h"
#include "text.h"
#include "vm.h"

static int new_dest(struct host *host, struct move_dest **ret_dest)
{
	struct move_dest *dest = calloc(1, sizeof(*dest));
	int err;

	if (!dest)
		return fail(-ENOMEM, "move: out of memory");
	dest->host = host;
	err = move_maps_open(&dest->maps, host);
	if (err) {
		move_dest_close(dest);
		return err;
	}
	*ret_dest = dest;
	return 0;
}

void move_dest_close(struct move_dest *dest)
{
	if (!dest)
		return;
	move_maps_close(&dest->maps);
	state_refs_close(&dest->refs);
	free(dest->flows.rows);
	excess_free(&dest->late);
	free(dest);
}

uint32_t move_dest_slot(const struct move_dest *dest)
{
	return dest->slot;
}

const char *move_dest_vm(const struct move_dest *dest)
{
	return dest->vm;
}

int move_prepare(struct host *host, const char *vm, const uint8_t id[16])
{
	struct roam_gate gate = { .state = ROAM_GATE_PREPARED, .own_policy = 1 };
	struct roam_vm row;
	uint32_t slot;
	int err = host_lock(host), entry;

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	memcpy(gate.id, id, sizeof(gate.id));
	err = vm_find(locked, vm, &slot);
	if (!err)
		err = vm_get(host, slot, &row);
	if (err)
		return err;
	if (row.life != ROAM_LIFE_SHUT)
		return fail(-EBUSY, "move: vm '%s' is %s here, not shut", vm,
			    text_enum_name(&text_life, row.life));
	err = journal_begin_any(host, slot, &entry);
	if (err)
		return err;
	err = move_gate_put(host, slot, &gate);
	row.life = ROAM_LIFE_GATED;
	if (!err)
		err = vm_put(host, slot, &row);
	journal_end(host, slot, &entry);
	return err;
}

/* Who has the VM already has a policy for it, which it keeps; but it must not run here. */
static int check_base(struct host *host, const char *vm)
{
	struct roam_vm row;
	uint32_t slot;

	if (!vm || vm_find(host, vm, &slot))
		return 0;
	if (vm_get(host, slot, &row) || row.life != ROAM_LIFE_ACTIVE)
		return 0;
	return fail(-EBUSY, "move: vm '%s' is active here", vm);
}

int move_dest_base(struct host *host, const struct move_dest_options *options, image_read_fn read,
		   void *arg, struct move_dest **ret_dest)
{
	_cleanup_move_dest_ struct move_dest *dest = NULL;
	struct roam_gate gate = { .state = ROAM_GATE_STAGED, .grace = 1 };
	struct state_loaded loaded;
	struct state_load load = {
		.vm = options->vm,
		.devs = options->devs,
		.dev_count = options->dev_count,
		.exact = true, /* what went on comes with the deltas; without them, with grace */
		.now_ns = options->now_ns,
		.gate = &gate,
		.read = read,
		.arg = arg,
	};
	int err = check_base(host, options->vm);

	if (!err)
		err = new_dest(host, &dest);
	if (err)
		return err;
	load.refs = &dest->refs;
	err = state_load(host, &load, &loaded);
	if (err)
		return err == -EEXIST ? -EBUSY : err;
	memcpy(dest->vm, loaded.vm, sizeof(dest->vm));
	dest->slot = dest->refs.slot;
	dest->late = dest->refs.late;
	dest->refs.late = (struct excess){};
	dest->gate = &dest->maps.gates[dest->slot];
	dest->gate->base_ns = dest->refs.maps.now_ns;
	__atomic_store_n(&dest->gate->gen, dest->refs.maps.gen, __ATOMIC_SEQ_CST);
	dest->has_refs = dest->has_stats = true;
	*ret_dest = TAKE_PTR(dest);
	return 0;
}

int move_dest_reopen(struct host *host, const char *vm, struct move_dest **ret_dest)
{
	_cleanup_move_dest_ struct move_dest *dest = NULL;
	struct roam_gate gate;
	int err = new_dest(host, &dest);

	if (!err)
		err = text_name_parse("vm", vm, dest->vm);
	if (!err)
		err = vm_find(host, vm, &dest->slot);
	if (!err)
		err = move_gate_get(host, dest->slot, &gate);
	if (err)
		return err;
	if (gate.state != ROAM_GATE_STAGED && gate.state != ROAM_GATE_OPEN &&
	    gate.state != ROAM_GATE_SHUT)
		return fail(-ENOENT, "move: no handover of vm '%s' to here", vm);
	dest->gate = &dest->maps.gates[dest->slot];
	dest->refs.slot = dest->slot;
	dest->complete = !gate.grace;
	*ret_dest = TAKE_PTR(dest);
	return 0;
}

uint64_t move_dest_sequence(const struct move_dest *dest)
{
	return dest->gate->sequence;
}

bool move_dest_is_complete(const struct move_dest *dest)
{
	return dest->complete;
}

int move_dest_ready(struct move_dest *dest, bool held)
{
	if (!dest->complete)
		return fail(-EINVAL, "move: vm '%s' lacks the source's last delta", dest->vm);
	__atomic_store_n(&dest->gate->grace, 0, __ATOMIC_SEQ_CST);
	if (held)
		__atomic_store_n(&dest->gate->in_open, 1, __ATOMIC_SEQ_CST);
	return 0;
}

int move_dest_poll(struct move_dest *dest, struct roam_gate *ret_gate)
{
	return move_gate_get(dest->host, dest->slot, ret_gate);
}

int move_dest_settle(struct move_dest *dest)
{
	return move_settle(dest->host, dest->slot);
}

int move_dest_shut(struct move_dest *dest)
{
	move_gate_go(dest->gate, ROAM_GATE_STAGED, ROAM_GATE_SHUT);
	move_gate_go(dest->gate, ROAM_GATE_OPEN, ROAM_GATE_SHUT);
	if (move_gate_state(dest->gate) == ROAM_GATE_SHUT)
		return 0;
	return fail(-EINVAL, "move: vm '%s' is not here by a handover", dest->vm);
}

/* The VM that was here before, shut, with its policy and without what was moved here. */
static int go_back(struct move_dest *dest)
{
	struct roam_vm vm;
	uint64_t flows;
	int err = vm_get(dest->host, dest->slot, &vm);

	vm.life = ROAM_LIFE_SHUT;
	if (!err)
		err = vm_put(dest->host, dest->slot, &vm);
	if (!err)
		err = ct_flush(dest->host, dest->slot, &flows);
	if (!err) {
		move_clear(dest->host, dest->slot);
		late_from_del(dest->host, dest->slot);
	}
	return err;
}

int move_dest_wipe(struct move_dest *dest)
{
	uint32_t slot;
	int err = host_lock(dest->host);

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = dest->host;

	err = vm_find(locked, dest->vm, &slot);
	if (err || slot != dest->slot)
		return 0; /* it is not here any more */
	/* No packet may open it from here on. */
	move_gate_go(dest->gate, ROAM_GATE_STAGED, ROAM_GATE_SHUT);
	if (move_gate_state(dest->gate) != ROAM_GATE_SHUT)
		return fail(-EBUSY, "move: vm '%s' runs here", dest->vm);
	return dest->gate->own_policy ? go_back(dest) : vm_del(dest->host, dest->vm);
}
