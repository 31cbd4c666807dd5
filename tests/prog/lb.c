// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Load balancing at a VM's port: who is picked, what the bytes become, checksums included, and
 * whose tuple is whose. A translated packet must be, byte for byte, what one with the other
 * addresses would have been.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include "ct.h"
#include "harness.h"
#include "hosts.h"
#include "lb.h"
#include "stats.h"
#include "text.h"
#include "vm.h"

#define VIP_PORT     443
#define BACKEND_PORT 8443

struct lb_test {
	struct test_host *host;
	uint32_t slot;
};

/* One host for all tests, since making one takes long: each leaves neither VM nor service. */
static struct test_host *shared_host(void)
{
	static struct test_host host;

	if (!host.host) {
		hosts_enter();
		hosts_make("lb", &host);
	}
	return &host;
}

static void lb_test_setup(struct lb_test *self)
{
	self->host = shared_host();
	hosts_add_vm(self->host);
	self->host->now_ns = 1000 * NS_PER_S;
	CHECK_OK(vm_find(self->host->host, "vm", &self->slot));
	CHECK_OK(lb_use(self->host->host, self->slot, true));
}

static void lb_test_teardown(struct lb_test *self)
{
	CHECK_OK(vm_del(self->host->host, "vm"));
	lb_del(self->host->host, "web"); /* not every test has it */
}

static struct roam_addr vip_addr(int family)
{
	return packet_addr(family == 4 ? "198.51.100.9" : "2001:db8:99::9");
}

static struct roam_addr backend_addr(int family, int i)
{
	char text[TEXT_ADDR_LEN];

	snprintf(text, sizeof(text), family == 4 ? "192.0.2.%d" : "2001:db8::%d", 100 + i);
	return packet_addr(text);
}

static void add_service(struct lb_test *self, int family, uint8_t proto)
{
	struct roam_lb_key key = {
		.vip = vip_addr(family),
		.port = htons(VIP_PORT),
		.proto = proto,
	};

	CHECK_OK(lb_add(self->host->host, "web", &key));
}

static void add_backend(struct lb_test *self, struct roam_addr addr, uint16_t port)
{
	struct roam_lb_backend row = { .addr = addr, .port = htons(port), .weight = 1 };

	CHECK_OK(lb_backend_add(self->host->host, "web", &row));
}

/* The service with so many backends that are elsewhere. */
static void add_remote_service(struct lb_test *self, int family, uint8_t proto, int count)
{
	add_service(self, family, proto);
	for (int i = 0; i < count; i++)
		add_backend(self, backend_addr(family, i), BACKEND_PORT);
}

static enum roam_reason last_reason(struct lb_test *self, enum roam_dir dir,
				    const struct roam_stats *before)
{
	struct roam_stats after;

	CHECK_OK(stats_fold(self->host->host, self->slot, &after));
	for (uint32_t reason = 0; reason < ROAM_REASON_COUNT; reason++) {
		if (after.by_reason[reason][dir].packets != before->by_reason[reason][dir].packets)
			return reason;
	}
	return ROAM_REASON_NONE;
}

/* Runs the packet behind tc and expects this reason. */
static bool expect(struct lb_test *self, enum roam_dir dir, const struct packet_spec *spec,
		   enum roam_reason reason)
{
	struct roam_stats before;
	struct packet packet;
	enum roam_reason found;

	packet_build(spec, &packet);
	CHECK_OK(stats_fold(self->host->host, self->slot, &before));
	hosts_run(self->host, FRONT_TC, dir, &packet);
	found = last_reason(self, dir, &before);
	return CHECK_STR(text_enum_name(&text_reason, found), text_enum_name(&text_reason, reason));
}

/* The same, and what the packet has become. */
static bool expect_as(struct lb_test *self, enum roam_dir dir, const struct packet_spec *spec,
		      enum roam_reason reason, const struct packet_spec *after)
{
	struct packet packet;

	packet_build(after, &packet);
	return expect(self, dir, spec, reason) && CHECK_EQ(self->host->after.len, packet.len) &&
	       CHECK_MEM(self->host->after.bytes, packet.bytes, packet.len);
}

/* Between the VM's port and the VIP, or whoever stands for it. */
static struct packet_spec client_packet(int family, uint8_t proto, enum roam_dir dir, uint8_t flags)
{
	struct packet_spec spec = cast_packet(family, dir, proto);

	*(dir == ROAM_DIR_OUT ? &spec.dst : &spec.src) = vip_addr(family);
	*(dir == ROAM_DIR_OUT ? &spec.dport : &spec.sport) = VIP_PORT;
	spec.tcp_flags = flags;
	spec.payload = 33; /* odd */
	return spec;
}

static struct packet_spec with_remote(struct packet_spec spec, enum roam_dir dir,
				      struct roam_addr addr, uint16_t port)
{
	*(dir == ROAM_DIR_OUT ? &spec.dst : &spec.src) = addr;
	*(dir == ROAM_DIR_OUT ? &spec.dport : &spec.sport) = port;
	return spec;
}

static struct packet_spec with_local(struct packet_spec spec, enum roam_dir dir,
				     struct roam_addr addr, uint16_t port)
{
	*(dir == ROAM_DIR_OUT ? &spec.src : &spec.dst) = addr;
	*(dir == ROAM_DIR_OUT ? &spec.sport : &spec.dport) = port;
	return spec;
}

static bool client_sends(struct lb_test *self, int family, uint8_t proto, uint8_t flags,
			 enum roam_reason reason)
{
	struct packet_spec app = client_packet(family, proto, ROAM_DIR_OUT, flags);
	struct packet_spec wire = with_remote(app, ROAM_DIR_OUT, backend_addr(family, 0),
					      BACKEND_PORT);

	return expect_as(self, ROAM_DIR_OUT, &app, reason, &wire);
}

static bool client_gets(struct lb_test *self, int family, uint8_t proto, uint8_t flags)
{
	struct packet_spec app = client_packet(family, proto, ROAM_DIR_IN, flags);
	struct packet_spec wire = with_remote(app, ROAM_DIR_IN, backend_addr(family, 0),
					      BACKEND_PORT);

	return expect_as(self, ROAM_DIR_IN, &wire, ROAM_REASON_ESTABLISHED, &app);
}

static bool client_connects(struct lb_test *self, int family)
{
	return client_sends(self, family, IPPROTO_TCP, ROAM_TCP_SYN, ROAM_REASON_OPENED) &&
	       client_gets(self, family, IPPROTO_TCP, ROAM_TCP_SYN | ROAM_TCP_ACK) &&
	       client_sends(self, family, IPPROTO_TCP, ROAM_TCP_ACK, ROAM_REASON_ESTABLISHED) &&
	       client_gets(self, family, IPPROTO_TCP, ROAM_TCP_ACK);
}

static struct lb_backend first_backend(struct lb_test *self)
{
	_cleanup_lb_backends_ struct lb_backends backends = {};
	struct lb_service service;

	CHECK_OK(lb_find(self->host->host, "web", &service));
	CHECK_OK(lb_list_backends(self->host->host, &service, &backends));
	return CHECK_OP(backends.count, >=, 1) ? backends.list[0] : (struct lb_backend){};
}

static uint32_t wire_rows(struct lb_test *self)
{
	return hosts_wire_rows(self->host, self->slot);
}

TEST_46_F(lb_test, a_client_of_a_vip)
{
	struct lb_backend backend;

	add_remote_service(self, family, IPPROTO_TCP, 1);
	CHECK(client_connects(self, family));
	backend = first_backend(self);
	CHECK_EQ(backend.stats.sessions, 1);
	CHECK_EQ(backend.stats.packets[ROAM_DIR_OUT], 2);
	CHECK_EQ(backend.stats.packets[ROAM_DIR_IN], 2);
	CHECK_EQ(wire_rows(self), 1);
}

TEST_46_F(lb_test, a_client_of_a_vip_by_udp)
{
	add_remote_service(self, family, IPPROTO_UDP, 1);
	CHECK(client_sends(self, family, IPPROTO_UDP, 0, ROAM_REASON_OPENED));
	CHECK(client_gets(self, family, IPPROTO_UDP, 0));
	CHECK(client_sends(self, family, IPPROTO_UDP, 0, ROAM_REASON_ESTABLISHED));
}

/* RFC 768: 0 says that there is none. */
TEST_F(lb_test, a_datagram_without_checksum_stays_without)
{
	struct packet_spec spec = client_packet(4, IPPROTO_UDP, ROAM_DIR_OUT, 0);
	struct packet packet;

	add_remote_service(self, 4, IPPROTO_UDP, 1);
	packet_build(&spec, &packet);
	packet.bytes[40] = packet.bytes[41] = 0;
	CHECK_EQ(hosts_run(self->host, FRONT_TC, ROAM_DIR_OUT, &packet), ROAM_PASS);
	CHECK_EQ(self->host->after.bytes[40], 0);
	CHECK_EQ(self->host->after.bytes[41], 0);
}

static uint16_t get_word(const struct packet *packet, uint32_t off)
{
	return packet->bytes[off] << 8 | packet->bytes[off + 1];
}

static void put_word(struct packet *packet, uint32_t off, uint16_t word)
{
	packet->bytes[off] = word >> 8;
	packet->bytes[off + 1] = word;
}

static uint16_t add_words(uint16_t a, uint16_t b)
{
	uint32_t sum = a + b;

	return (sum & 0xffff) + (sum >> 16);
}

/* The first word of the payload changes, and the checksum with it. */
static void put_payload(struct packet *packet, uint32_t udp, uint16_t word)
{
	uint16_t change = add_words(word, ~get_word(packet, udp + 8));
	uint16_t sum = ~add_words(~get_word(packet, udp + 6), change);

	put_word(packet, udp + 8, word);
	put_word(packet, udp + 6, sum ? sum : 0xffff);
}

/* What the checksum is while the device has yet to add the rest to it. */
static uint16_t pseudo_sum(const struct packet *packet, int family, uint32_t udp)
{
	uint32_t addrs = family == 4 ? udp - 8 : udp - 32;
	uint16_t sum = add_words(IPPROTO_UDP, get_word(packet, udp + 4));

	for (uint32_t off = addrs; off < udp; off += 2)
		sum = add_words(sum, get_word(packet, off));
	return sum;
}

/* By a payload that makes it so; what it becomes is no other than that of the other addresses. */
static bool is_right_with_sum(struct lb_test *self, int family, uint16_t sum)
{
	struct packet_spec app = client_packet(family, IPPROTO_UDP, ROAM_DIR_OUT, 0);
	struct packet_spec wire;
	uint32_t udp = family == 4 ? 34 : 54;
	struct packet packet, expected;
	uint16_t word;

	app.payload = 20;
	wire = with_remote(app, ROAM_DIR_OUT, backend_addr(family, 0), BACKEND_PORT);
	packet_build(&app, &packet);
	packet_build(&wire, &expected);
	if (!sum)
		sum = pseudo_sum(&packet, family, udp);
	word = add_words(get_word(&packet, udp + 8), add_words(get_word(&packet, udp + 6), ~sum));
	put_payload(&packet, udp, word);
	put_payload(&expected, udp, word);
	return CHECK_EQ(get_word(&packet, udp + 6), sum) &&
	       CHECK_EQ(hosts_run(self->host, FRONT_TC, ROAM_DIR_OUT, &packet), ROAM_PASS) &&
	       CHECK_MEM(self->host->after.bytes, expected.bytes, expected.len);
}

/* That of the pseudo header alone, too, which may be one that is not finished (0: that one). */
TEST_46_F(lb_test, whatever_a_checksum_is)
{
	add_remote_service(self, family, IPPROTO_UDP, 1);
	CHECK(is_right_with_sum(self, family, 0));
	for (uint32_t sum = 1; sum < 0xffff; sum += 771) {
		if (!is_right_with_sum(self, family, sum))
			break;
	}
}

TEST_46_F(lb_test, a_large_frame_is_translated_as_it_is)
{
	struct packet_spec app = client_packet(family, IPPROTO_TCP, ROAM_DIR_OUT, ROAM_TCP_ACK);
	struct packet_spec wire;
	struct packet packet, expected;

	add_remote_service(self, family, IPPROTO_TCP, 1);
	CHECK(client_connects(self, family));
	app.payload = 1800;
	wire = with_remote(app, ROAM_DIR_OUT, backend_addr(family, 0), BACKEND_PORT);
	packet_build(&app, &packet);
	packet_build(&wire, &expected);
	packet.gso_size = 500;
	CHECK_EQ(hosts_run(self->host, FRONT_TC, ROAM_DIR_OUT, &packet), ROAM_PASS);
	CHECK_MEM(self->host->after.bytes, expected.bytes, expected.len);
}

/* Of IPv4, without a tag: a word of NOPs behind the header, whose checksum is right again. */
static void add_options(struct packet *packet)
{
	uint8_t *ip = packet->bytes + 14;
	uint32_t sum = 0;

	memmove(ip + 24, ip + 20, packet->len - 34);
	memset(ip + 20, 1, 4);
	packet->len += 4;
	ip[0]++;
	ip[2] = (packet->len - 14) >> 8;
	ip[3] = packet->len - 14;
	ip[10] = ip[11] = 0;
	for (int i = 0; i < 24; i += 2)
		sum += ip[i] << 8 | ip[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	ip[10] = sum >> 8;
	ip[11] = sum;
}

/* There the ports are not where they are otherwise. */
TEST_F(lb_test, a_packet_with_options_is_translated)
{
	struct packet_spec app = client_packet(4, IPPROTO_TCP, ROAM_DIR_OUT, ROAM_TCP_ACK);
	struct packet_spec wire = with_remote(app, ROAM_DIR_OUT, backend_addr(4, 0), BACKEND_PORT);
	struct packet packet, expected;

	add_remote_service(self, 4, IPPROTO_TCP, 1);
	CHECK(client_connects(self, 4));
	packet_build(&app, &packet);
	packet_build(&wire, &expected);
	add_options(&packet);
	add_options(&expected);
	CHECK_EQ(hosts_run(self->host, FRONT_TC, ROAM_DIR_OUT, &packet), ROAM_PASS);
	CHECK_EQ(self->host->after.len, expected.len);
	CHECK_MEM(self->host->after.bytes, expected.bytes, expected.len);
}

/* What the VM's application has sent a packet to, it may only hear from by the flow. */
TEST_46_F(lb_test, the_backend_alone_answers_and_only_on_the_wire)
{
	struct packet_spec reply = client_packet(family, IPPROTO_TCP, ROAM_DIR_IN,
						 ROAM_TCP_SYN | ROAM_TCP_ACK);
	struct packet_spec other = with_remote(reply, ROAM_DIR_IN, backend_addr(family, 1),
					       BACKEND_PORT);

	add_remote_service(self, family, IPPROTO_TCP, 1);
	CHECK(client_sends(self, family, IPPROTO_TCP, ROAM_TCP_SYN, ROAM_REASON_OPENED));
	CHECK(expect(self, ROAM_DIR_IN, &reply, ROAM_REASON_LB_CLASH));
	CHECK(expect(self, ROAM_DIR_IN, &other, ROAM_REASON_MIDSTREAM));
}

/* The VM is the backend: the packet comes with the VIP as destination. */
static bool backend_gets(struct lb_test *self, int family, uint8_t flags, enum roam_reason reason)
{
	struct packet_spec app = with_local(cast_packet(family, ROAM_DIR_IN, IPPROTO_TCP),
					    ROAM_DIR_IN, cast_vm_addr(family), 80);
	struct packet_spec wire = with_local(app, ROAM_DIR_IN, vip_addr(family), VIP_PORT);

	app.tcp_flags = wire.tcp_flags = flags;
	return expect_as(self, ROAM_DIR_IN, &wire, reason, &app);
}

static bool backend_sends(struct lb_test *self, int family, uint8_t flags)
{
	struct packet_spec app = with_local(cast_packet(family, ROAM_DIR_OUT, IPPROTO_TCP),
					    ROAM_DIR_OUT, cast_vm_addr(family), 80);
	struct packet_spec wire = with_local(app, ROAM_DIR_OUT, vip_addr(family), VIP_PORT);

	app.tcp_flags = wire.tcp_flags = flags;
	return expect_as(self, ROAM_DIR_OUT, &app, ROAM_REASON_ESTABLISHED, &wire);
}

TEST_46_F(lb_test, a_vm_as_backend)
{
	add_service(self, family, IPPROTO_TCP);
	add_backend(self, cast_vm_addr(family), 80);
	CHECK(backend_gets(self, family, ROAM_TCP_SYN, ROAM_REASON_OPENED));
	CHECK(backend_sends(self, family, ROAM_TCP_SYN | ROAM_TCP_ACK));
	CHECK(backend_gets(self, family, ROAM_TCP_ACK, ROAM_REASON_ESTABLISHED));
	CHECK_EQ(first_backend(self).stats.sessions, 1);
	CHECK_EQ(first_backend(self).stats.packets[ROAM_DIR_IN], 2);
}

/* Rules judge what the application gets: port 81 is not admitted, whatever the VIP's. */
TEST_46_F(lb_test, rules_see_the_backends_port)
{
	struct packet_spec spec = with_local(cast_packet(family, ROAM_DIR_IN, IPPROTO_TCP),
					     ROAM_DIR_IN, vip_addr(family), VIP_PORT);

	spec.tcp_flags = ROAM_TCP_SYN;
	add_service(self, family, IPPROTO_TCP);
	add_backend(self, cast_vm_addr(family), 81);
	CHECK(expect(self, ROAM_DIR_IN, &spec, ROAM_REASON_ACL_DEFAULT));
}

TEST_46_F(lb_test, a_vip_is_not_local_to_a_vm_that_is_no_backend)
{
	struct packet_spec spec = with_local(cast_packet(family, ROAM_DIR_IN, IPPROTO_TCP),
					     ROAM_DIR_IN, vip_addr(family), VIP_PORT);

	spec.tcp_flags = ROAM_TCP_SYN;
	add_remote_service(self, family, IPPROTO_TCP, 1);
	CHECK(expect(self, ROAM_DIR_IN, &spec, ROAM_REASON_NOT_LOCAL));
}

/* One client port to the VIP and to the backend itself: the application could not tell them. */
TEST_46_F(lb_test, the_same_client_directly_and_by_the_vip)
{
	struct packet_spec direct = with_local(cast_packet(family, ROAM_DIR_IN, IPPROTO_TCP),
					       ROAM_DIR_IN, cast_vm_addr(family), 80);

	direct.tcp_flags = ROAM_TCP_SYN;
	add_service(self, family, IPPROTO_TCP);
	add_backend(self, cast_vm_addr(family), 80);
	CHECK(backend_gets(self, family, ROAM_TCP_SYN, ROAM_REASON_OPENED));
	CHECK(expect(self, ROAM_DIR_IN, &direct, ROAM_REASON_LB_CLASH));
}

TEST_46_F(lb_test, without_a_backend_nothing_opens)
{
	struct packet_spec spec = client_packet(family, IPPROTO_TCP, ROAM_DIR_OUT, ROAM_TCP_SYN);

	add_service(self, family, IPPROTO_TCP);
	CHECK(expect(self, ROAM_DIR_OUT, &spec, ROAM_REASON_LB_NO_BACKEND));
}

TEST_46_F(lb_test, a_draining_backend_keeps_its_sessions)
{
	struct packet_spec spec = client_packet(family, IPPROTO_TCP, ROAM_DIR_OUT, ROAM_TCP_SYN);
	struct roam_addr addr = backend_addr(family, 0);

	add_remote_service(self, family, IPPROTO_TCP, 1);
	CHECK(client_connects(self, family));
	CHECK_OK(lb_backend_set(self->host->host, "web", &addr, ROAM_LB_DRAINING));
	CHECK(client_sends(self, family, IPPROTO_TCP, ROAM_TCP_ACK, ROAM_REASON_ESTABLISHED));
	CHECK(client_gets(self, family, IPPROTO_TCP, ROAM_TCP_ACK));
	spec.sport++;
	CHECK(expect(self, ROAM_DIR_OUT, &spec, ROAM_REASON_LB_NO_BACKEND));
	CHECK_OK(lb_backend_set(self->host->host, "web", &addr, ROAM_LB_ACTIVE));
	CHECK(expect(self, ROAM_DIR_OUT, &spec, ROAM_REASON_OPENED));
}

/* The last byte of the address that a SYN or an ACK of this port went to. */
static int where_to(struct lb_test *self, int family, uint16_t sport, uint8_t flags,
		    enum roam_reason reason)
{
	struct packet_spec spec = client_packet(family, IPPROTO_TCP, ROAM_DIR_OUT, flags);

	spec.sport = sport;
	if (!expect(self, ROAM_DIR_OUT, &spec, reason))
		return -1;
	return self->host->after.bytes[14 + (family == 4 ? 19 : 39)];
}

#define SESSIONS 24

TEST_46_F(lb_test, sessions_stay_when_the_set_changes)
{
	struct roam_addr gone = backend_addr(family, 1);
	int before[SESSIONS], used[256] = {};

	add_remote_service(self, family, IPPROTO_TCP, 4);
	for (int i = 0; i < SESSIONS; i++) {
		before[i] = where_to(self, family, 2000 + i, ROAM_TCP_SYN, ROAM_REASON_OPENED);
		if (before[i] < 0)
			return;
		used[before[i]]++;
	}
	for (int i = 0; i < 4; i++)
		CHECK_OP(used[backend_addr(family, i).bytes[15]], >, 0);
	add_backend(self, backend_addr(family, 9), BACKEND_PORT);
	CHECK_OK(lb_backend_del(self->host->host, "web", &gone));
	for (int i = 0; i < SESSIONS; i++)
		CHECK_EQ(where_to(self, family, 2000 + i, ROAM_TCP_SYN, ROAM_REASON_ESTABLISHED),
			 before[i]);
	for (int i = 0; i < SESSIONS; i++)
		CHECK_NE(where_to(self, family, 3000 + i, ROAM_TCP_SYN, ROAM_REASON_OPENED),
			 gone.bytes[15]);
}

/* A direct connection with the tuple that the translated one would have on the wire. */
TEST_46_F(lb_test, a_tuple_that_is_taken)
{
	struct packet_spec app = client_packet(family, IPPROTO_TCP, ROAM_DIR_OUT, ROAM_TCP_SYN);
	struct packet_spec direct = with_remote(app, ROAM_DIR_OUT, backend_addr(family, 0),
						BACKEND_PORT);

	add_remote_service(self, family, IPPROTO_TCP, 1);
	CHECK(expect_as(self, ROAM_DIR_OUT, &direct, ROAM_REASON_OPENED, &direct));
	CHECK(expect(self, ROAM_DIR_OUT, &app, ROAM_REASON_LB_CLASH));
	self->host->now_ns += 121 * NS_PER_S; /* that one is over */
	CHECK(client_sends(self, family, IPPROTO_TCP, ROAM_TCP_SYN, ROAM_REASON_OPENED));
	CHECK(expect(self, ROAM_DIR_OUT, &direct, ROAM_REASON_LB_CLASH));
	self->host->now_ns += 121 * NS_PER_S;
	CHECK(expect_as(self, ROAM_DIR_OUT, &direct, ROAM_REASON_OPENED, &direct));
	CHECK_EQ(wire_rows(self), 0);
}

TEST_46_F(lb_test, another_backend_where_the_tuple_is_taken)
{
	int open = 0;

	add_remote_service(self, family, IPPROTO_TCP, 2);
	for (int i = 0; i < SESSIONS; i++) {
		struct packet_spec app = client_packet(family, IPPROTO_TCP, ROAM_DIR_OUT,
						       ROAM_TCP_SYN);
		struct packet_spec direct = with_remote(app, ROAM_DIR_OUT, backend_addr(family, 0),
							BACKEND_PORT);
		struct packet packet;

		direct.sport = app.sport = 2000 + i;
		CHECK(expect(self, ROAM_DIR_OUT, &direct, ROAM_REASON_OPENED));
		packet_build(&app, &packet);
		if (hosts_run(self->host, FRONT_TC, ROAM_DIR_OUT, &packet) != ROAM_PASS)
			continue; /* it was picked each time */
		open++;
		CHECK_EQ(self->host->after.bytes[14 + (family == 4 ? 19 : 39)],
			 backend_addr(family, 1).bytes[15]);
	}
	CHECK_OP(open, >, SESSIONS * 3 / 4);
}

/* ---- a VM that gets itself ---- */

static struct packet_spec turned(struct packet_spec spec)
{
	uint8_t mac[ROAM_MAC_LEN];

	memcpy(mac, spec.smac, sizeof(mac));
	memcpy(spec.smac, spec.dmac, sizeof(mac));
	memcpy(spec.dmac, mac, sizeof(mac));
	return spec;
}

/* Out of the VM as `sent`, back to it as `got`, and in. */
static bool goes_round(struct lb_test *self, const struct packet_spec *sent,
		       enum roam_reason reason, const struct packet_spec *got,
		       enum roam_reason got_reason)
{
	return expect_as(self, ROAM_DIR_OUT, sent, reason, got) && CHECK(self->host->turned_back) &&
	       expect_as(self, ROAM_DIR_IN, got, got_reason, got);
}

TEST_46_F(lb_test, a_vm_that_gets_itself)
{
	struct packet_spec ask = client_packet(family, IPPROTO_TCP, ROAM_DIR_OUT, ROAM_TCP_SYN);
	struct packet_spec asked = turned(ask), reply, replied;

	asked.src = vip_addr(family);
	asked.dst = cast_vm_addr(family);
	asked.dport = 80;
	reply = turned(asked);
	reply.src = asked.dst;
	reply.dst = asked.src;
	reply.sport = asked.dport;
	reply.dport = asked.sport;
	reply.tcp_flags = ROAM_TCP_SYN | ROAM_TCP_ACK;
	replied = turned(reply);
	replied.src = vip_addr(family);
	replied.sport = VIP_PORT;
	replied.dst = cast_vm_addr(family);
	add_service(self, family, IPPROTO_TCP);
	add_backend(self, cast_vm_addr(family), 80);
	CHECK(goes_round(self, &ask, ROAM_REASON_OPENED, &asked, ROAM_REASON_OPENED));
	CHECK(goes_round(self, &reply, ROAM_REASON_ESTABLISHED, &replied, ROAM_REASON_ESTABLISHED));
	ask.tcp_flags = asked.tcp_flags = ROAM_TCP_ACK;
	CHECK(goes_round(self, &ask, ROAM_REASON_ESTABLISHED, &asked, ROAM_REASON_ESTABLISHED));
	CHECK_EQ(first_backend(self).stats.sessions, 1);
}

/* ---- where flows die ---- */

TEST_F(lb_test, second_keys_go_with_their_flows)
{
	uint64_t count;

	add_remote_service(self, 4, IPPROTO_TCP, 1);
	CHECK(client_connects(self, 4));
	CHECK_EQ(wire_rows(self), 1);
	CHECK_OK(ct_flush(self->host->host, self->slot, &count));
	CHECK_EQ(count, 1);
	CHECK_EQ(wire_rows(self), 0);
}

/* Half-open flows past their time make room for others, with their second keys. */
TEST_F(lb_test, second_keys_go_where_rows_are_replaced)
{
	add_remote_service(self, 4, IPPROTO_TCP, 1);
	for (int i = 0; i < ROAM_QUOTA_MIN * 3; i++) {
		self->host->now_ns += 121 * NS_PER_S / ROAM_QUOTA_MIN * 2;
		where_to(self, 4, 2000 + i, ROAM_TCP_SYN, ROAM_REASON_OPENED);
	}
	CHECK_OP(wire_rows(self), <=, ROAM_QUOTA_MIN);
}

TEST_F(lb_test, what_is_replaced_leaves_no_second_key)
{
	add_remote_service(self, 4, IPPROTO_TCP, 1);
	for (int i = 0; i < ROAM_QUOTA_MIN; i++)
		where_to(self, 4, 2000 + i, ROAM_TCP_SYN, ROAM_REASON_OPENED);
	for (int i = 0; i < ROAM_QUOTA_MIN * 4; i++)
		where_to(self, 4, 3000 + i, ROAM_TCP_SYN, ROAM_REASON_CT_REPLACED);
	CHECK_EQ(wire_rows(self), ROAM_QUOTA_MIN);
}

TEST_46_F(lb_test, sessions_outlive_a_new_quota)
{
	struct roam_vm vm;

	self->host->now_ns = now_ns(); /* what has expired by the host's clock stays behind */
	add_remote_service(self, family, IPPROTO_TCP, 1);
	CHECK(client_connects(self, family));
	CHECK_OK(vm_get(self->host->host, self->slot, &vm));
	vm.quota_flows = 1000;
	CHECK_OK(vm_set(self->host->host, self->slot, &vm));
	CHECK_EQ(wire_rows(self), 1);
	CHECK(client_gets(self, family, IPPROTO_TCP, ROAM_TCP_ACK));
	CHECK(client_sends(self, family, IPPROTO_TCP, ROAM_TCP_ACK, ROAM_REASON_ESTABLISHED));
}

TEST_46_F(lb_test, off_ends_sessions_and_nothing_else)
{
	struct packet_spec plain = cast_tcp(family, ROAM_DIR_OUT, ROAM_TCP_SYN);
	struct packet_spec app = client_packet(family, IPPROTO_TCP, ROAM_DIR_OUT, ROAM_TCP_ACK);
	struct roam_vm vm;

	add_remote_service(self, family, IPPROTO_TCP, 1);
	CHECK(client_connects(self, family));
	CHECK(expect(self, ROAM_DIR_OUT, &plain, ROAM_REASON_OPENED));
	CHECK_OK(lb_use(self->host->host, self->slot, false));
	CHECK_OK(vm_get(self->host->host, self->slot, &vm));
	CHECK_EQ(vm.features & ROAM_VM_LB, 0);
	CHECK(expect(self, ROAM_DIR_OUT, &app, ROAM_REASON_MIDSTREAM));
	CHECK(expect(self, ROAM_DIR_OUT, &plain, ROAM_REASON_ESTABLISHED));
}

/* XDP cannot tell whether a checksum is whole. */
TEST_46_F(lb_test, nothing_is_translated_behind_xdp)
{
	struct packet_spec spec = client_packet(family, IPPROTO_TCP, ROAM_DIR_OUT, ROAM_TCP_SYN);
	struct packet packet;

	add_remote_service(self, family, IPPROTO_TCP, 1);
	packet_build(&spec, &packet);
	CHECK_EQ(hosts_run(self->host, FRONT_XDP, ROAM_DIR_OUT, &packet), ROAM_DROP);
	CHECK(client_connects(self, family));
	CHECK_EQ(hosts_run(self->host, FRONT_XDP, ROAM_DIR_OUT, &packet), ROAM_DROP);
}
