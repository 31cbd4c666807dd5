// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* See ips_show.h. */
#include "ips_show.h"
#include "text.h"
#include "text_units.h"

void ips_show_profile(struct out *out, const struct roam_ips *conf)
{
	char text[TEXT_DURATION_LEN];

	out_number(out, "rate", conf->rate);
	out_number(out, "burst", conf->burst);
	out_text(out, "block", text_duration(conf->block_s, text));
	out_text(out, "max", text_duration(conf->block_max_s, text));
	out_number(out, "prefix4", conf->prefix4);
	out_number(out, "prefix6", conf->prefix6);
	out_number(out, "sources", conf->sources);
	out_number(out, "blocks", conf->blocks);
}

static int64_t seconds(uint64_t later_ns, uint64_t earlier_ns)
{
	return (int64_t)(later_ns - earlier_ns) / (int64_t)NS_PER_S;
}

void ips_show_block(struct out *out, const struct roam_ips_block_rec *rec, uint64_t now_ns)
{
	const struct roam_ips_block *block = &rec->block;
	bool live = !block->until_ns || (int64_t)(block->until_ns - now_ns) > 0;
	char addr[TEXT_ADDR_LEN];

	out_text(out, "from", text_addr(&rec->addr, addr));
	out_bare(out, "state", live ? "blocked" : "over");
	if (block->until_ns)
		out_signed(out, "remaining_s", seconds(block->until_ns, now_ns));
	out_number(out, "strikes", block->strikes);
	out_switch(out, "by_hand", block->by_hand);
	out_signed(out, "age_s", seconds(now_ns, block->since_ns));
	out_number(out, "packets", block->packets);
	out_number(out, "bytes", block->bytes);
	if (block->last_ns)
		out_signed(out, "last_s", seconds(now_ns, block->last_ns));
}

void ips_show_source(struct out *out, const struct roam_ips_source_rec *rec, uint64_t now_ns)
{
	char addr[TEXT_ADDR_LEN];

	out_text(out, "from", text_addr(&rec->addr, addr));
	out_signed(out, "paid_ms", (int64_t)(now_ns - rec->source.paid_ns) / 1000000);
}
