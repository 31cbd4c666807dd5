/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Rates and marks of VMs: profiles as policy, their buckets and counters as state. A direction
 * without a profile has a row of zeros.
 */
#ifndef ROAM_LIB_QOS_H
#define ROAM_LIB_QOS_H

#include <roam/qos.h>
#include "host.h"

/* What an operator or an image may say; `what` begins the error line. */
int qos_validate(const char *what, const struct roam_qos *conf);

int qos_get(struct host *host, uint32_t slot, enum roam_dir dir, struct roam_qos_rec *ret_rec);

/*
 * A direction's profile from now on; bucket and counters go on, unless the direction had none or
 * gets none (conf->is_set 0).
 */
int qos_set(struct host *host, uint32_t slot, enum roam_dir dir, const struct roam_qos *conf);

/* Writes both rows of a slot that no program sees. */
int qos_store(struct host *host, uint32_t slot, const struct roam_qos_rec *rec);

/* The burst of a profile that names none. */
void qos_fill_burst(struct roam_qos *conf);

/*
 * The profiles of slot `from` become those of `slot`, whose buckets and counters go on. For a
 * takeover (takeover.h): can be repeated.
 */
int qos_take(struct host *host, uint32_t slot, uint32_t from);

bool qos_is_used(struct host *host, uint32_t slot);
void qos_clear(struct host *host, uint32_t slot);

#endif
