// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Images of full tables that packets were writing to while they were walked: they have more rows
 * than the quota. Those that are worth least are left out of a load; in a handover they wait
 * (tests/prog/delta.c).
 */
#include <stdlib.h>
#include <string.h>
#include "ct.h"
#include "harness.h"
#include "ips.h"
#include "twohosts.h"
#include "vm.h"

#define QUOTA ROAM_QUOTA_MIN
#define MORE  10

struct excess_test {
	struct twohosts *hosts;
	struct image_parts parts;
};

static void excess_test_setup(struct excess_test *self)
{
	self->hosts = twohosts_get();
}

static void excess_test_teardown(struct excess_test *self)
{
	image_parts_free(&self->parts);
}

static void set(struct excess_test *self, const char *table, const char *field, uint32_t value)
{
	memcpy(image_parts_at(&self->parts, table, field, 0), &value, sizeof(value));
}

static uint32_t slot_of(struct test_host *host)
{
	uint32_t slot = ROAM_VM_NONE;

	CHECK_OK(vm_find(host->host, "vm", &slot));
	return slot;
}

/* ---- flows ---- */

/* The flows of either kind have the same keys (twohosts.c): only those of one are too many. */
static void take_flows(struct excess_test *self, uint32_t flows, enum roam_ct_kind kind)
{
	struct image_bytes image;

	twohosts_save(self->hosts, flows, &image);
	CHECK_OK(image_parts_take(image.at, image.len, &self->parts));
	image_bytes_free(&image);
	set(self, "vm", kind == ROAM_CT_FLOWS ? "quota_flows" : "quota_half", QUOTA);
}

struct found {
	uint8_t short_lived; /* the state that has the shorter patience: every third flow is one */
	uint32_t flows[ROAM_CT_KINDS];
	uint32_t short_ones;
	uint32_t oldest; /* of those, the number of the first (twohosts.c) */
};

static int note_flows(const struct roam_flow_rec *rows, uint32_t count, void *arg)
{
	struct found *found = arg;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t number = rows[i].flow.side[0].packets;

		found->flows[ct_state_kind(rows[i].flow.state)]++;
		if (rows[i].flow.state != found->short_lived)
			continue;
		found->short_ones++;
		if (number < found->oldest)
			found->oldest = number;
	}
	return 0;
}

/* Datagrams' time is up first: from the one that was seen first. */
static void leave_out(struct excess_test *self, enum roam_ct_kind kind)
{
	struct found found = {
		.short_lived = kind == ROAM_CT_FLOWS ? ROAM_CT_UDP_REPLIED : ROAM_CT_UDP_NEW,
		.oldest = UINT32_MAX,
	};
	struct test_host *to = &self->hosts->to;
	uint32_t used[ROAM_CT_KINDS];

	take_flows(self, QUOTA + MORE, kind);
	if (!CHECK_OK(twohosts_load_parts(self->hosts, &self->parts, NULL)))
		note("%s", fail_line());
	CHECK_OK(ct_dump(to->host, slot_of(to), note_flows, &found));
	CHECK_EQ(found.flows[kind], QUOTA);
	CHECK_EQ(found.short_ones, (QUOTA + MORE + 2) / 3 - MORE);
	CHECK_EQ(found.oldest, 3 * MORE);
	CHECK_OK(ct_used(to->host, slot_of(to), used)); /* the gauge knows */
	CHECK_EQ(used[kind], QUOTA);
	CHECK_OK(vm_del(to->host, "vm"));
	twohosts_unchanged(self->hosts);
}

TEST_F(excess_test, flows_that_idle_longest_are_left_out)
{
	leave_out(self, ROAM_CT_FLOWS);
}

TEST_F(excess_test, so_are_half_open_ones)
{
	leave_out(self, ROAM_CT_HALF);
}

TEST_F(excess_test, what_is_no_accident_is_refused)
{
	take_flows(self, QUOTA + QUOTA / 8 + 33, ROAM_CT_FLOWS);
	CHECK_EQ(twohosts_load_parts(self->hosts, &self->parts, NULL), -ENOSPC);
	CHECK_HAS(fail_line(), "more flows than the VM's quota");
	twohosts_unchanged(self->hosts);
}

static void make_shut(struct excess_test *self, const struct roam_vm *like)
{
	struct test_host *to = &self->hosts->to;
	struct roam_vm vm;

	hosts_add_vm(to);
	CHECK_OK(vm_get(to->host, slot_of(to), &vm));
	memcpy(vm.uuid, like->uuid, sizeof(vm.uuid));
	vm.quota_flows = like->quota_flows;
	vm.life = ROAM_LIFE_SHUT;
	CHECK_OK(vm_set(to->host, slot_of(to), &vm));
}

/* Then none of the rows is known to be gone. */
TEST_F(excess_test, a_quota_that_is_smaller_here_refuses)
{
	struct roam_vm vm;

	hosts_add_vm(&self->hosts->from);
	CHECK_OK(vm_get(self->hosts->from.host, slot_of(&self->hosts->from), &vm));
	CHECK_OK(vm_del(self->hosts->from.host, "vm"));
	take_flows(self, QUOTA + MORE, ROAM_CT_FLOWS);
	set(self, "vm", "quota_flows", QUOTA + MORE);
	vm.quota_flows = QUOTA;
	make_shut(self, &vm);
	CHECK_EQ(twohosts_load_parts(self->hosts, &self->parts, NULL), -ENOSPC);
	CHECK_HAS(fail_line(), "more flows than the VM's quota");
	CHECK_OK(vm_del(self->hosts->to.host, "vm"));
	twohosts_unchanged(self->hosts);
}

/* ---- sources and blocks ---- */

static struct roam_addr remote(uint32_t i)
{
	struct roam_addr addr = packet_addr("198.51.100.0");

	addr.bytes[15] = i;
	return addr;
}

/* The first of either are worth least. */
static void take_ips(struct excess_test *self, uint32_t rows)
{
	struct host *from = self->hosts->from.host;
	struct roam_ips conf = ips_defaults();
	struct image_bytes image = {};
	struct state_save save = { .vm = "vm", .write = image_bytes_write, .arg = &image };
	uint32_t slot;

	hosts_add_vm(&self->hosts->from);
	slot = slot_of(&self->hosts->from);
	conf.sources = conf.blocks = rows;
	CHECK_OK(ips_set(from, slot, &conf));
	for (uint32_t i = 0; i < rows; i++) {
		struct roam_ips_source_rec source = {
			.addr = remote(i),
			.source.paid_ns = now_ns() - NS_PER_S + i * 1000,
		};
		struct roam_addr addr = remote(i);

		CHECK_OK(ips_store_source(from, slot, &source));
		CHECK_OK(ips_block_add(from, slot, &addr, i == rows - 1 ? 0 : 1000 + 10 * i));
	}
	CHECK_OK(state_save(from, &save));
	CHECK_OK(vm_del(from, "vm"));
	CHECK_OK(image_parts_take(image.at, image.len, &self->parts));
	image_bytes_free(&image);
	set(self, "ips", "sources", QUOTA);
	set(self, "ips", "blocks", QUOTA);
}

struct seen {
	uint32_t count;
	uint32_t first;
};

static void see(struct seen *seen, const struct roam_addr *addr)
{
	seen->count++;
	if (addr->bytes[15] < seen->first)
		seen->first = addr->bytes[15];
}

static int see_source(const struct roam_ips_source_rec *rec, void *arg)
{
	see(arg, &rec->addr);
	return 0;
}

static int see_block(const struct roam_ips_block_rec *rec, void *arg)
{
	see(arg, &rec->addr);
	return 0;
}

TEST_F(excess_test, sources_and_blocks_that_are_worth_least_are_left_out)
{
	struct seen sources = { .first = UINT32_MAX }, blocks = { .first = UINT32_MAX };
	struct host *to = self->hosts->to.host;

	take_ips(self, QUOTA + MORE);
	if (!CHECK_OK(twohosts_load_parts(self->hosts, &self->parts, NULL)))
		note("%s", fail_line());
	CHECK_OK(ips_each_source(to, slot_of(&self->hosts->to), see_source, &sources));
	CHECK_OK(ips_each_block(to, slot_of(&self->hosts->to), see_block, &blocks));
	CHECK_EQ(sources.count, QUOTA);
	CHECK_EQ(sources.first, MORE);
	CHECK_EQ(blocks.count, QUOTA);
	CHECK_EQ(blocks.first, MORE);
	CHECK_OK(vm_del(to, "vm"));
	twohosts_unchanged(self->hosts);
}
