// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The host's end of a load: see state_place.h. */
#include <string.h>
#include "ct.h"
#include "merge.h"
#include "move_own.h"
#include "port.h"
#include "state_place.h"
#include "state_set.h"
#include "stats.h"
#include "vm.h"

int place_port(struct placing *placing, const struct roam_port *port)
{
	struct roam_port *row;

	if (placing->port_count == ROAM_VM_PORTS)
		return fail(-EBADMSG, "image: more than %d ports", ROAM_VM_PORTS);
	row = &placing->ports[placing->port_count];
	*row = *port;
	row->zone = port_zone_number(placing->ports, placing->port_count, port->zone_name);
	placing->port_count++;
	return 0;
}

/* Room for one more behind `count` rows, in powers of two; NULL: there is no memory. */
static void *grow(void *rows, uint32_t count, size_t size)
{
	if (count & (count - 1))
		return rows;
	return reallocarray(rows, count ? 2 * (size_t)count : 1, size);
}

int place_rule(struct acl_list *rules, const struct roam_acl_rec *rec)
{
	void *recs;

	if (rules->count == ROAM_ACL_RULES)
		return fail(-EBADMSG, "image: more than %d rules", ROAM_ACL_RULES);
	recs = grow(rules->recs, rules->count, sizeof(*rec));
	if (!recs)
		return fail(-ENOMEM, "state: out of memory");
	rules->recs = recs;
	rules->recs[rules->count++] = *rec;
	return 0;
}

static int open_draft(struct placing *placing)
{
	int err = draft_open(placing->host, &placing->vm, placing->replaces, &placing->draft);

	for (int i = 0; i < placing->port_count && !err; i++)
		err = draft_add_port(placing->draft, &placing->ports[i]);
	for (uint32_t i = 0; i < placing->rules.count && !err; i++)
		err = draft_add_rule(placing->draft, &placing->rules.recs[i].rule,
				     &placing->rules.recs[i].hits);
	placing->features.late = &placing->late;
	placing->features.keeps_late = placing->gate != NULL;
	return err ? err
		   : state_features_place(&placing->features, placing->host,
					  draft_slot(placing->draft), placing->replaces);
}

/* Behind the reader's back. */
static int load_taken(void *arg)
{
	struct placing *placing = arg;
	struct placing_flows *taken = &placing->taken;
	int err = placing->draft ? 0 : open_draft(placing);

	if (err || !taken->count)
		return err;
	return draft_load_flows(placing->draft, placing->taken_kind, taken->recs, taken->count);
}

static uint32_t batch_of(const struct placing *placing)
{
	return placing->batch ? placing->batch : PLACE_FIRST;
}

static int flush(struct placing *placing, enum roam_ct_kind kind)
{
	struct placing_flows taken = placing->waiting[kind];
	int err = behind_wait(&placing->behind);

	if (err)
		return err;
	placing->waiting[kind] = placing->taken;
	placing->waiting[kind].count = 0;
	placing->taken = taken;
	placing->taken_kind = kind;
	placing->batch = batch_of(placing) < PLACE_WAITING ? 2 * batch_of(placing) : PLACE_WAITING;
	return behind_begin(&placing->behind, load_taken, placing);
}

int place_table_end(struct placing *placing, enum schema_table_id table)
{
	int err = behind_wait(&placing->behind);

	return err ? err : state_features_end(&placing->features, table);
}

int place_feature(struct placing *placing, enum schema_table_id table, const void *row)
{
	int err = state_features_row(&placing->features, table, row);

	if (!err && !placing->draft && placing->features.waiting_rows == PLACE_WAITING)
		err = open_draft(placing);
	return err;
}

static uint32_t quota_of(const struct roam_vm *vm, enum roam_ct_kind kind)
{
	return kind == ROAM_CT_HALF ? vm->quota_half : vm->quota_flows;
}

/* One more than there is room for, which only an image may have that has more than its own quota.
 */
static int hold_flow(struct placing *placing, const struct roam_flow_rec *rec)
{
	enum roam_ct_kind kind = ct_state_kind(rec->flow.state);
	uint32_t quota = quota_of(&placing->vm, kind);

	if (quota < quota_of(&placing->image, kind) ||
	    placing->flow_count[kind] > quota + EXCESS_MOST(quota))
		return fail(-ENOSPC, "ct: more flows than the VM's quota");
	return excess_hold(&placing->late.flows, rec, sizeof(*rec));
}

int place_flow(struct placing *placing, const struct roam_flow_rec *rec)
{
	enum roam_ct_kind kind = ct_state_kind(rec->flow.state);
	struct placing_flows *waiting = &placing->waiting[kind];

	if (++placing->flow_count[kind] > quota_of(&placing->vm, kind))
		return hold_flow(placing, rec);
	if (waiting->count == waiting->room) {
		void *recs = grow(waiting->recs, waiting->count, sizeof(*rec));

		if (!recs)
			return fail(-ENOMEM, "state: out of memory");
		waiting->recs = recs;
		waiting->room = waiting->room ? 2 * waiting->room : 1;
	}
	waiting->recs[waiting->count++] = *rec;
	return waiting->count >= batch_of(placing) ? flush(placing, kind) : 0;
}

/* With the host's lock. */
static int publish_locked(struct placing *placing)
{
	uint64_t digest;
	struct roam_vm now;
	int err = state_set_digest(placing->host, &placing->rules, &digest);

	if (err)
		return err;
	if (digest != placing->sets_digest)
		return fail(-EBUSY, "state: sets of vm '%s' changed meanwhile; try again",
			    placing->vm.name);
	if (placing->replaces &&
	    (vm_get(placing->host, placing->replaces, &now) || now.gen != placing->replaces_gen))
		return fail(-EBUSY, "state: the policy of vm '%s' changed meanwhile; try again",
			    placing->vm.name);
	if (placing->replaces) /* it may be on its way by now */
		err = move_may_load(placing->host, placing->replaces);
	if (err)
		return err;
	err = placing->gate
		      ? move_gate_put(placing->host, draft_slot(placing->draft), placing->gate)
		      : 0;
	return err ? err : draft_publish_live(placing->draft, placing->rest);
}

/* The VM's own counters here and the image's. */
static int merge_stats(struct placing *placing)
{
	struct roam_stats own;
	int err = stats_fold(placing->host, placing->replaces, &own);

	for (int i = 0; i < ROAM_REASON_MAX * ROAM_DIR_COUNT && !err; i++) {
		struct roam_counter *counter =
			&placing->stats.by_reason[i / ROAM_DIR_COUNT][i % ROAM_DIR_COUNT];
		const struct roam_counter *here =
			&own.by_reason[i / ROAM_DIR_COUNT][i % ROAM_DIR_COUNT];
		struct roam_stats_rec mine = { .packets = here->packets, .bytes = here->bytes };
		struct roam_stats_rec row = { .packets = counter->packets,
					      .bytes = counter->bytes };

		merge_row(TABLE_STATS, &mine, &row);
		*counter = (struct roam_counter){ row.packets, row.bytes };
	}
	return err;
}

int place_publish(struct placing *placing)
{
	int err = 0;

	for (int kind = 0; kind < ROAM_CT_KINDS && !err; kind++)
		err = flush(placing, kind);
	if (!err)
		err = behind_wait(&placing->behind);
	if (!placing->gate)
		placing->left = placing->late.flows.count;
	if (!err && !placing->gate)
		err = excess_place_flows(placing->host, draft_slot(placing->draft),
					 &placing->late.flows);
	if (!err && placing->replaces)
		err = merge_stats(placing);
	if (!err)
		err = draft_set_stats(placing->draft, &placing->stats);
	if (!err)
		err = host_lock(placing->host);
	if (err)
		return err;
	err = publish_locked(placing);
	host_unlock(placing->host);
	return err;
}

void place_close(struct placing *placing)
{
	behind_end(&placing->behind);
	draft_close(placing->draft);
	free(placing->taken.recs);
	excess_free(&placing->late);
	state_features_close(&placing->features);
	free(placing->rules.recs);
	for (int kind = 0; kind < ROAM_CT_KINDS; kind++)
		free(placing->waiting[kind].recs);
}
