// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Fragments' fields: see frag_show.h. */
#include <arpa/inet.h>
#include "frag_show.h"
#include "text.h"

void frag_show(struct out *out, const struct roam_frag_rec *rec, uint64_t now_ns)
{
	const struct roam_frag *frag = &rec->frag;
	bool ipv4 = rec->key.family == ROAM_FAMILY_IPV4;
	char text[TEXT_ADDR_LEN], proto[4];
	uint32_t passed = 0;

	for (int i = 0; i < ROAM_FRAG_RANGES; i++)
		passed += ROAM_FRAG_HI(frag->range[i]) - ROAM_FRAG_LO(frag->range[i]);
	out_bare(out, "dir", text_enum_name(&text_dir, rec->key.dir));
	if (ipv4)
		out_bare(out, "proto", text_proto(rec->key.proto, proto));
	out_text(out, "local", text_addr(&rec->key.local, text));
	out_text(out, "remote", text_addr(&rec->key.remote, text));
	if (rec->key.zone & ROAM_VLAN_MASK)
		out_text(out, "vlan", text_vlan(rec->key.zone & ROAM_VLAN_MASK, text));
	out_number(out, "id", ipv4 ? ntohs(rec->key.id) : ntohl(rec->key.id));
	out_number(out, "passed", passed);
	if (frag->size)
		out_number(out, "size", frag->size);
	out_signed(out, "age_ms", (int64_t)(now_ns - frag->since_ns) / 1000000);
	if (frag->lb_role) {
		out_group(out, "lb");
		out_bare(out, "role", text_enum_name(&text_lb_role, frag->lb_role));
		out_text(out, "addr", text_addr(&frag->addr, text));
		out_group_end(out);
	}
	out_switch(out, "dead", frag->is_dead);
}
