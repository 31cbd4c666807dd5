/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Which slot of a service's table a connection gets: a hash of its tuple without a seed, so that
 * every host gives it the same one. The mixing is that of MurmurHash3 (A. Appleby, public domain).
 */
#ifndef ROAM_BPF_LB_HASH_H
#define ROAM_BPF_LB_HASH_H

#include <roam/ct.h>

static __always_inline __u32 hash_mix(__u32 hash, __u32 word)
{
	word *= 0xcc9e2d51;
	word = word << 15 | word >> 17;
	word *= 0x1b873593;
	hash ^= word;
	hash = hash << 13 | hash >> 19;
	return hash * 5 + 0xe6546b64;
}

/* `key` is the client's: local is who asks, remote is the VIP. `again` gives another slot. */
static __always_inline __u32 lb_hash(const struct roam_flow_key *key, __u32 again)
{
	__u32 hash = again;

	for (__u32 i = 0; i < 4; i++) {
		hash = hash_mix(hash, key->local.words[i]);
		hash = hash_mix(hash, key->remote.words[i]);
	}
	hash = hash_mix(hash, (__u32)key->lport << 16 | key->rport);
	hash = hash_mix(hash, key->proto);
	hash ^= hash >> 16;
	hash *= 0x85ebca6b;
	hash ^= hash >> 13;
	hash *= 0xc2b2ae35;
	return hash ^ hash >> 16;
}

#endif
