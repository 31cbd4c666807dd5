// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Images that are loaded where the VM is known already: what of blocks, counters and hits of rules
 * is there afterwards, and that a load which is repeated changes nothing. merge.h has the
 * operators.
 */
#include <string.h>
#include "acl.h"
#include "harness.h"
#include "hosts.h"
#include "image_parts.h"
#include "ips.h"
#include "state.h"
#include "stats.h"
#include "vm.h"

struct own {
	struct test_host *host;
	uint32_t slot;
	struct image_bytes image;
};

static void own_setup(struct own *self)
{
	struct roam_ips conf = ips_defaults();

	self->host = hosts_shared();
	self->host->now_ns = now_ns();
	hosts_add_vm(self->host);
	CHECK_OK(vm_find(self->host->host, "vm", &self->slot));
	conf.prefix6 = 128;
	CHECK_OK(ips_set(self->host->host, self->slot, &conf));
}

static void own_teardown(struct own *self)
{
	image_bytes_free(&self->image);
	CHECK_OK(vm_del(self->host->host, "vm"));
}

static struct roam_addr source(int family, uint8_t number)
{
	struct roam_addr addr = packet_addr(family == 4 ? "198.51.100.0" : "2001:db8:5::");

	addr.bytes[15] = number;
	return addr;
}

static void block(struct own *self, struct roam_addr from, uint32_t seconds)
{
	CHECK_OK(ips_block_add(self->host->host, self->slot, &from, seconds));
}

/* Openings of a port with a rule, from a source. */
static void open_from(struct own *self, struct roam_addr from, int count)
{
	struct packet_spec spec = cast_tcp(from.words[0] ? 6 : 4, ROAM_DIR_IN, ROAM_TCP_SYN);
	struct packet packet;

	spec.src = from;
	spec.dport = 80;
	for (int i = 0; i < count; i++) {
		spec.sport = 1024 + i;
		packet_build(&spec, &packet);
		hosts_run(self->host, FRONT_TC, ROAM_DIR_IN, &packet);
	}
}

static void save(struct own *self)
{
	struct state_save save = {
		.vm = "vm",
		.write = image_bytes_write,
		.arg = &self->image,
	};

	CHECK_OK(state_save(self->host->host, &save));
}

static void load(struct own *self)
{
	struct state_dev dev = { .dev = self->host->dev };
	struct state_load load = {
		.devs = &dev,
		.dev_count = 1,
		.replace = true,
		.read = image_bytes_read,
		.arg = &self->image,
	};
	struct state_loaded loaded;

	memcpy(dev.mac, cast_vm_mac, sizeof(dev.mac));
	self->image.read = 0;
	CHECK_OK(state_load(self->host->host, &load, &loaded));
	CHECK(loaded.own_policy);
	CHECK_OK(vm_find(self->host->host, "vm", &self->slot));
}

/* What there is to compare: blocks by their source's number, and counters. */
struct known {
	uint32_t remaining_s[8]; /* rounded; 0: no block */
	uint64_t dropped[8];
	uint64_t opened;
	uint64_t hits;
};

static int note_block(const struct roam_ips_block_rec *rec, void *arg)
{
	struct known *known = arg;
	uint8_t number = rec->addr.bytes[15];

	known->remaining_s[number] = (rec->block.until_ns - now_ns() + NS_PER_S / 2) / NS_PER_S;
	known->dropped[number] = rec->block.packets;
	return 0;
}

static struct known look(struct own *self)
{
	_cleanup_acl_list_ struct acl_list rules = {};
	struct known known = {};
	struct roam_stats stats;

	CHECK_OK(ips_each_block(self->host->host, self->slot, note_block, &known));
	CHECK_OK(stats_fold(self->host->host, self->slot, &stats));
	known.opened = stats.by_reason[ROAM_REASON_OPENED][ROAM_DIR_IN].packets;
	CHECK_OK(acl_list(self->host->host, self->slot, &rules));
	for (uint32_t i = 0; i < rules.count; i++)
		known.hits += rules.recs[i].hits.packets;
	return known;
}

static bool near(uint32_t seconds, uint32_t wanted)
{
	return CHECK_OP(seconds, <=, wanted) && CHECK_OP(seconds + 100, >=, wanted);
}

TEST_46_F(own, blocks_of_both_hosts)
{
	struct roam_addr first = source(family, 1);
	struct known known;

	block(self, first, 1000);
	block(self, source(family, 2), 1000);
	block(self, source(family, 3), 9000);
	open_from(self, source(family, 2), 5);
	save(self);
	/* As if it were another host: one block less, one more, others that end elsewhere. */
	CHECK_OK(ips_block_del(self->host->host, self->slot, &first));
	block(self, source(family, 2), 5000);
	block(self, source(family, 3), 2000);
	block(self, source(family, 4), 3000);
	load(self);
	known = look(self);
	near(known.remaining_s[1], 1000);
	near(known.remaining_s[2], 5000);
	near(known.remaining_s[3], 9000);
	near(known.remaining_s[4], 3000);
	CHECK_EQ(known.dropped[2], 10);
	open_from(self, first, 1);
	CHECK_EQ(look(self).dropped[1], 1);
}

TEST_46_F(own, counters_go_on_and_count_nothing_twice)
{
	struct known saved, known;

	open_from(self, source(family, 1), 4);
	save(self);
	saved = look(self);
	CHECK_EQ(saved.opened, 4);
	CHECK_EQ(saved.hits, 4);
	/* The image knows more than the host that it comes back to. */
	CHECK_OK(vm_del(self->host->host, "vm"));
	hosts_add_vm(self->host);
	load(self);
	known = look(self);
	CHECK_EQ(known.opened, saved.opened);
	CHECK_EQ(known.hits, saved.hits);
	/* And less than one that has gone on: nothing falls. */
	open_from(self, source(family, 2), 3);
	load(self);
	load(self);
	known = look(self);
	CHECK_EQ(known.opened, 7);
	CHECK_EQ(known.hits, 7);
}
