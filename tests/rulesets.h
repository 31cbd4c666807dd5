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

/* A packet at the edges or in the middle of one of the rules; some are of none. */
struct roam_flow_key ruleset_packet(struct ruleset_random *random, enum ruleset_shape shape,
				    const struct roam_acl_match *rules, uint32_t count);

/* The index of the first rule that matches, or `count`. */
uint32_t ruleset_first(const struct roam_acl_match *rules, uint32_t count,
		       const struct roam_flow_key *key);

bool ruleset_matches(const struct roam_acl_match *rule, const struct roam_flow_key *key);

#endif
