// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Prints the layout of every struct and enum in an object's BTF, sorted by name: what
 * tests/abi/layout.txt keeps of include/roam, and layout.sh compares it with.
 *
 *   layout build/layout.bpf.o
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/btf.h>

static struct btf *btf;

static const char *name_of(uint32_t offset)
{
	return btf__name_by_offset(btf, offset);
}

/* A type as C would write it, the member's name left out: "__u8[16]", "struct roam_addr". */
static void print_type(uint32_t id)
{
	const struct btf_type *type = btf__type_by_id(btf, id);

	switch (btf_kind(type)) {
	case BTF_KIND_ARRAY:
		print_type(btf_array(type)->type);
		printf("[%u]", btf_array(type)->nelems);
		break;
	case BTF_KIND_STRUCT:
		printf("struct %s", name_of(type->name_off));
		break;
	case BTF_KIND_UNION:
		printf("union %s", name_of(type->name_off));
		break;
	case BTF_KIND_ENUM:
		printf("enum %s", name_of(type->name_off));
		break;
	default:
		printf("%s", name_of(type->name_off));
		break;
	}
}

/* The mark on a member that says how it travels (ROAM_CARRY), if there is one. */
static void print_mark(uint32_t id, int member)
{
	for (uint32_t i = 1; i < btf__type_cnt(btf); i++) {
		const struct btf_type *type = btf__type_by_id(btf, i);

		if (btf_is_decl_tag(type) && type->type == id &&
		    btf_decl_tag(type)->component_idx == member)
			printf("  %s", name_of(type->name_off));
	}
}

static void print_members(uint32_t id, uint32_t base)
{
	const struct btf_type *type = btf__type_by_id(btf, id);
	const struct btf_member *member = btf_members(type);

	for (int i = 0; i < btf_vlen(type); i++, member++) {
		uint32_t at = base + btf_member_bit_offset(type, i) / 8;
		const struct btf_type *inner = btf__type_by_id(btf, member->type);

		/* What has no name of its own is part of the struct around it. */
		if (btf_is_composite(inner) && !inner->name_off) {
			print_members(member->type, at);
			continue;
		}
		printf("%6u  %-16s ", at, name_of(member->name_off));
		print_type(member->type);
		print_mark(id, i);
		printf("\n");
	}
}

static void print_enum(const struct btf_type *type)
{
	const struct btf_enum *value = btf_enum(type);

	for (int i = 0; i < btf_vlen(type); i++, value++)
		printf("%6d  %s\n", value->val, name_of(value->name_off));
}

static int by_name(const void *a, const void *b)
{
	const struct btf_type *x = btf__type_by_id(btf, *(const uint32_t *)a);
	const struct btf_type *y = btf__type_by_id(btf, *(const uint32_t *)b);

	return strcmp(name_of(x->name_off), name_of(y->name_off));
}

static bool is_abi(const struct btf_type *type)
{
	return (btf_is_struct(type) || btf_kind(type) == BTF_KIND_ENUM) && type->name_off;
}

static void print_all(void)
{
	uint32_t *ids = calloc(btf__type_cnt(btf), sizeof(*ids)), count = 0;

	if (!ids)
		abort();
	for (uint32_t id = 1; id < btf__type_cnt(btf); id++) {
		if (is_abi(btf__type_by_id(btf, id)))
			ids[count++] = id;
	}
	qsort(ids, count, sizeof(*ids), by_name);
	for (uint32_t i = 0; i < count; i++) {
		const struct btf_type *type = btf__type_by_id(btf, ids[i]);

		printf("%s%s %s %u\n", i ? "\n" : "", btf_is_struct(type) ? "struct" : "enum",
		       name_of(type->name_off), type->size);
		if (btf_is_struct(type))
			print_members(ids[i], 0);
		else
			print_enum(type);
	}
	free(ids);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: layout OBJECT\n");
		return 2;
	}
	btf = btf__parse(argv[1], NULL);
	if (!btf) {
		fprintf(stderr, "layout: %s: no BTF in it\n", argv[1]);
		return 1;
	}
	print_all();
	btf__free(btf);
	return 0;
}
