// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Reading a delta at the destination, as if an enemy had written it: see move.h. Its rows wait
 * until all of it has turned out to be right. A scan may have more flows than should wait: those go
 * to their places as they come, which is no harm as long as the scan comes to its end; if it does
 * not, nothing but a wipe is left.
 */
#include <string.h>
#include "ips.h"
#include "move_dest.h"
#include "port.h"
#include "state_features.h"
#include "text.h"
#include "vm.h"

static void cleanup_taking(struct taking *taking)
{
	struct rows *const all[] = {
		&taking->gone_flows, &taking->gone_ips, &taking->sources, &taking->blocks,
		&taking->trains,     &taking->hits,     &taking->qos,
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		free(all[i]->rows);
	taking->dest->flows = taking->flows;
	free(taking->own_rules.recs);
	free(taking->rule);
	free(taking->lb);
	move_keys_free(&taking->seen);
}
#define _cleanup_taking_ __attribute__((cleanup(cleanup_taking)))

/* ---- what it is ---- */

static int on_header(const struct image_header *header, void *arg)
{
	struct taking *taking = arg;
	const struct roam_gate *gate = taking->dest->gate;

	if (memcmp(header->handover, gate->id, sizeof(gate->id)) != 0)
		return fail(-ESTALE, "move: the delta is another handover's");
	if (strcmp(header->vm, taking->dest->vm) != 0 ||
	    memcmp(header->uuid, taking->vm.uuid, sizeof(header->uuid)) != 0)
		return fail(-EBADMSG, "move: the delta is of vm '%s', not of '%s'", header->vm,
			    taking->dest->vm);
	if (!header->sequence)
		return fail(-EINVAL, "move: a whole image, where a delta was to come");
	if (header->sequence > gate->sequence + 1)
		return fail(-EILSEQ, "move: delta %llu, where %llu was to come",
			    (unsigned long long)header->sequence,
			    (unsigned long long)gate->sequence + 1);
	taking->header = *header;
	taking->doubled = header->sequence <= gate->sequence;
	return 0;
}

static int on_move(struct taking *taking, const struct roam_move_rec *rec)
{
	if (taking->has_move || rec->whole > 1 || rec->last > 1 || rec->small > 1)
		return fail(-EBADMSG, "image: an absurd delta");
	taking->has_move = true;
	taking->move = *rec;
	if (!taking->dest->has_refs && !rec->whole && !taking->doubled)
		return fail(-EILSEQ, "move: a delta, where a scan was to come");
	return 0;
}

static int on_vm(struct taking *taking, const struct roam_vm *row)
{
	struct roam_vm vm = *row;
	int err = state_check_vm(&taking->header, &vm);

	taking->reject_paid_ns = vm.reject_paid_ns;
	return err;
}

/* ---- references of a scan: by name, in the VM that is here ---- */

static int on_port(struct taking *taking, const struct roam_port *row)
{
	int at = 0;

	if (!taking->move.whole || taking->zones == ROAM_VM_PORTS)
		return fail(-EBADMSG, "image: ports that do not belong here");
	while (at < taking->port_count &&
	       strncmp(taking->ports[at].zone_name, row->zone_name, ROAM_NAME_LEN) != 0)
		at++;
	if (at == taking->port_count)
		return fail(-ENOENT, "state: vm '%s' has no port in zone '%.63s' here",
			    taking->dest->vm, row->zone_name);
	taking->maps.zone[taking->zones++] = taking->ports[at].zone;
	taking->maps.zone_count = taking->zones;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	const struct roam_acl_rec *x = a, *y = b;

	return strncmp(x->rule.name, y->rule.name, ROAM_NAME_LEN);
}

static int on_rule(struct taking *taking, const struct roam_acl_rec *row)
{
	uint32_t at = taking->maps.rule_count ? taking->maps.rule_count : 1;
	const struct roam_acl_rec *found = NULL;

	if (!taking->move.whole || at > ROAM_ACL_RULES)
		return fail(-EBADMSG, "image: rules that do not belong here");
	if (!taking->rule)
		taking->rule = calloc(ROAM_ACL_RULES + 1, sizeof(*taking->rule));
	if (!taking->rule)
		return fail(-ENOMEM, "move: out of memory");
	if (taking->own_rules.count)
		found = bsearch(row, taking->own_rules.recs, taking->own_rules.count, sizeof(*row),
				compare_names);
	taking->rule[at] = found ? found->rule.id : ROAM_RULE_NONE;
	taking->maps.rule = taking->rule;
	taking->maps.rule_count = at + 1;
	return 0;
}

static int on_service(struct taking *taking, const struct roam_lb_rec *row)
{
	if (!taking->move.whole)
		return fail(-EBADMSG, "image: services that do not belong here");
	return state_lb_row(taking->lb, row, &taking->maps);
}

/* ---- rows ---- */

static int hold(struct rows *rows, const void *row, size_t size, uint32_t bound)
{
	void *to = rows->count < bound ? rows_add(rows, size) : NULL;

	if (rows->count == bound && !to)
		return fail(-EBADMSG, "image: more rows than a delta has");
	if (!to)
		return fail(-ENOMEM, "move: out of memory");
	memcpy(to, row, size);
	return 0;
}

static const struct state_lb *services(const struct taking *taking)
{
	return taking->move.whole ? taking->lb : taking->dest->refs.lb;
}

static int check_flow(struct taking *taking, struct roam_flow_rec *rec, bool *ret_skip)
{
	int err = state_check_flow(rec, taking->ports, taking->port_count);

	*ret_skip = false;
	if (!err && rec->flow.lb_role && !taking->vm.lb)
		err = fail(-EINVAL,
			   "state: vm '%s' has sessions of services, but does not use lb here",
			   taking->dest->vm);
	for (int dir = 0; dir < ROAM_DIR_COUNT; dir++)
		rec->flow.side[dir].tcp.flags &= ROAM_TCP_END_SEEN | ROAM_TCP_END_SCALE |
						 ROAM_TCP_END_FIN | ROAM_TCP_END_SACK |
						 ROAM_TCP_END_ACKED | ROAM_TCP_END_STALE;
	return err ? err : state_lb_session(services(taking), rec, ret_skip);
}

/* Of a scan: what waits goes to its place. */
static int apply_some(struct taking *taking)
{
	int err = host_lock(taking->dest->host);

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = taking->dest->host;

	(void)locked;
	taking->applied = true;
	return move_apply_flows(taking);
}

static int on_flow(struct taking *taking, const struct roam_flow_rec *row)
{
	struct roam_flow_rec rec = *row;
	bool skip;
	int err = check_flow(taking, &rec, &skip);

	if (err || skip || taking->doubled)
		return err;
	if (taking->move.whole && taking->flows.count == MOVE_TAKE_ROWS)
		err = apply_some(taking);
	return err ? err : hold(&taking->flows, &rec, sizeof(rec), MOVE_TAKE_ROWS);
}

static int on_gone_flow(struct taking *taking, const struct roam_gone_flow *row)
{
	struct roam_flow_rec rec = { .key = row->key };
	char addr[TEXT_ADDR_LEN];

	if (!state_is_local(&row->key, taking->ports, taking->port_count))
		return fail(-EBADMSG, "image: a flow of %s is gone, which is no address of the VM",
			    text_addr(&row->key.local, addr));
	return hold(&taking->gone_flows, &rec, sizeof(rec), MOVE_TAKE_ROWS);
}

static const struct roam_ips *image_ips(const struct taking *taking)
{
	return taking->move.whole ? &taking->image_ips : &taking->dest->refs.image_ips;
}

/* The source that it is here; false if that is a part of what it was there. */
static int own_source(const struct taking *taking, struct roam_addr *addr, bool *ret_has)
{
	const struct roam_ips *theirs = image_ips(taking), *own = &taking->ips;
	bool ipv4 = addr_is_ipv4(addr);
	struct roam_addr source = ips_source(theirs, addr);
	char text[TEXT_ADDR_LEN];

	if (!theirs->is_set)
		return fail(-EBADMSG, "image: sources without a profile of ips");
	if (memcmp(&source, addr, sizeof(source)) != 0)
		return fail(-EBADMSG, "image: %s is no source by the image's prefixes",
			    text_addr(addr, text));
	*ret_has = own->is_set &&
		   (ipv4 ? own->prefix4 <= theirs->prefix4 : own->prefix6 <= theirs->prefix6);
	if (*ret_has)
		*addr = ips_source(own, addr);
	return 0;
}

static int on_source(struct taking *taking, const struct roam_ips_source_rec *row)
{
	struct roam_ips_source_rec rec = *row;
	bool has;
	int err = own_source(taking, &rec.addr, &has);

	return err || !has ? err : hold(&taking->sources, &rec, sizeof(rec), ROAM_IPS_QUOTA_MAX);
}

static int on_block(struct taking *taking, const struct roam_ips_block_rec *row)
{
	struct roam_ips_block_rec rec = *row;
	char text[TEXT_ADDR_LEN];
	bool has;
	int err = own_source(taking, &rec.addr, &has);

	if (!err && taking->ips.is_set && !has)
		err = fail(-EPROTO,
			   "state: the image blocks %s by a shorter prefix than this host's policy",
			   text_addr(&rec.addr, text));
	return err || !has ? err : hold(&taking->blocks, &rec, sizeof(rec), ROAM_IPS_QUOTA_MAX);
}

static int on_gone_ips(struct taking *taking, const struct roam_gone_ips *row)
{
	struct roam_gone_ips rec = *row;
	bool has;
	int err = own_source(taking, &rec.addr, &has);

	if (!err && rec.block > 1)
		err = fail(-EBADMSG, "image: an absurd deletion");
	return err || !has ? err : hold(&taking->gone_ips, &rec, sizeof(rec), ROAM_IPS_QUOTA_MAX);
}

static int on_stats(struct taking *taking, const struct roam_stats_rec *rec)
{
	struct roam_counter *counter = &taking->stats.by_reason[rec->reason][rec->dir];

	if (rec->reason == ROAM_REASON_NONE) /* a name that is unknown here */
		return 0;
	*counter = (struct roam_counter){ rec->packets, rec->bytes };
	return 0;
}

static int on_row(enum schema_table_id table, const void *row, void *arg)
{
	struct taking *taking = arg;
	int err;

	if (table != TABLE_MOVE && !taking->has_move)
		return fail(-EBADMSG, "image: a delta that does not say what it is");
	err = state_features_check(table, row);
	if (err)
		return err;
	switch (table) {
	case TABLE_MOVE:
		return on_move(taking, row);
	case TABLE_VM:
		return on_vm(taking, row);
	case TABLE_PORT:
		return on_port(taking, row);
	case TABLE_ACL:
		return on_rule(taking, row);
	case TABLE_LB:
		return on_service(taking, row);
	case TABLE_IPS:
		taking->image_ips = *(const struct roam_ips *)row;
		return 0;
	case TABLE_HITS:
		return hold(&taking->hits, row, sizeof(struct roam_hits_rec), ROAM_ACL_RULES);
	case TABLE_QOS:
		return hold(&taking->qos, row, sizeof(struct roam_qos_rec), ROAM_DIR_COUNT);
	case TABLE_FRAG:
		return hold(&taking->trains, row, sizeof(struct roam_frag_rec), ROAM_FRAG_TRAINS);
	case TABLE_GONE_IPS:
		return on_gone_ips(taking, row);
	case TABLE_IPS_SOURCE:
		return on_source(taking, row);
	case TABLE_IPS_BLOCK:
		return on_block(taking, row);
	case TABLE_GONE_FLOW:
		return on_gone_flow(taking, row);
	case TABLE_FLOW:
		return on_flow(taking, row);
	default:
		return on_stats(taking, row);
	}
}

static int on_rows(enum schema_table_id table, const void *rows, size_t count, void *arg)
{
	return image_each_row(table, rows, count, on_row, arg);
}

/* The row that says whether it is a scan comes first, and the references after it. */
static int on_table_end(enum schema_table_id table, void *arg)
{
	struct taking *taking = arg;

	if (table == TABLE_MOVE && !taking->has_move)
		return fail(-EBADMSG, "image: a delta that does not say what it is");
	if (table != TABLE_MOVE || taking->move.whole || !taking->dest->has_refs)
		return 0;
	taking->maps = taking->dest->refs.maps;
	return 0;
}

/* ---- the whole of it ---- */

static int begin_taking(struct taking *taking)
{
	struct move_dest *dest = taking->dest;
	enum roam_gate_state state = move_gate_state(dest->gate);
	int err = vm_get(dest->host, dest->slot, &taking->vm);

	if (err)
		return err;
	if (taking->vm.life != ROAM_LIFE_GATED ||
	    (state != ROAM_GATE_STAGED && state != ROAM_GATE_OPEN) ||
	    strncmp(taking->vm.name, dest->vm, ROAM_NAME_LEN) != 0)
		return fail(-ESTALE, "move: vm '%s' is not here by this handover", dest->vm);
	taking->port_count = port_list(dest->host, dest->slot, taking->ports);
	err = ips_get(dest->host, dest->slot, &taking->ips);
	if (!err)
		err = acl_list(dest->host, dest->slot, &taking->own_rules);
	taking->lb = calloc(1, sizeof(*taking->lb));
	if (!err && !taking->lb)
		err = fail(-ENOMEM, "move: out of memory");
	if (err)
		return err;
	taking->lb->host = dest->host;
	if (taking->own_rules.count)
		qsort(taking->own_rules.recs, taking->own_rules.count,
		      sizeof(*taking->own_rules.recs), compare_names);
	taking->maps.now_ns = dest->gate->base_ns;
	/* As the base's, whoever took that. What is edited here since, is asked about its flows. */
	taking->maps.gen = __atomic_load_n(&dest->gate->gen, __ATOMIC_SEQ_CST);
	return 0;
}

/* What a scan's rows referred to, the next deltas' refer to. */
static void take_refs(struct taking *taking)
{
	struct state_refs *refs = &taking->dest->refs;

	free(refs->rule);
	free(refs->lb);
	refs->maps = taking->maps;
	refs->rule = TAKE_PTR(taking->rule);
	refs->lb = TAKE_PTR(taking->lb);
	refs->image_ips = taking->image_ips;
	taking->dest->has_refs = true;
}

/* With the host's lock. A VM that goes on at the source after all has not sent its last. */
static int apply_locked(struct taking *taking)
{
	struct move_dest *dest = taking->dest;
	int err;

	if (!taking->move.last && dest->complete) {
		__atomic_store_n(&dest->gate->in_open, 0, __ATOMIC_SEQ_CST);
		__atomic_store_n(&dest->gate->grace, 1, __ATOMIC_SEQ_CST);
		dest->complete = false;
	}
	taking->applied = true;
	err = move_apply_all(taking);
	if (!err && taking->move.last &&
	    dest->late.flows.count + dest->late.sources.count + dest->late.blocks.count)
		err = fail(-ENOSPC, "move: more rows than the quotas of vm '%s'", dest->vm);
	if (err)
		return err;
	if (taking->move.whole)
		take_refs(taking);
	dest->gate->sequence = taking->header.sequence;
	dest->complete = taking->move.last;
	return 0;
}

static int apply(struct taking *taking)
{
	int err = host_lock(taking->dest->host);

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = taking->dest->host;

	(void)locked;
	return apply_locked(taking);
}

int move_dest_delta(struct move_dest *dest, image_read_fn read, void *arg)
{
	_cleanup_taking_ struct taking taking = { .dest = dest };
	struct image_sink sink = {
		.header = on_header,
		.rows = on_rows,
		.table_end = on_table_end,
		.maps = &taking.maps,
		.arg = &taking,
	};
	int err;

	taking.flows = dest->flows;
	taking.flows.count = 0;
	if (dest->torn)
		return fail(-ENOTRECOVERABLE, "move: a scan of vm '%s' broke off: wipe it",
			    dest->vm);
	err = begin_taking(&taking);
	if (!err)
		err = image_read(read, arg, &sink);
	if (!err && !taking.doubled)
		err = apply(&taking);
	if (err && taking.applied)
		dest->torn = true;
	return err;
}
