/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Random rules and packets for tests of classification, and the matcher that all others are held
 * against: one that tries rule after rule. Shared by unit, prog and peers tests.
 */
#ifndef ROAM_TESTS_RULESETS_H
#define ROAM_TESTS_RULESETS_H

#include <stdbool.h>
#include <stdint.h>
#include <roam/acl.h>
#include <roam/ct.h>
#include "set_value.h"

/* What the rules of a set are like. */
enum ruleset_shape {
	RULESET_MIXED,    /* few addresses and ports: rules overlap, nest, and are there twice */
	RULESET_EDGES,    /* ends of address and port spaces, full and empty prefixes */
	RULESET_SPREAD,   /* five fields at random: hardly two rules are about the same packet */
	RULESET_ONE_ADDR, /* single addresses and anything else: a list of blocked ones */
	RULESET_RANGES,   /* any address, wide ranges of ports */
	RULESET_SHAPES,
};

/* A row of random numbers, the same on every machine for a seed. */
struct ruleset_random {
	uint64_t state;
};

uint64_t ruleset_next(struct ruleset_random *random);
uint32_t ruleset_below(struct ruleset_random *random, uint32_t bound);

/* Rules with ids 1 to count, in the order of matching. */
void ruleset_make(struct ruleset_random *random, enum ruleset_shape shape,
		  struct roam_acl_match *ret_rules, uint32_t count);

/* Sets by name: the first ones of addresses, the others of ports. */
#define RULESET_ADDR_SETS 8
#define RULESET_SETS      12

struct ruleset_sets {
	struct set_value sets[RULESET_SETS];
	struct acl_named named[RULESET_SETS];
};

/*
 * Random sets, which some of the rules get in place of a prefix or a range. Until they are freed,
 * packets and matches below know of them.
 */
void ruleset_name(struct ruleset_random *random, enum ruleset_shape shape,
		  struct roam_acl_match *rules, uint32_t count, struct ruleset_sets *ret_sets);
void ruleset_sets_free(struct ruleset_sets *sets);

/* A packet at the edges or in the middle of one of the rules; some are of none. */
struct roam_flow_key ruleset_packet(struct ruleset_random *random, enum ruleset_shape shape,
				    const struct roam_acl_match *rules, uint32_t count);

/* The index of the first rule that matches, or `count`. */
uint32_t ruleset_first(const struct roam_acl_match *rules, uint32_t count,
		       const struct roam_flow_key *key);

bool ruleset_matches(const struct roam_acl_match *rule, const struct roam_flow_key *key);

#endif
