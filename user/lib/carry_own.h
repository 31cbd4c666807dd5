/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the files of carry.h share. */
#ifndef ROAM_LIB_CARRY_OWN_H
#define ROAM_LIB_CARRY_OWN_H

#include <linux/bpf.h>
#include "carry.h"

/* A map or program by its pin; fail() names it. */
int carry_old(const struct carry *carry, const char *pin);
int carry_new(const struct carry *carry, const char *pin);

/* The inner map in that place, or -ENOENT. */
int carry_inner(int outer, uint32_t index);

/* Rows of one map or array of maps; key or value NULL: bytes that are as they were. */
struct carry_plans {
	struct carry_plan *key;
	struct carry_plan *value;
};
int carry_plans_of(const struct carry *carry, const char *map, struct carry_plans *ret_plans);

static inline void cleanup_carry_plans(struct carry_plans *plans)
{
	carry_plan_free(plans->key);
	carry_plan_free(plans->value);
}
#define _cleanup_carry_plans_ __attribute__((cleanup(cleanup_carry_plans)))

/*
 * Copies the rows of a map. Of an array of maps: makes a new one for each, with the rows if wanted.
 */
int carry_copy(int from, int to, const struct carry_plans *plans, bool with_rows);

int carry_info(int fd, struct bpf_map_info *ret_info);

/* Each row of a hash table or an array; programs may write it meanwhile. Until fn returns not 0. */
typedef int (*carry_fn)(const void *key, const void *value, void *arg);
int carry_each(int rows, carry_fn fn, void *arg);

/* Whether the host's version has the map, too. */
bool carry_had(const struct carry *carry, const char *map);

/* Waits until no program runs that had begun before. */
int carry_wait(int outer);

int carry_flows_check(const struct carry *carry);
int carry_flows(const struct carry *carry);
int carry_counters(const struct carry *carry);

/* What an uplink remembers of clients and fragments, as far as that is laid out otherwise. */
int carry_caches(const struct carry *carry);
/* Trains of fragments; from here on only the new programs have them. */
int carry_trains(const struct carry *carry);

#endif
