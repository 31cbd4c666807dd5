// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The parsers and formatters of user/lib/text.h: what is accepted comes back as it was written (or
 * in its usual form), what is refused is named and leaves the result alone.
 */
#include <string.h>
#include "harness.h"
#include "text.h"

/* Every kind of text with one signature, so that tables can hold them. */
static int mac(const char *text, char *ret)
{
	uint8_t value[ROAM_MAC_LEN];
	int err = text_mac_parse(text, value);

	if (!err)
		text_mac(value, ret);
	return err;
}

static int addr(const char *text, char *ret)
{
	struct roam_addr value;
	int err = text_addr_parse(text, &value);

	if (!err)
		text_addr(&value, ret);
	return err;
}

static int prefix(const char *text, char *ret)
{
	struct roam_prefix value;
	int err = text_prefix_parse(text, &value);

	if (!err)
		text_prefix(&value, ret);
	return err;
}

static int range(const char *text, char *ret)
{
	struct roam_port_range value;
	int err = text_range_parse(text, &value);

	if (!err)
		text_range(value, ret);
	return err;
}

static int vlan(const char *text, char *ret)
{
	uint32_t value;
	int err = text_vlan_parse(text, &value);

	if (!err)
		text_vlan(value, ret);
	return err;
}

static int uuid(const char *text, char *ret)
{
	uint8_t value[16];
	int err = text_uuid_parse(text, value);

	if (!err)
		text_uuid(value, ret);
	return err;
}

static int name(const char *text, char *ret)
{
	return text_name_parse("name", text, ret);
}

static const struct good {
	const char *name;
	int (*parse)(const char *text, char *ret);
	const char *text;
	const char *shown;
} good[] = {
	{ "mac", mac, "52:54:00:aa:bb:10", "52:54:00:aa:bb:10" },
	{ "mac in capitals", mac, "52:54:00:AA:BB:10", "52:54:00:aa:bb:10" },
	{ "IPv4", addr, "10.0.0.10", "10.0.0.10" },
	{ "IPv6", addr, "FD00:0::10", "fd00::10" },
	{ "IPv4 mapped", addr, "::ffff:10.0.0.10", "10.0.0.10" },
	{ "unspecified IPv6", addr, "::", "::" },
	{ "IPv4 prefix", prefix, "10.0.0.0/8", "10.0.0.0/8" },
	{ "IPv4 prefix of a host", prefix, "10.0.0.1/32", "10.0.0.1" },
	{ "IPv4 prefix of all", prefix, "0.0.0.0/0", "0.0.0.0/0" },
	{ "IPv6 prefix", prefix, "fd00::/64", "fd00::/64" },
	{ "IPv6 prefix not of bytes", prefix, "fd00:8000::/17", "fd00:8000::/17" },
	{ "IPv6 prefix of all", prefix, "::/0", "any" },
	{ "IPv6 prefix of IPv4", prefix, "::ffff:0.0.0.0/0", "0.0.0.0/0" },
	{ "port", range, "443", "443" },
	{ "ports", range, "1024-65535", "1024-65535" },
	{ "port 0", range, "0", "0" },
	{ "ports of one", range, "7-7", "7" },
	{ "vlan", vlan, "10", "10" },
	{ "vlan in vlan", vlan, "10.4094", "10.4094" },
	{ "no vlan", vlan, "untagged", "untagged" },
	{ "uuid", uuid, "1b4e28ba-2fa1-11d2-883f-0016d3cca427",
	  "1b4e28ba-2fa1-11d2-883f-0016d3cca427" },
	{ "uuid in capitals", uuid, "1B4E28BA-2FA1-11D2-883F-0016D3CCA427",
	  "1b4e28ba-2fa1-11d2-883f-0016d3cca427" },
	{ "name", name, "web-1", "web-1" },
	{ "name of all kinds", name, "0a._:/-Z", "0a._:/-Z" },
	{ "longest name", name, "a23456789012345678901234567890123456789012345678901234567890123",
	  "a23456789012345678901234567890123456789012345678901234567890123" },
};

TEST_EACH(accepts, good)
{
	char shown[ROAM_NAME_LEN] = "";

	CHECK_OK(row->parse(row->text, shown));
	CHECK_STR(shown, row->shown);
}

static const struct bad {
	const char *name;
	int (*parse)(const char *text, char *ret);
	const char *text;
} bad[] = {
	{ "mac of nothing", mac, "" },
	{ "mac too short", mac, "52:54:00:aa:bb" },
	{ "mac too long", mac, "52:54:00:aa:bb:10:11" },
	{ "mac of no digits", mac, "52:54:00:aa:bb:g0" },
	{ "mac with a sign", mac, "52:54:00:aa:bb:+1" },
	{ "mac with blanks", mac, "52:54:00:aa:bb: 1" },
	{ "mac with one digit", mac, "52:54:00:aa:bbb:1" },
	{ "mac with dashes", mac, "52-54-00-aa-bb-10" },
	{ "no address", addr, "" },
	{ "a name for an address", addr, "localhost" },
	{ "IPv4 above 255", addr, "10.0.0.256" },
	{ "IPv4 of three", addr, "10.0.1" },
	{ "IPv4 and more", addr, "10.0.0.1 " },
	{ "IPv6 with a scope", addr, "fe80::1%eth0" },
	{ "prefix for an address", addr, "10.0.0.0/8" },
	{ "no prefix length", prefix, "10.0.0.0/" },
	{ "IPv4 prefix too long", prefix, "10.0.0.0/33" },
	{ "IPv6 prefix too long", prefix, "fd00::/129" },
	{ "prefix length below 0", prefix, "10.0.0.0/-1" },
	{ "prefix length with a sign", prefix, "10.0.0.0/+8" },
	{ "prefix length of 2^32", prefix, "10.0.0.0/4294967304" },
	{ "prefix of two lengths", prefix, "10.0.0.0/8/8" },
	{ "IPv4 bits behind the length", prefix, "10.0.0.1/8" },
	{ "IPv6 bits behind the length", prefix, "fd00::1/64" },
	{ "any is no prefix", prefix, "any" },
	{ "no port", range, "" },
	{ "port above 65535", range, "65536" },
	{ "port of 2^32", range, "4294967739" },
	{ "port below 0", range, "-1" },
	{ "ports without end", range, "1-" },
	{ "ports without beginning", range, "-" },
	{ "ports back to front", range, "9-4" },
	{ "ports of three", range, "1-2-3" },
	{ "port by name", range, "https" },
	{ "port in hex", range, "0x10" },
	{ "vlan 0", vlan, "0" },
	{ "vlan 4095", vlan, "4095" },
	{ "inner vlan 0", vlan, "10.0" },
	{ "inner vlan missing", vlan, "10." },
	{ "vlan in vlan in vlan", vlan, "1.2.3" },
	{ "vlan with a sign", vlan, "1.+2" },
	{ "vlan with a blank", vlan, "1. 2" },
	{ "vlan of five digits", vlan, "10000" },
	{ "no vlan at all", vlan, "" },
	{ "uuid without dashes", uuid, "1b4e28ba2fa111d2883f0016d3cca427" },
	{ "uuid too short", uuid, "1b4e28ba-2fa1-11d2-883f-0016d3cca42" },
	{ "uuid too long", uuid, "1b4e28ba-2fa1-11d2-883f-0016d3cca4277" },
	{ "uuid of nothing", uuid, "" },
	{ "uuid with a sign", uuid, "+b4e28ba-2fa1-11d2-883f-0016d3cca427" },
	{ "no name", name, "" },
	{ "name begins with a dash", name, "-a" },
	{ "name begins with a dot", name, ".a" },
	{ "name with a blank", name, "a b" },
	{ "name with a newline", name, "a\n" },
	{ "name beyond ASCII", name, "\xc3\xa4" },
	{ "name of 64", name, "a234567890123456789012345678901234567890123456789012345678901234" },
};

TEST_EACH(refuses, bad)
{
	char shown[ROAM_NAME_LEN] = "untouched";

	CHECK_EQ(row->parse(row->text, shown), -EINVAL);
	CHECK_STR(shown, "untouched");
}

/* The line names what was given, cut where it gets absurd. */
TEST(refusal_names_the_text)
{
	struct roam_addr value;
	char lots[400];

	CHECK_EQ(text_addr_parse("nonsense", &value), -EINVAL);
	CHECK_HAS(fail_line(), "'nonsense'");
	memset(lots, 'x', sizeof(lots) - 1);
	lots[sizeof(lots) - 1] = '\0';
	CHECK_EQ(text_addr_parse(lots, &value), -EINVAL);
	CHECK_OP(strlen(fail_line()), <, 200);
}

TEST(numbers)
{
	uint32_t value = 7;

	CHECK_OK(text_u32_parse("n", "4294967295", &value));
	CHECK_EQ(value, 4294967295U);
	CHECK_EQ(text_u32_parse("n", "4294967296", &value), -EINVAL);
	CHECK_EQ(text_u32_parse("n", "99999999999999999999999", &value), -EINVAL);
	CHECK_EQ(text_u32_parse("n", " 1", &value), -EINVAL);
	CHECK_EQ(text_u32_parse("n", "1 ", &value), -EINVAL);
	CHECK_EQ(text_u32_parse("n", "-1", &value), -EINVAL);
	CHECK_EQ(text_u32_parse("n", "", &value), -EINVAL);
	CHECK_EQ(value, 4294967295U);
}

TEST(names_are_padded_with_zeroes)
{
	char padded[ROAM_NAME_LEN], zeroes[ROAM_NAME_LEN] = "";

	memset(padded, 0xff, sizeof(padded));
	CHECK_OK(text_name_parse("vm", "ab", padded));
	CHECK_MEM(padded + 2, zeroes, sizeof(padded) - 2);
}

static const struct table {
	const char *name;
	const struct text_enum *table;
} tables[] = {
	{ "DIR", &text_dir },       { "ACTION", &text_action },
	{ "LIFE", &text_life },     { "MIDSTREAM", &text_midstream },
	{ "REASON", &text_reason }, { "CT_STATE", &text_ct_state },
};

TEST_EACH(enum_names, tables)
{
	uint8_t value;

	CHECK(text_enum_by_name(row->name) == row->table);
	for (unsigned int i = 0; i < row->table->count; i++) {
		CHECK_OK(text_enum_parse(row->table, text_enum_name(row->table, i), &value));
		CHECK_EQ(value, i);
	}
	CHECK_STR(text_enum_name(row->table, row->table->count), "?");
	CHECK_EQ(text_enum_parse(row->table, "nonsense", &value), -EINVAL);
	CHECK_EQ(text_enum_parse(row->table, "", &value), -EINVAL);
}

TEST(unknown_enum)
{
	CHECK(text_enum_by_name("NONSENSE") == NULL);
}

TEST(families)
{
	struct roam_addr value;

	CHECK_OK(text_addr_parse("192.0.2.1", &value));
	CHECK_EQ(addr_family(&value), ROAM_FAMILY_IPV4);
	CHECK_OK(text_addr_parse("2001:db8::1", &value));
	CHECK_EQ(addr_family(&value), ROAM_FAMILY_IPV6);
	CHECK_OK(text_addr_parse("::1", &value));
	CHECK_EQ(addr_family(&value), ROAM_FAMILY_IPV6);
}
