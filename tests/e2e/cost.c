// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What a packet costs on one host against another, for thousand.sh: the pinned program of either is
 * run by BPF_PROG_TEST_RUN over the same packet of an established flow, side by side (A B B A).
 *
 *   cost HOST DEV HOST DEV    prints "A_NS B_NS PERCENT": the medians, and the median of B against
 * A
 *
 * HOST is a host's folder; the VM behind DEV has MAC 52:54:00:00:00:10 and address 10.9.0.10. No
 * libraries, so that it runs anywhere.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sys/syscall.h>

#define ROUNDS   15
#define REPEAT   20000
#define PATH_LEN 512
#define ACT_PASS 0xffffffffU /* TC_ACT_UNSPEC */

struct side {
	int out; /* programs */
	int in;
	uint32_t ifindex;
};

/* A datagram from the VM, and the answer to it; checksums are nobody's business here. */
static const uint8_t question[64] = {
	0x52, 0x54, 0,    0,    0, 0xc1, 0x52, 0x54, 0,  0,  0, 0x10, 8,  0, /* Ethernet */
	0x45, 0,    0,    50,   0, 1,    0,    0,    64, 17, 0, 0,    10, 9,
	0,    10,   10,   9,    0, 1,             /* IPv4 */
	0x0f, 0xa0, 0x14, 0xb4, 0, 30,   0,    0, /* UDP */
};
static const uint8_t answer[64] = {
	0x52, 0x54, 0,  0,  0, 0x10, 0x52, 0x54, 0,    0,    0, 0xc1, 8,  0,
	0x45, 0,    0,  50, 0, 1,    0,    0,    64,   17,   0, 0,    10, 9,
	0,    1,    10, 9,  0, 10,   0x14, 0xb4, 0x0f, 0xa0, 0, 30,   0,  0,
};

static void die(const char *what)
{
	fprintf(stderr, "cost: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_prog(const char *host, const char *name)
{
	union bpf_attr attr = {};
	char path[PATH_LEN];
	int fd;

	snprintf(path, sizeof(path), "%s/progs/%s", host, name);
	attr.pathname = (uintptr_t)path;
	fd = syscall(SYS_bpf, BPF_OBJ_GET, &attr, sizeof(attr));
	if (fd < 0)
		die(path);
	return fd;
}

/* Nanoseconds a run. */
static uint32_t run(int prog, uint32_t ifindex, const uint8_t *packet, uint32_t repeat)
{
	struct __sk_buff skb = { .ifindex = ifindex };
	union bpf_attr attr = {};

	attr.test.prog_fd = prog;
	attr.test.data_in = (uintptr_t)packet;
	attr.test.data_size_in = sizeof(question);
	attr.test.ctx_in = (uintptr_t)&skb;
	attr.test.ctx_size_in = sizeof(skb);
	attr.test.repeat = repeat;
	if (syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof(attr)))
		die("run");
	if (attr.test.retval != ACT_PASS) {
		fprintf(stderr, "cost: the packet was dropped\n");
		exit(1);
	}
	return attr.test.duration;
}

static struct side open_side(const char *host, const char *dev)
{
	struct side side = {
		.out = open_prog(host, "tc_out"),
		.in = open_prog(host, "tc_in"),
		.ifindex = if_nametoindex(dev),
	};

	if (!side.ifindex)
		die(dev);
	run(side.out, side.ifindex, question, 1);
	run(side.in, side.ifindex, answer, 1);
	return side;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(*values), compare);
	return values[ROUNDS / 2];
}

int main(int argc, char **argv)
{
	double a[ROUNDS], b[ROUNDS], percent[ROUNDS];
	struct side side_a, side_b;

	if (argc != 5)
		return 2;
	side_a = open_side(argv[1], argv[2]);
	side_b = open_side(argv[3], argv[4]);
	for (int i = 0; i < ROUNDS; i++) {
		a[i] = run(side_a.out, side_a.ifindex, question, REPEAT);
		b[i] = run(side_b.out, side_b.ifindex, question, REPEAT);
		b[i] += run(side_b.out, side_b.ifindex, question, REPEAT);
		a[i] += run(side_a.out, side_a.ifindex, question, REPEAT);
		percent[i] = 100 * b[i] / a[i];
	}
	printf("%.0f %.0f %.0f\n", median(a) / 2, median(b) / 2, median(percent));
	return 0;
}
