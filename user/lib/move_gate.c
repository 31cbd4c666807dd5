// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The gates of VMs, and waiting for the packets that have not seen a change: see move_own.h. */
#include <string.h>
#include <time.h>
#include <sys/mman.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "handover_id.h"
#include "journal.h"
#include "late.h"
#include "move.h"
#include "move_own.h"
#include "port.h"
#include "text.h"
#include "vm.h"

#define GATES_BYTES   (ROAM_VM_MAX * sizeof(struct roam_gate))
#define FLIGHTS_BYTES (ROAM_FLIGHT_CPUS * sizeof(struct roam_flight))
#define XFER_BYTES    (ROAM_CT_XFER_ROWS * sizeof(struct roam_flow_rec))

/* Packets take microseconds; past this something is odd, and the slow way is taken. */
#define PACKETS_NS (50 * 1000000ULL)

/* A map whose rows are pages of memory, as the kernel rounds them. */
static void *map_rows(struct host *host, enum host_map map, size_t bytes)
{
	void *rows = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			  host_map(host, map), 0);

	return rows == MAP_FAILED ? NULL : rows;
}

int move_maps_open(struct move_maps *maps, struct host *host)
{
	maps->host = host;
	maps->gates = map_rows(host, HOST_MAP_move_gate, GATES_BYTES);
	maps->flights = map_rows(host, HOST_MAP_move_flight, FLIGHTS_BYTES);
	maps->xfer = map_rows(host, HOST_MAP_ct_xfer, XFER_BYTES);
	if (maps->gates && maps->flights && maps->xfer)
		return 0;
	return fail_errno(-errno, "move: cannot map the host's gates");
}

void move_maps_close(struct move_maps *maps)
{
	if (maps->gates)
		munmap(maps->gates, GATES_BYTES);
	if (maps->flights)
		munmap(maps->flights, FLIGHTS_BYTES);
	if (maps->xfer)
		munmap(maps->xfer, XFER_BYTES);
	*maps = (struct move_maps){};
}

bool move_gate_go(struct roam_gate *gate, enum roam_gate_state from, enum roam_gate_state to)
{
	__u32 expected = from;

	return __atomic_compare_exchange_n(&gate->state, &expected, to, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

enum roam_gate_state move_gate_state(const struct roam_gate *gate)
{
	return __atomic_load_n(&gate->state, __ATOMIC_SEQ_CST);
}

void move_round(struct roam_gate *gate)
{
	__u16 next = gate->round + 1;

	__atomic_store_n(&gate->round, next ? next : 1, __ATOMIC_SEQ_CST);
}

/* Of each CPU, what had begun when it was first looked at has ended. */
int move_wait_packets(const struct move_maps *maps)
{
	struct timespec nap = { .tv_nsec = 20000 };
	int cpus = libbpf_num_possible_cpus();
	uint64_t until = now_ns() + PACKETS_NS;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (int cpu = 0; cpu < cpus && cpu < ROAM_FLIGHT_CPUS; cpu++) {
		const struct roam_flight *flight = &maps->flights[cpu];
		uint64_t entered = __atomic_load_n(&flight->entered, __ATOMIC_SEQ_CST);

		while ((int64_t)(__atomic_load_n(&flight->left, __ATOMIC_SEQ_CST) - entered) < 0) {
			if (now_ns() > until)
				return move_wait_rcu(maps->host);
			nanosleep(&nap, NULL);
		}
	}
	return 0;
}

/* Writing an outer map waits for programs. */
int move_wait_rcu(struct host *host)
{
	_cleanup_close_ int fd = host_inner(host, HOST_MAP_stats, ROAM_VM_NONE);

	return fd < 0 ? fd : host_set_inner(host, HOST_MAP_stats, ROAM_VM_NONE, fd);
}

int move_run(struct host *host, enum host_prog prog, struct roam_move_run *run)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = run, .ctx_size_in = sizeof(*run));

	if (bpf_prog_test_run_opts(host_prog(host, prog), &opts))
		return fail_errno(-errno, "move: cannot run a program over rows");
	switch (run->error) {
	case 0:
		return run->done == run->count ? 0 : fail(-EIO, "move: rows were lost");
	case -EEXIST:
		return fail(-EEXIST, "move: the tuple of a session is another flow's here");
	case -ENOSPC:
		return fail(-ENOSPC, "move: more flows than the VM's quota");
	default:
		return fail_errno(run->error, "move: cannot store flows");
	}
}

/* ---- for everybody: a copy, or one write ---- */

int move_gate_get(struct host *host, uint32_t slot, struct roam_gate *ret_gate)
{
	struct roam_gate gate;
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	if (!err)
		err = host_get(host, HOST_MAP_move_gate, &slot, &gate);
	if (err)
		return err;
	if (vm.life != ROAM_LIFE_GATED)
		gate.state = ROAM_GATE_NONE;
	*ret_gate = gate;
	return 0;
}

int move_gate_put(struct host *host, uint32_t slot, const struct roam_gate *gate)
{
	struct roam_gate row = *gate, before;
	int err = host_get(host, HOST_MAP_move_gate, &slot, &before);

	row.round = before.round;
	move_round(&row);
	return err ? err : host_put(host, HOST_MAP_move_gate, &slot, &row);
}

void move_clear(struct host *host, uint32_t slot)
{
	struct roam_gate none = {}, gate;

	late_to_del(host, slot);
	if (host_has_inner(host, HOST_MAP_move_log, slot))
		host_clear_inner(host, HOST_MAP_move_log, slot);
	if (host_get(host, HOST_MAP_move_gate, &slot, &gate) || gate.state == ROAM_GATE_NONE)
		return;
	none.round = gate.round;
	host_put(host, HOST_MAP_move_gate, &slot, &none);
}

/* One field of the gate of a gated VM, where programs and others may be writing, too. */
static void touch(struct host *host, uint32_t slot, void (*fn)(struct roam_gate *gate))
{
	struct roam_gate *gates, gate;

	if (move_gate_get(host, slot, &gate) || gate.state == ROAM_GATE_NONE)
		return;
	gates = map_rows(host, HOST_MAP_move_gate, GATES_BYTES);
	if (!gates)
		return;
	fn(&gates[slot]);
	munmap(gates, GATES_BYTES);
}

static void add_lost(struct roam_gate *gate)
{
	__atomic_add_fetch(&gate->lost, 1, __ATOMIC_SEQ_CST);
}

void move_unlogged(struct host *host, uint32_t slot)
{
	touch(host, slot, add_lost);
}

static void forget_gen(struct roam_gate *gate)
{
	__atomic_store_n(&gate->gen, 0, __ATOMIC_SEQ_CST);
}

void move_policy_changed(struct host *host, uint32_t slot)
{
	touch(host, slot, forget_gen);
}

bool move_runs_here(struct host *host, uint32_t slot)
{
	struct roam_gate gate;

	return !move_gate_get(host, slot, &gate) &&
	       (gate.state == ROAM_GATE_COPYING || gate.state == ROAM_GATE_FROZEN ||
		gate.state == ROAM_GATE_OPEN);
}

int move_may_load(struct host *host, uint32_t slot)
{
	struct roam_gate gate;
	int err = move_gate_get(host, slot, &gate);

	if (err || gate.state == ROAM_GATE_PREPARED || gate.state == ROAM_GATE_NONE)
		return err;
	return fail(-EBUSY, "state: a handover of the vm is under way here (%s)",
		    text_enum_name(&text_gate, gate.state));
}

int move_may_change(struct host *host, uint32_t slot)
{
	char id[HANDOVER_ID_TEXT];
	struct roam_gate gate;
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	if (!err)
		err = move_gate_get(host, slot, &gate);
	if (err)
		return err;
	handover_id_text(gate.id, id);
	switch (gate.state) {
	case ROAM_GATE_FROZEN:
		return fail(-EBUSY,
			    "vm '%s': is leaving this host (handover %s, frozen): not changed "
			    "here; edit it at the destination when it runs there, or abort the "
			    "handover",
			    vm.name, id);
	case ROAM_GATE_MOVED:
		return fail(-EBUSY,
			    "vm '%s': has left this host (handover %s, moved): not changed here; "
			    "edit it at the destination",
			    vm.name, id);
	case ROAM_GATE_STAGED:
		if (gate.own_policy)
			return 0;
		return fail(-EBUSY,
			    "vm '%s': is coming to this host (handover %s, staged): not changed "
			    "here; edit it when it runs here, or at the source",
			    vm.name, id);
	default:
		return 0;
	}
}

/* With the host's lock: the row first, so that no packet meets a gate that is cleared. */
static int settle_locked(struct host *host, uint32_t slot)
{
	struct roam_gate gate;
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	if (!err)
		err = move_gate_get(host, slot, &gate);
	if (err)
		return err;
	if (gate.state == ROAM_GATE_NONE)
		return 0;
	if (gate.state != ROAM_GATE_OPEN ||
	    (gate.grace && now_ns() - gate.opened_ns < ROAM_GRACE_NS))
		return fail(-EAGAIN, "move: vm '%s' is %s", vm.name,
			    text_enum_name(&text_gate, gate.state));
	vm.life = ROAM_LIFE_ACTIVE;
	err = vm_put(host, slot, &vm);
	if (!err)
		err = port_bind_all(host, slot);
	if (!err) /* programs that found it gated ask its gate */
		err = move_wait_rcu(host);
	if (!err)
		move_clear(host, slot);
	if (!err)
		late_from_end(host, slot);
	return err;
}

int move_settle(struct host *host, uint32_t slot)
{
	int err = host_lock(host), entry;

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	err = journal_begin_any(locked, slot, &entry);
	if (err)
		return err;
	err = settle_locked(locked, slot);
	journal_end(locked, slot, &entry);
	return err;
}

int move_release(struct host *host, const char *vm, const uint8_t id[16], uint64_t epoch)
{
	struct roam_gate gate;
	uint32_t slot;
	int err = host_lock(host);

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	err = vm_find(locked, vm, &slot);
	if (err)
		return err == -ENOENT ? 0 : err; /* it is done */
	err = move_gate_get(host, slot, &gate);
	if (err)
		return err;
	if (gate.state != ROAM_GATE_MOVED || memcmp(gate.id, id, sizeof(gate.id)) != 0 ||
	    gate.epoch != epoch)
		return fail(-ESTALE, "move: vm '%s' has not been moved by this handover", vm);
	return vm_del(host, vm);
}

int move_freeze(struct host *host, const char *vm)
{
	struct roam_gate gate, *gates;
	uint32_t slot;
	bool frozen;
	int err = host_lock(host); /* see move_source_freeze() */

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	err = vm_find(locked, vm, &slot);
	if (!err)
		err = move_gate_get(host, slot, &gate);
	if (err)
		return err;
	gates = gate.state == ROAM_GATE_NONE ? NULL
					     : map_rows(host, HOST_MAP_move_gate, GATES_BYTES);
	if (!gates)
		return fail(-EINVAL, "move: vm '%s' is not being copied", vm);
	frozen = move_gate_go(&gates[slot], ROAM_GATE_COPYING, ROAM_GATE_FROZEN);
	munmap(gates, GATES_BYTES);
	return frozen ? 0
		      : fail(-EINVAL, "move: vm '%s' is %s", vm,
			     text_enum_name(&text_gate, gate.state));
}
