// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Move anywhere: a random trace runs through one host to its end. After every packet its image is
 * saved; each image is loaded into another host (other slot, other device, other uptime) and the
 * rest of the trace runs there. Every verdict, every counter and the final state must be those of
 * the run that never moved. Where time is dear (TEST_SOAK below 1), not after every packet.
 *
 * The same with every step of a handover: a base somewhere, deltas here and there, and after every
 * packet a freeze with its last delta and a thaw; whatever was made until then is applied
 * elsewhere, where the VM's next frame opens it.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "acl.h"
#include "draft.h"
#include "final.h"
#include "harness.h"
#include "hosts.h"
#include "image_parts.h"
#include "ips.h"
#include "lb.h"
#include "move.h"
#include "qos.h"
#include "state.h"
#include "trace.h"
#include "vm.h"

#define TRACES       3
#define UPTIME_HERE  (500000 * SECOND)
#define UPTIME_THERE (3 * SECOND) /* ages of flows exceed it */

static int save(struct test_host *host, struct image_bytes *image)
{
	struct state_save save = {
		.vm = "vm",
		.now_ns = host->now_ns,
		.write = image_bytes_write,
		.arg = image,
	};

	return state_save(host->host, &save);
}

static int load(struct test_host *host, struct image_bytes *image)
{
	struct state_dev dev = { .dev = host->dev };
	struct state_load load = {
		.devs = &dev,
		.dev_count = 1,
		.exact = true, /* the trace stands still while it moves */
		.now_ns = host->now_ns,
		.read = image_bytes_read,
		.arg = image,
	};
	struct state_loaded loaded;

	memcpy(dev.mac, cast_vm_mac, ROAM_MAC_LEN);
	return state_load(host->host, &load, &loaded);
}

/* Runs one packet at its time; its verdict is noted, or must be the one that was. */
static void run_packet(struct test_host *host, struct traced *traced, uint64_t uptime, bool noting)
{
	enum roam_verdict verdict;

	host->now_ns = uptime + traced->at_ns;
	verdict = hosts_run(host, traced->front, traced->dir, &traced->packet);
	if (noting) {
		traced->verdict = verdict;
		traced->answered = host->answered;
		traced->after = host->after;
		return;
	}
	CHECK_EQ(verdict, traced->verdict);
	CHECK_EQ(host->answered, traced->answered);
	if (verdict != ROAM_PASS && !traced->answered)
		return;
	CHECK_EQ(host->after.len, traced->after.len);
	CHECK_MEM(host->after.bytes, traced->after.bytes, traced->after.len);
}

static void move_after(struct test_host *there, struct traced *trace, struct image_bytes *image,
		       int k)
{
	there->now_ns = UPTIME_THERE + trace[k].at_ns;
	if (!CHECK_OK(load(there, image))) {
		note("%s", fail_line());
		return;
	}
	for (int i = k + 1; i < TRACE_LEN; i++)
		run_packet(there, &trace[i], UPTIME_THERE, false);
}

/* For a part of the trace; what it has learned is then matched. */
static void learn(struct test_host *host, uint32_t slot)
{
	struct roam_vm vm;

	CHECK_OK(vm_get(host->host, slot, &vm));
	vm.learn_until_ns = UPTIME_HERE + pick(300) * SECOND;
	CHECK_OK(vm_put(host->host, slot, &vm));
	CHECK_OK(vm_sync_features(host->host, slot));
}

/* Rules that look at more than a tuple, before those that every VM of these tests has. */
static void add_rules(struct test_host *host, uint32_t slot)
{
	const struct roam_port_range any = { 0, UINT16_MAX };
	struct roam_acl_rule syn = {
		.name = "syn",
		.prio = 1,
		.action = ROAM_ACTION_ALLOW,
		.proto = IPPROTO_TCP,
		.tcp_flags = ROAM_TCP_SYN,
		.log = pick(3),
		.conns = pick(4),
		.perremote = pick(4),
		.tcp_mask = pick(2) ? ROAM_TCP_SYN | ROAM_TCP_PSH : ROAM_TCP_SYN,
		.lport = { 40000, 40000 },
		.rport = any,
	};
	struct roam_acl_rule ping = {
		.name = "ping",
		.prio = 1,
		.action = pick(2) ? ROAM_ACTION_ALLOW : ROAM_ACTION_AUDIT,
		.family = 4,
		.proto = IPPROTO_ICMP,
		.has_icmp_type = 1,
		.icmp_type = 8,
		.has_icmp_code = pick(2),
		.lport = any,
		.rport = any,
	};

	struct roam_acl_rule loose = {
		.name = "loose",
		.action = ROAM_ACTION_ALLOW,
		.stateless = 1,
		.dir = pick(2),
		.proto = pick(2) ? IPPROTO_TCP : IPPROTO_UDP,
		.lport = { 40001, 40001 },
		.rport = any,
	};

	struct roam_acl_rule no = {
		.name = "no",
		.prio = 50,
		.action = ROAM_ACTION_REJECT,
		.dir = pick(2),
		.any_proto = 1,
		.lport = any,
		.rport = any,
	};

	if (pick(2))
		CHECK_OK(acl_add(host->host, slot, &no));
	if (pick(2))
		CHECK_OK(acl_add(host->host, slot, &loose));
	if (pick(3))
		CHECK_OK(acl_add(host->host, slot, &syn));
	if (pick(3))
		CHECK_OK(acl_add(host->host, slot, &ping));
}

/* A rate that a trace exceeds now and then, and a mark; a limit on new connections. */
static void add_features(struct test_host *host)
{
	struct roam_qos conf = {
		.is_set = 1,
		.rate_Bps = 50 * ROAM_QOS_RATE_MIN,
		.burst = ROAM_QOS_BURST_MIN,
		.has_dscp = pick(2),
		.dscp = 46,
	};
	struct roam_ips ips = ips_defaults();
	uint32_t slot;

	CHECK_OK(vm_find(host->host, "vm", &slot));
	if (!pick(3))
		learn(host, slot);
	add_rules(host, slot);
	if (pick(4))
		CHECK_OK(lb_use(host->host, slot, true));
	ips.rate = 1 + pick(2);
	ips.burst = 1;
	ips.block_s = 5 + pick(60);
	ips.sources = ips.blocks = ROAM_IPS_QUOTA_MIN;
	if (pick(4))
		CHECK_OK(ips_set(host->host, slot, &ips));
	for (int dir = 0; dir < ROAM_DIR_COUNT; dir++) {
		if (pick(2))
			CHECK_OK(qos_set(host->host, slot, dir, &conf));
	}
}

static void one_trace(struct test_host *here, struct test_host *there)
{
	static struct traced trace[TRACE_LEN];
	static struct final expected, found;
	struct image_bytes images[TRACE_LEN] = {};
	int step = harness_step(), first = pick(step);

	trace_make(trace);
	hosts_add_vm(here);
	add_features(here);
	for (int k = 0; k < TRACE_LEN; k++) {
		run_packet(here, &trace[k], UPTIME_HERE, true);
		if (k % step == first)
			CHECK_OK(save(here, &images[k]));
	}
	if (!final_collect(here, &expected))
		return;
	for (int k = first; k < TRACE_LEN && !harness_stopped(); k += step) {
		move_after(there, trace, &images[k], k);
		if (final_collect(there, &found))
			final_compare(&expected, &found);
		CHECK_OK(vm_del(there->host, "vm"));
		if (harness_stopped())
			note("moved after packet %d", k);
	}
	CHECK_OK(vm_del(here->host, "vm"));
	for (int k = 0; k < TRACE_LEN; k++)
		image_bytes_free(&images[k]);
}

/* ---- by a handover ---- */

#define DELTAS_MAX                                                                                 \
	3 /* after one packet: perhaps an ordinary one, then the last one, in one piece */

/* What a source has made after one packet. */
struct made {
	struct image_bytes base;
	struct image_bytes delta[DELTAS_MAX];
	int deltas;
};

static struct image_bytes *new_image(struct image_bytes *image)
{
	image->len = image->read = 0; /* of one that had nothing to say */
	return image;
}

/* A delta that has nothing to say is none. */
static void keep_delta(struct made *made, const struct move_stats *stats)
{
	if (stats->sequence)
		made->deltas++;
	CHECK(!stats->more);
}

/*
 * Perhaps a delta, now and then of all there is, and always a last one, after which the VM goes on:
 * what is made of it later is made of a source that thawed.
 */
static void make_deltas(struct test_host *here, struct move_source *source, struct made *made)
{
	struct move_stats stats;

	if (!pick(8))
		move_unlogged(here->host, move_source_slot(source));
	if (pick(2)) {
		CHECK_OK(move_source_delta(source, image_bytes_write,
					   new_image(&made->delta[made->deltas]), &stats));
		keep_delta(made, &stats);
	}
	CHECK_OK(move_source_freeze(source));
	CHECK_OK(move_source_last(source, image_bytes_write, new_image(&made->delta[made->deltas]),
				  &stats));
	keep_delta(made, &stats);
	CHECK_OK(move_source_thaw(source));
}

static int take_delta(struct move_dest *dest, struct image_bytes *image)
{
	image->read = 0;
	return move_dest_delta(dest, image_bytes_read, image);
}

/* All that was made up to packet k, in order; what is out of order is refused and harmless. */
static void take_deltas(struct move_dest *dest, struct made *made, int base, int k)
{
	for (int i = base; i <= k; i++) {
		for (int j = 0; j < made[i].deltas; j++) {
			if (!pick(16) && j + 1 < made[i].deltas)
				CHECK_EQ(take_delta(dest, &made[i].delta[j + 1]), -EILSEQ);
			if (!CHECK_OK(take_delta(dest, &made[i].delta[j])))
				note("%s", fail_line());
			if (!pick(16))
				CHECK_OK(take_delta(dest, &made[i].delta[j]));
		}
	}
}

static void hand_over_after(struct test_host *there, struct traced *trace, struct made *made,
			    int base, int k)
{
	struct state_dev dev = { .dev = there->dev };
	struct move_dest_options options = {
		.devs = &dev,
		.dev_count = 1,
		.now_ns = UPTIME_THERE + trace[base].at_ns,
	};
	_cleanup_move_dest_ struct move_dest *dest = NULL;

	memcpy(dev.mac, cast_vm_mac, ROAM_MAC_LEN);
	made[base].base.read = 0;
	if (!CHECK_OK(move_dest_base(there->host, &options, image_bytes_read, &made[base].base,
				     &dest))) {
		note("%s", fail_line());
		return;
	}
	there->now_ns = UPTIME_THERE + trace[k].at_ns;
	take_deltas(dest, made, base, k);
	CHECK_OK(move_dest_ready(dest, true));
	for (int i = k + 1; i < TRACE_LEN; i++)
		run_packet(there, &trace[i], UPTIME_THERE, false);
}

static void free_made(struct made *made)
{
	for (int k = 0; k < TRACE_LEN; k++) {
		image_bytes_free(&made[k].base);
		for (int i = 0; i < DELTAS_MAX; i++)
			image_bytes_free(&made[k].delta[i]);
	}
}

/* The trace at the source, which never moves; its VM is copied from packet `base` on. */
static void run_source(struct test_host *here, struct traced *trace, struct made *made, int base)
{
	struct move_source_options options = { .id = { 7 }, .round_ms = 1 + pick(20) };
	_cleanup_move_source_ struct move_source *source = NULL;

	for (int k = 0; k < TRACE_LEN; k++) {
		run_packet(here, &trace[k], UPTIME_HERE, true);
		if (k < base)
			continue;
		if (k == base) {
			CHECK_OK(move_source_open(here->host, "vm", &options, &source));
			move_source_at(source, here->now_ns);
			CHECK_OK(move_source_base(source, image_bytes_write,
						  new_image(&made[k].base)));
		}
		if (!harness_stopped())
			make_deltas(here, source, &made[k]);
	}
	CHECK(!move_source_thawed(source));
}

static void one_handover(struct test_host *here, struct test_host *there)
{
	static struct traced trace[TRACE_LEN];
	static struct final expected, found;
	struct made made[TRACE_LEN] = {};
	int base = (int)pick(TRACE_LEN / 2), step = harness_step();

	trace_make(trace);
	hosts_add_vm(here);
	add_features(here);
	run_source(here, trace, made, base);
	if (!final_collect(here, &expected))
		return;
	for (int k = base + (int)pick(step); k < TRACE_LEN && !harness_stopped(); k += step) {
		hand_over_after(there, trace, made, base, k);
		if (final_collect(there, &found))
			final_compare(&expected, &found);
		CHECK_OK(vm_del(there->host, "vm"));
		if (harness_stopped())
			note("base after packet %d, moved after packet %d", base, k);
	}
	CHECK_OK(vm_del(here->host, "vm"));
	free_made(made);
}

/* Somebody else's VM takes the first slot there, so that the numbers differ. */
static void take_first_slot(struct test_host *host)
{
	struct roam_vm vm = {
		.name = "other",
		.life = ROAM_LIFE_ACTIVE,
		.quota_flows = ROAM_QUOTA_MIN,
		.quota_half = ROAM_QUOTA_MIN,
	};
	struct draft *draft;

	CHECK_OK(draft_open(host->host, &vm, ROAM_VM_NONE, &draft));
	CHECK_OK(draft_publish(draft));
	draft_close(draft);
}

static void both_hosts(void (*run)(struct test_host *here, struct test_host *there))
{
	/* Shorter runs have as many traces, with fewer moves. */
	unsigned rounds = harness_step() > 1 ? TRACES : harness_rounds(TRACES);
	struct test_host here, there;
	static bool entered;

	srandom(harness_seed());
	if (!entered)
		hosts_enter();
	entered = true;
	hosts_make("here", &here);
	hosts_make("there", &there);
	take_first_slot(&there);
	trace_add_services(&here);
	trace_add_services(&there);
	for (unsigned i = 0; i < rounds && !harness_stopped(); i++)
		run(&here, &there);
	hosts_remove(&here);
	hosts_remove(&there);
}

TEST(move_anywhere)
{
	both_hosts(one_trace);
}

TEST(hand_over_anywhere)
{
	both_hosts(one_handover);
}
