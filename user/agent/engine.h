/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The machines' engine: a worker thread a handover, which drives libroam's (move.h). What the
 * machine begins waits in a queue; what the worker has to say comes back by events.h.
 */
#ifndef ROAM_AGENT_ENGINE_H
#define ROAM_AGENT_ENGINE_H

#include "agent.h"

extern const struct handover_engine engine_ops;

/* Fills h->vm from this host: what an OFFER says. */
int engine_describe(struct agent *agent, const char *vm, struct handover_vm *ret_vm);
/* Maps the gates for the loop. */
int engine_open(struct agent *agent);
void engine_close(struct agent *agent);

/* Data of the worker have left, or went nowhere: frees them, and lets it make more. */
void engine_sent(struct entry *entry, void *bytes, size_t size);
/* The connection is another one, or none: nobody waits for the old one any more. */
void engine_link_changed(struct entry *entry);
/*
 * Whether the network is to wait for the worker: too much of what came does. `waits`: it does so
 * already, until half of that is left.
 */
bool engine_is_full(struct entry *entry, bool waits);
uint32_t engine_number(const struct entry *entry);
/* The worker ends when what it is at is done; EVENT_GONE says so. */
void engine_end(struct entry *entry);
/* Waits for it, and frees it. */
void engine_free(struct entry *entry);

#endif
