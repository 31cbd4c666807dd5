// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Puts frames into a device as if they had come in there (BPF_F_TEST_XDP_LIVE_FRAMES), as fast as
 * the kernel takes them through all that is behind the device. For tools/bench/packets.py, and for
 * tests/e2e/flood.sh.
 *
 *   blast DEV 4|6 in|out same|new|vip|syn COUNT [decile|median]
 *
 * UDP between the client and the VM of world.py: all of one flow, each of another (IPv4 only), or
 * all of one through the VIP of balance.py. `syn`: openings of TCP to the VM's port 443, each with
 * another forged source.
 * Prints nanoseconds a packet: the mean; with `decile` or `median` that one of the means of all
 * batches of 64, each shorter than a time slice, so that other work on the machine counts for less.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <linux/bpf.h>
#include <bpf/bpf.h>
#include "packet.h"
#include "programs.skel.h"

#define FRAME_LEN  128
#define BATCH      64 /* both as in programs.bpf.c */
#define BATCHES    4096
#define UDP_SPORT4 34 /* offsets in an untagged frame */
#define UDP_CSUM4  40
#define IP_SADDR4  26
#define IP_SADDR6  22
#define TCP4       34
#define TCP6       54
#define TCP_SEQ    4

static const uint8_t vm_mac[] = { 0x52, 0x54, 0, 0, 0, 0x10 };
static const uint8_t client_mac[] = { 0x52, 0x54, 0, 0, 0, 0xc1 };

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "blast: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void make_frame(int family, int out, int vip, struct packet *packet)
{
	struct roam_addr vm = packet_addr(family == 4 ? "10.9.0.10" : "fd09::10");
	struct roam_addr client = packet_addr(family == 4 ? "10.9.0.1" : "fd09::1");
	struct packet_spec spec = {
		.src = out ? vm : client,
		.dst = out ? client : vm,
		.proto = IPPROTO_UDP,
		.sport = out ? 5300 : 4000,
		.dport = out ? 4000 : 5300,
		.payload = FRAME_LEN - (family == 4 ? 42 : 62),
	};

	if (vip && !out) {
		spec.dst = packet_addr(family == 4 ? "198.51.100.9" : "2001:db8:99::9");
		spec.dport = 80;
	}
	memcpy(spec.smac, out ? vm_mac : client_mac, ROAM_MAC_LEN);
	memcpy(spec.dmac, out ? client_mac : vm_mac, ROAM_MAC_LEN);
	packet_build(&spec, packet);
}

/* The second word of a pair is such that the sum of both is that of the frame. */
static void vary_pair(struct programs *skel, int i, uint32_t up, uint32_t down)
{
	skel->bss->blast_pair_off[i][0] = up;
	skel->bss->blast_pair_off[i][1] = down;
	skel->bss->blast_pair[i][0] = skel->bss->blast_frame[up] << 8 |
				      skel->bss->blast_frame[up + 1];
	skel->bss->blast_pair[i][1] = skel->bss->blast_frame[down] << 8 |
				      skel->bss->blast_frame[down + 1];
}

/* Behind it, up to FRAME_LEN, is nothing of IP's. */
static void make_syn(int family, struct packet *packet)
{
	struct packet_spec spec = {
		.src = packet_addr(family == 4 ? "100.64.0.0" : "2001:db8:66::"),
		.dst = packet_addr(family == 4 ? "10.9.0.10" : "fd09::10"),
		.proto = IPPROTO_TCP,
		.tcp_flags = ROAM_TCP_SYN,
		.sport = 1024,
		.dport = 443,
	};

	memset(packet, 0, sizeof(*packet));
	memcpy(spec.smac, client_mac, ROAM_MAC_LEN);
	memcpy(spec.dmac, vm_mac, ROAM_MAC_LEN);
	packet_build(&spec, packet);
}

/*
 * Another source address and port for each frame; the port's other end is in the sequence number.
 * IPv4's address goes all over: what IP takes for no source, the VM does not answer.
 */
static void vary_source(struct programs *skel, int family)
{
	uint32_t saddr = family == 4 ? IP_SADDR4 : IP_SADDR6 + 8;
	uint32_t tcp = family == 4 ? TCP4 : TCP6;

	vary_pair(skel, 0, saddr + 2, family == 4 ? saddr : saddr + 4);
	vary_pair(skel, 1, tcp, tcp + TCP_SEQ);
}

/* Without checksums that another port or address would make wrong. */
static void vary(struct programs *skel)
{
	skel->bss->blast_port_off = UDP_SPORT4;
	skel->bss->blast_addr_off = IP_SADDR4 + 2;
	memset((void *)&skel->bss->blast_frame[UDP_CSUM4], 0, 2);
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* Nanoseconds a packet. */
static double send_frames(const struct programs *skel, struct bpf_test_run_opts *opts)
{
	double begin = now_s();

	must(!bpf_prog_test_run_opts(bpf_program__fd(skel->progs.bench_blast), opts), "sending");
	return (now_s() - begin) * 1e9 / opts->repeat;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Of the times between the beginnings of batches: the one below which `part` of all are. */
static double quantile(const struct programs *skel, int count, double part)
{
	static double ns[BATCHES];
	int batches = count / BATCH - 1;

	must(batches > 10 && batches < BATCHES, "COUNT for decile and median");
	for (int i = 0; i < batches; i++)
		ns[i] = skel->bss->blast_begin_ns[i + 1] - skel->bss->blast_begin_ns[i];
	qsort(ns, batches, sizeof(*ns), compare);
	return ns[(int)(batches * part)] / BATCH;
}

int main(int argc, char **argv)
{
	struct xdp_md ctx = {};
	struct packet packet;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet.bytes, .data_size_in = FRAME_LEN,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
		    .batch_size = BATCH);
	struct programs *skel = programs__open_and_load();
	double mean;

	must(argc == 6 || argc == 7,
	     "usage: blast DEV 4|6 in|out same|new|vip|syn COUNT [decile|median]");
	must(skel != NULL, "loading the program");
	make_frame(atoi(argv[2]), !strcmp(argv[3], "out"), !strcmp(argv[4], "vip"), &packet);
	must(packet.len == FRAME_LEN, "the frame");
	if (!strcmp(argv[4], "syn"))
		make_syn(atoi(argv[2]), &packet);
	memcpy((void *)skel->bss->blast_frame, packet.bytes, FRAME_LEN);
	if (!strcmp(argv[4], "new"))
		vary(skel);
	if (!strcmp(argv[4], "syn"))
		vary_source(skel, atoi(argv[2]));
	ctx.ingress_ifindex = if_nametoindex(argv[1]);
	ctx.data_end = FRAME_LEN;
	must(ctx.ingress_ifindex, argv[1]);
	opts.repeat = atoi(argv[5]);
	mean = send_frames(skel, &opts);
	if (argc == 7)
		mean = quantile(skel, opts.repeat, strcmp(argv[6], "median") ? 0.1 : 0.5);
	printf("%.1f\n", mean);
	programs__destroy(skel);
	return 0;
}
