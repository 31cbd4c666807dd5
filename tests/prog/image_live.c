// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Images on hosts that live: who may be loaded over whom, policy that changes while an image is
 * read, flows that move between tables while one is written, and what a save leaves behind.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "ct.h"
#include "harness.h"
#include "port.h"
#include "state_show.h"
#include "twohosts.h"
#include "vm.h"

#define FLOWS   20
#define LATE_US 300000

struct live {
	struct twohosts *hosts;
	struct image_parts parts;
};

static void take(struct live *self)
{
	struct image_bytes image;

	image_parts_free(&self->parts);
	twohosts_save(self->hosts, FLOWS, &image);
	CHECK_OK(image_parts_take(image.at, image.len, &self->parts));
	image_bytes_free(&image);
}

static void live_setup(struct live *self)
{
	self->hosts = twohosts_get();
	take(self);
}

static void live_teardown(struct live *self)
{
	image_parts_free(&self->parts);
}

TEST_F(live, over_a_vm_that_is_here)
{
	struct state_load replace = { .replace = true }, shut = { .shut = true };
	struct host *to = self->hosts->to.host;
	uint64_t print;

	CHECK_OK(twohosts_load_parts(self->hosts, &self->parts, NULL));
	print = twohosts_print(to);
	CHECK(twohosts_load_parts(self->hosts, &self->parts, NULL) < 0);
	CHECK_HAS(fail_line(), "is active on this host");
	CHECK_EQ(twohosts_print(to), print);
	image_parts_double(&self->parts, "flow", 3);
	CHECK(twohosts_load_parts(self->hosts, &self->parts, &replace) < 0);
	CHECK_EQ(twohosts_print(to), print);
	take(self);
	CHECK_OK(twohosts_load_parts(self->hosts, &self->parts, &replace));
	CHECK_OK(vm_del(to, "vm"));
	/* One that is shut may be loaded over. */
	CHECK_OK(twohosts_load_parts(self->hosts, &self->parts, &shut));
	CHECK_OK(twohosts_load_parts(self->hosts, &self->parts, NULL));
	CHECK_OK(vm_del(to, "vm"));
	twohosts_unchanged(self->hosts);
}

struct meanwhile {
	struct image_bytes image;
	struct twohosts *hosts;
};

/* An operator has a word while the image is read. */
static int read_meanwhile(void *bytes, size_t size, void *arg)
{
	struct meanwhile *meanwhile = arg;
	struct host *to = meanwhile->hosts->to.host;
	struct image_bytes *image = &meanwhile->image;
	size_t end = image->len - sizeof(uint64_t);
	struct roam_vm vm;
	uint32_t slot;

	if (image->read < end && image->read + size >= end && CHECK_OK(vm_find(to, "vm", &slot)) &&
	    CHECK_OK(vm_get(to, slot, &vm))) {
		vm.default_action[ROAM_DIR_OUT] = ROAM_ACTION_DROP;
		CHECK_OK(vm_set(to, slot, &vm));
	}
	return image_bytes_read(bytes, size, image);
}

TEST_F(live, policy_that_changes_meanwhile)
{
	struct meanwhile meanwhile = { .hosts = self->hosts };
	struct state_load load = {
		.replace = true,
		.read = read_meanwhile,
		.arg = &meanwhile,
	};
	struct host *to = self->hosts->to.host;
	struct roam_vm vm;
	uint32_t slot;

	image_parts_put(&self->parts, &meanwhile.image);
	CHECK_OK(twohosts_load(self->hosts, &meanwhile.image, NULL));
	meanwhile.image.read = 0;
	CHECK_EQ(twohosts_load(self->hosts, &meanwhile.image, &load), -EBUSY);
	CHECK_HAS(fail_line(), "changed meanwhile");
	if (CHECK_OK(vm_find(to, "vm", &slot)) && CHECK_OK(vm_get(to, slot, &vm)))
		CHECK_EQ(vm.default_action[ROAM_DIR_OUT], ROAM_ACTION_DROP);
	CHECK_OK(vm_del(to, "vm"));
	image_bytes_free(&meanwhile.image);
	twohosts_unchanged(self->hosts);
}

/* ---- who waits for an image ---- */

/* The first byte comes late, as from a source that has not begun. */
static int read_late(void *bytes, size_t size, void *arg)
{
	struct image_bytes *image = arg;

	if (!image->read)
		usleep(LATE_US);
	return image_bytes_read(bytes, size, image);
}

static int find_oldest(const struct roam_flow_rec *rows, uint32_t count, void *arg)
{
	uint64_t *oldest = arg;

	for (uint32_t i = 0; i < count; i++) {
		if ((int64_t)(rows[i].flow.seen_ns - *oldest) < 0)
			*oldest = rows[i].flow.seen_ns;
	}
	return 0;
}

/* Loads the image; when its oldest flow was seen, on this host's clock. */
static uint64_t load_oldest(struct live *self, image_read_fn read)
{
	const struct state_dev dev = {
		.mac = { 0x52, 0x54, 0, 0xaa, 0xbb, 0x10 },
		.dev = self->hosts->to.dev,
	};
	struct image_bytes image;
	struct state_load load = { .devs = &dev, .dev_count = 1, .read = read, .arg = &image };
	struct host *to = self->hosts->to.host;
	uint64_t oldest = INT64_MAX;
	struct state_loaded loaded;
	uint32_t slot;

	image_parts_put(&self->parts, &image);
	image.read = 0;
	CHECK_OK(state_load(to, &load, &loaded));
	if (CHECK_OK(vm_find(to, "vm", &slot)))
		CHECK_OK(ct_dump(to, slot, find_oldest, &oldest));
	CHECK_OK(vm_del(to, "vm"));
	image_bytes_free(&image);
	return oldest;
}

/* Ages count from when the image comes: they do not grow by what was waited for it. */
TEST_F(live, waiting_for_an_image_ages_nothing)
{
	uint64_t late, begin, end;

	begin = now_ns();
	late = load_oldest(self, read_late) - (begin + LATE_US * 1000ULL);
	end = load_oldest(self, image_bytes_read);
	end -= now_ns();
	CHECK((int64_t)(late - end) >= 0);
}

/* ---- what a save leaves behind, and what it does not ---- */

static void add_port(struct test_host *host, const char *dev, const char *addr, const char *zone)
{
	struct roam_port port = { .mac = { 0x52, 0x54, 0, 0, 0, 9 }, .addr_count = 1 };
	uint32_t slot;

	strcpy(port.dev, dev);
	port.addr[0] = packet_addr(addr);
	strcpy(port.zone_name, zone);
	if (CHECK_OK(vm_find(host->host, "vm", &slot)))
		CHECK_OK(port_add(host->host, slot, &port));
}

static void add_flow(struct test_host *host, const char *local, uint32_t zone)
{
	struct roam_flow_rec flow = {
		.key = { .local = packet_addr(local),
			 .remote = cast_peer_addr(4),
			 .zone = ROAM_ZONE(zone, 0),
			 .family = 4,
			 .proto = IPPROTO_UDP },
		.flow = { .seen_ns = 1, .state = ROAM_CT_UDP_REPLIED },
	};
	uint32_t slot;

	if (CHECK_OK(vm_find(host->host, "vm", &slot)))
		CHECK_OK(ct_load(host->host, ROAM_CT_TABLE(slot, 0, ROAM_CT_FLOWS), &flow, 1));
}

static void save(struct live *self, struct image_bytes *ret_image)
{
	struct state_save save = { .vm = "vm", .write = image_bytes_write, .arg = ret_image };

	*ret_image = (struct image_bytes){};
	CHECK_OK(state_save(self->hosts->from.host, &save));
}

struct promoting {
	struct host *host;
	uint32_t slot;
	struct roam_flow_rec flow;
	bool promoted;
	bool seen;
};

/* As the programs do it while rows are read: first there, then gone here. */
static int promote(const struct roam_flow_rec *rows, uint32_t count, void *arg)
{
	struct promoting *promoting = arg;
	struct roam_flow_rec *flow = &promoting->flow;
	_cleanup_close_ int half = host_inner(promoting->host, HOST_MAP_ct_table,
					      ROAM_CT_TABLE(promoting->slot, 0, ROAM_CT_HALF));

	for (uint32_t i = 0; i < count; i++)
		promoting->seen |= !memcmp(&rows[i].key, &flow->key, sizeof(flow->key));
	if (promoting->promoted)
		return 0;
	promoting->promoted = true;
	flow->flow.state = ROAM_CT_UDP_REPLIED;
	CHECK_OK(ct_load(promoting->host, ROAM_CT_TABLE(promoting->slot, 0, ROAM_CT_FLOWS), flow,
			 1));
	return bpf_map_delete_elem(half, &flow->key);
}

TEST_F(live, a_flow_that_is_promoted_meanwhile)
{
	struct test_host *from = &self->hosts->from;
	struct promoting promoting = {
		.host = from->host,
		.flow = { .key = { .local = cast_vm_addr(4), .lport = 1, .family = 4 },
			  .flow = { .state = ROAM_CT_UDP_NEW } },
	};

	hosts_add_vm(from);
	add_flow(from, "10.0.0.10", 0);
	if (!CHECK_OK(vm_find(from->host, "vm", &promoting.slot)))
		return;
	CHECK_OK(ct_load(from->host, ROAM_CT_TABLE(promoting.slot, 0, ROAM_CT_HALF),
			 &promoting.flow, 1));
	CHECK_OK(ct_dump(from->host, promoting.slot, promote, &promoting));
	CHECK(promoting.seen);
	CHECK_OK(vm_del(from->host, "vm"));
}

/* The state is written before the row moves: in that moment it is in both tables. */
TEST_F(live, a_flow_in_both_tables)
{
	struct test_host *from = &self->hosts->from;
	struct roam_flow_rec flow = {
		.key = { .local = cast_vm_addr(4),
			 .remote = cast_peer_addr(4),
			 .family = 4,
			 .proto = IPPROTO_UDP },
		.flow = { .seen_ns = 1, .state = ROAM_CT_UDP_REPLIED },
	};
	uint32_t slot, used[ROAM_CT_KINDS] = {};
	struct image_bytes image;

	hosts_add_vm(from);
	if (!CHECK_OK(vm_find(from->host, "vm", &slot)))
		return;
	for (uint32_t kind = 0; kind < ROAM_CT_KINDS; kind++)
		CHECK_OK(ct_load(from->host, ROAM_CT_TABLE(slot, 0, kind), &flow, 1));
	save(self, &image);
	CHECK_OK(twohosts_load(self->hosts, &image, NULL));
	CHECK_OK(vm_find(self->hosts->to.host, "vm", &slot));
	CHECK_OK(ct_used(self->hosts->to.host, slot, used));
	CHECK_EQ(used[ROAM_CT_FLOWS], 1);
	CHECK_EQ(used[ROAM_CT_HALF], 0);
	CHECK_OK(vm_del(self->hosts->to.host, "vm"));
	CHECK_OK(vm_del(from->host, "vm"));
	image_bytes_free(&image);
}

/* Flows of a port that was deleted would have the whole image refused. */
TEST_F(live, flows_of_a_port_that_is_gone)
{
	const uint8_t mac[ROAM_MAC_LEN] = { 0x52, 0x54, 0, 0, 0, 9 };
	struct test_host *from = &self->hosts->from;
	struct image_bytes image;
	uint32_t slot, used[ROAM_CT_KINDS] = {};

	hosts_add_vm(from);
	add_port(from, "peer-from", "10.0.0.77", "side");
	add_flow(from, "10.0.0.10", 0);
	add_flow(from, "10.0.0.77", 1);
	if (!CHECK_OK(vm_find(from->host, "vm", &slot)))
		return;
	CHECK_OK(port_del(from->host, slot, mac));
	save(self, &image);
	CHECK_OK(twohosts_load(self->hosts, &image, NULL));
	CHECK_OK(vm_find(self->hosts->to.host, "vm", &slot));
	CHECK_OK(ct_used(self->hosts->to.host, slot, used));
	CHECK_EQ(used[ROAM_CT_FLOWS], 1);
	CHECK_OK(vm_del(self->hosts->to.host, "vm"));
	CHECK_OK(vm_del(from->host, "vm"));
	image_bytes_free(&image);
	twohosts_unchanged(self->hosts);
}

/* Two ports in one zone, as of a guest's bond: the flow is of the second port's address. */
TEST_F(live, ports_that_share_a_zone)
{
	const struct state_dev devs[] = {
		{ .mac = { 0x52, 0x54, 0, 0xaa, 0xbb, 0x10 }, .dev = "dev-from" },
		{ .mac = { 0x52, 0x54, 0, 0, 0, 9 }, .dev = "peer-from" },
	};
	struct state_load load = { .devs = devs, .dev_count = 2, .replace = true };
	struct test_host *from = &self->hosts->from;
	struct state_loaded loaded;
	struct image_bytes image;
	struct out *out;

	hosts_add_vm(from);
	add_port(from, "peer-from", "10.0.0.77", "52:54:00:aa:bb:10");
	add_flow(from, "10.0.0.77", 0);
	save(self, &image);
	out = out_open(OUT_TEXT);
	printf("# ");
	CHECK_OK(state_verify(out, image_bytes_read, &image));
	out_close(out);
	image.read = 0;
	load.read = image_bytes_read;
	load.arg = &image;
	CHECK_OK(state_load(from->host, &load, &loaded));
	CHECK_EQ(loaded.flows, 1);
	CHECK_OK(vm_del(from->host, "vm"));
	image_bytes_free(&image);
}
