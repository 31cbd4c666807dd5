// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Quantities with units, and DSCPs: see text_units.h. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <roam/qos.h>
#include "text_units.h"
#include "util.h"

struct unit {
	const char *name;
	uint64_t factor;
};

/* Largest last, and only names to print before those to read. */
static const struct unit rates[] = {
	{ "bit", 1 },           { "kbit", 1000 },          { "mbit", 1000000 },
	{ "gbit", 1000000000 }, { "tbit", 1000000000000 },
};

static const struct unit sizes[] = {
	{ "", 1 },         { "b", 1 },       { "k", 1 << 10 },
	{ "kb", 1 << 10 }, { "m", 1 << 20 }, { "mb", 1 << 20 },
};

static const struct unit durations[] = {
	{ "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 }, { "", 1 },
};

/* A whole number with one of the units right behind it. */
static bool quantity_parse(const char *text, const struct unit *units, size_t count,
			   uint64_t *ret_value)
{
	unsigned long long number;
	char *unit;

	errno = 0;
	number = strtoull(text, &unit, 10);
	if (!isdigit((unsigned char)text[0]) || errno)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(unit, units[i].name))
			return !__builtin_mul_overflow(number, units[i].factor, ret_value);
	}
	return false;
}

int text_rate_parse(const char *text, uint64_t *ret_rate_Bps)
{
	uint64_t bits;

	if (!quantity_parse(text, rates, ARRAY_SIZE(rates), &bits))
		return fail(-EINVAL, "rate '%.80s' is not of the form 10mbit (bit, k, m, g, t)",
			    text);
	if (bits % 8 || bits / 8 < ROAM_QOS_RATE_MIN || bits / 8 > ROAM_QOS_RATE_MAX)
		return fail(-ERANGE,
			    "rate '%.80s' is not from 8kbit to 1tbit, in whole bytes a second",
			    text);
	*ret_rate_Bps = bits / 8;
	return 0;
}

const char *text_rate(uint64_t rate_Bps, char buf[TEXT_RATE_LEN])
{
	uint64_t bits = rate_Bps * 8;
	size_t i = ARRAY_SIZE(rates) - 1;

	while (i && bits % rates[i].factor)
		i--;
	snprintf(buf, TEXT_RATE_LEN, "%" PRIu64 "%s", bits / rates[i].factor, rates[i].name);
	return buf;
}

int text_size_parse(const char *what, const char *text, uint32_t *ret_bytes)
{
	uint64_t bytes;

	if (!quantity_parse(text, sizes, ARRAY_SIZE(sizes), &bytes) || bytes > UINT32_MAX)
		return fail(-EINVAL, "%s '%.80s' is not a number of bytes, like 65536 or 64k", what,
			    text);
	*ret_bytes = bytes;
	return 0;
}

int text_duration_parse(const char *what, const char *text, uint32_t *ret_s)
{
	uint64_t seconds;

	if (!quantity_parse(text, durations, ARRAY_SIZE(durations), &seconds) ||
	    seconds > UINT32_MAX)
		return fail(-EINVAL, "%s '%.80s' is not a time, like 90s, 10m, 1h or 2d", what,
			    text);
	*ret_s = seconds;
	return 0;
}

const char *text_duration(uint32_t seconds, char buf[TEXT_DURATION_LEN])
{
	size_t i = 3; /* days */

	while (i && (!seconds || seconds % durations[i].factor))
		i--;
	snprintf(buf, TEXT_DURATION_LEN, "%" PRIu64 "%s", seconds / durations[i].factor,
		 durations[i].name);
	return buf;
}

/* RFC 2474 (cs), 2597 (af), 3246 (ef), 5865 (va), 8622 (le). */
static const struct {
	const char *name;
	uint8_t dscp;
} dscps[] = {
	{ "cs0", 0 },   { "le", 1 },    { "cs1", 8 },   { "af11", 10 }, { "af12", 12 },
	{ "af13", 14 }, { "cs2", 16 },  { "af21", 18 }, { "af22", 20 }, { "af23", 22 },
	{ "cs3", 24 },  { "af31", 26 }, { "af32", 28 }, { "af33", 30 }, { "cs4", 32 },
	{ "af41", 34 }, { "af42", 36 }, { "af43", 38 }, { "cs5", 40 },  { "va", 44 },
	{ "ef", 46 },   { "cs6", 48 },  { "cs7", 56 },
};

int text_dscp_parse(const char *text, uint8_t *ret_dscp)
{
	const struct unit plain = { "", 1 };
	uint64_t value;

	for (size_t i = 0; i < ARRAY_SIZE(dscps); i++) {
		if (!strcmp(text, dscps[i].name)) {
			*ret_dscp = dscps[i].dscp;
			return 0;
		}
	}
	if (!quantity_parse(text, &plain, 1, &value) || value > ROAM_DSCP_MASK)
		return fail(-EINVAL, "dscp '%.80s' is neither a number from 0 to 63 nor a name",
			    text);
	*ret_dscp = value;
	return 0;
}

const char *text_dscp(uint8_t dscp, char buf[TEXT_DSCP_LEN])
{
	for (size_t i = 0; i < ARRAY_SIZE(dscps); i++) {
		if (dscp == dscps[i].dscp)
			return dscps[i].name;
	}
	snprintf(buf, TEXT_DSCP_LEN, "%u", dscp);
	return buf;
}
