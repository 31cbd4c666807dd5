/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Real hosts for the prog tests: made by libroam under a bpffs of the test's own, in a network
 * namespace of its own, with the tests' front ends over the same maps, so that packets can be run
 * through at any time of any clock. Everything is gone with the process.
 *
 * Every function aborts when something is refused that a test does not ask about.
 */
#ifndef ROAM_TESTS_HOSTS_H
#define ROAM_TESTS_HOSTS_H

#include <stdint.h>
#include "cast.h"
#include "fixture.h"
#include "host.h"

struct roam_test;

struct test_host {
	struct host *host;
	struct roam_test *skel;
	char dev[ROAM_DEV_LEN]; /* a device for the VM's port */
	uint32_t ifindex;
	uint64_t now_ns;     /* the clock of this host; the test sets it */
	struct packet after; /* the last packet as it was when its list had ended */
	bool turned_back;    /* it passed, and goes back to the VM (hairpin) */
	bool answered;       /* it was rejected, and `after` is the answer */
};

/* The namespaces; before the first host. */
void hosts_enter(void);

/* Runs `ip` with these words, which end with NULL. */
void hosts_ip(const char *const *words);

void hosts_make(const char *name, struct test_host *ret_host);
void hosts_remove(struct test_host *host);

/* One host for all tests of a program, made by the first: loading the programs takes a while. */
struct test_host *hosts_shared(void);

/* The VM of cast.h with rules, by drafts: name "vm". */
void hosts_add_vm(struct test_host *host);

/* Second keys of the VM's flows. */
uint32_t hosts_wire_rows(struct test_host *host, uint32_t slot);

enum roam_verdict hosts_run(struct test_host *host, enum front_end front, enum roam_dir dir,
			    const struct packet *packet);

#endif
