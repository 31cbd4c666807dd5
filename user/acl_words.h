/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The words of `acl add`, for the command and for batches. */
#ifndef ROAM_ACL_WORDS_H
#define ROAM_ACL_WORDS_H

#include <roam/acl.h>
#include "cmd.h"

/* "vm NAME name RULE in|out …" */
int acl_words_add(struct words *words, const char **ret_vm, struct roam_acl_rule *ret_rule);

/* "name RULE in|out …" alone */
int acl_words_rule(struct words *words, struct roam_acl_rule *ret_rule);

#endif
