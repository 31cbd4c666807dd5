/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A connection to a peer: TLS, frames, and who it is. It belongs to no handover until the first
 * message with an id; from then on to that one alone. A peer that says nothing for a while is taken
 * for gone.
 */
#ifndef ROAM_AGENT_LINK_H
#define ROAM_AGENT_LINK_H

#include "agent.h"

/* Connects to the entry's peer; the machine is told when both have said HELLO. */
void link_connect(struct entry *entry);
/* One that came in; takes the descriptor. */
void link_accept(struct agent *agent, int fd);
int link_listen(struct agent *agent);

void link_send(struct link *link, const struct message *message);
/* Takes the bytes, which engine_sent() gets back. */
void link_send_data(struct link *link, void *bytes, size_t size);
/* The machine is told nothing. What was sent goes out yet. */
void link_end(struct link *link);
/* The same at once. */
void link_free(struct link *link);

/* From now on this connection is that handover's; an older one ends. */
void link_bind(struct link *link, struct entry *entry);
struct entry *link_entry(const struct link *link);
const char *link_peer(const struct link *link);
/* Those that have said nothing for too long, or have an OFFER that must wait. */
void links_close(struct agent *agent);
void links_tick(struct agent *agent, uint64_t now);

#endif
