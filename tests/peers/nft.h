/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * nftables as an oracle of rules: a chain at the ingress of a device in a network namespace of the
 * test's own, where no routing and no other check comes between. What a rule accepts it forwards to
 * another device, with the rule's number in the frame's source MAC; what arrives there was
 * accepted.
 *
 * Every function aborts when the kernel refuses.
 */
#ifndef ROAM_TESTS_NFT_H
#define ROAM_TESTS_NFT_H

#include <stdbool.h>
#include <roam/acl.h>
#include <roam/ct.h>
#include <roam/types.h>
#include "set_value.h"

struct nft {
	int send_sock;
	int hear_sock;
};

struct nft_packet {
	struct roam_flow_key key;
	bool passes;   /* what nftables said */
	uint32_t rule; /* the id of the rule that accepted it; ROAM_RULE_NONE: the default did */
};

/* What is needed and not there; NULL: nothing. */
const char *nft_lacks(void);

void nft_open(struct nft *nft);
void nft_close(struct nft *nft);

/*
 * The rules of one direction take the place of those before. The sets by name that they refer to
 * are nft's sets of intervals, one a family.
 */
struct nft_rules {
	const struct roam_acl_match *rules;
	uint32_t count;
	const struct set_value *sets;
	uint32_t set_count;
	enum roam_dir dir;
	enum roam_action rest; /* what becomes of a packet that no rule matches */
};

void nft_set_rules(struct nft *nft, const struct nft_rules *rules);

void nft_run(struct nft *nft, struct nft_packet *packets, uint32_t count, enum roam_dir dir);

#endif
