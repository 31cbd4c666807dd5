// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What a packet costs by BPF_PROG_TEST_RUN, for tools/bench/run. Two sides of a comparison are run
 * in turn, A B B A, in every round; prints a line a round: NAME, nanoseconds of either side.
 *
 *   cost ROUNDS
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/bpf.h>
#include <bpf/bpf.h>
#include "draft.h"
#include "harness.h"
#include "hosts.h"
#include "ips.h"
#include "lb.h"
#include "move.h"
#include "programs.skel.h"
#include "qos.h"
#include "vm.h"

#define REPEAT   20000
#define OPENINGS 512
#define VMS      1000

static int rounds;
static struct programs *skel;

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "cost: %s: %s\n", what, fail_line());
	exit(1);
}

/* One program on one frame. */
struct side {
	int prog_fd;
	uint32_t ifindex;
	const struct packet *packet;
	int repeat;
};

static uint32_t run(const struct side *side)
{
	struct __sk_buff skb = { .ifindex = side->ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = side->packet->bytes,
		    .data_size_in = side->packet->len, .ctx_in = &skb, .ctx_size_in = sizeof(skb),
		    .repeat = side->repeat);

	must(!bpf_prog_test_run_opts(side->prog_fd, &opts), "test run");
	return opts.duration;
}

static void compare(const char *name, const struct side *a, const struct side *b)
{
	for (int round = 0; round < rounds; round++) {
		double a_ns = run(a), b_ns = run(b);

		b_ns += run(b);
		a_ns += run(a);
		printf("%s %.1f %.1f\n", name, a_ns / 2, b_ns / 2);
	}
	fflush(stdout);
}

static struct side side_of(struct test_host *host, enum roam_dir dir, const struct packet *packet)
{
	return (struct side){
		.prog_fd = host_prog(host->host,
				     dir == ROAM_DIR_OUT ? HOST_PROG_tc_out : HOST_PROG_tc_in),
		.ifindex = host->ifindex,
		.packet = packet,
		.repeat = REPEAT,
	};
}

static struct packet tcp(int family, enum roam_dir dir, uint8_t flags)
{
	struct packet_spec spec = cast_tcp(family, dir, flags);
	struct packet packet;

	packet_build(&spec, &packet);
	return packet;
}

/* The connection between the VM and its peer is there from now on. */
static void establish(struct test_host *host, int family)
{
	struct packet syn = tcp(family, ROAM_DIR_OUT, ROAM_TCP_SYN);
	struct packet synack = tcp(family, ROAM_DIR_IN, ROAM_TCP_SYN | ROAM_TCP_ACK);
	struct packet ack = tcp(family, ROAM_DIR_OUT, ROAM_TCP_ACK);
	struct side sides[] = {
		side_of(host, ROAM_DIR_OUT, &syn),
		side_of(host, ROAM_DIR_IN, &synack),
		side_of(host, ROAM_DIR_OUT, &ack),
	};

	for (int i = 0; i < 3; i++) {
		sides[i].repeat = 1;
		run(&sides[i]);
	}
}

static void established(struct test_host *host)
{
	for (int family = 4; family <= 6; family += 2) {
		for (int dir = 0; dir < ROAM_DIR_COUNT; dir++) {
			struct packet ack = tcp(family, dir, ROAM_TCP_ACK);
			struct side roam = side_of(host, dir, &ack), empty = roam, parse = roam;
			char name[64];

			establish(host, family);
			empty.prog_fd = bpf_program__fd(skel->progs.bench_empty);
			parse.prog_fd = bpf_program__fd(skel->progs.bench_parse);
			snprintf(name, sizeof(name), "established_ipv%d_%s:empty", family,
				 dir == ROAM_DIR_IN ? "in" : "out");
			compare(name, &roam, &empty);
			strcpy(strchr(name, ':'), ":parse");
			compare(name, &roam, &parse);
		}
	}
}

static void set_quotas(struct test_host *host, uint32_t half)
{
	struct roam_vm vm;
	uint32_t slot;

	must(!vm_find(host->host, "vm", &slot) && !vm_get(host->host, slot, &vm), "the VM");
	vm.quota_flows = vm.quota_half = half;
	must(!vm_set(host->host, slot, &vm), "quotas");
}

/* One opening from each of many ports; the mean of what they cost. */
static double open_many(struct test_host *host, unsigned int first, unsigned int count)
{
	struct packet_spec spec = cast_tcp(4, ROAM_DIR_OUT, ROAM_TCP_SYN);
	struct packet packet;
	struct side side = side_of(host, ROAM_DIR_OUT, &packet);
	double sum = 0;

	side.repeat = 1;
	for (unsigned int i = 0; i < count; i++) {
		spec.sport = 1024 + (first + i) % 60000;
		packet_build(&spec, &packet);
		sum += run(&side);
	}
	return sum / count;
}

/* In `full`, each takes the place of another. */
static void replaced(struct test_host *roomy, struct test_host *full)
{
	unsigned int next = 0;

	set_quotas(roomy, 1 << 20);
	open_many(full, 0, 2 * ROAM_QUOTA_MIN);
	for (int round = 0; round < rounds; round++) {
		double replaced_ns = open_many(full, 30000, OPENINGS);
		double admitted_ns = open_many(roomy, next, OPENINGS);

		next += OPENINGS;
		printf("replaced_on_full_table:admitted %.1f %.1f\n", replaced_ns, admitted_ns);
	}
}

/* With everything that a VM can have, against ct and acl alone. */
static void features(struct test_host *plain, struct test_host *all)
{
	struct roam_qos qos = { .is_set = 1, .rate_Bps = 100000000000 / 8, .burst = 1 << 30 };
	struct roam_ips ips = ips_defaults();
	uint32_t slot;

	ips.rate = ips.burst = 1000;
	must(!vm_find(all->host, "vm", &slot) && !ips_set(all->host, slot, &ips), "ips");
	for (int dir = 0; dir < ROAM_DIR_COUNT; dir++)
		must(!qos_set(all->host, slot, dir, &qos), "qos");
	establish(all, 4);
	establish(plain, 4);
	for (int dir = 0; dir < ROAM_DIR_COUNT; dir++) {
		struct packet ack = tcp(4, dir, ROAM_TCP_ACK);
		struct side a = side_of(all, dir, &ack), b = side_of(plain, dir, &ack);

		compare(dir == ROAM_DIR_IN ? "qos_and_ips_in:ct_and_acl"
					   : "qos_and_ips_out:ct_and_acl",
			&a, &b);
	}
}

/* The mean of runs that each begin with the packet as it is, because a program translates it. */
static double run_afresh(struct side side)
{
	double sum = 0;

	side.repeat = 1;
	for (int i = 0; i < OPENINGS; i++)
		sum += run(&side);
	return sum / OPENINGS;
}

/* The VM's connection to a service; toward the VM it is what the backend sends. */
static struct packet session_packet(enum roam_dir dir, uint8_t flags)
{
	struct packet_spec spec = cast_tcp(4, dir, flags);
	struct packet packet;

	if (dir == ROAM_DIR_OUT)
		spec.dst = packet_addr("198.51.100.9");
	else
		spec.src = packet_addr("192.0.2.100");
	*(dir == ROAM_DIR_OUT ? &spec.dport : &spec.sport) = 443;
	packet_build(&spec, &packet);
	return packet;
}

/* The VM uses a service with one backend, elsewhere. */
static void add_service(struct test_host *host, uint32_t slot)
{
	struct roam_lb_backend backend = { .port = htons(443), .weight = 1 };
	struct roam_lb_key key = { .port = htons(443), .proto = IPPROTO_TCP };

	key.vip = packet_addr("198.51.100.9");
	backend.addr = packet_addr("192.0.2.100");
	must(!lb_use(host->host, slot, true) && !lb_add(host->host, "web", &key) &&
		     !lb_backend_add(host->host, "web", &backend),
	     "a service");
}

static void balanced(struct test_host *lb, struct test_host *plain)
{
	struct packet open[] = { session_packet(ROAM_DIR_OUT, ROAM_TCP_SYN),
				 session_packet(ROAM_DIR_IN, ROAM_TCP_SYN | ROAM_TCP_ACK),
				 session_packet(ROAM_DIR_OUT, ROAM_TCP_ACK) };
	uint32_t slot;

	must(!vm_find(lb->host, "vm", &slot), "the VM");
	add_service(lb, slot);
	for (int i = 0; i < 3; i++) {
		struct side side = side_of(lb, i == 1 ? ROAM_DIR_IN : ROAM_DIR_OUT, &open[i]);

		side.repeat = 1;
		run(&side);
	}
	establish(plain, 4);
	for (int dir = 0; dir < ROAM_DIR_COUNT; dir++) {
		struct packet translated = session_packet(dir, ROAM_TCP_ACK);
		struct packet ack = tcp(4, dir, ROAM_TCP_ACK);

		for (int round = 0; round < rounds; round++)
			printf("balanced_%s:untranslated %.1f %.1f\n",
			       dir == ROAM_DIR_IN ? "in" : "out",
			       run_afresh(side_of(lb, dir, &translated)),
			       run_afresh(side_of(plain, dir, &ack)));
	}
	must(!lb_use(lb->host, slot, false), "no services");
}

/*
 * While a VM is being copied, against one that is not. Rounds of the log are as long as a run: the
 * first packet of each run writes to the log, as one a second does.
 */
static void copying(struct test_host *copied, struct test_host *plain)
{
	struct move_source_options options = { .id = { 1 } };
	struct move_source *source;

	for (int family = 4; family <= 6; family += 2) {
		establish(copied, family);
		establish(plain, family);
	}
	must(!move_source_open(copied->host, "vm", &options, &source), "copying");
	for (int i = 0; i < 2 * ROAM_DIR_COUNT; i++) {
		const int family = i < ROAM_DIR_COUNT ? 4 : 6, dir = i % ROAM_DIR_COUNT;
		struct packet ack = tcp(family, dir, ROAM_TCP_ACK);
		struct side a = side_of(copied, dir, &ack), b = side_of(plain, dir, &ack);
		char name[64];

		(void)snprintf(name, sizeof(name), "copying_ipv%d_%s:not_copied", family,
			       dir == ROAM_DIR_IN ? "in" : "out");
		compare(name, &a, &b);
	}
	must(!move_source_abort(source), "not copying");
	move_source_close(source);
}

static void add_vms(struct test_host *host)
{
	for (int i = 1; i < VMS; i++) {
		struct roam_vm vm = {
			.life = ROAM_LIFE_ACTIVE,
			.quota_flows = ROAM_QUOTA_MIN,
			.quota_half = ROAM_QUOTA_MIN,
		};
		struct draft *draft;

		snprintf(vm.name, sizeof(vm.name), "other-%d", i);
		must(!draft_open(host->host, &vm, ROAM_VM_NONE, &draft) && !draft_publish(draft),
		     "a VM");
		draft_close(draft);
	}
}

static void many_vms(struct test_host *many, struct test_host *one)
{
	struct packet ack = tcp(4, ROAM_DIR_OUT, ROAM_TCP_ACK);
	struct side a = side_of(many, ROAM_DIR_OUT, &ack), b = side_of(one, ROAM_DIR_OUT, &ack);

	add_vms(many);
	establish(many, 4);
	establish(one, 4);
	compare("among_1000_vms:alone", &a, &b);
}

int main(int argc, char **argv)
{
	struct test_host one, two;

	rounds = argc > 1 ? atoi(argv[1]) : 11;
	hosts_enter();
	hosts_make("one", &one);
	hosts_make("two", &two);
	hosts_add_vm(&one);
	hosts_add_vm(&two);
	skel = programs__open_and_load();
	must(skel != NULL, "loading the programs to compare with");
	established(&one);
	replaced(&one, &two);
	set_quotas(&two, 1024);
	copying(&two, &one);
	many_vms(&two, &one);
	balanced(&two, &one);
	features(&one, &two);
	programs__destroy(skel);
	hosts_remove(&two);
	hosts_remove(&one);
	return 0;
}
