/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A rule's fields, for `acl show` and `state show`, into an item that the caller has begun. */
#ifndef ROAM_ACL_SHOW_H
#define ROAM_ACL_SHOW_H

#include <roam/acl.h>
#include "limit.h"
#include "out.h"

/* In the words of `acl add`, so that what is shown can be given back. */
void acl_show_rule(struct out *out, const struct roam_acl_rule *rule);
/* Of a rule with limits: how many connections, and of how many remotes, there are. */
void acl_show_used(struct out *out, const struct roam_acl_rule *rule,
		   const struct limit_list *counts);
/* last_s: how long ago, against now_ns. */
void acl_show_hits(struct out *out, const struct roam_acl_hits *hits, uint64_t now_ns);

#endif
