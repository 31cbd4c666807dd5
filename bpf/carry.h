/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What programs that merge rows of another layout share (include/roam/carry.h): how much of an old
 * row's counters is new, and the later of two times. For the stages that own such rows.
 */
#ifndef ROAM_BPF_CARRY_H
#define ROAM_BPF_CARRY_H

#include <stdbool.h>
#include <linux/errno.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <roam/carry.h>

/* As often as other CPUs may be faster; past that, the next merge brings it. */
#define CARRY_TRIES 16

struct carry_base_rows {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(struct roam_carry_key));
	__uint(value_size, sizeof(struct roam_carry_sums));
};

/* Weak, because several stages have it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct carry_base_rows);
} carry_base __weak SEC(".maps");

/* An old row that has been made anew since counts from 0 again. */
static __always_inline bool began_anew(const struct roam_carry_sums *base,
				       const struct roam_carry_sums *now)
{
	bool anew = false;

	for (int i = 0; i < ROAM_CARRY_SUMS; i++)
		anew |= now->sum[i] < base->sum[i];
	return anew;
}

/*
 * `sums`, which are those of the old row, become what it has more than the last time. From then on
 * the new row has to have them: the caller adds, and nobody can be killed in between.
 */
static __always_inline int carry_more(const struct roam_carry_key *of, struct roam_carry_sums *sums)
{
	struct roam_carry_key key = *of;
	struct roam_carry_sums *base;
	__u32 zero = 0;
	void *bases = bpf_map_lookup_elem(&carry_base, &zero);
	bool anew;

	if (!bases)
		return -ENOENT;
	base = bpf_map_lookup_elem(bases, &key);
	if (!base)
		return bpf_map_update_elem(bases, &key, sums, BPF_NOEXIST);
	anew = began_anew(base, sums);
	for (int i = 0; i < ROAM_CARRY_SUMS; i++) {
		__u64 had = anew ? 0 : base->sum[i];

		base->sum[i] = sums->sum[i];
		sums->sum[i] -= had;
	}
	return 0;
}

/* What 0 stands for in a time. */
enum carry_zero {
	CARRY_ZERO_FIRST, /* before all others: never, a full bucket */
	CARRY_ZERO_LAST,  /* behind all others: for ever */
};

static __always_inline bool is_later(__u64 a, __u64 b, enum carry_zero zero)
{
	if (!a || !b)
		return zero == CARRY_ZERO_LAST ? b && !a : a && !b;
	return (__s64)(a - b) > 0;
}

/* The later of both, while other CPUs write it, too. */
static __always_inline void carry_later(__u64 *time_ns, __u64 old, enum carry_zero zero)
{
	for (int i = 0; i < CARRY_TRIES; i++) {
		__u64 now = *(volatile __u64 *)time_ns;

		if (!is_later(old, now, zero) ||
		    __sync_val_compare_and_swap(time_ns, now, old) == now)
			return;
	}
}

#endif
