/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A VM's policy and state between a host and an image: what `roam state` does, and what a handover
 * is made of. Memory does not depend on the number of flows.
 */
#ifndef ROAM_STATE_H
#define ROAM_STATE_H

#include <roam/ips.h>
#include <roam/move.h>
#include <roam/port.h>
#include <roam/stats.h>
#include <roam/vm.h>
#include "acl.h"
#include "draft.h"
#include "host.h"
#include "image.h"
#include "state_excess.h"

struct state_lb;

/*
 * What an image's rows refer to (rules, zones, services), kept for the deltas that follow it in a
 * handover. Freed by state_refs_close().
 */
struct state_refs {
	uint32_t slot;
	struct image_maps maps; /* now_ns is set for each delta */
	uint32_t *rule;         /* maps.rule */
	struct state_lb *lb;    /* maps.service */
	/* Saved: the policy as it was. */
	struct roam_vm vm;
	struct roam_port ports[ROAM_VM_PORTS];
	int port_count;
	struct acl_list rules;
	uint64_t digest;
	uint64_t flows; /* how many there were */
	/* Loaded: what the image says of sources and blocks, the counters that it has, and rows for
	 * which there was no place yet. */
	struct roam_ips image_ips;
	struct roam_stats stats;
	struct excess late;
};

void state_refs_close(struct state_refs *refs);
/* As a save would leave them. */
int state_refs_read(struct host *host, const char *vm, struct state_refs *ret_refs);
/* The name of this host, for the header of an image. */
void state_host_name(char ret_name[ROAM_NAME_LEN]);

struct state_save {
	const char *vm;
	const uint8_t *handover; /* its id; NULL: none */
	struct state_refs *refs; /* NULL: not wanted; filled if the image is written */
	uint64_t now_ns;         /* the time that ages are counted from; 0: this moment */
	image_write_fn write;
	void *arg;
};

int state_save(struct host *host, const struct state_save *save);

/* Which device a port gets. */
struct state_dev {
	uint8_t mac[ROAM_MAC_LEN];
	const char *dev;
};

struct state_load {
	const char *vm; /* the image must name this VM; NULL: any */
	const struct state_dev *devs;
	uint32_t dev_count;
	bool replace; /* the VM may be active here: its flows give way to the image's */
	bool shut;    /* the VM is shut once loaded, not active */
	bool exact;   /* nothing went on after the save: TCP windows are as the image has them */
	/* Of a handover: the VM's gate once it is loaded, which gets the image's id and epoch. */
	struct roam_gate *gate;
	struct state_refs *refs; /* NULL: not wanted; filled if the image is loaded */
	struct draft_rest *rest; /* NULL, or what may be done once the VM is live (draft.h) */
	uint64_t now_ns; /* that ages are counted back from; 0: when the image's header is there */
	image_read_fn read;
	void *arg;
};

struct state_loaded {
	char vm[ROAM_NAME_LEN];
	uint64_t flows;
	uint64_t sessions_left;        /* flows that were left out: see state_lb.h */
	uint32_t sets_other;           /* sets of its rules that hold something else here */
	char set_other[ROAM_NAME_LEN]; /* one of them */
	bool own_policy;  /* the host had policy of its own for the VM, which was kept */
	uint32_t skipped; /* fields and tables that this build does not know */
};

/*
 * All or nothing. Where the host has the VM already, its policy stays, and flows are matched
 * against it when their next packet comes.
 */
int state_load(struct host *host, const struct state_load *load, struct state_loaded *ret_loaded);

/* Whether the VM's row is of the VM of the header and makes sense; what it lacks gets its default.
 */
int state_check_vm(const struct image_header *header, struct roam_vm *vm);

/* Whether this is an address of a VM with these ports, in the flow's zone. */
bool state_is_local(const struct roam_flow_key *key, const struct roam_port *ports, int count);

/* Whether a flow makes sense in itself and for a VM with these ports. */
int state_check_flow(const struct roam_flow_rec *rec, const struct roam_port *ports, int count);

#endif
