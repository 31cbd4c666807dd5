// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Two hosts and an image: see twohosts.h. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "audit.h"
#include "ct.h"
#include "draft.h"
#include "frag.h"
#include "harness.h"
#include "text.h"
#include "twohosts.h"
#include "vm.h"

/* ---- what is on a host ---- */

static uint64_t print_map(int fd, uint64_t seed);

/* The rows of the inner map, not its number: another one with the same rows is as good. */
static uint64_t print_inner(const void *value, uint64_t seed)
{
	uint32_t id;
	int fd;
	uint64_t print;

	memcpy(&id, value, sizeof(id));
	fd = bpf_map_get_fd_by_id(id);
	print = print_map(fd, seed);
	close(fd);
	return print;
}

/* Of a queue only its size can be seen without taking from it. */
static uint64_t print_map(int fd, uint64_t seed)
{
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info);
	uint8_t key[256] = {}, *value, *at = NULL;
	uint64_t sum = 0;

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
		return 0;
	sum = XXH3_64bits_withSeed(&info.max_entries, sizeof(info.max_entries), seed);
	if (info.type == BPF_MAP_TYPE_QUEUE)
		return sum;
	len = info.value_size;
	if (info.type == BPF_MAP_TYPE_PERCPU_ARRAY)
		len = (len + 7) / 8 * 8 * libbpf_num_possible_cpus();
	value = malloc(len);
	for (; !bpf_map_get_next_key(fd, at, key); at = key) {
		uint64_t row = XXH3_64bits_withSeed(key, info.key_size, seed);

		if (bpf_map_lookup_elem(fd, key, value))
			continue;
		if (info.type == BPF_MAP_TYPE_ARRAY_OF_MAPS)
			sum += print_inner(value, row);
		else
			sum += XXH3_64bits_withSeed(value, len, row);
	}
	free(value);
	return sum;
}

uint64_t twohosts_print(struct host *host)
{
	uint64_t sum = 0;

	for (int map = 0; map < HOST_MAP_COUNT; map++) {
		if (map != HOST_MAP_ct_xfer) /* scratch */
			sum += print_map(host_map(host, map), map);
	}
	return sum;
}

static int count_fds(void)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (dir && readdir(dir))
		count++;
	return count;
}

bool twohosts_unchanged(struct twohosts *hosts)
{
	char *text = audit(hosts->to.host);
	bool same = CHECK_STR(text, hosts->text) &&
		    CHECK_EQ(twohosts_print(hosts->to.host), hosts->print) &&
		    CHECK_EQ(count_fds(), hosts->fds);

	free(text);
	return same;
}

/* ---- making them ---- */

static struct roam_flow_rec make_flow(uint32_t i, enum roam_ct_kind kind)
{
	bool half = kind == ROAM_CT_HALF;
	int family = i % 2 ? 4 : 6;
	struct roam_flow_rec rec = {
		.key = {
			.local = cast_vm_addr(family),
			.remote = cast_peer_addr(family),
			.lport = htons(80),
			.rport = htons(1024 + i / 2 % 60000),
			.family = family,
			.proto = IPPROTO_TCP,
		},
		.flow = {
			.created_ns = 1000 + i,
			.seen_ns = 2000 + i,
			.side = { { .packets = i, .bytes = 100 * i },
				  { .packets = 2 * i, .bytes = 200 * i } },
			.gen = DRAFT_GEN,
			.rule = 1 + i % 2,
			.state = half ? ROAM_CT_SYN_SENT : ROAM_CT_ESTABLISHED,
			.open_tcp_flags = ROAM_TCP_SYN,
		},
	};

	if (i % 3)
		return rec;
	rec.key.proto = IPPROTO_UDP;
	rec.flow.state = half ? ROAM_CT_UDP_NEW : ROAM_CT_UDP_REPLIED;
	rec.flow.open_tcp_flags = 0;
	return rec;
}

static void load_flows(struct test_host *host, uint32_t slot, uint32_t flows)
{
	struct roam_flow_rec *recs = calloc(flows + 1, sizeof(*recs));
	struct roam_vm vm = {};

	CHECK_OK(vm_get(host->host, slot, &vm));
	for (uint32_t kind = 0; kind < ROAM_CT_KINDS; kind++) {
		for (uint32_t i = 0; i < flows; i++)
			recs[i] = make_flow(i, kind);
		CHECK_OK(ct_load(host->host, ROAM_CT_TABLE(slot, vm.ct_bank, kind), recs, flows));
	}
	free(recs);
}

/* Another VM that is nobody's business, with a port and flows of its own. */
static void add_other(struct test_host *host)
{
	struct roam_port port = { .dev = "peer-to", .addr_count = 1 };
	struct roam_vm vm = {
		.name = "other",
		.uuid = { 2 },
		.life = ROAM_LIFE_ACTIVE,
		.quota_flows = ROAM_QUOTA_MIN,
		.quota_half = ROAM_QUOTA_MIN,
	};
	struct draft *draft;
	uint32_t slot;

	memcpy(port.mac, cast_peer_mac, sizeof(port.mac));
	port.addr[0] = cast_stranger_addr(4);
	text_mac(port.mac, port.zone_name);
	CHECK_OK(draft_open(host->host, &vm, ROAM_VM_NONE, &draft));
	CHECK_OK(draft_add_port(draft, &port));
	CHECK_OK(draft_publish(draft));
	draft_close(draft);
	if (CHECK_OK(vm_find(host->host, "other", &slot)))
		load_flows(host, slot, 20);
}

struct twohosts *twohosts_get(void)
{
	static struct twohosts hosts;

	if (hosts.text)
		return &hosts;
	hosts_enter();
	hosts_make("from", &hosts.from);
	hosts_make("to", &hosts.to);
	add_other(&hosts.to);
	hosts.text = audit(hosts.to.host);
	hosts.print = twohosts_print(hosts.to.host);
	hosts.fds = count_fds();
	return &hosts;
}

/* ---- the image ---- */

static void set_quotas(struct host *host, uint32_t slot, uint32_t flows)
{
	struct roam_vm vm;

	if (!CHECK_OK(vm_get(host, slot, &vm)))
		return;
	vm.quota_flows = vm.quota_half = flows + ROAM_QUOTA_MIN;
	CHECK_OK(vm_set(host, slot, &vm));
}

/* A datagram of which two parts have passed. */
static void add_train(struct test_host *host, uint32_t slot)
{
	struct roam_frag_rec rec = {
		.key = {
			.local = cast_vm_addr(4),
			.remote = cast_peer_addr(4),
			.id = htons(7),
			.family = 4,
			.proto = IPPROTO_UDP,
			.dir = ROAM_DIR_IN,
		},
		.frag = {
			.since_ns = 4000,
			.range = { ROAM_FRAG_RANGE(0, 800), ROAM_FRAG_RANGE(1600, 2000) },
			.size = 2000,
		},
	};

	CHECK_OK(frag_store(host->host, slot, &rec));
}

static void save(struct twohosts *hosts, uint32_t flows, struct image_bytes *ret_image)
{
	struct state_save save = {
		.vm = "vm",
		.now_ns = 5000,
		.write = image_bytes_write,
		.arg = ret_image,
	};
	struct packet_spec spec = cast_tcp(4, ROAM_DIR_IN, ROAM_TCP_SYN);
	struct packet packet;
	uint32_t slot;

	*ret_image = (struct image_bytes){};
	hosts_add_vm(&hosts->from);
	if (!CHECK_OK(vm_find(hosts->from.host, "vm", &slot)))
		return;
	set_quotas(hosts->from.host, slot, flows);
	load_flows(&hosts->from, slot, flows);
	add_train(&hosts->from, slot);
	/* Something to count. */
	packet_build(&spec, &packet);
	hosts->from.now_ns = 4000;
	hosts_run(&hosts->from, FRONT_TC, ROAM_DIR_IN, &packet);
	CHECK_OK(state_save(hosts->from.host, &save));
	CHECK_OK(vm_del(hosts->from.host, "vm"));
}

void twohosts_save(struct twohosts *hosts, uint32_t flows, struct image_bytes *ret_image)
{
	*ret_image = (struct image_bytes){};
	if (!hosts->saved.len || hosts->saved_flows != flows) {
		image_bytes_free(&hosts->saved);
		save(hosts, flows, &hosts->saved);
		hosts->saved_flows = flows;
	}
	image_bytes_write(hosts->saved.at, hosts->saved.len, ret_image);
}

int twohosts_load(struct twohosts *hosts, struct image_bytes *image, const struct state_load *want)
{
	struct state_dev dev = { .dev = hosts->to.dev };
	struct state_load load = want ? *want : (struct state_load){};
	struct state_loaded loaded;
	int err;

	memcpy(dev.mac, cast_vm_mac, sizeof(dev.mac));
	load.devs = load.devs ? load.devs : &dev;
	load.dev_count = load.dev_count ? load.dev_count : 1;
	load.read = load.read ? load.read : image_bytes_read;
	load.arg = load.arg ? load.arg : image;
	load.now_ns = load.now_ns ? load.now_ns : 5000;
	image->read = 0;
	err = state_load(hosts->to.host, &load, &loaded);
	/* One line that says why. */
	if (err)
		CHECK(fail_line()[0] && !strchr(fail_line(), '\n'));
	return err;
}

int twohosts_load_parts(struct twohosts *hosts, const struct image_parts *parts,
			const struct state_load *want)
{
	struct image_bytes image;
	int err;

	image_parts_put(parts, &image);
	err = twohosts_load(hosts, &image, want);
	image_bytes_free(&image);
	return err;
}
