// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The layout of a host's maps as text: see layout.h. */
#include <stdio.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "layout.h"
#include "util.h"

/* Parts begin with "struct NAME SIZE" or "enum NAME SIZE", and end with an empty line. */
static const char types[] =
#include "layout.inc"
	;

#define TEXT_MAX (1 << 20)

static const char *const scratch_maps[] = {
	"acl_walk",   "ask_run",    "carry_base",  "ct_scratch", "ct_xfer",
	"elder_mode", "elder_prog", "explain_run", "front_pkt",  "stats_xfer",
};

/* Of what is only in those, or in no map at all. */
static const char *const scratch_types[] = {
	"enum roam_carry_rows",   "enum roam_elder_mode",  "enum roam_link_msg",
	"enum roam_local_kind",   "enum roam_pkt_ct",      "enum roam_pkt_fact",
	"enum roam_pkt_frag",     "enum roam_pkt_gate",    "enum roam_sctp_chunk",
	"enum roam_stage",        "enum roam_verdict",     "struct roam_ask_flow",
	"struct roam_ask_run",    "struct roam_carry_key", "struct roam_carry_run",
	"struct roam_carry_sums", "struct roam_ct_load",   "struct roam_elder_run",
	"struct roam_explain",    "struct roam_flow_rec",  "struct roam_limit_sync",
	"struct roam_pkt",        "struct roam_stats_add",
};

bool layout_is_scratch(const char *map)
{
	for (size_t i = 0; i < ARRAY_SIZE(scratch_maps); i++) {
		if (!strcmp(map, scratch_maps[i]))
			return true;
	}
	return false;
}

static bool is_scratch_type(const char *part)
{
	for (size_t i = 0; i < ARRAY_SIZE(scratch_types); i++) {
		size_t len = strlen(scratch_types[i]);

		if (!strncmp(part, scratch_types[i], len) && part[len] == ' ')
			return true;
	}
	return false;
}

/* Where the next part begins, or the end. */
static const char *next_part(const char *part)
{
	const char *end = strstr(part, "\n\n");

	return end ? end + 2 : part + strlen(part);
}

static void describe_types(FILE *text)
{
	const char *part = types, *next;

	for (; *part; part = next) {
		next = next_part(part);
		if (!is_scratch_type(part))
			fprintf(text, "%.*s%s", (int)(next - part), part, *next ? "" : "\n");
	}
}

static void describe_map(FILE *text, const struct bpf_map *map)
{
	fprintf(text, "map %s %u %u %u %u %#x\n", bpf_map__name(map), bpf_map__type(map),
		bpf_map__key_size(map), bpf_map__value_size(map), bpf_map__max_entries(map),
		bpf_map__map_flags(map));
}

/* Of inner maps, the number of rows is each VM's own. */
static void describe_inner(FILE *text, struct bpf_map *map)
{
	const struct bpf_map *inner = bpf_map__inner_map(map);

	if (inner)
		fprintf(text, "    inner %u %u %u %#x\n", bpf_map__type(inner),
			bpf_map__key_size(inner), bpf_map__value_size(inner),
			bpf_map__map_flags(inner));
}

char *layout_describe(const struct bpf_object *obj)
{
	struct bpf_map *map;
	char *bytes = NULL;
	size_t size;
	FILE *text = open_memstream(&bytes, &size);

	if (!text)
		return NULL;
	describe_types(text);
	bpf_object__for_each_map(map, obj)
	{
		if (bpf_map__is_internal(map) || layout_is_scratch(bpf_map__name(map)))
			continue;
		describe_map(text, map);
		describe_inner(text, map);
		fputc('\n', text);
	}
	if (fclose(text)) {
		free(bytes);
		return NULL;
	}
	return bytes;
}

/* Whether the text has the part, word for word. */
static bool has_part(const char *text, const char *part)
{
	size_t len = next_part(part) - part;
	const char *at = text;

	while (*at && strncmp(at, part, len) != 0)
		at = next_part(at);
	return *at;
}

/* The first part of `a` that `b` has not. */
static bool find_missing(const char *a, const char *b, char *ret_what, size_t size)
{
	int name;

	for (; *a; a = next_part(a)) {
		if (has_part(b, a))
			continue;
		name = strcspn(a, " \n");
		name += a[name] == ' ' ? 1 + strcspn(a + name + 1, " \n") : 0;
		snprintf(ret_what, size, "%.*s", name, a);
		return true;
	}
	return false;
}

bool layout_same(const char *a, const char *b, char *ret_what, size_t size)
{
	return !find_missing(a, b, ret_what, size) && !find_missing(b, a, ret_what, size);
}

bool layout_is_own(const char *text, char *ret_what, size_t size)
{
	const char *part = types, *next;
	bool own = true;

	for (; *part && own; part = next) {
		next = next_part(part);
		if (is_scratch_type(part) || has_part(text, part))
			continue;
		own = false;
		snprintf(ret_what, size, "%.*s",
			 (int)strcspn(part, " ") + 1 +
				 (int)strcspn(part + strcspn(part, " ") + 1, " \n"),
			 part);
	}
	return own;
}

int layout_store(const char *path, const char *text)
{
	_cleanup_close_ int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "layout", sizeof(uint32_t),
						strlen(text) + 1, 1, NULL);
	uint32_t zero = 0;

	if (fd < 0 || bpf_map_update_elem(fd, &zero, text, BPF_ANY) || bpf_obj_pin(fd, path))
		return fail_errno(-errno, "host: cannot keep the layout in %s", path);
	return 0;
}

int layout_load(const char *path, char **ret_text)
{
	_cleanup_close_ int fd = bpf_obj_get(path);
	_cleanup_free_ char *text = NULL;
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info), zero = 0;

	if (fd < 0)
		return fail_errno(-errno, "host: cannot open %s", path);
	if (bpf_obj_get_info_by_fd(fd, &info, &len) || info.type != BPF_MAP_TYPE_ARRAY ||
	    !info.value_size || info.value_size > TEXT_MAX)
		return fail(-EBADMSG, "host: %s is no layout", path);
	text = malloc(info.value_size + 8); /* the kernel copies whole words */
	if (!text)
		return fail(-ENOMEM, "host: out of memory");
	if (bpf_map_lookup_elem(fd, &zero, text))
		return fail_errno(-errno, "host: cannot read %s", path);
	text[info.value_size - 1] = '\0';
	*ret_text = TAKE_PTR(text);
	return 0;
}
