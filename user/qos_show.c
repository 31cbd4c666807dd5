// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* See qos_show.h. */
#include "qos_show.h"
#include "text.h"
#include "text_units.h"

/* What the bucket holds, in bytes; negative: it is in debt. */
static int64_t tokens(const struct roam_qos_rec *rec, uint64_t now_ns)
{
	int64_t held_ns = (int64_t)(now_ns - rec->state.paid_ns);
	__int128 bytes = (__int128)held_ns * (int64_t)rec->conf.rate_Bps / (int64_t)NS_PER_S;

	return !rec->state.paid_ns || bytes > rec->conf.burst ? rec->conf.burst : (int64_t)bytes;
}

void qos_show(struct out *out, const struct roam_qos_rec *rec, uint64_t now_ns)
{
	char rate[TEXT_RATE_LEN], dscp[TEXT_DSCP_LEN];

	out_bare(out, "dir", text_enum_name(&text_dir, rec->dir));
	if (rec->conf.rate_Bps) {
		out_text(out, "rate", text_rate(rec->conf.rate_Bps, rate));
		out_number(out, "burst", rec->conf.burst);
	}
	if (rec->conf.has_dscp)
		out_text(out, "dscp", text_dscp(rec->conf.dscp, dscp));
	if (rec->conf.rate_Bps)
		out_signed(out, "tokens", tokens(rec, now_ns));
	out_number(out, "passed_packets", rec->state.passed_packets);
	out_number(out, "passed_bytes", rec->state.passed_bytes);
	out_number(out, "dropped_packets", rec->state.dropped_packets);
	out_number(out, "dropped_bytes", rec->state.dropped_bytes);
}
