// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Limits on live connections: what is one too many, and that the counts are right whatever becomes
 * of flows and of rules (final_check_counts()).
 */
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "acl.h"
#include "cast.h"
#include "ct.h"
#include "final.h"
#include "harness.h"
#include "hosts.h"
#include "limit.h"
#include "qos.h"
#include "stats.h"
#include "vm.h"

struct limit_test {
	struct test_host *host;
	uint32_t slot;
};

static void limit_test_setup(struct limit_test *self)
{
	self->host = hosts_shared();
	self->host->now_ns = now_ns();
	hosts_add_vm(self->host);
	CHECK_OK(vm_find(self->host->host, "vm", &self->slot));
}

static void limit_test_teardown(struct limit_test *self)
{
	CHECK_OK(vm_del(self->host->host, "vm"));
}

static void add(struct limit_test *self, const char *name, uint32_t prio, uint32_t conns,
		uint32_t perremote)
{
	struct roam_acl_rule rule = {
		.prio = prio,
		.action = ROAM_ACTION_ALLOW,
		.any_proto = 1,
		.lport = { 0, UINT16_MAX },
		.rport = { 0, UINT16_MAX },
		.conns = conns,
		.perremote = perremote,
	};

	snprintf(rule.name, sizeof(rule.name), "%s", name);
	if (!CHECK_OK(acl_add(self->host->host, self->slot, &rule)))
		note("%s", fail_line());
}

static void stats_of(struct limit_test *self, struct roam_stats *stats)
{
	CHECK_OK(stats_fold(self->host->host, self->slot, stats));
}

/* What the one packet that this runs is counted as. */
static enum roam_reason run(struct limit_test *self, enum roam_dir dir,
			    const struct packet_spec *spec)
{
	static struct roam_stats before, after;
	struct packet packet;

	packet_build(spec, &packet);
	stats_of(self, &before);
	hosts_run(self->host, FRONT_TC, dir, &packet);
	stats_of(self, &after);
	for (int i = 0; i < ROAM_REASON_COUNT; i++) {
		if (after.by_reason[i][dir].packets != before.by_reason[i][dir].packets)
			return i;
	}
	return ROAM_REASON_NONE;
}

/* Of the i-th connection from the peer to the VM. */
static struct packet_spec conn(int family, unsigned int i, enum roam_dir dir, uint8_t flags)
{
	struct packet_spec spec = cast_tcp(family, dir, flags);

	if (dir == ROAM_DIR_IN)
		spec.sport = 10000 + i;
	else
		spec.dport = 10000 + i;
	return spec;
}

static enum roam_reason open_one(struct limit_test *self, int family, unsigned int i)
{
	struct packet_spec spec = conn(family, i, ROAM_DIR_IN, ROAM_TCP_SYN);

	return run(self, ROAM_DIR_IN, &spec);
}

static void answer(struct limit_test *self, int family, unsigned int i)
{
	struct packet_spec reply = conn(family, i, ROAM_DIR_OUT, ROAM_TCP_SYN | ROAM_TCP_ACK);
	struct packet_spec ack = conn(family, i, ROAM_DIR_IN, ROAM_TCP_ACK);

	CHECK_EQ(run(self, ROAM_DIR_OUT, &reply), ROAM_REASON_ESTABLISHED);
	CHECK_EQ(run(self, ROAM_DIR_IN, &ack), ROAM_REASON_ESTABLISHED);
}

static void reset(struct limit_test *self, int family, unsigned int i)
{
	struct packet_spec rst = conn(family, i, ROAM_DIR_IN, ROAM_TCP_RST | ROAM_TCP_ACK);

	CHECK_EQ(run(self, ROAM_DIR_IN, &rst), ROAM_REASON_ESTABLISHED);
}

static struct limit_used used(struct limit_test *self, const char *name)
{
	_cleanup_limit_list_ struct limit_list counts = {};
	_cleanup_acl_list_ struct acl_list rules = {};
	struct limit_used found = {};

	CHECK_OK(limit_list(self->host->host, self->slot, &counts));
	CHECK_OK(acl_list(self->host->host, self->slot, &rules));
	for (uint32_t i = 0; i < rules.count; i++) {
		if (!strcmp(rules.recs[i].rule.name, name))
			found = limit_find(&counts, rules.recs[i].rule.id);
	}
	return found;
}

static void check_counts(struct limit_test *self)
{
	final_check_counts(self->host->host, self->slot);
}

TEST_46_F(limit_test, one_more_gets_in_when_one_closes)
{
	add(self, "few", 1, 2, 0);
	CHECK_EQ(open_one(self, family, 1), ROAM_REASON_OPENED);
	answer(self, family, 1);
	CHECK_EQ(open_one(self, family, 2), ROAM_REASON_OPENED);
	CHECK_EQ(open_one(self, family, 3), ROAM_REASON_CONN_LIMIT);
	CHECK_EQ(open_one(self, family, 2), ROAM_REASON_ESTABLISHED); /* its SYN again */
	CHECK_EQ(used(self, "few").conns, 2);
	check_counts(self);
	reset(self, family, 1); /* established: it stays for a while, and counts no more */
	CHECK_EQ(used(self, "few").conns, 1);
	CHECK_EQ(open_one(self, family, 3), ROAM_REASON_OPENED);
	CHECK_EQ(open_one(self, family, 4), ROAM_REASON_CONN_LIMIT);
	CHECK_EQ(open_one(self, family, 1), ROAM_REASON_CONN_LIMIT); /* what was, anew */
	check_counts(self);
}

TEST_46_F(limit_test, each_remote_for_itself)
{
	struct packet_spec other = conn(family, 1, ROAM_DIR_IN, ROAM_TCP_SYN);

	add(self, "few", 1, 4, 2);
	CHECK_EQ(open_one(self, family, 1), ROAM_REASON_OPENED);
	CHECK_EQ(open_one(self, family, 2), ROAM_REASON_OPENED);
	CHECK_EQ(open_one(self, family, 3), ROAM_REASON_CONN_LIMIT_REMOTE);
	other.src = cast_stranger_addr(family);
	CHECK_EQ(run(self, ROAM_DIR_IN, &other), ROAM_REASON_OPENED);
	other.sport++;
	CHECK_EQ(run(self, ROAM_DIR_IN, &other), ROAM_REASON_OPENED);
	CHECK_EQ(used(self, "few").conns, 4);
	CHECK_EQ(used(self, "few").remotes, 2);
	other.src.bytes[family == 6 ? 7 : 15] ^= 0x40; /* of another network, another host */
	CHECK_EQ(run(self, ROAM_DIR_IN, &other), ROAM_REASON_CONN_LIMIT);
	check_counts(self);
}

/* The addresses of one /64 are one remote: whoever has one has them all. */
TEST_F(limit_test, a_remote_of_ipv6_is_its_network)
{
	struct packet_spec other = conn(6, 1, ROAM_DIR_IN, ROAM_TCP_SYN);

	add(self, "few", 1, 0, 1);
	CHECK_EQ(open_one(self, 6, 1), ROAM_REASON_OPENED);
	other.src.bytes[8] ^= 0x40;
	CHECK_EQ(run(self, ROAM_DIR_IN, &other), ROAM_REASON_CONN_LIMIT_REMOTE);
	other.src.bytes[7] ^= 0x40;
	CHECK_EQ(run(self, ROAM_DIR_IN, &other), ROAM_REASON_OPENED);
	check_counts(self);
}

/* What expires without a packet makes room when somebody wants in, and nobody else is needed. */
TEST_46_F(limit_test, what_has_expired_makes_room)
{
	struct packet_spec spec = cast_packet(family, ROAM_DIR_IN, IPPROTO_UDP);

	add(self, "few", 1, 30, 25);
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 25; i++, spec.sport++)
			CHECK_EQ(run(self, ROAM_DIR_IN, &spec), ROAM_REASON_OPENED);
		CHECK_EQ(run(self, ROAM_DIR_IN, &spec), ROAM_REASON_CONN_LIMIT_REMOTE);
		check_counts(self);
		self->host->now_ns += 31 * NS_PER_S;
	}
}

/* Protocols without ports count as one per pair of addresses. */
TEST_46_F(limit_test, other_protocols_count)
{
	struct packet_spec spec = cast_packet(family, ROAM_DIR_IN, IPPROTO_GRE);

	add(self, "few", 1, 1, 0);
	CHECK_EQ(run(self, ROAM_DIR_IN, &spec), ROAM_REASON_OPENED);
	CHECK_EQ(open_one(self, family, 1), ROAM_REASON_CONN_LIMIT);
	check_counts(self);
}

/* Half-open flows that are replaced are out of the counts; a full table takes nothing. */
TEST_46_F(limit_test, what_is_replaced_or_refused_does_not_count)
{
	add(self, "few", 1, 100, 0);
	for (unsigned int i = 0; i < 2 * ROAM_QUOTA_MIN; i++) {
		enum roam_reason reason = open_one(self, family, i);

		CHECK(reason == ROAM_REASON_OPENED || reason == ROAM_REASON_CT_REPLACED);
	}
	CHECK_EQ(used(self, "few").conns, ROAM_QUOTA_MIN);
	check_counts(self);
}

/* What another stage drops behind the limit gives its place back. */
TEST_46_F(limit_test, what_is_dropped_later_does_not_count)
{
	struct roam_qos conf = { .is_set = 1, .rate_Bps = 1000, .burst = ROAM_QOS_BURST_MIN };
	struct packet_spec spec = cast_packet(family, ROAM_DIR_IN, IPPROTO_UDP);
	uint32_t opened = 0;

	spec.payload = 1000;
	add(self, "few", 1, 10, 10);
	CHECK_OK(qos_set(self->host->host, self->slot, ROAM_DIR_IN, &conf));
	for (int i = 0; i < 20; i++, spec.sport++) {
		enum roam_reason reason = run(self, ROAM_DIR_IN, &spec);

		opened += reason == ROAM_REASON_OPENED;
		CHECK(reason == ROAM_REASON_OPENED || reason == ROAM_REASON_QOS_RATE);
	}
	CHECK_OP(opened, <, 10);
	CHECK_OP(opened, >, 0);
	CHECK_EQ(used(self, "few").conns, opened);
	check_counts(self);
}

static void delete(struct limit_test *self, const char *name)
{
	CHECK_OK(acl_del(self->host->host, self->slot, name));
}

TEST_46_F(limit_test, rules_come_and_go)
{
	struct packet_spec ack = conn(family, 1, ROAM_DIR_IN, ROAM_TCP_ACK);

	add(self, "all", 5, 0, 0);
	for (unsigned int i = 1; i < 5; i++) {
		CHECK_EQ(open_one(self, family, i), ROAM_REASON_OPENED);
		answer(self, family, i);
	}
	add(self, "few", 1, 3, 1);
	check_counts(self);
	/* Policy admits them all, and whose packets come count there now; there are too many. */
	for (unsigned int i = 1; i < 5; i++) {
		ack = conn(family, i, ROAM_DIR_IN, ROAM_TCP_ACK);
		CHECK_EQ(run(self, ROAM_DIR_IN, &ack), ROAM_REASON_ESTABLISHED);
		CHECK_EQ(used(self, "few").conns, i);
		check_counts(self);
	}
	CHECK_EQ(open_one(self, family, 5), ROAM_REASON_CONN_LIMIT);
	delete (self, "few");
	check_counts(self);
	CHECK_EQ(open_one(self, family, 5), ROAM_REASON_OPENED);
	add(self, "few", 1, 3, 0);
	for (unsigned int i = 1; i < 3; i++) {
		ack = conn(family, i, ROAM_DIR_IN, ROAM_TCP_ACK);
		CHECK_EQ(run(self, ROAM_DIR_IN, &ack), ROAM_REASON_ESTABLISHED);
	}
	CHECK_EQ(used(self, "few").conns, 2);
	CHECK_EQ(open_one(self, family, 6), ROAM_REASON_OPENED);
	CHECK_EQ(open_one(self, family, 7), ROAM_REASON_CONN_LIMIT);
	check_counts(self);
	delete (self, "few");
	delete (self, "all");
	ack = conn(family, 1, ROAM_DIR_IN, ROAM_TCP_ACK);
	CHECK_EQ(run(self, ROAM_DIR_IN, &ack), ROAM_REASON_REVOKED);
	check_counts(self);
}

static void set_quotas(struct limit_test *self, uint32_t quota)
{
	struct roam_vm vm;

	CHECK_OK(vm_get(self->host->host, self->slot, &vm));
	vm.quota_flows = vm.quota_half = quota;
	CHECK_OK(vm_set(self->host->host, self->slot, &vm));
}

TEST_46_F(limit_test, counts_outlive_new_tables)
{
	add(self, "few", 1, 20, 20);
	for (unsigned int i = 0; i < 20; i++) {
		CHECK_EQ(open_one(self, family, i), ROAM_REASON_OPENED);
		if (i % 2)
			answer(self, family, i);
	}
	self->host->now_ns = now_ns();
	set_quotas(self, 100);
	CHECK_EQ(used(self, "few").conns, 20);
	check_counts(self);
	CHECK_EQ(open_one(self, family, 20), ROAM_REASON_CONN_LIMIT);
}

/* Of those that have expired (by the clock of user space) none comes along. */
TEST_46_F(limit_test, new_tables_leave_out_what_has_expired)
{
	add(self, "few", 1, 20, 20);
	self->host->now_ns -= 1000 * NS_PER_S;
	for (unsigned int i = 0; i < 10; i++)
		CHECK_EQ(open_one(self, family, i), ROAM_REASON_OPENED);
	self->host->now_ns = now_ns();
	CHECK_EQ(open_one(self, family, 10), ROAM_REASON_OPENED);
	set_quotas(self, 100);
	CHECK_EQ(used(self, "few").conns, 1);
	check_counts(self);
}

TEST_46_F(limit_test, flushed_flows_do_not_count)
{
	uint64_t count;

	add(self, "few", 1, 3, 3);
	for (unsigned int i = 0; i < 3; i++)
		CHECK_EQ(open_one(self, family, i), ROAM_REASON_OPENED);
	answer(self, family, 1);
	CHECK_OK(ct_flush(self->host->host, self->slot, &count));
	CHECK_EQ(count, 3);
	CHECK_EQ(used(self, "few").conns, 0);
	check_counts(self);
	CHECK_EQ(open_one(self, family, 5), ROAM_REASON_OPENED);
}

/* Connections of before count when they are picked up, and end in TIME_WAIT. */
TEST_46_F(limit_test, picked_up_and_closed_in_order)
{
	struct packet_spec spec = conn(family, 1, ROAM_DIR_IN, ROAM_TCP_ACK);
	struct roam_vm vm;

	CHECK_OK(vm_get(self->host->host, self->slot, &vm));
	vm.midstream = ROAM_MIDSTREAM_PICKUP;
	CHECK_OK(vm_set(self->host->host, self->slot, &vm));
	add(self, "few", 1, 1, 0);
	CHECK_EQ(run(self, ROAM_DIR_IN, &spec), ROAM_REASON_OPENED);
	CHECK_EQ(open_one(self, family, 2), ROAM_REASON_CONN_LIMIT);
	spec.tcp_flags |= ROAM_TCP_FIN;
	CHECK_EQ(run(self, ROAM_DIR_IN, &spec), ROAM_REASON_ESTABLISHED);
	spec = conn(family, 1, ROAM_DIR_OUT, ROAM_TCP_ACK | ROAM_TCP_FIN);
	CHECK_EQ(run(self, ROAM_DIR_OUT, &spec), ROAM_REASON_ESTABLISHED);
	CHECK_EQ(open_one(self, family, 2), ROAM_REASON_CONN_LIMIT);
	spec = conn(family, 1, ROAM_DIR_IN, ROAM_TCP_ACK);
	spec.seq++;
	CHECK_EQ(run(self, ROAM_DIR_IN, &spec), ROAM_REASON_ESTABLISHED);
	CHECK_EQ(open_one(self, family, 2), ROAM_REASON_OPENED);
	check_counts(self);
}

/* ---- races ---- */

#define RACERS   3
#define RACE_MAX 50

struct race {
	atomic_uint opened;
	atomic_uint go;
};

static void race_one(struct limit_test *self, struct race *race, unsigned int number, int family)
{
	while (!race->go)
		;
	for (unsigned int i = 0; i < RACE_MAX; i++) {
		struct packet_spec spec = conn(family, number * RACE_MAX + i, ROAM_DIR_IN,
					       ROAM_TCP_SYN);
		struct packet packet;

		packet_build(&spec, &packet);
		if (hosts_run(self->host, FRONT_TC, ROAM_DIR_IN, &packet) == ROAM_PASS)
			race->opened++;
	}
}

/* Of all that try at once, as many get in as may, and not one more; again and again. */
TEST_46_F(limit_test, who_races_for_the_last_place)
{
	struct race *race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t flushed;

	set_quotas(self, 40 * RACE_MAX); /* nothing is replaced */
	add(self, "few", 1, RACE_MAX, RACE_MAX);
	for (int round = 0; round < 20; round++) {
		*race = (struct race){};
		for (unsigned int i = 0; i < RACERS; i++) {
			pid_t pid = fork();

			if (pid)
				continue;
			race_one(self, race, i, family);
			_exit(0);
		}
		race->go = 1;
		for (int i = 0; i < RACERS; i++)
			wait(NULL);
		CHECK_EQ(race->opened, RACE_MAX);
		CHECK_EQ(used(self, "few").conns, RACE_MAX);
		check_counts(self);
		CHECK_OK(ct_flush(self->host->host, self->slot, &flushed));
		check_counts(self);
	}
	munmap(race, sizeof(*race));
}

static void churn(struct limit_test *self, unsigned int number, int family)
{
	for (unsigned int i = 0; i < 2000; i++) {
		static const uint8_t flags[] = { ROAM_TCP_SYN, ROAM_TCP_SYN | ROAM_TCP_ACK,
						 ROAM_TCP_ACK, ROAM_TCP_RST | ROAM_TCP_ACK };
		uint32_t which = (i * 7 + number * 3) % 11;
		uint8_t f = flags[(i + number) % 4];
		enum roam_dir dir = f == (ROAM_TCP_SYN | ROAM_TCP_ACK) ? ROAM_DIR_OUT : ROAM_DIR_IN;
		struct packet_spec spec = conn(family, which, dir, f);
		struct packet packet;

		packet_build(&spec, &packet);
		hosts_run(self->host, FRONT_TC, dir, &packet);
	}
}

/* The same few flows opened, promoted and closed on all CPUs, while quotas change and all is
 * flushed: nothing of it is left in the counts. */
TEST_46_F(limit_test, counts_survive_races)
{
	uint64_t flushed;

	add(self, "few", 1, 8, 8);
	for (unsigned int i = 0; i < RACERS; i++) {
		if (!fork()) {
			churn(self, i, family);
			_exit(0);
		}
	}
	for (uint32_t i = 0; i < 4; i++) {
		set_quotas(self, 100 + 10 * i);
		CHECK_OK(ct_flush(self->host->host, self->slot, &flushed));
	}
	for (int i = 0; i < RACERS; i++)
		wait(NULL);
	check_counts(self);
	CHECK_OK(ct_flush(self->host->host, self->slot, &flushed));
	CHECK_EQ(used(self, "few").conns, 0);
	check_counts(self);
}
