/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The host's end of a load (state_load.c): what an image says of a VM waits in memory until the
 * image has turned out to be whole. Only when more flows wait than PLACE_FIRST does a draft take
 * them: a small image that is refused has not touched the host, a large one leaves nothing on it.
 */
#ifndef ROAM_STATE_PLACE_H
#define ROAM_STATE_PLACE_H

#include <roam/ct.h>
#include <roam/move.h>
#include <roam/port.h>
#include <roam/stats.h>
#include <roam/vm.h>
#include "acl.h"
#include "behind.h"
#include "draft.h"
#include "state_features.h"

/* Flows of one kind that wait for a bulk load: few at first, so that the kernel's work begins
 * early, then twice as many each time. */
#define PLACE_FIRST   2048
#define PLACE_WAITING 16384

struct placing_flows {
	struct roam_flow_rec *recs;
	uint32_t count;
	uint32_t room;
};

struct placing {
	struct host *host;
	struct roam_vm vm;
	uint32_t replaces;            /* the VM's slot here, or ROAM_VM_NONE */
	uint32_t replaces_gen;        /* its policy's generation when it was read */
	const struct roam_gate *gate; /* that the draft gets, or NULL */
	struct draft_rest *rest;      /* what the caller does later, or NULL */
	/* What the draft will have. Rules get the ids from 1 on in this order, ports the numbers of
	 * their zones from place_port(). */
	struct roam_port ports[ROAM_VM_PORTS];
	int port_count;
	struct acl_list rules;
	uint64_t sets_digest; /* of the sets that they refer to, when those were looked at */
	struct roam_stats stats;
	struct state_features features;
	struct placing_flows waiting[ROAM_CT_KINDS];
	uint32_t batch;                     /* so many wait; 0: PLACE_FIRST */
	struct roam_vm image;               /* the VM's row in the image, for its quotas */
	uint32_t flow_count[ROAM_CT_KINDS]; /* rows of the image so far */
	struct excess late;                 /* rows that find no place */
	uint32_t left;                      /* flows that found none */
	/* While it works, the draft, `features` and `taken` are its own, and the rest is only read:
	 * in an image, flows come after all that a draft begins with. */
	struct behind behind;
	struct draft *draft;
	struct placing_flows taken;
	enum roam_ct_kind taken_kind;
};

int place_port(struct placing *placing, const struct roam_port *port);
/* One more for placing.rules, or another list; refuses more than a VM can have. */
int place_rule(struct acl_list *rules, const struct roam_acl_rec *rec);
/* After all ports and rules. */
int place_feature(struct placing *placing, enum schema_table_id table, const void *row);
/* After the last row of a table of a feature, or of flows. */
int place_table_end(struct placing *placing, enum schema_table_id table);
/* After all features. */
int place_flow(struct placing *placing, const struct roam_flow_rec *rec);

/*
 * The VM is there, or nothing has changed. -EBUSY if the policy that it keeps changed meanwhile. Of
 * a handover (placing.gate) what is late stays so, for its deltas.
 */
int place_publish(struct placing *placing);

/* Frees what waits, and the draft if it was not published. */
void place_close(struct placing *placing);

#endif
