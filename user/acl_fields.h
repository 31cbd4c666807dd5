/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The fields of a rule, each from its text: for `acl add` and for files of policy. The texts speak
 * of a packet (from, to, sport, dport), the rule of the VM's end and the other one: so the rule's
 * direction must be known before them. acl_validate() looks at the rule as a whole.
 */
#ifndef ROAM_ACL_FIELDS_H
#define ROAM_ACL_FIELDS_H

#include <stdbool.h>
#include <roam/acl.h>
#include "text.h"

#define ACL_PRIO_DEFAULT 1000

/* A rule for which nothing has been said yet: any port of any packet, at the usual priority. */
struct roam_acl_rule acl_new_rule(void);

/* "tcp", "udp", "icmp", "icmp6", "any", or a number */
int acl_set_proto(struct roam_acl_rule *rule, const char *text);
int acl_set_proto_number(struct roam_acl_rule *rule, const char *text);
/* Whether it is one of the names. */
bool acl_is_proto(const char *text);
/* Whether the name of its protocol is for one family, the rule's: no prefix has to say so. */
bool acl_proto_says_family(const struct roam_acl_rule *rule);
#define ACL_PROTO_LEN 4
/* What acl_set_proto() takes: a number in `buf` where there is no name, or it says too much. */
const char *acl_say_proto(const struct roam_acl_rule *rule, char buf[ACL_PROTO_LEN]);

/* A prefix, "any", "any4", "any6", or "set:NAME" */
int acl_set_from(struct roam_acl_rule *rule, const char *text);
int acl_set_to(struct roam_acl_rule *rule, const char *text);
/* "443", "1024-65535", "set:NAME" */
int acl_set_sport(struct roam_acl_rule *rule, const char *text);
int acl_set_dport(struct roam_acl_rule *rule, const char *text);
/* "syn/syn,ack": these of those; "syn" alone: at least these */
int acl_set_flags(struct roam_acl_rule *rule, const char *text);
/* "echo-request", "8", "unreachable/1", "3/1"; the protocol comes before it */
int acl_set_type(struct roam_acl_rule *rule, const char *text);
/* "10": matches told in a second */
int acl_set_log(struct roam_acl_rule *rule, const char *text);
/* "on", "off" */
int acl_set_stateless(struct roam_acl_rule *rule, const char *text);
/* "100": live connections, of all remotes and of each one */
int acl_set_conns(struct roam_acl_rule *rule, const char *text);
int acl_set_perremote(struct roam_acl_rule *rule, const char *text);
#define ACL_SET_LEN (ROAM_NAME_LEN + 4)
/* "set:NAME" */
const char *acl_say_set(const char *set, char buf[ACL_SET_LEN]);
/* What acl_set_type() takes, of a rule that has one. */
const char *acl_say_type(const struct roam_acl_rule *rule, char buf[TEXT_ICMP_LEN]);

#endif
