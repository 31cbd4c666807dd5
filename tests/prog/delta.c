// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The engine of a handover (user/lib/move.h): that nothing which is written while a VM is copied is
 * missing at the destination, whatever traffic, user space and kills do meanwhile; and what a
 * destination refuses. tests/prog/move.c has what becomes of packets.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <linux/bpf.h>
#include <bpf/bpf.h>
#include <linux/pkt_cls.h>
#include "acl.h"
#include "ct.h"
#include "harness.h"
#include "hosts.h"
#include "image_parts.h"
#include "ips.h"
#include "move.h"
#include "move_own.h"
#include "move_source.h"
#include "qos.h"
#include "state.h"
#include "stats.h"
#include "vm.h"

#define SECOND   1000000000ULL
#define ROWS_MAX 4096

/* ---- two hosts ---- */

struct pair {
	struct test_host *here;
	struct test_host *there;
	struct move_source *source;
	struct move_dest *dest;
	struct image_bytes image; /* the last one made */
	struct move_stats stats;
	uint32_t slot; /* here */
};

static struct test_host hosts[2];

static void pair_setup(struct pair *self)
{
	srandom(harness_seed());
	if (!hosts[0].host) {
		hosts_enter();
		hosts_make("here", &hosts[0]);
		hosts_make("there", &hosts[1]);
	}
	self->here = &hosts[0];
	self->there = &hosts[1];
	hosts_add_vm(self->here);
	CHECK_OK(vm_find(self->here->host, "vm", &self->slot));
	self->here->now_ns = now_ns();
}

static void pair_teardown(struct pair *self)
{
	move_source_close(self->source);
	move_dest_close(self->dest);
	vm_del(self->here->host, "vm");
	vm_del(self->there->host, "vm");
	image_bytes_free(&self->image);
}

static uint32_t pick(uint32_t below)
{
	return (uint32_t)random() % below;
}

static struct image_bytes *fresh(struct pair *self)
{
	self->image.len = self->image.read = 0;
	return &self->image;
}

static const struct move_source_options usual = { .id = { 1, 2, 3 }, .round_ms = 3600 * 1000 };

static void copy_begin(struct pair *self, const struct move_source_options *options)
{
	CHECK_OK(move_source_open(self->here->host, "vm", options, &self->source));
	CHECK_OK(move_source_base(self->source, image_bytes_write, fresh(self)));
}

static int take_base(struct pair *self)
{
	struct state_dev dev = { .dev = self->there->dev };
	struct move_dest_options options = { .devs = &dev, .dev_count = 1 };

	memcpy(dev.mac, cast_vm_mac, ROAM_MAC_LEN);
	self->image.read = 0;
	return move_dest_base(self->there->host, &options, image_bytes_read, &self->image,
			      &self->dest);
}

/* From a VM that has a base there. */
static void begin(struct pair *self)
{
	copy_begin(self, &usual);
	if (!CHECK_OK(take_base(self)))
		note("%s", fail_line());
}

static int take(struct pair *self)
{
	if (!self->dest) /* it has been said why */
		return -EINVAL;
	self->image.read = 0;
	return move_dest_delta(self->dest, image_bytes_read, &self->image);
}

static void delta(struct pair *self)
{
	do {
		if (!CHECK_OK(move_source_delta(self->source, image_bytes_write, fresh(self),
						&self->stats)))
			return;
		if (self->stats.sequence && !CHECK_OK(take(self)))
			note("%s", fail_line());
	} while (self->stats.more);
}

static void last(struct pair *self)
{
	CHECK_OK(move_source_freeze(self->source));
	do {
		if (!CHECK_OK(move_source_last(self->source, image_bytes_write, fresh(self),
					       &self->stats)) ||
		    !CHECK_OK(take(self))) {
			note("%s", fail_line());
			return;
		}
	} while (self->stats.more);
	CHECK(move_dest_is_complete(self->dest));
}

/* ---- what is on a host, without what is only a host's ---- */

struct all {
	struct roam_flow_rec flows[ROWS_MAX];
	uint32_t flow_count;
	struct roam_ips_source_rec sources[ROWS_MAX];
	uint32_t source_count;
	struct roam_ips_block_rec blocks[ROWS_MAX];
	uint32_t block_count;
	struct roam_stats stats;
	struct acl_list rules;
};

static int add_flows(const struct roam_flow_rec *rows, uint32_t count, void *arg)
{
	struct all *all = arg;

	for (uint32_t i = 0; i < count && CHECK_OP(all->flow_count, <, ROWS_MAX); i++)
		all->flows[all->flow_count++] = rows[i];
	return 0;
}

static int add_source(const struct roam_ips_source_rec *rec, void *arg)
{
	struct all *all = arg;

	if (rec->source.paid_ns && CHECK_OP(all->source_count, <, ROWS_MAX))
		all->sources[all->source_count++] = *rec;
	return 0;
}

static int add_block(const struct roam_ips_block_rec *rec, void *arg)
{
	struct all *all = arg;

	if (CHECK_OP(all->block_count, <, ROWS_MAX))
		all->blocks[all->block_count++] = *rec;
	return 0;
}

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct roam_flow_key));
}

static int by_addr(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct roam_addr));
}

static void shift(__u64 *time_ns, uint64_t base_ns)
{
	if (*time_ns)
		*time_ns -= base_ns;
}

/* A rule's number on a host becomes its place in the order of matching. */
static uint32_t rule_place(const struct acl_list *rules, uint32_t id)
{
	for (uint32_t i = 0; i < rules->count; i++) {
		if (rules->recs[i].rule.id == id)
			return i + 1;
	}
	return 0;
}

static void collect(struct test_host *host, uint64_t base_ns, struct all *all)
{
	uint32_t slot;

	memset(all, 0, sizeof(*all));
	if (!CHECK_OK(vm_find(host->host, "vm", &slot)))
		return;
	CHECK_OK(ct_dump(host->host, slot, add_flows, all));
	CHECK_OK(ips_each_source(host->host, slot, add_source, all));
	CHECK_OK(ips_each_block(host->host, slot, add_block, all));
	CHECK_OK(stats_fold(host->host, slot, &all->stats));
	CHECK_OK(acl_list(host->host, slot, &all->rules));
	for (uint32_t i = 0; i < all->flow_count; i++) {
		struct roam_flow *flow = &all->flows[i].flow;

		flow->side[0].tcp.logged = flow->side[1].tcp.logged = 0;
		flow->gen = !!flow->gen;
		flow->rule = rule_place(&all->rules, flow->rule);
		shift(&flow->created_ns, base_ns);
		shift(&flow->seen_ns, base_ns);
	}
	for (uint32_t i = 0; i < all->source_count; i++)
		shift(&all->sources[i].source.paid_ns, base_ns);
	for (uint32_t i = 0; i < all->block_count; i++) {
		struct roam_ips_block *block = &all->blocks[i].block;

		block->logged = 0;
		shift(&block->since_ns, base_ns);
		shift(&block->until_ns, base_ns);
		shift(&block->last_ns, base_ns);
	}
	for (uint32_t i = 0; i < all->rules.count; i++)
		shift(&all->rules.recs[i].hits.last_ns, base_ns);
	qsort(all->flows, all->flow_count, sizeof(all->flows[0]), by_key);
	qsort(all->sources, all->source_count, sizeof(all->sources[0]), by_addr);
	qsort(all->blocks, all->block_count, sizeof(all->blocks[0]), by_addr);
}

/* Every field of every row, and every counter but those of what the gates have dropped. */
static void compare(struct pair *self)
{
	static struct all here, there;
	uint32_t used[ROAM_CT_KINDS], counted[ROAM_CT_KINDS] = {};
	struct roam_gate gate;

	CHECK_OK(move_gate_get(self->here->host, self->slot, &gate));
	collect(self->here, gate.base_ns, &here);
	CHECK_OK(move_dest_poll(self->dest, &gate));
	collect(self->there, gate.base_ns, &there);
	CHECK_EQ(there.flow_count, here.flow_count);
	CHECK_MEM(there.flows, here.flows, sizeof(here.flows[0]) * here.flow_count);
	CHECK_EQ(there.source_count, here.source_count);
	CHECK_MEM(there.sources, here.sources, sizeof(here.sources[0]) * here.source_count);
	CHECK_EQ(there.block_count, here.block_count);
	CHECK_MEM(there.blocks, here.blocks, sizeof(here.blocks[0]) * here.block_count);
	here.stats.by_reason[ROAM_REASON_FROZEN][ROAM_DIR_IN] = (struct roam_counter){};
	there.stats.by_reason[ROAM_REASON_FROZEN][ROAM_DIR_IN] = (struct roam_counter){};
	CHECK_MEM(&there.stats, &here.stats, sizeof(here.stats));
	CHECK_EQ(there.rules.count, here.rules.count);
	for (uint32_t i = 0; i < here.rules.count && i < there.rules.count; i++)
		CHECK_MEM(&there.rules.recs[i].hits, &here.rules.recs[i].hits,
			  sizeof(here.rules.recs[i].hits));
	/* The gauges are right, too. */
	CHECK_OK(ct_used(self->there->host, move_dest_slot(self->dest), used));
	for (uint32_t i = 0; i < there.flow_count; i++)
		counted[ct_state_kind(there.flows[i].flow.state)]++;
	CHECK_EQ(used[ROAM_CT_FLOWS], counted[ROAM_CT_FLOWS]);
	CHECK_EQ(used[ROAM_CT_HALF], counted[ROAM_CT_HALF]);
	free(here.rules.recs);
	free(there.rules.recs);
}

/* ---- traffic: few tuples, so that rows are made, promoted, deleted and made anew ---- */

static struct packet_spec random_packet(enum roam_dir dir, uint32_t tuples)
{
	static const uint8_t flags[] = {
		ROAM_TCP_SYN,
		ROAM_TCP_SYN,
		ROAM_TCP_SYN | ROAM_TCP_ACK,
		ROAM_TCP_ACK,
		ROAM_TCP_ACK,
		ROAM_TCP_FIN | ROAM_TCP_ACK,
		ROAM_TCP_RST | ROAM_TCP_ACK,
	};
	int family = pick(2) ? 4 : 6;
	struct packet_spec spec = cast_packet(family, dir, pick(4) ? 6 : 17);
	uint16_t port = 1000 + pick(tuples);
	bool out = dir == ROAM_DIR_OUT;

	*(out ? &spec.sport : &spec.dport) = pick(2) ? 80 : port;
	*(out ? &spec.dport : &spec.sport) = port;
	if (!pick(3)) /* another remote, for sources */
		(out ? &spec.dst : &spec.src)->bytes[15] = pick(200);
	spec.tcp_flags = flags[pick(sizeof(flags))];
	spec.seq = 1000 + pick(3);
	spec.ack = 1000 + pick(3);
	spec.payload = pick(40);
	return spec;
}

static void run_some(struct test_host *host, uint32_t packets, uint32_t tuples)
{
	for (uint32_t i = 0; i < packets; i++) {
		enum roam_dir dir = pick(2);
		struct packet_spec spec = random_packet(dir, tuples);
		struct packet packet;

		packet_build(&spec, &packet);
		host->now_ns += pick(20) ? pick(1000000) : pick(12) * SECOND;
		hosts_run(host, FRONT_TC, dir, &packet);
	}
}

static void add_ips(struct pair *self)
{
	struct roam_ips ips = ips_defaults();

	ips.rate = 2;
	ips.burst = 2;
	ips.block_s = 5;
	ips.block_max_s = 10;
	ips.sources = ips.blocks = ROAM_IPS_QUOTA_MIN;
	CHECK_OK(ips_set(self->here->host, self->slot, &ips));
}

/* ---- completeness ---- */

/*
 * More flows and sources than there is room for: rows are evicted, too. With deltas at random, and
 * last ones after which the VM goes on.
 */
TEST_F(pair, deltas_make_the_source)
{
	add_ips(self);
	run_some(self->here, 200, 100);
	copy_begin(self, &usual);
	move_source_close(self->source); /* so that the base has the packets' clock */
	self->source = NULL;
	CHECK_OK(move_source_reopen(self->here->host, "vm", &self->source));
	move_source_at(self->source, self->here->now_ns);
	CHECK_OK(move_source_base(self->source, image_bytes_write, fresh(self)));
	CHECK_OK(take_base(self));
	for (unsigned i = 0; i < harness_rounds(60) && !harness_stopped(); i++) {
		run_some(self->here, pick(100), 100);
		if (pick(3))
			delta(self);
		if (pick(4))
			continue;
		last(self);
		compare(self);
		CHECK_OK(move_source_thaw(self->source));
	}
	last(self);
	compare(self);
}

/* ---- with traffic that does not wait ---- */

struct churn {
	struct test_host *host;
	pthread_t thread;
	uint32_t tuples;
	atomic_bool stop;
	atomic_ulong packets;
};

static void *churn(void *arg)
{
	struct churn *churn = arg;
	struct __sk_buff skb = { .ifindex = churn->host->ifindex };
	uint8_t after[PACKET_MAX];

	while (!churn->stop) {
		enum roam_dir dir = pick(2);
		struct packet_spec spec = random_packet(dir, churn->tuples);
		struct packet packet;

		packet_build(&spec, &packet);
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet.bytes,
			    .data_size_in = packet.len, .data_out = after,
			    .data_size_out = sizeof(after), .ctx_in = &skb,
			    .ctx_size_in = sizeof(skb));
		bpf_prog_test_run_opts(host_prog(churn->host->host, dir == ROAM_DIR_OUT
									    ? HOST_PROG_tc_out
									    : HOST_PROG_tc_in),
				       &opts);
		churn->packets++;
	}
	return NULL;
}

static void churn_begin(struct churn *run, struct pair *self, uint32_t tuples)
{
	*run = (struct churn){ .host = self->here, .tuples = tuples };
	pthread_create(&run->thread, NULL, churn, run);
}

static void churn_end(struct churn *run)
{
	run->stop = true;
	pthread_join(run->thread, NULL);
}

static void resize_here(struct pair *self, uint32_t quota)
{
	struct roam_vm vm;

	CHECK_OK(vm_get(self->here->host, self->slot, &vm));
	vm.quota_flows = vm.quota_half = quota;
	CHECK_OK(vm_set(self->here->host, self->slot, &vm));
}

static void with_churn(struct pair *self, uint32_t ring_bytes, uint32_t *ret_scans)
{
	struct move_source_options options = usual;
	struct churn run;
	uint32_t scans = 0;

	options.round_ms = 5;
	options.ring_bytes = ring_bytes;
	resize_here(self, 1024);
	add_ips(self);
	churn_begin(&run, self, 300);
	copy_begin(self, &options);
	if (!CHECK_OK(take_base(self)))
		note("%s", fail_line());
	for (unsigned i = 0; i < harness_rounds(100) && !harness_stopped(); i++) {
		delta(self);
		scans += self->stats.whole;
		usleep(pick(4000));
	}
	churn_end(&run);
	last(self);
	scans += self->stats.whole;
	compare(self);
	note("%lu packets, %u scans, last delta: %llu rows", run.packets, scans,
	     (unsigned long long)self->stats.rows);
	CHECK_OP(run.packets, >, 1000);
	*ret_scans = scans;
}

TEST_F(pair, deltas_make_the_source_under_traffic)
{
	uint32_t scans;

	with_churn(self, 0, &scans);
	CHECK_EQ(scans, 0);
}

/* A log that runs over costs a scan, and never a row. */
TEST_F(pair, a_log_that_runs_over_means_a_scan)
{
	uint32_t scans;

	with_churn(self, 4096, &scans);
	CHECK_OP(scans, >, 0);
}

/* ---- others that write ---- */

TEST_F(pair, what_user_space_deletes_is_gone_there)
{
	uint64_t flows;

	run_some(self->here, 100, 20);
	begin(self);
	CHECK_OK(ct_flush(self->here->host, self->slot, &flows));
	CHECK_OP(flows, >, 0);
	run_some(self->here, 3, 20);
	last(self);
	CHECK(self->stats.whole);
	compare(self);
}

TEST_F(pair, blocks_by_hand_are_there)
{
	struct roam_addr addr = cast_stranger_addr(4);

	add_ips(self);
	begin(self);
	CHECK_OK(ips_block_add(self->here->host, self->slot, &addr, 0));
	delta(self);
	last(self);
	compare(self);
	CHECK_OK(move_source_thaw(self->source));
	CHECK_OK(ips_block_del(self->here->host, self->slot, &addr));
	last(self);
	compare(self);
}

TEST_F(pair, another_policy_needs_another_base)
{
	struct roam_acl_rule rule = {
		.name = "more",
		.action = ROAM_ACTION_ALLOW,
		.any_proto = 1,
		.lport = { 0, UINT16_MAX },
		.rport = { 0, UINT16_MAX },
	};
	struct roam_qos qos = { .is_set = 1, .rate_Bps = 1000000, .burst = 100000 };

	begin(self);
	CHECK_OK(acl_add(self->here->host, self->slot, &rule));
	CHECK_EQ(move_source_delta(self->source, image_bytes_write, fresh(self), &self->stats),
		 -ESTALE);
	CHECK_OK(move_source_base(self->source, image_bytes_write, fresh(self)));
	CHECK_OK(move_dest_wipe(self->dest));
	move_dest_close(self->dest);
	CHECK_OK(take_base(self));
	CHECK_OK(qos_set(self->here->host, self->slot, ROAM_DIR_IN, &qos));
	CHECK_EQ(move_source_delta(self->source, image_bytes_write, fresh(self), &self->stats),
		 -ESTALE);
}

/* While the base is written, once the policy has been read. */
static int write_and_edit(const void *bytes, size_t size, void *arg)
{
	struct roam_qos qos = { .is_set = 1, .rate_Bps = 1000000, .burst = 100000 };
	struct pair *self = arg;

	CHECK_OK(qos_set(self->here->host, self->slot, ROAM_DIR_IN, &qos));
	return image_bytes_write(bytes, size, &self->image);
}

TEST_F(pair, another_policy_within_a_base_needs_another)
{
	CHECK_OK(move_source_open(self->here->host, "vm", &usual, &self->source));
	fresh(self);
	CHECK_OK(move_source_base(self->source, write_and_edit, self));
	CHECK_EQ(move_source_delta(self->source, image_bytes_write, fresh(self), &self->stats),
		 -ESTALE);
}

/* ---- processes that die ---- */

TEST_F(pair, either_end_is_gone_on_with_by_another_process)
{
	run_some(self->here, 100, 30);
	begin(self);
	run_some(self->here, 50, 30);
	delta(self);
	run_some(self->here, 50, 30);
	/* What it had read of the log dies with it. */
	CHECK_OK(move_source_delta(self->source, image_bytes_write, fresh(self), &self->stats));
	move_source_close(self->source);
	move_dest_close(self->dest);
	CHECK_OK(move_source_reopen(self->here->host, "vm", &self->source));
	CHECK_OK(move_dest_reopen(self->there->host, "vm", &self->dest));
	CHECK_OK(move_source_resume(self->source, move_dest_sequence(self->dest)));
	run_some(self->here, 50, 30);
	delta(self);
	CHECK(self->stats.whole);
	run_some(self->here, 50, 30);
	delta(self);
	last(self);
	compare(self);
}

TEST_F(pair, a_new_destination_process_needs_a_scan)
{
	begin(self);
	run_some(self->here, 20, 10);
	last(self);
	move_dest_close(self->dest);
	CHECK_OK(move_dest_reopen(self->there->host, "vm", &self->dest));
	CHECK_OK(move_source_thaw(self->source));
	run_some(self->here, 20, 10);
	CHECK_OK(move_source_freeze(self->source));
	CHECK_OK(move_source_last(self->source, image_bytes_write, fresh(self), &self->stats));
	CHECK_EQ(take(self), -EILSEQ);
	CHECK_OK(move_source_resume(self->source, move_dest_sequence(self->dest)));
	last(self);
	compare(self);
}

/* ---- the ends of it ---- */

TEST_F(pair, an_abort_leaves_an_active_vm)
{
	struct roam_vm vm;

	run_some(self->here, 50, 10);
	begin(self);
	last(self);
	CHECK_OK(move_source_abort(self->source));
	CHECK_OK(vm_get(self->here->host, self->slot, &vm));
	CHECK_EQ(vm.life, ROAM_LIFE_ACTIVE);
	CHECK(!host_has_inner(self->here->host, HOST_MAP_move_log, self->slot));
	CHECK_OK(move_dest_wipe(self->dest));
	CHECK_EQ(vm_find(self->there->host, "vm", &self->slot), -ENOENT);
}

TEST_F(pair, a_vm_that_was_there_is_shut_again_after_a_wipe)
{
	const uint8_t id[16] = { 1, 2, 3 };
	struct roam_vm vm;
	uint32_t slot;

	hosts_add_vm(self->there);
	CHECK_OK(vm_find(self->there->host, "vm", &slot));
	CHECK_OK(vm_get(self->there->host, slot, &vm));
	copy_begin(self, &usual);
	CHECK_EQ(take_base(self), -EBUSY); /* it runs there */
	vm.life = ROAM_LIFE_SHUT;
	CHECK_OK(vm_set(self->there->host, slot, &vm));
	CHECK_OK(move_prepare(self->there->host, "vm", id));
	CHECK_EQ(vm_set(self->there->host, slot, &vm), -EBUSY);
	CHECK_OK(take_base(self));
	run_some(self->here, 50, 10);
	last(self);
	CHECK_OK(move_dest_wipe(self->dest));
	CHECK_OK(vm_find(self->there->host, "vm", &slot));
	CHECK_OK(vm_get(self->there->host, slot, &vm));
	CHECK_EQ(vm.life, ROAM_LIFE_SHUT);
}

static void send_out(struct test_host *host)
{
	struct packet_spec spec = cast_packet(4, ROAM_DIR_OUT, 17);
	struct packet packet;

	packet_build(&spec, &packet);
	hosts_run(host, FRONT_TC, ROAM_DIR_OUT, &packet);
}

TEST_F(pair, a_release_is_checked_and_can_be_repeated)
{
	const uint8_t other[16] = { 9 };
	struct roam_gate gate;

	begin(self);
	CHECK_EQ(move_release(self->here->host, "vm", usual.id, 1), -ESTALE);
	last(self);
	CHECK_OK(move_dest_ready(self->dest, true));
	send_out(self->there);
	CHECK_OK(move_source_moved(self->source, 0));
	CHECK_OK(move_gate_get(self->here->host, self->slot, &gate));
	CHECK_EQ(move_release(self->here->host, "vm", other, gate.epoch), -ESTALE);
	CHECK_EQ(move_release(self->here->host, "vm", usual.id, gate.epoch + 1), -ESTALE);
	CHECK_OK(move_release(self->here->host, "vm", usual.id, gate.epoch));
	CHECK_OK(move_release(self->here->host, "vm", usual.id, gate.epoch));
	CHECK_EQ(vm_find(self->here->host, "vm", &self->slot), -ENOENT);
	CHECK_EQ(move_dest_wipe(self->dest), -EBUSY);
	CHECK_OK(move_dest_settle(self->dest));
	CHECK_OK(move_dest_poll(self->dest, &gate));
	CHECK_EQ(gate.state, ROAM_GATE_NONE);
}

TEST_F(pair, a_vm_that_is_heard_thaws_and_nothing_is_lost)
{
	run_some(self->here, 30, 10);
	begin(self);
	last(self);
	CHECK(!move_source_thawed(self->source));
	send_out(self->here);
	CHECK(move_source_thawed(self->source));
	CHECK_EQ(move_source_moved(self->source, 0), -ESTALE);
	CHECK_EQ(move_source_freeze(self->source), -ESTALE);
	run_some(self->here, 30, 10);
	last(self);
	compare(self);
}

/* What was written at an open destination stays; what was not, and counters, go on. */
TEST_F(pair, a_late_delta_changes_nothing_that_packets_wrote)
{
	struct packet_spec mine = cast_packet(4, ROAM_DIR_OUT, 17), other = mine;
	struct roam_flow_key key = cast_key(4, 17);
	struct packet packet;
	static struct all all;

	other.dport = 99;
	packet_build(&mine, &packet);
	hosts_run(self->here, FRONT_TC, ROAM_DIR_OUT, &packet);
	begin(self);
	hosts_run(self->here, FRONT_TC, ROAM_DIR_OUT, &packet);
	packet_build(&other, &packet);
	hosts_run(self->here, FRONT_TC, ROAM_DIR_OUT, &packet);
	/* There it goes on before the rest has come. */
	self->there->now_ns = now_ns() + SECOND;
	packet_build(&mine, &packet);
	CHECK_EQ(hosts_run(self->there, FRONT_TC, ROAM_DIR_OUT, &packet), ROAM_PASS);
	last(self);
	collect(self->there, 0, &all);
	CHECK_EQ(all.flow_count, 2);
	for (uint32_t i = 0; i < all.flow_count; i++) {
		if (memcmp(&all.flows[i].key, &key, sizeof(key)) != 0)
			continue;
		CHECK_EQ(all.flows[i].flow.seen_ns, self->there->now_ns);
		CHECK_EQ(all.flows[i].flow.side[ROAM_DIR_OUT].packets, 2);
	}
	free(all.rules.recs);
	/* Deleted here, but alive there. */
	CHECK_OK(move_source_thaw(self->source));
	CHECK_OK(ct_flush(self->here->host, self->slot, &(uint64_t){ 0 }));
	last(self);
	collect(self->there, 0, &all);
	CHECK_EQ(all.flow_count, 1);
	CHECK_MEM(&all.flows[0].key, &key, sizeof(key));
	free(all.rules.recs);
}

/* ---- lies ---- */

struct lie {
	struct image_header header;
	struct roam_move_rec move;
	enum schema_table_id table;
	const void *row;
	uint32_t rows; /* behind it, too; 0: it is the only one */
};

static void make_lie(struct pair *self, const struct lie *lie)
{
	_cleanup_image_writer_ struct image_writer *writer = NULL;
	const struct image_maps maps = { .now_ns = now_ns(), .zone_count = ROAM_VM_PORTS };

	CHECK_OK(image_writer_open(&maps, image_bytes_write, fresh(self), &writer));
	CHECK_OK(image_write_header(writer, &lie->header));
	if (lie->table != TABLE_MOVE) {
		CHECK_OK(image_write_table(writer, TABLE_MOVE));
		CHECK_OK(image_write_rows(writer, &lie->move, 1));
	}
	if (lie->row) {
		CHECK_OK(image_write_table(writer, lie->table));
		CHECK_OK(image_write_rows(writer, lie->row, lie->rows ? lie->rows : 1));
	}
	CHECK_OK(image_write_end(writer));
}

static struct lie honest(struct pair *self)
{
	struct lie lie = { .header.sequence = move_dest_sequence(self->dest) + 1 };
	struct roam_vm vm;

	CHECK_OK(vm_get(self->here->host, self->slot, &vm));
	memcpy(lie.header.vm, vm.name, sizeof(vm.name));
	memcpy(lie.header.uuid, vm.uuid, sizeof(vm.uuid));
	memcpy(lie.header.handover, usual.id, sizeof(usual.id));
	return lie;
}

static void refused(struct pair *self, const struct lie *lie, int err)
{
	uint64_t before = move_dest_sequence(self->dest);

	make_lie(self, lie);
	if (!CHECK_EQ(take(self), err))
		note("%s", fail_line());
	CHECK_EQ(move_dest_sequence(self->dest), before);
}

TEST_F(pair, lies_are_refused)
{
	struct roam_gone_flow gone = { .key = cast_key(4, 6) };
	struct roam_gone_ips source = { .addr = cast_peer_addr(4) };
	struct roam_flow_rec flow = { .key = cast_key(4, 6), .flow.state = ROAM_CT_ESTABLISHED };
	struct lie lie;

	run_some(self->here, 100, 10);
	begin(self);
	lie = honest(self);
	lie.header.handover[0]++;
	refused(self, &lie, -ESTALE);
	lie = honest(self);
	lie.header.uuid[0]++;
	refused(self, &lie, -EBADMSG);
	lie = honest(self);
	lie.header.vm[0] = 'x';
	refused(self, &lie, -EBADMSG);
	lie = honest(self);
	lie.header.sequence = 0;
	refused(self, &lie, -EINVAL);
	lie = honest(self);
	lie.header.sequence++;
	refused(self, &lie, -EILSEQ);
	lie = honest(self);
	lie.move.whole = 2;
	refused(self, &lie, -EBADMSG);
	lie = honest(self);
	lie.table = TABLE_MOVE; /* does not say what it is */
	refused(self, &lie, -EBADMSG);
	lie = honest(self);
	lie.table = TABLE_GONE_FLOW;
	lie.row = &gone;
	gone.key.local = cast_stranger_addr(4);
	refused(self, &lie, -EBADMSG);
	lie.table = TABLE_FLOW;
	lie.row = &flow;
	flow.key.local = cast_stranger_addr(4);
	refused(self, &lie, -EBADMSG);
	flow.key = cast_key(4, 6);
	flow.flow.state = ROAM_CT_UDP_NEW;
	refused(self, &lie, -EBADMSG);
	lie.table = TABLE_GONE_IPS;
	lie.row = &source;
	refused(self, &lie, -EBADMSG);
	last(self);
	compare(self);
}

/* ---- a base with more rows than the quota ---- */

#define QUOTA ROAM_QUOTA_MIN
#define MORE  10

/* Rows of all kinds, with quotas that are as large. */
static void fill_here(struct pair *self, uint32_t rows)
{
	struct roam_ips ips = ips_defaults();
	struct host *host = self->here->host;
	struct roam_vm vm;

	resize_here(self, rows);
	ips.sources = ips.blocks = rows;
	CHECK_OK(ips_set(host, self->slot, &ips));
	CHECK_OK(vm_get(host, self->slot, &vm));
	for (uint32_t i = 0; i < rows; i++) {
		struct roam_ips_source_rec source = { .source.paid_ns = now_ns() + i };
		struct roam_flow_rec flow = {
			.key = cast_key(4, 17),
			.flow = { .state = ROAM_CT_UDP_STREAM, .seen_ns = now_ns() },
		};

		flow.key.rport = i;
		source.addr = packet_addr("198.51.100.0");
		source.addr.bytes[15] = i;
		CHECK_OK(ips_store_source(host, self->slot, &source));
		CHECK_OK(ips_block_add(host, self->slot, &source.addr, 1000 + i));
		CHECK_OK(ct_load(host, ROAM_CT_TABLE(self->slot, vm.ct_bank, ROAM_CT_FLOWS), &flow,
				 1));
	}
}

static void shrink(struct image_parts *parts, const char *table, const char *field)
{
	uint32_t quota = QUOTA;

	memcpy(image_parts_at(parts, table, field, 0), &quota, sizeof(quota));
}

/* As if the base had been walked while rows went and others came: its quotas are smaller. */
static void base_of_a_busy_vm(struct pair *self)
{
	struct image_parts parts;

	fill_here(self, QUOTA + MORE);
	copy_begin(self, &usual);
	CHECK_OK(image_parts_take(self->image.at, self->image.len, &parts));
	shrink(&parts, "vm", "quota_flows");
	shrink(&parts, "ips", "sources");
	shrink(&parts, "ips", "blocks");
	image_bytes_free(&self->image);
	image_parts_put(&parts, &self->image);
	image_parts_free(&parts);
	if (!CHECK_OK(take_base(self)))
		note("%s", fail_line());
}

/* The first rows at the destination are gone at the source: said by one delta each. */
static void say_gone(struct pair *self, const struct all *there)
{
	struct roam_gone_flow flows[MORE];
	struct roam_gone_ips sources[MORE] = {}, blocks[MORE] = {};
	struct lie lie = honest(self);

	for (uint32_t i = 0; i < MORE; i++) {
		flows[i].key = there->flows[i].key;
		sources[i].addr = there->sources[i].addr;
		blocks[i] = (struct roam_gone_ips){ .addr = there->blocks[i].addr, .block = 1 };
	}
	lie.rows = MORE;
	lie.table = TABLE_GONE_FLOW;
	lie.row = flows;
	make_lie(self, &lie);
	CHECK_OK(take(self));
	lie.header.sequence++;
	lie.table = TABLE_GONE_IPS;
	lie.row = sources;
	make_lie(self, &lie);
	CHECK_OK(take(self));
	lie.header.sequence++;
	lie.row = blocks;
	lie.move.last = 1;
	make_lie(self, &lie);
	if (!CHECK_OK(take(self)))
		note("%s", fail_line());
}

/* The rows that were too many wait until those have gone that were not there any more. */
TEST_F(pair, rows_of_a_base_that_find_no_room_wait_for_it)
{
	static struct all before, after;

	base_of_a_busy_vm(self);
	if (!self->dest)
		return;
	collect(self->there, 0, &before);
	CHECK_EQ(before.flow_count, QUOTA);
	CHECK_EQ(before.source_count, QUOTA);
	CHECK_EQ(before.block_count, QUOTA);
	say_gone(self, &before);
	CHECK(move_dest_is_complete(self->dest));
	collect(self->there, 0, &after);
	CHECK_EQ(after.flow_count, QUOTA);
	CHECK_EQ(after.source_count, QUOTA);
	CHECK_EQ(after.block_count, QUOTA);
	for (uint32_t i = 0; i < MORE; i++) {
		CHECK(!bsearch(&before.flows[i], after.flows, QUOTA, sizeof(after.flows[0]),
			       by_key));
		CHECK(!bsearch(&before.sources[i], after.sources, QUOTA, sizeof(after.sources[0]),
			       by_addr));
		CHECK(!bsearch(&before.blocks[i], after.blocks, QUOTA, sizeof(after.blocks[0]),
			       by_addr));
	}
	free(before.rules.recs);
	free(after.rules.recs);
}

/* Rounds that are cheap are short: little is left for a freeze. */
TEST_F(pair, a_cheap_round_is_followed_soon)
{
	const struct move_source_options options = { .id = { 1, 2, 3 } };
	uint64_t shortest_ns = UINT64_MAX;

	copy_begin(self, &options);
	CHECK_OK(take_base(self));
	for (int i = 0; i < 20 && shortest_ns == UINT64_MAX; i++) {
		uint64_t round_ns = self->source->round_ns;

		run_some(self->here, 5, 10);
		usleep(round_ns / 1000 + 1000);
		delta(self);
		CHECK(self->stats.ends_round);
		if (self->source->round_ns < round_ns)
			shortest_ns = self->source->round_ns;
	}
	CHECK_OP(shortest_ns, <, SECOND);
	last(self);
	compare(self);
}

/* ---- what a delta costs others ---- */

struct holder {
	struct host *host;
	atomic_bool released;
	pthread_t thread;
};

static void *release_late(void *arg)
{
	struct holder *holder = arg;

	sleep(2);
	holder->released = true;
	host_unlock(holder->host);
	return NULL;
}

/* Whoever holds the host's lock keeps nobody from ending a round in which nothing was written. */
TEST_F(pair, a_round_without_rows_needs_no_lock)
{
	struct move_source_options options = usual;
	struct holder holder = {};

	options.round_ms = 1;
	copy_begin(self, &options);
	CHECK_OK(take_base(self));
	CHECK_OK(host_open(host_dir(self->here->host), &holder.host));
	CHECK_OK(host_lock(holder.host));
	pthread_create(&holder.thread, NULL, release_late, &holder);
	usleep(2000);
	CHECK_OK(move_source_delta(self->source, image_bytes_write, fresh(self), &self->stats));
	CHECK_OP(self->stats.sequence, >, 0);
	CHECK(!holder.released);
	pthread_join(holder.thread, NULL);
	host_close(holder.host);
}

TEST_F(pair, a_scan_ends_one_round)
{
	struct roam_gate before, after;
	uint64_t flows;

	run_some(self->here, 100, 20);
	begin(self);
	CHECK_OK(ct_flush(self->here->host, self->slot, &flows)); /* a scan is due */
	CHECK_OK(move_gate_get(self->here->host, self->slot, &before));
	last(self);
	CHECK(self->stats.whole);
	CHECK_OK(move_gate_get(self->here->host, self->slot, &after));
	CHECK_EQ(after.round, before.round + 1);
	compare(self);
}

/* No image is taken for a delta, nor the other way round. */
TEST_F(pair, a_delta_is_no_image)
{
	struct state_load load = { .read = image_bytes_read, .arg = &self->image };
	struct state_loaded loaded;

	begin(self);
	self->image.read = 0;
	CHECK_EQ(take(self), -EINVAL);
	run_some(self->here, 10, 10);
	delta(self);
	last(self);
	self->image.read = 0;
	CHECK_EQ(state_load(self->there->host, &load, &loaded), -EINVAL);
}
