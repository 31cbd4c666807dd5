/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Flows from nf_conntrack's table of this network namespace, for a VM whose connections are older
 * than its policy here. Called before the VM's device is bound, or at any time after.
 */
#ifndef ROAM_LIB_CT_IMPORT_H
#define ROAM_LIB_CT_IMPORT_H

#include <roam/ct.h>
#include <roam/port.h>
#include "host.h"

struct nf_conntrack;

struct ct_imported {
	uint32_t taken;
	uint32_t known;   /* the VM had them already */
	uint32_t skipped; /* of the VM's addresses, but of no use: over, or of a port with several
			   * VLANs, of which nf_conntrack says nothing */
};

/*
 * Takes in all live connections of the VM's addresses, marked as learned and as older than all
 * policy. All or nothing: -ENOSPC if they are more than its quota has room for. Needs the host's
 * lock.
 */
int ct_import(struct host *host, uint32_t slot, struct ct_imported *ret_imported);

/* What an entry is converted by. */
struct ct_import_view {
	const struct roam_port *ports;
	int port_count;
	uint64_t now_ns;
};

enum ct_import_find {
	CT_IMPORT_FOREIGN, /* of other addresses */
	CT_IMPORT_USELESS,
	CT_IMPORT_TAKEN,
};

/* One entry of the kernel's, as a flow. Pure. */
enum ct_import_find ct_import_convert(const struct ct_import_view *view,
				      const struct nf_conntrack *entry,
				      struct roam_flow_rec *ret_rec);

#endif
