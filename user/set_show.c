// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* See set_show.h. */
#include <inttypes.h>
#include <stdio.h>
#include "set_show.h"
#include "text.h"

void set_show_row(struct out *out, const char *keyword, const struct roam_set *set)
{
	char digest[17];

	snprintf(digest, sizeof(digest), "%016" PRIx64, (uint64_t)set->digest);
	out_text(out, keyword, set->name);
	out_text(out, "kind", text_enum_name(&text_set_kind, set->kind));
	out_number(out, "entries", set->count);
	out_text(out, "digest", digest);
}

void set_show(struct out *out, const struct set_value *set)
{
	char text[SET_ENTRY_LEN];

	set_show_row(out, "set", &set->set);
	out_array(out, text_enum_name(&text_set_kind, set->set.kind));
	for (uint32_t i = 0; i < set->count; i++)
		out_array_text(out, set_entry_text(set->set.kind, &set->entries[i], text));
	out_array_end(out);
}
