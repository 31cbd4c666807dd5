// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What Prometheus asks for, on HTTP: /metrics, and /healthz, which says whether this host's pins
 * can be used. Nothing is changed by asking; the address should be one that only the monitoring
 * reaches.
 */
#include <string.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include "agent.h"
#include "ct.h"
#include "stats.h"
#include "text.h"
#include "vm.h"

#define BODY_MOST 1024

static void handovers(struct agent *agent, struct evbuffer *out)
{
	uint32_t now[HANDOVER_ROLE_COUNT][HANDOVER_STATE_COUNT] = {};

	for (const struct entry *entry = agent->entries; entry; entry = entry->next)
		now[entry->h.role][entry->h.state]++;
	evbuffer_add_printf(out,
			    "# HELP roam_handovers Handovers of this host, by where they are.\n"
			    "# TYPE roam_handovers gauge\n");
	for (int role = 0; role < HANDOVER_ROLE_COUNT; role++) {
		for (int state = 1; state < HANDOVER_STATE_COUNT; state++)
			evbuffer_add_printf(out, "roam_handovers{role=\"%s\",state=\"%s\"} %u\n",
					    text_enum_name(&text_handover_role, role),
					    text_enum_name(&text_handover_state, state),
					    now[role][state]);
	}
	evbuffer_add_printf(out,
			    "# HELP roam_handovers_ended_total Handovers that are over; reason "
			    "none: the VM has moved.\n"
			    "# TYPE roam_handovers_ended_total counter\n");
	for (int role = 0; role < HANDOVER_ROLE_COUNT; role++) {
		for (int reason = 0; reason < HANDOVER_REASON_COUNT; reason++) {
			if (reason && !agent->ended[role][reason])
				continue;
			evbuffer_add_printf(
				out, "roam_handovers_ended_total{role=\"%s\",reason=\"%s\"} %llu\n",
				text_enum_name(&text_handover_role, role),
				text_enum_name(&text_handover_reason, reason),
				(unsigned long long)agent->ended[role][reason]);
		}
	}
	evbuffer_add_printf(out,
			    "# HELP roam_refused_connections_total Connections of who is no peer.\n"
			    "# TYPE roam_refused_connections_total counter\n"
			    "roam_refused_connections_total %llu\n",
			    (unsigned long long)agent->refused_connections);
}

/* Counters of all VMs, read once; the families must not be mixed, so bytes wait for packets. */
struct families {
	struct evbuffer *packets;
	struct evbuffer *bytes;
	const char *vm;
};

static int put_counter(const struct roam_stats_rec *rec, void *arg)
{
	static const char *const form = "roam_%s_total{vm=\"%s\",dir=\"%s\",reason=\"%s\"} %llu\n";
	const struct families *to = arg;
	const char *dir = text_enum_name(&text_dir, rec->dir);
	const char *reason = text_enum_name(&text_reason, rec->reason);

	evbuffer_add_printf(to->packets, form, "packets", to->vm, dir, reason,
			    (unsigned long long)rec->packets);
	evbuffer_add_printf(to->bytes, form, "bytes", to->vm, dir, reason,
			    (unsigned long long)rec->bytes);
	return 0;
}

static int counters(struct host *host, uint32_t slot, void *arg)
{
	struct families *families = arg;
	struct roam_stats stats;
	struct roam_vm vm;

	if (vm_get(host, slot, &vm) || stats_fold(host, slot, &stats))
		return 0; /* gone meanwhile */
	families->vm = vm.name;
	return stats_each(&stats, put_counter, families);
}

static int fill(struct host *host, uint32_t slot, void *arg)
{
	struct evbuffer *out = arg;
	uint32_t used[ROAM_CT_KINDS];
	struct roam_vm vm;

	if (vm_get(host, slot, &vm) || ct_used(host, slot, used))
		return 0;
	evbuffer_add_printf(out,
			    "roam_flows{vm=\"%s\",kind=\"established\"} %u\n"
			    "roam_flows{vm=\"%s\",kind=\"half\"} %u\n",
			    vm.name, used[ROAM_CT_FLOWS], vm.name, used[ROAM_CT_HALF]);
	return 0;
}

static int quota(struct host *host, uint32_t slot, void *arg)
{
	struct evbuffer *out = arg;
	struct roam_vm vm;

	if (!vm_get(host, slot, &vm))
		evbuffer_add_printf(out,
				    "roam_flows_quota{vm=\"%s\",kind=\"established\"} %u\n"
				    "roam_flows_quota{vm=\"%s\",kind=\"half\"} %u\n",
				    vm.name, vm.quota_flows, vm.name, vm.quota_half);
	return 0;
}

static void vms(struct agent *agent, struct evbuffer *out)
{
	struct families families = { .packets = out, .bytes = evbuffer_new() };

	if (!families.bytes)
		return;
	evbuffer_add_printf(out, "# HELP roam_packets_total Packets of VMs by reason.\n"
				 "# TYPE roam_packets_total counter\n");
	evbuffer_add_printf(families.bytes, "# HELP roam_bytes_total Bytes of VMs by reason.\n"
					    "# TYPE roam_bytes_total counter\n");
	(void)vm_each(agent->host, counters, &families);
	evbuffer_add_buffer(out, families.bytes);
	evbuffer_free(families.bytes);
	evbuffer_add_printf(out, "# HELP roam_flows Tracked flows of VMs.\n"
				 "# TYPE roam_flows gauge\n");
	(void)vm_each(agent->host, fill, out);
	evbuffer_add_printf(out, "# HELP roam_flows_quota How many there may be.\n"
				 "# TYPE roam_flows_quota gauge\n");
	(void)vm_each(agent->host, quota, out);
}

static void reply(struct evhttp_request *request, int code, struct evbuffer *out)
{
	evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
			  "text/plain; version=0.0.4; charset=utf-8");
	evhttp_send_reply(request, code, code == HTTP_OK ? "OK" : "Service Unavailable", out);
	evbuffer_free(out);
}

static void on_metrics(struct evhttp_request *request, void *arg)
{
	struct agent *agent = arg;
	struct evbuffer *out = evbuffer_new();

	if (!out)
		return;
	handovers(agent, out);
	vms(agent, out);
	reply(request, HTTP_OK, out);
}

static int no_more(struct host *host, uint32_t slot, void *arg)
{
	(void)host;
	(void)slot;
	(void)arg;
	return 1;
}

static void on_health(struct evhttp_request *request, void *arg)
{
	struct agent *agent = arg;
	struct evbuffer *out = evbuffer_new();
	int err;

	if (!out)
		return;
	err = access(agent->config.bpffs, F_OK) ? -errno : host_check(agent->host);
	if (!err)
		err = vm_each(agent->host, no_more, NULL);
	evbuffer_add_printf(out, "%s\n", err < 0 ? "the host's tables cannot be read" : "ok");
	reply(request, err < 0 ? HTTP_SERVUNAVAIL : HTTP_OK, out);
}

int metrics_open(struct agent *agent)
{
	const struct config_addr *at = &agent->config.metrics;
	_cleanup_close_ int fd = -1;
	const int one = 1;

	if (!at->len)
		return 0;
	fd = socket(at->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (const struct sockaddr *)&at->addr, at->len) || listen(fd, 16))
		return fail_errno(-errno, "roamd: cannot listen for metrics");
	agent->http = evhttp_new(agent->base);
	if (!agent->http)
		return fail(-ENOMEM, "roamd: out of memory");
	evhttp_set_allowed_methods(agent->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_max_headers_size(agent->http, 8192);
	evhttp_set_max_body_size(agent->http, BODY_MOST);
	evhttp_set_timeout(agent->http, 10);
	evhttp_set_cb(agent->http, "/metrics", on_metrics, agent);
	evhttp_set_cb(agent->http, "/healthz", on_health, agent);
	if (evhttp_accept_socket(agent->http, fd))
		return fail(-EIO, "roamd: cannot listen for metrics");
	(void)TAKE_FD(fd);
	return 0;
}

void metrics_close(struct agent *agent)
{
	if (agent->http)
		evhttp_free(agent->http);
	agent->http = NULL;
}
