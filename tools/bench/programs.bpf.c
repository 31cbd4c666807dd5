// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What roam's programs are compared with: one that does nothing, one that only parses, and the one
 * that sends packets for tools/bench/blast.c. Loaded by cost.c and blast.c.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include "frame_skb.h"
#include "front.h"
#include "parse.h"

#define TEMPLATE_MAX 128

SEC("tc")
int bench_empty(struct __sk_buff *skb)
{
	(void)skb;
	return TC_ACT_UNSPEC;
}

static __noinline enum roam_reason read_frame(struct __sk_buff *skb, struct roam_pkt *pkt)
{
	struct frame frame = frame_open(skb);

	return parse(&frame, pkt);
}

SEC("tc")
int bench_parse(struct __sk_buff *skb)
{
	struct roam_pkt *pkt = front_now(skb->ifindex, ROAM_DIR_OUT);

	return !pkt || read_frame(skb, pkt) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

/* The frame that is sent, and where the source port stands in it; 0: it stays as it is. */
volatile __u8 blast_frame[TEMPLATE_MAX];
volatile __u32 blast_len;
volatile __u32 blast_port_off;
volatile __u32 blast_port;
volatile __u32 blast_addr_off;

/*
 * Words of the frame that vary as its number does, one up, the other one down, so that no checksum
 * over both changes; at 0 there is none.
 */
#define PAIRS 2

volatile __u32 blast_pair_off[PAIRS][2];
volatile __u16 blast_pair[PAIRS][2];

#define BATCH   64   /* frames that go on together: blast.c asks for as many */
#define BATCHES 4096 /* of which the beginning is noted */

volatile __u64 blast_begin_ns[BATCHES];

/* In ones' complement. */
static __always_inline __u16 add(__u16 word, __u32 number)
{
	__u32 sum = word + number;

	return (sum & 0xffff) + (sum >> 16);
}

static __always_inline bool write_pair(struct xdp_md *xdp, __u32 i, __u16 number)
{
	__be16 up = bpf_htons(add(blast_pair[i][0], number));
	__be16 down = bpf_htons(add(blast_pair[i][1], 0xffff - number));

	if (!blast_pair_off[i][0])
		return true;
	return !bpf_xdp_store_bytes(xdp, blast_pair_off[i][0], &up, sizeof(up)) &&
	       !bpf_xdp_store_bytes(xdp, blast_pair_off[i][1], &down, sizeof(down));
}

/* Pages are recycled, so each frame is written anew. */
SEC("xdp")
int bench_blast(struct xdp_md *xdp)
{
	__u8 frame[TEMPLATE_MAX];
	__u32 number = blast_port, batch = number / BATCH;
	__be16 port = bpf_htons(1024 + number % 60000);
	__u8 host = number / 60000;

	blast_port = number + 1;
	barrier_var(batch);
	if (number % BATCH == 0 && batch < BATCHES)
		blast_begin_ns[batch] = bpf_ktime_get_ns();
	for (int i = 0; i < TEMPLATE_MAX; i++)
		frame[i] = blast_frame[i];
	if (bpf_xdp_store_bytes(xdp, 0, frame, TEMPLATE_MAX))
		return XDP_DROP;
	if (!write_pair(xdp, 0, number % 65521) || !write_pair(xdp, 1, number % 60013))
		return XDP_DROP;
	if (!blast_port_off)
		return XDP_PASS;
	/* A flow of its own: the port, and the last byte but one of the address. */
	if (bpf_xdp_store_bytes(xdp, blast_port_off, &port, sizeof(port)) ||
	    bpf_xdp_store_bytes(xdp, blast_addr_off, &host, sizeof(host)))
		return XDP_DROP;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
