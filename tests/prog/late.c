// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Late packets, byte by byte: what the source's port puts into UDP and what it does not, what the
 * destination's uplink takes out and what it must not, and when rows end. One host plays both ends;
 * tests/e2e/handover_late.sh has one for each.
 */
#include <arpa/inet.h>
#include <string.h>
#include <linux/bpf.h>
#include <netinet/udp.h>
#include <bpf/bpf.h>
#include "harness.h"
#include "late.h"
#include "move.h"
#include "move_own.h"
#include "tunnel.h"
#include "vm.h"

#define SECOND    1000000000ULL
#define ETHER_LEN 14
#define EPOCH     0x0102030405060708ULL
#define OUTER_LEN(outer)                                                                           \
	(((outer) == 4 ? 20U : 40U) + sizeof(struct udphdr) + sizeof(struct roam_late_header))

struct late {
	struct test_host *host;
	struct move_maps maps;
	uint32_t slot;
	struct late_way way;
};

static void late_setup(struct late *self)
{
	self->host = tunnel_host();
	self->host->now_ns = 1000 * SECOND;
	CHECK_OK(vm_find(self->host->host, "vm", &self->slot));
	CHECK_OK(move_maps_open(&self->maps, self->host->host));
	self->way = (struct late_way){ .id = "sixteen bytes id", .epoch = EPOCH };
}

static void late_teardown(struct late *self)
{
	CHECK_OK(vm_del(self->host->host, "vm"));
	hosts_add_vm(self->host); /* as it was */
	move_maps_close(&self->maps);
}

static void set_gate(struct late *self, enum roam_gate_state state, uint64_t late_until_ns)
{
	struct roam_gate gate = { .state = state, .late_until_ns = late_until_ns };
	struct roam_vm vm;

	CHECK_OK(move_gate_put(self->host->host, self->slot, &gate));
	CHECK_OK(vm_get(self->host->host, self->slot, &vm));
	vm.life = ROAM_LIFE_GATED;
	CHECK_OK(vm_put(self->host->host, self->slot, &vm));
}

static void lead(struct late *self, int outer)
{
	self->way.from = tunnel_near(outer);
	self->way.to = tunnel_far(outer);
	CHECK_OK(late_to_put(self->host->host, self->slot, &self->way));
}

static void leave(struct late *self, enum roam_gate_state state, int outer)
{
	lead(self, outer);
	set_gate(self, state, self->host->now_ns + SECOND);
}

static void arrive(struct late *self, int outer)
{
	self->way.from = tunnel_near(outer);
	self->way.to = tunnel_far(outer);
	CHECK_OK(late_from_put(self->host->host, self->slot, &self->way));
	set_gate(self, ROAM_GATE_STAGED, 0);
}

static struct packet_spec late_packet(int family)
{
	struct packet_spec spec = cast_tcp(family, ROAM_DIR_IN, ROAM_TCP_ACK);

	spec.payload = 100;
	return spec;
}

static bool port_says(struct late *self, enum front_end front, const struct packet *packet,
		      enum roam_reason reason)
{
	uint64_t before = uplink_counted(self->host, self->slot, reason);

	hosts_run(self->host, front, ROAM_DIR_IN, packet);
	return CHECK_EQ(uplink_counted(self->host, self->slot, reason), before + 1);
}

/* ---- at the source ---- */

/* What is round the frame, field by field; not from the structs that the programs use. */
static void check_outer(const struct packet *got, const struct packet *inner, int outer)
{
	const uint8_t *ip = got->bytes + ETHER_LEN, *udp = ip + (outer == 4 ? 20 : 40);
	const struct roam_addr near = tunnel_near(outer), far = tunnel_far(outer);
	static const uint8_t head[] = { 'r', 'o', 'a', 'm', 0, 0, 0, 1 };
	static const uint8_t epoch[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	const size_t udp_len = 8 + 32 + inner->len;
	const uint8_t *len = ip + (outer == 4 ? 2 : 4);
	uint32_t sum = 0;

	CHECK_EQ(got->len, inner->len + ETHER_LEN + OUTER_LEN(outer));
	CHECK_EQ(ip[0] >> 4, outer);
	CHECK_EQ(len[0] << 8 | len[1], udp_len + (outer == 4 ? 20 : 0));
	CHECK_EQ(outer == 4 ? ip[9] : ip[6], 17);
	CHECK_EQ(outer == 4 ? ip[8] : ip[7], 64);
	CHECK_MEM(outer == 4 ? ip + 12 : ip + 8, outer == 4 ? near.bytes + 12 : near.bytes,
		  outer == 4 ? 4 : 16);
	CHECK_MEM(outer == 4 ? ip + 16 : ip + 24, outer == 4 ? far.bytes + 12 : far.bytes,
		  outer == 4 ? 4 : 16);
	for (int i = 0; outer == 4 && i < 20; i += 2)
		sum += ip[i] << 8 | ip[i + 1];
	CHECK_EQ(outer == 4 ? (sum & 0xffff) + (sum >> 16) : 0xffff, 0xffff);
	CHECK(udp[0] >= 0xc0);
	CHECK_EQ(udp[2] << 8 | udp[3], 4790);
	CHECK_EQ(udp[4] << 8 | udp[5], udp_len);
	CHECK_MEM(udp + 8, head, sizeof(head));
	CHECK_MEM(udp + 16, "sixteen bytes id", 16);
	CHECK_MEM(udp + 32, epoch, sizeof(epoch));
	CHECK_MEM(udp + 40, inner->bytes, inner->len);
}

/* The device that it leaves by writes the outer Ethernet header. */
static void transmit(const struct packet *carried, int outer, struct packet *ret_arrived)
{
	*ret_arrived = *carried;
	memcpy(ret_arrived->bytes, uplink_router_mac, ROAM_MAC_LEN);
	memcpy(ret_arrived->bytes + ROAM_MAC_LEN, tunnel_own_mac, ROAM_MAC_LEN);
	memcpy(ret_arrived->bytes + 12, outer == 4 ? "\x08\x00" : "\x86\xdd", 2);
}

static const struct leaving {
	const char *name;
	enum roam_gate_state state;
	enum roam_reason dropped;
} leavings[] = {
	{ "frozen", ROAM_GATE_FROZEN, ROAM_REASON_FROZEN },
	{ "moved", ROAM_GATE_MOVED, ROAM_REASON_MOVED },
};

/* In and out again: the VM's port there gets the very frame. */
TEST_46_EACH_F(late, goes_there_whole, leavings)
{
	struct packet_spec spec = late_packet(family);
	struct packet packet, carried, after;
	struct roam_late_count count = {};

	packet_build(&spec, &packet);
	for (int outer = 4; outer <= 6; outer += 2) {
		uint64_t taken = uplink_counted(self->host, self->slot, ROAM_REASON_LATE_TAKEN);

		leave(self, row->state, outer);
		port_says(self, FRONT_TC, &packet, ROAM_REASON_LATE_CARRIED);
		check_outer(&self->host->after, &packet, outer);
		transmit(&self->host->after, outer, &carried);
		CHECK(late_sent(self->host->host, "vm", self->way.id, &count));
		CHECK_EQ(count.packets, 1);
		CHECK_EQ(count.bytes, carried.len);
		CHECK_EQ(self->maps.gates[self->slot].state, row->state);

		arrive(self, outer);
		CHECK_EQ(uplink_run(self->host, &carried, &after), XDP_PASS);
		tunnel_same(&after, &packet);
		CHECK_EQ(uplink_counted(self->host, self->slot, ROAM_REASON_LATE_TAKEN), taken + 1);
		CHECK(late_taken(self->host->host, self->way.id, &count));
		CHECK_EQ(count.packets, 1);
		CHECK_EQ(count.bytes, packet.len);
		/* Where it is judged as any other: this one is early. */
		port_says(self, FRONT_TC, &after, ROAM_REASON_STAGED);
	}
}

/* The program that is attached takes it to the device that the way begins with. */
TEST_46_F(late, is_redirected)
{
	struct packet_spec spec = late_packet(family);
	struct __sk_buff skb = { .ifindex = self->host->ifindex };
	struct packet packet;
	uint8_t after[PACKET_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet.bytes, .data_out = after,
		    .data_size_out = sizeof(after), .ctx_in = &skb, .ctx_size_in = sizeof(skb));

	lead(self, family);
	set_gate(self, ROAM_GATE_MOVED, now_ns() + 100 * SECOND);
	packet_build(&spec, &packet);
	opts.data_size_in = packet.len;
	CHECK_OK(bpf_prog_test_run_opts(host_prog(self->host->host, HOST_PROG_tc_in), &opts));
	CHECK_EQ(opts.retval, 7); /* TC_ACT_REDIRECT */
	CHECK_EQ(opts.data_size_out, packet.len + ETHER_LEN + OUTER_LEN(family));
}

TEST_46_EACH_F(late, is_dropped_without_a_way, leavings)
{
	struct packet_spec spec = late_packet(family);
	struct packet packet;

	packet_build(&spec, &packet);
	set_gate(self, row->state, self->host->now_ns + SECOND);
	port_says(self, FRONT_TC, &packet, row->dropped);
	lead(self, family);
	port_says(self, FRONT_TC, &packet, ROAM_REASON_LATE_CARRIED);
	port_says(self, FRONT_XDP, &packet, row->dropped); /* which cannot */
	self->host->now_ns += SECOND - 1;
	port_says(self, FRONT_TC, &packet, ROAM_REASON_LATE_CARRIED);
	self->host->now_ns++; /* the limit */
	port_says(self, FRONT_TC, &packet, row->dropped);
	set_gate(self, row->state, 0); /* not at all */
	port_says(self, FRONT_TC, &packet, row->dropped);
	set_gate(self, row->state, self->host->now_ns + SECOND);
	late_to_del(self->host->host, self->slot);
	port_says(self, FRONT_TC, &packet, row->dropped);
}

/* While the VM runs here, or anywhere but at a source, nothing is carried. */
TEST_46_F(late, is_not_what_comes_in_time)
{
	static const enum roam_gate_state others[] = { ROAM_GATE_NONE,   ROAM_GATE_COPYING,
						       ROAM_GATE_OPEN,   ROAM_GATE_PREPARED,
						       ROAM_GATE_STAGED, ROAM_GATE_SHUT };
	struct packet_spec spec = late_packet(family);
	struct packet packet;

	packet_build(&spec, &packet);
	lead(self, 4);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		uint64_t before = uplink_counted(self->host, self->slot, ROAM_REASON_LATE_CARRIED);

		set_gate(self, others[i], self->host->now_ns + SECOND);
		CHECK_EQ(hosts_run(self->host, FRONT_TC, ROAM_DIR_IN, &packet), ROAM_DROP);
		CHECK_EQ(uplink_counted(self->host, self->slot, ROAM_REASON_LATE_CARRIED), before);
	}
}

/* What others on the segment get, too, the destination has by itself. */
TEST_46_F(late, is_for_the_port_alone)
{
	struct packet_spec spec = late_packet(family);
	struct packet packet;

	leave(self, ROAM_GATE_MOVED, family);
	memset(spec.dmac, 0xff, sizeof(spec.dmac));
	packet_build(&spec, &packet);
	port_says(self, FRONT_TC, &packet, ROAM_REASON_MOVED);
	memcpy(spec.dmac, uplink_router_mac, sizeof(spec.dmac));
	packet_build(&spec, &packet);
	port_says(self, FRONT_TC, &packet, ROAM_REASON_MOVED);
}

TEST_46_F(late, is_dropped_if_it_does_not_fit)
{
	for (int outer = 4; outer <= 6; outer += 2) {
		struct packet_spec spec = late_packet(family);
		struct packet packet;

		leave(self, ROAM_GATE_MOVED, outer);
		spec.payload = 0;
		packet_build(&spec, &packet);
		spec.payload = TUNNEL_MTU - OUTER_LEN(outer) - packet.len;
		packet_build(&spec, &packet);
		port_says(self, FRONT_TC, &packet, ROAM_REASON_LATE_CARRIED);
		spec.payload++;
		packet_build(&spec, &packet);
		port_says(self, FRONT_TC, &packet, ROAM_REASON_LATE_MTU);
	}
}

/* ---- at the destination ---- */

/* A late packet as the source makes it; the host is the destination then. */
static void make_carried(struct late *self, const struct packet_spec *spec, int outer,
			 struct packet *ret_carried)
{
	struct packet packet;

	leave(self, ROAM_GATE_MOVED, outer);
	packet_build(spec, &packet);
	port_says(self, FRONT_TC, &packet, ROAM_REASON_LATE_CARRIED);
	transmit(&self->host->after, outer, ret_carried);
	arrive(self, outer);
}

/* Dropped at the uplink, with this reason. */
static bool uplink_drops(struct late *self, const struct packet *packet, uint32_t vm,
			 enum roam_reason reason)
{
	uint64_t before = uplink_counted(self->host, vm, reason);
	struct packet after;

	return CHECK_EQ(uplink_run(self->host, packet, &after), XDP_DROP) &&
	       CHECK_EQ(uplink_counted(self->host, vm, reason), before + 1);
}

/* Where in a late packet one byte is another one, counted from the part's beginning. */
enum part { PART_IP, PART_UDP, PART_HEADER, PART_FRAME };

enum fate {
	FOREIGN,
	UNKNOWN, /* the same, of no handover: counted at nobody's door */
	PASSES,  /* none of roam's: untouched */
};

static const struct forged {
	const char *name;
	enum part part;
	uint8_t at[2]; /* of outer IPv4 and IPv6 */
	enum fate fate;
} forgeries[] = {
	{ "another_source", PART_IP, { 15, 23 }, FOREIGN },
	{ "another_host", PART_IP, { 19, 39 }, FOREIGN },
	{ "another_port", PART_UDP, { 3, 3 }, PASSES },
	{ "another_magic", PART_HEADER, { 3, 3 }, PASSES },
	{ "another_version", PART_HEADER, { 7, 7 }, FOREIGN },
	{ "another_id", PART_HEADER, { 8, 8 }, UNKNOWN },
	{ "another_id_at_its_end", PART_HEADER, { 23, 23 }, UNKNOWN },
	{ "another_epoch", PART_HEADER, { 31, 31 }, FOREIGN },
	{ "an_epoch_far_off", PART_HEADER, { 24, 24 }, FOREIGN },
	{ "for_another_mac", PART_FRAME, { 5, 5 }, FOREIGN },
	{ "for_a_group", PART_FRAME, { 0, 0 }, FOREIGN },
};

TEST_46_EACH_F(late, forged_is_not_taken, forgeries)
{
	for (int outer = 4; outer <= 6; outer += 2) {
		struct packet_spec spec = late_packet(family);
		uint32_t vm = row->fate == UNKNOWN ? ROAM_VM_NONE : self->slot;
		struct packet packet, after;
		size_t at[] = {
			[PART_IP] = ETHER_LEN, [PART_UDP] = ETHER_LEN + (outer == 4 ? 20 : 40)
		};

		make_carried(self, &spec, outer, &packet);
		at[0] = row->part == PART_IP      ? at[PART_IP]
			: row->part == PART_UDP   ? at[PART_UDP]
			: row->part == PART_FRAME ? at[PART_UDP] + 40
						  : at[PART_UDP] + 8;
		packet.bytes[at[0] + row->at[outer == 6]] ^= 1;
		if (row->fate != PASSES) {
			uplink_drops(self, &packet, vm, ROAM_REASON_LATE_FOREIGN);
			continue;
		}
		CHECK_EQ(uplink_run(self->host, &packet, &after), XDP_PASS);
		tunnel_same(&after, &packet);
	}
}

/* With the VM's MAC it is the VM's own, which may have such a port. */
TEST_46_F(late, is_what_the_host_gets)
{
	struct packet_spec spec = late_packet(family);
	struct packet packet, after;

	make_carried(self, &spec, family, &packet);
	set_gate(self, ROAM_GATE_OPEN, 0);
	CHECK_OK(move_settle(self->host->host, self->slot));
	memcpy(packet.bytes, cast_vm_mac, ROAM_MAC_LEN);
	CHECK_EQ(uplink_run(self->host, &packet, &after), XDP_PASS);
	tunnel_same(&after, &packet);
}

/* Anybody may send that; nobody has announced such a handover, or it is over. */
TEST_46_F(late, of_no_handover_is_not_taken)
{
	struct packet_spec spec = late_packet(family);
	struct packet packet, after;

	for (int outer = 4; outer <= 6; outer += 2) {
		make_carried(self, &spec, outer, &packet);
		CHECK_EQ(uplink_run(self->host, &packet, &after), XDP_PASS);
		late_from_del(self->host->host, self->slot);
		uplink_drops(self, &packet, ROAM_VM_NONE, ROAM_REASON_LATE_FOREIGN);
	}
}

static void expire(struct late *self)
{
	struct roam_late_key key;
	struct roam_late_from row;

	memcpy(key.id, self->way.id, sizeof(key.id));
	CHECK_OK(host_get(self->host->host, HOST_MAP_late_from, &key, &row));
	CHECK(row.until_ns > now_ns() + (ROAM_LATE_MOST_S - 10) * SECOND &&
	      row.until_ns <= now_ns() + ROAM_LATE_MOST_S * SECOND);
	row.until_ns = now_ns() - SECOND; /* the programs' clock lags by a tick */
	CHECK_OK(host_put(self->host->host, HOST_MAP_late_from, &key, &row));
}

/* Settled, the VM is an active one; what is on its way may come a while longer. */
TEST_46_F(late, ends_a_while_after_the_handover)
{
	struct packet_spec spec = late_packet(family);
	struct roam_late_count count;
	struct packet packet, after;

	make_carried(self, &spec, family, &packet);
	set_gate(self, ROAM_GATE_OPEN, 0);
	CHECK_OK(move_settle(self->host->host, self->slot));
	CHECK_EQ(uplink_run(self->host, &packet, &after), XDP_PASS);
	late_purge(self->host->host, now_ns());
	CHECK(late_taken(self->host->host, self->way.id, &count));
	expire(self);
	uplink_drops(self, &packet, self->slot, ROAM_REASON_LATE_FOREIGN);
	late_purge(self->host->host, now_ns());
	CHECK(!late_taken(self->host->host, self->way.id, &count));
	CHECK(!late_sent(self->host->host, "vm", self->way.id, &count)); /* with the gate */
}

/* It goes on to a third host, or back: what was carried once is not carried again. */
TEST_46_EACH_F(late, is_not_carried_on, leavings)
{
	struct packet_spec spec = late_packet(family);
	struct packet packet;

	make_carried(self, &spec, family, &packet);
	leave(self, row->state, family);
	uplink_drops(self, &packet, self->slot, ROAM_REASON_LATE_LOOP);
}

/* What is within is looked at as all that comes from outside. */
TEST_46_F(late, hides_nothing)
{
	for (int outer = 4; outer <= 6; outer += 2) {
		const size_t frame = ETHER_LEN + OUTER_LEN(outer);
		struct packet_spec spec = late_packet(family);
		struct packet packet, forged;
		struct roam_vm vm;

		make_carried(self, &spec, outer, &packet);
		/* The uplink knows the VM's addresses when it runs here. */
		set_gate(self, ROAM_GATE_OPEN, 0);
		CHECK_OK(move_settle(self->host->host, self->slot));
		CHECK_OK(vm_get(self->host->host, self->slot, &vm));
		CHECK_EQ(vm.life, ROAM_LIFE_ACTIVE);
		forged = packet;
		memcpy(forged.bytes + frame + 6, cast_vm_mac, ROAM_MAC_LEN);
		uplink_drops(self, &forged, self->slot, ROAM_REASON_OUTSIDE_MAC);
		forged = packet;
		memcpy(forged.bytes + frame + ETHER_LEN + (family == 4 ? 12 : 8),
		       forged.bytes + frame + ETHER_LEN + (family == 4 ? 16 : 24),
		       family == 4 ? 4 : 16);
		uplink_drops(self, &forged, self->slot, ROAM_REASON_OUTSIDE_ADDR);
		forged = packet;
		forged.bytes[frame + ETHER_LEN] ^= 0x70; /* its version */
		uplink_drops(self, &forged, ROAM_VM_NONE, ROAM_REASON_MALFORMED);
		late_from_del(self->host->host, self->slot);
	}
}

/* Cut anywhere, and with lengths that are made to fit: it passes as the host's own or is dropped.
 */
TEST_46_F(late, cut_short_is_not_taken)
{
	for (int outer = 4; outer <= 6; outer += 2) {
		const size_t frame = ETHER_LEN + OUTER_LEN(outer);
		struct packet_spec spec = late_packet(family);
		struct roam_late_count count = {};
		struct packet packet, after;

		make_carried(self, &spec, outer, &packet);
		for (size_t len = ETHER_LEN; len < frame + ETHER_LEN; len++) {
			uint8_t *ip;
			struct packet cut = packet;
			size_t udp = ETHER_LEN + (outer == 4 ? 20 : 40);

			cut.len = len;
			ip = cut.bytes + ETHER_LEN + (outer == 4 ? 2 : 4);
			ip[0] = (len - (outer == 4 ? ETHER_LEN : udp)) >> 8;
			ip[1] = len - (outer == 4 ? ETHER_LEN : udp);
			cut.bytes[udp + 4] = (len - udp) >> 8;
			cut.bytes[udp + 5] = len - udp;
			if (uplink_run(self->host, &cut, &after) == XDP_PASS)
				tunnel_same(&after, &cut);
		}
		CHECK(late_taken(self->host->host, self->way.id, &count));
		CHECK_EQ(count.packets, 0);
	}
}

/* ---- rows ---- */

TEST_F(late, ways_that_cannot_be)
{
	struct host *host = self->host->host;
	struct roam_late_count count;

	self->way.from = tunnel_near(4);
	self->way.to = tunnel_far(6);
	CHECK_EQ(late_to_put(host, self->slot, &self->way), -EINVAL);
	CHECK_EQ(late_from_put(host, self->slot, &self->way), -EINVAL);
	self->way.from = tunnel_far(4); /* not this host's */
	self->way.to = tunnel_near(4);
	CHECK_EQ(late_to_put(host, self->slot, &self->way), -EADDRNOTAVAIL);
	self->way.from = tunnel_near(4);
	self->way.to = packet_addr("192.0.2.77");
	CHECK_EQ(late_to_put(host, self->slot, &self->way), -ENETUNREACH);
	self->way.to = packet_addr("255.255.255.255");
	CHECK_EQ(late_to_put(host, self->slot, &self->way), -EINVAL);
	CHECK(!late_sent(host, "vm", self->way.id, &count));
	CHECK(!late_taken(host, self->way.id, &count));
}

/* The handover of a VM that came by one: nothing comes late any more for it to leave. */
TEST_F(late, rows_end_with_what_they_are_for)
{
	struct move_source_options options = {};
	struct move_source *source = NULL;
	struct roam_late_count count;

	arrive(self, 4);
	set_gate(self, ROAM_GATE_OPEN, 0);
	CHECK_OK(move_settle(self->host->host, self->slot));
	CHECK(late_taken(self->host->host, self->way.id, &count));
	memcpy(options.id, self->way.id, sizeof(options.id));
	if (!CHECK_OK(move_source_open(self->host->host, "vm", &options, &source)))
		return;
	CHECK(!late_taken(self->host->host, self->way.id, &count));
	lead(self, 4);
	CHECK(late_sent(self->host->host, "vm", self->way.id, &count));
	CHECK_OK(move_source_abort(source));
	CHECK(!late_sent(self->host->host, "vm", self->way.id, &count));
	move_source_close(source);

	arrive(self, 4);
	lead(self, 4);
	CHECK_OK(vm_del(self->host->host, "vm"));
	hosts_add_vm(self->host);
	CHECK(!late_taken(self->host->host, self->way.id, &count));
	CHECK(!late_sent(self->host->host, "vm", self->way.id, &count));
}
