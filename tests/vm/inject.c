// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Has the programs of a host judge packets as if they came through a port, by BPF_PROG_TEST_RUN on
 * the pinned programs: flows and counters change as they would. For guests, where no peer is.
 *
 *   inject BPFFS DEV MAC < PACKETS
 *
 * A packet is a line: in|out tcp|udp SRC SPORT DST DPORT [FLAGS of SAFRP]. Prints it with its
 * verdict.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf.h>
#include "packet.h"

static const uint8_t remote_mac[ROAM_MAC_LEN] = { 0x52, 0x54, 0, 0, 0, 1 };

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint8_t tcp_flags(const char *letters)
{
	static const struct {
		char letter;
		uint8_t flag;
	} flags[] = { { 'S', ROAM_TCP_SYN },
		      { 'A', ROAM_TCP_ACK },
		      { 'F', ROAM_TCP_FIN },
		      { 'R', ROAM_TCP_RST },
		      { 'P', ROAM_TCP_PSH } };
	uint8_t value = 0;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (strchr(letters, flags[i].letter))
			value |= flags[i].flag;
	}
	return value;
}

/* Returns whether the line is a packet. */
static int parse_line(const char *line, const uint8_t *mac, struct packet_spec *ret_spec)
{
	char dir[4], proto[4], src[64], dst[64], letters[8] = "";
	struct packet_spec spec = {};

	if (sscanf(line, "%3s %3s %63s %hu %63s %hu %7s", dir, proto, src, &spec.sport, dst,
		   &spec.dport, letters) < 6)
		return 0;
	spec.src = packet_addr(src);
	spec.dst = packet_addr(dst);
	spec.proto = strcmp(proto, "udp") ? IPPROTO_TCP : IPPROTO_UDP;
	spec.tcp_flags = tcp_flags(letters);
	spec.payload = strchr(letters, 'P') || spec.proto == IPPROTO_UDP ? 100 : 0;
	memcpy(strcmp(dir, "in") ? spec.smac : spec.dmac, mac, ROAM_MAC_LEN);
	memcpy(strcmp(dir, "in") ? spec.dmac : spec.smac, remote_mac, ROAM_MAC_LEN);
	*ret_spec = spec;
	return 1;
}

static int open_program(const char *bpffs, const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/progs/%s", bpffs, name);
	fd = bpf_obj_get(path);
	must(fd >= 0, path);
	return fd;
}

int main(int argc, char **argv)
{
	struct __sk_buff skb = {};
	uint8_t mac[ROAM_MAC_LEN];
	char line[256];
	int in_fd, out_fd;

	if (argc != 4 || sscanf(argv[3], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2],
				&mac[3], &mac[4], &mac[5]) != ROAM_MAC_LEN) {
		fprintf(stderr, "usage: inject BPFFS DEV MAC < PACKETS\n");
		return 2;
	}
	in_fd = open_program(argv[1], "tc_in");
	out_fd = open_program(argv[1], "tc_out");
	skb.ifindex = if_nametoindex(argv[2]);
	must(skb.ifindex != 0, argv[2]);
	while (fgets(line, sizeof(line), stdin)) {
		struct packet_spec spec;
		struct packet packet;
		LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &skb, .ctx_size_in = sizeof(skb),
			    .data_in = packet.bytes);

		if (!parse_line(line, mac, &spec))
			continue;
		packet_build(&spec, &packet);
		opts.data_size_in = packet.len;
		must(!bpf_prog_test_run_opts(strncmp(line, "in", 2) ? out_fd : in_fd, &opts),
		     "running a packet");
		line[strcspn(line, "\n")] = '\0';
		printf("%s %s\n", line, (int)opts.retval == TC_ACT_UNSPEC ? "pass" : "drop");
	}
	return 0;
}
