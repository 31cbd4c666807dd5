// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Makes random traces, for tests/prog/move.c.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "harness.h"
#include "lb.h"
#include "trace.h"

#define FRAG_PAYLOAD 380 /* of a datagram in fragments */

uint32_t pick(uint32_t below)
{
	return (uint32_t)random() % below;
}

static const uint8_t flag_choices[] = {
	ROAM_TCP_SYN,
	ROAM_TCP_SYN,
	ROAM_TCP_SYN | ROAM_TCP_ACK,
	ROAM_TCP_SYN | ROAM_TCP_ACK,
	ROAM_TCP_ACK,
	ROAM_TCP_ACK,
	ROAM_TCP_ACK,
	ROAM_TCP_ACK | ROAM_TCP_PSH,
	ROAM_TCP_FIN | ROAM_TCP_ACK,
	ROAM_TCP_RST | ROAM_TCP_ACK,
	ROAM_TCP_FIN | ROAM_TCP_SYN,
};

/* ---- services: one per family and protocol, with the VM and the peer as backends ---- */

#define BACKEND_PORT 80

struct roam_addr trace_vip(int family)
{
	return packet_addr(family == 4 ? "198.51.100.9" : "2001:db8:99::9");
}

/* To or from the VIP, or a backend that stands for it on the wire. */
static void balance(struct packet_spec *spec, int family, enum roam_dir dir)
{
	bool out = dir == ROAM_DIR_OUT, vip = pick(2);

	if (out || !pick(3)) { /* the VM as client, or what a backend may have sent */
		*(out ? &spec->dst : &spec->src) = vip ? trace_vip(family) : cast_peer_addr(family);
		*(out ? &spec->dport : &spec->sport) = vip ? TRACE_VIP_PORT : BACKEND_PORT;
		return;
	}
	if (!vip)
		return;
	spec->dst = trace_vip(family);
	spec->dport = TRACE_VIP_PORT;
}

static void add_service(struct test_host *host, int family, uint8_t proto)
{
	struct roam_lb_key key = {
		.vip = trace_vip(family),
		.port = htons(TRACE_VIP_PORT),
		.proto = proto,
	};
	struct roam_lb_backend row = { .port = htons(BACKEND_PORT), .weight = 1 };
	char name[ROAM_NAME_LEN];

	snprintf(name, sizeof(name), "v%d-%u", family, proto);
	CHECK_OK(lb_add(host->host, name, &key));
	row.addr = cast_vm_addr(family);
	CHECK_OK(lb_backend_add(host->host, name, &row));
	row.addr = cast_peer_addr(family);
	CHECK_OK(lb_backend_add(host->host, name, &row));
}

void trace_add_services(struct test_host *host)
{
	for (int family = 4; family <= 6; family += 2) {
		add_service(host, family, IPPROTO_TCP);
		add_service(host, family, IPPROTO_UDP);
	}
}

/* Few tuples, so that packets of a trace belong together. */
static struct packet_spec random_spec(enum roam_dir dir)
{
	static const uint16_t vm_ports[] = { 80, 22, 40000, 40001 };
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_TCP,  IPPROTO_TCP,
					  IPPROTO_UDP, IPPROTO_SCTP, 0 };
	static const uint8_t chunks[] = { 0, 1, 1, 2, 4, 5, 6, 7, 8, 9, 10, 10, 11, 11, 14 };
	int family = pick(2) ? 4 : 6;
	uint8_t proto = protos[pick(sizeof(protos))];
	struct packet_spec spec;
	uint16_t port = vm_ports[pick(4)];

	if (!proto)
		proto = family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	spec = cast_packet(family, dir, proto);
	*(dir == ROAM_DIR_OUT ? &spec.sport : &spec.dport) = port;
	spec.tcp_flags = flag_choices[pick(sizeof(flag_choices))];
	spec.tcp_scale = pick(3) ? 7 : 0;
	spec.seq = 1000 + pick(5000);
	spec.ack = 1000 + pick(5000);
	spec.payload = pick(100);
	spec.sctp_chunk = chunks[pick(sizeof(chunks))];
	spec.icmp_id = 1 + pick(2);
	spec.icmp_type = family == 4 ? (pick(2) ? 8 : 0) : (pick(2) ? 128 : 129);
	if (proto != IPPROTO_SCTP && !pick(3))
		balance(&spec, family, dir);
	if (!pick(12)) /* somebody else's address */
		*(dir == ROAM_DIR_OUT ? &spec.src : &spec.dst) = cast_stranger_addr(family);
	return spec;
}

/* A datagram that goes in fragments, between other packets. */
struct parts {
	struct packet whole;
	enum roam_dir dir;
	struct packet_cut next;
};

static void begin_parts(struct parts *parts, const struct packet_spec *spec, enum roam_dir dir)
{
	struct packet_spec longer = *spec;

	longer.payload = FRAG_PAYLOAD;
	packet_build(&longer, &parts->whole);
	parts->dir = dir;
	parts->next = (struct packet_cut){ .hi = 8 * (4 + pick(10)), .id = 1 + pick(3) };
}

/* Mostly in order; sometimes one is missing, comes early, twice, or over another. */
static void next_part(struct parts *parts, struct packet *ret_packet)
{
	struct packet_cut cut = parts->next;

	if (!pick(8))
		cut = (struct packet_cut){ .lo = 8 * pick(20),
					   .hi = 8 * (20 + pick(30)),
					   .id = cut.id };
	packet_cut(&parts->whole, cut, ret_packet);
	if (parts->next.hi > FRAG_PAYLOAD - 8)
		parts->whole.len = 0;
	parts->next.lo = parts->next.hi;
	parts->next.hi += 8 * (4 + pick(20));
	if (!pick(8))
		parts->next.lo += 8;
}

/* What becomes of a packet to the VIP: to the peer from the VM, to the VM from the peer. */
static void translated(struct packet_spec *spec, enum roam_dir dir)
{
	int family = spec->src.words[0] ? 6 : 4;
	struct roam_addr vip = trace_vip(family);

	if (memcmp(&spec->dst, &vip, sizeof(vip)) != 0)
		return;
	spec->dst = dir == ROAM_DIR_OUT ? cast_peer_addr(family) : cast_vm_addr(family);
	spec->dport = BACKEND_PORT;
}

static bool may_open(const struct packet_spec *spec)
{
	switch (spec->proto) {
	case IPPROTO_TCP:
		return spec->tcp_flags == ROAM_TCP_SYN;
	case IPPROTO_SCTP:
		return spec->sctp_chunk == ROAM_SCTP_INIT ||
		       spec->sctp_chunk == ROAM_SCTP_HEARTBEAT;
	case IPPROTO_ICMP:
		return spec->icmp_type == 8;
	case IPPROTO_ICMPV6:
		return spec->icmp_type == 128;
	default:
		return true;
	}
}

/*
 * An ICMP error, sent by a router or an end, about the last packet that went the other way and
 * may have opened a flow, as it went on; now and then about another one. `quote` is room for what
 * it quotes.
 */
static struct packet_spec random_error(enum roam_dir dir, const struct packet_spec *before,
				       struct packet_spec *quote)
{
	static const uint8_t types[] = { 1, 2, 3, 4, 11, 12 };
	struct packet_spec spec;

	*quote = before && pick(5) ? *before : random_spec(!dir);
	if (pick(4))
		translated(quote, !dir);
	spec = cast_error(dir, types[pick(sizeof(types))], quote);
	if (dir == ROAM_DIR_IN && pick(2))
		spec.src = quote->dst;
	if (pick(2))
		spec.quote_len = (spec.proto == IPPROTO_ICMP ? 20 : 40) + 8 + pick(3) * 12;
	return spec;
}

void trace_make(struct traced *trace)
{
	struct parts parts = {};
	/* Mostly milliseconds; sometimes long enough for one timeout or another. */
	static const uint32_t gaps_s[] = { 1, 2, 4, 11, 31, 121 };
	struct packet_spec last[ROAM_DIR_COUNT], quote;
	bool seen[ROAM_DIR_COUNT] = {};
	uint64_t at_ns = 0;

	for (int i = 0; i < TRACE_LEN; i++) {
		enum roam_dir dir = pick(2);
		struct packet_spec spec = random_spec(dir);

		if (!pick(4)) {
			spec = random_error(dir, seen[!dir] ? &last[!dir] : NULL, &quote);
		} else if (may_open(&spec)) {
			last[dir] = spec;
			seen[dir] = true;
		}
		at_ns += pick(1000000) + (pick(4) ? 0 : gaps_s[pick(6)] * SECOND);
		trace[i].dir = dir;
		trace[i].front = pick(FRONT_ENDS);
		trace[i].at_ns = at_ns;
		packet_build(&spec, &trace[i].packet);
		if (!parts.whole.len && !pick(3))
			begin_parts(&parts, &spec, dir);
		if (!parts.whole.len || !pick(3))
			continue;
		trace[i].dir = parts.dir;
		next_part(&parts, &trace[i].packet);
	}
}
