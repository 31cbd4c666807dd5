/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Which rules of a list may match a packet, first to last: of a short list each one; of a long one
 * those that its index leaves over (roam/acl_index.h). Whether one does match is decided by
 * acl_fits(), of acl.bpf.c, which has included this, and where it has sets by name, by those.
 */
#ifndef ROAM_BPF_ACL_SEARCH_H
#define ROAM_BPF_ACL_SEARCH_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <roam/acl_index.h>
#include <roam/ct.h>

/* A packet's fields, each with a set of rules. */
enum acl_field {
	ACL_FIELD_REMOTE,
	ACL_FIELD_LOCAL,
	ACL_FIELD_RPORT,
	ACL_FIELD_LPORT,
	ACL_FIELD_PROTO,
	ACL_FIELDS,
};

/*
 * Where a search stands. In a map of its own, one a CPU, not on the stack: that is short, and the
 * verifier follows all that is in it.
 */
struct acl_search {
	__u64 bits;                    /* rules of `word` that are still to be tried */
	__u64 words[ROAM_ACL_SUMMARY]; /* that all sets may have something in, less those tried */
	__u32 first;                   /* word that bit 0 of words[0] stands for */
	__u32 word;                    /* of the sets: that `bits` are of */
	__u32 set[ACL_FIELDS];         /* numbers, then where each set's words begin in the list */
	struct roam_acl_key value;     /* that is looked for in a tree */
	__u32 class;                   /* and as far as it is found */
	__u32 pad;
};

/* What a step of a search gets. */
struct acl_step {
	void *list;
	struct acl_search *search;
	const struct roam_acl_tree *tree;
	const struct roam_acl_row *row; /* the head, or that with the short set */
	__u32 slot;                     /* and where in it that is */
	__u32 named_row;
	const struct roam_flow_key *key; /* of the packet */
	const struct acl_ports *ports;
};

/* The ports are in host byte order; has_ports is false of a packet that has none. */
struct acl_ports {
	__u16 local;
	__u16 remote;
	bool has_ports;
};

/* Whether a rule matches, but for what sets by name say. */
static __always_inline bool acl_fits(const struct acl_search *search,
				     const struct roam_acl_match *rule);
/* It is the one: the search ends. */
static __always_inline void acl_found(struct acl_search *search, const struct roam_acl_match *rule);

static __always_inline const struct roam_acl_row *row_at(void *list, __u32 row)
{
	return bpf_map_lookup_elem(list, &row);
}

/* 1 if x < y. Without a branch: the verifier would follow both ways at each of many. */
static __always_inline __u64 below(__u64 x, __u64 y)
{
	return ((~x & y) | ((~x | y) & (x - y))) >> 63;
}

static __always_inline __u64 is_from(struct roam_acl_key value, const struct roam_acl_key *first)
{
	__u64 differ = value.high ^ first->high;
	__u64 equal = 1 ^ ((differ | -differ) >> 63);

	return 1 ^ (below(value.high, first->high) | (equal & below(value.low, first->low)));
}

/*
 * The last key of a row that is not above the value; the first one never is. Keys are compared many
 * at a time, because a processor does that faster than one after the other.
 */
static __always_inline __u32 find_key(const struct roam_acl_row *row, struct roam_acl_key value)
{
	__u32 at = 0, more = 0;

	for (int i = 4; i < ROAM_ACL_ROW_KEYS; i += 4) {
		at += is_from(value, &row->keys[i]) * 4;
		barrier_var(at); /* one result at a time, or all go through the stack */
	}
	for (int i = 1; i < 4; i++) {
		more += is_from(value, &row->keys[(at + i) % ROAM_ACL_ROW_KEYS]);
		barrier_var(more);
	}
	return at + more;
}

/* The number of the class's set. */
static __always_inline bool set_of(void *list, __u32 rows, __u32 class, __u32 *ret_set)
{
	const struct roam_acl_row *row = row_at(list, rows + class / ROAM_ACL_ROW_CLASSES);

	if (!row)
		return false;
	*ret_set = row->classes[class % ROAM_ACL_ROW_CLASSES];
	return true;
}

/* One level of a tree. */
static long tree_step(__u32 level, struct acl_step *step)
{
	const struct roam_acl_tree *tree = step->tree;
	struct acl_search *search = step->search;
	const struct roam_acl_row *row;

	if (level >= ROAM_ACL_LEVELS || level >= tree->levels)
		return 1;
	row = row_at(step->list, tree->row[level] + search->class);
	if (!row)
		return 1;
	search->class = search->class * ROAM_ACL_ROW_KEYS + find_key(row, search->value);
	return 0;
}

/* The class of the address in step->tree; true if it is the highest of all. */
static __always_inline bool find_class(struct acl_step *step, const struct roam_addr *addr)
{
	struct acl_search *search = step->search;
	bool top;

	search->class = 0;
	search->value.high = (__u64)bpf_ntohl(addr->words[0]) << 32 | bpf_ntohl(addr->words[1]);
	search->value.low = (__u64)bpf_ntohl(addr->words[2]) << 32 | bpf_ntohl(addr->words[3]);
	top = search->value.high == ~0ULL && search->value.low == ~0ULL;
	if (top)
		search->value.low--; /* of the same class, and below what rows are filled up with */
	bpf_loop(ROAM_ACL_LEVELS, tree_step, step, 0);
	return top;
}

static __always_inline bool find_addr(struct acl_step *step, enum roam_acl_end end,
				      const struct roam_addr *addr, __u32 *ret_set)
{
	const struct acl_search *search = step->search;

	step->tree = &step->row->head.addr[end];
	find_class(step, addr);
	return set_of(step->list, step->tree->set_row, search->class, ret_set);
}

static __always_inline bool find_port(void *list, __u32 pages, __u16 port, __u32 *ret_set)
{
	__u32 page;

	return set_of(list, pages, port >> 8, &page) &&
	       set_of(list, pages + page, port & 0xff, ret_set);
}

/* The number of each field's set, up to the first short one. */
static __always_inline bool find_sets(struct acl_step *step, const struct roam_flow_key *key,
				      const struct acl_ports *ports)
{
	const struct roam_acl_head *head = &step->row->head;
	__u32 *set = step->search->set;

	set[ACL_FIELD_LOCAL] = set[ACL_FIELD_PROTO] = ROAM_ACL_SET_ALL;
	set[ACL_FIELD_RPORT] = set[ACL_FIELD_LPORT] = ROAM_ACL_SET_ALL;
	if (!find_addr(step, ROAM_ACL_REMOTE, &key->remote, &set[ACL_FIELD_REMOTE]))
		return false;
	if (set[ACL_FIELD_REMOTE] >= head->sets)
		return true;
	if (ports->has_ports && (!find_port(step->list, head->port_row[ROAM_ACL_LOCAL],
					    ports->local, &set[ACL_FIELD_LPORT]) ||
				 !find_port(step->list, head->port_row[ROAM_ACL_REMOTE],
					    ports->remote, &set[ACL_FIELD_RPORT])))
		return false;
	return find_addr(step, ROAM_ACL_LOCAL, &key->local, &set[ACL_FIELD_LOCAL]) &&
	       set_of(step->list, head->proto_row + (key->family == ROAM_FAMILY_IPV6), key->proto,
		      &set[ACL_FIELD_PROTO]);
}

/* Whether one of the sets is a short one, and where it is. */
static __always_inline bool find_short(struct acl_step *step)
{
	const struct roam_acl_head *head = &step->row->head;
	__u32 number = 0;

	for (int field = 0; field < ACL_FIELDS && !number; field++) {
		if (step->search->set[field] >= head->sets)
			number = step->search->set[field];
	}
	if (!number)
		return false;
	number -= head->sets;
	step->row = row_at(step->list, head->short_row + number / ROAM_ACL_ROW_SHORTS);
	step->slot = number % ROAM_ACL_ROW_SHORTS;
	return step->row != NULL;
}

/* From numbers to words, and what the summaries have in common. */
static __always_inline bool join_sets(const struct acl_step *step)
{
	const struct roam_acl_head *head = &step->row->head;
	struct acl_search *search = step->search;

	for (int i = 0; i < ROAM_ACL_SUMMARY; i++)
		search->words[i] = ~0ULL;
	for (int field = 0; field < ACL_FIELDS; field++) {
		__u32 at = head->set_row * ROAM_ACL_ROW_WORDS + search->set[field] * head->stride;
		const struct roam_acl_row *row = row_at(step->list, at / ROAM_ACL_ROW_WORDS);

		if (!row)
			return false;
		for (int i = 0; i < ROAM_ACL_SUMMARY; i++)
			search->words[i] &= row->words[(at + i) % ROAM_ACL_ROW_WORDS];
		search->set[field] = at + ROAM_ACL_SUMMARY;
	}
	search->bits = 0;
	search->first = 0;
	return true;
}

/* The number of the lowest bit that is set: of the ones below it. */
static __always_inline __u32 lowest(__u64 bits)
{
	bits = (bits & -bits) - 1;
	bits -= bits >> 1 & 0x5555555555555555;
	bits = (bits & 0x3333333333333333) + (bits >> 2 & 0x3333333333333333);
	bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return bits * 0x0101010101010101 >> 56;
}

/* What all sets have of the next word; false behind the last one. */
static __always_inline bool next_word(const struct acl_step *step)
{
	struct acl_search *search = step->search;

	if (!search->words[0]) {
		for (int i = 1; i < ROAM_ACL_SUMMARY; i++)
			search->words[i - 1] = search->words[i];
		search->words[ROAM_ACL_SUMMARY - 1] = 0;
		search->first += 64;
		return search->first < ROAM_ACL_SUMMARY * 64;
	}
	search->word = search->first + lowest(search->words[0]);
	search->words[0] &= search->words[0] - 1;
	search->bits = ~0ULL;
	for (int field = 0; field < ACL_FIELDS && search->bits; field++) {
		__u32 at = search->set[field] + search->word;
		const struct roam_acl_row *row = row_at(step->list, at / ROAM_ACL_ROW_WORDS);

		if (!row)
			return false;
		search->bits &= row->words[at % ROAM_ACL_ROW_WORDS];
	}
	return true;
}

static __always_inline const struct roam_acl_named *named_at(const struct acl_step *step,
							     __u32 number)
{
	const struct roam_acl_row *row;

	number--;
	row = row_at(step->list, step->named_row + number / ROAM_ACL_ROW_NAMED);
	number %= ROAM_ACL_ROW_NAMED;
	barrier_var(number);
	return row && number < ROAM_ACL_ROW_NAMED ? &row->named[number] : NULL;
}

static __always_inline bool in_named_addrs(struct acl_step *step, __u32 number,
					   const struct roam_addr *addr)
{
	const struct roam_acl_named *named;

	if (!number)
		return true;
	named = named_at(step, number);
	if (!named)
		return false;
	step->tree = &named->tree;
	if (find_class(step, addr))
		return named->has_top;
	return step->search->class & 1;
}

static __always_inline bool in_named_ports(const struct acl_step *step, __u32 number, __u16 port)
{
	const struct roam_acl_named *named;
	const struct roam_acl_row *row;

	if (!number)
		return true;
	named = step->ports->has_ports ? named_at(step, number) : NULL;
	row = named ? row_at(step->list, named->tree.row[0] + port / ROAM_ACL_ROW_PORTS) : NULL;
	if (!row)
		return false;
	port %= ROAM_ACL_ROW_PORTS;
	return row->words[port / 64] >> (port % 64) & 1;
}

/* What sets by name say of the packet. Not inlined: searches of all kinds end here. */
static __noinline bool named_fit(struct acl_step *step, const struct roam_acl_match *rule)
{
	return in_named_ports(step, rule->lport_named, step->ports->local) &&
	       in_named_ports(step, rule->rport_named, step->ports->remote) &&
	       in_named_addrs(step, rule->remote_named, &step->key->remote) &&
	       in_named_addrs(step, rule->local_named, &step->key->local);
}

static __always_inline bool has_named(const struct roam_acl_match *rule)
{
	return rule->local_named | rule->remote_named | rule->lport_named | rule->rport_named;
}

static __always_inline long try_rule(struct acl_step *step, __u32 number)
{
	const struct roam_acl_row *row = row_at(step->list,
						ROAM_ACL_RULE_ROW + number / ROAM_ACL_ROW_RULES);
	const struct roam_acl_match *rule;

	number %= ROAM_ACL_ROW_RULES;
	/* the verifier learns nothing from a remainder, but from a comparison */
	barrier_var(number);
	if (!row || number >= ROAM_ACL_ROW_RULES)
		return 1;
	rule = &row->rules[number];
	if (!acl_fits(step->search, rule) || (has_named(rule) && !named_fit(step, rule)))
		return 0;
	acl_found(step->search, rule);
	return 1;
}

/* The next word, or the next rule of one. */
static long join_step(__u32 i, struct acl_step *step)
{
	struct acl_search *search = step->search;
	__u32 rule;

	(void)i;
	if (!search->bits && !next_word(step))
		return 1;
	if (!search->bits)
		return 0;
	rule = search->word * 64 + lowest(search->bits);
	search->bits &= search->bits - 1;
	return try_rule(step, rule);
}

static long short_step(__u32 i, struct acl_step *step)
{
	__u32 rule;

	if (i >= ROAM_ACL_SHORT)
		return 1;
	rule = step->row->shorts[step->slot % ROAM_ACL_ROW_SHORTS][i];
	return rule ? try_rule(step, rule - 1) : 1;
}

static long list_step(__u32 i, struct acl_step *step)
{
	return i < step->row->head.rules ? try_rule(step, i) : 1;
}

#define JOIN_STEPS (ROAM_ACL_LIST_MAX + ROAM_ACL_WORDS + ROAM_ACL_SUMMARY)

/*
 * Keeps clang from making one call of several, whose callback the kernel would not know: it could
 * not inline the loop, and each step would be an indirect call, 20 ns.
 */
#define STAY_APART(n) asm volatile("" ::"i"(n))

static __always_inline void acl_search(void *list, struct acl_search *search,
				       const struct roam_flow_key *key,
				       const struct acl_ports *ports)
{
	struct acl_step step = {
		.list = list,
		.search = search,
		.row = row_at(list, 0),
		.key = key,
		.ports = ports,
	};

	if (!step.row)
		return;
	step.named_row = step.row->head.named_row;
	if (!step.row->head.stride) {
		bpf_loop(ROAM_ACL_LIST_MAX, list_step, &step, 0);
		STAY_APART(1);
	} else if (!find_sets(&step, key, ports)) {
		return;
	} else if (find_short(&step)) {
		bpf_loop(ROAM_ACL_SHORT, short_step, &step, 0);
		STAY_APART(2);
	} else if (step.row && join_sets(&step)) {
		bpf_loop(JOIN_STEPS, join_step, &step, 0);
		STAY_APART(3);
	}
}

#endif
