// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The fault matrix of a handover (docs/handover-faults.md): each fault once in each phase, with
 * either fence, in worlds that are calm otherwise. Where tests/unit/handover.c lets anything happen
 * at any time, here each cell has an end that is expected, and a reason that is told.
 */
#include "handover_once.h"
#include "harness.h"

#define PHASE_MS (20 * 1000)
#define REASONS  6
/* Of worlds to look at for a cell: the same ones each time, so that its end is to be relied on. */
#define SEED   1
#define WORLDS 10

/*
 * How a cell ends, a letter for each phase: m the VM moves, s it stays and the source says why, n
 * it is gone with its host and nobody has anything of it, a one of them (what was under way
 * decides),
 * - there is no such cell. Reasons are those that a source may give from which it has not moved.
 */
static const struct cells {
	const char *name;
	enum once once;
	const char *held;
	const char *free;
	enum handover_reason reasons[REASONS]; /* NONE: no more */
} rows[] = {
	/* offered, base, rounds, frozen, ready, open, moved, done */
	{ "source killed",
	  ONCE_SOURCE_KILLED,
	  "ssssmmmm",
	  "ssammmmm",
	  { HANDOVER_REASON_RESTARTED } },
	{ "destination killed",
	  ONCE_DEST_KILLED,
	  "ssmmmmmm",
	  "ssmmmmmm",
	  { HANDOVER_REASON_PEER_LOST } },
	{ "both killed", ONCE_BOTH_KILLED, "ssssmmmm", "ssammmmm", { HANDOVER_REASON_RESTARTED } },
	{ "source hung",
	  ONCE_SOURCE_HUNG,
	  "amssmmmm",
	  "ammmmmmm",
	  { HANDOVER_REASON_PEER_TIMEOUT, HANDOVER_REASON_FENCE_TIMEOUT, HANDOVER_REASON_THAWED,
	    HANDOVER_REASON_VM_MANAGER } },
	{ "destination hung",
	  ONCE_DEST_HUNG,
	  "aassmmmm",
	  "ammmmmmm",
	  { HANDOVER_REASON_PEER_TIMEOUT, HANDOVER_REASON_FENCE_TIMEOUT } },
	{ "source hung long",
	  ONCE_SOURCE_HUNG_LONG,
	  "asssmmmm",
	  "asmmmmmm",
	  { HANDOVER_REASON_PEER_TIMEOUT, HANDOVER_REASON_FENCE_TIMEOUT, HANDOVER_REASON_THAWED,
	    HANDOVER_REASON_VM_MANAGER, HANDOVER_REASON_NOT_CONVERGING } },
	{ "destination hung long",
	  ONCE_DEST_HUNG_LONG,
	  "ssssmmmm",
	  "ssmmmmmm",
	  { HANDOVER_REASON_PEER_TIMEOUT, HANDOVER_REASON_FENCE_TIMEOUT } },
	{ "cut", ONCE_CUT, "ssmmmmmm", "ssmmmmmm", { HANDOVER_REASON_PEER_LOST } },
	{ "half-open, source knows",
	  ONCE_CUT_SOURCE,
	  "ssmmmmmm",
	  "ssmmmmmm",
	  { HANDOVER_REASON_PEER_LOST } },
	{ "half-open, destination knows",
	  ONCE_CUT_DEST,
	  "ssmmmmmm",
	  "ssmmmmmm",
	  { HANDOVER_REASON_PEER_LOST } },
	{ "unplugged",
	  ONCE_UNPLUGGED,
	  "ssssmmmm",
	  "ssmmmmmm",
	  { HANDOVER_REASON_PEER_LOST, HANDOVER_REASON_FENCE_TIMEOUT } },
	{ "doubled", ONCE_DOUBLED, "mmmmmmmm", "mmmmmmmm", { HANDOVER_REASON_INTERNAL } },
	{ "swapped", ONCE_SWAPPED, "mmmammmm", "mmmmmmmm", { HANDOVER_REASON_SEQUENCE_GAP } },
	{ "missing", ONCE_MISSING, "ssmmmmmm", "ssmmmmmm", { HANDOVER_REASON_PEER_LOST } },
	{ "corrupt", ONCE_CORRUPT, "ssssmmmm", "ssammmmm", { HANDOVER_REASON_CORRUPT } },
	{ "destination full",
	  ONCE_DEST_FULL,
	  "ssssmmmm",
	  "ssammmmm",
	  { HANDOVER_REASON_NO_ROOM_FLOWS } },
	{ "no memory at the destination",
	  ONCE_DEST_MEMORY,
	  "ssssmmmm",
	  "ssammmmm",
	  { HANDOVER_REASON_NO_MEMORY } },
	{ "no memory at the source",
	  ONCE_SOURCE_MEMORY,
	  "sssammmm",
	  "ssaammmm",
	  { HANDOVER_REASON_NO_MEMORY } },
	{ "journal of the source full",
	  ONCE_SOURCE_JOURNAL,
	  "ssssmmmm",
	  "ssmmmmmm",
	  { HANDOVER_REASON_NO_ROOM_JOURNAL } },
	{ "journal of the destination full",
	  ONCE_DEST_JOURNAL,
	  "ssssmmmm",
	  "sammmmmm",
	  { HANDOVER_REASON_NO_ROOM_JOURNAL } },
	{ "policy edited",
	  ONCE_POLICY,
	  "maaammmm",
	  "mmmmmmmm",
	  { HANDOVER_REASON_POLICY_DIFFERS } },
	{ "aborted at the source",
	  ONCE_ABORT_SOURCE,
	  "ssssmmmm",
	  "sssmmmmm",
	  { HANDOVER_REASON_OPERATOR } },
	{ "aborted at the destination",
	  ONCE_ABORT_DEST,
	  "asssmmmm",
	  "asammmmm",
	  { HANDOVER_REASON_OPERATOR } },
	{ "cancelled",
	  ONCE_CANCELLED,
	  "sssss---",
	  "sssss---",
	  { HANDOVER_REASON_VM_MANAGER, HANDOVER_REASON_TWO_SENDERS } },
	{ "goes on at the source",
	  ONCE_THAWED,
	  "---ss---",
	  "---ss---",
	  { HANDOVER_REASON_THAWED, HANDOVER_REASON_TWO_SENDERS } },
	{ "destination rebooted",
	  ONCE_DEST_REBOOTED,
	  "sssss---",
	  "sssss---",
	  { HANDOVER_REASON_PEER_LOST, HANDOVER_REASON_VM_MANAGER, HANDOVER_REASON_TWO_SENDERS,
	    HANDOVER_REASON_RESTARTED } },
	{ "source rebooted",
	  ONCE_SOURCE_REBOOTED,
	  "nnnnnmmm",
	  "nnaaammm",
	  { HANDOVER_REASON_RESTARTED } },
	{ "source replaced",
	  ONCE_SOURCE_REPLACED,
	  "nnnnnmmm",
	  "nnaaammm",
	  { HANDOVER_REASON_NONE } },
	{ "source rebooted behind the VM",
	  ONCE_SOURCE_REBOOTED_BEHIND_IT,
	  "----mmmm",
	  "---mmmmm",
	  { HANDOVER_REASON_RESTARTED } },
};

static bool is_one_of(const enum handover_reason *reasons, enum handover_reason reason)
{
	for (int i = 0; i < REASONS && reasons[i] != HANDOVER_REASON_NONE; i++) {
		if (reasons[i] == reason)
			return true;
	}
	return false;
}

static bool ended_as(const struct cells *row, const struct world *world, char want)
{
	const struct handover *source = &world->host[HANDOVER_SOURCE].h;
	const bool moved = world->vm == AT_DEST;

	if (want == 'm' && !CHECK(moved))
		return false;
	if (want == 's' && !CHECK(world->vm == AT_SOURCE && source->state == HANDOVER_ABORTED))
		return false;
	if (want == 'n' && !CHECK(world->vm == NOWHERE))
		return false;
	if (moved || source->state == HANDOVER_NONE) /* whoever has no journal knows no reason */
		return true;
	return CHECK(is_one_of(row->reasons, source->reason));
}

/* The phase may be over before it is seen, in some worlds: then another one is looked for. */
static bool one_cell(const struct cells *row, uint32_t fence, enum phase phase, uint64_t seed)
{
	const char want = (fence == HANDOVER_FENCE_HELD ? row->held : row->free)[phase];
	const bool by_hand = row->once == ONCE_ABORT_SOURCE || row->once == ONCE_ABORT_DEST;
	struct world world;
	bool ok;

	world_make(&world, seed, fence, by_hand ? FAULT_ABORT : 0);
	world.calm = true;
	for (int i = 0; i < PHASE_MS && !world_is_in(&world, phase); i++)
		world_step(&world);
	if (!world_is_in(&world, phase))
		return false;
	for (uint64_t i = seed % 4; i > 0 && world_is_in(&world, phase); i--)
		world_step(&world);
	if (!world_is_in(&world, phase))
		return false;
	world_once(&world, row->once);
	ok = CHECK(world_go_on(&world));
	ok &= CHECK(!world.wrong);
	if (fence == HANDOVER_FENCE_HELD && !by_hand)
		ok &= CHECK_EQ(world.both, 0);
	ok = ok && world_ended_well(&world) && ended_as(row, &world, want);
	if (!ok) {
		note("%s in %s, fence %s", row->name, phase_text[phase],
		     text_enum_name(&text_handover_fence, fence));
		world_tell(&world, seed);
	}
	return true;
}

static void all_phases(const struct cells *row, uint32_t fence, unsigned worlds)
{
	const char *ends = fence == HANDOVER_FENCE_HELD ? row->held : row->free;

	for (enum phase phase = 0; phase < PHASE_COUNT; phase++) {
		unsigned seen = 0;

		if (ends[phase] == '-')
			continue;
		for (unsigned i = 0; seen < worlds && i < 100 * worlds && !harness_stopped(); i++)
			seen += one_cell(row, fence, phase, SEED + i);
		if (!harness_stopped() && !CHECK_EQ(seen, worlds))
			note("%s in %s: worlds do not get there", row->name, phase_text[phase]);
	}
}

TEST_EACH(cells, rows)
{
	const bool is_long = row->once == ONCE_SOURCE_HUNG_LONG || row->once == ONCE_DEST_HUNG_LONG;

	for (uint32_t fence = 0; fence < HANDOVER_FENCE_COUNT; fence++)
		all_phases(row, fence, is_long ? 2 : WORLDS);
}

/* ---- late packets that do not fit ---- */

static const struct late_room {
	const char *name;
	uint32_t need;  /* 0: nothing is to be carried */
	uint32_t here;  /* 0: there is no way */
	uint32_t there; /* 0: it does not say */
	uint8_t mtu;
	enum handover_reason reason;
	uint32_t lacks;
	const char *text;
} late_rooms[] = {
	{ "fits", 1574, 1574, 1574, HANDOVER_MTU_REFUSE, HANDOVER_REASON_NONE, 0, "" },
	{ "not carried", 0, 0, 0, HANDOVER_MTU_REFUSE, HANDOVER_REASON_NONE, 0, "" },
	{ "here", 1574, 1573, 1600, HANDOVER_MTU_REFUSE, HANDOVER_REASON_MTU, 1,
	  "late packets need an MTU of 1574, the way to 192.0.2.2 has 1573" },
	{ "there", 1594, 1600, 1500, HANDOVER_MTU_REFUSE, HANDOVER_REASON_MTU, 94,
	  "late packets need an MTU of 1594, the way to 192.0.2.2 has 1500" },
	{ "an older peer", 1574, 1600, 0, HANDOVER_MTU_REFUSE, HANDOVER_REASON_NONE, 0, "" },
	{ "no way", 1574, 0, 1600, HANDOVER_MTU_REFUSE, HANDOVER_REASON_MTU, 1574, "late: no way" },
	{ "here, said", 1574, 1500, 1600, HANDOVER_MTU_WARN, HANDOVER_REASON_NONE, 74, "" },
	{ "there, said", 1574, 1600, 1500, HANDOVER_MTU_WARN, HANDOVER_REASON_NONE, 74, "" },
	{ "no way, said", 1574, 0, 0, HANDOVER_MTU_WARN, HANDOVER_REASON_NONE, 1574, "" },
};

/* A handover, or a check, with that much room. */
static void with_room(const struct late_room *row, bool check)
{
	const bool refused = row->reason != HANDOVER_REASON_NONE;
	struct world world;
	struct handover *source = &world.host[HANDOVER_SOURCE].h;

	world_make(&world, SEED, HANDOVER_FENCE_HELD, 0);
	source->vm.mtu = row->need;
	source->options.mtu = row->mtu;
	source->check = check;
	world.host[HANDOVER_SOURCE].late_mtu = row->here;
	world.host[HANDOVER_DEST].late_mtu = row->there;
	CHECK(world_go_on(&world));
	for (int i = 0; check && i < PHASE_MS; i++) /* whatever is said of it yet */
		world_step(&world);
	CHECK(!check || world.host[HANDOVER_SOURCE].gate == GATE_ACTIVE);
	CHECK_EQ(source->late_lacks, row->lacks);
	CHECK_EQ(source->reason, row->reason);
	CHECK_EQ(source->state, refused ? HANDOVER_ABORTED : HANDOVER_DONE);
	CHECK_STR(source->text, row->text);
	if (!check)
		CHECK(world_ended_well(&world));
	/* Nothing has moved: the destination was not staged. */
	if (refused)
		CHECK(!(world.states[HANDOVER_DEST] & 1u << HANDOVER_STAGED));
}

TEST_EACH(late_packets_fit, late_rooms)
{
	with_room(row, false);
	with_room(row, true);
}
