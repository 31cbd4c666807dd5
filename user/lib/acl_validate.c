// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Whether a rule makes sense as a whole, from wherever it comes: see acl.h. */
#include <netinet/in.h>
#include <roam/limit.h>
#include <roam/pkt.h>
#include "acl.h"
#include "text.h"

static bool range_is_any(struct roam_port_range range)
{
	return range.first == 0 && range.last == UINT16_MAX;
}

static int validate_prefix(const struct roam_acl_rule *rule, const struct roam_prefix *prefix)
{
	if (!prefix_is_canonical(prefix))
		return fail(-EINVAL, "acl '%s': a prefix with bits behind its length", rule->name);
	if (prefix->bits && rule->family != addr_family(&prefix->addr))
		return fail(-EINVAL, "acl '%s': a prefix that is not of the rule's family",
			    rule->name);
	return 0;
}

/* A set by name is in the place of a prefix. */
static int validate_addr_set(const struct roam_acl_rule *rule, const char *set,
			     const struct roam_prefix *prefix)
{
	if (!set[0])
		return 0;
	if (!text_name_valid(set))
		return fail(-EINVAL, "acl '%s': a set whose name is not one", rule->name);
	if (prefix->bits)
		return fail(-EINVAL, "acl '%s': a prefix and a set of addresses for the same end",
			    rule->name);
	return 0;
}

static int validate_port_set(const struct roam_acl_rule *rule, const char *set,
			     struct roam_port_range range)
{
	if (!set[0])
		return 0;
	if (!text_name_valid(set))
		return fail(-EINVAL, "acl '%s': a set whose name is not one", rule->name);
	if (!range_is_any(range))
		return fail(-EINVAL, "acl '%s': a range and a set of ports for the same end",
			    rule->name);
	return 0;
}

static bool has_icmp(const struct roam_acl_rule *rule)
{
	if (rule->any_proto)
		return false;
	return (rule->proto == IPPROTO_ICMP && rule->family == ROAM_FAMILY_IPV4) ||
	       (rule->proto == IPPROTO_ICMPV6 && rule->family == ROAM_FAMILY_IPV6);
}

static int validate_sets(const struct roam_acl_rule *rule, bool ports)
{
	int err = validate_addr_set(rule, rule->local_set, &rule->local);

	if (!err)
		err = validate_addr_set(rule, rule->remote_set, &rule->remote);
	if (!err)
		err = validate_port_set(rule, rule->lport_set, rule->lport);
	if (!err)
		err = validate_port_set(rule, rule->rport_set, rule->rport);
	if (!err && !ports && (rule->lport_set[0] || rule->rport_set[0]))
		err = fail(-EINVAL, "acl '%s': ports without tcp, udp or sctp", rule->name);
	/* no words could say so */
	if (!err && rule->local_set[0] && rule->remote_set[0] && rule->family && !has_icmp(rule))
		err = fail(-EINVAL, "acl '%s': sets at both ends, and a family", rule->name);
	return err;
}

/* Flags of TCP, and what ICMP has in their stead. */
static int validate_beyond_ports(const struct roam_acl_rule *rule)
{
	bool tcp = !rule->any_proto && rule->proto == IPPROTO_TCP;

	if ((rule->tcp_flags & ~rule->tcp_mask) || (rule->tcp_mask & ~ROAM_TCP_ALL))
		return fail(-EINVAL, "acl '%s': flags that are not in their mask, or unknown",
			    rule->name);
	if (rule->tcp_mask && !tcp)
		return fail(-EINVAL, "acl '%s': flags without tcp", rule->name);
	if (rule->has_icmp_type > 1 || rule->has_icmp_code > 1)
		return fail(-EINVAL, "acl '%s': a switch that is neither on nor off", rule->name);
	if (rule->has_icmp_type && !has_icmp(rule))
		return fail(-EINVAL, "acl '%s': a type without icmp or icmp6", rule->name);
	if ((rule->icmp_type && !rule->has_icmp_type) ||
	    (rule->icmp_code && !rule->has_icmp_code) ||
	    (rule->has_icmp_code && !rule->has_icmp_type))
		return fail(-EINVAL, "acl '%s': a code without its type", rule->name);
	return 0;
}

/* What a limit counts are the flows that the rule admits. */
static int validate_limits(const struct roam_acl_rule *rule)
{
	if (!rule->conns && !rule->perremote)
		return 0;
	if (rule->action != ROAM_ACTION_ALLOW)
		return fail(-EINVAL,
			    "acl '%s': a limit on connections, of a rule that is not allow",
			    rule->name);
	if (rule->stateless)
		return fail(-EINVAL,
			    "acl '%s': a limit on connections, of a rule that is stateless",
			    rule->name);
	if (rule->conns > ROAM_LIMIT_MAX || rule->perremote > ROAM_LIMIT_MAX)
		return fail(-ERANGE, "acl '%s': a limit of more than %u connections", rule->name,
			    ROAM_LIMIT_MAX);
	return 0;
}

int acl_validate(const struct roam_acl_rule *rule)
{
	bool ports = !rule->any_proto &&
		     (rule->proto == IPPROTO_TCP || rule->proto == IPPROTO_UDP ||
		      rule->proto == IPPROTO_SCTP);
	int err;

	if (!text_name_valid(rule->name))
		return fail(-EINVAL, "acl: the rule's name is not a name");
	if (rule->dir >= ROAM_DIR_COUNT || rule->action >= ROAM_ACTION_COUNT)
		return fail(-EINVAL, "acl '%s': an unknown direction or action", rule->name);
	if (rule->family && rule->family != ROAM_FAMILY_IPV4 && rule->family != ROAM_FAMILY_IPV6)
		return fail(-EINVAL, "acl '%s': an unknown family", rule->name);
	if (rule->any_proto > 1 || rule->stateless > 1)
		return fail(-EINVAL, "acl '%s': a switch that is neither on nor off", rule->name);
	if (rule->lport.first > rule->lport.last || rule->rport.first > rule->rport.last)
		return fail(-EINVAL, "acl '%s': a port range that ends before it begins",
			    rule->name);
	if (!ports && (!range_is_any(rule->lport) || !range_is_any(rule->rport)))
		return fail(-EINVAL, "acl '%s': ports without tcp, udp or sctp", rule->name);
	err = validate_sets(rule, ports);
	if (!err)
		err = validate_limits(rule);
	if (!err)
		err = validate_beyond_ports(rule);
	if (!err)
		err = validate_prefix(rule, &rule->local);
	return err ? err : validate_prefix(rule, &rule->remote);
}
