// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * schema LAYOUT.bpf.o: writes the fields that images carry as C tables, for user/lib/schema.c. It
 * reads them from BTF: members with a tag "roam:KIND:NEED" (ROAM_CARRY, include/roam/types.h) and
 * perhaps "roam-merge:OPERATOR" (ROAM_MERGE), those of nested structs as "outer.inner", of arrays
 * of structs as "outer[0].inner", those of arrays with a tag "roam-spread:" (ROAM_SPREAD) as
 * "inner", with as many elements, or "inner[0].innermost". Run by the build.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/btf.h>

static const struct {
	const char *table;
	const char *type;
} tables[] = {
	{ "move", "roam_move_rec" },
	{ "vm", "roam_vm" },
	{ "port", "roam_port" },
	{ "set", "roam_set" },
	{ "acl", "roam_acl_rec" },
	{ "hits", "roam_hits_rec" },
	{ "qos", "roam_qos_rec" },
	{ "ips", "roam_ips" },
	{ "gone_ips", "roam_gone_ips" },
	{ "ips_source", "roam_ips_source_rec" },
	{ "ips_block", "roam_ips_block_rec" },
	{ "frag", "roam_frag_rec" },
	{ "lb", "roam_lb_rec" },
	{ "gone_flow", "roam_gone_flow" },
	{ "flow", "roam_flow_rec" },
	{ "stats", "roam_stats_rec" },
};

static const struct btf *btf;

static void die(const char *what)
{
	fprintf(stderr, "schema: %s\n", what);
	exit(1);
}

/* Never freed: this is a short run. */
static char *text(const char *format, ...)
{
	va_list args;
	char *made;

	va_start(args, format);
	if (vasprintf(&made, format, args) < 0)
		die("out of memory");
	va_end(args);
	return made;
}

/* What stands behind `prefix` in a tag of the member, or NULL. */
static const char *tag_of(unsigned int type_id, unsigned int member, const char *prefix)
{
	for (unsigned int id = 1; id < btf__type_cnt(btf); id++) {
		const struct btf_type *type = btf__type_by_id(btf, id);
		const char *name = btf__name_by_offset(btf, type->name_off);

		if (btf_is_decl_tag(type) && type->type == type_id &&
		    btf_decl_tag(type)->component_idx == (int)member &&
		    !strncmp(name, prefix, strlen(prefix)))
			return name + strlen(prefix);
	}
	return NULL;
}

static unsigned int skip_typedefs(unsigned int id)
{
	const struct btf_type *type = btf__type_by_id(btf, id);

	while (btf_is_typedef(type) || btf_is_mod(type)) {
		id = type->type;
		type = btf__type_by_id(btf, id);
	}
	return id;
}

static void print_upper(const char *text)
{
	for (; *text; text++)
		putchar(*text >= 'a' && *text <= 'z' ? *text - 'a' + 'A' : *text);
}

/* Of an array that is spread: elements, and bytes from one to the next. */
struct spread {
	unsigned int count;
	unsigned int stride;
};

/* "enum/NAME:required" and the like, as the first part of the initializer of a struct schema_field.
 */
static void print_field(const char *name, const char *tag, unsigned int at, unsigned int type_id,
			const struct spread *spread)
{
	const struct btf_type *type = btf__type_by_id(btf, skip_typedefs(type_id));
	unsigned int count = 1, id = type_id, size;
	char kind[32], list[32] = "";
	const char *need = strchr(tag, ':'), *slash = strchr(tag, '/');
	size_t len;

	if (!need)
		die("a tag without a need");
	len = (slash ? slash : need) - tag;
	snprintf(kind, sizeof(kind), "%.*s", (int)len, tag);
	if (slash)
		snprintf(list, sizeof(list), "%.*s", (int)(need - slash - 1), slash + 1);
	/* Bytes and names are one value, arrays of numbers and addresses are several. */
	if (btf_is_array(type) && strcmp(kind, "bytes") && strcmp(kind, "mac") &&
	    strcmp(kind, "name")) {
		count = btf_array(type)->nelems;
		id = btf_array(type)->type;
	}
	size = btf__resolve_size(btf, id);
	if (spread)
		count = spread->count;
	printf("\t{ \"%s\", \"%s\", %u, %u, %u, %u, FIELD_", name, list, at, size, count,
	       spread ? spread->stride : size);
	print_upper(kind);
	printf(", %d, %d, ", strcmp(need + 1, "optional") != 0, !strcmp(need + 1, "later"));
}

static void print_struct(const char *prefix, unsigned int type_id, unsigned int base);

static void print_nested(const char *name, unsigned int type_id, unsigned int at)
{
	unsigned int id = skip_typedefs(type_id);
	const struct btf_type *type = btf__type_by_id(btf, id);

	if (btf_is_struct(type)) {
		print_struct(text("%s.", name), id, at);
		return;
	}
	if (!btf_is_array(type))
		return;
	id = skip_typedefs(btf_array(type)->type);
	if (!btf_is_struct(btf__type_by_id(btf, id)))
		return;
	for (unsigned int i = 0; i < btf_array(type)->nelems; i++)
		print_struct(text("%s[%u].", name, i), id,
			     at + i * (unsigned int)btf__resolve_size(btf, id));
}

/* False if the member has no tag of its own. */
static bool print_tagged(const char *name, unsigned int type_id, unsigned int i, unsigned int at,
			 const struct spread *spread)
{
	const struct btf_member *member = btf_members(btf__type_by_id(btf, type_id)) + i;
	const char *tag = tag_of(type_id, i, "roam:");
	const char *merge = tag_of(type_id, i, "roam-merge:");

	if (!tag)
		return false;
	print_field(name, tag, at, member->type, spread);
	printf("MERGE_");
	print_upper(merge ? merge : "image");
	printf(" },\n");
	return true;
}

static void print_spread(const char *prefix, unsigned int array_id, unsigned int base)
{
	const struct btf_array *array = btf_array(btf__type_by_id(btf, skip_typedefs(array_id)));
	unsigned int id = skip_typedefs(array->type);
	const struct btf_type *type = btf__type_by_id(btf, id);
	const struct btf_member *member = btf_members(type);
	struct spread spread = { array->nelems, btf__resolve_size(btf, id) };

	for (unsigned int i = 0; i < btf_vlen(type); i++) {
		unsigned int at = base + btf_member_bit_offset(type, i) / 8;
		const char *name = btf__name_by_offset(btf, member[i].name_off);

		if (print_tagged(text("%s%s", prefix, name), id, i, at, &spread))
			continue;
		for (unsigned int j = 0; j < spread.count; j++)
			print_nested(text("%s%s[%u]", prefix, name, j), member[i].type,
				     at + j * spread.stride);
	}
}

static void print_struct(const char *prefix, unsigned int type_id, unsigned int base)
{
	const struct btf_type *type = btf__type_by_id(btf, type_id);
	const struct btf_member *member = btf_members(type);

	for (unsigned int i = 0; i < btf_vlen(type); i++) {
		unsigned int at = base + btf_member_bit_offset(type, i) / 8;
		const char *name = text("%s%s", prefix,
					btf__name_by_offset(btf, member[i].name_off));

		if (tag_of(type_id, i, "roam-spread:"))
			print_spread(prefix, member[i].type, at);
		else if (!print_tagged(name, type_id, i, at, NULL))
			print_nested(name, member[i].type, at);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2)
		die("usage: schema LAYOUT.bpf.o");
	btf = btf__parse(argv[1], NULL);
	if (!btf)
		die("cannot read BTF");
	printf("/* Made by tools/schema.c from the structs of include/roam. */\n");
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		int id = btf__find_by_name_kind(btf, tables[i].type, BTF_KIND_STRUCT);

		if (id < 0)
			die(tables[i].type);
		printf("static const struct schema_field %s_fields[] = {\n", tables[i].table);
		print_struct("", id, 0);
		printf("};\n");
	}
	return fflush(stdout) ? 1 : 0;
}
