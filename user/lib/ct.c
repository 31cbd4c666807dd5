// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Flows of VMs, read and written in bulk: see ct.h. Changing a quota is in ct_resize.c. */
#include <string.h>
#include <bpf/bpf.h>
#include "behind.h"
#include "ct.h"
#include "text.h"
#include "vm.h"

/* Rows a batch asks for. A bucket comes whole, so there must be room for the fullest one. */
#define BATCH_ROWS     4096
#define BATCH_ROWS_MAX (1U << 20)

static const uint8_t state_kind[] = {
#define X(id, name, timeout, kind) [ROAM_CT_##id] = ROAM_CT_##kind,
	ROAM_CT_STATES(X)
#undef X
};

static const uint32_t state_timeout_s[] = {
#define X(id, name, timeout, kind) [ROAM_CT_##id] = timeout,
	ROAM_CT_STATES(X)
#undef X
};

enum roam_ct_kind ct_state_kind(uint8_t state)
{
	return state < ARRAY_SIZE(state_kind) ? state_kind[state] : ROAM_CT_HALF;
}

static bool is_waiting(const struct roam_tcp_end *end, const struct roam_tcp_end *other)
{
	if (!(end->flags & ROAM_TCP_END_SEEN))
		return false;
	if (!(other->flags & ROAM_TCP_END_SEEN))
		return true;
	return other->flags & ROAM_TCP_END_ACKED && other->maxack != end->end;
}

uint32_t ct_patience_s(const struct roam_ct_timeouts *own, const struct roam_flow *flow)
{
	uint32_t unacked = own->unacked ? own->unacked : ROAM_CT_UNACKED_S, patience;

	if (flow->state >= ROAM_CT_STATE_COUNT)
		return 0;
	patience = ((const uint32_t *)own)[flow->state];
	if (!patience)
		patience = state_timeout_s[flow->state];
	if (flow->state >= ROAM_CT_SYN_SENT && flow->state <= ROAM_CT_CLOSE && patience > unacked &&
	    (is_waiting(&flow->side[0].tcp, &flow->side[1].tcp) ||
	     is_waiting(&flow->side[1].tcp, &flow->side[0].tcp)))
		return unacked;
	return patience;
}

bool ct_flow_expired(const struct roam_ct_timeouts *own, const struct roam_flow *flow,
		     uint64_t now_ns)
{
	return (int64_t)(now_ns - flow->seen_ns) > (int64_t)(ct_patience_s(own, flow) * NS_PER_S);
}

uint32_t ct_patience_percent(uint32_t used, uint32_t quota)
{
	uint32_t tenth = quota / ROAM_CT_SHRINK, room = used < quota ? quota - used : 0;

	if (!tenth || room >= tenth)
		return 100;
	if (room < tenth / ROAM_CT_SHRINK + 1)
		room = tenth / ROAM_CT_SHRINK + 1;
	return room * 100ULL / tenth;
}

const char *ct_timeout_name(uint32_t i)
{
	if (!i)
		return "unacked";
	return i < ROAM_CT_STATE_COUNT ? text_enum_name(&text_ct_state, i) : NULL;
}

uint32_t *ct_timeout_of(struct roam_ct_timeouts *timeouts, const char *state)
{
	const char *name;

	for (uint32_t i = 0; (name = ct_timeout_name(i)); i++) {
		if (!strcmp(name, state))
			return (uint32_t *)timeouts + i;
	}
	return NULL;
}

bool ct_wire_key(const struct roam_flow_rec *rec, struct roam_flow_key *ret_wire)
{
	*ret_wire = rec->key;
	switch (rec->flow.lb_role) {
	case ROAM_LB_ROLE_CLIENT:
		ret_wire->remote = rec->flow.lb_addr;
		ret_wire->rport = rec->flow.lb_port;
		return true;
	case ROAM_LB_ROLE_BACKEND:
		ret_wire->local = rec->flow.lb_addr;
		ret_wire->lport = rec->flow.lb_port;
		return true;
	case ROAM_LB_ROLE_HAIRPIN_CLIENT:
		ret_wire->local = rec->flow.lb_addr;
		ret_wire->lport = rec->flow.lb_port;
		ret_wire->rport = rec->key.lport;
		return true;
	default:
		return false;
	}
}

struct batch {
	uint32_t room;
	enum roam_ct_kind kind;
	struct roam_flow_key *keys;
	struct roam_flow *flows;
	struct roam_flow_rec *recs;
};

static void cleanup_batch(struct batch *batch)
{
	free(batch->keys);
	free(batch->flows);
	free(batch->recs);
}
#define _cleanup_batch_ __attribute__((cleanup(cleanup_batch)))

static int batch_grow(struct batch *batch, uint32_t room)
{
	cleanup_batch(batch);
	*batch = (struct batch){
		.room = room,
		.kind = batch->kind,
		.keys = calloc(room, sizeof(*batch->keys)),
		.flows = calloc(room, sizeof(*batch->flows)),
		.recs = calloc(room, sizeof(*batch->recs)),
	};
	if (!batch->keys || !batch->flows || !batch->recs || room > BATCH_ROWS_MAX)
		return fail(-ENOMEM, "ct: out of memory");
	return 0;
}

/* A half-open row with the state of an established flow is on its way into the other table, and is
 * met there. */
static int hand_over(struct batch *batch, uint32_t count, ct_rows_fn fn, void *arg)
{
	uint32_t rows = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (batch->kind == ROAM_CT_HALF &&
		    ct_state_kind(batch->flows[i].state) == ROAM_CT_FLOWS)
			continue;
		batch->recs[rows].key = batch->keys[i];
		batch->recs[rows].flow = batch->flows[i];
		rows++;
	}
	return rows ? fn(batch->recs, rows, arg) : 0;
}

/* All rows of one table, by batches. */
static int dump_table(int fd, struct batch *batch, ct_rows_fn fn, void *arg)
{
	uint32_t position, *from = NULL;
	int err = 0;

	while (!err) {
		uint32_t count = batch->room, next;

		err = bpf_map_lookup_batch(fd, from, &next, batch->keys, batch->flows, &count,
					   NULL);
		if (err == -ENOSPC) { /* a bucket with more rows than there is room */
			err = batch_grow(batch, batch->room * 2);
			continue;
		}
		if (err && err != -ENOENT)
			return fail_errno(err, "ct: cannot read flows");
		position = next;
		from = &position;
		if (err == -ENOENT) /* the last batch */
			return hand_over(batch, count, fn, arg);
		err = hand_over(batch, count, fn, arg);
	}
	return err;
}

int ct_dump(struct host *host, uint32_t slot, ct_rows_fn fn, void *arg)
{
	_cleanup_batch_ struct batch batch = {};
	struct roam_vm before, after;
	int err = batch_grow(&batch, BATCH_ROWS);

	if (!err)
		err = vm_get(host, slot, &before);
	/* Half-open flows first: one that is promoted meanwhile is in the other table before it
	 * leaves this one, so it cannot be missed. */
	for (uint32_t kind = ROAM_CT_KINDS; kind-- > 0 && !err;) {
		_cleanup_close_ int fd = host_inner(host, HOST_MAP_ct_table,
						    ROAM_CT_TABLE(slot, before.ct_bank, kind));

		batch.kind = kind;
		err = fd < 0 ? fd : dump_table(fd, &batch, fn, arg);
	}
	if (!err)
		err = vm_get(host, slot, &after);
	if (err)
		return err;
	if (before.ct_moving || after.ct_moving || before.ct_bank != after.ct_bank)
		return fail(-EAGAIN, "ct: the VM's quota is being changed; try again");
	return 0;
}

static int run_load(struct host *host, const struct roam_ct_load *want)
{
	struct roam_ct_load load = *want;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &load, .ctx_size_in = sizeof(load));

	if (bpf_prog_test_run_opts(host_prog(host, HOST_PROG_ct_load), &opts))
		return fail_errno(-errno, "ct: cannot run the bulk loader");
	switch (load.error) {
	case 0:
		return load.done == load.count ? 0 : fail(-EIO, "ct: rows were lost");
	case -EEXIST:
		return fail(-EEXIST, "ct: the same flow twice");
	case -ENOSPC:
		return fail(-ENOSPC, "ct: more flows than the VM's quota");
	default:
		return fail_errno(load.error, "ct: cannot store flows");
	}
}

struct half {
	struct host *host;
	struct roam_ct_load load;
};

static int load_half(void *arg)
{
	struct half *half = arg;

	return run_load(half->host, &half->load);
}

/* On two CPUs: what takes time is memory for the rows, in the kernel. */
static int load_halves(struct host *host, const struct roam_ct_load *load)
{
	struct half front = { host, *load }, back = { host, *load };
	struct behind behind = {};
	int err;

	front.load.count = load->count / 2;
	back.load.first = front.load.count;
	back.load.count = load->count - front.load.count;
	err = behind_begin(&behind, load_half, &back);
	if (err)
		return err;
	err = load_half(&front);
	if (!err)
		return behind_wait(&behind);
	behind_end(&behind);
	return err;
}

static int load_rows(struct host *host, struct roam_ct_load *load, const struct roam_flow_rec *rows,
		     uint32_t count)
{
	struct roam_flow_rec *xfer;
	int err = host_lock(host); /* the transfer rows are the host's, not ours */

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	xfer = host_xfer(locked);
	if (!xfer)
		return -ENOMEM;
	while (count && !err) {
		load->count = count < ROAM_CT_XFER_ROWS ? count : ROAM_CT_XFER_ROWS;
		memcpy(xfer, rows, load->count * sizeof(*rows));
		err = load_halves(host, load);
		rows += load->count;
		count -= load->count;
	}
	return err;
}

int ct_load(struct host *host, uint32_t table, const struct roam_flow_rec *rows, uint32_t count)
{
	struct roam_ct_load load = { .table = table };

	return load_rows(host, &load, rows, count);
}

int ct_load_missing(struct host *host, uint32_t table, const struct roam_flow_rec *rows,
		    uint32_t count)
{
	struct roam_ct_load load = { .table = table, .skip_existing = 1 };

	return load_rows(host, &load, rows, count);
}

int ct_used(struct host *host, uint32_t slot, uint32_t ret_used[ROAM_CT_KINDS])
{
	uint32_t used[ROAM_CT_KINDS];
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	for (uint32_t kind = 0; kind < ROAM_CT_KINDS && !err; kind++) {
		uint32_t table = ROAM_CT_TABLE(slot, vm.ct_bank, kind);
		struct roam_ct_fill fill;

		err = host_get(host, HOST_MAP_ct_fill, &table, &fill);
		used[kind] = fill.used;
	}
	if (!err)
		memcpy(ret_used, used, sizeof(used));
	return err;
}
