// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* A host in a test's hands: see fixture.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <roam/frag.h>
#include "acl_index.h"
#include "fixture.h"
#include "roam_test.skel.h"

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "# fixture: %s: %s\n", what, strerror(errno));
	abort();
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

static void choose_programs(struct fixture *fixture)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, fixture->skel->obj)
	{
		const char *name = bpf_program__name(prog);

		if (!strncmp(name, "xdp_", strlen("xdp_")))
			bpf_program__set_autoload(prog, fixture->with_xdp);
		if (!strncmp(name, "stage_", strlen("stage_")))
			bpf_program__set_autoload(prog, fixture->with_stages);
	}
}

/*
 * Programs that no test uses now, by what was chosen of them: loading takes the verifier a third of
 * a second here and many in an emulated guest, so that the next test takes them over.
 */
static struct roam_test *idle[2][2];

static struct roam_test **idle_place(const struct fixture *fixture)
{
	return &idle[!!fixture->with_xdp][!!fixture->with_stages];
}

void fixture_open(struct fixture *fixture)
{
	struct roam_test **place = idle_place(fixture);

	libbpf_set_print(quiet);
	fixture->now_ns = 1000ULL * 1000000000ULL;
	fixture->skel = *place;
	*place = NULL;
	if (fixture->skel)
		return;
	fixture->skel = roam_test__open();
	must(fixture->skel != NULL, "opening the programs");
	choose_programs(fixture);
	must(!roam_test__load(fixture->skel), "loading the programs");
}

static int outer_fd(struct fixture *fixture, const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(fixture->skel->obj, name);

	must(fd >= 0, name);
	return fd;
}

static void empty_hash(struct fixture *fixture, const char *name)
{
	int fd = outer_fd(fixture, name);
	char key[64];

	while (!bpf_map_get_next_key(fd, NULL, key))
		must(!bpf_map_delete_elem(fd, key), name);
}

/* No port and no VM is left; a VM's tables are made anew with it. */
static void forget_all(struct fixture *fixture)
{
	int conf_fd = outer_fd(fixture, "vm_conf");
	struct roam_vm conf, none = {};

	empty_hash(fixture, "port_dev");
	empty_hash(fixture, "port_mac");
	empty_hash(fixture, "port_addr");
	for (uint32_t slot = 0; slot < ROAM_VM_MAX; slot++) {
		must(!bpf_map_lookup_elem(conf_fd, &slot, &conf), "vm_conf");
		if (memcmp(&conf, &none, sizeof(conf)) != 0)
			fixture_set_conf(fixture, slot, &none);
	}
}

void fixture_close(struct fixture *fixture)
{
	struct roam_test **place = idle_place(fixture);

	if (*place) {
		roam_test__destroy(fixture->skel);
	} else {
		forget_all(fixture);
		*place = fixture->skel;
	}
	fixture->skel = NULL;
}

/* Puts a new inner map into an outer one; only the outer map keeps it. */
static void put_inner(struct fixture *fixture, const char *outer, uint32_t index, int inner_fd)
{
	must(inner_fd >= 0, "making an inner map");
	must(!bpf_map_update_elem(outer_fd(fixture, outer), &index, &inner_fd, BPF_ANY), outer);
	close(inner_fd);
}

static int get_inner(struct fixture *fixture, const char *outer, uint32_t index)
{
	uint32_t id;
	int fd;

	must(!bpf_map_lookup_elem(outer_fd(fixture, outer), &index, &id), outer);
	fd = bpf_map_get_fd_by_id(id);
	must(fd >= 0, "opening an inner map");
	return fd;
}

static int make_hash(uint32_t key_size, uint32_t value_size, uint32_t max_entries)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);

	return bpf_map_create(BPF_MAP_TYPE_HASH, NULL, key_size, value_size, max_entries, &opts);
}

static void make_tables(struct fixture *fixture, uint32_t slot, enum roam_ct_kind kind,
			uint32_t quota)
{
	uint32_t index = ROAM_CT_TABLE(slot, 0, kind);
	struct roam_ct_fill fill = { .quota = quota };

	put_inner(fixture, "ct_table", index,
		  make_hash(sizeof(struct roam_flow_key), sizeof(struct roam_flow), quota));
	put_inner(fixture, "ct_clock", index,
		  bpf_map_create(BPF_MAP_TYPE_QUEUE, NULL, 0, sizeof(struct roam_ct_tick), quota,
				 NULL));
	bpf_map_update_elem(outer_fd(fixture, "ct_fill"), &index, &fill, BPF_ANY);
}

static void make_stats(struct fixture *fixture, uint32_t slot)
{
	put_inner(fixture, "stats", slot,
		  bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, NULL, sizeof(uint32_t),
				 sizeof(struct roam_stats), 1, NULL));
}

void fixture_make_vm(struct fixture *fixture, const struct fixture_vm *vm)
{
	struct roam_port port = vm->port;
	struct roam_acl_reject full = {};
	uint32_t ifindex = FIXTURE_IFINDEX;

	must(!bpf_map_update_elem(outer_fd(fixture, "acl_reject"), &vm->slot, &full, BPF_ANY),
	     "acl_reject");
	make_tables(fixture, vm->slot, ROAM_CT_FLOWS, vm->quota_flows ? vm->quota_flows : 1024);
	make_tables(fixture, vm->slot, ROAM_CT_HALF, vm->quota_half ? vm->quota_half : 1024);
	put_inner(fixture, "frag_table", vm->slot,
		  make_hash(sizeof(struct roam_frag_key), sizeof(struct roam_frag),
			    ROAM_FRAG_TRAINS));
	put_inner(fixture, "frag_clock", vm->slot,
		  bpf_map_create(BPF_MAP_TYPE_QUEUE, NULL, 0, sizeof(struct roam_frag_tick),
				 ROAM_FRAG_TRAINS, NULL));
	make_stats(fixture, ROAM_VM_NONE);
	make_stats(fixture, vm->slot);
	put_inner(fixture, "acl_hits", vm->slot,
		  make_hash(sizeof(uint32_t), sizeof(struct roam_acl_hits), ROAM_ACL_RULES));
	fixture_set_rules(fixture, vm->slot, ROAM_DIR_IN, NULL, 0);
	fixture_set_rules(fixture, vm->slot, ROAM_DIR_OUT, NULL, 0);
	fixture_set_conf(fixture, vm->slot, &vm->conf);
	port.vm = vm->slot;
	if (port.ifindex)
		ifindex = port.ifindex;
	must(!bpf_map_update_elem(outer_fd(fixture, "port_dev"), &ifindex, &port, BPF_ANY),
	     "port_dev");
}

void fixture_set_conf(struct fixture *fixture, uint32_t slot, const struct roam_vm *conf)
{
	must(!bpf_map_update_elem(outer_fd(fixture, "vm_conf"), &slot, conf, BPF_ANY), "vm_conf");
}

/* A new list; the rules' rows come from libroam, as the host's do. */
static int make_list(const struct fixture *fixture, const struct roam_acl_match *rules,
		     uint32_t count)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP);
	const struct acl_source source = {
		.rules = rules,
		.count = count,
		.named = fixture->named,
		.named_count = fixture->named_count,
	};
	_cleanup_acl_rows_ struct acl_rows rows = {};
	int list;

	must(!acl_index_build_within(&source, &fixture->index, &rows), "compiling rules");
	list = bpf_map_create(BPF_MAP_TYPE_ARRAY, NULL, sizeof(uint32_t), sizeof(*rows.row),
			      rows.count, &opts);
	must(list >= 0, "making a list of rules");
	for (uint32_t i = 0; i < rows.count; i++)
		must(!bpf_map_update_elem(list, &i, &rows.row[i], BPF_ANY), "a row of rules");
	return list;
}

void fixture_set_timeouts(struct fixture *fixture, uint32_t slot,
			  const struct roam_ct_timeouts *timeouts)
{
	must(!bpf_map_update_elem(outer_fd(fixture, "ct_timeouts"), &slot, timeouts, BPF_ANY),
	     "ct_timeouts");
}

void fixture_set_rules(struct fixture *fixture, uint32_t slot, enum roam_dir dir,
		       const struct roam_acl_match *rules, uint32_t count)
{
	struct roam_acl_hits none = {};
	int hits = get_inner(fixture, "acl_hits", slot);

	for (uint32_t i = 0; i < count; i++)
		bpf_map_update_elem(hits, &rules[i].id, &none, BPF_NOEXIST);
	close(hits);
	put_inner(fixture, "acl_match", slot * ROAM_DIR_COUNT + dir,
		  make_list(fixture, rules, count));
}

void fixture_claim(struct fixture *fixture, uint32_t slot, const uint8_t *mac,
		   const struct roam_addr *addr)
{
	uint8_t key[8] = {};

	memcpy(key, mac, ROAM_MAC_LEN);
	must(!bpf_map_update_elem(outer_fd(fixture, "port_mac"), key, &slot, BPF_ANY), "port_mac");
	must(!bpf_map_update_elem(outer_fd(fixture, "port_addr"), addr, &slot, BPF_ANY),
	     "port_addr");
}

enum roam_verdict fixture_run(struct fixture *fixture, enum front_end front, enum roam_dir dir,
			      const struct packet *packet)
{
	struct __sk_buff skb = {
		.ifindex = FIXTURE_IFINDEX,
		.mark = fixture->mark_in,
	};
	struct xdp_md xdp = { .ingress_ifindex = FIXTURE_IFINDEX, .data_end = packet->len };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet->bytes, .data_size_in = packet->len,
		    .data_out = fixture->after.bytes, .data_size_out = PACKET_MAX);
	struct roam_test *skel = fixture->skel;
	int fd;

	skel->bss->tc_now_ns = fixture->now_ns;
	skel->bss->xdp_now_ns = fixture->now_ns;
	if (front == FRONT_TC) {
		fd = bpf_program__fd(dir == ROAM_DIR_OUT ? skel->progs.tc_out_at
							 : skel->progs.tc_in_at);
		opts.ctx_in = opts.ctx_out = &skb;
		opts.ctx_size_in = opts.ctx_size_out = sizeof(skb);
		must(!bpf_prog_test_run_opts(fd, &opts), "running a packet behind tc");
		fixture->mark = skb.mark;
		fixture->after.len = opts.data_size_out;
		fixture->answered = opts.retval == TC_ACT_STOLEN;
		return (int)opts.retval == -1 ? ROAM_PASS : ROAM_DROP;
	}
	fd = bpf_program__fd(dir == ROAM_DIR_OUT ? skel->progs.xdp_out_at : skel->progs.xdp_in_at);
	opts.ctx_in = &xdp;
	opts.ctx_size_in = sizeof(xdp);
	must(!bpf_prog_test_run_opts(fd, &opts), "running a packet behind XDP");
	return opts.retval == XDP_PASS ? ROAM_PASS : ROAM_DROP;
}

enum roam_verdict fixture_run_stage(struct fixture *fixture, const char *stage,
				    struct roam_pkt *pkt)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = pkt, .data_size_in = sizeof(*pkt),
		    .data_out = pkt, .data_size_out = sizeof(*pkt));
	struct bpf_program *prog = bpf_object__find_program_by_name(fixture->skel->obj, stage);

	must(prog != NULL, stage);
	must(!bpf_prog_test_run_opts(bpf_program__fd(prog), &opts), stage);
	return opts.retval;
}

static void fold_stats(struct fixture *fixture, uint32_t slot, struct roam_stats *ret_stats)
{
	int cpus = libbpf_num_possible_cpus(), fd = get_inner(fixture, "stats", slot);
	struct roam_stats *rows = calloc(cpus, sizeof(*rows));
	uint32_t first = 0;

	must(rows && !bpf_map_lookup_elem(fd, &first, rows), "stats");
	close(fd);
	memset(ret_stats, 0, sizeof(*ret_stats));
	for (int cpu = 0; cpu < cpus; cpu++) {
		for (int reason = 0; reason < ROAM_REASON_MAX; reason++) {
			for (int dir = 0; dir < ROAM_DIR_COUNT; dir++) {
				const struct roam_counter *from = &rows[cpu].by_reason[reason][dir];

				ret_stats->by_reason[reason][dir].packets += from->packets;
				ret_stats->by_reason[reason][dir].bytes += from->bytes;
			}
		}
	}
	free(rows);
}

/* In place: a new map in its stead would wait for RCU. */
static void zero_stats(struct fixture *fixture, uint32_t slot)
{
	int fd = get_inner(fixture, "stats", slot);
	struct roam_stats *rows = calloc(libbpf_num_possible_cpus(), sizeof(*rows));
	uint32_t first = 0;

	must(rows && !bpf_map_update_elem(fd, &first, rows, BPF_ANY), "stats");
	free(rows);
	close(fd);
}

struct roam_counter fixture_counter(struct fixture *fixture, uint32_t slot, enum roam_reason reason,
				    enum roam_dir dir)
{
	struct roam_stats stats;

	fold_stats(fixture, slot, &stats);
	return stats.by_reason[reason][dir];
}

enum roam_reason fixture_reason(struct fixture *fixture, uint32_t slot, enum roam_dir dir)
{
	enum roam_reason found = ROAM_REASON_NONE;
	struct roam_stats stats;
	uint64_t counted = 0;

	fold_stats(fixture, slot, &stats);
	for (int reason = 1; reason < ROAM_REASON_COUNT; reason++) {
		if (!stats.by_reason[reason][dir].packets)
			continue;
		counted += stats.by_reason[reason][dir].packets;
		found = reason;
	}
	zero_stats(fixture, slot);
	return counted == 1 ? found : ROAM_REASON_NONE;
}

int fixture_flow(struct fixture *fixture, uint32_t slot, const struct roam_flow_key *key,
		 struct roam_flow *ret_flow)
{
	for (int kind = 0; kind < ROAM_CT_KINDS; kind++) {
		int fd = get_inner(fixture, "ct_table", ROAM_CT_TABLE(slot, 0, kind));
		int err = bpf_map_lookup_elem(fd, key, ret_flow);

		close(fd);
		if (!err)
			return kind;
	}
	return -1;
}

uint32_t fixture_flow_count(struct fixture *fixture, uint32_t slot, enum roam_ct_kind kind)
{
	uint32_t index = ROAM_CT_TABLE(slot, 0, kind), count = 0;
	int fd = get_inner(fixture, "ct_table", index);
	struct roam_flow_key key, *at = NULL;

	while (!bpf_map_get_next_key(fd, at, &key)) {
		at = &key;
		count++;
	}
	close(fd);
	return count;
}

uint32_t fixture_train_count(struct fixture *fixture, uint32_t slot)
{
	int fd = get_inner(fixture, "frag_table", slot);
	struct roam_frag_key key, *at = NULL;
	uint32_t count = 0;

	while (!bpf_map_get_next_key(fd, at, &key)) {
		at = &key;
		count++;
	}
	close(fd);
	return count;
}

struct roam_acl_hits fixture_hits(struct fixture *fixture, uint32_t slot, uint32_t rule)
{
	int fd = get_inner(fixture, "acl_hits", slot);
	struct roam_acl_hits hits;

	must(!bpf_map_lookup_elem(fd, &rule, &hits), "acl_hits");
	close(fd);
	return hits;
}
