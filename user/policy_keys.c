// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The keys of a policy file: see policy_keys.h. */
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>
#include "acl.h"
#include "acl_fields.h"
#include "policy.h"
#include "policy_keys.h"
#include "port.h"
#include "port_fields.h"
#include "qos.h"
#include "text.h"
#include "text_units.h"
#include "vm.h"

static bool say(char text[POLICY_TEXT_LEN], const char *value)
{
	snprintf(text, POLICY_TEXT_LEN, "%s", value);
	return true;
}

static bool say_number(char text[POLICY_TEXT_LEN], uint32_t value)
{
	snprintf(text, POLICY_TEXT_LEN, "%u", value);
	return true;
}

/* ---- vm ---- */

static int read_vm_name(void *object, const char *text)
{
	return text_name_parse("vm", text, ((struct policy *)object)->vm.name);
}

static bool show_vm_name(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return say(text, ((const struct policy *)object)->vm.name);
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
	return policy->has_uuid && say(text, text_uuid(policy->vm.uuid, uuid));
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
	(void)i;
	return say(text, text_enum_name(&text_life, ((const struct policy *)object)->vm.life));
}

static int read_midstream(void *object, const char *text)
{
	return text_enum_parse(&text_midstream, text, &((struct policy *)object)->vm.midstream);
}

static bool show_midstream(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct policy *policy = object;

	(void)i;
	return say(text, text_enum_name(&text_midstream, policy->vm.midstream));
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
	return say_number(text, ((const struct policy *)object)->vm.quota_flows);
}

static int read_half(void *object, const char *text)
{
	return read_quota("half", text, &((struct policy *)object)->vm.quota_half);
}

static bool show_half(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return say_number(text, ((const struct policy *)object)->vm.quota_half);
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
	return say(text, text_enum_name(&text_action, policy->vm.default_action[ROAM_DIR_IN]));
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
	return say(text, text_enum_name(&text_action, policy->vm.default_action[ROAM_DIR_OUT]));
}

static const struct policy_key default_keys[] = {
	{ "in", POLICY_TEXT, .read = read_default_in, .show = show_default_in },
	{ "out", POLICY_TEXT, .read = read_default_out, .show = show_default_out },
};

static const struct policy_map default_map = { "default", default_keys, ARRAY_SIZE(default_keys),
					       NULL };

/* A mapping about the same object as the one that it is in. */
static void *at_same(void *object, uint32_t i)
{
	return i ? NULL : object;
}

static const struct policy_key vm_keys[] = {
	{ "name", POLICY_TEXT, .required = true, .read = read_vm_name, .show = show_vm_name },
	{ "uuid", POLICY_TEXT, .read = read_uuid, .show = show_uuid },
	{ "life", POLICY_TEXT, .read = read_life, .show = show_life },
	{ "default", POLICY_MAP, .map = &default_map, .at = at_same },
	{ "midstream", POLICY_TEXT, .read = read_midstream, .show = show_midstream },
	{ "flows", POLICY_VALUE, .read = read_flows, .show = show_flows },
	{ "half", POLICY_VALUE, .read = read_half, .show = show_half },
};

static int check_vm(void *object)
{
	return vm_validate(&((struct policy *)object)->vm);
}

static const struct policy_map vm_map = { "vm", vm_keys, ARRAY_SIZE(vm_keys), check_vm };

/* ---- ports ---- */

static int read_mac(void *object, const char *text)
{
	return port_set_mac(object, text);
}

static bool show_mac(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	text_mac(((const struct roam_port *)object)->mac, text);
	return true;
}

static int read_dev(void *object, const char *text)
{
	return port_set_dev(object, text);
}

static bool show_dev(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return say(text, ((const struct roam_port *)object)->dev);
}

static int read_addr(void *object, const char *text)
{
	return port_add_addr(object, text);
}

static bool show_addr(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct roam_port *port = object;

	return i < port->addr_count && text_addr(&port->addr[i], text);
}

static int read_vlan(void *object, const char *text)
{
	return port_add_vlan(object, text);
}

static bool show_vlan(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct roam_port *port = object;

	return i < port->vlan_count && text_vlan(port->vlan[i], text);
}

static int read_zone(void *object, const char *text)
{
	return port_set_zone(object, text);
}

static bool show_zone(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct roam_port *port = object;
	char mac[TEXT_MAC_LEN];

	(void)i;
	return strcmp(port->zone_name, text_mac(port->mac, mac)) != 0 && say(text, port->zone_name);
}

static int read_dhcp(void *object, const char *text)
{
	return port_set_dhcp(object, text);
}

static bool show_dhcp(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return ((const struct roam_port *)object)->switches & ROAM_PORT_DHCP && say(text, "on");
}

static int read_ra(void *object, const char *text)
{
	return port_set_ra(object, text);
}

static bool show_ra(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return ((const struct roam_port *)object)->switches & ROAM_PORT_RA && say(text, "on");
}

static const struct policy_key port_keys[] = {
	{ "mac", POLICY_TEXT, .required = true, .unique = true, .read = read_mac,
	  .show = show_mac },
	{ "dev", POLICY_TEXT, .required = true, .unique = true, .read = read_dev,
	  .show = show_dev },
	{ "addr", POLICY_TEXTS, .read = read_addr, .show = show_addr },
	{ "vlan", POLICY_TEXTS, .read = read_vlan, .show = show_vlan },
	{ "zone", POLICY_TEXT, .read = read_zone, .show = show_zone },
	{ "dhcp", POLICY_SWITCH, .read = read_dhcp, .show = show_dhcp },
	{ "ra", POLICY_SWITCH, .read = read_ra, .show = show_ra },
};

static int check_port(void *object)
{
	port_fill_zone(object);
	return port_validate(object);
}

static const struct policy_map port_map = { "a port", port_keys, ARRAY_SIZE(port_keys),
					    check_port };

static void *at_port(void *object, uint32_t i)
{
	struct policy *policy = object;

	return i < policy->port_count ? &policy->ports[i] : NULL;
}

static int add_port(void *object, void **ret_object)
{
	struct policy *policy = object;

	if (policy->port_count == ROAM_VM_PORTS)
		return fail(-E2BIG, "ports: more than %d for one VM", ROAM_VM_PORTS);
	*ret_object = &policy->ports[policy->port_count++];
	return 0;
}

/* ---- acl ---- */

static int read_rule_name(void *object, const char *text)
{
	return text_name_parse("acl: name", text, ((struct roam_acl_rule *)object)->name);
}

static bool show_rule_name(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return say(text, ((const struct roam_acl_rule *)object)->name);
}

static int read_dir(void *object, const char *text)
{
	return text_enum_parse(&text_dir, text, &((struct roam_acl_rule *)object)->dir);
}

static bool show_dir(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return say(text, text_enum_name(&text_dir, ((const struct roam_acl_rule *)object)->dir));
}

static int read_prio(void *object, const char *text)
{
	return text_u32_parse("prio", text, &((struct roam_acl_rule *)object)->prio);
}

static bool show_prio(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return say_number(text, ((const struct roam_acl_rule *)object)->prio);
}

static int read_action(void *object, const char *text)
{
	return text_enum_parse(&text_action, text, &((struct roam_acl_rule *)object)->action);
}

static bool show_action(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct roam_acl_rule *rule = object;

	(void)i;
	return say(text, text_enum_name(&text_action, rule->action));
}

static int read_proto(void *object, const char *text)
{
	return acl_set_proto(object, text);
}

static bool show_proto(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct roam_acl_rule *rule = object;
	char number[4];

	(void)i;
	return say(text, rule->any_proto ? "any" : text_proto(rule->proto, number));
}

static int read_from(void *object, const char *text)
{
	return acl_set_from(object, text);
}

static int read_to(void *object, const char *text)
{
	return acl_set_to(object, text);
}

static int read_sport(void *object, const char *text)
{
	return acl_set_sport(object, text);
}

static int read_dport(void *object, const char *text)
{
	return acl_set_dport(object, text);
}

/* The family where neither prefix nor protocol tells it. */
static bool say_family(char text[POLICY_TEXT_LEN], const struct roam_acl_rule *rule)
{
	bool icmp = !rule->any_proto &&
		    (rule->proto == IPPROTO_ICMP || rule->proto == IPPROTO_ICMPV6);

	if (!rule->family || icmp || rule->local.bits || rule->remote.bits)
		return false;
	return say(text, rule->family == ROAM_FAMILY_IPV4 ? "any4" : "any6");
}

static bool show_from(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct roam_acl_rule *rule = object;
	const struct roam_prefix *from = rule->dir == ROAM_DIR_OUT ? &rule->local : &rule->remote;

	(void)i;
	return from->bits ? text_prefix(from, text) != NULL : say_family(text, rule);
}

static bool show_to(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct roam_acl_rule *rule = object;
	const struct roam_prefix *to = rule->dir == ROAM_DIR_OUT ? &rule->remote : &rule->local;

	(void)i;
	return to->bits && text_prefix(to, text);
}

static bool say_range(char text[POLICY_TEXT_LEN], struct roam_port_range range)
{
	return (range.first || range.last != UINT16_MAX) && text_range(range, text);
}

static bool show_sport(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct roam_acl_rule *rule = object;

	(void)i;
	return say_range(text, rule->dir == ROAM_DIR_OUT ? rule->lport : rule->rport);
}

static bool show_dport(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct roam_acl_rule *rule = object;

	(void)i;
	return say_range(text, rule->dir == ROAM_DIR_OUT ? rule->rport : rule->lport);
}

/* `dir` before those that it gives a meaning to: keys are read in this order. */
static const struct policy_key acl_keys[] = {
	{ "name", POLICY_TEXT, .required = true, .unique = true, .read = read_rule_name,
	  .show = show_rule_name },
	{ "dir", POLICY_TEXT, .required = true, .read = read_dir, .show = show_dir },
	{ "prio", POLICY_VALUE, .read = read_prio, .show = show_prio },
	{ "action", POLICY_TEXT, .required = true, .read = read_action, .show = show_action },
	{ "proto", POLICY_VALUE, .read = read_proto, .show = show_proto },
	{ "from", POLICY_TEXT, .read = read_from, .show = show_from },
	{ "to", POLICY_TEXT, .read = read_to, .show = show_to },
	{ "sport", POLICY_VALUE, .read = read_sport, .show = show_sport },
	{ "dport", POLICY_VALUE, .read = read_dport, .show = show_dport },
};

static int check_rule(void *object)
{
	return acl_validate(object);
}

static const struct policy_map acl_map = { "a rule", acl_keys, ARRAY_SIZE(acl_keys), check_rule };

static void *at_rule(void *object, uint32_t i)
{
	struct policy *policy = object;

	return i < policy->rule_count ? &policy->rules[i] : NULL;
}

static int add_rule(void *object, void **ret_object)
{
	struct roam_acl_rule *rule;
	int err = policy_add_rule(object, &rule);

	if (err)
		return err;
	*rule = acl_new_rule();
	rule->any_proto = 1;
	*ret_object = rule;
	return 0;
}

/* ---- qos ---- */

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
	return qos->burst && say_number(text, qos->burst);
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
	return qos->has_dscp && say(text, text_dscp(qos->dscp, dscp));
}

static const struct policy_key qos_keys[] = {
	{ "rate", POLICY_TEXT, .read = read_rate, .show = show_rate },
	{ "burst", POLICY_VALUE, .read = read_burst, .show = show_burst },
	{ "dscp", POLICY_VALUE, .read = read_dscp, .show = show_dscp },
};

static int check_qos(void *object)
{
	qos_fill_burst(object);
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

static const struct policy_map qos_map = { "qos", qos_dir_keys, ARRAY_SIZE(qos_dir_keys), NULL };

static void *at_qos(void *object, uint32_t i)
{
	const struct policy *policy = object;

	return !i && (policy->qos[ROAM_DIR_IN].is_set || policy->qos[ROAM_DIR_OUT].is_set) ? object
											   : NULL;
}

static int add_qos(void *object, void **ret_object)
{
	*ret_object = object;
	return 0;
}

/* ---- the file ---- */

static const struct policy_key file_keys[] = {
	{ "vm", POLICY_MAP, .required = true, .map = &vm_map, .at = at_same },
	{ "ports", POLICY_MAPS, .map = &port_map, .at = at_port, .add = add_port },
	{ "acl", POLICY_MAPS, .map = &acl_map, .at = at_rule, .add = add_rule },
	{ "qos", POLICY_MAP, .map = &qos_map, .at = at_qos, .add = add_qos },
};

const struct policy_map policy_file = { "a policy", file_keys, ARRAY_SIZE(file_keys), NULL };
