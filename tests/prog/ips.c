// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The ips stage: limits, blocks that grow, full tables, and the early block at the uplink. */
#include <string.h>
#include <bpf/bpf.h>
#include "harness.h"
#include "hosts.h"
#include "ips.h"
#include "stats.h"
#include "vm.h"

struct ips_test {
	struct test_host *host;
	uint32_t slot;
	uint16_t port; /* of the next connection's remote end */
};

static void ips_test_setup(struct ips_test *self)
{
	self->host = hosts_shared();
	hosts_add_vm(self->host);
	self->host->now_ns = 1000 * NS_PER_S;
	self->port = 1024;
	CHECK_OK(vm_find(self->host->host, "vm", &self->slot));
}

static void ips_test_teardown(struct ips_test *self)
{
	CHECK_OK(vm_del(self->host->host, "vm"));
}

/* 2 connections a second; blocks of 10 s, 20 s, 40 s. */
static struct roam_ips profile(void)
{
	struct roam_ips conf = ips_defaults();

	conf.rate = 2;
	conf.burst = 3;
	conf.block_s = 10;
	conf.block_max_s = 40;
	conf.sources = conf.blocks = ROAM_IPS_QUOTA_MIN;
	return conf;
}

static void limit(struct ips_test *self)
{
	struct roam_ips conf = profile();

	CHECK_OK(ips_set(self->host->host, self->slot, &conf));
}

static struct roam_addr peer(int family, unsigned int network, unsigned int host)
{
	struct roam_addr addr = packet_addr(family == 4 ? "198.51.0.0" : "2001:db8:5::");

	if (family == 4) {
		addr.bytes[14] = network;
	} else {
		addr.bytes[6] = network >> 8;
		addr.bytes[7] = network;
	}
	addr.bytes[15] = host;
	return addr;
}

static struct packet_spec to_web(struct roam_addr from, uint16_t port, uint8_t flags)
{
	struct packet_spec spec = cast_tcp(from.words[0] ? 6 : 4, ROAM_DIR_IN, flags);

	spec.src = from;
	spec.sport = port;
	spec.dport = 80;
	return spec;
}

static uint64_t count_of(struct ips_test *self, enum roam_reason reason)
{
	struct roam_stats stats = {};

	CHECK_OK(stats_fold(self->host->host, self->slot, &stats));
	return stats.by_reason[reason][ROAM_DIR_IN].packets;
}

/* A packet from there; the reason that it was counted under, of these, or NONE. */
static enum roam_reason reason_of(struct ips_test *self, const struct packet_spec *spec)
{
	static const enum roam_reason reasons[] = {
		ROAM_REASON_OPENED,    ROAM_REASON_ESTABLISHED, ROAM_REASON_IPS_BLOCKED,
		ROAM_REASON_IPS_LIMIT, ROAM_REASON_IPS_FULL,    ROAM_REASON_ACL_DEFAULT,
	};
	uint64_t before[6];
	struct packet packet;

	for (int i = 0; i < 6; i++)
		before[i] = count_of(self, reasons[i]);
	packet_build(spec, &packet);
	hosts_run(self->host, FRONT_TC, ROAM_DIR_IN, &packet);
	for (int i = 0; i < 6; i++) {
		if (count_of(self, reasons[i]) != before[i])
			return reasons[i];
	}
	return ROAM_REASON_NONE;
}

static enum roam_reason opening(struct ips_test *self, struct roam_addr from)
{
	struct packet_spec spec = to_web(from, self->port++, ROAM_TCP_SYN);

	return reason_of(self, &spec);
}

/* As many openings as the bucket holds, and the one that is too much. */
static void exceed(struct ips_test *self, struct roam_addr from)
{
	for (int i = 0; i < 3; i++)
		CHECK_EQ(opening(self, from), ROAM_REASON_OPENED);
	CHECK_EQ(opening(self, from), ROAM_REASON_IPS_LIMIT);
}

static void pass_time(struct ips_test *self, uint64_t seconds)
{
	self->host->now_ns += seconds * NS_PER_S;
}

TEST_46_F(ips_test, blocks_grow_and_end)
{
	struct roam_addr from = peer(family, 0, 1);

	limit(self);
	for (unsigned int block_s = 10; block_s <= 40; block_s *= 2) {
		exceed(self, from);
		pass_time(self, block_s - 1);
		CHECK_EQ(opening(self, from), ROAM_REASON_IPS_BLOCKED);
		pass_time(self, 1);
	}
	exceed(self, from); /* no longer than the longest */
	pass_time(self, 40);
	CHECK_EQ(opening(self, from), ROAM_REASON_OPENED);
	pass_time(self, 401); /* long over: forgotten */
	exceed(self, from);
	pass_time(self, 10);
	CHECK_EQ(opening(self, from), ROAM_REASON_OPENED);
}

TEST_46_F(ips_test, a_source_within_its_rate_is_never_blocked)
{
	limit(self);
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(opening(self, peer(family, 0, 1)), ROAM_REASON_OPENED);
		self->host->now_ns += NS_PER_S / 2;
	}
}

TEST_46_F(ips_test, sources_are_counted_apart)
{
	limit(self);
	exceed(self, peer(family, 1, 1));
	CHECK_EQ(opening(self, peer(family, 2, 1)), ROAM_REASON_OPENED);
	/* An IPv6 source is a /64, an IPv4 source one address. */
	CHECK_EQ(opening(self, peer(family, 1, 2)),
		 family == 6 ? ROAM_REASON_IPS_BLOCKED : ROAM_REASON_OPENED);
}

TEST_46_F(ips_test, scanning_closed_ports_counts)
{
	struct packet_spec spec = to_web(peer(family, 0, 1), 2000, ROAM_TCP_SYN);

	limit(self);
	for (spec.dport = 1000; spec.dport < 1003; spec.dport++)
		CHECK_EQ(reason_of(self, &spec), ROAM_REASON_ACL_DEFAULT);
	CHECK_EQ(reason_of(self, &spec), ROAM_REASON_IPS_LIMIT);
}

TEST_46_F(ips_test, a_block_ends_what_is_established)
{
	struct packet_spec open = cast_tcp(family, ROAM_DIR_OUT, ROAM_TCP_SYN);
	struct packet_spec reply = cast_tcp(family, ROAM_DIR_IN, ROAM_TCP_SYN | ROAM_TCP_ACK);
	struct roam_addr from = reply.src;
	struct packet packet;

	packet_build(&open, &packet);
	CHECK_EQ(hosts_run(self->host, FRONT_TC, ROAM_DIR_OUT, &packet), ROAM_PASS);
	CHECK_EQ(reason_of(self, &reply), ROAM_REASON_ESTABLISHED);
	CHECK_OK(ips_block_add(self->host->host, self->slot, &from, 0));
	CHECK_EQ(reason_of(self, &reply), ROAM_REASON_IPS_BLOCKED);
	CHECK_OK(ips_block_del(self->host->host, self->slot, &from));
	CHECK_EQ(reason_of(self, &reply), ROAM_REASON_ESTABLISHED);
	CHECK_EQ(ips_block_del(self->host->host, self->slot, &from), -ENOENT);
}

/* What the VM opens itself is nobody's attack. */
TEST_46_F(ips_test, out_is_not_limited)
{
	struct packet_spec spec = cast_tcp(family, ROAM_DIR_OUT, ROAM_TCP_SYN);
	struct packet packet;

	limit(self);
	for (spec.sport = 3000; spec.sport < 3020; spec.sport++) {
		packet_build(&spec, &packet);
		CHECK_EQ(hosts_run(self->host, FRONT_TC, ROAM_DIR_OUT, &packet), ROAM_PASS);
	}
}

static int count_source(const struct roam_ips_source_rec *rec, void *arg)
{
	(void)rec;
	++*(unsigned int *)arg;
	return 0;
}

/* More sources than the table holds: nobody is refused for it, and memory stays bounded. */
TEST_46_F(ips_test, a_flood_of_sources_stays_bounded)
{
	unsigned int count = 0;

	limit(self);
	for (unsigned int i = 0; i < 60; i++) {
		for (int j = 0; j < 2; j++) {
			struct packet_spec spec = to_web(peer(family, i, j), 1, ROAM_TCP_SYN);

			spec.dport = 9; /* closed: no flow is made */
			CHECK_EQ(reason_of(self, &spec), ROAM_REASON_ACL_DEFAULT);
		}
	}
	CHECK_OK(ips_each_source(self->host->host, self->slot, count_source, &count));
	CHECK_EQ(count, family == 4 ? ROAM_IPS_QUOTA_MIN : 60);
}

TEST_46_F(ips_test, a_full_table_of_blocks_has_its_reason)
{
	struct roam_addr from;

	limit(self);
	for (unsigned int i = 0; i < ROAM_IPS_QUOTA_MIN; i++) {
		from = peer(family, i, 0);
		CHECK_OK(ips_block_add(self->host->host, self->slot, &from, 0));
	}
	from = peer(family, 99, 0);
	CHECK_EQ(ips_block_add(self->host->host, self->slot, &from, 0), -ENOSPC);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(opening(self, from), ROAM_REASON_OPENED);
	CHECK_EQ(opening(self, from), ROAM_REASON_IPS_FULL);
}

/* The other way round: blocks that are over make room. */
TEST_46_F(ips_test, blocks_that_are_over_make_room)
{
	limit(self);
	for (unsigned int i = 0; i < ROAM_IPS_QUOTA_MIN; i++) {
		/* A flow each would fill the VM's tables: closed ports do. */
		for (uint16_t port = 1; port < 5; port++) {
			struct packet_spec spec = to_web(peer(family, i, 1), port, ROAM_TCP_SYN);

			spec.dport = 9;
			reason_of(self, &spec);
		}
	}
	CHECK_EQ(count_of(self, ROAM_REASON_IPS_LIMIT), ROAM_IPS_QUOTA_MIN);
	pass_time(self, 10);
	exceed(self, peer(family, 99, 1));
	CHECK_EQ(opening(self, peer(family, 99, 1)), ROAM_REASON_IPS_BLOCKED);
	CHECK_EQ(count_of(self, ROAM_REASON_IPS_FULL), 0);
}

static int run_uplink(struct ips_test *self, const struct packet_spec *spec)
{
	struct packet packet;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet.bytes);

	packet_build(spec, &packet);
	opts.data_size_in = packet.len;
	CHECK_OK(bpf_prog_test_run_opts(host_prog(self->host->host, HOST_PROG_xdp_uplink), &opts));
	return opts.retval;
}

TEST_46_F(ips_test, the_uplink_drops_what_is_blocked)
{
	struct packet_spec spec = to_web(peer(family, 0, 1), 1, ROAM_TCP_SYN);
	struct roam_addr from = spec.src;

	CHECK_EQ(run_uplink(self, &spec), XDP_PASS);
	CHECK_OK(ips_block_add(self->host->host, self->slot, &from, 60));
	CHECK_EQ(run_uplink(self, &spec), XDP_DROP);
	CHECK_EQ(count_of(self, ROAM_REASON_IPS_BLOCKED), 1);
	memset(spec.dmac, 2, sizeof(spec.dmac)); /* routed: found by its address */
	CHECK_EQ(run_uplink(self, &spec), XDP_DROP);
	spec.dst = cast_stranger_addr(family); /* not to this VM */
	CHECK_EQ(run_uplink(self, &spec), XDP_PASS);
	CHECK_OK(ips_block_del(self->host->host, self->slot, &from));
	spec = to_web(from, 1, ROAM_TCP_SYN);
	CHECK_EQ(run_uplink(self, &spec), XDP_PASS);
}

static int count_block(const struct roam_ips_block_rec *rec, void *arg)
{
	(void)rec;
	++*(unsigned int *)arg;
	return 0;
}

TEST_46_F(ips_test, quotas_change_and_blocks_stay)
{
	struct roam_ips conf = profile();
	struct roam_addr from;
	unsigned int count = 0;

	limit(self);
	for (unsigned int i = 0; i < ROAM_IPS_QUOTA_MIN; i++) {
		from = peer(family, i, 0);
		CHECK_OK(ips_block_add(self->host->host, self->slot, &from, 0));
	}
	conf.blocks = conf.sources = 2 * ROAM_IPS_QUOTA_MIN;
	CHECK_OK(ips_set(self->host->host, self->slot, &conf));
	from = peer(family, 100, 0);
	CHECK_OK(ips_block_add(self->host->host, self->slot, &from, 0));
	CHECK_OK(ips_each_block(self->host->host, self->slot, count_block, &count));
	CHECK_EQ(count, ROAM_IPS_QUOTA_MIN + 1);
	conf.blocks = ROAM_IPS_QUOTA_MIN;
	CHECK_EQ(ips_set(self->host->host, self->slot, &conf), -EBUSY);
	conf = profile();
	conf.blocks = 2 * ROAM_IPS_QUOTA_MIN;
	conf.prefix6 = 56;
	CHECK_EQ(ips_set(self->host->host, self->slot, &conf), -EBUSY);
	CHECK_OK(ips_del(self->host->host, self->slot));
	CHECK_EQ(opening(self, peer(family, 1, 0)), ROAM_REASON_OPENED);
}

TEST_F(ips_test, absurd_profiles_are_refused)
{
	struct roam_ips absurd[8];

	for (size_t i = 0; i < 8; i++)
		absurd[i] = profile();
	absurd[0].burst = 0;
	absurd[1].rate = ROAM_IPS_RATE_MAX + 1;
	absurd[2].block_s = 41;
	absurd[3].block_max_s = ROAM_IPS_TIME_MAX + 1;
	absurd[4].prefix4 = 33;
	absurd[5].prefix6 = 0;
	absurd[6].sources = ROAM_IPS_QUOTA_MIN - 1;
	absurd[7].blocks = ROAM_IPS_QUOTA_MAX + 1;
	for (size_t i = 0; i < 8; i++)
		CHECK_NE(ips_set(self->host->host, self->slot, &absurd[i]), 0);
	CHECK(!ips_is_used(self->host->host, self->slot));
}
