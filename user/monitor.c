// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * `roam monitor`: events as they happen, an item a line, until a signal comes, nobody reads, or as
 * many as were asked for have been seen.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <bpf/bpf.h>
#include "cmd.h"
#include "monitor.h"
#include "text.h"
#include "vm.h"

#define POLL_MS 200

/* Set by signals. */
static volatile sig_atomic_t stopped;

static void stop(int number)
{
	(void)number;
	stopped = 1;
}

struct listening {
	struct cmd *cmd;
	const char *vm; /* NULL: all */
	struct monitor_want want;
	uint32_t count; /* events to wait for; 0: no end */
	uint32_t seen;
	uint64_t lost;       /* of those already told */
	int64_t realtime_ns; /* of CLOCK_REALTIME, less CLOCK_MONOTONIC */
};

/* ---- words ---- */

static int parse_event(struct listening *listening)
{
	const char *text;
	uint8_t type;
	int err = words_value(&listening->cmd->words, "event", &text);

	if (!err)
		err = text_enum_parse(&text_event, text, &type);
	if (!err)
		listening->want.events |= ROAM_EVENT_BIT(type);
	return err;
}

static int parse_number(struct words *words, const char *keyword, uint32_t *ret_value)
{
	const char *text;
	int err = words_value(words, keyword, &text);

	return err ? err : text_u32_parse(keyword, text, ret_value);
}

static int check_buffer(uint32_t bytes)
{
	if (bytes < 4096 || bytes > MONITOR_BUFFER_MAX || (bytes & (bytes - 1)))
		return fail(-EINVAL, "buffer %u is no power of two from 4096 to %u", bytes,
			    MONITOR_BUFFER_MAX);
	return 0;
}

static int parse_words(struct listening *listening)
{
	struct words *words = &listening->cmd->words;
	int err = 0;

	while (!err && words_peek(words)) {
		if (words_once(words, "vm"))
			err = words_value(words, "vm", &listening->vm);
		else if (words_take(words, "event"))
			err = parse_event(listening);
		else if (words_once(words, "count"))
			err = words_count(words, &listening->count);
		else if (words_once(words, "buffer"))
			err = parse_number(words, "buffer", &listening->want.buffer);
		else
			err = words_end(words);
	}
	if (!listening->want.events)
		listening->want.events = ROAM_EVENT_BIT(ROAM_EVENT_COUNT) - 1;
	return err ? err : check_buffer(listening->want.buffer);
}

/* ---- events ---- */

/* ISO 8601 with microseconds, UTC. */
static void show_time(struct out *out, uint64_t time_ns)
{
	time_t seconds = time_ns / NS_PER_S;
	char text[64], fraction[16];
	struct tm tm;

	strftime(text, sizeof(text) - sizeof(fraction), "%Y-%m-%dT%H:%M:%S",
		 gmtime_r(&seconds, &tm));
	snprintf(fraction, sizeof(fraction), ".%06uZ", (unsigned int)(time_ns % NS_PER_S / 1000));
	strcat(text, fraction);
	out_text(out, "at", text);
}

static void show_packet(struct out *out, const struct roam_event *event)
{
	const struct roam_flow_key *key = &event->key;
	char text[TEXT_ADDR_LEN], proto[4];

	if (!key->family) /* not IP, or not right */
		return;
	out_text(out, "proto", text_proto(key->proto, proto));
	out_text(out, "local", text_addr(&key->local, text));
	out_number(out, "lport", ntohs(key->lport));
	out_text(out, "remote", text_addr(&key->remote, text));
	out_number(out, "rport", ntohs(key->rport));
	if (key->zone & ROAM_VLAN_MASK)
		out_text(out, "vlan", text_vlan(key->zone & ROAM_VLAN_MASK, text));
}

static void show_rule(struct cmd *cmd, const struct roam_event *event)
{
	_cleanup_close_ int fd = -1;
	struct roam_acl_rule rule;

	if (event->rule == ROAM_RULE_NONE)
		return;
	fd = host_inner(cmd->host, HOST_MAP_acl_policy, event->vm);
	if (fd >= 0 && !bpf_map_lookup_elem(fd, &event->rule, &rule))
		out_text(cmd->out, "rule", rule.name);
}

static int show_event(const struct roam_event *event, void *arg)
{
	struct listening *listening = arg;
	struct out *out = listening->cmd->out;
	struct roam_vm vm = {};

	if (event->vm != ROAM_VM_NONE)
		vm_get(listening->cmd->host, event->vm, &vm);
	out_item(out);
	show_time(out, event->time_ns + listening->realtime_ns);
	out_bare(out, "event", text_enum_name(&text_event, event->type));
	out_text(out, "vm", vm.name[0] ? vm.name : "-");
	if (event->type != ROAM_EVENT_LOADED) {
		out_bare(out, "dir", text_enum_name(&text_dir, event->dir));
		out_text(out, "reason", text_enum_name(&text_reason, event->reason));
		show_packet(out, event);
		show_rule(listening->cmd, event);
		out_number(out, "bytes", event->len);
	}
	out_item_end(out);
	return listening->count && ++listening->seen == listening->count ? -ECANCELED : 0;
}

static void show_lost(struct listening *listening, const struct monitor *monitor)
{
	uint64_t lost = monitor_lost(monitor);

	if (lost == listening->lost)
		return;
	out_item(listening->cmd->out);
	out_bare(listening->cmd->out, "event", "lost");
	out_number(listening->cmd->out, "events", lost - listening->lost);
	out_item_end(listening->cmd->out);
	listening->lost = lost;
}

static int listen_on(struct listening *listening, struct monitor *monitor)
{
	int err = 0;

	while (!err && !stopped) {
		err = monitor_poll(monitor, POLL_MS, show_event, listening);
		if (err == -EINTR)
			err = 0;
		show_lost(listening, monitor);
		if (!err && !out_flush())
			err = -ECANCELED;
		if (!err)
			err = host_check(listening->cmd->host);
	}
	return err == -ECANCELED ? 0 : err;
}

static int64_t realtime_offset(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * (int64_t)NS_PER_S + now.tv_nsec - (int64_t)now_ns();
}

static int monitor_show_cmd(struct cmd *cmd)
{
	struct listening listening = {
		.cmd = cmd,
		.want = { .buffer = MONITOR_BUFFER_DEFAULT },
		.realtime_ns = realtime_offset(),
	};
	struct sigaction action = { .sa_handler = stop };
	_cleanup_monitor_ struct monitor *monitor = NULL;
	int err = parse_words(&listening);

	if (!err)
		err = cmd_host(cmd);
	if (!err && listening.vm)
		err = vm_find(cmd->host, listening.vm, &listening.want.vm);
	if (err)
		return err;
	stopped = 0;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	err = monitor_open(cmd->host, &listening.want, &monitor);
	return err ? err : listen_on(&listening, monitor);
}

static const struct verb verbs[] = {
	{ "show", "[vm NAME] [event TYPE] ... [count N] [buffer BYTES]",
	  "events as they happen: opened, closed, dropped, limit, blocked, loaded, logged, audited",
	  monitor_show_cmd },
};

const struct object object_monitor = { "monitor", "what happens, as it happens", verbs,
				       ARRAY_SIZE(verbs) };
