// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Rows from one layout to another, by field name. */
#include <string.h>
#include "carry_plan.h"
#include "harness.h"
#include "util.h"

#define KINDS                                                                                      \
	"enum roam_kind 4\n     0  ROAM_KIND_A\n     1  ROAM_KIND_B\n     2  ROAM_KIND_COUNT\n\n"
#define SWAPPED                                                                                    \
	"enum roam_kind 4\n     0  ROAM_KIND_B\n     1  ROAM_KIND_A\n     2  ROAM_KIND_C\n"        \
	"     3  ROAM_KIND_COUNT\n\n"
/* The same fields, as arrays and as an array of structs (ROAM_SPREAD). */
#define IN "struct roam_in 1\n     0  c                __u8\n\n"
#define ARRAYS                                                                                     \
	"struct roam_row 9\n     0  d                __u8\n     1  a                __u8[2]\n"     \
	"     3  b                __u16[2]\n     7  in               struct roam_in[2]\n\n" IN
#define SPREAD                                                                                     \
	"struct roam_row 7\n     0  side             struct roam_side[2]  roam-spread:\n"          \
	"     6  d                __u8\n\n"                                                        \
	"struct roam_side 3\n     0  a                __u8\n     1  b                __u8\n"       \
	"     2  in               struct roam_in\n\n" IN
#define ROW(size, fields) "struct roam_row " size "\n" fields "\n"

static const struct {
	const char *name;
	const char *old;
	const char *now;
	const char *from;
	const char *to;
	size_t size; /* of `to` */
	const char *error;
} cases[] = {
	{ "same", ROW("4", "     0  a                __u32\n"),
	  ROW("4", "     0  a                __u32\n"), "\1\2\3\4", "\1\2\3\4", 4, NULL },
	{ "other places",
	  ROW("4", "     0  a                __u16\n     2  b                __u16\n"),
	  ROW("4", "     0  b                __u16\n     2  a                __u16\n"), "\1\2\3\4",
	  "\3\4\1\2", 4, NULL },
	{ "wider", ROW("2", "     0  a                __u16\n"),
	  ROW("8", "     0  a                __u64\n"), "\1\2", "\1\2\0\0\0\0\0\0", 8, NULL },
	{ "narrower", ROW("4", "     0  a                __u32\n"),
	  ROW("2", "     0  a                __u16\n"), "\1\2\0\0", "\1\2", 2, NULL },
	{ "too narrow", ROW("4", "     0  a                __u32\n"),
	  ROW("2", "     0  a                __u16\n"), "\1\2\3\0", NULL, 2, "struct roam_row.a" },
	{ "wider on the wire", ROW("2", "     0  a                __be16\n"),
	  ROW("4", "     0  a                __be32\n"), "\1\2", NULL, 4, "of another type" },
	{ "missing", ROW("1", "     0  a                __u8\n"),
	  ROW("2",
	      "     0  a                __u8\n     1  b                __u8  roam:uint:later\n"),
	  "\7", "\7\0", 2, NULL },
	{ "missing and required", ROW("1", "     0  a                __u8\n"),
	  ROW("2",
	      "     0  a                __u8\n     1  b                __u8  roam:uint:required\n"),
	  "\7", NULL, 2, "struct roam_row.b is required" },
	{ "unknown, and nothing",
	  ROW("2", "     0  a                __u8\n     1  b                __u8\n"),
	  ROW("1", "     0  a                __u8\n"), "\7\0", "\7", 1, NULL },
	{ "unknown, and something",
	  ROW("2", "     0  a                __u8\n     1  b                __u8\n"),
	  ROW("1", "     0  a                __u8\n"), "\7\1", NULL, 1, "struct roam_row.b holds" },
	{ "unknown and optional",
	  ROW("2",
	      "     0  a                __u8\n     1  b                __u8  roam:uint:optional\n"),
	  ROW("1", "     0  a                __u8\n"), "\7\1", "\7", 1, NULL },
	{ "longer", ROW("2", "     0  a                __u8[2]\n"),
	  ROW("3", "     0  a                __u8[3]\n"), "\1\2", "\1\2\0", 3, NULL },
	{ "shorter", ROW("3", "     0  a                __u8[3]\n"),
	  ROW("2", "     0  a                __u8[2]\n"), "\1\2\3", NULL, 2, "struct roam_row.a" },
	{ "a number of a list",
	  ROW("1", "     0  a                __u8  roam:enum/KIND:required\n") KINDS,
	  ROW("1", "     0  a                __u8  roam:enum/KIND:required\n") SWAPPED, "\1", "\0",
	  1, NULL },
	{ "a number that is gone",
	  ROW("1", "     0  a                __u8  roam:enum/KIND:required\n") SWAPPED,
	  ROW("1", "     0  a                __u8  roam:enum/KIND:required\n") KINDS, "\2", NULL, 1,
	  "struct roam_row.a" },
	{ "in an inner struct, twice",
	  ROW("4",
	      "     0  a                struct roam_in[2]\n") "struct roam_in 2\n     0  x                __u8\n     1  y                __u8\n\n",
	  ROW("6",
	      "     0  a                struct roam_in[2]\n") "struct roam_in 3\n     0  y                __u8\n     1  x                __u16\n\n",
	  "\1\2\3\4", "\2\1\0\4\3\0", 6, NULL },
	{ "arrays that are one of a struct now", ARRAYS, SPREAD, "\7\1\2\3\0\4\0\5\6",
	  "\1\3\5\2\4\6\7", 7, NULL },
	{ "the other way round", SPREAD, ARRAYS, "\1\3\5\2\4\6\7", "\7\1\2\3\0\4\0\5\6", 9, NULL },
	{ "of them, what has no place", ARRAYS, SPREAD, "\7\1\2\3\0\4\1\5\6", NULL, 7,
	  "struct roam_row.b" },
};

TEST(rows_go_by_names)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct carry_texts texts = { cases[i].old, cases[i].now };
		_cleanup_carry_plan_ struct carry_plan *plan = NULL;
		char row[16];
		int err = carry_plan_make(&texts, "struct roam_row", &plan);

		note("%s", cases[i].name);
		if (!err)
			err = carry_row(plan, cases[i].from, row);
		CHECK_EQ(err, cases[i].error ? -EPROTO : 0);
		if (cases[i].error)
			CHECK_HAS(fail_line(), cases[i].error);
		else
			CHECK_MEM(row, cases[i].to, cases[i].size);
	}
}

TEST(lists_may_only_grow)
{
	const char *more = "enum roam_kind 4\n     0  ROAM_KIND_A\n     1  ROAM_KIND_B\n"
			   "     2  ROAM_KIND_C\n     3  ROAM_KIND_COUNT\n\n";

	CHECK_OK(carry_check_lists(&(struct carry_texts){ KINDS, more }));
	CHECK_EQ(carry_check_lists(&(struct carry_texts){ more, KINDS }), -EPROTO);
	CHECK_EQ(carry_check_lists(&(struct carry_texts){ KINDS, SWAPPED }), -EPROTO);
	CHECK_HAS(fail_line(), "enum roam_kind: ROAM_KIND_A");
}

TEST(what_is_the_same_is_known)
{
	struct carry_texts texts = {
		ROW("4",
		    "     0  a                struct roam_in\n") "struct roam_in 4\n     0  x                __u32\n\n",
		ROW("4",
		    "     0  a                struct roam_in\n") "struct roam_in 4\n     0  y                __u32\n\n",
	};

	CHECK(!carry_same(&texts, "struct roam_in"));
	CHECK(!carry_same(&texts, "struct roam_row"));
	texts.now = texts.old;
	CHECK(carry_same(&texts, "struct roam_row"));
	CHECK_EQ(carry_number(&(struct carry_texts){ KINDS, SWAPPED }, "enum roam_kind", 0), 1);
	CHECK_EQ(carry_number(&(struct carry_texts){ SWAPPED, KINDS }, "enum roam_kind", 2), -1);
}
