/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A datagram's fragments as fields of output. */
#ifndef ROAM_FRAG_SHOW_H
#define ROAM_FRAG_SHOW_H

#include <roam/frag.h>
#include "out.h"

void frag_show(struct out *out, const struct roam_frag_rec *rec, uint64_t now_ns);

#endif
