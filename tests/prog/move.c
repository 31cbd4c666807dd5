// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Move anywhere: a random trace runs through one host to its end. After every packet its image is
 * saved; each image is loaded into another host (other slot, other device, other uptime) and the
 * rest of the trace runs there. Every verdict, every counter and the final state must be those of
 * the run that never moved.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "acl.h"
#include "ct.h"
#include "draft.h"
#include "frag.h"
#include "harness.h"
#include "hosts.h"
#include "ips.h"
#include "lb.h"
#include "port.h"
#include "qos.h"
#include "state.h"
#include "stats.h"
#include "vm.h"

#define SECOND       1000000000ULL
#define TRACE_LEN    40
#define FLOWS_MAX    256
#define TRAINS_MAX   32
#define FRAG_PAYLOAD 380 /* of a datagram in fragments */
#define IMAGE_MAX    (1 << 20)
#define UPTIME_HERE  (500000 * SECOND)
#define UPTIME_THERE (3 * SECOND) /* ages of flows exceed it */

struct traced {
	uint64_t at_ns; /* since the trace began */
	enum roam_dir dir;
	enum front_end front;
	enum roam_verdict verdict;
	bool answered; /* it was rejected */
	struct packet packet;
	struct packet after; /* what the list has made of it, if it passed or was answered */
};

struct image {
	uint8_t *bytes;
	size_t len;
	size_t at;
};

/* The state of the VM in terms that do not depend on the host. */
struct final {
	struct roam_flow_rec flows[FLOWS_MAX];
	uint32_t count;
	struct roam_stats stats;
	struct roam_acl_rec rules[8];
	uint32_t rule_count;
	__u64 reject_paid_ns;
	struct roam_qos_rec qos[ROAM_DIR_COUNT];
	struct lb_services services; /* of the host */
	uint32_t wire_rows;          /* second keys */
	struct roam_ips ips;
	/* The traces come from two sources, one a family. */
	struct roam_ips_source_rec sources[4];
	uint32_t source_count;
	struct roam_ips_block_rec blocks[4];
	uint32_t block_count;
	struct roam_frag_rec trains[TRAINS_MAX];
	uint32_t train_count;
};

static uint32_t pick(uint32_t below)
{
	return (uint32_t)random() % below;
}

static const uint8_t flag_choices[] = {
	ROAM_TCP_SYN,
	ROAM_TCP_SYN,
	ROAM_TCP_SYN | ROAM_TCP_ACK,
	ROAM_TCP_SYN | ROAM_TCP_ACK,
	ROAM_TCP_ACK,
	ROAM_TCP_ACK,
	ROAM_TCP_ACK,
	ROAM_TCP_ACK | ROAM_TCP_PSH,
	ROAM_TCP_FIN | ROAM_TCP_ACK,
	ROAM_TCP_RST | ROAM_TCP_ACK,
	ROAM_TCP_FIN | ROAM_TCP_SYN,
};

/* ---- services: one per family and protocol, with the VM and the peer as backends ---- */

#define VIP_PORT     8000
#define BACKEND_PORT 80

static struct roam_addr vip_addr(int family)
{
	return packet_addr(family == 4 ? "198.51.100.9" : "2001:db8:99::9");
}

/* To or from the VIP, or a backend that stands for it on the wire. */
static void balance(struct packet_spec *spec, int family, enum roam_dir dir)
{
	bool out = dir == ROAM_DIR_OUT, vip = pick(2);

	if (out || !pick(3)) { /* the VM as client, or what a backend may have sent */
		*(out ? &spec->dst : &spec->src) = vip ? vip_addr(family) : cast_peer_addr(family);
		*(out ? &spec->dport : &spec->sport) = vip ? VIP_PORT : BACKEND_PORT;
		return;
	}
	if (!vip)
		return;
	spec->dst = vip_addr(family);
	spec->dport = VIP_PORT;
}

static void add_service(struct test_host *host, int family, uint8_t proto)
{
	struct roam_lb_key key = {
		.vip = vip_addr(family),
		.port = htons(VIP_PORT),
		.proto = proto,
	};
	struct roam_lb_backend row = { .port = htons(BACKEND_PORT), .weight = 1 };
	char name[ROAM_NAME_LEN];

	snprintf(name, sizeof(name), "v%d-%u", family, proto);
	CHECK_OK(lb_add(host->host, name, &key));
	row.addr = cast_vm_addr(family);
	CHECK_OK(lb_backend_add(host->host, name, &row));
	row.addr = cast_peer_addr(family);
	CHECK_OK(lb_backend_add(host->host, name, &row));
}

static void add_services(struct test_host *host)
{
	for (int family = 4; family <= 6; family += 2) {
		add_service(host, family, IPPROTO_TCP);
		add_service(host, family, IPPROTO_UDP);
	}
}

/* Few tuples, so that packets of a trace belong together. */
static struct packet_spec random_spec(enum roam_dir dir)
{
	static const uint16_t vm_ports[] = { 80, 22, 40000, 40001 };
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_TCP,  IPPROTO_TCP,
					  IPPROTO_UDP, IPPROTO_SCTP, 0 };
	static const uint8_t chunks[] = { 0, 1, 1, 2, 4, 5, 6, 7, 8, 9, 10, 10, 11, 11, 14 };
	int family = pick(2) ? 4 : 6;
	uint8_t proto = protos[pick(sizeof(protos))];
	struct packet_spec spec;
	uint16_t port = vm_ports[pick(4)];

	if (!proto)
		proto = family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	spec = cast_packet(family, dir, proto);
	*(dir == ROAM_DIR_OUT ? &spec.sport : &spec.dport) = port;
	spec.tcp_flags = flag_choices[pick(sizeof(flag_choices))];
	spec.tcp_scale = pick(3) ? 7 : 0;
	spec.seq = 1000 + pick(5000);
	spec.ack = 1000 + pick(5000);
	spec.payload = pick(100);
	spec.sctp_chunk = chunks[pick(sizeof(chunks))];
	spec.icmp_id = 1 + pick(2);
	spec.icmp_type = family == 4 ? (pick(2) ? 8 : 0) : (pick(2) ? 128 : 129);
	if (proto != IPPROTO_SCTP && !pick(3))
		balance(&spec, family, dir);
	if (!pick(12)) /* somebody else's address */
		*(dir == ROAM_DIR_OUT ? &spec.src : &spec.dst) = cast_stranger_addr(family);
	return spec;
}

/* A datagram that goes in fragments, between other packets. */
struct parts {
	struct packet whole;
	enum roam_dir dir;
	struct packet_cut next;
};

static void begin_parts(struct parts *parts, const struct packet_spec *spec, enum roam_dir dir)
{
	struct packet_spec longer = *spec;

	longer.payload = FRAG_PAYLOAD;
	packet_build(&longer, &parts->whole);
	parts->dir = dir;
	parts->next = (struct packet_cut){ .hi = 8 * (4 + pick(10)), .id = 1 + pick(3) };
}

/* Mostly in order; sometimes one is missing, comes early, twice, or over another. */
static void next_part(struct parts *parts, struct packet *ret_packet)
{
	struct packet_cut cut = parts->next;

	if (!pick(8))
		cut = (struct packet_cut){ .lo = 8 * pick(20),
					   .hi = 8 * (20 + pick(30)),
					   .id = cut.id };
	packet_cut(&parts->whole, cut, ret_packet);
	if (parts->next.hi > FRAG_PAYLOAD - 8)
		parts->whole.len = 0;
	parts->next.lo = parts->next.hi;
	parts->next.hi += 8 * (4 + pick(20));
	if (!pick(8))
		parts->next.lo += 8;
}

/* What becomes of a packet to the VIP: to the peer from the VM, to the VM from the peer. */
static void translated(struct packet_spec *spec, enum roam_dir dir)
{
	int family = spec->src.words[0] ? 6 : 4;
	struct roam_addr vip = vip_addr(family);

	if (memcmp(&spec->dst, &vip, sizeof(vip)) != 0)
		return;
	spec->dst = dir == ROAM_DIR_OUT ? cast_peer_addr(family) : cast_vm_addr(family);
	spec->dport = BACKEND_PORT;
}

static bool may_open(const struct packet_spec *spec)
{
	switch (spec->proto) {
	case IPPROTO_TCP:
		return spec->tcp_flags == ROAM_TCP_SYN;
	case IPPROTO_SCTP:
		return spec->sctp_chunk == ROAM_SCTP_INIT ||
		       spec->sctp_chunk == ROAM_SCTP_HEARTBEAT;
	case IPPROTO_ICMP:
		return spec->icmp_type == 8;
	case IPPROTO_ICMPV6:
		return spec->icmp_type == 128;
	default:
		return true;
	}
}

/*
 * An ICMP error, sent by a router or an end, about the last packet that went the other way and
 * may have opened a flow, as it went on; now and then about another one. `quote` is room for what
 * it quotes.
 */
static struct packet_spec random_error(enum roam_dir dir, const struct packet_spec *before,
				       struct packet_spec *quote)
{
	static const uint8_t types[] = { 1, 2, 3, 4, 11, 12 };
	struct packet_spec spec;

	*quote = before && pick(5) ? *before : random_spec(!dir);
	if (pick(4))
		translated(quote, !dir);
	spec = cast_error(dir, types[pick(sizeof(types))], quote);
	if (dir == ROAM_DIR_IN && pick(2))
		spec.src = quote->dst;
	if (pick(2))
		spec.quote_len = (spec.proto == IPPROTO_ICMP ? 20 : 40) + 8 + pick(3) * 12;
	return spec;
}

static void make_trace(struct traced *trace)
{
	struct parts parts = {};
	/* Mostly milliseconds; sometimes long enough for one timeout or another. */
	static const uint32_t gaps_s[] = { 1, 2, 4, 11, 31, 121 };
	struct packet_spec last[ROAM_DIR_COUNT], quote;
	bool seen[ROAM_DIR_COUNT] = {};
	uint64_t at_ns = 0;

	for (int i = 0; i < TRACE_LEN; i++) {
		enum roam_dir dir = pick(2);
		struct packet_spec spec = random_spec(dir);

		if (!pick(4)) {
			spec = random_error(dir, seen[!dir] ? &last[!dir] : NULL, &quote);
		} else if (may_open(&spec)) {
			last[dir] = spec;
			seen[dir] = true;
		}
		at_ns += pick(1000000) + (pick(4) ? 0 : gaps_s[pick(6)] * SECOND);
		trace[i].dir = dir;
		trace[i].front = pick(FRONT_ENDS);
		trace[i].at_ns = at_ns;
		packet_build(&spec, &trace[i].packet);
		if (!parts.whole.len && !pick(3))
			begin_parts(&parts, &spec, dir);
		if (!parts.whole.len || !pick(3))
			continue;
		trace[i].dir = parts.dir;
		next_part(&parts, &trace[i].packet);
	}
}

static int write_image(const void *bytes, size_t size, void *arg)
{
	struct image *image = arg;

	if (image->len + size > IMAGE_MAX)
		return -ENOSPC;
	memcpy(image->bytes + image->len, bytes, size);
	image->len += size;
	return 0;
}

static int read_image(void *bytes, size_t size, void *arg)
{
	struct image *image = arg;

	if (image->at + size > image->len)
		return -ENODATA;
	memcpy(bytes, image->bytes + image->at, size);
	image->at += size;
	return 0;
}

static int save(struct test_host *host, struct image *image)
{
	struct state_save save = {
		.vm = "vm",
		.now_ns = host->now_ns,
		.write = write_image,
		.arg = image,
	};

	image->bytes = malloc(IMAGE_MAX);
	image->len = image->at = 0;
	return state_save(host->host, &save);
}

static int load(struct test_host *host, struct image *image)
{
	struct state_dev dev = { .dev = host->dev };
	struct state_load load = {
		.devs = &dev,
		.dev_count = 1,
		.exact = true, /* the trace stands still while it moves */
		.now_ns = host->now_ns,
		.read = read_image,
		.arg = image,
	};
	struct state_loaded loaded;

	memcpy(dev.mac, cast_vm_mac, ROAM_MAC_LEN);
	return state_load(host->host, &load, &loaded);
}

static int collect_flows(const struct roam_flow_rec *rows, uint32_t count, void *arg)
{
	struct final *final = arg;

	for (uint32_t i = 0; i < count && final->count < FLOWS_MAX; i++)
		final->flows[final->count++] = rows[i];
	return 0;
}

static int compare_flows(const void *a, const void *b)
{
	const struct roam_flow_rec *x = a, *y = b;

	return memcmp(&x->key, &y->key, sizeof(x->key));
}

static int collect_source(const struct roam_ips_source_rec *rec, void *arg)
{
	struct final *final = arg;

	if (CHECK_OP(final->source_count, <, 4))
		final->sources[final->source_count++] = *rec;
	return 0;
}

static int collect_block(const struct roam_ips_block_rec *rec, void *arg)
{
	struct final *final = arg;

	if (CHECK_OP(final->block_count, <, 4))
		final->blocks[final->block_count++] = *rec;
	return 0;
}

static int collect_train(const struct roam_frag_rec *rec, void *arg)
{
	struct final *final = arg;

	if (CHECK_OP(final->train_count, <, TRAINS_MAX))
		final->trains[final->train_count++] = *rec;
	return 0;
}

static int compare_trains(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct roam_frag_key));
}

static int compare_addrs(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct roam_addr));
}

static void age(__u64 *time_ns, uint64_t now_ns)
{
	if (*time_ns)
		*time_ns = now_ns - *time_ns;
}

static void normalize_ips(struct final *final, uint64_t now_ns)
{
	for (uint32_t i = 0; i < final->source_count; i++)
		age(&final->sources[i].source.paid_ns, now_ns);
	for (uint32_t i = 0; i < final->block_count; i++) {
		age(&final->blocks[i].block.since_ns, now_ns);
		age(&final->blocks[i].block.until_ns, now_ns);
		age(&final->blocks[i].block.last_ns, now_ns);
	}
	qsort(final->sources, final->source_count, sizeof(final->sources[0]), compare_addrs);
	qsort(final->blocks, final->block_count, sizeof(final->blocks[0]), compare_addrs);
}

/* A rule's number on this host becomes its place in the order of matching. */
static uint32_t rule_place(const struct final *final, uint32_t id)
{
	for (uint32_t i = 0; i < final->rule_count; i++) {
		if (final->rules[i].rule.id == id)
			return i + 1;
	}
	return 0;
}

/* A service's number on this host becomes its place by name, from 1; a backend's, whether it is. */
static void normalize_session(struct roam_flow *flow, const struct lb_services *services)
{
	uint32_t i = 0;

	while (i < services->count && services->list[i].row.id != flow->lb_service)
		i++;
	if (flow->lb_service)
		flow->lb_service = i + 1;
	flow->lb_backend = !!flow->lb_backend;
}

static void normalize(struct final *final, const struct roam_vm *vm, uint64_t now_ns)
{
	for (uint32_t i = 0; i < final->count; i++) {
		struct roam_flow *flow = &final->flows[i].flow;

		normalize_session(flow, &final->services);

		flow->created_ns = now_ns - flow->created_ns;
		flow->seen_ns = now_ns - flow->seen_ns;
		flow->gen = flow->gen == vm->gen;
		flow->rule = rule_place(final, flow->rule);
	}
	for (uint32_t i = 0; i < final->rule_count; i++) {
		final->rules[i].rule.id = 0;
		age(&final->rules[i].hits.last_ns, now_ns);
		age(&final->rules[i].hits.log_paid_ns, now_ns);
	}
	for (int dir = 0; dir < ROAM_DIR_COUNT; dir++)
		age(&final->qos[dir].state.paid_ns, now_ns);
	age(&final->reject_paid_ns, now_ns);
	normalize_ips(final, now_ns);
	for (uint32_t i = 0; i < final->train_count; i++)
		age(&final->trains[i].frag.since_ns, now_ns);
	qsort(final->trains, final->train_count, sizeof(final->trains[0]), compare_trains);
	qsort(final->flows, final->count, sizeof(final->flows[0]), compare_flows);
}

static bool collect(struct test_host *host, struct final *final)
{
	struct acl_list list;
	struct roam_vm vm;
	uint32_t slot;

	memset(final, 0, sizeof(*final));
	if (!CHECK_OK(vm_find(host->host, "vm", &slot)) ||
	    !CHECK_OK(vm_get(host->host, slot, &vm)) ||
	    !CHECK_OK(acl_list(host->host, slot, &list)) ||
	    !CHECK_OK(ct_dump(host->host, slot, collect_flows, final)) ||
	    !CHECK_OK(stats_fold(host->host, slot, &final->stats)))
		return false;
	for (int dir = 0; dir < ROAM_DIR_COUNT; dir++)
		CHECK_OK(qos_get(host->host, slot, dir, &final->qos[dir]));
	CHECK_OK(acl_reject_get(host->host, slot, &final->reject_paid_ns));
	CHECK_OK(lb_list(host->host, &final->services));
	final->wire_rows = hosts_wire_rows(host, slot);
	CHECK_OK(ips_get(host->host, slot, &final->ips));
	CHECK_OK(ips_each_source(host->host, slot, collect_source, final));
	CHECK_OK(ips_each_block(host->host, slot, collect_block, final));
	CHECK_OK(frag_each(host->host, slot, collect_train, final));
	final->rule_count = list.count;
	memcpy(final->rules, list.recs, list.count * sizeof(*list.recs));
	free(list.recs);
	normalize(final, &vm, host->now_ns);
	cleanup_lb_services(&final->services);
	return true;
}

/* Runs one packet at its time; its verdict is noted, or must be the one that was. */
static void run_packet(struct test_host *host, struct traced *traced, uint64_t uptime, bool noting)
{
	enum roam_verdict verdict;

	host->now_ns = uptime + traced->at_ns;
	verdict = hosts_run(host, traced->front, traced->dir, &traced->packet);
	if (noting) {
		traced->verdict = verdict;
		traced->answered = host->answered;
		traced->after = host->after;
		return;
	}
	CHECK_EQ(verdict, traced->verdict);
	CHECK_EQ(host->answered, traced->answered);
	if (verdict != ROAM_PASS && !traced->answered)
		return;
	CHECK_EQ(host->after.len, traced->after.len);
	CHECK_MEM(host->after.bytes, traced->after.bytes, traced->after.len);
}

static void compare(const struct final *here, const struct final *there)
{
	CHECK_EQ(there->count, here->count);
	for (uint32_t i = 0; i < here->count && i < there->count; i++) {
		CHECK_MEM(&there->flows[i].key, &here->flows[i].key, sizeof(here->flows[i].key));
		CHECK_MEM(&there->flows[i].flow, &here->flows[i].flow, sizeof(here->flows[i].flow));
	}
	CHECK_MEM(&there->stats, &here->stats, sizeof(here->stats));
	CHECK_EQ(there->reject_paid_ns, here->reject_paid_ns);
	CHECK_EQ(there->rule_count, here->rule_count);
	CHECK_MEM(there->rules, here->rules, sizeof(here->rules));
	CHECK_MEM(there->qos, here->qos, sizeof(here->qos));
	CHECK_EQ(there->wire_rows, here->wire_rows);
	CHECK_MEM(&there->ips, &here->ips, sizeof(here->ips));
	CHECK_EQ(there->source_count, here->source_count);
	CHECK_MEM(there->sources, here->sources, sizeof(here->sources));
	CHECK_EQ(there->block_count, here->block_count);
	CHECK_MEM(there->blocks, here->blocks, sizeof(here->blocks));
	CHECK_EQ(there->train_count, here->train_count);
	CHECK_MEM(there->trains, here->trains, sizeof(here->trains));
}

static void move_after(struct test_host *there, struct traced *trace, struct image *image, int k)
{
	there->now_ns = UPTIME_THERE + trace[k].at_ns;
	if (!CHECK_OK(load(there, image))) {
		note("%s", fail_line());
		return;
	}
	for (int i = k + 1; i < TRACE_LEN; i++)
		run_packet(there, &trace[i], UPTIME_THERE, false);
}

/* For a part of the trace; what it has learned is then matched. */
static void learn(struct test_host *host, uint32_t slot)
{
	struct roam_vm vm;

	CHECK_OK(vm_get(host->host, slot, &vm));
	vm.learn_until_ns = UPTIME_HERE + pick(300) * SECOND;
	CHECK_OK(vm_put(host->host, slot, &vm));
	CHECK_OK(vm_sync_features(host->host, slot));
}

/* Rules that look at more than a tuple, before those that every VM of these tests has. */
static void add_rules(struct test_host *host, uint32_t slot)
{
	const struct roam_port_range any = { 0, UINT16_MAX };
	struct roam_acl_rule syn = {
		.name = "syn",
		.prio = 1,
		.action = ROAM_ACTION_ALLOW,
		.proto = IPPROTO_TCP,
		.tcp_flags = ROAM_TCP_SYN,
		.log = pick(3),
		.tcp_mask = pick(2) ? ROAM_TCP_SYN | ROAM_TCP_PSH : ROAM_TCP_SYN,
		.lport = { 40000, 40000 },
		.rport = any,
	};
	struct roam_acl_rule ping = {
		.name = "ping",
		.prio = 1,
		.action = pick(2) ? ROAM_ACTION_ALLOW : ROAM_ACTION_AUDIT,
		.family = 4,
		.proto = IPPROTO_ICMP,
		.has_icmp_type = 1,
		.icmp_type = 8,
		.has_icmp_code = pick(2),
		.lport = any,
		.rport = any,
	};

	struct roam_acl_rule loose = {
		.name = "loose",
		.action = ROAM_ACTION_ALLOW,
		.stateless = 1,
		.dir = pick(2),
		.proto = pick(2) ? IPPROTO_TCP : IPPROTO_UDP,
		.lport = { 40001, 40001 },
		.rport = any,
	};

	struct roam_acl_rule no = {
		.name = "no",
		.prio = 50,
		.action = ROAM_ACTION_REJECT,
		.dir = pick(2),
		.any_proto = 1,
		.lport = any,
		.rport = any,
	};

	if (pick(2))
		CHECK_OK(acl_add(host->host, slot, &no));
	if (pick(2))
		CHECK_OK(acl_add(host->host, slot, &loose));
	if (pick(3))
		CHECK_OK(acl_add(host->host, slot, &syn));
	if (pick(3))
		CHECK_OK(acl_add(host->host, slot, &ping));
}

/* A rate that a trace exceeds now and then, and a mark; a limit on new connections. */
static void add_features(struct test_host *host)
{
	struct roam_qos conf = {
		.is_set = 1,
		.rate_Bps = 50 * ROAM_QOS_RATE_MIN,
		.burst = ROAM_QOS_BURST_MIN,
		.has_dscp = pick(2),
		.dscp = 46,
	};
	struct roam_ips ips = ips_defaults();
	uint32_t slot;

	CHECK_OK(vm_find(host->host, "vm", &slot));
	if (!pick(3))
		learn(host, slot);
	add_rules(host, slot);
	if (pick(4))
		CHECK_OK(lb_use(host->host, slot, true));
	ips.rate = 1 + pick(2);
	ips.burst = 1;
	ips.block_s = 5 + pick(60);
	ips.sources = ips.blocks = ROAM_IPS_QUOTA_MIN;
	if (pick(4))
		CHECK_OK(ips_set(host->host, slot, &ips));
	for (int dir = 0; dir < ROAM_DIR_COUNT; dir++) {
		if (pick(2))
			CHECK_OK(qos_set(host->host, slot, dir, &conf));
	}
}

static void one_trace(struct test_host *here, struct test_host *there)
{
	static struct traced trace[TRACE_LEN];
	static struct final expected, found;
	struct image images[TRACE_LEN] = {};

	make_trace(trace);
	hosts_add_vm(here);
	add_features(here);
	for (int k = 0; k < TRACE_LEN; k++) {
		run_packet(here, &trace[k], UPTIME_HERE, true);
		CHECK_OK(save(here, &images[k]));
	}
	if (!collect(here, &expected))
		return;
	for (int k = 0; k < TRACE_LEN && !harness_stopped(); k++) {
		move_after(there, trace, &images[k], k);
		if (collect(there, &found))
			compare(&expected, &found);
		CHECK_OK(vm_del(there->host, "vm"));
		if (harness_stopped())
			note("moved after packet %d", k);
	}
	CHECK_OK(vm_del(here->host, "vm"));
	for (int k = 0; k < TRACE_LEN; k++)
		free(images[k].bytes);
}

/* Somebody else's VM takes the first slot there, so that the numbers differ. */
static void take_first_slot(struct test_host *host)
{
	struct roam_vm vm = {
		.name = "other",
		.life = ROAM_LIFE_ACTIVE,
		.quota_flows = ROAM_QUOTA_MIN,
		.quota_half = ROAM_QUOTA_MIN,
	};
	struct draft *draft;

	CHECK_OK(draft_open(host->host, &vm, ROAM_VM_NONE, &draft));
	CHECK_OK(draft_publish(draft));
	draft_close(draft);
}

TEST(move_anywhere)
{
	struct test_host here, there;

	srandom(harness_seed());
	hosts_enter();
	hosts_make("here", &here);
	hosts_make("there", &there);
	take_first_slot(&there);
	add_services(&here);
	add_services(&there);
	for (unsigned i = 0; i < harness_rounds(3) && !harness_stopped(); i++)
		one_trace(&here, &there);
	hosts_remove(&here);
	hosts_remove(&there);
}
