// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Both machines of a handover against each other, for every kind of fault and all at once. In the
 * end exactly one host judges the VM's packets, it is the one where the VM runs, the other has
 * nothing of it, and what went wrong has a name.
 */
#include "handover_once.h"
#include "harness.h"

#define FAULTY_MS 20000
/* Beside the states that were seen: one that had begun anew was done. */
#define BEGUN_ANEW (1u << 31)

static const struct kind {
	const char *name;
	uint32_t fence;
	uint32_t faults;
} kinds[] = {
	{ "nothing, held", HANDOVER_FENCE_HELD, 0 },
	{ "nothing, free", HANDOVER_FENCE_FREE, 0 },
	{ "cut, held", HANDOVER_FENCE_HELD, FAULT_CUT },
	{ "cut, free", HANDOVER_FENCE_FREE, FAULT_CUT },
	{ "restart, held", HANDOVER_FENCE_HELD, FAULT_RESTART },
	{ "restart, free", HANDOVER_FENCE_FREE, FAULT_RESTART },
	{ "hang, held", HANDOVER_FENCE_HELD, FAULT_HANG },
	{ "hang, free", HANDOVER_FENCE_FREE, FAULT_HANG },
	{ "doubled, held", HANDOVER_FENCE_HELD, FAULT_DOUBLE },
	{ "doubled, free", HANDOVER_FENCE_FREE, FAULT_DOUBLE },
	{ "lost, held", HANDOVER_FENCE_HELD, FAULT_LOSE | FAULT_CUT },
	{ "lost, free", HANDOVER_FENCE_FREE, FAULT_LOSE | FAULT_CUT },
	{ "jobs fail, held", HANDOVER_FENCE_HELD, FAULT_JOBS },
	{ "jobs fail, free", HANDOVER_FENCE_FREE, FAULT_JOBS },
	{ "aborted, held", HANDOVER_FENCE_HELD, FAULT_ABORT },
	{ "aborted, free", HANDOVER_FENCE_FREE, FAULT_ABORT },
	{ "no journal, held", HANDOVER_FENCE_HELD, FAULT_JOURNAL },
	{ "no journal, free", HANDOVER_FENCE_FREE, FAULT_JOURNAL },
	{ "two senders, held", HANDOVER_FENCE_HELD, FAULT_LIAR },
	{ "two senders, free", HANDOVER_FENCE_FREE, FAULT_LIAR },
	{ "cancelled, held", HANDOVER_FENCE_HELD, FAULT_CANCEL },
	{ "cancelled, free", HANDOVER_FENCE_FREE, FAULT_CANCEL },
	{ "policy edited, held", HANDOVER_FENCE_HELD, FAULT_POLICY },
	{ "policy edited, free", HANDOVER_FENCE_FREE, FAULT_POLICY },
	{ "slow workers, held", HANDOVER_FENCE_HELD, FAULT_SLOW },
	{ "slow workers, free", HANDOVER_FENCE_FREE, FAULT_SLOW },
	{ "all, held", HANDOVER_FENCE_HELD, 0xffff },
	{ "all, free", HANDOVER_FENCE_FREE, 0xffff },
	{ "cut and restart, held", HANDOVER_FENCE_HELD, FAULT_CUT | FAULT_RESTART | FAULT_HANG },
	{ "cut and restart, free", HANDOVER_FENCE_FREE, FAULT_CUT | FAULT_RESTART | FAULT_HANG },
};

static bool one_run(const struct kind *kind, uint64_t seed, uint32_t *states)
{
	struct world world;
	bool ok;

	world_make(&world, seed, kind->fence, kind->faults);
	for (int i = 0; i < FAULTY_MS && !world.wrong; i++)
		world_step(&world);
	ok = CHECK(world_end(&world));
	ok &= CHECK(!world.wrong);
	/* What one sends that is no two hosts' to judge, as long as somebody waits for the fence.
	 */
	if (kind->fence == HANDOVER_FENCE_HELD && !(kind->faults & (FAULT_LIAR | FAULT_ABORT)))
		ok &= CHECK_EQ(world.both, 0);
	ok = ok && world_ended_well(&world);
	if (!(kind->faults & ~FAULT_SLOW)) /* nothing that would keep it from moving */
		ok &= CHECK_EQ(world.host[HANDOVER_SOURCE].h.state, HANDOVER_DONE);
	if (!ok)
		world_tell(&world, seed);
	*states |= world.states[0] | world.states[1];
	if (world.anew && world.host[HANDOVER_SOURCE].h.state == HANDOVER_DONE)
		*states |= BEGUN_ANEW;
	return ok;
}

/*
 * Worlds that have found something: a source that had been waiting for the VM to say where it runs
 * (held), was claimed, restarted, and then heard two senders, waited for ever. A VM that came back
 * just as the source let go of it was expected to be heard there.
 */
static const struct {
	uint64_t seed;
	struct kind kind;
} found[] = {
	{ 1795886335207136148, { "all, free", HANDOVER_FENCE_FREE, 0x3ff } },
	{ 1795906703561286136, { "all, free", HANDOVER_FENCE_FREE, 0xffff } },
};

TEST(worlds_that_have_found_something)
{
	uint32_t states = 0;

	for (size_t i = 0; i < ARRAY_SIZE(found); i++)
		one_run(&found[i].kind, found[i].seed, &states);
}

TEST_EACH(both_machines, kinds)
{
	const uint64_t seed = harness_seed();
	uint32_t states = 0;

	for (unsigned i = 0; i < harness_rounds(150); i++) {
		if (!one_run(row, seed + i, &states))
			return;
	}
	if (row->faults == 0xffff) {
		CHECK(states & 1u << HANDOVER_ABORTED);
		return;
	}
	/* The faults have not kept everything from happening. */
	CHECK(states & 1u << HANDOVER_DONE);
	CHECK(states & 1u << HANDOVER_OPEN);
	CHECK(states & 1u << HANDOVER_READY);
	if (row->faults & FAULT_POLICY)
		CHECK(states & BEGUN_ANEW);
}
