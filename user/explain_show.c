// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* What the stages have said of a packet: see explain_show.h. */
#include <arpa/inet.h>
#include <string.h>
#include <bpf/bpf.h>
#include "ct_show.h"
#include "explain.h"
#include "explain_show.h"
#include "set.h"
#include "text.h"
#include "vm.h"

static const char *const reason_means[] = {
#define X(id, name, verdict, text) [ROAM_REASON_##id] = text,
	ROAM_REASONS(X)
#undef X
};

static const char *const ct_means[] = {
	[ROAM_PKT_CT_NONE] = "untracked",      [ROAM_PKT_CT_FLOW] = "known",
	[ROAM_PKT_CT_STALE] = "older_policy",  [ROAM_PKT_CT_OPENING] = "opening",
	[ROAM_PKT_CT_MIDSTREAM] = "midstream", [ROAM_PKT_CT_LEARN] = "learned",
};

static void show_rule(struct host *host, struct out *out, uint32_t vm, uint32_t rule)
{
	_cleanup_close_ int fd = -1;
	struct set_ref refs[SET_REFS];
	struct roam_acl_rule row;
	uint32_t count;

	if (rule == ROAM_RULE_NONE)
		return;
	fd = host_inner(host, HOST_MAP_acl_policy, vm);
	if (fd < 0 || bpf_map_lookup_elem(fd, &rule, &row))
		return;
	out_text(out, "rule", row.name);
	count = set_refs(&row, refs);
	if (!count)
		return;
	out_array(out, "sets");
	for (uint32_t i = 0; i < count; i++)
		out_array_text(out, refs[i].name);
	out_array_end(out);
}

static void show_reason(struct out *out, uint8_t verdict, uint8_t reason)
{
	out_bare(out, "verdict", text_enum_name(&text_verdict, verdict));
	if (verdict != ROAM_CONTINUE)
		out_text(out, "reason", text_enum_name(&text_reason, reason));
}

static void show_step(struct host *host, struct out *out, const struct roam_explain *run,
		      const struct roam_explain_step *step)
{
	out_item(out);
	out_text(out, "stage", text_enum_name(&text_stage, step->stage));
	show_reason(out, step->verdict, step->reason);
	if (step->stage == ROAM_STAGE_CT && step->ct < ARRAY_SIZE(ct_means))
		out_text(out, "flow", ct_means[step->ct]);
	if (step->stage == ROAM_STAGE_ACL)
		show_rule(host, out, run->pkt.vm, step->rule);
	out_item_end(out);
}

static void show_lb(struct out *out, const struct roam_pkt *pkt)
{
	char text[TEXT_ADDR_LEN];

	if (!pkt->lb_role && !pkt->lb_backend)
		return;
	out_group(out, "lb");
	if (pkt->lb_role)
		out_bare(out, "role", text_enum_name(&text_lb_role, pkt->lb_role));
	out_text(out, "addr", text_addr(&pkt->lb_addr, text));
	out_number(out, "port", ntohs(pkt->lb_port));
	out_group_end(out);
}

/* The flow that it belongs to. */
static void show_flow(struct host *host, struct out *out, const struct roam_explain *run)
{
	struct roam_flow_rec rec = { .key = run->pkt.key };
	struct roam_vm vm;

	if ((run->pkt.ct != ROAM_PKT_CT_FLOW && run->pkt.ct != ROAM_PKT_CT_STALE) ||
	    explain_flow(host, run, &rec.flow) || vm_get(host, run->pkt.vm, &vm))
		return;
	out_group(out, "flow");
	ct_show_flow(out, &rec, &vm.timeouts, run->pkt.now_ns);
	out_group_end(out);
}

void explain_show(struct host *host, struct out *out, const struct roam_explain *run)
{
	uint32_t steps = run->steps < ROAM_EXPLAIN_STEPS ? run->steps : ROAM_EXPLAIN_STEPS;
	uint8_t reason = run->pkt.reason < ROAM_REASON_COUNT ? run->pkt.reason : ROAM_REASON_NONE;

	for (uint32_t i = 0; i < steps; i++)
		show_step(host, out, run, &run->step[i]);
	out_item(out);
	out_text(out, "packet", text_enum_name(&text_verdict, run->verdict));
	out_text(out, "reason", text_enum_name(&text_reason, reason));
	show_rule(host, out, run->pkt.vm, run->pkt.rule);
	show_lb(out, &run->pkt);
	out_switch(out, "turns_back", run->turns_back);
	if (run->pkt.has_dscp && run->verdict == ROAM_PASS)
		out_number(out, "dscp", run->pkt.dscp);
	show_flow(host, out, run);
	out_text(out, "because", reason_means[reason]);
	out_item_end(out);
}
