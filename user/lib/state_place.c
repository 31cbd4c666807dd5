// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The host's end of a load: see state_place.h. */
#include <string.h>
#include "ct.h"
#include "port.h"
#include "state_place.h"
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

int place_rule(struct acl_list *rules, const struct roam_acl_rec *rec)
{
	uint32_t count = rules->count;

	if (count == ROAM_ACL_RULES)
		return fail(-EBADMSG, "image: more than %d rules", ROAM_ACL_RULES);
	if ((count & (count - 1)) == 0) {
		uint32_t room = count ? count * 2 : 1;
		void *recs = reallocarray(rules->recs, room, sizeof(*rec));

		if (!recs)
			return fail(-ENOMEM, "state: out of memory");
		rules->recs = recs;
	}
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
	return err ? err
		   : state_features_place(&placing->features, placing->host,
					  draft_slot(placing->draft), placing->replaces);
}

static int flush(struct placing *placing, enum roam_ct_kind kind)
{
	uint32_t count = placing->waiting_count[kind];
	int err = placing->draft ? 0 : open_draft(placing);

	placing->waiting_count[kind] = 0;
	if (err || !count)
		return err;
	return draft_load_flows(placing->draft, kind, placing->waiting[kind], count);
}

int place_feature(struct placing *placing, enum schema_table_id table, const void *row)
{
	int err = state_features_row(&placing->features, table, row);

	if (!err && !placing->draft && placing->features.waiting_rows == PLACE_WAITING)
		err = open_draft(placing);
	return err;
}

int place_flow(struct placing *placing, const struct roam_flow_rec *rec)
{
	enum roam_ct_kind kind = ct_state_kind(rec->flow.state);

	if (!placing->waiting[kind]) {
		placing->waiting[kind] = calloc(PLACE_WAITING, sizeof(*rec));
		if (!placing->waiting[kind])
			return fail(-ENOMEM, "state: out of memory");
	}
	placing->waiting[kind][placing->waiting_count[kind]++] = *rec;
	return placing->waiting_count[kind] == PLACE_WAITING ? flush(placing, kind) : 0;
}

/* With the host's lock. */
static int publish_locked(struct placing *placing)
{
	struct roam_vm now;

	if (placing->replaces &&
	    (vm_get(placing->host, placing->replaces, &now) || now.gen != placing->replaces_gen))
		return fail(-EBUSY, "state: the policy of vm '%s' changed meanwhile; try again",
			    placing->vm.name);
	return draft_publish(placing->draft);
}

int place_publish(struct placing *placing)
{
	int err = 0;

	for (int kind = 0; kind < ROAM_CT_KINDS && !err; kind++)
		err = flush(placing, kind);
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
	draft_close(placing->draft);
	state_features_close(&placing->features);
	free(placing->rules.recs);
	for (int kind = 0; kind < ROAM_CT_KINDS; kind++)
		free(placing->waiting[kind]);
}
