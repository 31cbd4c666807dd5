// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Random rules and packets: see rulesets.h. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include "rulesets.h"
#include "text.h"

uint64_t ruleset_next(struct ruleset_random *random)
{
	uint64_t z = (random->state += 0x9e3779b97f4a7c15); /* splitmix64 */

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

uint32_t ruleset_below(struct ruleset_random *random, uint32_t bound)
{
	return ruleset_next(random) % bound;
}

static bool one_in(struct ruleset_random *random, uint32_t times)
{
	return !ruleset_below(random, times);
}

static void put_be32(struct roam_addr *addr, int word, uint32_t value)
{
	addr->words[word] = htonl(value);
}

static struct roam_addr random_addr(struct ruleset_random *random, int family,
				    enum ruleset_shape shape)
{
	static const uint32_t ends[] = { 0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff };
	struct roam_addr addr = {};

	for (int word = 0; word < 4; word++) {
		uint32_t value = ruleset_next(random);

		if (shape == RULESET_EDGES)
			value = ends[value % 6];
		else if (shape == RULESET_MIXED)
			value = (word == 3 ? 0x0a000000 : 0x20010db8) | (value & 0x00010103);
		put_be32(&addr, word, value);
	}
	if (family == ROAM_FAMILY_IPV4) {
		addr.words[0] = addr.words[1] = 0;
		put_be32(&addr, 2, 0xffff);
	} else if (!addr.words[0] && !addr.words[1]) {
		put_be32(&addr, 0, 0x20000000); /* an IPv6 packet has none of ::ffff:0:0/96 */
	}
	return addr;
}

static unsigned int random_bits(struct ruleset_random *random, int family, enum ruleset_shape shape)
{
	static const uint8_t edges[][6] = { { 0, 1, 31, 32, 32, 8 }, { 1, 63, 64, 65, 127, 128 } };
	unsigned int most = family == ROAM_FAMILY_IPV4 ? 32 : 128;

	switch (shape) {
	case RULESET_RANGES:
		return 0;
	case RULESET_ONE_ADDR:
		return most;
	case RULESET_EDGES:
		return edges[family == ROAM_FAMILY_IPV6][ruleset_below(random, 6)];
	case RULESET_SPREAD:
		return most / 4 + ruleset_below(random, most - most / 4 + 1);
	default:
		return one_in(random, 3) ? 0 : ruleset_below(random, most + 1);
	}
}

static void random_prefix(struct ruleset_random *random, int family, enum ruleset_shape shape,
			  __be32 *ret_value)
{
	unsigned int bits = random_bits(random, family, shape);
	__be32 *mask = ret_value + 4; /* as in struct roam_acl_match */
	struct roam_addr addr = random_addr(random, family, shape);

	if (bits && family == ROAM_FAMILY_IPV4)
		bits += 96;
	for (unsigned int bit = 0; bit < bits; bit++)
		((uint8_t *)mask)[bit / 8] |= 0x80 >> (bit % 8);
	for (int word = 0; word < 4; word++)
		ret_value[word] = addr.words[word] & mask[word];
}

static uint16_t random_port(struct ruleset_random *random, enum ruleset_shape shape)
{
	static const uint16_t known[] = { 0,    1,    79,    80,    81,    255,  256,
					  1023, 1024, 32767, 32768, 65534, 65535 };

	if (shape == RULESET_EDGES || (shape == RULESET_MIXED && !one_in(random, 4)))
		return known[ruleset_below(random, sizeof(known) / sizeof(known[0]))];
	return ruleset_next(random);
}

static struct roam_port_range random_range(struct ruleset_random *random, enum ruleset_shape shape)
{
	uint16_t a = random_port(random, shape), b = random_port(random, shape);
	struct roam_port_range any = { 0, UINT16_MAX };

	if (shape != RULESET_RANGES && one_in(random, 3))
		return any;
	if (shape != RULESET_RANGES && one_in(random, 2))
		b = a;
	return a < b ? (struct roam_port_range){ a, b } : (struct roam_port_range){ b, a };
}

static uint8_t random_proto(struct ruleset_random *random, int family)
{
	const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP,
				   IPPROTO_UDP, IPPROTO_GRE, IPPROTO_ESP, IPPROTO_ICMPV6 };
	uint8_t proto = protos[ruleset_below(random, sizeof(protos))];

	return proto == IPPROTO_ICMPV6 && family == ROAM_FAMILY_IPV4 ? IPPROTO_ICMP : proto;
}

static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP;
}

static bool is_any(struct roam_port_range range)
{
	return range.first == 0 && range.last == UINT16_MAX;
}

void ruleset_make(struct ruleset_random *random, enum ruleset_shape shape,
		  struct roam_acl_match *ret_rules, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		int family = one_in(random, 2) ? ROAM_FAMILY_IPV4 : ROAM_FAMILY_IPV6;
		struct roam_acl_match rule = {
			.id = i + 1,
			.action = ruleset_below(random, ROAM_ACTION_ALLOW + 1),
			.family = family,
			.lport = { 0, UINT16_MAX },
			.rport = { 0, UINT16_MAX },
		};

		random_prefix(random, family, shape, rule.local);
		random_prefix(random, family, shape, rule.remote);
		if (!rule.local_mask[0] && !rule.remote_mask[0] && !rule.local_mask[3] &&
		    !rule.remote_mask[3] && one_in(random, 2))
			rule.family = 0;
		rule.any_proto = one_in(random, 6);
		rule.proto = rule.any_proto ? 0 : random_proto(random, family);
		if (has_ports(rule.proto)) {
			rule.lport = random_range(random, shape);
			rule.rport = random_range(random, shape);
		}
		ret_rules[i] = rule;
	}
}

/* ---- sets by name ---- */

static const struct ruleset_sets *known_sets;

static struct roam_set_entry random_entry(struct ruleset_random *random, enum roam_set_kind kind,
					  enum ruleset_shape shape)
{
	int family = one_in(random, 2) ? ROAM_FAMILY_IPV4 : ROAM_FAMILY_IPV6;
	struct roam_set_entry entry = {};
	unsigned int bits;

	if (kind == ROAM_SET_PORT) {
		entry.port = random_range(random, RULESET_RANGES);
		if (one_in(random, 2))
			entry.port.last = entry.port.first;
		return entry;
	}
	/* one of no bits would be all that there is in most sets */
	bits = one_in(random, 20) ? 0 : random_bits(random, family, RULESET_SPREAD);
	if (one_in(random, 4))
		bits = random_bits(random, family, RULESET_ONE_ADDR);
	bits += family == ROAM_FAMILY_IPV4 ? 96 : 0;
	entry.addr.addr = random_addr(random, family, shape);
	entry.addr.bits = bits;
	for (unsigned int bit = bits; bit < 128; bit++)
		entry.addr.addr.bytes[bit / 8] &= ~(0x80 >> (bit % 8));
	return entry;
}

static void random_set(struct ruleset_random *random, enum ruleset_shape shape,
		       enum roam_set_kind kind, struct set_value *ret_set)
{
	static const uint32_t sizes[] = { 1, 4, 20, 20, 600 };
	uint32_t count = ruleset_below(random, sizes[ruleset_below(random, 5)] + 1);

	*ret_set = (struct set_value){ .loaded = true };
	set_of_kind(ret_set, kind);
	for (uint32_t i = 0; i < count; i++) {
		struct roam_set_entry entry = random_entry(random, kind, shape);
		uint32_t at = 0;

		while (at < ret_set->count &&
		       memcmp(&ret_set->entries[at], &entry, sizeof(entry)) != 0)
			at++;
		if (at == ret_set->count)
			set_add_entry(ret_set, kind, &entry);
	}
	set_finish(ret_set);
}

static uint16_t random_number(struct ruleset_random *random, enum roam_set_kind kind)
{
	if (kind == ROAM_SET_ADDR)
		return 1 + ruleset_below(random, RULESET_ADDR_SETS);
	return 1 + RULESET_ADDR_SETS + ruleset_below(random, RULESET_SETS - RULESET_ADDR_SETS);
}

static void name_addr(struct ruleset_random *random, struct roam_acl_match *rule, __be32 *value,
		      __u16 *named)
{
	memset(value, 0, 8 * sizeof(*value));
	*named = random_number(random, ROAM_SET_ADDR);
	if (!rule->local_mask[3] && !rule->remote_mask[3] && !rule->local_mask[0] &&
	    !rule->remote_mask[0] && one_in(random, 2))
		rule->family = 0;
}

static void name_range(struct ruleset_random *random, struct roam_port_range *range, __u16 *named)
{
	*range = (struct roam_port_range){ 0, UINT16_MAX };
	*named = random_number(random, ROAM_SET_PORT);
}

void ruleset_name(struct ruleset_random *random, enum ruleset_shape shape,
		  struct roam_acl_match *rules, uint32_t count, struct ruleset_sets *ret_sets)
{
	for (uint32_t i = 0; i < RULESET_SETS; i++) {
		struct acl_named *named = &ret_sets->named[i];
		struct acl_span *spans = NULL;

		random_set(random, shape, i < RULESET_ADDR_SETS ? ROAM_SET_ADDR : ROAM_SET_PORT,
			   &ret_sets->sets[i]);
		set_spans(&ret_sets->sets[i], &spans, &named->count);
		named->spans = spans;
		named->ports = i >= RULESET_ADDR_SETS;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct roam_acl_match *rule = &rules[i];

		if (one_in(random, 3))
			name_addr(random, rule, rule->local, &rule->local_named);
		if (one_in(random, 3))
			name_addr(random, rule, rule->remote, &rule->remote_named);
		if (has_ports(rule->proto) && one_in(random, 3))
			name_range(random, &rule->lport, &rule->lport_named);
		if (has_ports(rule->proto) && one_in(random, 3))
			name_range(random, &rule->rport, &rule->rport_named);
	}
	known_sets = ret_sets;
}

void ruleset_sets_free(struct ruleset_sets *sets)
{
	for (uint32_t i = 0; i < RULESET_SETS; i++) {
		free(sets->sets[i].entries);
		free((void *)sets->named[i].spans);
	}
	known_sets = NULL;
}

/* One of the set's entries, of this family if they are addresses; NULL: there is none such. */
static const struct roam_set_entry *any_entry(struct ruleset_random *random, uint16_t named,
					      uint8_t family)
{
	const struct set_value *set = &known_sets->sets[named - 1];
	uint32_t first = set->count ? ruleset_below(random, set->count) : 0;

	for (uint32_t i = 0; i < set->count; i++) {
		const struct roam_set_entry *entry = &set->entries[(first + i) % set->count];

		if (set->set.kind == ROAM_SET_PORT || addr_family(&entry->addr.addr) == family)
			return entry;
	}
	return NULL;
}

/* What a packet near the rule is near to: an entry in place of the set. */
static struct roam_acl_match pick_entries(struct ruleset_random *random,
					  const struct roam_acl_match *rule, uint8_t family)
{
	struct roam_acl_match picked = *rule;
	struct {
		uint16_t named;
		__be32 *value;
		struct roam_port_range *range;
	} fields[] = {
		{ rule->local_named, picked.local, NULL },
		{ rule->remote_named, picked.remote, NULL },
		{ rule->lport_named, NULL, &picked.lport },
		{ rule->rport_named, NULL, &picked.rport },
	};

	for (int i = 0; i < 4; i++) {
		const struct roam_set_entry *entry =
			fields[i].named ? any_entry(random, fields[i].named, family) : NULL;

		if (entry && fields[i].range)
			*fields[i].range = entry->port;
		if (!entry || !fields[i].value)
			continue;
		memcpy(fields[i].value, &entry->addr.addr, sizeof(entry->addr.addr));
		for (unsigned int bit = 0; bit < entry->addr.bits; bit++)
			((uint8_t *)(fields[i].value + 4))[bit / 8] |= 0x80 >> (bit % 8);
	}
	return picked;
}

/* Entry by entry. */
static bool addr_in(uint16_t named, const struct roam_addr *addr)
{
	const struct set_value *set = named ? &known_sets->sets[named - 1] : NULL;

	for (uint32_t i = 0; set && i < set->count; i++) {
		const struct roam_prefix *prefix = &set->entries[i].addr;
		unsigned int bit = 0;

		while (bit < prefix->bits &&
		       !((addr->bytes[bit / 8] ^ prefix->addr.bytes[bit / 8]) &
			 (0x80 >> (bit % 8))))
			bit++;
		if (bit == prefix->bits && addr_family(addr) == addr_family(&prefix->addr))
			return true;
	}
	return !set;
}

static bool port_in(uint16_t named, uint16_t port, uint8_t proto)
{
	const struct set_value *set = named ? &known_sets->sets[named - 1] : NULL;

	for (uint32_t i = 0; set && i < set->count; i++) {
		const struct roam_port_range *range = &set->entries[i].port;

		if (has_ports(proto) && port >= range->first && port <= range->last)
			return true;
	}
	return !set;
}

/* ---- packets ---- */

/* An address of the prefix or just outside of it. */
static struct roam_addr addr_near(struct ruleset_random *random, const __be32 *value,
				  struct roam_addr addr)
{
	const __be32 *mask = value + 4;
	uint32_t edge = ruleset_below(random, 4);

	for (int word = 0; word < 4; word++) {
		__be32 rest = edge == 0 ? 0 : edge == 1 ? 0xffffffff : addr.words[word];

		if (mask[word])
			addr.words[word] = value[word] | (rest & ~mask[word]);
		else if (edge < 2 && mask[0])
			addr.words[word] = rest;
	}
	if (one_in(random, 8))
		put_be32(&addr, 3, ntohl(addr.words[3]) + (one_in(random, 2) ? 1 : -1));
	return addr;
}

static uint16_t port_near(struct ruleset_random *random, struct roam_port_range range,
			  enum ruleset_shape shape)
{
	switch (ruleset_below(random, 6)) {
	case 0:
		return range.first;
	case 1:
		return range.last;
	case 2:
		return range.first - 1;
	case 3:
		return range.last + 1;
	case 4:
		return range.first + ruleset_below(random, range.last - range.first + 1);
	default:
		return random_port(random, shape);
	}
}

struct roam_flow_key ruleset_packet(struct ruleset_random *random, enum ruleset_shape shape,
				    const struct roam_acl_match *rules, uint32_t count)
{
	const struct roam_acl_match *rule = count ? &rules[ruleset_below(random, count)] : NULL;
	struct roam_acl_match picked;
	uint8_t family = rule && rule->family ? rule->family
			 : one_in(random, 2)  ? ROAM_FAMILY_IPV4
					      : ROAM_FAMILY_IPV6;
	struct roam_flow_key key = {
		.family = family,
		.proto = random_proto(random, family),
		.local = random_addr(random, family, shape),
		.remote = random_addr(random, family, shape),
	};

	if (rule && known_sets) {
		picked = pick_entries(random, rule, family);
		rule = &picked;
	}
	if (rule && !one_in(random, 10)) {
		key.local = addr_near(random, rule->local, key.local);
		key.remote = addr_near(random, rule->remote, key.remote);
		if (!rule->any_proto)
			key.proto = rule->proto;
	}
	if (has_ports(key.proto)) {
		struct roam_port_range any = { 0, UINT16_MAX };

		key.lport = htons(port_near(random, rule ? rule->lport : any, shape));
		key.rport = htons(port_near(random, rule ? rule->rport : any, shape));
	}
	return key;
}

static bool prefix_matches(const struct roam_addr *addr, const __be32 *value)
{
	for (int word = 0; word < 4; word++) {
		if ((addr->words[word] & value[4 + word]) != value[word])
			return false;
	}
	return true;
}

static bool range_matches(struct roam_port_range range, uint16_t port, uint8_t proto)
{
	return is_any(range) || (has_ports(proto) && port >= range.first && port <= range.last);
}

bool ruleset_matches(const struct roam_acl_match *rule, const struct roam_flow_key *key)
{
	return (!rule->family || rule->family == key->family) &&
	       (rule->any_proto || rule->proto == key->proto) &&
	       range_matches(rule->lport, ntohs(key->lport), key->proto) &&
	       range_matches(rule->rport, ntohs(key->rport), key->proto) &&
	       prefix_matches(&key->local, rule->local) &&
	       prefix_matches(&key->remote, rule->remote) &&
	       addr_in(rule->local_named, &key->local) &&
	       addr_in(rule->remote_named, &key->remote) &&
	       port_in(rule->lport_named, ntohs(key->lport), key->proto) &&
	       port_in(rule->rport_named, ntohs(key->rport), key->proto);
}

uint32_t ruleset_first(const struct roam_acl_match *rules, uint32_t count,
		       const struct roam_flow_key *key)
{
	uint32_t i = 0;

	while (i < count && !ruleset_matches(&rules[i], key))
		i++;
	return i;
}
