// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Arbitrary frames through the whole list, behind both front ends: frames of every kind that the
 * tests can describe, then bent at random. Whatever a frame is, it is counted once, under a reason
 * that says what became of it, and one that was dropped has left no flow behind.
 */
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <stdlib.h>
#include <string.h>
#include "ct.h"
#include "harness.h"
#include "hosts.h"
#include "ips.h"
#include "lb.h"
#include "qos.h"
#include "stats.h"
#include "vm.h"

#define FRAMES   5000          /* a front end and direction */
#define SHORTEST ETHER_HDR_LEN /* that BPF_PROG_TEST_RUN takes of XDP */
/* For tc Linux 6.17 refuses one without the IP header that its ethertype tells of. */
#define SHORTEST_TC (ETHER_HDR_LEN + 40)
#define VIP_PORT    8000
#define START_NS    (1000 * NS_PER_S)

static const enum roam_verdict verdict_of[ROAM_REASON_COUNT] = {
#define X(id, name, verdict, text) [ROAM_REASON_##id] = ROAM_##verdict,
	ROAM_REASONS(X)
#undef X
};

struct frames {
	struct test_host *host;
	uint32_t slot;
};

/* What there is before and after a frame. */
struct look {
	struct roam_stats stats[2]; /* of the VM, and of nobody */
	uint32_t flows;
};

static uint32_t pick(uint32_t below)
{
	return (uint32_t)random() % below;
}

/* ---- a VM with everything on ---- */

static void add_service(struct host *host, int family)
{
	struct roam_lb_backend row = { .port = htons(80), .weight = 1 };
	struct roam_lb_key key = {
		.vip = packet_addr(family == 4 ? "198.51.100.9" : "2001:db8:99::9"),
		.port = htons(VIP_PORT),
		.proto = IPPROTO_TCP,
	};
	const char *name = family == 4 ? "web4" : "web6";

	CHECK_OK(lb_add(host, name, &key));
	row.addr = cast_vm_addr(family);
	CHECK_OK(lb_backend_add(host, name, &row));
	row.addr = cast_peer_addr(family);
	CHECK_OK(lb_backend_add(host, name, &row));
}

static void frames_setup(struct frames *self)
{
	struct roam_qos rate = { .is_set = 1, .rate_Bps = 1000000, .burst = ROAM_QOS_BURST_MIN };
	struct roam_ips ips = ips_defaults();
	struct host *host;

	srandom(harness_seed());
	self->host = hosts_shared();
	self->host->now_ns = START_NS;
	host = self->host->host;
	hosts_add_vm(self->host);
	CHECK_OK(vm_find(host, "vm", &self->slot));
	add_service(host, 4);
	add_service(host, 6);
	CHECK_OK(lb_use(host, self->slot, true));
	ips.rate = ips.burst = 20;
	ips.block_s = 1;
	CHECK_OK(ips_set(host, self->slot, &ips));
	CHECK_OK(qos_set(host, self->slot, ROAM_DIR_IN, &rate));
}

static void frames_teardown(struct frames *self)
{
	CHECK_OK(lb_del(self->host->host, "web4"));
	CHECK_OK(lb_del(self->host->host, "web6"));
	CHECK_OK(vm_del(self->host->host, "vm"));
}

/* ---- frames ---- */

static void vary_transport(struct packet_spec *spec, enum roam_dir dir)
{
	static const uint16_t vm_ports[] = { 80, 22, 68, 546, 40000 };

	*(dir == ROAM_DIR_OUT ? &spec->sport : &spec->dport) = vm_ports[pick(5)];
	*(dir == ROAM_DIR_OUT ? &spec->dport : &spec->sport) = pick(3) ? 1024 + pick(8) : 67;
	spec->tcp_flags = pick(2) ? ROAM_TCP_SYN : pick(64);
	spec->tcp_scale = pick(16);
	spec->seq = random();
	spec->ack = random();
	spec->payload = pick(8) ? pick(64) : pick(1400);
	spec->sctp_chunk = pick(2) ? ROAM_SCTP_INIT : pick(16);
	spec->icmp_type = pick(2) ? pick(256) : 128 + pick(20);
	spec->icmp_code = pick(4);
	spec->icmp_id = pick(3);
}

static void vary(struct packet_spec *spec, int family, enum roam_dir dir)
{
	vary_transport(spec, dir);
	spec->hop_limit = pick(2) ? 255 : pick(256);
	spec->ext_headers = pick(4) ? 0 : pick(10);
	spec->frag = pick(6) ? 0 : pick(0x4000);
	if (!pick(8))
		spec->vlan[0] = pick(4096);
	if (!pick(16))
		spec->vlan[1] = pick(4096);
	if (!pick(16))
		*(dir == ROAM_DIR_OUT ? &spec->src : &spec->dst) = cast_stranger_addr(family);
	if (!pick(4)) {
		*(dir == ROAM_DIR_OUT ? &spec->dst : &spec->src) =
			packet_addr(family == 4 ? "198.51.100.9" : "2001:db8:99::9");
		*(dir == ROAM_DIR_OUT ? &spec->dport : &spec->sport) = VIP_PORT;
	}
}

static struct packet_spec random_spec(enum roam_dir dir)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6,
					  47,          50,          IPPROTO_SCTP, IPPROTO_IGMP };
	int family = pick(2) ? 4 : 6;
	struct packet_spec spec = cast_packet(family, dir, pick(6) ? protos[pick(8)] : pick(256));

	vary(&spec, family, dir);
	return spec;
}

/* An ICMP error, mostly, about what may have gone the other way. */
static struct packet_spec random_error(enum roam_dir dir, const struct packet_spec *quote)
{
	struct packet_spec spec = cast_error(dir, pick(8) ? 1 + pick(4) : pick(14), quote);

	if (spec.proto == IPPROTO_ICMP && pick(2))
		spec.icmp_type = 11;
	if (pick(3))
		spec.quote_len = 1 + pick(100);
	return spec;
}

/* Flips, cuts, pads: mostly in the headers. */
static void bend(struct packet *packet)
{
	for (uint32_t flips = pick(4); flips; flips--)
		packet->bytes[pick(packet->len < 90 ? packet->len : 90)] = random();
	if (!pick(4))
		packet->len = SHORTEST + pick(packet->len - SHORTEST + 1);
	if (!pick(8) && packet->len < PACKET_MAX - 64)
		packet->len += pick(64);
}

static void random_frame(enum roam_dir dir, struct packet *ret_packet)
{
	struct packet_spec quote = random_spec(!dir), spec = random_spec(dir);

	if (!pick(6))
		spec = random_error(dir, &quote);
	memset(ret_packet, 0, sizeof(*ret_packet));
	packet_build(&spec, ret_packet);
	if (pick(3))
		bend(ret_packet);
	if (!pick(50)) {
		ret_packet->len = SHORTEST + pick(200);
		for (uint32_t i = 0; i < ret_packet->len; i++)
			ret_packet->bytes[i] = random();
	}
}

/* ---- what is to be true of each ---- */

/* As the programs themselves count them: a dump for every frame would take most of the time. */
static uint32_t count_flows(const struct frames *self)
{
	uint32_t count = 0;

	for (uint32_t kind = 0; kind < ROAM_CT_KINDS; kind++) {
		uint32_t index = ROAM_CT_TABLE(self->slot, 0, kind);
		struct roam_ct_fill fill;

		CHECK_OK(host_get(self->host->host, HOST_MAP_ct_fill, &index, &fill));
		count += fill.used;
	}
	return count;
}

static void look(const struct frames *self, struct look *ret_look)
{
	CHECK_OK(stats_fold(self->host->host, self->slot, &ret_look->stats[0]));
	CHECK_OK(stats_fold(self->host->host, ROAM_VM_NONE, &ret_look->stats[1]));
	ret_look->flows = count_flows(self);
}

static int count_rows(const struct roam_flow_rec *rows, uint32_t count, void *arg)
{
	(void)rows;
	*(uint32_t *)arg += count;
	return 0;
}

/* The one reason whose counter has grown by one packet; NONE if that is not how it is. */
static enum roam_reason counted(const struct look *before, const struct look *after,
				enum roam_dir dir)
{
	enum roam_reason found = ROAM_REASON_NONE;
	uint64_t packets = 0;

	for (int who = 0; who < 2; who++) {
		for (int reason = 0; reason < ROAM_REASON_COUNT; reason++) {
			uint64_t more = after->stats[who].by_reason[reason][dir].packets -
					before->stats[who].by_reason[reason][dir].packets;

			if (more)
				found = reason;
			packets += more;
		}
	}
	return packets == 1 ? found : ROAM_REASON_NONE;
}

static bool one_frame(struct frames *self, enum front_end front, enum roam_dir dir,
		      enum roam_reason *ret_reason)
{
	static struct look before, after;
	static struct packet packet;
	enum roam_verdict verdict;

	random_frame(dir, &packet);
	if (front == FRONT_TC && packet.len < SHORTEST_TC)
		packet.len = SHORTEST_TC;
	self->host->now_ns += pick(20) ? pick(1000000) : pick(200) * NS_PER_S;
	look(self, &before);
	verdict = hosts_run(self->host, front, dir, &packet);
	look(self, &after);
	*ret_reason = counted(&before, &after, dir);
	return CHECK_NE(*ret_reason, ROAM_REASON_NONE) &&
	       CHECK_EQ(verdict, verdict_of[*ret_reason]) &&
	       (verdict == ROAM_PASS || CHECK_OP(after.flows, <=, before.flows));
}

static const struct side {
	const char *name;
	enum front_end front;
	enum roam_dir dir;
} sides[] = {
	{ "tc_in", FRONT_TC, ROAM_DIR_IN },
	{ "tc_out", FRONT_TC, ROAM_DIR_OUT },
	{ "xdp_in", FRONT_XDP, ROAM_DIR_IN },
	{ "xdp_out", FRONT_XDP, ROAM_DIR_OUT },
};

/* That the frames reach far: a list of drops of one kind would prove nothing. */
#define REASONS_SEEN 8

TEST_EACH_F(frames, every_frame_has_a_reason, sides)
{
	bool seen[ROAM_REASON_COUNT] = {};
	enum roam_reason reason;
	uint32_t kinds = 0, rows = 0;

	for (unsigned i = 0; i < harness_rounds(FRAMES); i++) {
		if (!one_frame(self, row->front, row->dir, &reason)) {
			note("frame %u", i);
			return;
		}
		kinds += !seen[reason];
		seen[reason] = true;
	}
	CHECK_OP(kinds, >=, REASONS_SEEN);
	CHECK(seen[ROAM_REASON_OPENED]);
	CHECK_OK(ct_dump(self->host->host, self->slot, count_rows, &rows));
	CHECK_EQ(rows, count_flows(self));
}
