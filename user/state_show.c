// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Looking into an image without a host: see state_show.h. Rules and zones keep the numbers that
 * they have in the image; ages are shown as they are.
 */
#include <string.h>
#include <roam/stats.h>
#include "acl.h"
#include "acl_show.h"
#include "ct_show.h"
#include "frag_show.h"
#include "ips_show.h"
#include "lb_show.h"
#include "port.h"
#include "port_show.h"
#include "qos_show.h"
#include "set_show.h"
#include "state.h"
#include "state_features.h"
#include "state_lb.h"
#include "state_set.h"
#include "state_show.h"
#include "text.h"
#include "util.h"
#include "vm.h"

/* Times of an image without a host are counted back from here: any moment will do. */
#define NOW_NS (1ULL << 62)

struct looking {
	struct out *out; /* NULL: verify only */
	struct image_maps maps;
	struct image_header header;
	struct roam_port ports[ROAM_VM_PORTS];
	uint32_t port_count;
	uint32_t *rule;    /* identity, from 1 */
	uint32_t *service; /* the same */
	uint64_t rows[TABLE_COUNT];
	uint32_t skipped;
};

static int on_header(const struct image_header *header, void *arg)
{
	struct looking *looking = arg;
	char uuid[TEXT_UUID_LEN];

	looking->header = *header;
	if (!looking->out)
		return 0;
	out_item(looking->out);
	out_bare(looking->out, "table", "header");
	out_text(looking->out, "vm", header->vm);
	out_text(looking->out, "uuid", text_uuid(header->uuid, uuid));
	out_text(looking->out, "host", header->host);
	out_number(looking->out, "sequence", header->sequence);
	out_item_end(looking->out);
	return 0;
}

static void show_vm(struct out *out, const struct roam_vm *vm)
{
	out_text(out, "name", vm->name);
	out_group(out, "default");
	out_text(out, "in", text_enum_name(&text_action, vm->default_action[ROAM_DIR_IN]));
	out_text(out, "out", text_enum_name(&text_action, vm->default_action[ROAM_DIR_OUT]));
	out_group_end(out);
	out_text(out, "midstream", text_enum_name(&text_midstream, vm->midstream));
	ct_show_settings(out, vm);
	out_number(out, "flows", vm->quota_flows);
	out_number(out, "half", vm->quota_half);
	out_number(out, "epoch", vm->epoch);
}

static void show_stats(struct out *out, const struct roam_stats_rec *rec)
{
	out_bare(out, "dir", text_enum_name(&text_dir, rec->dir));
	out_bare(out, "reason", text_enum_name(&text_reason, rec->reason));
	out_number(out, "packets", rec->packets);
	out_number(out, "bytes", rec->bytes);
}

static void show_row(struct out *out, enum schema_table_id table, const void *row)
{
	const struct roam_flow_rec *flow = row;
	const struct roam_acl_rec *acl = row;
	const struct roam_ct_timeouts usual = {};

	out_item(out);
	out_bare(out, "table", schema_tables[table].name);
	switch (table) {
	case TABLE_VM:
		show_vm(out, row);
		break;
	case TABLE_PORT:
		port_show(out, row);
		break;
	case TABLE_SET:
		set_show_row(out, "name", row);
		break;
	case TABLE_ACL:
		acl_show_rule(out, &acl->rule);
		acl_show_hits(out, &acl->hits, NOW_NS);
		break;
	case TABLE_QOS:
		qos_show(out, row, NOW_NS);
		break;
	case TABLE_IPS:
		ips_show_profile(out, row);
		break;
	case TABLE_IPS_SOURCE:
		ips_show_source(out, row, NOW_NS);
		break;
	case TABLE_IPS_BLOCK:
		ips_show_block(out, row, NOW_NS);
		break;
	case TABLE_FRAG:
		frag_show(out, row, NOW_NS);
		break;
	case TABLE_FLOW:
		ct_show_flow(out, flow, &usual, NOW_NS);
		out_number(out, "rule", flow->flow.rule);
		out_switch(out, "stale", !flow->flow.gen);
		break;
	case TABLE_LB:
		lb_show_rec(out, row);
		break;
	default:
		show_stats(out, row);
	}
	out_item_end(out);
}

/* The number of its zone: the first row of table port with a zone of that name. */
static uint8_t zone_row(const struct looking *looking, const struct roam_port *port)
{
	uint32_t row = 0;

	while (row < looking->port_count &&
	       strcmp(looking->ports[row].zone_name, port->zone_name) != 0)
		row++;
	return row;
}

static int check_port(struct looking *looking, const struct roam_port *port)
{
	uint32_t row = looking->port_count;
	int err = port_validate(port);

	if (err)
		return err;
	if (row == ROAM_VM_PORTS)
		return fail(-EBADMSG, "image: more than %d ports", ROAM_VM_PORTS);
	looking->ports[row] = *port;
	looking->ports[row].zone = zone_row(looking, port);
	looking->maps.zone[row] = looking->ports[row].zone;
	looking->maps.zone_count = ++looking->port_count;
	return 0;
}

/* As state_load would, but for what only a host can know. */
static int check_row(struct looking *looking, enum schema_table_id table, const void *row)
{
	struct roam_vm vm;

	if (schema_is_delta(table))
		return fail(-EBADMSG, "image: rows of a delta in one that is none");
	switch (table) {
	case TABLE_VM:
		if (looking->rows[TABLE_VM])
			return fail(-EBADMSG, "image: more than one row in table vm");
		vm = *(const struct roam_vm *)row;
		return state_check_vm(&looking->header, &vm);
	case TABLE_PORT:
		return check_port(looking, row);
	case TABLE_SET:
		if (looking->rows[TABLE_SET] == ROAM_SETS)
			return fail(-EBADMSG, "image: more than %d sets", ROAM_SETS);
		return state_set_check_row(row);
	case TABLE_ACL:
		if (looking->maps.rule_count == ROAM_ACL_RULES + 1)
			return fail(-EBADMSG, "image: more than %d rules", ROAM_ACL_RULES);
		looking->rule[looking->maps.rule_count] = looking->maps.rule_count;
		looking->maps.rule_count++;
		return acl_validate(&((const struct roam_acl_rec *)row)->rule);
	case TABLE_LB:
		if (looking->maps.service_count == ROAM_LB_SERVICES + 1)
			return fail(-EBADMSG, "image: more than %d services", ROAM_LB_SERVICES);
		looking->service[looking->maps.service_count] = looking->maps.service_count;
		looking->maps.service_count++;
		return state_lb_check_row(row);
	case TABLE_FLOW:
		return state_check_flow(row, looking->ports, looking->port_count);
	default:
		return state_features_check(table, row);
	}
}

static int on_row(enum schema_table_id table, const void *row, void *arg)
{
	struct looking *looking = arg;
	int err = check_row(looking, table, row);

	if (!err && looking->out)
		show_row(looking->out, table, row);
	looking->rows[table]++;
	return err;
}

static int on_rows(enum schema_table_id table, const void *rows, size_t count, void *arg)
{
	return image_each_row(table, rows, count, on_row, arg);
}

static void on_skipped(const char *table, const char *field, void *arg)
{
	(void)table;
	(void)field;
	((struct looking *)arg)->skipped++;
}

static int look(struct looking *looking, image_read_fn read, void *arg)
{
	struct image_sink sink = {
		.header = on_header,
		.rows = on_rows,
		.skipped = on_skipped,
		.maps = &looking->maps,
		.arg = looking,
	};
	int err;

	looking->rule = calloc(ROAM_ACL_RULES + 1, sizeof(*looking->rule));
	looking->service = calloc(ROAM_LB_SERVICES + 1, sizeof(*looking->service));
	if (!looking->rule || !looking->service) {
		free(looking->rule);
		free(looking->service);
		return fail(-ENOMEM, "state: out of memory");
	}
	looking->maps = (struct image_maps){
		.now_ns = NOW_NS,
		.gen = 1,
		.rule = looking->rule,
		.rule_count = 1,
		.service = looking->service,
		.service_count = 1,
	};
	err = image_read(read, arg, &sink);
	if (!err && looking->rows[TABLE_VM] != 1)
		err = fail(-EBADMSG, "image: without the VM's row");
	free(looking->rule);
	free(looking->service);
	return err;
}

int state_show(struct out *out, image_read_fn read, void *arg)
{
	struct looking looking = { .out = out };
	int err;

	out_list(out);
	err = look(&looking, read, arg);
	return out_list_end(out, err);
}

int state_verify(struct out *out, image_read_fn read, void *arg)
{
	struct looking looking = {};
	int err = look(&looking, read, arg);

	if (err)
		return err;
	out_item(out);
	out_text(out, "vm", looking.header.vm);
	for (int table = TABLE_PORT; table < TABLE_COUNT; table++) {
		if (schema_is_delta(table))
			continue;
		out_number(out, schema_tables[table].name, looking.rows[table]);
	}
	out_number(out, "skipped", looking.skipped);
	out_item_end(out);
	return 0;
}
