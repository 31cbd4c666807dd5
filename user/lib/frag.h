/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A VM's trains of fragments, for images (state_frag.c): programs make them, and nobody else writes
 * any but who loads an image into a slot that no program sees, and an upgrade (carry_cache.c).
 */
#ifndef ROAM_LIB_FRAG_H
#define ROAM_LIB_FRAG_H

#include <roam/frag.h>
#include "host.h"
#include "places.h"

typedef int (*frag_fn)(const struct roam_frag_rec *rec, void *arg);
int frag_each(struct host *host, uint32_t slot, frag_fn fn, void *arg);

/* -EEXIST without a word if it is there already. */
int frag_store(struct host *host, uint32_t slot, const struct roam_frag_rec *rec);
/* The same into a table and a clock that are open; -ENOSPC if it is full. */
int frag_put_into(int rows, int clock, const struct roam_frag_rec *rec);

/* All of them are gone, and what its clock has. */
int frag_flush(struct host *host, uint32_t slot);

/* The tables of a VM: to be made, to be gone. */
int frag_add_tables(struct places *places, uint32_t slot);
void frag_clear_tables(struct places *places, uint32_t slot);

#endif
