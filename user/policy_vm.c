// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The VM itself in a policy file: see policy_keys.h. */
#include <string.h>
#include "policy.h"
#include "policy_keys.h"
#include "text.h"
#include "vm.h"

static int read_vm_name(void *object, const char *text)
{
	return text_name_parse("vm", text, ((struct policy *)object)->vm.name);
}

static bool show_vm_name(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return policy_say(text, ((const struct policy *)object)->vm.name);
}

static int read_uuid(void *object, const char *text)
{
	struct policy *policy = object;

	policy->has_uuid = true;
	return text_uuid_parse(text, policy->vm.uuid);
}

static bool show_uuid(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct policy *policy = object;
	char uuid[TEXT_UUID_LEN];

	(void)i;
	return policy->has_uuid && policy_say(text, text_uuid(policy->vm.uuid, uuid));
}

/* A slot's other lives are nothing that can be wished for. */
static int read_life(void *object, const char *text)
{
	struct policy *policy = object;

	if (strcmp(text, "active") != 0 && strcmp(text, "shut") != 0)
		return fail(-EINVAL, "life '%.80s' is neither active nor shut", text);
	return text_enum_parse(&text_life, text, &policy->vm.life);
}

static bool show_life(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	uint32_t life = ((const struct policy *)object)->vm.life;

	(void)i;
	if (life == ROAM_LIFE_GATED) /* by a handover; what was wished for is that it runs */
		life = ROAM_LIFE_ACTIVE;
	return policy_say(text, text_enum_name(&text_life, life));
}

static int read_midstream(void *object, const char *text)
{
	return text_enum_parse(&text_midstream, text, &((struct policy *)object)->vm.midstream);
}

static bool show_midstream(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct policy *policy = object;

	(void)i;
	return policy_say(text, text_enum_name(&text_midstream, policy->vm.midstream));
}

static int read_quota(const char *keyword, const char *text, uint32_t *ret_quota)
{
	uint32_t value;
	int err = text_u32_parse(keyword, text, &value);

	if (!err && (value < ROAM_QUOTA_MIN || value > ROAM_QUOTA_MAX))
		err = fail(-ERANGE, "%s %u is not from %u to %u", keyword, value, ROAM_QUOTA_MIN,
			   ROAM_QUOTA_MAX);
	if (!err)
		*ret_quota = value;
	return err;
}

static int read_flows(void *object, const char *text)
{
	return read_quota("flows", text, &((struct policy *)object)->vm.quota_flows);
}

static bool show_flows(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return policy_say_number(text, ((const struct policy *)object)->vm.quota_flows);
}

static int read_half(void *object, const char *text)
{
	return read_quota("half", text, &((struct policy *)object)->vm.quota_half);
}

static bool show_half(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return policy_say_number(text, ((const struct policy *)object)->vm.quota_half);
}

static int read_lb(void *object, const char *text)
{
	bool use = !strcmp(text, "on");

	if (!use && strcmp(text, "off") != 0)
		return fail(-EINVAL, "lb '%.80s' is neither on nor off", text);
	((struct policy *)object)->vm.lb = use;
	return 0;
}

static bool show_lb(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return policy_say(text, ((const struct policy *)object)->vm.lb ? "on" : "off");
}

static int read_default_in(void *object, const char *text)
{
	struct policy *policy = object;

	return text_enum_parse(&text_action, text, &policy->vm.default_action[ROAM_DIR_IN]);
}

static bool show_default_in(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct policy *policy = object;

	(void)i;
	return policy_say(text,
			  text_enum_name(&text_action, policy->vm.default_action[ROAM_DIR_IN]));
}

static int read_default_out(void *object, const char *text)
{
	struct policy *policy = object;

	return text_enum_parse(&text_action, text, &policy->vm.default_action[ROAM_DIR_OUT]);
}

static bool show_default_out(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct policy *policy = object;

	(void)i;
	return policy_say(text,
			  text_enum_name(&text_action, policy->vm.default_action[ROAM_DIR_OUT]));
}

static const struct policy_key default_keys[] = {
	{ "in", POLICY_TEXT, .read = read_default_in, .show = show_default_in },
	{ "out", POLICY_TEXT, .read = read_default_out, .show = show_default_out },
};

static const struct policy_map default_map = { "default", default_keys, ARRAY_SIZE(default_keys),
					       NULL };

static int read_windows(void *object, const char *text)
{
	bool liberal = !strcmp(text, "liberal");

	if (!liberal && strcmp(text, "strict") != 0)
		return fail(-EINVAL, "windows '%.80s' is neither strict nor liberal", text);
	((struct policy *)object)->vm.liberal = liberal;
	return 0;
}

static bool show_windows(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return ((const struct policy *)object)->vm.liberal && policy_say(text, "liberal");
}

static const struct policy_key vm_keys[] = {
	{ "name", POLICY_TEXT, .required = true, .read = read_vm_name, .show = show_vm_name },
	{ "uuid", POLICY_TEXT, .read = read_uuid, .show = show_uuid },
	{ "life", POLICY_TEXT, .read = read_life, .show = show_life },
	{ "default", POLICY_MAP, .map = &default_map, .at = policy_same },
	{ "midstream", POLICY_TEXT, .read = read_midstream, .show = show_midstream },
	{ "windows", POLICY_TEXT, .read = read_windows, .show = show_windows },
	{ "timeouts", POLICY_MAP, .map = &policy_timeouts, .at = policy_timeouts_at,
	  .add = policy_timeouts_add },
	{ "flows", POLICY_VALUE, .read = read_flows, .show = show_flows },
	{ "half", POLICY_VALUE, .read = read_half, .show = show_half },
	{ "lb", POLICY_SWITCH, .read = read_lb, .show = show_lb },
};

static int check_vm(void *object)
{
	return vm_validate(&((struct policy *)object)->vm);
}

const struct policy_map policy_vm = { "vm", vm_keys, ARRAY_SIZE(vm_keys), check_vm };
