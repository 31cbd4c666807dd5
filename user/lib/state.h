/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A VM's policy and state between a host and an image: what `roam state` does, and what a handover
 * is made of. Memory does not depend on the number of flows.
 */
#ifndef ROAM_STATE_H
#define ROAM_STATE_H

#include <roam/port.h>
#include <roam/vm.h>
#include "host.h"
#include "image.h"

struct state_save {
	const char *vm;
	uint64_t now_ns; /* the time that ages are counted from; 0: this moment */
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
	bool replace;    /* the VM may be active here: its flows give way to the image's */
	bool shut;       /* the VM is shut once loaded, not active */
	bool exact;      /* nothing went on after the save: TCP windows are as the image has them */
	uint64_t now_ns; /* that ages are counted back from; 0: when the image's header is there */
	image_read_fn read;
	void *arg;
};

struct state_loaded {
	char vm[ROAM_NAME_LEN];
	uint64_t flows;
	uint64_t sessions_left; /* flows that were left out: see state_lb.h */
	bool own_policy;        /* the host had policy of its own for the VM, which was kept */
	uint32_t skipped;       /* fields and tables that this build does not know */
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
