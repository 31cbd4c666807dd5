// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Floods from a hundred thousand sources and more: what a VM remembers of them is bounded, they
 * push out neither its connections nor its blocks, another VM does not notice, and what is
 * remembered moves with the VM. Small tables are in ips.c.
 */
#include <string.h>
#include <arpa/inet.h>
#include <net/if.h>
#include "ct.h"
#include "draft.h"
#include "harness.h"
#include "hosts.h"
#include "image_parts.h"
#include "ips.h"
#include "memory.h"
#include "state.h"
#include "stats.h"
#include "vm.h"

#define SOURCES     ROAM_IPS_SOURCES_DEFAULT
#define TIMES       3    /* as many more as are remembered */
#define CONNECTIONS 20   /* of the VM and of the other one, each */
#define LOOK        2000 /* openings of the flood between packets of those */
#define BURST       50
#define OTHER_DEV   "peer-shared"
#define START_NS    (1000 * NS_PER_S)

struct flood {
	struct test_host *host;
	struct test_host other; /* the same host, as seen from the other VM's device */
	uint32_t slot;
	uint32_t other_slot;
	uint32_t sources; /* fewer than SOURCES where it takes long */
};

static const uint8_t other_mac[ROAM_MAC_LEN] = { 0x52, 0x54, 0, 0, 0, 0x20 };

static struct roam_addr other_addr(int family)
{
	return packet_addr(family == 4 ? "10.0.0.20" : "fd00::20");
}

static void add_other(struct flood *self)
{
	struct roam_port port = { .dev = OTHER_DEV, .zone_name = "other", .addr_count = 2 };
	struct roam_vm vm = {
		.name = "other",
		.life = ROAM_LIFE_ACTIVE,
		.default_action = { ROAM_ACTION_DROP, ROAM_ACTION_ALLOW },
		.quota_flows = ROAM_QUOTA_MIN,
		.quota_half = ROAM_QUOTA_MIN,
		.incarnation = 1,
	};
	struct draft *draft;

	self->other = *self->host;
	strcpy(self->other.dev, OTHER_DEV);
	memcpy(port.mac, other_mac, ROAM_MAC_LEN);
	self->other.ifindex = if_nametoindex(OTHER_DEV);
	port.addr[0] = other_addr(4);
	port.addr[1] = other_addr(6);
	if (!CHECK_OK(draft_open(self->host->host, &vm, ROAM_VM_NONE, &draft)))
		return;
	CHECK_OK(draft_add_port(draft, &port));
	CHECK_OK(draft_publish(draft));
	draft_close(draft);
	CHECK_OK(vm_find(self->host->host, "other", &self->other_slot));
}

static void flood_setup(struct flood *self)
{
	struct roam_ips conf = ips_defaults();

	self->host = hosts_shared();
	self->host->now_ns = START_NS;
	self->sources = harness_rounds(SOURCES);
	hosts_add_vm(self->host);
	add_other(self);
	CHECK_OK(vm_find(self->host->host, "vm", &self->slot));
	conf.rate = 10;
	conf.burst = BURST;
	conf.sources = self->sources;
	conf.blocks = ROAM_IPS_QUOTA_MIN;
	CHECK_OK(ips_set(self->host->host, self->slot, &conf));
}

static void flood_teardown(struct flood *self)
{
	CHECK_OK(vm_del(self->host->host, "vm"));
	CHECK_OK(vm_del(self->host->host, "other"));
}

static bool passes(struct test_host *host, enum roam_dir dir, const struct packet_spec *spec)
{
	struct packet packet;

	packet_build(spec, &packet);
	return hosts_run(host, FRONT_TC, dir, &packet) == ROAM_PASS;
}

/* An address for each number, each another /64 over IPv6. */
static struct roam_addr source(int family, uint32_t number)
{
	struct roam_addr addr = packet_addr(family == 4 ? "100.64.0.0" : "2001:db8::1");
	uint32_t *part = family == 4 ? &addr.words[3] : &addr.words[1];

	*part = htonl(ntohl(*part) + number);
	return addr;
}

/* Openings that the ips stage let through: all go to a closed port, so that none makes a flow. */
static uint64_t let_through(struct flood *self)
{
	struct roam_stats stats = {};

	CHECK_OK(stats_fold(self->host->host, self->slot, &stats));
	return stats.by_reason[ROAM_REASON_ACL_DEFAULT][ROAM_DIR_IN].packets;
}

static void open_one(struct flood *self, struct roam_addr from, uint16_t port)
{
	struct packet_spec spec = cast_tcp(from.words[0] ? 6 : 4, ROAM_DIR_IN, ROAM_TCP_SYN);

	spec.src = from;
	spec.sport = port;
	spec.dport = 9;
	passes(self->host, ROAM_DIR_IN, &spec);
}

static bool opens(struct flood *self, struct roam_addr from, uint16_t port)
{
	uint64_t before = let_through(self);

	open_one(self, from, port);
	return let_through(self) > before;
}

/* A packet of connection i between the VM, or the other one, and the peer. */
static bool sends(struct test_host *host, int family, uint32_t i, enum roam_dir dir, uint8_t flags)
{
	struct packet_spec spec = cast_tcp(family, dir, flags);
	bool out = dir == ROAM_DIR_OUT;

	if (!strcmp(host->dev, OTHER_DEV)) {
		*(out ? &spec.src : &spec.dst) = other_addr(family);
		memcpy(out ? spec.smac : spec.dmac, other_mac, ROAM_MAC_LEN);
	}
	*(out ? &spec.sport : &spec.dport) = 10000 + i;
	return passes(host, dir, &spec);
}

static void establish(struct test_host *host, int family)
{
	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		CHECK(sends(host, family, i, ROAM_DIR_OUT, ROAM_TCP_SYN));
		CHECK(sends(host, family, i, ROAM_DIR_IN, ROAM_TCP_SYN | ROAM_TCP_ACK));
		CHECK(sends(host, family, i, ROAM_DIR_OUT, ROAM_TCP_ACK));
	}
}

/* Connections live, and the other VM opens new ones. */
static void look(struct flood *self, int family, uint32_t round)
{
	uint32_t i = round % CONNECTIONS;

	CHECK(sends(self->host, family, i, ROAM_DIR_IN, ROAM_TCP_ACK));
	CHECK(sends(self->host, family, i, ROAM_DIR_OUT, ROAM_TCP_ACK));
	CHECK(sends(&self->other, family, i, ROAM_DIR_IN, ROAM_TCP_ACK));
	CHECK(sends(&self->other, family, CONNECTIONS + i, ROAM_DIR_OUT, ROAM_TCP_SYN));
}

/* Sources from..to open a connection each; how many were let through. */
static uint32_t flood(struct flood *self, int family, uint32_t from, uint32_t to)
{
	uint64_t before = let_through(self);

	for (uint32_t i = from; i < to && !harness_stopped(); i++) {
		open_one(self, source(family, i), 1024);
		self->host->now_ns += 1000;
		if (i % LOOK == 0) {
			self->other.now_ns = self->host->now_ns;
			look(self, family, i / LOOK);
		}
	}
	return let_through(self) - before;
}

static int count_source(const struct roam_ips_source_rec *rec, void *arg)
{
	(void)rec;
	++*(uint32_t *)arg;
	return 0;
}

static uint32_t sources_known(struct flood *self)
{
	uint32_t count = 0;

	CHECK_OK(ips_each_source(self->host->host, self->slot, count_source, &count));
	return count;
}

static uint64_t memory(struct flood *self)
{
	uint64_t bytes = 0;

	CHECK_OK(memory_of_vm(self->host->host, self->slot, &bytes));
	return bytes;
}

/* Each has its own window: after its burst it is blocked, and nobody else is. */
static void get_blocked(struct flood *self, struct roam_addr from)
{
	uint32_t passed = 0;

	for (uint32_t i = 0; i < 2 * BURST; i++)
		passed += opens(self, from, 2000 + i);
	CHECK_OP(passed, <=, BURST);
	CHECK_OP(passed, >, 0);
	CHECK(!opens(self, from, 5000));
}

TEST_46_F(flood, harms_nobody)
{
	uint32_t first = self->sources, last = self->sources * (1 + TIMES);
	uint64_t bytes;

	establish(self->host, family);
	establish(&self->other, family);
	CHECK_EQ(flood(self, family, 0, first), first);
	CHECK_EQ(sources_known(self), first);
	get_blocked(self, source(family, 7));
	bytes = memory(self);
	CHECK_EQ(flood(self, family, first, last), last - first);
	CHECK_EQ(sources_known(self), self->sources);
	CHECK_OP(memory(self), <=, bytes + bytes / 20);
	note("%u sources, then %u more: %llu KiB", first, last - first,
	     (unsigned long long)memory(self) / 1024);
	/* What was learned before the flood still holds, and so do connections. */
	CHECK(!opens(self, source(family, 7), 6000));
	for (uint32_t i = 0; i < CONNECTIONS; i++)
		look(self, family, i);
}

/* The VM goes, and comes back with its image. */
static void move(struct flood *self)
{
	struct image_bytes image = {};
	struct state_dev dev = { .dev = self->host->dev };
	struct state_save save = {
		.vm = "vm",
		.now_ns = self->host->now_ns,
		.write = image_bytes_write,
		.arg = &image,
	};
	struct state_load load = {
		.devs = &dev,
		.dev_count = 1,
		.now_ns = self->host->now_ns,
		.read = image_bytes_read,
		.arg = &image,
	};
	struct state_loaded loaded;

	memcpy(dev.mac, cast_vm_mac, sizeof(dev.mac));
	CHECK_OK(state_save(self->host->host, &save));
	CHECK_OK(vm_del(self->host->host, "vm"));
	CHECK_OK(state_load(self->host->host, &load, &loaded));
	CHECK_OK(vm_find(self->host->host, "vm", &self->slot));
	note("%zu bytes", image.len);
	image_bytes_free(&image);
}

/* What is left of a window after a move is what was left before it. */
TEST_46_F(flood, moves_with_its_vm)
{
	uint32_t half = self->sources / 2;

	establish(self->host, family);
	establish(&self->other, family);
	CHECK_EQ(flood(self, family, 0, self->sources), self->sources);
	get_blocked(self, source(family, half));
	for (uint32_t i = 0; i < BURST - 2; i++) /* one in the flood, one is left */
		opens(self, source(family, half + 1), 3000 + i);
	move(self);
	CHECK_EQ(sources_known(self), self->sources);
	CHECK(!opens(self, source(family, half), 7000));
	CHECK(opens(self, source(family, half + 1), 7000));
	CHECK(!opens(self, source(family, half + 1), 7001));
	for (uint32_t i = 0; i < 100; i++)
		CHECK(opens(self, source(family, i), 7000));
}
