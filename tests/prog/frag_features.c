// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Datagrams in fragments to and from a VIP: each fragment must be, byte for byte, the fragment of
 * what the whole datagram would have become. The later ones have no ports to be known by.
 */
#include <arpa/inet.h>
#include <string.h>
#include "harness.h"
#include "hosts.h"
#include "lb.h"
#include "stats.h"
#include "vm.h"

#define VIP_PORT     443
#define BACKEND_PORT 8443
#define VM_PORT      80
#define PAYLOAD      1001 /* odd */
#define PART         400

struct lb_frag {
	struct test_host *host;
	uint32_t slot;
	uint32_t id;
};

static void lb_frag_setup(struct lb_frag *self)
{
	self->host = hosts_shared();
	hosts_add_vm(self->host);
	self->host->now_ns = 1000 * NS_PER_S;
	self->id = 7;
	CHECK_OK(vm_find(self->host->host, "vm", &self->slot));
	CHECK_OK(lb_use(self->host->host, self->slot, true));
}

static void lb_frag_teardown(struct lb_frag *self)
{
	CHECK_OK(vm_del(self->host->host, "vm"));
	CHECK_OK(lb_del(self->host->host, "web"));
}

static struct roam_addr vip_addr(int family)
{
	return packet_addr(family == 4 ? "198.51.100.9" : "2001:db8:99::9");
}

static struct roam_addr elsewhere(int family)
{
	return packet_addr(family == 4 ? "192.0.2.100" : "2001:db8::100");
}

static void add_service(struct lb_frag *self, int family, struct roam_addr addr, uint16_t port)
{
	struct roam_lb_key key = {
		.vip = vip_addr(family),
		.port = htons(VIP_PORT),
		.proto = IPPROTO_TCP,
	};
	struct roam_lb_backend row = { .addr = addr, .port = htons(port), .weight = 1 };

	CHECK_OK(lb_add(self->host->host, "web", &key));
	CHECK_OK(lb_backend_add(self->host->host, "web", &row));
}

struct end {
	struct roam_addr addr;
	uint16_t port;
};

static struct packet_spec segment(enum roam_dir dir, struct end from, struct end to, uint8_t flags)
{
	struct packet_spec spec = cast_tcp(4, dir, flags);

	spec.src = from.addr;
	spec.sport = from.port;
	spec.dst = to.addr;
	spec.dport = to.port;
	spec.payload = PAYLOAD;
	return spec;
}

/* All fragments of one become those of the other. */
static void expect_parts(struct lb_frag *self, enum roam_dir dir, const struct packet_spec *spec,
			 const struct packet_spec *after)
{
	struct packet whole, whole_after, part, part_after;

	packet_build(spec, &whole);
	packet_build(after, &whole_after);
	self->id++;
	for (uint32_t lo = 0; lo < PAYLOAD + 20; lo += PART) {
		struct packet_cut cut = { lo, lo + PART, self->id };

		packet_cut(&whole, cut, &part);
		packet_cut(&whole_after, cut, &part_after);
		CHECK_EQ(hosts_run(self->host, FRONT_TC, dir, &part), ROAM_PASS);
		CHECK_EQ(self->host->after.len, part_after.len);
		CHECK_MEM(self->host->after.bytes, part_after.bytes, part_after.len);
	}
}

TEST_46_F(lb_frag, a_client_of_a_vip)
{
	struct end vm = { cast_vm_addr(family), CAST_VM_PORT };
	struct end vip = { vip_addr(family), VIP_PORT };
	struct end backend = { elsewhere(family), BACKEND_PORT };
	struct packet_spec app = segment(ROAM_DIR_OUT, vm, vip, ROAM_TCP_SYN);
	struct packet_spec wire = segment(ROAM_DIR_OUT, vm, backend, ROAM_TCP_SYN);

	add_service(self, family, backend.addr, BACKEND_PORT);
	expect_parts(self, ROAM_DIR_OUT, &app, &wire);
	wire = segment(ROAM_DIR_IN, backend, vm, ROAM_TCP_SYN | ROAM_TCP_ACK);
	app = segment(ROAM_DIR_IN, vip, vm, ROAM_TCP_SYN | ROAM_TCP_ACK);
	expect_parts(self, ROAM_DIR_IN, &wire, &app);
}

TEST_46_F(lb_frag, a_vm_as_backend)
{
	struct end client = { cast_peer_addr(family), CAST_PEER_PORT };
	struct end vip = { vip_addr(family), VIP_PORT };
	struct end vm = { cast_vm_addr(family), VM_PORT };
	struct packet_spec wire = segment(ROAM_DIR_IN, client, vip, ROAM_TCP_SYN);
	struct packet_spec app = segment(ROAM_DIR_IN, client, vm, ROAM_TCP_SYN);

	add_service(self, family, vm.addr, VM_PORT);
	expect_parts(self, ROAM_DIR_IN, &wire, &app);
	app = segment(ROAM_DIR_OUT, vm, client, ROAM_TCP_SYN | ROAM_TCP_ACK);
	wire = segment(ROAM_DIR_OUT, vip, client, ROAM_TCP_SYN | ROAM_TCP_ACK);
	expect_parts(self, ROAM_DIR_OUT, &app, &wire);
}

/* The VM gets itself as backend: what it sends comes back from the VIP, every part of it. */
TEST_46_F(lb_frag, a_hairpin)
{
	struct end vm = { cast_vm_addr(family), CAST_VM_PORT };
	struct end server = { cast_vm_addr(family), VM_PORT };
	struct end vip = { vip_addr(family), VIP_PORT };
	struct end vip_client = { vip_addr(family), CAST_VM_PORT };
	struct packet_spec sent = segment(ROAM_DIR_OUT, vm, vip, ROAM_TCP_SYN);
	struct packet_spec back = segment(ROAM_DIR_OUT, vip_client, server, ROAM_TCP_SYN);

	add_service(self, family, server.addr, VM_PORT);
	memcpy(back.smac, sent.dmac, ROAM_MAC_LEN);
	memcpy(back.dmac, sent.smac, ROAM_MAC_LEN);
	expect_parts(self, ROAM_DIR_OUT, &sent, &back);
	CHECK(self->host->turned_back);
	self->id--; /* the same datagram */
	expect_parts(self, ROAM_DIR_IN, &back, &back);
}

/* A later one behind XDP, which does not translate, while the first one was behind tc. */
TEST_46_F(lb_frag, xdp_does_not_translate)
{
	struct end vm = { cast_vm_addr(family), CAST_VM_PORT };
	struct end vip = { vip_addr(family), VIP_PORT };
	struct packet_spec app = segment(ROAM_DIR_OUT, vm, vip, ROAM_TCP_SYN);
	struct packet whole, part;
	struct roam_stats stats;

	add_service(self, family, elsewhere(family), BACKEND_PORT);
	packet_build(&app, &whole);
	packet_cut(&whole, (struct packet_cut){ 0, PART, 3 }, &part);
	CHECK_EQ(hosts_run(self->host, FRONT_TC, ROAM_DIR_OUT, &part), ROAM_PASS);
	packet_cut(&whole, (struct packet_cut){ PART, 2 * PART, 3 }, &part);
	CHECK_EQ(hosts_run(self->host, FRONT_XDP, ROAM_DIR_OUT, &part), ROAM_DROP);
	CHECK_OK(stats_fold(self->host->host, self->slot, &stats));
	CHECK_EQ(stats.by_reason[ROAM_REASON_LB_FRONT][ROAM_DIR_OUT].packets, 1);
}
