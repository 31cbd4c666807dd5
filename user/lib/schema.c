// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The schema of images: see schema.h. */
#include <string.h>
#include <roam/acl.h>
#include <roam/ct.h>
#include <roam/frag.h>
#include <roam/lb.h>
#include <roam/ips.h>
#include <roam/move.h>
#include <roam/port.h>
#include <roam/qos.h>
#include <roam/set.h>
#include <roam/stats.h>
#include <roam/vm.h>
#include "schema.h"
#include "util.h"

#include "schema.inc"

const struct schema_table schema_tables[TABLE_COUNT] = {
	[TABLE_MOVE] = { "move", move_fields, ARRAY_SIZE(move_fields),
			 sizeof(struct roam_move_rec) },
	[TABLE_HITS] = { "hits", hits_fields, ARRAY_SIZE(hits_fields),
			 sizeof(struct roam_hits_rec) },
	[TABLE_GONE_IPS] = { "gone_ips", gone_ips_fields, ARRAY_SIZE(gone_ips_fields),
			     sizeof(struct roam_gone_ips) },
	[TABLE_GONE_FLOW] = { "gone_flow", gone_flow_fields, ARRAY_SIZE(gone_flow_fields),
			      sizeof(struct roam_gone_flow) },
	[TABLE_VM] = { "vm", vm_fields, ARRAY_SIZE(vm_fields), sizeof(struct roam_vm) },
	[TABLE_PORT] = { "port", port_fields, ARRAY_SIZE(port_fields), sizeof(struct roam_port) },
	[TABLE_SET] = { "set", set_fields, ARRAY_SIZE(set_fields), sizeof(struct roam_set) },
	[TABLE_ACL] = { "acl", acl_fields, ARRAY_SIZE(acl_fields), sizeof(struct roam_acl_rec) },
	[TABLE_QOS] = { "qos", qos_fields, ARRAY_SIZE(qos_fields), sizeof(struct roam_qos_rec) },
	[TABLE_LB] = { "lb", lb_fields, ARRAY_SIZE(lb_fields), sizeof(struct roam_lb_rec) },
	[TABLE_IPS] = { "ips", ips_fields, ARRAY_SIZE(ips_fields), sizeof(struct roam_ips) },
	[TABLE_IPS_SOURCE] = { "ips_source", ips_source_fields, ARRAY_SIZE(ips_source_fields),
			       sizeof(struct roam_ips_source_rec) },
	[TABLE_IPS_BLOCK] = { "ips_block", ips_block_fields, ARRAY_SIZE(ips_block_fields),
			      sizeof(struct roam_ips_block_rec) },
	[TABLE_FRAG] = { "frag", frag_fields, ARRAY_SIZE(frag_fields),
			 sizeof(struct roam_frag_rec) },
	[TABLE_FLOW] = { "flow", flow_fields, ARRAY_SIZE(flow_fields),
			 sizeof(struct roam_flow_rec) },
	[TABLE_STATS] = { "stats", stats_fields, ARRAY_SIZE(stats_fields),
			  sizeof(struct roam_stats_rec) },
};

bool schema_is_delta(enum schema_table_id table)
{
	return table == TABLE_MOVE || table == TABLE_HITS || table == TABLE_GONE_IPS ||
	       table == TABLE_GONE_FLOW;
}

const struct schema_field *schema_field(const struct schema_table *table, const char *name)
{
	for (uint16_t i = 0; i < table->field_count; i++) {
		if (!strcmp(table->fields[i].name, name))
			return &table->fields[i];
	}
	return NULL;
}
