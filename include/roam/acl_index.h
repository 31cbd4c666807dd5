/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * How the rules of one VM and direction lie in the inner ARRAY of `acl_match`, in rows of one size:
 *
 *   row 0                      struct roam_acl_head: where everything else is
 *   from ROAM_ACL_RULE_ROW on  the rules, in the order in which they are matched
 *   then, of an index          rows of keys, of classes, of sets, and of short sets
 *   at last                    what sets by name hold, which rules refer to
 *
 * A set tells which rules may match a packet whose field is of a certain class. Four fields of a
 * packet (its two addresses, its two ports) each find a set. The first that is a short one, a list
 * of rules, is all that is needed: they are tried one by one. The other sets are bit vectors, one
 * bit a rule; if no field has a short one, what the sets of all five fields (the protocol is the
 * fifth) have in common is tried. Sets may hold too much (neighbouring classes share one if there
 * are very many), never too little, and only the rule itself decides: what sets know nothing of
 * needs nothing here.
 *
 * What operators call a set (set.h) is a *named* one here: of addresses a tree of the first ones
 * that are in it and of those that are not, in turn, of ports one bit each. To the index a rule
 * with one says as much as many rules would; whether it matches is looked up.
 *
 * A bit vector begins with its summary: one bit for each word of it that is not zero.
 * user/lib/acl_index.c makes all this, bpf/acl_search.h reads it.
 */
#ifndef ROAM_ACL_INDEX_H
#define ROAM_ACL_INDEX_H

#include "acl.h"

#define ROAM_ACL_ROW         512 /* bytes */
#define ROAM_ACL_RULE_ROW    1
#define ROAM_ACL_ROW_RULES   (ROAM_ACL_ROW / sizeof(struct roam_acl_match))
#define ROAM_ACL_ROW_KEYS    32
#define ROAM_ACL_ROW_WORDS   64
#define ROAM_ACL_ROW_CLASSES 256
#define ROAM_ACL_ROW_SHORTS  16
#define ROAM_ACL_ROW_NAMED   16
#define ROAM_ACL_ROW_PORTS   4096 /* bits of a named set of ports */

/* All rules and the default behind them: 16,385 bits are 257 words, and these need 5. */
#define ROAM_ACL_LIST_MAX (ROAM_ACL_RULES + 1)
#define ROAM_ACL_WORDS    ((ROAM_ACL_LIST_MAX + 63) / 64)
#define ROAM_ACL_SUMMARY  ((ROAM_ACL_WORDS + 63) / 64)

/* The set with every rule in it, of packets that do not have the field. */
#define ROAM_ACL_SET_ALL 0

/* Rules in a short set; it ends with a 0. */
#define ROAM_ACL_SHORT 15

enum roam_acl_end {
	ROAM_ACL_REMOTE,
	ROAM_ACL_LOCAL,
	ROAM_ACL_ENDS,
};

/*
 * The first addresses of an end's classes, sorted, as a tree of rows: each key of a row stands for
 * the row below it. Rows are full up to the last one of their level, so the n-th key of one level
 * leads to the n-th row of the next; the n-th key of the last level is class n.
 * What is left of the last row is filled up with the highest address, which begins no class.
 */
#define ROAM_ACL_LEVELS 3

struct roam_acl_tree {
	__u32 row[ROAM_ACL_LEVELS]; /* the first one of each level */
	__u32 levels;
	__u32 set_row; /* sets by class */
};

/*
 * A set by name. Of addresses: class 0 of the tree is outside of it, class 1 in it, and so on. Of
 * ports: from tree.row[0] on, rows of bits.
 */
struct roam_acl_named {
	struct roam_acl_tree tree;
	__u32 has_top; /* 1: the highest address is in it, which no tree can say */
	__u32 pad[2];
};

ROAM_ASSERT_SIZE(struct roam_acl_named, 32);

struct roam_acl_head {
	__u32 rules;
	__u32 stride; /* words from one set to the next; 0: there is no index */
	__u32 sets;   /* numbers from here on are those of short ones */
	__u32 set_row;
	__u32 short_row;
	struct roam_acl_tree addr[ROAM_ACL_ENDS];
	/*
	 * A row of pages by a port's upper byte; page n is row n behind it: sets by the lower byte.
	 */
	__u32 port_row[ROAM_ACL_ENDS];
	__u32 proto_row; /* sets by protocol: a row for IPv4, one for IPv6 */
	__u32 named_row;
};

ROAM_ASSERT_SIZE(struct roam_acl_head, 76);

/* An address in host byte order. */
struct roam_acl_key {
	__u64 high;
	__u64 low;
};

struct roam_acl_row {
	union {
		struct roam_acl_head head;
		struct roam_acl_match rules[ROAM_ACL_ROW_RULES];
		struct roam_acl_key keys[ROAM_ACL_ROW_KEYS];
		__u64 words[ROAM_ACL_ROW_WORDS];
		__u16 classes[ROAM_ACL_ROW_CLASSES]; /* numbers of sets, or of pages */
		struct roam_acl_named named[ROAM_ACL_ROW_NAMED];
		__u16 shorts[ROAM_ACL_ROW_SHORTS][ROAM_ACL_SHORT + 1]; /* rules, from 1 on */
	};
};

ROAM_ASSERT_SIZE(struct roam_acl_row, ROAM_ACL_ROW);

#endif
