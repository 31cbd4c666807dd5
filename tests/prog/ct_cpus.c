// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * One connection on two CPUs at once: segments of one direction, each on its way through the list
 * while the other is. What both wrote must be what the later one alone would have left.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/sysinfo.h>
#include <linux/bpf.h>
#include <bpf/bpf.h>
#include "harness.h"
#include "hosts.h"
#include "util.h"
#include "vm.h"

#define CPUS    2
#define PAYLOAD 10

static const enum roam_dir IN = ROAM_DIR_IN, OUT = ROAM_DIR_OUT;

struct cpus_test {
	struct test_host *host;
	int family;
	uint32_t rounds;
	pthread_barrier_t begin, end;
};

struct sender {
	struct cpus_test *test;
	unsigned nth;
};

static void cpus_test_setup(struct cpus_test *self)
{
	self->host = hosts_shared();
	self->host->now_ns = now_ns();
	hosts_add_vm(self->host);
	pthread_barrier_init(&self->begin, NULL, CPUS + 1);
	pthread_barrier_init(&self->end, NULL, CPUS + 1);
}

static void cpus_test_teardown(struct cpus_test *self)
{
	pthread_barrier_destroy(&self->begin);
	pthread_barrier_destroy(&self->end);
	vm_del(self->host->host, "vm");
}

/* hosts_run() is not for two threads. */
static bool passes(const struct cpus_test *self, enum roam_dir dir, const struct packet_spec *spec)
{
	struct __sk_buff skb = { .ifindex = self->host->ifindex };
	uint8_t after[PACKET_MAX];
	struct packet packet;

	packet_build(spec, &packet);
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet.bytes, .data_size_in = packet.len,
		    .data_out = after, .data_size_out = sizeof(after), .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb));
	return !bpf_prog_test_run_opts(
		       host_prog(self->host->host, dir == OUT ? HOST_PROG_tc_out : HOST_PROG_tc_in),
		       &opts) &&
	       (int)opts.retval == -1; /* TCX_NEXT */
}

/* The `nth` of a round's segments. */
static struct packet_spec data(const struct cpus_test *self, uint32_t round, uint32_t nth)
{
	struct packet_spec spec = cast_tcp(self->family, IN, ROAM_TCP_ACK);

	spec.payload = PAYLOAD;
	spec.seq += (round * CPUS + nth) * PAYLOAD;
	return spec;
}

/* Now this one has the later segment, now the other. */
static void *send_one(void *arg)
{
	const struct sender *sender = arg;
	struct cpus_test *test = sender->test;
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(sender->nth, &cpu);
	pthread_setaffinity_np(pthread_self(), sizeof(cpu), &cpu);
	for (uint32_t round = 0; round < test->rounds; round++) {
		struct packet_spec spec = data(test, round, (sender->nth + round) % CPUS);

		pthread_barrier_wait(&test->begin);
		passes(test, IN, &spec);
		pthread_barrier_wait(&test->end);
	}
	return NULL;
}

/* What the VM acknowledges after each round has passed here, whichever CPU came last. */
static uint32_t refused_acks(struct cpus_test *self)
{
	uint32_t refused = 0;

	for (uint32_t round = 0; round < self->rounds; round++) {
		struct packet_spec ack = cast_tcp(self->family, OUT, ROAM_TCP_ACK);

		ack.ack = data(self, round + 1, 0).seq;
		pthread_barrier_wait(&self->begin);
		pthread_barrier_wait(&self->end);
		refused += !passes(self, OUT, &ack);
	}
	return refused;
}

TEST_46_F(cpus_test, what_both_let_through_can_be_acknowledged)
{
	struct packet_spec syn = cast_tcp(family, OUT, ROAM_TCP_SYN);
	struct packet_spec synack = cast_tcp(family, IN, ROAM_TCP_SYN | ROAM_TCP_ACK);
	struct packet_spec ack = cast_tcp(family, OUT, ROAM_TCP_ACK);
	struct sender senders[CPUS];
	pthread_t threads[CPUS];

	if (get_nprocs_conf() < CPUS)
		skip("one CPU");
	self->family = family;
	self->rounds = harness_rounds(10000);
	CHECK(passes(self, OUT, &syn) && passes(self, IN, &synack) && passes(self, OUT, &ack));
	for (unsigned i = 0; i < CPUS; i++) {
		senders[i] = (struct sender){ .test = self, .nth = i };
		CHECK_EQ(pthread_create(&threads[i], NULL, send_one, &senders[i]), 0);
	}
	CHECK_EQ(refused_acks(self), 0);
	for (unsigned i = 0; i < CPUS; i++)
		pthread_join(threads[i], NULL);
}
