// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Between text and the types of include/roam: see text.h. The enums' names are in text_enum.c. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>
#include "text.h"

#define IPV4_BITS_BASE 96
#define VLAN_ID_MAX    4094

bool text_name_valid(const char *text)
{
	size_t len = strnlen(text, ROAM_NAME_LEN);

	if (!len || len == ROAM_NAME_LEN || !isalnum((unsigned char)text[0]))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)text[i]) && !strchr("._:/-", text[i]))
			return false;
	}
	return true;
}

int text_name_parse(const char *what, const char *text, char ret_name[ROAM_NAME_LEN])
{
	if (!text_name_valid(text))
		return fail(-EINVAL,
			    "%s '%.80s' is not a name: 1 to 63 letters, digits and ._:/-, the "
			    "first a letter or digit",
			    what, text);
	memset(ret_name, 0, ROAM_NAME_LEN);
	memcpy(ret_name, text, strlen(text));
	return 0;
}

int text_u32_parse(const char *what, const char *text, uint32_t *ret_value)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || *end || errno || value > UINT32_MAX)
		return fail(-EINVAL, "%s '%.80s' is not a number from 0 to 4294967295", what, text);
	*ret_value = value;
	return 0;
}

/* Exactly two hexadecimal digits: sscanf() would take blanks and signs as well. */
static bool byte_parse(const char *text, uint8_t *ret_byte)
{
	char digits[3] = { text[0], text[0] ? text[1] : '\0', '\0' };

	if (!isxdigit((unsigned char)digits[0]) || !isxdigit((unsigned char)digits[1]))
		return false;
	*ret_byte = strtoul(digits, NULL, 16);
	return true;
}

int text_mac_parse(const char *text, uint8_t ret_mac[ROAM_MAC_LEN])
{
	bool good = strlen(text) == TEXT_MAC_LEN - 1;
	uint8_t mac[ROAM_MAC_LEN];

	for (int i = 0; i < ROAM_MAC_LEN && good; i++)
		good = byte_parse(text + 3 * i, &mac[i]) && (!i || text[3 * i - 1] == ':');
	if (!good)
		return fail(-EINVAL, "mac '%.80s' is not of the form 52:54:00:aa:bb:10", text);
	memcpy(ret_mac, mac, sizeof(mac));
	return 0;
}

bool addr_is_ipv4(const struct roam_addr *addr)
{
	return !addr->words[0] && !addr->words[1] && addr->words[2] == htonl(0xffff);
}

uint8_t addr_family(const struct roam_addr *addr)
{
	return addr_is_ipv4(addr) ? ROAM_FAMILY_IPV4 : ROAM_FAMILY_IPV6;
}

bool addr_is_unicast(const struct roam_addr *addr)
{
	if (addr_is_ipv4(addr))
		return addr->bytes[12] != 0 && addr->bytes[12] != 127 && addr->bytes[12] < 224;
	return addr->bytes[0] != 0xff && (addr->words[0] || addr->words[1] || addr->words[2]);
}

int text_addr_parse(const char *text, struct roam_addr *ret_addr)
{
	struct roam_addr addr = {};

	if (inet_pton(AF_INET, text, &addr.words[3]) == 1)
		addr.words[2] = htonl(0xffff);
	else if (inet_pton(AF_INET6, text, addr.bytes) != 1)
		return fail(-EINVAL, "'%.80s' is not an IPv4 or IPv6 address", text);
	*ret_addr = addr;
	return 0;
}

static bool bit_is_set(const struct roam_addr *addr, unsigned int bit)
{
	return addr->bytes[bit / 8] & (0x80 >> (bit % 8));
}

bool prefix_is_canonical(const struct roam_prefix *prefix)
{
	if (prefix->bits > 128)
		return false;
	for (unsigned int bit = prefix->bits; bit < 128; bit++) {
		if (bit_is_set(&prefix->addr, bit))
			return false;
	}
	return true;
}

int text_prefix_parse(const char *text, struct roam_prefix *ret_prefix)
{
	struct roam_prefix prefix = {};
	char addr[TEXT_ADDR_LEN];
	const char *slash = strchrnul(text, '/');
	size_t len = slash - text;
	uint32_t bits = 128, most;
	int err;

	if (len >= sizeof(addr))
		return fail(-EINVAL, "'%.80s' is not an address or prefix", text);
	memcpy(addr, text, len);
	addr[len] = '\0';
	err = text_addr_parse(addr, &prefix.addr);
	if (err)
		return err;
	most = addr_is_ipv4(&prefix.addr) ? 32 : 128;
	if (*slash) {
		if (text_u32_parse("prefix length", slash + 1, &bits))
			return fail(-EINVAL, "prefix '%.80s' has no length behind its '/'", text);
		if (bits > most)
			return fail(-EINVAL, "prefix '%.80s' is longer than %u bits", text, most);
		bits += 128 - most;
	}
	prefix.bits = bits;
	if (!prefix_is_canonical(&prefix))
		return fail(-EINVAL, "prefix '%.80s' has bits set behind its length", text);
	*ret_prefix = prefix;
	return 0;
}

/* The number at the beginning of *text, which is moved behind it; false if there is none. */
static bool port_parse(const char **text, uint16_t *ret_port)
{
	uint32_t value = 0;

	if (!isdigit((unsigned char)**text))
		return false;
	while (isdigit((unsigned char)**text) && value <= UINT16_MAX)
		value = value * 10 + (*(*text)++ - '0');
	*ret_port = value;
	return value <= UINT16_MAX;
}

int text_range_parse(const char *text, struct roam_port_range *ret_range)
{
	struct roam_port_range range = {};
	const char *at = text;
	bool good = port_parse(&at, &range.first);

	range.last = range.first;
	if (good && *at == '-') {
		at++;
		good = port_parse(&at, &range.last);
	}
	if (!good || *at)
		return fail(-EINVAL, "'%.80s' is not a port from 0 to 65535, nor a range of them",
			    text);
	if (range.first > range.last)
		return fail(-EINVAL, "port range '%.80s' ends before it begins", text);
	*ret_range = range;
	return 0;
}

/* An id at the beginning of *text, which is moved behind it; 0 if there is none. */
static uint32_t vlan_id_parse(const char **text)
{
	uint32_t id = 0;

	while (isdigit((unsigned char)**text) && id <= VLAN_ID_MAX)
		id = id * 10 + (*(*text)++ - '0');
	return id <= VLAN_ID_MAX ? id : 0;
}

int text_vlan_parse(const char *text, uint32_t *ret_vlan)
{
	const char *at = text;
	uint32_t outer, inner = 0;
	bool good;

	if (!strcmp(text, "untagged")) {
		*ret_vlan = 0;
		return 0;
	}
	outer = vlan_id_parse(&at);
	good = outer;
	if (*at == '.') {
		at++;
		inner = vlan_id_parse(&at);
		good = good && inner;
	}
	if (!good || *at)
		return fail(-EINVAL,
			    "vlan '%.80s' is not 'untagged', an id from 1 to 4094, or OUTER.INNER",
			    text);
	*ret_vlan = ROAM_VLAN(outer, inner);
	return 0;
}

int text_uuid_parse(const char *text, uint8_t ret_uuid[16])
{
	bool good = strlen(text) == TEXT_UUID_LEN - 1;
	const char *at = text;
	uint8_t uuid[16];

	for (size_t i = 0; i < sizeof(uuid) && good; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			good = *at++ == '-';
		good = good && byte_parse(at, &uuid[i]);
		at += 2;
	}
	if (!good)
		return fail(-EINVAL,
			    "uuid '%.80s' is not of the form 1b4e28ba-2fa1-11d2-883f-0016d3cca427",
			    text);
	memcpy(ret_uuid, uuid, sizeof(uuid));
	return 0;
}

const char *text_mac(const uint8_t mac[ROAM_MAC_LEN], char buf[TEXT_MAC_LEN])
{
	snprintf(buf, TEXT_MAC_LEN, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		 mac[4], mac[5]);
	return buf;
}

const char *text_addr(const struct roam_addr *addr, char buf[TEXT_ADDR_LEN])
{
	if (addr_is_ipv4(addr))
		inet_ntop(AF_INET, &addr->words[3], buf, TEXT_ADDR_LEN);
	else
		inet_ntop(AF_INET6, addr->bytes, buf, TEXT_ADDR_LEN);
	return buf;
}

const char *text_prefix(const struct roam_prefix *prefix, char buf[TEXT_PREFIX_LEN])
{
	bool ipv4 = addr_is_ipv4(&prefix->addr) && prefix->bits >= IPV4_BITS_BASE;
	unsigned int bits = ipv4 ? prefix->bits - IPV4_BITS_BASE : prefix->bits;
	char addr[TEXT_ADDR_LEN];

	if (!prefix->bits)
		snprintf(buf, TEXT_PREFIX_LEN, "any");
	else if (prefix->bits == 128)
		snprintf(buf, TEXT_PREFIX_LEN, "%s", text_addr(&prefix->addr, addr));
	else
		snprintf(buf, TEXT_PREFIX_LEN, "%s/%u", text_addr(&prefix->addr, addr), bits);
	return buf;
}

const char *text_range(struct roam_port_range range, char buf[TEXT_RANGE_LEN])
{
	if (range.first == range.last)
		snprintf(buf, TEXT_RANGE_LEN, "%u", range.first);
	else
		snprintf(buf, TEXT_RANGE_LEN, "%u-%u", range.first, range.last);
	return buf;
}

const char *text_vlan(uint32_t vlan, char buf[TEXT_VLAN_LEN])
{
	unsigned int outer = (vlan >> 12) & 0xfff, inner = vlan & 0xfff;

	if (!outer)
		snprintf(buf, TEXT_VLAN_LEN, "untagged");
	else if (!inner)
		snprintf(buf, TEXT_VLAN_LEN, "%u", outer);
	else
		snprintf(buf, TEXT_VLAN_LEN, "%u.%u", outer, inner);
	return buf;
}

const char *text_uuid(const uint8_t uuid[16], char buf[TEXT_UUID_LEN])
{
	int at = 0;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			buf[at++] = '-';
		at += snprintf(buf + at, TEXT_UUID_LEN - at, "%02x", uuid[i]);
	}
	return buf;
}

const char *text_proto(uint8_t proto, char buf[4])
{
	switch (proto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
		return "icmp";
	case IPPROTO_ICMPV6:
		return "icmp6";
	case IPPROTO_SCTP:
		return "sctp";
	case IPPROTO_GRE:
		return "gre";
	case IPPROTO_ESP:
		return "esp";
	case IPPROTO_AH:
		return "ah";
	default:
		snprintf(buf, 4, "%u", proto);
		return buf;
	}
}
