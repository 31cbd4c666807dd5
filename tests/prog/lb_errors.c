// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * ICMP errors about balanced flows, at a VM's port: what they quote is translated as the flow's
 * packets are, and so is the address that they go to or come from. The result must be, byte for
 * byte, what an error about the other packet would have been, whole or cut.
 */
#include <arpa/inet.h>
#include <string.h>
#include "harness.h"
#include "hosts.h"
#include "lb.h"
#include "stats.h"
#include "text.h"
#include "vm.h"

#define VIP_PORT     443
#define BACKEND_PORT 8443
#define VM_PORT      80 /* as backend */
#define PAYLOAD      33 /* odd */

static const enum roam_dir IN = ROAM_DIR_IN, OUT = ROAM_DIR_OUT;

static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };

struct errors_test {
	struct test_host *host;
	uint32_t slot;
	uint8_t proto;
};

static void errors_test_setup(struct errors_test *self)
{
	struct roam_vm vm;

	self->host = hosts_shared();
	hosts_add_vm(self->host);
	self->host->now_ns = 1000 * NS_PER_S;
	CHECK_OK(vm_find(self->host->host, "vm", &self->slot));
	CHECK_OK(lb_use(self->host->host, self->slot, true));
	CHECK_OK(vm_get(self->host->host, self->slot, &vm));
	vm.default_action[IN] = ROAM_ACTION_ALLOW;
	CHECK_OK(vm_set(self->host->host, self->slot, &vm));
}

static void errors_test_teardown(struct errors_test *self)
{
	CHECK_OK(vm_del(self->host->host, "vm"));
	lb_del(self->host->host, "web");
}

struct place {
	struct roam_addr addr;
	uint16_t port;
};

static struct roam_addr vip(int family)
{
	return packet_addr(family == 4 ? "198.51.100.9" : "2001:db8:99::9");
}

static struct roam_addr backend(int family)
{
	return packet_addr(family == 4 ? "192.0.2.100" : "2001:db8::100");
}

static struct roam_addr router(int family)
{
	return packet_addr(family == 4 ? "203.0.113.1" : "2001:db8:1::1");
}

/* The service with one backend. */
static void serve(struct errors_test *self, int family, struct place at)
{
	struct roam_lb_key key = {
		.vip = vip(family),
		.port = htons(VIP_PORT),
		.proto = self->proto,
	};
	struct roam_lb_backend row = { .addr = at.addr, .port = htons(at.port), .weight = 1 };

	lb_del(self->host->host, "web");
	CHECK_OK(lb_add(self->host->host, "web", &key));
	CHECK_OK(lb_backend_add(self->host->host, "web", &row));
}

static struct packet_spec between(const struct errors_test *self, struct place from,
				  struct place to)
{
	return (struct packet_spec){
		.src = from.addr,
		.dst = to.addr,
		.sport = from.port,
		.dport = to.port,
		.proto = self->proto,
		.tcp_flags = ROAM_TCP_ACK,
		.payload = PAYLOAD,
	};
}

static void set_macs(struct packet_spec *spec, enum roam_dir dir)
{
	memcpy(spec->smac, dir == OUT ? cast_vm_mac : cast_peer_mac, ROAM_MAC_LEN);
	memcpy(spec->dmac, dir == OUT ? cast_peer_mac : cast_vm_mac, ROAM_MAC_LEN);
}

/* A packet of the flow as it comes to the port; the first of a connection, or the answer to it. */
static void passes(struct errors_test *self, enum roam_dir dir, struct packet_spec spec,
		   uint8_t tcp_flags)
{
	struct packet packet;

	set_macs(&spec, dir);
	spec.tcp_flags = tcp_flags;
	spec.payload = 0;
	packet_build(&spec, &packet);
	CHECK_EQ(hosts_run(self->host, FRONT_TC, dir, &packet), ROAM_PASS);
}

/* An error from `from` about the packet that comes to the port as `before` and leaves it as
 * `after`; `error_after` is who seems to have sent it. Whole, and cut to what is always quoted. */
static void expect_error(struct errors_test *self, enum roam_dir dir, struct place from[2],
			 const struct packet_spec quotes[2])
{
	static const uint16_t cuts[] = { 0, 8, 16, 20, 40 };
	int family = quotes[0].src.words[0] ? 6 : 4;

	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		struct packet packets[2];
		struct roam_stats stats;
		uint64_t count;

		for (int k = 0; k < 2; k++) {
			struct packet_spec error = cast_error(dir, family == 4 ? 3 : 2, &quotes[k]);

			set_macs(&error, dir);
			error.src = from[k].addr;
			error.icmp_code = 4;
			error.quote_len = cuts[i] ? cuts[i] + (family == 4 ? 20 : 40) : 0;
			packet_build(&error, &packets[k]);
		}
		CHECK_OK(stats_fold(self->host->host, self->slot, &stats));
		count = stats.by_reason[ROAM_REASON_RELATED][dir].packets;
		CHECK_EQ(hosts_run(self->host, FRONT_TC, dir, &packets[0]), ROAM_PASS);
		CHECK_OK(stats_fold(self->host->host, self->slot, &stats));
		CHECK_EQ(stats.by_reason[ROAM_REASON_RELATED][dir].packets, count + 1);
		CHECK_EQ(self->host->after.len, packets[1].len);
		if (!CHECK_MEM(self->host->after.bytes, packets[1].bytes, packets[1].len))
			note("protocol %u, %u bytes of the transport", self->proto, cuts[i]);
		CHECK_EQ(hosts_run(self->host, FRONT_XDP, dir, &packets[0]), ROAM_DROP);
	}
}

TEST_46_F(errors_test, toward_a_client)
{
	struct place vm = { cast_vm_addr(family), CAST_VM_PORT };
	struct place front = { vip(family), VIP_PORT };
	struct place wire = { backend(family), BACKEND_PORT };
	struct place hop = { router(family), 0 };

	for (size_t i = 0; i < sizeof(protos); i++) {
		self->proto = protos[i];
		serve(self, family, wire);
		passes(self, OUT, between(self, vm, front), ROAM_TCP_SYN);
		expect_error(self, IN, (struct place[]){ hop, hop },
			     (struct packet_spec[]){ between(self, vm, wire),
						     between(self, vm, front) });
		/* The backend itself says that nobody is there: the VIP, to the VM. */
		expect_error(self, IN, (struct place[]){ wire, front },
			     (struct packet_spec[]){ between(self, vm, wire),
						     between(self, vm, front) });
	}
}

/* An answer that the VM has got seems to have come from the VIP. */
TEST_46_F(errors_test, from_a_client)
{
	struct place vm = { cast_vm_addr(family), CAST_VM_PORT };
	struct place front = { vip(family), VIP_PORT };
	struct place wire = { backend(family), BACKEND_PORT };

	for (size_t i = 0; i < sizeof(protos); i++) {
		self->proto = protos[i];
		serve(self, family, wire);
		passes(self, OUT, between(self, vm, front), ROAM_TCP_SYN);
		passes(self, IN, between(self, wire, vm), ROAM_TCP_SYN | ROAM_TCP_ACK);
		expect_error(self, OUT, (struct place[]){ vm, vm },
			     (struct packet_spec[]){ between(self, front, vm),
						     between(self, wire, vm) });
	}
}

TEST_46_F(errors_test, a_vm_as_backend)
{
	struct place peer = { cast_peer_addr(family), CAST_PEER_PORT };
	struct place front = { vip(family), VIP_PORT };
	struct place vm = { cast_vm_addr(family), VM_PORT };
	struct place hop = { router(family), 0 };

	for (size_t i = 0; i < sizeof(protos); i++) {
		self->proto = protos[i];
		serve(self, family, vm);
		passes(self, IN, between(self, peer, front), ROAM_TCP_SYN);
		/* The VM has got a datagram and has no use for it. */
		expect_error(self, OUT, (struct place[]){ vm, front },
			     (struct packet_spec[]){ between(self, peer, vm),
						     between(self, peer, front) });
		/* It answers, and a router on the way cannot carry that. */
		passes(self, OUT, between(self, vm, peer), ROAM_TCP_SYN | ROAM_TCP_ACK);
		expect_error(self, IN, (struct place[]){ hop, hop },
			     (struct packet_spec[]){ between(self, front, peer),
						     between(self, vm, peer) });
	}
}

/* As client of itself the VM says that nobody is there, to itself. */
TEST_46_F(errors_test, a_vm_that_gets_itself)
{
	struct place asks = { cast_vm_addr(family), CAST_VM_PORT };
	struct place front = { vip(family), VIP_PORT };
	struct place seen = { vip(family), CAST_VM_PORT }; /* the client, by the server */
	struct place vm = { cast_vm_addr(family), VM_PORT };
	struct packet_spec quotes[2], errors[2];
	struct packet packets[2];

	for (size_t i = 0; i < sizeof(protos); i++) {
		self->proto = protos[i];
		serve(self, family, vm);
		passes(self, OUT, between(self, asks, front), ROAM_TCP_SYN);
		passes(self, IN, between(self, seen, vm), ROAM_TCP_SYN);
		quotes[0] = between(self, seen, vm);
		quotes[1] = between(self, asks, front);
		for (int k = 0; k < 2; k++) {
			errors[k] = cast_error(OUT, family == 4 ? 3 : 1, &quotes[k]);
			errors[k].src = k ? front.addr : vm.addr;
			set_macs(&errors[k], k ? IN : OUT);
			packet_build(&errors[k], &packets[k]);
		}
		CHECK_EQ(hosts_run(self->host, FRONT_TC, OUT, &packets[0]), ROAM_PASS);
		CHECK(self->host->turned_back);
		CHECK_MEM(self->host->after.bytes, packets[1].bytes, packets[1].len);
		CHECK_EQ(hosts_run(self->host, FRONT_TC, IN, &packets[1]), ROAM_PASS);
		CHECK_MEM(self->host->after.bytes, packets[1].bytes, packets[1].len);
	}
}

/* Errors that quote what is not on the wire, and those that quote another backend's. */
TEST_46_F(errors_test, quotes_of_what_was_not_sent)
{
	struct place vm = { cast_vm_addr(family), CAST_VM_PORT };
	struct place front = { vip(family), VIP_PORT };
	struct place wire = { backend(family), BACKEND_PORT };
	struct place others = { cast_peer_addr(family), BACKEND_PORT };
	struct packet_spec quotes[2];
	struct packet packet;

	for (size_t i = 0; i < sizeof(protos); i++) {
		self->proto = protos[i];
		serve(self, family, wire);
		passes(self, OUT, between(self, vm, front), ROAM_TCP_SYN);
		quotes[0] = between(self, vm, front);
		quotes[1] = between(self, vm, others);
		for (int k = 0; k < 2; k++) {
			struct packet_spec error = cast_error(IN, family == 4 ? 3 : 1, &quotes[k]);

			packet_build(&error, &packet);
			CHECK_EQ(hosts_run(self->host, FRONT_TC, IN, &packet), ROAM_DROP);
		}
	}
}
