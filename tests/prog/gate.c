// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The gate of a VM on its way between two hosts (bpf/move.bpf.c): what passes in each state, who
 * opens and thaws it and who does not, races between packets and user space, and that what policy
 * forbids gets through in no state.
 */
#include <pthread.h>
#include <string.h>
#include <linux/bpf.h>
#include <bpf/bpf.h>
#include "harness.h"
#include "hosts.h"
#include "move_own.h"
#include "stats.h"
#include "vm.h"

#define SECOND 1000000000ULL

struct gated {
	struct test_host *host;
	struct move_maps maps;
	struct roam_gate *gate;
	uint32_t slot;
};

static void gated_setup(struct gated *self)
{
	self->host = hosts_shared();
	self->host->now_ns = 1000 * SECOND;
	hosts_add_vm(self->host);
	CHECK_OK(vm_find(self->host->host, "vm", &self->slot));
	CHECK_OK(move_maps_open(&self->maps, self->host->host));
	self->gate = &self->maps.gates[self->slot];
}

static void gated_teardown(struct gated *self)
{
	vm_del(self->host->host, "vm");
	move_maps_close(&self->maps);
}

static void set_gate(struct gated *self, struct roam_gate gate)
{
	struct roam_vm vm;

	CHECK_OK(move_gate_put(self->host->host, self->slot, &gate));
	CHECK_OK(vm_get(self->host->host, self->slot, &vm));
	vm.life = ROAM_LIFE_GATED;
	CHECK_OK(vm_put(self->host->host, self->slot, &vm));
}

static void set_state(struct gated *self, enum roam_gate_state state)
{
	set_gate(self, (struct roam_gate){ .state = state });
}

static enum roam_verdict run(struct gated *self, enum roam_dir dir, const struct packet_spec *spec)
{
	struct packet packet;

	packet_build(spec, &packet);
	return hosts_run(self->host, FRONT_TC, dir, &packet);
}

static uint64_t count(struct gated *self, enum roam_reason reason, enum roam_dir dir)
{
	struct roam_stats stats = {};

	CHECK_OK(stats_fold(self->host->host, self->slot, &stats));
	return stats.by_reason[reason][dir].packets;
}

/* Runs it, and it ends with this reason. */
static void expect(struct gated *self, enum roam_dir dir, const struct packet_spec *spec,
		   enum roam_reason reason)
{
	uint64_t before = count(self, reason, dir);

	run(self, dir, spec);
	CHECK_EQ(count(self, reason, dir), before + 1);
}

/* What policy admits: toward port 80, and all that the VM sends. */
static struct packet_spec opening(int family, enum roam_dir dir)
{
	static uint16_t port = 1000;
	struct packet_spec spec = cast_tcp(family, dir, ROAM_TCP_SYN);

	*(dir == ROAM_DIR_OUT ? &spec.sport : &spec.dport) = 80;
	*(dir == ROAM_DIR_OUT ? &spec.dport : &spec.sport) = port++; /* each one a flow */
	return spec;
}

static const struct state_row {
	const char *name;
	enum roam_gate_state state;
	uint8_t in_open;
	enum roam_reason in;
	enum roam_reason out;
	enum roam_gate_state after; /* `out` */
} states[] = {
	{ "copying", ROAM_GATE_COPYING, 0, ROAM_REASON_OPENED, ROAM_REASON_OPENED,
	  ROAM_GATE_COPYING },
	{ "frozen", ROAM_GATE_FROZEN, 0, ROAM_REASON_FROZEN, ROAM_REASON_OPENED,
	  ROAM_GATE_COPYING },
	{ "moved", ROAM_GATE_MOVED, 0, ROAM_REASON_MOVED, ROAM_REASON_OPENED, ROAM_GATE_COPYING },
	{ "prepared", ROAM_GATE_PREPARED, 0, ROAM_REASON_PREPARED, ROAM_REASON_PREPARED,
	  ROAM_GATE_PREPARED },
	{ "staged", ROAM_GATE_STAGED, 0, ROAM_REASON_STAGED, ROAM_REASON_OPENED, ROAM_GATE_OPEN },
	{ "in_open", ROAM_GATE_STAGED, 1, ROAM_REASON_OPENED, ROAM_REASON_OPENED, ROAM_GATE_OPEN },
	{ "open", ROAM_GATE_OPEN, 0, ROAM_REASON_OPENED, ROAM_REASON_OPENED, ROAM_GATE_OPEN },
	{ "shut", ROAM_GATE_SHUT, 0, ROAM_REASON_VM_SHUT, ROAM_REASON_VM_SHUT, ROAM_GATE_SHUT },
	{ "none", ROAM_GATE_NONE, 0, ROAM_REASON_VM_SHUT, ROAM_REASON_VM_SHUT, ROAM_GATE_NONE },
};

TEST_46_EACH_F(gated, judges_by_its_state, states)
{
	struct packet_spec in = opening(family, ROAM_DIR_IN), out = opening(family, ROAM_DIR_OUT);

	set_gate(self, (struct roam_gate){ .state = row->state, .in_open = row->in_open });
	expect(self, ROAM_DIR_IN, &in, row->in);
	CHECK_EQ(self->gate->state, row->state);
	expect(self, ROAM_DIR_OUT, &out, row->out);
	CHECK_EQ(self->gate->state, row->after);
	CHECK_EQ(self->gate->thawed, row->state == ROAM_GATE_FROZEN);
	CHECK_EQ(self->gate->two_senders, row->state == ROAM_GATE_MOVED);
	CHECK_EQ(self->gate->opened_ns, row->state == ROAM_GATE_STAGED ? self->host->now_ns : 0);
}

/* Nothing but the VM itself opens it: a spoofed frame, one toward it, what its link refuses. */
TEST_46_EACH_F(gated, no_other_frame_makes_a_transition, states)
{
	struct packet_spec spec;

	set_gate(self, (struct roam_gate){ .state = row->state, .in_open = row->in_open });
	spec = opening(family, ROAM_DIR_OUT);
	spec.src = cast_stranger_addr(family);
	run(self, ROAM_DIR_OUT, &spec);
	CHECK_EQ(self->gate->state, row->state);
	spec = opening(family, ROAM_DIR_OUT);
	memcpy(spec.smac, cast_peer_mac, ROAM_MAC_LEN);
	run(self, ROAM_DIR_OUT, &spec);
	CHECK_EQ(self->gate->state, row->state);
	spec = opening(family, ROAM_DIR_IN);
	run(self, ROAM_DIR_IN, &spec);
	CHECK_EQ(self->gate->state, row->state);
}

/* QEMU's announcement: RARP with the port's MAC, in both of its hardware addresses. */
static void make_rarp(struct packet *packet, const uint8_t *mac, const uint8_t *about)
{
	static const uint8_t head[] = { 0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3 };

	memset(packet, 0, sizeof(*packet));
	memset(packet->bytes, 0xff, 6);
	memcpy(packet->bytes + 6, mac, 6);
	memcpy(packet->bytes + 12, head, sizeof(head));
	memcpy(packet->bytes + 22, about, 6);
	memcpy(packet->bytes + 32, about, 6);
	packet->len = 60;
}

TEST_F(gated, an_announcement_opens)
{
	struct packet rarp;

	set_state(self, ROAM_GATE_STAGED);
	make_rarp(&rarp, cast_vm_mac, cast_peer_mac);
	CHECK_EQ(hosts_run(self->host, FRONT_TC, ROAM_DIR_OUT, &rarp), ROAM_DROP);
	CHECK_EQ(self->gate->state, ROAM_GATE_STAGED);
	make_rarp(&rarp, cast_vm_mac, cast_vm_mac);
	CHECK_EQ(hosts_run(self->host, FRONT_TC, ROAM_DIR_IN, &rarp), ROAM_DROP);
	CHECK_EQ(self->gate->state, ROAM_GATE_STAGED);
	CHECK_EQ(hosts_run(self->host, FRONT_TC, ROAM_DIR_OUT, &rarp), ROAM_PASS);
	CHECK_EQ(self->gate->state, ROAM_GATE_OPEN);
}

/* What policy drops comes from the VM all the same: it runs here. */
TEST_46_F(gated, a_frame_that_policy_drops_opens)
{
	struct packet_spec spec = cast_tcp(family, ROAM_DIR_OUT, ROAM_TCP_ACK);

	set_state(self, ROAM_GATE_STAGED);
	expect(self, ROAM_DIR_OUT, &spec, ROAM_REASON_MIDSTREAM);
	CHECK_EQ(self->gate->state, ROAM_GATE_OPEN);
}

TEST_46_F(gated, grace_is_for_unknown_flows_and_ends)
{
	struct packet_spec known = opening(family, ROAM_DIR_OUT);
	struct packet_spec in = opening(family, ROAM_DIR_IN), out = opening(family, ROAM_DIR_OUT);
	struct packet_spec stray = cast_tcp(family, ROAM_DIR_IN, ROAM_TCP_ACK);

	CHECK_EQ(run(self, ROAM_DIR_OUT, &known), ROAM_PASS);
	set_gate(self, (struct roam_gate){ .state = ROAM_GATE_STAGED, .grace = 1 });
	expect(self, ROAM_DIR_OUT, &known, ROAM_REASON_ESTABLISHED);
	expect(self, ROAM_DIR_IN, &in, ROAM_REASON_GRACE);
	expect(self, ROAM_DIR_OUT, &out, ROAM_REASON_GRACE);
	CHECK(!self->host->answered);
	self->host->now_ns += ROAM_GRACE_NS - 1;
	expect(self, ROAM_DIR_OUT, &out, ROAM_REASON_GRACE);
	self->host->now_ns++;
	expect(self, ROAM_DIR_OUT, &out, ROAM_REASON_OPENED);
	expect(self, ROAM_DIR_IN, &stray, ROAM_REASON_MIDSTREAM);
	self->gate->opened_ns = self->host->now_ns; /* as at its beginning, */
	self->gate->grace = 0;                      /* but the last delta has come */
	expect(self, ROAM_DIR_IN, &in, ROAM_REASON_OPENED);
}

/* ---- races ---- */

struct racer {
	struct gated *gated;
	const struct packet *packet;
	int fd;
	enum roam_verdict verdict;
	pthread_barrier_t *start;
};

/* A packet by itself: hosts_run() is not for two threads. */
static enum roam_verdict run_alone(struct gated *self, const struct packet *packet)
{
	struct __sk_buff skb = { .ifindex = self->host->ifindex };
	uint8_t after[PACKET_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet->bytes, .data_size_in = packet->len,
		    .data_out = after, .data_size_out = sizeof(after), .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb));

	if (bpf_prog_test_run_opts(host_prog(self->host->host, HOST_PROG_tc_out), &opts))
		return ROAM_CONTINUE;
	return (int)opts.retval == -1 ? ROAM_PASS : ROAM_DROP;
}

static void *race(void *arg)
{
	struct racer *racer = arg;

	pthread_barrier_wait(racer->start);
	racer->verdict = run_alone(racer->gated, racer->packet);
	return NULL;
}

static void begin_race(struct racer *racer, pthread_t *thread, pthread_barrier_t *start)
{
	racer->start = start;
	pthread_create(thread, NULL, race, racer);
}

/* Either the packet opens it, and user space comes too late, or the other way round. */
TEST_46_F(gated, shutting_races_with_a_frame)
{
	struct packet_spec spec = cast_packet(family, ROAM_DIR_OUT, 17);
	unsigned opened = 0, rounds = harness_rounds(300);
	pthread_barrier_t start;
	struct packet packet;

	packet_build(&spec, &packet);
	pthread_barrier_init(&start, NULL, 2);
	for (unsigned i = 0; i < rounds && !harness_stopped(); i++) {
		struct racer racer = { .gated = self, .packet = &packet };
		pthread_t thread;
		bool shut;

		set_state(self, ROAM_GATE_STAGED);
		begin_race(&racer, &thread, &start);
		pthread_barrier_wait(&start);
		for (unsigned spin = 0; spin < i % 50 * 200; spin++)
			__asm__ volatile("");
		shut = move_gate_go(self->gate, ROAM_GATE_STAGED, ROAM_GATE_SHUT);
		pthread_join(thread, NULL);
		CHECK_EQ(racer.verdict, shut ? ROAM_DROP : ROAM_PASS);
		CHECK_EQ(self->gate->state, shut ? ROAM_GATE_SHUT : ROAM_GATE_OPEN);
		opened += !shut;
	}
	note("opened %u of %u", opened, rounds);
	pthread_barrier_destroy(&start);
}

/* One of two frames thaws it. */
TEST_46_F(gated, two_frames_thaw_once)
{
	struct packet_spec spec = cast_packet(family, ROAM_DIR_OUT, 17);
	pthread_barrier_t start;
	struct packet packet;

	packet_build(&spec, &packet);
	pthread_barrier_init(&start, NULL, 2);
	for (unsigned i = 0; i < harness_rounds(300) && !harness_stopped(); i++) {
		struct racer racer[2] = { { .gated = self, .packet = &packet },
					  { .gated = self, .packet = &packet } };
		pthread_t thread[2];

		set_state(self, ROAM_GATE_FROZEN);
		for (int j = 0; j < 2; j++)
			begin_race(&racer[j], &thread[j], &start);
		for (int j = 0; j < 2; j++) {
			pthread_join(thread[j], NULL);
			CHECK_EQ(racer[j].verdict, ROAM_PASS);
		}
		CHECK_EQ(self->gate->thawed, 1);
	}
	pthread_barrier_destroy(&start);
}

/* ---- leaks ---- */

static const enum roam_gate_state all_states[] = {
	ROAM_GATE_COPYING, ROAM_GATE_FROZEN, ROAM_GATE_MOVED, ROAM_GATE_PREPARED,
	ROAM_GATE_STAGED,  ROAM_GATE_OPEN,   ROAM_GATE_SHUT,
};

/* Denied ports, segments of unknown flows, other people's addresses: in no state, and after none.
 */
TEST_46_F(gated, what_is_forbidden_gets_through_in_no_state)
{
	struct packet_spec denied = cast_tcp(family, ROAM_DIR_IN, ROAM_TCP_SYN);
	struct packet_spec stray = cast_tcp(family, ROAM_DIR_IN, ROAM_TCP_ACK);
	struct packet_spec forged = cast_tcp(family, ROAM_DIR_OUT, ROAM_TCP_SYN);
	const struct packet_spec *bad[] = { &denied, &stray, &forged };
	const enum roam_dir dir[] = { ROAM_DIR_IN, ROAM_DIR_IN, ROAM_DIR_OUT };

	denied.dport = 23;
	forged.src = cast_stranger_addr(family);
	for (size_t i = 0; i < sizeof(all_states) / sizeof(all_states[0]); i++) {
		for (int variant = 0; variant < 4; variant++) {
			struct packet_spec own = opening(family, ROAM_DIR_OUT);

			set_gate(self, (struct roam_gate){ .state = all_states[i],
							   .in_open = variant & 1,
							   .grace = variant >> 1 });
			for (int j = 0; j < 3; j++)
				CHECK_EQ(run(self, dir[j], bad[j]), ROAM_DROP);
			run(self, ROAM_DIR_OUT, &own);
			for (int j = 0; j < 3; j++)
				CHECK_EQ(run(self, dir[j], bad[j]), ROAM_DROP);
		}
	}
}

/* Packets that have begun have ended: nobody waits for what is over. */
TEST_46_F(gated, every_packet_that_enters_leaves)
{
	struct packet_spec spec;
	uint64_t entered = 0, left = 0;

	for (size_t i = 0; i < sizeof(all_states) / sizeof(all_states[0]); i++) {
		set_state(self, all_states[i]);
		for (int dir = 0; dir < ROAM_DIR_COUNT; dir++) {
			spec = opening(family, dir);
			run(self, dir, &spec);
			spec.src = cast_stranger_addr(family);
			run(self, dir, &spec);
		}
	}
	for (int cpu = 0; cpu < ROAM_FLIGHT_CPUS; cpu++) {
		entered += self->maps.flights[cpu].entered;
		left += self->maps.flights[cpu].left;
	}
	CHECK_OP(entered, >, 0);
	CHECK_EQ(left, entered);
	CHECK_OK(move_wait_packets(&self->maps));
}
