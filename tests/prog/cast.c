// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Who plays in the prog tests: see cast.h. */
#include <arpa/inet.h>
#include <string.h>
#include "cast.h"
#include "harness.h"

const uint8_t cast_vm_mac[ROAM_MAC_LEN] = { 0x52, 0x54, 0x00, 0xaa, 0xbb, 0x10 };
const uint8_t cast_peer_mac[ROAM_MAC_LEN] = { 0x52, 0x54, 0x00, 0xcc, 0xdd, 0x20 };

static const char *const verdict_name[] = {
#define X(id, name, verdict, text) [ROAM_REASON_##id] = name,
	ROAM_REASONS(X)
#undef X
};

static const uint8_t reason_verdict[] = {
#define X(id, name, verdict, text) [ROAM_REASON_##id] = ROAM_##verdict,
	ROAM_REASONS(X)
#undef X
};

struct roam_addr cast_vm_addr(int family)
{
	return packet_addr(family == 4 ? "10.0.0.10" : "fd00::10");
}

struct roam_addr cast_peer_addr(int family)
{
	return packet_addr(family == 4 ? "192.0.2.7" : "2001:db8::7");
}

struct roam_addr cast_stranger_addr(int family)
{
	return packet_addr(family == 4 ? "10.0.0.66" : "fd00::66");
}

struct fixture_vm cast_vm(void)
{
	struct fixture_vm vm = {
		.slot = CAST_SLOT,
		.conf = {
			.gen = 1,
			.life = ROAM_LIFE_ACTIVE,
			.default_action = { [ROAM_DIR_IN] = ROAM_ACTION_DROP,
					    [ROAM_DIR_OUT] = ROAM_ACTION_ALLOW },
		},
		.port = {
			.addr = { cast_vm_addr(4), cast_vm_addr(6) },
			.addr_count = 2,
		},
	};

	memcpy(vm.port.mac, cast_vm_mac, ROAM_MAC_LEN);
	return vm;
}

struct packet_spec cast_packet(int family, enum roam_dir dir, uint8_t proto)
{
	bool out = dir == ROAM_DIR_OUT;
	struct packet_spec spec = {
		.src = out ? cast_vm_addr(family) : cast_peer_addr(family),
		.dst = out ? cast_peer_addr(family) : cast_vm_addr(family),
		.sport = out ? CAST_VM_PORT : CAST_PEER_PORT,
		.dport = out ? CAST_PEER_PORT : CAST_VM_PORT,
		.proto = proto,
	};

	memcpy(spec.smac, out ? cast_vm_mac : cast_peer_mac, ROAM_MAC_LEN);
	memcpy(spec.dmac, out ? cast_peer_mac : cast_vm_mac, ROAM_MAC_LEN);
	return spec;
}

struct packet_spec cast_tcp(int family, enum roam_dir dir, uint8_t flags)
{
	struct packet_spec spec = cast_packet(family, dir, IPPROTO_TCP);

	spec.tcp_flags = flags;
	spec.seq = (dir == ROAM_DIR_OUT ? CAST_VM_SEQ : CAST_PEER_SEQ) + !(flags & ROAM_TCP_SYN);
	if (flags & ROAM_TCP_ACK)
		spec.ack = (dir == ROAM_DIR_OUT ? CAST_PEER_SEQ : CAST_VM_SEQ) + 1;
	return spec;
}

struct packet_spec cast_error(enum roam_dir dir, uint8_t type, const struct packet_spec *quote)
{
	int family = quote->src.words[0] ? 6 : 4;
	struct packet_spec spec = cast_packet(family, dir,
					      family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);

	if (dir == ROAM_DIR_IN)
		spec.src = packet_addr(family == 4 ? "203.0.113.1" : "2001:db8:1::1");
	spec.dst = quote->src;
	spec.icmp_type = type;
	spec.quote = quote;
	return spec;
}

bool cast_expect_frame(struct fixture *fixture, enum roam_dir dir, const struct packet *packet,
		       enum roam_reason reason)
{
	enum roam_verdict verdict;
	enum roam_reason found;

	fixture_reason(fixture, CAST_SLOT, dir); /* forget what was counted before */
	verdict = fixture_run(fixture, FRONT_TC, dir, packet);
	found = fixture_reason(fixture, CAST_SLOT, dir);
	if (found != reason)
		note("found reason %s, expected %s", verdict_name[found], verdict_name[reason]);
	return CHECK_EQ(found, reason) && CHECK_EQ(verdict, reason_verdict[reason]);
}

bool cast_expect(struct fixture *fixture, enum roam_dir dir, const struct packet_spec *spec,
		 enum roam_reason reason)
{
	struct packet packet;

	packet_build(spec, &packet);
	return cast_expect_frame(fixture, dir, &packet, reason);
}

bool cast_handshake(struct fixture *fixture, int family)
{
	struct packet_spec syn = cast_tcp(family, ROAM_DIR_OUT, ROAM_TCP_SYN);
	struct packet_spec synack = cast_tcp(family, ROAM_DIR_IN, ROAM_TCP_SYN | ROAM_TCP_ACK);
	struct packet_spec ack = cast_tcp(family, ROAM_DIR_OUT, ROAM_TCP_ACK);

	return cast_expect(fixture, ROAM_DIR_OUT, &syn, ROAM_REASON_OPENED) &&
	       cast_expect(fixture, ROAM_DIR_IN, &synack, ROAM_REASON_ESTABLISHED) &&
	       cast_expect(fixture, ROAM_DIR_OUT, &ack, ROAM_REASON_ESTABLISHED);
}

struct roam_flow_key cast_key(int family, uint8_t proto)
{
	return (struct roam_flow_key){
		.local = cast_vm_addr(family),
		.remote = cast_peer_addr(family),
		.lport = htons(CAST_VM_PORT),
		.rport = htons(CAST_PEER_PORT),
		.family = family,
		.proto = proto,
	};
}
