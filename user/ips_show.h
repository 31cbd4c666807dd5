/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Profiles, blocks and sources as fields of output: for `roam ips` and `roam state show`. */
#ifndef ROAM_IPS_SHOW_H
#define ROAM_IPS_SHOW_H

#include <roam/ips.h>
#include "out.h"

void ips_show_profile(struct out *out, const struct roam_ips *conf);
void ips_show_block(struct out *out, const struct roam_ips_block_rec *rec, uint64_t now_ns);
void ips_show_source(struct out *out, const struct roam_ips_source_rec *rec, uint64_t now_ns);

#endif
