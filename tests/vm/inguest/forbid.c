// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What a VM must not be able to send, for tests/vm/migrate.py: TCP segments with a stranger's
 * address, with another MAC, to a port that no rule allows, and in the middle of a connection that
 * does not exist; IPv4 and IPv6 in turn, for ever. All carry the mark of tools/demo.d/forbidden.py,
 * which counts what arrives.
 *
 *   forbid DEV
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAUSE_US 20000
static const char mark[] = "roam-forbidden";
static const unsigned char vm_mac[] = { 0x52, 0x54, 0, 0x77, 0, 0x10 };
static const unsigned char other_mac[] = { 0x52, 0x54, 0, 0x77, 0, 0x99 };
static const unsigned char client_mac[] = { 0x52, 0x54, 0, 0x77, 1, 0 };

static const struct kind {
	bool stranger;  /* an address that is not the VM's */
	bool other_mac; /* nor is that */
	unsigned short dport;
	bool midstream;
} kinds[] = {
	{ .stranger = true, .dport = 8443 },
	{ .other_mac = true, .dport = 8443 },
	{ .dport = 25 },
	{ .dport = 8443, .midstream = true },
};

struct segment {
	struct tcphdr tcp;
	char mark[sizeof(mark) - 1];
} __attribute__((packed));

static unsigned sum(const void *bytes, size_t len, unsigned from)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < len; i++) /* a header begins with bit fields, which are all set: */
		/* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign) */
		from += i % 2 ? at[i] : at[i] << 8;
	return from;
}

static unsigned short fold(unsigned sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum & 0xffff);
}

static struct segment segment(const struct kind *kind, unsigned number)
{
	struct segment seg = {
		.tcp = {
			.source = htons(61000 + number % 4000),
			.dest = htons(kind->dport),
			.seq = htonl(number * 7919),
			.ack_seq = htonl(1),
			.doff = 5,
			.syn = !kind->midstream,
			.psh = kind->midstream,
			.ack = kind->midstream,
			.window = htons(8192),
		},
	};

	memcpy(seg.mark, mark, sizeof(seg.mark));
	return seg;
}

/* The packet behind the Ethernet header; the value is its length. */
static size_t packet4(const struct kind *kind, unsigned number, unsigned char *to)
{
	struct segment seg = segment(kind, number);
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.tot_len = htons(sizeof(ip) + sizeof(seg)),
		.ttl = 64,
		.protocol = IPPROTO_TCP,
		.saddr = inet_addr(kind->stranger ? "10.77.0.66" : "10.77.0.10"),
		.daddr = inet_addr("10.77.0.100"),
	};

	ip.check = fold(sum(&ip, sizeof(ip), 0));
	seg.tcp.check = fold(sum(&seg, sizeof(seg), sum(&ip.saddr, 8, IPPROTO_TCP + sizeof(seg))));
	memcpy(to, &ip, sizeof(ip));
	memcpy(to + sizeof(ip), &seg, sizeof(seg));
	return sizeof(ip) + sizeof(seg);
}

static size_t packet6(const struct kind *kind, unsigned number, unsigned char *to)
{
	struct segment seg = segment(kind, number);
	struct ip6_hdr ip = { .ip6_flow = htonl(6U << 28),
			      .ip6_plen = htons(sizeof(seg)),
			      .ip6_nxt = IPPROTO_TCP,
			      .ip6_hlim = 64 };

	inet_pton(AF_INET6, kind->stranger ? "fd77::66" : "fd77::10", &ip.ip6_src);
	inet_pton(AF_INET6, "fd77::100", &ip.ip6_dst);
	seg.tcp.check =
		fold(sum(&seg, sizeof(seg), sum(&ip.ip6_src, 32, IPPROTO_TCP + sizeof(seg))));
	memcpy(to, &ip, sizeof(ip));
	memcpy(to + sizeof(ip), &seg, sizeof(seg));
	return sizeof(ip) + sizeof(seg);
}

int main(int argc, char **argv)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET };
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	to.sll_ifindex = argc == 2 ? if_nametoindex(argv[1]) : 0;
	if (fd < 0 || !to.sll_ifindex) {
		fprintf(stderr, "forbid: no packet socket, or no device\n");
		return 1;
	}
	for (unsigned number = 0;; number++) {
		const struct kind *kind = &kinds[number / 2 % 4];
		unsigned char frame[128];
		size_t len;

		memcpy(frame, client_mac, 6);
		memcpy(frame + 6, kind->other_mac ? other_mac : vm_mac, 6);
		frame[12] = number % 2 ? 0x86 : 0x08;
		frame[13] = number % 2 ? 0xdd : 0x00;
		len = number % 2 ? packet6(kind, number, frame + 14)
				 : packet4(kind, number, frame + 14);
		sendto(fd, frame, 14 + len, 0, (struct sockaddr *)&to, sizeof(to));
		usleep(PAUSE_US);
	}
}
