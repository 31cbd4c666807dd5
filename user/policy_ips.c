// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Intrusion prevention in a policy file: see policy_keys.h. */
#include "ips.h"
#include "policy.h"
#include "policy_keys.h"
#include "text.h"
#include "text_units.h"

/* The burst is the rate unless one follows: keys are read in the order of the table. */
static int read_rate(void *object, const char *text)
{
	struct roam_ips *ips = object;
	uint32_t rate;
	int err = text_u32_parse("rate", text, &rate);

	if (!err)
		ips->rate = ips->burst = rate;
	return err;
}

static bool show_rate(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return policy_say_number(text, ((const struct roam_ips *)object)->rate);
}

static int read_burst(void *object, const char *text)
{
	return text_u32_parse("burst", text, &((struct roam_ips *)object)->burst);
}

static bool show_burst(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return policy_say_number(text, ((const struct roam_ips *)object)->burst);
}

static int read_block(void *object, const char *text)
{
	return text_duration_parse("block", text, &((struct roam_ips *)object)->block_s);
}

static bool show_block(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return text_duration(((const struct roam_ips *)object)->block_s, text);
}

static int read_max(void *object, const char *text)
{
	return text_duration_parse("max", text, &((struct roam_ips *)object)->block_max_s);
}

static bool show_max(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return text_duration(((const struct roam_ips *)object)->block_max_s, text);
}

static int read_bits(const char *keyword, const char *text, uint8_t *ret_bits)
{
	uint32_t bits;
	int err = text_u32_parse(keyword, text, &bits);

	if (!err && bits > 128)
		err = fail(-ERANGE, "%s %u is not from 1 to 128", keyword, bits);
	if (!err)
		*ret_bits = bits;
	return err;
}

static int read_prefix4(void *object, const char *text)
{
	return read_bits("prefix4", text, &((struct roam_ips *)object)->prefix4);
}

static bool show_prefix4(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return policy_say_number(text, ((const struct roam_ips *)object)->prefix4);
}

static int read_prefix6(void *object, const char *text)
{
	return read_bits("prefix6", text, &((struct roam_ips *)object)->prefix6);
}

static bool show_prefix6(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return policy_say_number(text, ((const struct roam_ips *)object)->prefix6);
}

static int read_sources(void *object, const char *text)
{
	return text_u32_parse("sources", text, &((struct roam_ips *)object)->sources);
}

static bool show_sources(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return policy_say_number(text, ((const struct roam_ips *)object)->sources);
}

static int read_blocks(void *object, const char *text)
{
	return text_u32_parse("blocks", text, &((struct roam_ips *)object)->blocks);
}

static bool show_blocks(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return policy_say_number(text, ((const struct roam_ips *)object)->blocks);
}

static const struct policy_key ips_keys[] = {
	{ "rate", POLICY_VALUE, .read = read_rate, .show = show_rate },
	{ "burst", POLICY_VALUE, .read = read_burst, .show = show_burst },
	{ "block", POLICY_TEXT, .read = read_block, .show = show_block },
	{ "max", POLICY_TEXT, .read = read_max, .show = show_max },
	{ "prefix4", POLICY_VALUE, .read = read_prefix4, .show = show_prefix4 },
	{ "prefix6", POLICY_VALUE, .read = read_prefix6, .show = show_prefix6 },
	{ "sources", POLICY_VALUE, .read = read_sources, .show = show_sources },
	{ "blocks", POLICY_VALUE, .read = read_blocks, .show = show_blocks },
};

static int check_ips(void *object)
{
	return ips_validate("ips", object);
}

const struct policy_map policy_ips = { "ips", ips_keys, ARRAY_SIZE(ips_keys), check_ips };

void *policy_ips_at(void *object, uint32_t i)
{
	struct policy *policy = object;

	return !i && policy->ips.is_set ? &policy->ips : NULL;
}

int policy_ips_add(void *object, void **ret_object)
{
	struct policy *policy = object;

	policy->ips = ips_defaults();
	*ret_object = &policy->ips;
	return 0;
}
