/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a stage is: a global function that the verifier checks once, linked from its own object. It
 * gets the packet as plain data and says CONTINUE, PASS or DROP; with the latter two it has set the
 * reason. pipeline.h calls them in order; of port and qos it inlines the body, which is in
 * port_look.h and qos_take.h.
 *
 * Inside a stage, keys are copied to its own stack before a look-up: Linux 6.1 refuses a pointer
 * into the argument as map key ("R2 type=mem expected=fp").
 */
#ifndef ROAM_BPF_STAGES_H
#define ROAM_BPF_STAGES_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <roam/late.h>
#include <roam/move.h>
#include <roam/pkt.h>

enum roam_verdict uplink_check(struct roam_pkt *pkt);
enum roam_verdict port_check(struct roam_pkt *pkt);
/*
 * Of a VM for which a handover is under way (pkt->gate). Behind port: may the packet go on? Then it
 * is under way (move_flight.h). Behind spoof, which has found nothing wrong: a frame from the VM
 * itself may open or thaw it, or not count for what it is.
 */
enum roam_verdict gate_check(struct roam_pkt *pkt);
enum roam_verdict gate_heard(struct roam_pkt *pkt);
/*
 * Late packets (late.h). late_carry, of what the gate would drop: PASS if it is to be carried,
 * CONTINUE if nothing is. At the uplink, of what has this header: late_end says whether it may be
 * taken out, late_inner whether the frame within is for the VM; gate_leaves: CONTINUE if pkt->vm
 * does not go away from here itself.
 */
enum roam_verdict late_carry(struct roam_pkt *pkt);
enum roam_verdict late_end(struct roam_pkt *pkt, const struct roam_late_header *header);
enum roam_verdict late_inner(struct roam_pkt *pkt, const struct roam_late_header *header);
enum roam_verdict gate_leaves(const struct roam_pkt *pkt);
enum roam_verdict spoof_check(struct roam_pkt *pkt);
enum roam_verdict ct_check(struct roam_pkt *pkt);
enum roam_verdict ct_related(struct roam_pkt *pkt); /* instead, for ICMP errors */
enum roam_verdict ips_early(struct roam_pkt *pkt);
enum roam_verdict ips_check(struct roam_pkt *pkt);
enum roam_verdict acl_check(struct roam_pkt *pkt);
/* Before it, of what would open a flow: ct becomes NONE if a rule says that it is not tracked. */
enum roam_verdict acl_stateless(struct roam_pkt *pkt);
/* Of a frame with a mark: PASS if it is the answer to one that was rejected. */
enum roam_verdict acl_answer(struct roam_pkt *pkt);
enum roam_verdict qos_check(struct roam_pkt *pkt);

/*
 * Load balancing. Before the other stages of a packet toward the VM, ct_view and then lb_view turn
 * its key into the application's: those of known flows, those of openings to a VIP of which the VM
 * is a backend. lb_check finishes an opening: the backend that the VM's gets, or what is to be
 * noted in the flow; ct_claim makes sure of its tuple on the wire: if it says lb_clash, another
 * lb_try may find a free one. What has passed is counted in lb_tally.h.
 */
enum roam_verdict ct_view(struct roam_pkt *pkt);
enum roam_verdict ct_claim(struct roam_pkt *pkt);
enum roam_verdict lb_view(struct roam_pkt *pkt);
enum roam_verdict lb_check(struct roam_pkt *pkt);

/*
 * Fragments. Before spoof, frag_view gives a later one toward the VM the application's addresses;
 * behind it frag_check judges a later one by its train, and a first one by whether it is the first.
 * frag_note begins the train of a first fragment that passes; frag_forget ends it if it did not.
 */
enum roam_verdict frag_view(struct roam_pkt *pkt);
enum roam_verdict frag_check(struct roam_pkt *pkt);
enum roam_verdict frag_note(struct roam_pkt *pkt);
enum roam_verdict frag_forget(struct roam_pkt *pkt);

/*
 * At an uplink: the backend of what comes for a VIP, in lb_addr and lb_port; lb_backend is 0 if it
 * does not.
 */
enum roam_verdict lb_uplink(struct roam_pkt *pkt);
/*
 * A packet of a tunnel. lb_end: CONTINUE if its end is here (lb_peer says whether who sent it may),
 * PASS if it is none of roam's. Of the one within: lb_inner makes dmac that of the VM it is for.
 */
enum roam_verdict lb_end(struct roam_pkt *pkt);
enum roam_verdict lb_inner(struct roam_pkt *pkt);
/* The same for fragments: the first one's backend is noted for those that have no ports. */
enum roam_verdict lb_frag_note(struct roam_pkt *pkt);
enum roam_verdict lb_frag_find(struct roam_pkt *pkt);
/* The MAC of the port of this host that has lb_addr becomes dmac; DROP if there is none. */
enum roam_verdict port_find(struct roam_pkt *pkt);

/* For them, of the packet's port: local_kind again, for another key.local. */
enum roam_verdict port_local(struct roam_pkt *pkt);
/* Its address of this number as key.local; DROP if there is none. */
enum roam_verdict port_addr_at(struct roam_pkt *pkt, __u32 i);
/* CONTINUE if lb_addr is an address of it. */
enum roam_verdict port_holds(const struct roam_pkt *pkt);
/* Of a packet toward the VM that is of no known flow: DROP if it says that the VM has sent it. */
enum roam_verdict port_sender(struct roam_pkt *pkt);

/*
 * An opening that a rule with limits admits: it counts from here on, or is one too many. What it
 * took, limit_give() takes back if no flow came of it.
 */
enum roam_verdict limit_check(struct roam_pkt *pkt);
enum roam_verdict limit_give(struct roam_pkt *pkt);

/* After the list: a flow for a packet that would open one and may; passes or drops. */
enum roam_verdict ct_commit(struct roam_pkt *pkt);

/* After the list: the flow of a packet that policy no longer admits is gone. */
enum roam_verdict ct_revoke(struct roam_pkt *pkt);

/* The row of a flow that is over, where a packet that is not tracked follows it: it goes. */
enum roam_verdict ct_forget(struct roam_pkt *pkt);

/* A row of the VM's was written (include/roam/move.h); nothing happens unless it is copied. */
int move_note(__u32 vm, const struct roam_log_rec *rec);

/* Tells those who listen what has become of a packet. Returns its argument's verdict. */
enum roam_verdict monitor_tell(const struct roam_pkt *pkt, enum roam_verdict verdict);

static __always_inline bool addr_equal(const struct roam_addr *a, const struct roam_addr *b)
{
	return a->words[3] == b->words[3] && a->words[2] == b->words[2] &&
	       a->words[1] == b->words[1] && a->words[0] == b->words[0];
}

/* An IPv4 address is an IPv6 one of ::ffff:0:0/96. */
static __always_inline bool addr_is_ipv4(const struct roam_addr *addr)
{
	return !addr->words[0] && !addr->words[1] && addr->words[2] == bpf_htonl(0xffff);
}

static __always_inline bool addr_is_zero(const struct roam_addr *addr)
{
	return !addr->words[0] && !addr->words[1] && !addr->words[2] && !addr->words[3];
}

/* Whether `key` is the tuple of what the packet quotes. */
static __always_inline bool is_error(const struct roam_pkt *pkt)
{
	return pkt->quote_off;
}

/* Whether its tuple may be another one to the VM's application than it is on the wire. */
static __always_inline bool has_view(const struct roam_pkt *pkt)
{
	return (pkt->features & ROAM_VM_LB) && pkt->dir == ROAM_DIR_IN && pkt->l4_off;
}

/*
 * Whether ct_view is the port stage's: most packets, because there the port is at hand. What may
 * not come in yet, or is no packet from outside, is viewed when that has been found out.
 */
static __always_inline bool has_port_view(const struct roam_pkt *pkt)
{
	return has_view(pkt) && !pkt->gate && !pkt->mark;
}

/*
 * Whether spoof has nothing to say: an ordinary packet of the VM's own address, by its own MAC in
 * the VM's place. That is nearly every one, and spares the call.
 */
static __always_inline bool is_honest(const struct roam_pkt *pkt)
{
	const __u8 macs = ROAM_PKT_OWN_SMAC | ROAM_PKT_OWN_DMAC;
	__u8 own = pkt->dir == ROAM_DIR_OUT ? ROAM_PKT_OWN_SMAC : ROAM_PKT_OWN_DMAC;

	return !pkt->link && pkt->local_kind == ROAM_LOCAL_BOUND && (pkt->facts & macs) == own;
}

/* The source address of a packet toward the VM; of an ICMP error it may be any router's. */
static __always_inline struct roam_addr sender_of(const struct roam_pkt *pkt)
{
	return is_error(pkt) ? pkt->error_source : pkt->key.remote;
}

/* Of a packet that passes: it has made a flow, in a free place or in that of another one. */
static __always_inline bool has_opened(const struct roam_pkt *pkt)
{
	return pkt->reason == ROAM_REASON_OPENED || pkt->reason == ROAM_REASON_CT_REPLACED;
}

static __always_inline enum roam_verdict drop(struct roam_pkt *pkt, enum roam_reason reason)
{
	pkt->reason = reason;
	return ROAM_DROP;
}

static __always_inline enum roam_verdict pass(struct roam_pkt *pkt, enum roam_reason reason)
{
	pkt->reason = reason;
	return ROAM_PASS;
}

#endif
