/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What would become of a packet, asked of the programs that would judge it (bpf/explain.bpf.c).
 * Nothing on the host changes by it.
 */
#ifndef ROAM_LIB_EXPLAIN_H
#define ROAM_LIB_EXPLAIN_H

#include <roam/explain.h>
#include "host.h"
#include "packet.h"

/* At a port: `ifindex` is its device, which must be there. */
int explain_port(struct host *host, uint32_t ifindex, enum roam_dir dir,
		 const struct packet *packet, struct roam_explain *ret_run);

/* At an uplink. */
int explain_uplink(struct host *host, uint32_t ifindex, const struct packet *packet,
		   struct roam_explain *ret_run);

/* The packet's flow; -ENOENT if there is none. */
int explain_flow(struct host *host, const struct roam_explain *run, struct roam_flow *ret_flow);

#endif
