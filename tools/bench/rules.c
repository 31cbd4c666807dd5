// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What an opening costs among few and many rules, by BPF_PROG_TEST_RUN, for tools/bench/run. Sides
 * are run in turn, A B B A, in every round; prints a line a round: NAME, nanoseconds of either
 * side.
 *
 *   rules ROUNDS [COUNT...]
 *
 * Rules are random in all five fields, and none of them but the last matches what is measured: an
 * opening that the last rule admits, with and without limits on its connections, and openings that
 * no rule does.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/bpf.h>
#include <bpf/bpf.h>
#include "acl.h"
#include "hosts.h"
#include "programs.skel.h"
#include "rulesets.h"
#include "text.h"
#include "vm.h"

#define FEW      10
#define REPEAT   2000
#define OPENINGS 512
#define DENIED   32 /* packets that differ */
#define MOST     10000
#define LIMIT    32768 /* connections: the most, and more than are opened */

static int rounds;
static struct ruleset_random dice = { 1 };
static struct roam_acl_rule rules[MOST];

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "rules: %s: %s\n", what, fail_line());
	exit(1);
}

static uint32_t run(int prog_fd, uint32_t ifindex, const struct packet *packet, int repeat)
{
	struct __sk_buff skb = { .ifindex = ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet->bytes, .data_size_in = packet->len,
		    .ctx_in = &skb, .ctx_size_in = sizeof(skb), .repeat = repeat);

	must(!bpf_prog_test_run_opts(prog_fd, &opts), "test run");
	return opts.duration;
}

/* ---- rules ---- */

static struct roam_prefix random_prefix(int family, unsigned int least)
{
	unsigned int most = family == 4 ? 32 : 128;
	unsigned int bits = least + ruleset_below(&dice, most - least + 1);
	struct roam_prefix prefix = { .bits = family == 4 ? 96 + bits : bits };

	for (int i = 0; i < 16; i++)
		prefix.addr.bytes[i] = ruleset_next(&dice);
	if (family == 4)
		memcpy(prefix.addr.bytes, packet_addr("0.0.0.0").bytes, 12);
	for (unsigned int bit = prefix.bits; bit < 128; bit++)
		prefix.addr.bytes[bit / 8] &= ~(0x80 >> (bit % 8));
	return prefix;
}

static struct roam_port_range random_range(void)
{
	uint16_t first = ruleset_next(&dice);
	uint16_t room = UINT16_MAX - first;

	switch (ruleset_below(&dice, 3)) {
	case 0:
		return (struct roam_port_range){ 0, UINT16_MAX };
	case 1:
		return (struct roam_port_range){ first, first };
	default:
		return (struct roam_port_range){ first, first + ruleset_below(&dice, room + 1u) };
	}
}

/* Toward any of the VM's addresses or all of them, from anywhere. */
static struct roam_acl_rule random_rule(uint32_t i)
{
	int family = ruleset_below(&dice, 2) ? 4 : 6;
	struct roam_acl_rule rule = {
		.prio = i,
		.family = family,
		.proto = ruleset_below(&dice, 3) ? IPPROTO_TCP : IPPROTO_UDP,
		.remote = random_prefix(family, family == 4 ? 8 : 16),
		.lport = random_range(),
		.rport = random_range(),
	};

	snprintf(rule.name, sizeof(rule.name), "r%u", i);
	if (ruleset_below(&dice, 2))
		rule.local = (struct roam_prefix){ cast_vm_addr(family), 128, {} };
	return rule;
}

/* What the last rule admits: the peer's connections, of one family each. */
static struct roam_acl_rule last_rule(uint32_t i, int family)
{
	struct roam_acl_rule rule = {
		.prio = i,
		.family = family,
		.proto = IPPROTO_TCP,
		.action = ROAM_ACTION_ALLOW,
		.remote = { cast_peer_addr(family), 128, {} },
		.lport = { CAST_VM_PORT, CAST_VM_PORT },
		.rport = { 0, UINT16_MAX },
	};

	snprintf(rule.name, sizeof(rule.name), "last%d", family);
	return rule;
}

static bool covers(const struct roam_prefix *prefix, const struct roam_addr *addr)
{
	for (unsigned int bit = 0; bit < prefix->bits; bit++) {
		if ((prefix->addr.bytes[bit / 8] ^ addr->bytes[bit / 8]) & (0x80 >> (bit % 8)))
			return false;
	}
	return true;
}

static bool is_about_peer(const struct roam_acl_rule *rule)
{
	struct roam_addr peer = cast_peer_addr(rule->family);

	return covers(&rule->remote, &peer);
}

static uint32_t slot_of(struct test_host *host)
{
	uint32_t slot;

	must(!vm_find(host->host, "vm", &slot), "the VM");
	return slot;
}

/* `conns`: the most that each of the last two admits, and as many of each remote; 0: no limits. */
static void set_rules(struct test_host *host, uint32_t count, uint32_t conns)
{
	struct roam_vm vm;
	uint32_t slot;

	if (!vm_find(host->host, "vm", &slot))
		must(!vm_del(host->host, "vm"), "deleting the VM");
	hosts_add_vm(host);
	for (uint32_t i = 0; i < count - 2; i++) {
		do
			rules[i] = random_rule(i + 100);
		while (is_about_peer(&rules[i]));
	}
	rules[count - 2] = last_rule(count + 100, 4);
	rules[count - 1] = last_rule(count + 100, 6);
	for (uint32_t i = count - 2; i < count; i++)
		rules[i].conns = rules[i].perremote = conns;
	must(!acl_add_many(host->host, slot_of(host), rules, count), "rules");
	must(!vm_get(host->host, slot_of(host), &vm), "the VM");
	vm.quota_flows = vm.quota_half = 1 << 20;
	must(!vm_set(host->host, slot_of(host), &vm), "quotas");
}

/* ---- packets ---- */

static struct packet opening(int family, const struct roam_addr *remote, uint16_t sport,
			     uint16_t dport)
{
	struct packet_spec spec = cast_tcp(family, ROAM_DIR_IN, ROAM_TCP_SYN);
	struct packet packet;

	spec.src = *remote;
	spec.sport = sport;
	spec.dport = dport;
	packet_build(&spec, &packet);
	return packet;
}

static bool matches(const struct roam_acl_rule *rule, int family, const struct roam_addr *remote,
		    uint16_t rport, uint16_t lport)
{
	return rule->family == family && rule->proto == IPPROTO_TCP && rport >= rule->rport.first &&
	       rport <= rule->rport.last && lport >= rule->lport.first &&
	       lport <= rule->lport.last && covers(&rule->remote, remote);
}

/* From near a rule's remote addresses, but matched by none of `count` rules. */
static struct packet denied(int family, uint32_t count)
{
	for (;;) {
		const struct roam_acl_rule *near = &rules[ruleset_below(&dice, count)];
		uint16_t rport = ruleset_next(&dice), lport = ruleset_next(&dice);
		struct roam_addr remote = near->remote.addr;
		bool any = near->family != family;

		for (uint32_t i = 0; i < count && !any; i++)
			any = matches(&rules[i], family, &remote, rport, lport);
		if (!any)
			return opening(family, &remote, rport, lport);
	}
}

static struct packet denials[2][DENIED];

static void choose_denials(uint32_t count)
{
	for (int i = 0; i < 2 * DENIED; i++)
		denials[i / DENIED][i % DENIED] = denied(i < DENIED ? 4 : 6, count);
}

/* ---- what is measured ---- */

struct side {
	int prog_fd;
	uint32_t ifindex;
};

static struct side side_of(struct test_host *host)
{
	return (struct side){ host_prog(host->host, HOST_PROG_tc_in), host->ifindex };
}

static double deny(struct side side, int family)
{
	double sum = 0;

	for (int i = 0; i < DENIED; i++)
		sum += run(side.prog_fd, side.ifindex, &denials[family == 6][i], REPEAT);
	return sum / DENIED;
}

static uint16_t next_port;

static double admit(struct side side, int family)
{
	struct roam_addr peer = cast_peer_addr(family);
	double sum = 0;

	for (int i = 0; i < OPENINGS; i++) {
		struct packet packet = opening(family, &peer, 1024 + next_port++ % 60000,
					       CAST_VM_PORT);

		sum += run(side.prog_fd, side.ifindex, &packet, 1);
	}
	return sum / OPENINGS;
}

typedef double measure_fn(struct side side, int family);

static void compare(const char *name, measure_fn *measure, struct side a, struct side b, int family)
{
	for (int round = 0; round < rounds; round++) {
		double a_ns = measure(a, family), b_ns = measure(b, family);

		b_ns += measure(b, family);
		a_ns += measure(a, family);
		printf("%s %.1f %.1f\n", name, a_ns / 2, b_ns / 2);
	}
	fflush(stdout);
}

static void compare_all(struct side many, struct side few, struct side empty, uint32_t count)
{
	static const struct {
		const char *name;
		measure_fn *fn;
	} what[] = { { "denied", deny }, { "admitted_by_the_last", admit } };
	char name[64];

	for (int i = 0; i < 4; i++) {
		int family = i % 2 ? 6 : 4;

		snprintf(name, sizeof(name), "%u_rules,_%s_ipv%d:few", count, what[i / 2].name,
			 family);
		compare(name, what[i / 2].fn, many, few, family);
		strcpy(strchr(name, ':'), ":empty");
		compare(name, what[i / 2].fn, many, empty, family);
	}
}

/* What counting costs: rules whose limits are never met. */
static void compare_limits(struct test_host *limited, struct test_host *unlimited)
{
	char name[32];

	set_rules(limited, FEW, LIMIT);
	set_rules(unlimited, FEW, 0);
	for (int family = 4; family <= 6; family += 2) {
		snprintf(name, sizeof(name), "limited_ipv%d:unlimited", family);
		compare(name, admit, side_of(limited), side_of(unlimited), family);
	}
}

int main(int argc, char **argv)
{
	uint32_t counts[8] = { 100, 1000, MOST }, kinds = 3;
	struct test_host few, many;
	struct programs *skel;

	rounds = argc > 1 ? atoi(argv[1]) : 11;
	for (kinds = argc > 2 ? 0 : kinds; (int)kinds + 2 < argc && kinds < 8; kinds++)
		counts[kinds] = atoi(argv[kinds + 2]);
	hosts_enter();
	hosts_make("few", &few);
	hosts_make("many", &many);
	skel = programs__open_and_load();
	must(skel != NULL, "loading the programs to compare with");
	for (uint32_t i = 0; i < kinds; i++) {
		struct side empty = { bpf_program__fd(skel->progs.bench_empty), few.ifindex };

		must(counts[i] >= FEW && counts[i] <= MOST, "a number of rules");
		set_rules(&few, FEW, 0);
		set_rules(&many, counts[i], 0);
		choose_denials(counts[i]);
		compare_all(side_of(&many), side_of(&few), empty, counts[i]);
	}
	compare_limits(&many, &few);
	programs__destroy(skel);
	hosts_remove(&many);
	hosts_remove(&few);
	return 0;
}
