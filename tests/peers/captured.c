// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Connection tracking against the kernel's, as conntrack.c, of captured traffic: connections of two
 * real TCP stacks over a wire that loses, doubles and holds back frames (capture.py). Every frame
 * goes through nf_conntrack and through roam's programs, and both must say the same of it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <netinet/tcp.h>
#include "cast.h"
#include "harness.h"
#include "kernel.h"

#define SECONDS      5 /* of traffic */
#define CONNECTIONS  65536
#define FRAMES_LEAST 500
#define TRAIL        8192 /* frames that are remembered */
#define TOLD         20   /* of one connection, when the two differ */

enum { FIN = ROAM_TCP_FIN, SYN = ROAM_TCP_SYN, ACK = ROAM_TCP_ACK, RST = ROAM_TCP_RST };

/*
 * By both ports and the family. From where docs/conntrack.md has the two part, a connection is not
 * compared any more: behind a RST (rst_in_handshake and the like), from it on if both ends have
 * opened (rst_crossed), and from a SYN on after a FIN that was sent again (fin_twice).
 */
struct connection {
	uint16_t ports[2]; /* the VM's, the peer's */
	uint8_t family;
	bool syn[ROAM_DIR_COUNT]; /* without ACK */
	bool fin[ROAM_DIR_COUNT];
	uint32_t fin_seq[ROAM_DIR_COUNT]; /* the FIN's own number, behind its data */
	bool fin_twice;
	bool parted;
};

/* What is compared of a frame. */
struct segment {
	enum roam_dir dir;
	struct tcphdr tcp;
	uint8_t flags;
	uint32_t len; /* of the data */
	struct connection *connection;
	enum kernel_state kernel;
	bool passed;
};

struct captured {
	struct fixture fixture;
	struct fixture_vm vm;
	struct kernel kernel;
	struct connection connections[CONNECTIONS];
	uint32_t count;
	uint64_t compared, dropped;
	struct segment trail[TRAIL];
	uint32_t told; /* of them, in all */
	FILE *file;
};

static void capture(struct captured *self)
{
	char path[] = "/tmp/roam-capture.XXXXXX", command[512];
	int fd = mkstemp(path);

	if (fd < 0) { /* clang-tidy does not see through CHECK_OP() */
		CHECK_OP(fd, >=, 0);
		return;
	}
	snprintf(command, sizeof(command), "unshare -n python3 -S '%.*s/capture.py' %s %llu %u",
		 (int)(strrchr(__FILE__, '/') - __FILE__), __FILE__, path,
		 (unsigned long long)harness_seed(), harness_rounds(SECONDS));
	CHECK_EQ(system(command), 0); /* NOLINT(cert-env33-c) */
	self->file = fdopen(fd, "r");
	unlink(path);
}

static void captured_setup(struct captured *self)
{
	const char *lacks = kernel_lacks();

	if (!lacks && system("ethtool --version >/dev/null 2>&1")) /* NOLINT(cert-env33-c) */
		lacks = "no ethtool";
	if (lacks) {
		skip("%s", lacks);
		return;
	}
	capture(self);
	kernel_open(&self->kernel);
	kernel_set_loose(false);
	self->vm = cast_vm();
	self->vm.conf.default_action[ROAM_DIR_IN] = ROAM_ACTION_ALLOW;
	self->vm.quota_flows = self->vm.quota_half = 65536;
	fixture_open(&self->fixture);
	fixture_make_vm(&self->fixture, &self->vm);
}

static void captured_teardown(struct captured *self)
{
	if (!self->fixture.skel)
		return;
	fixture_close(&self->fixture);
	kernel_close(&self->kernel);
	if (self->file)
		fclose(self->file);
}

static bool next_frame(struct captured *self, struct packet *packet)
{
	uint8_t len[2];

	packet->gso_size = 0;
	if (fread(len, sizeof(len), 1, self->file) != 1)
		return false;
	packet->len = len[0] | len[1] << 8;
	return CHECK_OP(packet->len, <=, sizeof(packet->bytes)) &&
	       fread(packet->bytes, packet->len, 1, self->file) == 1;
}

static struct connection *find(struct captured *self, uint8_t family, const uint16_t ports[2])
{
	struct connection *connection = self->connections;

	for (uint32_t i = 0; i < self->count; i++, connection++) {
		if (connection->family == family && connection->ports[0] == ports[0] &&
		    connection->ports[1] == ports[1])
			return connection;
	}
	if (!CHECK_OP(self->count, <, CONNECTIONS))
		return NULL;
	self->count++;
	*connection = (struct connection){ .ports = { ports[0], ports[1] }, .family = family };
	return connection;
}

/* A short frame is padded. */
static uint32_t ip_len(const struct packet *packet)
{
	const uint8_t *ip = packet->bytes + 14;

	return ip[0] >> 4 == 4 ? ip[2] << 8 | ip[3] : 40 + (ip[4] << 8 | ip[5]);
}

static struct segment read_segment(struct captured *self, const struct packet *packet)
{
	bool ipv4 = packet->bytes[14] >> 4 == 4;
	bool out = !memcmp(packet->bytes + ROAM_MAC_LEN, cast_vm_mac, ROAM_MAC_LEN);
	struct segment segment = { .dir = out ? ROAM_DIR_OUT : ROAM_DIR_IN };
	uint32_t header = ipv4 ? 20 : 40;
	uint16_t ports[2];

	memcpy(&segment.tcp, packet->bytes + 14 + header, sizeof(segment.tcp));
	segment.flags = ((uint8_t *)&segment.tcp)[13];
	segment.len = ip_len(packet) - header - segment.tcp.doff * 4;
	ports[0] = ntohs(out ? segment.tcp.source : segment.tcp.dest);
	ports[1] = ntohs(out ? segment.tcp.dest : segment.tcp.source);
	segment.connection = find(self, ipv4 ? 4 : 6, ports);
	return segment;
}

/* Whether the two may part at this segment, before or behind it. */
static bool parts_before(const struct segment *segment)
{
	const struct connection *connection = segment->connection;

	if (segment->flags & RST)
		return connection->syn[ROAM_DIR_IN] && connection->syn[ROAM_DIR_OUT];
	return segment->flags & SYN && connection->fin_twice;
}

static void note_end(const struct segment *segment)
{
	struct connection *connection = segment->connection;
	enum roam_dir dir = segment->dir;
	uint32_t seq = ntohl(segment->tcp.seq) + segment->len;

	connection->parted |= !!(segment->flags & RST);
	connection->syn[dir] |= (segment->flags & (SYN | ACK)) == SYN;
	if (!(segment->flags & FIN))
		return;
	/* It may be sent again with other data, or without. */
	connection->fin_twice |= connection->fin[dir] && connection->fin_seq[dir] == seq;
	connection->fin[dir] = true;
	connection->fin_seq[dir] = seq;
}

static void tell(const struct segment *segment)
{
	static const char *const says[] = { "nothing", "invalid", "new", "established" };

	note("%s flags %x seq %u ack %u window %u: nf_conntrack %s, roam %s",
	     segment->dir == ROAM_DIR_OUT ? ">" : "<", segment->flags, ntohl(segment->tcp.seq),
	     ntohl(segment->tcp.ack_seq), ntohs(segment->tcp.window), says[segment->kernel],
	     segment->passed ? "passes" : "drops");
}

/* The connection up to where the two differ. */
static void tell_all(const struct captured *self, const struct connection *connection)
{
	uint32_t first = self->told < TRAIL ? 0 : self->told - TRAIL, count = 0;

	note("IPv%u, the VM's port %u, the peer's %u", connection->family, connection->ports[0],
	     connection->ports[1]);
	for (uint32_t i = first; i < self->told; i++)
		count += self->trail[i % TRAIL].connection == connection;
	for (uint32_t i = first; i < self->told; i++) {
		const struct segment *segment = &self->trail[i % TRAIL];

		if (segment->connection == connection && count-- <= TOLD)
			tell(segment);
	}
}

static bool compare(struct captured *self, const struct packet *packet)
{
	struct segment segment = read_segment(self, packet);

	if (!segment.connection)
		return false;
	self->fixture.now_ns += 1000;
	segment.kernel = kernel_run(&self->kernel, segment.dir, packet);
	segment.passed = fixture_run(&self->fixture, FRONT_TC, segment.dir, packet) == ROAM_PASS;
	self->trail[self->told++ % TRAIL] = segment;
	segment.connection->parted |= parts_before(&segment);
	if (segment.connection->parted)
		return true;
	self->compared++;
	self->dropped += !segment.passed;
	note_end(&segment);
	if (CHECK_EQ(segment.passed, segment.kernel != KERNEL_INVALID))
		return true;
	tell_all(self, segment.connection);
	return false;
}

TEST_F(captured, as_nf_conntrack)
{
	struct packet packet;
	uint64_t frames = 0;

	if (!self->file)
		return;
	while (!harness_stopped() && next_frame(self, &packet) && compare(self, &packet))
		frames++;
	note("%llu frames of %u pairs of ports, %llu compared, %llu of them dropped",
	     (unsigned long long)frames, self->count, (unsigned long long)self->compared,
	     (unsigned long long)self->dropped);
	CHECK_OP(self->compared, >=, FRAMES_LEAST);
}
