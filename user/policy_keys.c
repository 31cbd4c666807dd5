// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The tables' top, and what they share, in a policy file: see policy_keys.h. */
#include <stdio.h>
#include "policy_keys.h"
#include "util.h"

bool policy_say(char text[POLICY_TEXT_LEN], const char *value)
{
	snprintf(text, POLICY_TEXT_LEN, "%s", value);
	return true;
}

bool policy_say_number(char text[POLICY_TEXT_LEN], uint32_t value)
{
	snprintf(text, POLICY_TEXT_LEN, "%u", value);
	return true;
}

void *policy_same(void *object, uint32_t i)
{
	return i ? NULL : object;
}

static const struct policy_key file_keys[] = {
	{ "vm", POLICY_MAP, .required = true, .map = &policy_vm, .at = policy_same },
	{ "ports", POLICY_MAPS, .map = &policy_port, .at = policy_port_at, .add = policy_port_add },
	{ "acl", POLICY_MAPS, .map = &policy_acl, .at = policy_acl_at, .add = policy_acl_add },
	{ "qos", POLICY_MAP, .map = &policy_qos, .at = policy_qos_at, .add = policy_qos_add },
	{ "ips", POLICY_MAP, .map = &policy_ips, .at = policy_ips_at, .add = policy_ips_add },
};

const struct policy_map policy_file = { "a policy", file_keys, ARRAY_SIZE(file_keys), NULL };
