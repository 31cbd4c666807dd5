/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A token bucket in one word of memory, for qos.bpf.c and ips.bpf.c: the virtual scheduling
 * algorithm of ITU-T I.371 (GCRA). The word is the time up to which all that has passed is paid
 * for, at the rate; 0 stands for a full bucket. Times are compared signed: a word that came from
 * another host may lie before this one booted.
 *
 * The packet's time may be late. A bucket that holds enough in any case is taken from by it; the
 * clock is read where it does not, so a sender at its rate gets exactly that.
 *
 * CPUs take from one bucket without a lock (Linux 6.1 refuses a bpf_spin_lock in an inner map).
 */
#ifndef ROAM_BPF_BUCKET_H
#define ROAM_BPF_BUCKET_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <roam/pkt.h>

#define NS_PER_S  1000000000ULL
#define NS_PER_MS 1000000U

/* As often a CPU tries again when others were faster; past that it takes without looking. */
#define BUCKET_TRIES 8

static __always_inline __u32 pkt_lag_ns(const struct roam_pkt *pkt)
{
	return pkt->lag_ms * NS_PER_MS;
}

struct bucket_take {
	__u64 now_ns;
	__u64 burst_ns; /* size of the bucket */
	__u64 cost_ns;  /* what is asked of it */
	__u32 lag_ns;   /* now_ns may be late by as much */
	__u8 dry_run;   /* only says whether it is there */
};

/* A full bucket is taken for as full as it may have been at the earliest: never for fuller. */
static __always_inline __u64 bucket_from(__u64 paid_ns, const struct bucket_take *take)
{
	__u64 full = take->now_ns + take->lag_ns - take->burst_ns;

	return paid_ns && (__s64)(paid_ns - full) > 0 ? paid_ns : full;
}

/*
 * True if it was there, and is taken. What costs more than the bucket holds passes when it is full,
 * and leaves it in debt: a GSO frame may be larger than the burst, and the rate holds all the same.
 */
static __always_inline bool bucket_take(__u64 *paid_ns, struct bucket_take *take)
{
	__u64 need = take->cost_ns < take->burst_ns ? take->cost_ns : take->burst_ns;

	for (int i = 0; i < BUCKET_TRIES; i++) {
		__u64 paid = *(volatile __u64 *)paid_ns;
		__u64 from = bucket_from(paid, take);

		if ((__s64)(take->now_ns - from) < (__s64)need) {
			if (!take->lag_ns)
				return false;
			take->now_ns = bpf_ktime_get_ns();
			take->lag_ns = 0;
			continue;
		}
		if (take->dry_run)
			return true;
		if (__sync_val_compare_and_swap(paid_ns, paid, from + take->cost_ns) == paid)
			return true;
	}
	__sync_fetch_and_add(paid_ns, take->cost_ns);
	return true;
}

#endif
