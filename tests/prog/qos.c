// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The qos stage: what a bucket holds, what GSO costs, and the marks in the bytes. */
#include <arpa/inet.h>
#include <string.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include "harness.h"
#include "hosts.h"
#include "qos.h"
#include "vm.h"

#define MS_NS 1000000ULL

/* 1 byte a microsecond: times and bytes are easily told from each other. */
#define RATE_BPS 1000000

struct qos_test {
	struct test_host *host;
	uint32_t slot;
};

static void qos_test_setup(struct qos_test *self)
{
	self->host = hosts_shared();
	hosts_add_vm(self->host);
	self->host->now_ns = 1000 * NS_PER_S;
	CHECK_OK(vm_find(self->host->host, "vm", &self->slot));
}

static void qos_test_teardown(struct qos_test *self)
{
	CHECK_OK(vm_del(self->host->host, "vm"));
}

static void limit(struct qos_test *self, enum roam_dir dir, uint32_t burst)
{
	struct roam_qos conf = { .is_set = 1, .rate_Bps = RATE_BPS, .burst = burst };

	CHECK_OK(qos_set(self->host->host, self->slot, dir, &conf));
}

/* A datagram of so many bytes on the wire, from the VM or to it. */
static struct packet frame(int family, enum roam_dir dir, uint32_t len)
{
	struct packet_spec spec = cast_packet(family, dir, IPPROTO_UDP);
	struct packet packet;

	spec.payload = len - (family == 4 ? 42 : 62);
	packet_build(&spec, &packet);
	return packet;
}

/* How many of them pass, one after the other at the same moment. */
static int burst_of(struct qos_test *self, enum roam_dir dir, const struct packet *packet, int most)
{
	int passed = 0;

	while (passed < most && hosts_run(self->host, FRONT_TC, dir, packet) == ROAM_PASS)
		passed++;
	return passed;
}

/* Opens the flow, which `in` lets nothing through without, before there is a limit. */
static void open_flow(struct qos_test *self, int family)
{
	struct packet packet = frame(family, ROAM_DIR_OUT, 100);

	CHECK_EQ(hosts_run(self->host, FRONT_TC, ROAM_DIR_OUT, &packet), ROAM_PASS);
}

static struct roam_qos_rec read_back(struct qos_test *self, enum roam_dir dir)
{
	struct roam_qos_rec rec = {};

	CHECK_OK(qos_get(self->host->host, self->slot, dir, &rec));
	return rec;
}

static void check_rate(struct qos_test *self, int family, enum roam_dir dir)
{
	struct packet packet = frame(family, dir, 1000);

	open_flow(self, family);
	limit(self, dir, 5000);
	CHECK_EQ(burst_of(self, dir, &packet, 10), 5);
	self->host->now_ns += 999 * 1000; /* a microsecond too early for the next one */
	CHECK_EQ(burst_of(self, dir, &packet, 10), 0);
	self->host->now_ns += 1000;
	CHECK_EQ(burst_of(self, dir, &packet, 10), 1);
	self->host->now_ns += 29 * NS_PER_S; /* full again, and not more than that */
	CHECK_EQ(burst_of(self, dir, &packet, 10), 5);
	CHECK_EQ(read_back(self, dir).state.passed_packets, 11);
	CHECK_EQ(read_back(self, dir).state.passed_bytes, 11000);
	CHECK_EQ(read_back(self, dir).state.dropped_packets, 4);
	CHECK_EQ(read_back(self, dir).state.dropped_bytes, 4000);
}

TEST_46_F(qos_test, out_is_held_to_its_rate)
{
	check_rate(self, family, ROAM_DIR_OUT);
}

TEST_46_F(qos_test, in_is_held_to_its_rate)
{
	check_rate(self, family, ROAM_DIR_IN);
}

TEST_46_F(qos_test, a_limit_is_for_one_direction)
{
	struct packet in = frame(family, ROAM_DIR_IN, 1000);

	open_flow(self, family);
	limit(self, ROAM_DIR_OUT, 2048);
	CHECK_EQ(burst_of(self, ROAM_DIR_IN, &in, 50), 50);
}

/* What is larger than the bucket passes when it is full, and is paid for afterwards. */
TEST_46_F(qos_test, a_large_frame_leaves_a_debt)
{
	struct packet large = frame(family, ROAM_DIR_OUT, 2000);

	limit(self, ROAM_DIR_OUT, ROAM_QOS_BURST_MIN);
	large.gso_size = 100; /* many headers: some 3 KB on the wire */
	CHECK_EQ(burst_of(self, ROAM_DIR_OUT, &large, 10), 1);
	large = frame(family, ROAM_DIR_OUT, 100);
	self->host->now_ns += MS_NS / 2;
	CHECK_EQ(burst_of(self, ROAM_DIR_OUT, &large, 10), 0);
	self->host->now_ns += MS_NS;
	CHECK_EQ(burst_of(self, ROAM_DIR_OUT, &large, 1), 1);
}

/* Each segment goes out with all the headers. */
TEST_46_F(qos_test, gso_counts_by_segment)
{
	uint32_t headers = family == 4 ? 42 : 62;
	struct packet packet = frame(family, ROAM_DIR_OUT, headers + 1000);

	limit(self, ROAM_DIR_OUT, 1 << 20);
	packet.gso_size = 300;
	CHECK_EQ(burst_of(self, ROAM_DIR_OUT, &packet, 1), 1);
	CHECK_EQ(read_back(self, ROAM_DIR_OUT).state.passed_bytes, 1000 + 4 * headers);
}

/* Losing a tie for the last token costs a drop at most; nobody gets it twice. */
TEST_F(qos_test, bucket_and_counters_outlive_a_new_rate)
{
	struct packet packet = frame(4, ROAM_DIR_OUT, 1000);
	struct roam_qos conf = { .is_set = 1, .rate_Bps = RATE_BPS / 2, .burst = 5000 };

	limit(self, ROAM_DIR_OUT, 5000);
	CHECK_EQ(burst_of(self, ROAM_DIR_OUT, &packet, 10), 5);
	CHECK_OK(qos_set(self->host->host, self->slot, ROAM_DIR_OUT, &conf));
	CHECK_EQ(burst_of(self, ROAM_DIR_OUT, &packet, 10), 0);
	CHECK_EQ(read_back(self, ROAM_DIR_OUT).state.passed_packets, 5);
	self->host->now_ns += 2 * MS_NS;
	CHECK_EQ(burst_of(self, ROAM_DIR_OUT, &packet, 10), 1);
}

TEST_F(qos_test, without_a_profile_nothing_is_left)
{
	struct packet packet = frame(4, ROAM_DIR_OUT, 1000);
	struct roam_qos_rec none = { .dir = ROAM_DIR_OUT }, rec;

	limit(self, ROAM_DIR_OUT, 5000);
	CHECK_EQ(burst_of(self, ROAM_DIR_OUT, &packet, 10), 5);
	CHECK_OK(qos_set(self->host->host, self->slot, ROAM_DIR_OUT, &(struct roam_qos){}));
	CHECK_EQ(burst_of(self, ROAM_DIR_OUT, &packet, 50), 50);
	rec = read_back(self, ROAM_DIR_OUT);
	CHECK_MEM(&rec, &none, sizeof(none));
}

static uint16_t sum_words(const uint8_t *bytes, int count)
{
	uint32_t sum = 0;

	for (int i = 0; i < count; i += 2)
		sum += bytes[i] << 8 | bytes[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void write_checksum(uint8_t *ip)
{
	uint16_t sum;

	ip[10] = ip[11] = 0;
	sum = ~sum_words(ip, sizeof(struct iphdr));
	ip[10] = sum >> 8;
	ip[11] = sum;
}

static void write_ipv6_start(uint8_t *ip, uint32_t traffic_class)
{
	uint32_t word = htonl(6U << 28 | traffic_class << 20 | 0xabcde);

	memcpy(ip, &word, sizeof(word));
}

/* Only the six bits, and the header's checksum with them. */
static void check_mark(struct qos_test *self, int family, enum front_end front)
{
	struct roam_qos conf = { .is_set = 1, .has_dscp = 1, .dscp = 46 };
	struct packet packet = frame(family, ROAM_DIR_OUT, 100), expected;
	uint8_t *ip = packet.bytes + 14;

	if (family == 4) { /* ECN capable, DSCP 10 before */
		ip[1] = 10 << 2 | 2;
		write_checksum(ip);
	} else {
		write_ipv6_start(ip, 10 << 2 | 2);
	}
	CHECK_OK(qos_set(self->host->host, self->slot, ROAM_DIR_OUT, &conf));
	CHECK_EQ(hosts_run(self->host, front, ROAM_DIR_OUT, &packet), ROAM_PASS);
	expected = packet;
	ip = expected.bytes + 14;
	if (family == 4) {
		ip[1] = 46 << 2 | 2;
		write_checksum(ip);
	} else {
		write_ipv6_start(ip, 46 << 2 | 2);
	}
	CHECK_EQ(self->host->after.len, packet.len);
	CHECK_MEM(self->host->after.bytes, expected.bytes, packet.len);
}

TEST_46_F(qos_test, marks_behind_tc)
{
	check_mark(self, family, FRONT_TC);
}

TEST_46_F(qos_test, marks_behind_xdp)
{
	check_mark(self, family, FRONT_XDP);
}

TEST_F(qos_test, absurd_profiles_are_refused)
{
	static const struct roam_qos absurd[] = {
		{ .is_set = 1, .burst = 5000 },
		{ .is_set = 1, .rate_Bps = 1, .burst = 5000 },
		{ .is_set = 1, .rate_Bps = RATE_BPS, .burst = 1 },
		{ .is_set = 1, .rate_Bps = RATE_BPS, .burst = ROAM_QOS_BURST_MAX + 1 },
		{ .is_set = 1, .rate_Bps = ROAM_QOS_RATE_MAX + 1, .burst = 5000 },
		{ .is_set = 1, .has_dscp = 1, .dscp = 64 },
		{ .is_set = 2 },
	};

	for (size_t i = 0; i < sizeof(absurd) / sizeof(absurd[0]); i++)
		CHECK_NE(qos_set(self->host->host, self->slot, ROAM_DIR_OUT, &absurd[i]), 0);
	CHECK_EQ(read_back(self, ROAM_DIR_OUT).conf.is_set, 0);
}
