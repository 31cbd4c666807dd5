// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* A flow's fields: see ct_show.h. */
#include <arpa/inet.h>
#include "ct.h"
#include "ct_show.h"
#include "text.h"

static int64_t age_s(uint64_t now_ns, uint64_t then_ns)
{
	return (int64_t)(now_ns - then_ns) / (int64_t)NS_PER_S;
}

void ct_show_settings(struct out *out, const struct roam_vm *vm)
{
	const uint32_t *timeouts = (const uint32_t *)&vm->timeouts;
	bool any = false;

	if (vm->liberal)
		out_text(out, "windows", "liberal");
	for (uint32_t i = 0; ct_timeout_name(i); i++) {
		if (!timeouts[i])
			continue;
		if (!any)
			out_group(out, "timeouts");
		any = true;
		out_number(out, ct_timeout_name(i), timeouts[i]);
	}
	if (any)
		out_group_end(out);
}

void ct_show_flow(struct out *out, const struct roam_flow_rec *rec,
		  const struct roam_ct_timeouts *own, uint64_t now_ns)
{
	const struct roam_flow *flow = &rec->flow;
	char text[TEXT_ADDR_LEN], proto[4];
	int64_t idle = age_s(now_ns, flow->seen_ns);

	out_bare(out, "proto", text_proto(rec->key.proto, proto));
	out_text(out, "local", text_addr(&rec->key.local, text));
	out_number(out, "lport", ntohs(rec->key.lport));
	out_text(out, "remote", text_addr(&rec->key.remote, text));
	out_number(out, "rport", ntohs(rec->key.rport));
	if (rec->key.zone & ROAM_VLAN_MASK)
		out_text(out, "vlan", text_vlan(rec->key.zone & ROAM_VLAN_MASK, text));
	out_text(out, "opened", text_enum_name(&text_dir, flow->open_dir));
	out_bare(out, "state", text_enum_name(&text_ct_state, flow->state));
	out_number(out, "packets_in", flow->side[ROAM_DIR_IN].packets);
	out_number(out, "bytes_in", flow->side[ROAM_DIR_IN].bytes);
	out_number(out, "packets_out", flow->side[ROAM_DIR_OUT].packets);
	out_number(out, "bytes_out", flow->side[ROAM_DIR_OUT].bytes);
	out_signed(out, "age_s", age_s(now_ns, flow->created_ns));
	out_signed(out, "idle_s", idle);
	out_signed(out, "expires_s", (int64_t)ct_patience_s(own, flow) - idle);
	if (flow->lb_role) {
		out_group(out, "lb");
		out_bare(out, "role", text_enum_name(&text_lb_role, flow->lb_role));
		out_text(out, "addr", text_addr(&flow->lb_addr, text));
		out_number(out, "port", ntohs(flow->lb_port));
		out_group_end(out);
	}
	out_switch(out, "picked_up", flow->flags & ROAM_FLOW_PICKED_UP);
	out_switch(out, "learned", flow->flags & ROAM_FLOW_LEARNED);
	out_switch(out, "audited", flow->flags & ROAM_FLOW_AUDITED);
}

void ct_show_imported(struct out *out, const struct ct_imported *imported)
{
	out_item(out);
	out_number(out, "imported", imported->taken);
	out_number(out, "known", imported->known);
	out_number(out, "skipped", imported->skipped);
	out_item_end(out);
}
