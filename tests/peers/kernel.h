/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The kernel's nf_conntrack as an oracle: a router in a network namespace of the test's own, which
 * marks every packet that it forwards with what nft says of its state. Nothing is dropped, so each
 * packet that goes in must come out, with its answer.
 *
 * Every function aborts when the kernel refuses.
 */
#ifndef ROAM_TESTS_KERNEL_H
#define ROAM_TESTS_KERNEL_H

#include <stdbool.h>
#include <roam/types.h>
#include "packet.h"

enum kernel_state {
	KERNEL_NONE,
	KERNEL_INVALID,
	KERNEL_NEW,
	KERNEL_ESTABLISHED,
};

struct kernel {
	int socks[ROAM_DIR_COUNT]; /* by the direction of what is sent there; the other one hears it
				    */
};

/* What is needed and not there; NULL: nothing. */
const char *kernel_lacks(void);

void kernel_open(struct kernel *kernel);
void kernel_close(struct kernel *kernel);

/* Whether segments of unknown connections are picked up. */
void kernel_set_loose(bool loose);
void kernel_forget(void);

/* A frame with TCP, as it is for the VM or from it. */
enum kernel_state kernel_run(struct kernel *kernel, enum roam_dir dir, const struct packet *packet);

#endif
