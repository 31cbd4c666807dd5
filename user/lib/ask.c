// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Asking policy about live flows: see ask.h. */
#include <bpf/bpf.h>
#include <roam/ask.h>
#include "ask.h"
#include "ct.h"
#include "vm.h"

struct ask {
	struct host *host;
	struct roam_vm vm;
	uint64_t now_ns;
	struct ask_answer answer;
	struct roam_ask_run run;
};

static int ask_some(struct ask *ask)
{
	uint8_t frame[64] = {}; /* any will do */
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame));
	uint32_t zero = 0, count = ask->run.count;
	int err = count ? host_put(ask->host, HOST_MAP_ask_run, &zero, &ask->run) : 0;

	if (err || !count)
		return err;
	if (bpf_prog_test_run_opts(host_prog(ask->host, HOST_PROG_ask_flows), &opts))
		return fail_errno(-errno, "acl: cannot ask about flows");
	err = host_get(ask->host, HOST_MAP_ask_run, &zero, &ask->run);
	for (uint32_t i = 0; i < count && !err; i++) {
		ask->answer.stay += ask->run.flows[i].admitted;
		ask->answer.end += !ask->run.flows[i].admitted;
	}
	ask->run.count = 0;
	return err;
}

/* Learned flows are not asked about while the VM learns. */
static bool is_admitted(const struct ask *ask, const struct roam_flow *flow)
{
	return flow->gen == ask->vm.gen ||
	       ((flow->flags & ROAM_FLOW_LEARNED) && (ask->vm.features & ROAM_VM_LEARN) &&
		(int64_t)(ask->vm.learn_until_ns - ask->now_ns) > 0);
}

static int ask_rows(const struct roam_flow_rec *rows, uint32_t count, void *arg)
{
	struct ask *ask = arg;
	int err = 0;

	for (uint32_t i = 0; i < count && !err; i++) {
		const struct roam_flow *flow = &rows[i].flow;

		if (ct_flow_expired(&ask->vm.timeouts, flow, ask->now_ns))
			continue;
		ask->answer.live++;
		if (is_admitted(ask, flow)) {
			ask->answer.stay++;
			continue;
		}
		ask->run.flows[ask->run.count++] = (struct roam_ask_flow){
			.key = rows[i].key,
			.open_dir = flow->open_dir,
			.open_tcp_flags = flow->open_tcp_flags,
			.open_icmp_type = flow->open_icmp_type,
			.open_icmp_code = flow->open_icmp_code,
			.either_dir = !!(flow->flags & ROAM_FLOW_EITHER_DIR),
		};
		if (ask->run.count == ROAM_ASK_FLOWS)
			err = ask_some(ask);
	}
	return err;
}

int ask_flows(struct host *host, uint32_t slot, struct ask_answer *ret_answer)
{
	_cleanup_free_ struct ask *ask = calloc(1, sizeof(*ask));
	int err;

	if (!ask)
		return fail(-ENOMEM, "acl: out of memory");
	ask->host = host;
	ask->now_ns = now_ns();
	err = vm_get(host, slot, &ask->vm);
	ask->run.vm = slot;
	ask->run.default_action[0] = ask->vm.default_action[0];
	ask->run.default_action[1] = ask->vm.default_action[1];
	if (!err)
		err = ct_dump(host, slot, ask_rows, ask);
	if (!err)
		err = ask_some(ask);
	if (!err)
		*ret_answer = ask->answer;
	return err;
}
