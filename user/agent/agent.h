/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * roamd: what its parts share. One thread runs the loop and owns all of this but the workers, which
 * do what takes time for one handover each (engine.h). Packets never wait for any of it.
 *
 *   main.c     starts, reads signals, ends           config.c   the file
 *   agent.c    the handovers of this host            record.c   their journal
 *   expect.c   which VMs may come
 *   engine.c   a worker and libroam's engine         events.c   from workers to the loop
 *   link.c     a connection to a peer                tls.c      who is a peer
 *   control.c  the CLI's socket                      report.c   what is told of a handover
 *   metrics.c  Prometheus                            say.c      the log
 */
#ifndef ROAM_AGENT_H
#define ROAM_AGENT_H

#include <event2/event.h>
#include "config.h"
#include "machine.h"
#include "state.h"

struct link;
struct worker;
struct control;
struct agent;

/* A handover of this host, over or not. */
struct entry {
	struct handover h; /* h.owner is this */
	struct agent *agent;
	struct worker *worker; /* while there is work */
	uint32_t workers;
	struct link *link;
	int64_t ended; /* CLOCK_REALTIME, seconds; 0: not yet */
	/* Destination: which device a port gets. */
	struct state_dev devs[ROAM_VM_PORTS];
	char dev_names[ROAM_VM_PORTS][16];
	uint32_t dev_count;
	uint64_t over_ns;   /* since when it is over; 0: it is not */
	bool has_midstream; /* source: in place of the VM's own */
	struct entry *next;
};

/* A VM that may come, for that many seconds at most. */
#define EXPECT_MOST (7 * 24 * 3600)

struct expect {
	char vm[ROAM_NAME_LEN];
	char peer[ROAM_NAME_LEN];
	uint8_t id[HANDOVER_ID_LEN];
	bool has_id;
	uint64_t until_ns;
	struct state_dev devs[ROAM_VM_PORTS];
	char dev_names[ROAM_VM_PORTS][16];
	uint32_t dev_count;
	struct expect *next;
};

struct agent {
	struct config config;
	const char *config_file;
	struct event_base *base;
	struct host *host; /* the loop's own */
	void *gates;       /* of move_gate, mapped */
	struct ssl_ctx_st *tls;
	struct evconnlistener *listener;
	struct event *tick;
	struct entry *entries;
	struct expect *expects;
	struct link *links;
	struct control *controls;
	struct evconnlistener *control_listener;
	struct evhttp *http;
	struct events *events;
	uint32_t handshakes; /* connections that have not shown who they are */
	uint64_t late_ns;    /* when late packets are counted next */
	/* For metrics: handovers that ended, by role and reason. */
	uint64_t ended[HANDOVER_ROLE_COUNT][HANDOVER_REASON_COUNT];
	uint64_t refused_connections;
};

/* ---- agent.c ---- */

struct agent_start {
	const char *vm;
	const char *peer;
	uint8_t fence;
	bool check;
	bool has_midstream;
	uint8_t midstream;
	uint32_t anew; /* of struct handover */
	struct handover_options options;
};

int agent_start(struct agent *agent, const struct agent_start *start, struct entry **ret_entry);
/* The newest of the VM, over or not. */
struct entry *agent_find_vm(struct agent *agent, const char *vm);
struct entry *agent_find_id(struct agent *agent, const uint8_t id[HANDOVER_ID_LEN]);
/* An OFFER on a connection that belongs to no handover yet. -EAGAIN: later. */
int agent_offered(struct agent *agent, struct link *link, const struct message *message);
void agent_refuse(struct link *link, const struct message *offer, enum handover_reason reason,
		  const char *text);
void agent_load(struct agent *agent);
void agent_tick(struct agent *agent);
bool agent_is_idle(const struct agent *agent);
/* roamd ends: what only copies is given up, for the VM to be a usual one. */
void agent_end(struct agent *agent);
void agent_free(struct agent *agent);
/* A worker has ended. */
void agent_worker_gone(struct entry *entry, uint32_t number);

extern const struct handover_peer agent_ops;

/* ---- record.c: one file a handover, STATE/ID.json, written whole ---- */

/* Of a check nothing is kept: it says whether there would be room. -ENOSPC: there is not. */
int record_save(struct entry *entry);
int record_load(struct agent *agent, const char *file, struct entry **ret_entry);
void record_remove(struct entry *entry);
/* Removes what a process before this one was writing when it was killed. */
void record_tidy(const struct agent *agent, const char *file);

/* A file of the state's folder, whole or not at all. */
int record_write(const struct agent *agent, const char *path, const char *text);
/* [{"mac", "dev"}] */
struct json_t;
struct json_t *record_devs_out(const struct state_dev *devs, uint32_t count);
int record_devs_in(const struct json_t *rows, struct state_dev *devs, char (*names)[16],
		   uint32_t *ret_count);

/* ---- expect.c: kept in STATE/expected.json ---- */

/* In place of what was said of the VM before. On failure nothing has changed. */
int expect_add(struct agent *agent, const struct expect *expect);
/* Those of a VM, or, without one, those whose time is up. */
void expect_drop(struct agent *agent, const char *vm, uint64_t now);
const struct expect *expect_find(const struct agent *agent, const char *peer,
				 const struct message *offer);
void expect_load(struct agent *agent);
void expect_free(struct agent *agent);

/* ---- control.c ---- */

int control_open(struct agent *agent);
void control_close(struct agent *agent);
/* How copying goes, for who watches. */
void control_tick(struct agent *agent, uint64_t now);
/* Who waits for the one waits for the other. */
void control_move(struct entry *from, struct entry *to);
/* Nobody watches this handover any more. */
void control_forget(struct entry *entry);
/* Whoever watches this handover is told. */
void control_changed(struct entry *entry);

/* ---- report.c ---- */

struct json_t *report_entry(const struct entry *entry);
struct json_t *report_expect(const struct expect *expect);

/* ---- metrics.c ---- */

int metrics_open(struct agent *agent);
void metrics_close(struct agent *agent);

#endif
