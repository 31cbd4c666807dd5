// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Whether two builds' maps are laid out alike, by their texts. */
#include <string.h>
#include "harness.h"
#include "layout.h"

#define FLOW  "struct roam_flow 8\n     0  seen_ns          __u64\n\n"
#define VM    "struct roam_vm 8\n     0  gen              __u32\n     4  life             __u32\n\n"
#define TABLE "map ct_table 12 4 4 16384 0\n    inner 1 44 136 0x1\n\n"

static const struct {
	const char *name;
	const char *a;
	const char *b;
	const char *what; /* NULL: the same */
} cases[] = {
	{ "same", FLOW VM TABLE, FLOW VM TABLE, NULL },
	{ "other order", FLOW VM TABLE, TABLE VM FLOW, NULL },
	{ "larger", FLOW VM, "struct roam_flow 16\n     0  seen_ns          __u64\n\n" VM,
	  "struct roam_flow" },
	{ "other place", FLOW VM,
	  FLOW
	  "struct roam_vm 8\n     0  life             __u32\n     4  gen              __u32\n\n",
	  "struct roam_vm" },
	{ "one less", FLOW VM, FLOW, "struct roam_vm" },
	{ "one more", FLOW, FLOW VM, "struct roam_vm" },
	{ "inner rows", FLOW TABLE, FLOW "map ct_table 12 4 4 16384 0\n    inner 1 44 144 0x1\n\n",
	  "map ct_table" },
	{ "a reason more", "enum roam_reason 4\n     0  ROAM_REASON_NONE\n\n",
	  "enum roam_reason 4\n     0  ROAM_REASON_NONE\n     1  ROAM_REASON_NEW\n\n",
	  "enum roam_reason" },
	{ "nothing", "", FLOW, "struct roam_flow" },
};

TEST(differences_have_a_name)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char what[64] = "";
		bool same = layout_same(cases[i].a, cases[i].b, what, sizeof(what));

		note("%s", cases[i].name);
		CHECK_EQ(same, !cases[i].what);
		if (cases[i].what)
			CHECK_STR(what, cases[i].what);
	}
}

TEST(what_holds_nothing_is_left_out)
{
	CHECK(layout_is_scratch("front_pkt"));
	CHECK(layout_is_scratch("ct_xfer"));
	CHECK(!layout_is_scratch("ct_table"));
	CHECK(!layout_is_scratch("stats"));
}
