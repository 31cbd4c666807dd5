/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Between text and the types of include/roam: names, numbers, MACs, addresses, prefixes, port
 * ranges, UUIDs, VLANs and the enums with names. Parsers take the whole text or refuse it with one
 * line that names it; formatters write into a buffer of the stated size and return it.
 */
#ifndef ROAM_TEXT_H
#define ROAM_TEXT_H

#include <stdint.h>
#include <roam/acl.h>
#include <roam/ct.h>
#include <roam/explain.h>
#include <roam/lb.h>
#include <roam/monitor.h>
#include <roam/move.h>
#include <roam/port.h>
#include <roam/reason.h>
#include <roam/set.h>
#include <roam/types.h>
#include <roam/vm.h>
#include "util.h"

#define TEXT_ADDR_LEN   46 /* with NUL, as all of these */
#define TEXT_PREFIX_LEN 50
#define TEXT_MAC_LEN    18
#define TEXT_UUID_LEN   37
#define TEXT_RANGE_LEN  12
#define TEXT_VLAN_LEN   12
#define TEXT_FLAGS_LEN  48
#define TEXT_ICMP_LEN   32

/* An enum with names: `text[value]`. `what` is for error lines. */
struct text_enum {
	const char *what;
	const char *const *text;
	unsigned int count;
};

extern const struct text_enum text_dir;
extern const struct text_enum text_action;
extern const struct text_enum text_gate;
extern const struct text_enum text_life;
extern const struct text_enum text_midstream;
extern const struct text_enum text_reason;
extern const struct text_enum text_ct_state;
extern const struct text_enum text_lb_role;
extern const struct text_enum text_lb_state;
extern const struct text_enum text_event;
extern const struct text_enum text_stage;
extern const struct text_enum text_verdict;
extern const struct text_enum text_set_kind;

/* The table that ROAM_CARRY("enum/NAME", …) means; NULL if there is none of that name. */
const struct text_enum *text_enum_by_name(const char *name);

/* "?" for a value without a name. */
const char *text_enum_name(const struct text_enum *table, unsigned int value);
int text_enum_parse(const struct text_enum *table, const char *text, uint8_t *ret_value);

/* [A-Za-z0-9][A-Za-z0-9._:/-]{0,62}; the result is zero-padded. `what` is for error lines. */
bool text_name_valid(const char *text);
int text_name_parse(const char *what, const char *text, char ret_name[ROAM_NAME_LEN]);

int text_u32_parse(const char *what, const char *text, uint32_t *ret_value);
int text_mac_parse(const char *text, uint8_t ret_mac[ROAM_MAC_LEN]);
int text_addr_parse(const char *text, struct roam_addr *ret_addr);
/* "any" is not a prefix: the caller knows whether it makes sense. A bare address is a host's. */
int text_prefix_parse(const char *text, struct roam_prefix *ret_prefix);
/* "443", "1024-65535" */
int text_range_parse(const char *text, struct roam_port_range *ret_range);
/* "untagged", "10", "10.20" (outer.inner) */
int text_vlan_parse(const char *text, uint32_t *ret_vlan);
int text_uuid_parse(const char *text, uint8_t ret_uuid[16]);

const char *text_mac(const uint8_t mac[ROAM_MAC_LEN], char buf[TEXT_MAC_LEN]);
const char *text_addr(const struct roam_addr *addr, char buf[TEXT_ADDR_LEN]);
/* "any" for a prefix of no bits. */
const char *text_prefix(const struct roam_prefix *prefix, char buf[TEXT_PREFIX_LEN]);
const char *text_range(struct roam_port_range range, char buf[TEXT_RANGE_LEN]);
const char *text_vlan(uint32_t vlan, char buf[TEXT_VLAN_LEN]);
const char *text_uuid(const uint8_t uuid[16], char buf[TEXT_UUID_LEN]);
/* "tcp", "udp", "sctp", "icmp", "icmp6", "gre", "esp", "ah", or the number. */
const char *text_proto(uint8_t proto, char buf[4]);

/* An ICMP or ICMPv6 message's kind. */
struct text_icmp {
	uint8_t type;
	uint8_t has_code; /* 0: of any code */
	uint8_t code;
};

/* "syn,ack/syn,ack,rst": these of those; "none" for no flag; without a mask it is the flags. */
int text_tcp_flags_parse(const char *text, uint8_t *ret_flags, uint8_t *ret_mask);
const char *text_tcp_flags(uint8_t flags, uint8_t mask, char buf[TEXT_FLAGS_LEN]);
/* "echo-request", "port-unreachable", "8", "3/3", "unreachable/3"; proto: whose message it is. */
int text_icmp_parse(uint8_t proto, const char *text, struct text_icmp *ret_icmp);
const char *text_icmp(uint8_t proto, const struct text_icmp *icmp, char buf[TEXT_ICMP_LEN]);

bool addr_is_ipv4(const struct roam_addr *addr);
uint8_t addr_family(const struct roam_addr *addr);
/* That one host has, and that others can know it by: no group, not loopback, not "any". */
bool addr_is_unicast(const struct roam_addr *addr);
/* Whether no bit of the prefix lies past its length, and the length fits. */
bool prefix_is_canonical(const struct roam_prefix *prefix);

#endif
