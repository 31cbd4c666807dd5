/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The handover of one VM between two hosts, for spin: both hosts' machines (user/agent/source.c,
 * dest.c), their gates (bpf/move.bpf.c), the VM, the VM manager, the connection, and what can go
 * wrong. docs/handover.md ("What is modelled") tells what is in here and what is not; run.sh checks
 * it, and that each of the mistakes below (BREAK_…) is found.
 *
 * FENCE_FREE: the VM manager asks nobody (libvirt); else it waits to be told (QEMU).
 * TWO:        the VM manager starts the VM at both hosts, which it must not.
 * FAULTS:     how many things go wrong at most.
 *
 * A step is atomic where the code has the same: one compare-and-exchange, one message, one job.
 * What roamd knows is lost when it is killed but for the journal: sst, dst, sheld, and the number
 * of the last delta. Gates are pinned; a host that is started anew has none.
 */
#ifndef FAULTS
#define FAULTS 2
#endif
#define ROOM 9 /* messages on their way; an assertion says when that is too few */
#ifdef FENCE_FREE
#define HELD false
#else
#define HELD true
#endif
#ifdef TWO
#define MAY_TWO true
#else
#define MAY_TWO false
#endif

mtype:source = { S_BASE, S_ROUNDS, S_FROZEN, S_READY, S_MOVED, S_DONE, S_ABORTING, S_ABORTED }
mtype:dest = { D_PREPARED, D_STAGED, D_READY, D_OPEN, D_DONE, D_ABORTING, D_ABORTED }
mtype:gate = { G_NONE, G_ACTIVE, G_COPYING, G_FROZEN, G_MOVED, G_PREPARED, G_STAGED, G_OPEN, G_SHUT }
mtype:vm = { V_SOURCE, V_PAUSED, V_GOING, V_DEST, V_DEAD }
mtype:job = { J_NONE, J_LAST, J_SETTLE, J_MOVE, J_WIPE, J_STAGE, J_READY, J_SHUT }
mtype:msg = { BASE, ACK, LAST, READY, CLAIM, RELEASE, DONE, ABORT, ABORT_TWO, ABORTED, RESUME, RESUME_READY }

/* Message, number of a delta, whether it is of this handover (false: id or epoch of another). */
chan to_dest = [ROOM] of { mtype:msg, byte, bool };
chan to_source = [ROOM] of { mtype:msg, byte, bool };

/* The connection, and what each side believes of it. */
bool link, up_s, up_d;

/* The source: journalled, then what roamd alone knows, then its gate. */
mtype:source sst = S_BASE;
bool sheld, two_reason;
byte sseq;
mtype:job sjob = J_NONE;
bool last_sent, resuming, claimed, moved, settled, peer_told, got_done, base_sent;
mtype:gate gs = G_COPYING;
bool thawed, two_senders;

/* The destination: the same. */
mtype:dest dst = D_PREPARED;
byte dseq;
mtype:job djob = J_NONE;
bool got_last, dwiping_two;
mtype:gate gd = G_NONE;
bool in_open, has_state, has_policy;

/* The VM, and what its manager does and has been told. */
mtype:vm vm = V_SOURCE;
bool both, freeze_wanted, told, dest_qemu = true;
bool opened_there; /* a frame of the VM has opened the destination */
byte faults;

#define S_OVER   (sst == S_DONE || sst == S_ABORTED)
#define D_OVER   (dst == D_DONE || dst == D_ABORTED)
#define COPIES   (sst == S_BASE || sst == S_ROUNDS || sst == S_FROZEN)
#define OWNS_S   (gs == G_ACTIVE || gs == G_COPYING)
#define OWNS_D   (gd == G_ACTIVE || gd == G_OPEN)
#define AT_S     (vm == V_SOURCE || both)
#define AT_D     (vm == V_DEST)
#define D_TAKES  (dst == D_STAGED || ((dst == D_READY || dst == D_OPEN) && !got_last))
#define MAY_FAIL (faults < FAULTS)

/*
 * Where it ends: the VM's host judges its packets and no other does, nothing is left of it at the
 * other. With the fence free a VM manager that goes on although the handover was given up before
 * the VM has sent a frame finds a shut destination: closed, not lost; who loads an image opens it.
 */
#define IN_PEACE ((vm == V_SOURCE && gs == G_ACTIVE && gd == G_NONE && S_OVER && D_OVER) ||        \
		  (vm == V_DEST && !both && gd == G_ACTIVE && gs == G_NONE && S_OVER && D_OVER) || \
		  (vm == V_DEST && !both && !HELD && !opened_there && !OWNS_D) ||                  \
		  (both && S_OVER && D_OVER && OWNS_S != OWNS_D) ||                                \
		  (vm == V_DEAD && dest_qemu && gs == G_NONE && gd == G_NONE && S_OVER && D_OVER) || \
		  (vm == V_DEAD && !dest_qemu && !(OWNS_S && OWNS_D)))

inline send_d(m, q) { if :: up_s && link -> assert(len(to_dest) < ROOM); to_dest!m(q, true) :: else fi }
inline send_s(m, q) { if :: up_d && link -> assert(len(to_source) < ROOM); to_source!m(q, true) :: else fi }
inline drain(c) { do :: len(c) > 0 -> c?_, _, _ :: else -> break od }

/* ---- the source ---- */

inline let_go() { sheld = false; settled = false; sjob = J_SETTLE }

/* What is sent to a peer that may have the VM: nothing, until its frames have shown where it is. */
inline say_abort()
{
	if
#ifndef BREAK_ABORT
	:: sheld && HELD
#endif
	:: else -> if :: two_reason -> send_d(ABORT_TWO, 0) :: else -> send_d(ABORT, 0) fi
	fi
}

inline abort_source(hold)
{
	sheld = hold;
	sst = S_ABORTING;
	if :: !sheld -> let_go() :: else -> sjob = J_NONE fi;
	say_abort()
}

inline move_source()
{
	sst = S_MOVED;
	sheld = false; peer_told = false; moved = false; two_senders = false;
	sjob = J_MOVE
}

/* The gate freezes and all that is left goes. */
inline export_last()
{
	if :: !resuming -> sjob = J_LAST :: else fi
}

inline freeze_now() { sst = S_FROZEN; last_sent = false; export_last() }

inline got_refusal()
{
	if
	:: sst == S_MOVED || S_OVER
	:: else ->
		peer_told = true;
		if
		:: sst != S_ABORTING -> abort_source(false)
		:: sst == S_ABORTING && sheld -> let_go()
		:: else
		fi
	fi
}

inline got_claim()
{
	if
	:: sst == S_ROUNDS -> claimed = true; freeze_now()
	:: sst == S_FROZEN -> claimed = true
	:: sst == S_READY -> move_source()
	:: (sst == S_MOVED && moved) || sst == S_DONE -> send_d(RELEASE, 0)
	:: (sst == S_ABORTING || sst == S_ABORTED) && two_reason -> send_d(ABORT_TWO, 0)
	:: (sst == S_ABORTING || sst == S_ABORTED) && !two_reason -> move_source()
	:: else
	fi
}

inline source_message(m, q)
{
	if
	:: m == ACK -> if :: sst == S_BASE -> sst = S_ROUNDS :: else fi
	:: m == READY ->
		if
		:: sst == S_FROZEN && last_sent ->
			sst = S_READY;
			told = true;
			if :: claimed -> move_source() :: else fi
		:: else
		fi
	:: m == CLAIM -> got_claim()
	:: m == DONE -> if :: sst == S_MOVED -> got_done = true :: else fi
	:: m == ABORT || m == ABORTED -> got_refusal()
	:: m == RESUME ->
		if
		:: resuming && COPIES ->
			resuming = false; last_sent = false; sseq = q;
			if :: sst == S_FROZEN -> sjob = J_LAST :: else fi
		:: sst == S_ABORTED -> if :: two_reason -> send_d(ABORT_TWO, 0) :: else -> send_d(ABORT, 0) fi
		:: sst == S_DONE -> send_d(RELEASE, 0)
		:: else
		fi
	:: else
	fi
}

inline source_job()
{
	if
	:: sjob == J_LAST ->
		sjob = J_NONE;
		if :: gs == G_COPYING && !thawed -> gs = G_FROZEN :: else fi;
		sseq++;
		last_sent = true;
		send_d(LAST, sseq)
	:: sjob == J_SETTLE ->
		sjob = J_NONE;
		/* Taken back: nobody can have been told that the VM may run elsewhere. */
		assert(!HELD || both || !(vm == V_DEST || (vm == V_GOING && dest_qemu)));
		if :: gs != G_NONE -> gs = G_ACTIVE :: else fi;
		settled = true
	:: sjob == J_MOVE ->
		sjob = J_NONE;
		assert(OWNS_D || MAY_TWO || vm == V_DEAD);
		if :: gs != G_NONE -> gs = G_MOVED :: else fi;
		moved = true;
		send_d(RELEASE, 0)
	:: sjob == J_WIPE ->
		sjob = J_NONE;
		/* The gate's state is looked at once more: a frame of the VM may have been faster. */
		if
		:: gs == G_MOVED || gs == G_NONE -> assert(vm != V_SOURCE); gs = G_NONE; sst = S_DONE
		:: else
		fi
	fi
}

/* What is killed starts from the journal. */
inline source_restart()
{
	sjob = J_NONE; last_sent = false; claimed = false; moved = false; settled = false;
	peer_told = false; got_done = false; freeze_wanted = false; resuming = false;
	up_s = false; link = false;
	drain(to_source);
	if
	:: sst == S_FROZEN && !HELD -> resuming = true
	:: COPIES && !(sst == S_FROZEN && !HELD) -> abort_source(false)
	:: sst == S_MOVED -> sjob = J_MOVE
	:: sst == S_ABORTING && !sheld -> let_go()
	:: else
	fi
}

active proctype source()
{
	mtype:msg m;
	byte q;
	bool ours;

end:	do
	:: atomic { up_s && link && sst == S_BASE && !base_sent -> base_sent = true; send_d(BASE, 0) }
	:: atomic { up_s && len(to_source) > 0 ->
		to_source?m, q, ours;
		if
#ifndef BREAK_EPOCH
		:: !ours
#endif
		:: else -> source_message(m, q)
		fi;
		m = 0; q = 0; ours = false }
	:: atomic { sjob != J_NONE -> source_job() }
	:: atomic { up_s && !link ->
		up_s = false;
		drain(to_source);
		if
		:: sst == S_BASE -> abort_source(false)
		:: sst == S_ROUNDS || sst == S_FROZEN ->
			resuming = true;
			if :: sjob == J_LAST -> sjob = J_NONE :: else fi
		:: else
		fi }
	:: atomic { freeze_wanted && sst == S_ROUNDS -> freeze_wanted = false; freeze_now() }
	:: atomic { thawed && (sst == S_READY || (sst == S_FROZEN && last_sent)) -> abort_source(false) }
	:: atomic { thawed && sst == S_ABORTING && sheld -> let_go(); send_d(ABORT, 0) }
	/* The host was started anew. Once the VM has long had its time to get there, it is nowhere. */
#ifndef BREAK_ANEW
	:: atomic { gs == G_NONE && (sst == S_READY || (sst == S_FROZEN && !HELD)) -> abort_source(true) }
	:: atomic { gs == G_NONE && sst == S_ABORTING && sheld && vm == V_DEAD -> let_go(); send_d(ABORT, 0) }
#endif
	:: atomic { sst == S_MOVED && moved && two_senders ->
		two_reason = true; peer_told = false; abort_source(false) }
	:: atomic { sst == S_MOVED && moved && got_done && !two_senders && sjob == J_NONE -> sjob = J_WIPE }
	:: atomic { sst == S_ABORTING && settled && peer_told -> sst = S_ABORTED }
	/* Faults. */
	:: atomic { MAY_FAIL && !S_OVER -> faults++; source_restart() }
#ifdef BREAK_JOURNAL
	/* The VM manager was told before it was written down. */
	:: atomic { MAY_FAIL && sst == S_READY -> faults++; sst = S_FROZEN; source_restart() }
#endif
	:: atomic { MAY_FAIL && (sst == S_BASE || sst == S_ROUNDS) -> faults++; abort_source(false) }
	/* The watchdog, or somebody aborts. */
	:: atomic { MAY_FAIL && sst == S_FROZEN -> faults++;
abort_source(!HELD) }
	:: atomic { MAY_FAIL && sst == S_READY -> faults++;
#ifdef BREAK_THAW
		abort_source(false)
#else
		abort_source(true)
#endif
		}
	/* The release of an earlier handover arrives by hand. */
	:: atomic { MAY_FAIL -> faults++;
#ifdef BREAK_RELEASE
		assert(!AT_S || gs == G_NONE);
		gs = G_NONE
#endif
		}
	od
}

/* ---- the destination ---- */

inline open_seen() { dst = D_OPEN; send_s(CLAIM, 0) }

inline claim_again()
{
#ifdef BREAK_CLAIM
	skip
#else
	send_s(CLAIM, 0)
#endif
}

/*
 * It was to be wiped, and the VM has been faster. What came meanwhile was not taken, and nothing may
 * follow that would show the gap: the connection ends, and on a new one deltas go on where they were.
 */
inline open_after_all()
{
	djob = J_NONE;
#ifdef BREAK_MISSED
	open_seen()
#else
	dst = D_OPEN; got_last = false; link = false
#endif
}

inline give_up() { dst = D_ABORTING; djob = J_WIPE }
inline say_where() { got_last = false; send_s(RESUME, dseq) }

inline dest_message(m, q)
{
	if
	:: m == BASE -> if :: dst == D_PREPARED -> gd = G_PREPARED; has_policy = true; djob = J_STAGE :: else fi
	:: m == LAST ->
		if
		:: D_TAKES && q == dseq + 1 -> dseq = q; got_last = true; djob = J_READY
		:: D_TAKES && q > dseq + 1 && dst != D_OPEN -> give_up()
		:: else
		fi
	:: m == RELEASE ->
		if
		:: dst == D_DONE -> send_s(DONE, 0)
		:: dst == D_OPEN -> djob = J_SETTLE
		:: else
		fi
	:: m == ABORT_TWO && (dst == D_OPEN || dst == D_DONE) -> dwiping_two = true; dst = D_ABORTING; djob = J_SHUT
	:: m == ABORT && (dst == D_OPEN || dst == D_DONE) -> send_s(CLAIM, 0)
	:: (m == ABORT || m == ABORT_TWO) && dst == D_ABORTED -> send_s(ABORTED, 0)
	:: (m == ABORT || m == ABORT_TWO) && (dst == D_PREPARED || dst == D_STAGED || dst == D_READY) -> give_up()
	:: m == RESUME ->
		if
		:: dst == D_STAGED || dst == D_READY -> say_where()
		:: dst == D_OPEN -> say_where(); claim_again()
		:: dst == D_DONE -> claim_again()
		:: dst == D_ABORTED -> send_s(ABORTED, 0)
		:: else
		fi
	:: m == RESUME_READY ->
		if
		:: dst == D_READY -> in_open = HELD
		:: dst == D_OPEN || dst == D_DONE -> claim_again()
		:: dst == D_ABORTED -> send_s(ABORTED, 0)
		:: else
		fi
	:: else
	fi
}

inline dest_job()
{
	if
	:: djob == J_STAGE ->
		djob = J_NONE;
		if
		:: gd == G_PREPARED -> gd = G_STAGED; has_state = true; dst = D_STAGED; send_s(ACK, 0)
		:: else -> give_up()
		fi
	:: djob == J_READY ->
		djob = J_NONE;
		if
		:: dst == D_OPEN -> send_s(READY, 0)
		:: dst == D_STAGED || dst == D_READY ->
			dst = D_READY;
			in_open = HELD && up_d && gd == G_STAGED;
			send_s(READY, 0)
		:: else
		fi
	:: djob == J_SETTLE ->
		djob = J_NONE;
		if
		:: gd == G_OPEN -> gd = G_ACTIVE
		:: else
		fi;
		dst = D_DONE;
		send_s(DONE, 0)
	:: djob == J_WIPE ->
		if
#ifdef BREAK_WIPE
		/* A plain write over the transition that a packet has made. */
		:: true ->
#else
		:: gd == G_OPEN || gd == G_ACTIVE -> open_after_all()
		:: else ->
#endif
			djob = J_NONE;
			assert(!OWNS_D);
			gd = G_NONE; in_open = false; has_state = false; has_policy = false;
			dst = D_ABORTED;
			send_s(ABORTED, 0)
		fi
	:: djob == J_SHUT ->
		djob = J_NONE;
		assert(both);
		if :: gd != G_NONE -> gd = G_SHUT :: else fi;
		in_open = false;
		dst = D_ABORTED;
		send_s(ABORTED, 0)
	fi
}

inline dest_restart()
{
	djob = J_NONE; got_last = (dst == D_READY); in_open = false;
	up_d = false; link = false;
	drain(to_dest);
	if
	:: dst == D_PREPARED -> give_up()
	:: dst == D_ABORTING && dwiping_two -> djob = J_SHUT
	:: dst == D_ABORTING && !dwiping_two -> djob = J_WIPE
	:: else
	fi
}

active proctype dest()
{
	mtype:msg m;
	byte q;
	bool ours;

end:	do
	:: atomic { up_d && len(to_dest) > 0 ->
		to_dest?m, q, ours;
		if
#ifndef BREAK_EPOCH
		:: !ours
#endif
		:: else -> dest_message(m, q)
		fi;
		m = 0; q = 0; ours = false }
	:: atomic { djob != J_NONE -> dest_job() }
	:: atomic { up_d && !link ->
		up_d = false;
		drain(to_dest);
		in_open = false;
		if :: dst == D_PREPARED -> give_up() :: else fi }
	:: atomic { gd == G_OPEN && (dst == D_STAGED || dst == D_READY) && djob != J_WIPE -> open_seen() }
	/* Faults. */
	:: atomic { MAY_FAIL && !D_OVER -> faults++; dest_restart() }
	/* Time limits, and abort by hand, until the source may have been told. */
	:: atomic { MAY_FAIL && (dst == D_PREPARED || dst == D_STAGED) -> faults++;
#ifdef BREAK_TIMEOUT
		gd = G_OPEN
#else
		give_up()
#endif
		}
	/* Past that, only when the VM has long had its time to come here. */
	:: atomic { MAY_FAIL && dst == D_READY && (vm == V_SOURCE || vm == V_DEAD) -> faults++; give_up() }
#ifdef BREAK_ABORT
	:: atomic { MAY_FAIL && dst == D_READY -> faults++; give_up() }
#endif
	od
}

/* ---- the VM: its frames are what moves the gates ---- */

active proctype frames()
{
end:	do
	:: atomic { AT_S && gs == G_FROZEN -> gs = G_COPYING; thawed = true }
	:: atomic { AT_S && gs == G_MOVED -> gs = G_COPYING; two_senders = true }
	:: atomic { AT_D && gd == G_STAGED -> gd = G_OPEN; opened_there = true }
#ifdef BREAK_EARLY
	:: atomic { AT_D && gd == G_PREPARED -> gd = G_OPEN; opened_there = true }
#endif
	od
}

active proctype manager()
{
	atomic { vm == V_SOURCE && (sst == S_ROUNDS || !HELD) -> vm = V_PAUSED }
	if
	:: vm == V_PAUSED -> freeze_wanted = true
	:: !HELD && vm == V_PAUSED -> skip
	:: vm == V_DEAD -> goto end
	fi;
	if
	:: atomic { vm == V_PAUSED && (HELD -> told : dest_qemu) -> vm = V_GOING }
	:: atomic { vm == V_PAUSED -> vm = V_SOURCE; goto over }
	:: vm == V_DEAD -> goto end
	fi;
	if
	:: atomic { vm == V_GOING && dest_qemu -> vm = V_DEST }
	:: atomic { vm == V_GOING -> vm = V_SOURCE; goto over }
	:: vm == V_DEAD -> goto end
	fi;
#ifdef TWO
	if
	:: atomic { vm == V_DEST -> both = true }
	:: vm == V_DEAD
	fi;
#endif
	goto end;
over:	/* What has not been frozen is not wanted to be any more: the VM manager aborts, or does not. */
	atomic {
		freeze_wanted = false;
		if
		:: COPIES -> abort_source(sst == S_FROZEN && !HELD && !thawed)
		:: sst == S_READY || (sst == S_ABORTING && sheld) -> abort_source(false)
		:: sst == S_READY || (sst == S_ABORTING && sheld)
		:: else
		fi
	}
end:	skip
}

/* ---- the network, and hosts that are started anew ---- */

active proctype world()
{
end:	do
	:: atomic { !up_s && !up_d && !(S_OVER && D_OVER) ->
		link = true; up_s = true; up_d = true;
		drain(to_dest); drain(to_source);
		if
		:: sst == S_ROUNDS || sst == S_FROZEN -> send_d(RESUME, 0)
		:: sst == S_READY || (sst == S_ABORTING && sheld && HELD) -> send_d(RESUME_READY, 0)
		:: sst == S_MOVED && moved -> send_d(RELEASE, 0)
		:: sst == S_ABORTING && !(sheld && HELD) -> say_abort()
		:: else
		fi;
		if
		:: dst == D_OPEN -> claim_again()
		:: dst == D_STAGED || dst == D_READY -> say_where()
		:: dst == D_ABORTED -> send_s(ABORTED, 0)
		:: else
		fi }
	:: atomic { link && MAY_FAIL -> faults++; link = false }
	/* Messages of an earlier handover come late. */
	:: atomic { link && MAY_FAIL && len(to_dest) < 4 -> faults++;
		if
		:: to_dest!RELEASE(0, false)
		:: to_dest!ABORT(0, false)
		:: to_dest!ABORT_TWO(0, false)
		:: to_dest!LAST(1, false)
		fi }
	:: atomic { link && MAY_FAIL && len(to_source) < 4 -> faults++;
		if
		:: to_source!CLAIM(0, false)
		:: to_source!READY(0, false)
		:: to_source!DONE(0, false)
		:: to_source!ABORTED(0, false)
		fi }
	/* The source's host is started anew: a VM that is there is gone, and so is the gate. */
	:: atomic { MAY_FAIL && !MAY_TWO && gs != G_NONE -> faults++;
		gs = G_NONE; thawed = false; two_senders = false;
		if :: vm != V_DEST -> vm = V_DEAD :: else fi;
		source_restart() }
	:: atomic { MAY_FAIL && !MAY_TWO && gd != G_NONE -> faults++;
		gd = G_NONE; has_state = false; has_policy = false; dest_qemu = false;
		if :: vm == V_DEST -> vm = V_DEAD :: else fi;
		dest_restart();
		if :: dst != D_DONE && dst != D_ABORTED -> give_up() :: else fi }
	od
}

/* ---- what never is ---- */

#define NO_STATE  (OWNS_D && !(has_state && has_policy))
#define UNSENT    (OWNS_D && !opened_there)
#define TWO_OWN   (HELD && !MAY_TWO && OWNS_S && OWNS_D)
#define IN_TWICE  (in_open && (gd == G_STAGED) && !HELD)
#define TAKEN     (vm == V_DEST && !both && opened_there && !OWNS_D && !MAY_TWO)

active proctype watch()
{
	d_step { (NO_STATE || UNSENT || TWO_OWN || IN_TWICE || TAKEN) ->
		assert(!NO_STATE);
		assert(!UNSENT);
		assert(!TWO_OWN);
		assert(!IN_TWICE);
		assert(!TAKEN) }
}

#ifdef LIVENESS
ltl peace { <>[] IN_PEACE }

/* Time goes on: spin takes no run that has come to a stop for a fair one. */
active proctype ticks()
{
	do :: true -> skip od
}
#else
/* When nothing can happen any more. */
active proctype final()
{
#ifdef REACH
	timeout -> assert(!(AT_D && gd == G_ACTIVE && sst == S_DONE && dst == D_DONE))
#else
	timeout -> assert(IN_PEACE)
#endif
}
#endif
