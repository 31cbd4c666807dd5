// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The frag stage. Of a datagram in fragments the first one has the ports: it goes through the other
 * stages as its datagram, and where it passes, begins a train (frag_note). The later ones pass or
 * are dropped as their train says (frag_check), whose translation, if it has one, they share
 * (frag_view). Owns the trains; include/roam/frag.h tells the shapes.
 */
#include <linux/errno.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <roam/frag.h>
#include <roam/pkt.h>
#include "frag_table.h"
#include "stages.h"

/* As often a CPU tries again when others were faster. */
#define FRAG_TRIES 2

/* How a fragment relates to what has passed of its datagram. */
enum fit {
	FIT_NEW,
	FIT_KNOWN,   /* all of it has been there: a copy that the network made */
	FIT_OVERLAP, /* some of it: nobody sends that in good faith (RFC 5722) */
};

/* What a fragment joins: ranges that end where it begins, begin where it ends, or none yet. */
struct place {
	__u64 *left;
	__u64 *right;
	__u64 *unused;
	__u64 left_range;
	__u64 right_range;
};

/* One range that has passed. */
static __always_inline enum fit fit_range(__u64 *at, __u32 lo, __u32 hi, struct place *place)
{
	__u64 range = *(volatile __u64 *)at;

	if (!range) {
		place->unused = at;
		return FIT_NEW;
	}
	if (lo >= ROAM_FRAG_LO(range) && hi <= ROAM_FRAG_HI(range))
		return FIT_KNOWN;
	if (lo < ROAM_FRAG_HI(range) && hi > ROAM_FRAG_LO(range))
		return FIT_OVERLAP;
	if (ROAM_FRAG_HI(range) == lo) {
		place->left = at;
		place->left_range = range;
	} else if (ROAM_FRAG_LO(range) == hi) {
		place->right = at;
		place->right_range = range;
	}
	return FIT_NEW;
}

static __always_inline enum fit find_place(struct roam_frag *frag, const struct roam_pkt *pkt,
					   struct place *ret_place)
{
	enum fit fit = FIT_NEW;

	*ret_place = (struct place){};
	for (int i = 0; i < ROAM_FRAG_RANGES && fit == FIT_NEW; i++)
		fit = fit_range(&frag->range[i], pkt->frag_lo, pkt->frag_hi, ret_place);
	return fit;
}

static __always_inline bool swap(__u64 *at, __u64 from, __u64 to)
{
	return at && __sync_val_compare_and_swap(at, from, to) == from;
}

/*
 * False if there is no place for it. A CPU that sees another one's half of a join may count bytes
 * twice or let a copy pass. Neither reaches the first fragment, which its range always covers, and
 * the VM puts together what it gets by its own rules.
 */
static __always_inline bool join(const struct roam_pkt *pkt, const struct place *place)
{
	__u32 lo = place->left ? ROAM_FRAG_LO(place->left_range) : pkt->frag_lo;
	__u32 hi = place->right ? ROAM_FRAG_HI(place->right_range) : pkt->frag_hi;

	if (pkt->dry_run)
		return place->left || place->right || place->unused;
	if (place->left) {
		if (!swap(place->left, place->left_range, ROAM_FRAG_RANGE(lo, hi)))
			return false;
		swap(place->right, place->right_range, 0);
		return true;
	}
	if (place->right)
		return swap(place->right, place->right_range, ROAM_FRAG_RANGE(lo, hi));
	return swap(place->unused, 0, ROAM_FRAG_RANGE(lo, hi));
}

/*
 * The last fragment says how long the datagram is; two that differ, or bytes behind it, lie.
 * Global, so verified once, not in each state in which it can be asked.
 */
__noinline bool frag_fits_size(struct roam_frag *frag, const struct roam_pkt *pkt)
{
	__u32 size;

	if (!frag || !pkt)
		return false;
	size = frag->size;
	if (size)
		return pkt->frag_hi <= size && (!pkt->frag_last || pkt->frag_hi == size);
	if (!pkt->frag_last)
		return true;
	for (int i = 0; i < ROAM_FRAG_RANGES; i++) {
		if (ROAM_FRAG_HI(frag->range[i]) > pkt->frag_hi)
			return false;
	}
	if (!pkt->dry_run)
		frag->size = pkt->frag_hi;
	return true;
}

static __always_inline bool is_complete(const struct roam_frag *frag)
{
	__u32 bytes = 0;

	for (int i = 0; i < ROAM_FRAG_RANGES; i++)
		bytes += ROAM_FRAG_HI(frag->range[i]) - ROAM_FRAG_LO(frag->range[i]);
	return frag->size && bytes >= frag->size;
}

/* Nothing of it passes any more. */
static __always_inline void end_train(const struct roam_pkt *pkt, struct roam_frag *frag)
{
	if (!pkt->dry_run)
		frag->is_dead = 1;
}

/* Notes the fragment in its train. */
static __always_inline enum roam_verdict take(struct roam_pkt *pkt, struct roam_frag *frag)
{
	struct place place;
	enum fit fit;

	for (int i = 0; i < FRAG_TRIES; i++) {
		fit = find_place(frag, pkt, &place);
		if (fit == FIT_NEW && !frag_fits_size(frag, pkt))
			fit = FIT_OVERLAP;
		if (fit == FIT_OVERLAP)
			end_train(pkt, frag);
		if (fit != FIT_NEW)
			return drop(pkt, ROAM_REASON_FRAG_OVERLAP);
		if (join(pkt, &place))
			return ROAM_CONTINUE;
	}
	return drop(pkt, ROAM_REASON_FRAG_GAPS);
}

/* A first fragment whose train has begun already. */
static __always_inline enum roam_verdict again(struct roam_pkt *pkt, struct roam_frag *frag)
{
	struct place place;

	if (find_place(frag, pkt, &place) != FIT_KNOWN)
		end_train(pkt, frag);
	return drop(pkt, ROAM_REASON_FRAG_OVERLAP);
}

/* What is written in the bytes of a later fragment: addresses only, there are no ports. */
static __always_inline enum roam_verdict note_role(struct roam_pkt *pkt,
						   const struct roam_frag *frag)
{
	if (!frag->lb_role)
		return ROAM_CONTINUE;
	if (!pkt->can_translate)
		return drop(pkt, ROAM_REASON_LB_FRONT);
	if (pkt->dir == ROAM_DIR_OUT) {
		pkt->lb_role = frag->lb_role;
		pkt->lb_addr = frag->addr;
	}
	return ROAM_CONTINUE;
}

/* Behind port and spoof: CONTINUE is for a first fragment to be judged, for a later one to pass. */
__noinline enum roam_verdict frag_check(struct roam_pkt *pkt)
{
	enum roam_verdict verdict;
	struct roam_frag_key key;
	struct roam_frag *frag;

	if (!pkt)
		return ROAM_DROP;
	key = frag_key(pkt);
	frag = frag_find(pkt, &key);
	if (pkt->frag == ROAM_PKT_FRAG_FIRST)
		return frag ? again(pkt, frag) : ROAM_CONTINUE;
	if (!frag)
		return drop(pkt, ROAM_REASON_FRAG_NO_FIRST);
	if (frag->is_dead)
		return drop(pkt, ROAM_REASON_FRAG_OVERLAP);
	verdict = note_role(pkt, frag);
	if (verdict == ROAM_CONTINUE)
		verdict = take(pkt, frag);
	if (verdict == ROAM_CONTINUE && !pkt->dry_run && is_complete(frag))
		frag_delete(pkt, &key);
	return verdict;
}

/*
 * Before spoof. Neighbour discovery and its like in fragments are dropped (RFC 6980). A later one
 * toward the VM is seen as its application sees its datagram, as ct_view does with the first.
 */
__noinline enum roam_verdict frag_view(struct roam_pkt *pkt)
{
	const struct roam_frag *frag;
	struct roam_frag_key key;

	if (!pkt)
		return ROAM_DROP;
	if (pkt->link)
		return drop(pkt, ROAM_REASON_FRAGMENT);
	if (pkt->frag != ROAM_PKT_FRAG_LATER || pkt->dir == ROAM_DIR_OUT)
		return ROAM_CONTINUE;
	key = frag_key(pkt);
	frag = frag_find(pkt, &key);
	if (!frag)
		return ROAM_CONTINUE;
	if (frag->lb_role == ROAM_LB_ROLE_BACKEND) {
		pkt->lb_addr = pkt->key.local;
		pkt->key.local = frag->addr;
		pkt->lb_role = frag->lb_role;
		port_local(pkt);
	} else if (frag->lb_role == ROAM_LB_ROLE_CLIENT) {
		pkt->lb_addr = pkt->key.remote;
		pkt->key.remote = frag->addr;
		pkt->lb_role = frag->lb_role;
	}
	return ROAM_CONTINUE;
}

/* Toward the VM a hairpin's packets have the application's addresses already. */
static __always_inline bool is_translated(const struct roam_pkt *pkt)
{
	return pkt->lb_role == ROAM_LB_ROLE_CLIENT || pkt->lb_role == ROAM_LB_ROLE_BACKEND ||
	       (pkt->lb_role && pkt->dir == ROAM_DIR_OUT);
}

static __always_inline struct roam_addr other_addr(const struct roam_pkt *pkt)
{
	if (pkt->dir == ROAM_DIR_OUT)
		return pkt->lb_addr;
	return pkt->lb_role == ROAM_LB_ROLE_BACKEND ? pkt->key.local : pkt->key.remote;
}

/* Behind all other stages, but for ct_commit: the first fragment passes, and begins its train. */
__noinline enum roam_verdict frag_note(struct roam_pkt *pkt)
{
	struct roam_frag_key key;
	struct roam_frag frag;

	if (!pkt)
		return ROAM_DROP;
	key = frag_key(pkt);
	frag = (struct roam_frag){
		.since_ns = pkt->now_ns,
		.range[0] = ROAM_FRAG_RANGE(0, pkt->frag_hi),
		.established = pkt->ct_replied,
	};
	if (is_translated(pkt)) {
		frag.lb_role = pkt->lb_role;
		frag.addr = other_addr(pkt);
	}
	if (pkt->dry_run) /* how full the table is, its clock does not say */
		return frag_rows_of(pkt) ? ROAM_CONTINUE : drop(pkt, ROAM_REASON_NO_TABLE);
	frag_delete(pkt, &key); /* one that has expired */
	switch (frag_insert(pkt, &key, &frag)) {
	case 0:
		pkt->frag_noted = 1;
		return ROAM_CONTINUE;
	case -EEXIST: /* another CPU had a copy of it */
		return drop(pkt, ROAM_REASON_FRAG_OVERLAP);
	case -ENOSPC:
		return drop(pkt, ROAM_REASON_FRAG_FULL);
	case -ENOMEM:
		return drop(pkt, ROAM_REASON_NO_MEMORY);
	default:
		return drop(pkt, ROAM_REASON_NO_TABLE);
	}
}

/* The first fragment was dropped after all. */
__noinline enum roam_verdict frag_forget(struct roam_pkt *pkt)
{
	struct roam_frag_key key;

	if (!pkt)
		return ROAM_DROP;
	key = frag_key(pkt);
	frag_delete(pkt, &key);
	return ROAM_CONTINUE;
}
