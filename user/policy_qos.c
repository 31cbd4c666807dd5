// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Rates and marks in a policy file: see policy_keys.h. */
#include "policy.h"
#include "policy_keys.h"
#include "qos.h"
#include "text.h"
#include "text_units.h"

static int read_rate(void *object, const char *text)
{
	uint64_t rate_Bps;
	int err = text_rate_parse(text, &rate_Bps);

	if (!err)
		((struct roam_qos *)object)->rate_Bps = rate_Bps;
	return err;
}

static bool show_rate(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct roam_qos *qos = object;

	(void)i;
	return qos->rate_Bps && text_rate(qos->rate_Bps, text);
}

static int read_burst(void *object, const char *text)
{
	return text_size_parse("burst", text, &((struct roam_qos *)object)->burst);
}

static bool show_burst(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct roam_qos *qos = object;

	(void)i;
	return qos->burst && policy_say_number(text, qos->burst);
}

static int read_dscp(void *object, const char *text)
{
	struct roam_qos *qos = object;

	qos->has_dscp = 1;
	return text_dscp_parse(text, &qos->dscp);
}

static bool show_dscp(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct roam_qos *qos = object;
	char dscp[TEXT_DSCP_LEN];

	(void)i;
	return qos->has_dscp && policy_say(text, text_dscp(qos->dscp, dscp));
}

static const struct policy_key qos_keys[] = {
	{ "rate", POLICY_TEXT, .read = read_rate, .show = show_rate },
	{ "burst", POLICY_VALUE, .read = read_burst, .show = show_burst },
	{ "dscp", POLICY_VALUE, .read = read_dscp, .show = show_dscp },
};

static int check_qos(void *object)
{
	struct roam_qos *qos = object;

	/* "in: {}" asks for nothing. */
	if (!qos->rate_Bps && !qos->burst && !qos->has_dscp)
		qos->is_set = 0;
	qos_fill_burst(qos);
	return qos_validate("qos", object);
}

static const struct policy_map profile_map = { "a profile", qos_keys, ARRAY_SIZE(qos_keys),
					       check_qos };

static void *at_profile(struct policy *policy, enum roam_dir dir, uint32_t i)
{
	return !i && policy->qos[dir].is_set ? &policy->qos[dir] : NULL;
}

static int add_profile(struct policy *policy, enum roam_dir dir, void **ret_object)
{
	policy->qos[dir].is_set = 1;
	*ret_object = &policy->qos[dir];
	return 0;
}

static void *at_qos_in(void *object, uint32_t i)
{
	return at_profile(object, ROAM_DIR_IN, i);
}

static int add_qos_in(void *object, void **ret_object)
{
	return add_profile(object, ROAM_DIR_IN, ret_object);
}

static void *at_qos_out(void *object, uint32_t i)
{
	return at_profile(object, ROAM_DIR_OUT, i);
}

static int add_qos_out(void *object, void **ret_object)
{
	return add_profile(object, ROAM_DIR_OUT, ret_object);
}

static const struct policy_key qos_dir_keys[] = {
	{ "in", POLICY_MAP, .map = &profile_map, .at = at_qos_in, .add = add_qos_in },
	{ "out", POLICY_MAP, .map = &profile_map, .at = at_qos_out, .add = add_qos_out },
};

const struct policy_map policy_qos = { "qos", qos_dir_keys, ARRAY_SIZE(qos_dir_keys), NULL };

void *policy_qos_at(void *object, uint32_t i)
{
	const struct policy *policy = object;

	return !i && (policy->qos[ROAM_DIR_IN].is_set || policy->qos[ROAM_DIR_OUT].is_set) ? object
											   : NULL;
}

int policy_qos_add(void *object, void **ret_object)
{
	*ret_object = object;
	return 0;
}
