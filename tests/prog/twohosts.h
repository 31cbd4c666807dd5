/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Two real hosts for the tests of loading images: one that a VM's image is saved on, and one, which
 * carries another VM, that it is loaded on, with a fingerprint of all that is on the latter.
 */
#ifndef ROAM_TESTS_TWOHOSTS_H
#define ROAM_TESTS_TWOHOSTS_H

#include "hosts.h"
#include "image_parts.h"
#include "state.h"

struct twohosts {
	struct test_host from;
	struct test_host to;
	uint64_t print;           /* of `to`, when it was made */
	char *text;               /* the same, of audit.h */
	int fds;                  /* that the process had open */
	struct image_bytes saved; /* the last one */
	uint32_t saved_flows;
};

/* Made at the first call; gone with the process. */
struct twohosts *twohosts_get(void);

/* A copy of the image of a VM "vm" on `from` that had so many flows in each table. */
void twohosts_save(struct twohosts *hosts, uint32_t flows, struct image_bytes *ret_image);

/* Loads it on `to`; what is not in *want is filled in. */
int twohosts_load(struct twohosts *hosts, struct image_bytes *image, const struct state_load *want);
/* The same after the parts have been put together; the parts stay. */
int twohosts_load_parts(struct twohosts *hosts, const struct image_parts *parts,
			const struct state_load *want);

/* Checks that `to` is byte for byte as it was, and that nothing is left open. */
bool twohosts_unchanged(struct twohosts *hosts);

/* All rows of all maps of a host, in any order. */
uint64_t twohosts_print(struct host *host);

#endif
