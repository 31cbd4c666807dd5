// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * roamd: handovers between hosts, metrics, and nothing that a packet needs. Killed at any moment,
 * it goes on from its journal and from what is pinned.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <bpf/libbpf.h>
#include <systemd/sd-daemon.h>
#include "agent.h"
#include "engine.h"
#include "events.h"
#include "link.h"
#include "say.h"
#include "tls.h"

#define CONFIG_FILE "/etc/roam/roamd.yaml"
/* While a handover is under way; what packets do is seen that soon. */
#define TICK_US 5000
/* And when there is none. */
#define IDLE_US 200000
#define END_NS  (3 * NS_PER_S)

static void notify(const char *state)
{
	const int err = sd_notify(0, state);

	if (err < 0)
		say(SAY_WARNING, "cannot tell the service manager: %s", strerror(-err));
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct agent *agent = arg;
	struct timeval next = { .tv_usec = IDLE_US };

	(void)fd;
	(void)what;
	agent_tick(agent);
	if (!agent_is_idle(agent))
		next.tv_usec = TICK_US;
	evtimer_add(agent->tick, &next);
}

/* Peers, limits and certificates; where it listens stays. */
static void on_hup(evutil_socket_t fd, short what, void *arg)
{
	struct agent *agent = arg;
	struct config config, before = agent->config;

	(void)fd;
	(void)what;
	if (config_read(agent->config_file, &config)) {
		say(SAY_ERROR, "%s; nothing has changed", fail_line());
		return;
	}
	agent->config.peers = config.peers;
	agent->config.peer_count = config.peer_count;
	agent->config.rate_mbps = config.rate_mbps;
	agent->config.handovers = config.handovers;
	agent->config.handshakes = config.handshakes;
	memcpy(agent->config.certificate, config.certificate, sizeof(config.certificate));
	memcpy(agent->config.key, config.key, sizeof(config.key));
	memcpy(agent->config.ca, config.ca, sizeof(config.ca));
	if (tls_load(agent)) {
		say(SAY_ERROR, "%s; nothing has changed", fail_line());
		agent->config = before;
		config_free(&config);
		return;
	}
	config_free(&before);
	say(SAY_INFO, "%u peers", agent->config.peer_count);
}

static void on_end(evutil_socket_t fd, short what, void *arg)
{
	struct agent *agent = arg;

	(void)fd;
	(void)what;
	event_base_loopbreak(agent->base);
}

/* What only copies is given up; the rest goes on when roamd is here again. */
static void end(struct agent *agent)
{
	const uint64_t until = now_ns() + END_NS;

	notify("STOPPING=1");
	agent_end(agent);
	while (now_ns() < until) {
		bool busy = false;

		for (struct entry *entry = agent->entries; entry; entry = entry->next)
			busy |= entry->h.state == HANDOVER_ABORTING && !entry->h.settled &&
				!entry->h.held;
		if (!busy)
			break;
		event_base_loop(agent->base, EVLOOP_ONCE);
	}
}

static int open_all(struct agent *agent)
{
	const struct timeval soon = { .tv_usec = TICK_US };
	int err;

	if (mkdir(agent->config.state, 0700) && errno != EEXIST)
		return fail_errno(-errno, "roamd: %s", agent->config.state);
	err = engine_open(agent);
	if (!err)
		err = tls_load(agent);
	if (!err)
		err = events_open(agent);
	if (!err)
		err = link_listen(agent);
	if (!err)
		err = control_open(agent);
	if (!err)
		err = metrics_open(agent);
	if (err)
		return err;
	agent->tick = evtimer_new(agent->base, on_tick, agent);
	if (!agent->tick || evtimer_add(agent->tick, &soon))
		return fail(-ENOMEM, "roamd: out of memory");
	agent_load(agent);
	return 0;
}

static void close_all(struct agent *agent)
{
	metrics_close(agent);
	if (agent->control_listener)
		control_close(agent);
	links_close(agent);
	agent_free(agent);
	events_close(agent);
	if (agent->tick)
		event_free(agent->tick);
	tls_close(agent);
	engine_close(agent);
}

static int run(struct agent *agent)
{
	struct event *term = evsignal_new(agent->base, SIGTERM, on_end, agent);
	struct event *interrupt = evsignal_new(agent->base, SIGINT, on_end, agent);
	struct event *hup = evsignal_new(agent->base, SIGHUP, on_hup, agent);
	int err = term && interrupt && hup ? 0 : fail(-ENOMEM, "roamd: out of memory");

	if (!err && (event_add(term, NULL) || event_add(interrupt, NULL) || event_add(hup, NULL)))
		err = fail(-ENOMEM, "roamd: out of memory");
	if (!err)
		err = open_all(agent);
	if (!err) {
		say(SAY_INFO, "ready, as %s, %u peers", agent->config.name,
		    agent->config.peer_count);
		notify("READY=1");
		event_base_dispatch(agent->base);
		end(agent);
	}
	close_all(agent);
	if (term)
		event_free(term);
	if (interrupt)
		event_free(interrupt);
	if (hup)
		event_free(hup);
	return err;
}

static int usage(void)
{
	fprintf(stderr, "usage: roamd [-c FILE] [-t]\n\n"
			"  -c FILE  the configuration (" CONFIG_FILE ")\n"
			"  -t       only looks whether it is right\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct agent agent = { .config_file = CONFIG_FILE };
	bool test = false;
	int option, err;

	while ((option = getopt(argc, argv, "c:t")) != -1) {
		if (option == 'c')
			agent.config_file = optarg;
		else if (option == 't')
			test = true;
		else
			return usage();
	}
	if (optind < argc)
		return usage();
	libbpf_set_print(NULL);
	signal(SIGPIPE, SIG_IGN);
	err = config_read(agent.config_file, &agent.config);
	if (!err && !test) {
		say_as_json(agent.config.log_json);
		/* Workers do not touch libevent: they write to a descriptor. */
		agent.base = event_base_new();
		err = agent.base ? run(&agent) : fail(-ENOMEM, "roamd: out of memory");
		if (agent.base)
			event_base_free(agent.base);
	}
	if (err)
		say(SAY_ERROR, "%s", fail_line());
	config_free(&agent.config);
	libevent_global_shutdown();
	return err ? 1 : 0;
}
