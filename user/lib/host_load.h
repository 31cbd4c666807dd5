/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The programs and maps of a host, into the kernel and pinned: for host_init.c and host_upgrade.c.
 */
#ifndef ROAM_LIB_HOST_LOAD_H
#define ROAM_LIB_HOST_LOAD_H

struct roam;

/* Opened, with what no host needs left out; then loaded. The caller destroys it, however it ends.
 */
int host_load_open(struct roam **ret_skel);
int host_load(struct roam *skel);

/* Pins all of it in DIR/maps and DIR/progs, which are there. */
int host_pin(struct roam *skel, const char *dir);

#endif
