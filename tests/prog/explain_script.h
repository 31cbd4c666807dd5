/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What leads to a reason, for explain.c: scripts. Lines that begin with '!' are commands, with '>'
 * packets in the direction of the one that is explained, with '<' packets against it, with '?'
 * those of '>' that need not pass, with '^' what comes from outside; '@' says how many seconds ago
 * the next ones were; -100 is ahead, where a slow machine finds no bucket filled.
 *
 * In them SRC and DST are the ends of that line's packet; names of explain_script.c are addresses
 * and the like, DIR and DEV what they say, '#' a number that grows. Behind the packet's words can
 * come, after '|',
 *
 *   cut LO HI [ID]   only these bytes of it, as a fragment
 *   tunnelled        it is within a tunnel from NEAR to FAR, with the tag of VM
 */
#ifndef ROAM_TESTS_EXPLAIN_SCRIPT_H
#define ROAM_TESTS_EXPLAIN_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>
#include "cmd.h"
#include "hosts.h"

struct explain_test {
	struct test_host *host;
	struct cmd cmd;
	uint32_t slot;
	int family;
	enum roam_dir dir;
	bool at_uplink;
	bool outside;    /* the packet that is made now comes from there; others are at a port */
	bool changed;    /* the VM is not as make_vm() made it */
	uint64_t age_ns; /* of a script's packets */
	int number;      /* of '#' */
};

/* A line of a script, or several. */
bool script_command(struct explain_test *self, const char *line);
void script_run(struct explain_test *self, const char *script);

/* A line behind its first sign; false if it is wrong. */
bool script_packet(struct explain_test *self, enum roam_dir dir, const char *line,
		   struct packet *ret_packet);

/* Packets of the present, or of so long ago as age_ns says. */
enum roam_verdict script_run_live(struct explain_test *self, enum roam_dir dir,
				  const struct packet *packet);
enum roam_verdict script_run_uplink(struct explain_test *self, const struct packet *packet);

#endif
