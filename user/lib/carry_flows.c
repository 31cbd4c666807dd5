// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * In which order flows go over to another layout while packets are judged: see carry.h. Each flow
 * is known to the new programs or to the old ones, which they ask, at any time; and a killed
 * process leaves the rest to the next one.
 */
#include <bpf/bpf.h>
#include <roam/elder.h>
#include "carry_batch.h"
#include "carry_merge.h"
#include "util.h"

/* Until nothing is found; a VM that picks flows up in the middle may have its elders find more. */
#define LAST_ROUNDS 16

/* Merging blocks takes this part of the time at most. */
#define BLOCKS_PAUSE 10

/* ---- may it be done? ---- */

static int check_table(struct flows *flows, int rows)
{
	struct reading reading = {};
	uint32_t count;
	int err = 0;

	while (!err && !reading.ended)
		err = flows_read(flows, rows, &reading, 0, &count);
	return err;
}

int carry_flows_check(const struct carry *carry)
{
	_cleanup_flows_ struct flows flows;
	int err = flows_open(carry, &flows);

	for (uint32_t table = 0; table < ROAM_VM_MAX * ROAM_CT_TABLES && !err; table++) {
		_cleanup_close_ int rows = carry_inner(flows.from, table);

		err = rows < 0 ? 0 : check_table(&flows, rows);
	}
	return err;
}

/* ---- the tables ---- */

/* Of hundreds of thousands of blocks, they would take longer than the flows. */
static int merge_blocks(struct flows *flows)
{
	uint64_t begin = now_ns();
	int err;

	if (begin < flows->blocks_due_ns)
		return 0;
	err = carry_merge(flows->carry, CARRY_BLOCKS);
	flows->blocks_due_ns = begin + BLOCKS_PAUSE * (now_ns() - begin);
	return err;
}

/* While it takes time, what a VM may send and whom it is protected from is one truth. */
static int move_batch(struct flows *flows)
{
	int err = flows_move_batch(flows);

	if (!err)
		err = carry_merge(flows->carry, CARRY_RATES);
	return err ? err : merge_blocks(flows);
}

/*
 * Each table once to its end: rows go as they are carried, and it is read from its beginning as
 * long as it has more. What comes meanwhile is for the next time, or this would not end under load.
 */
static int move_kind(struct flows *flows, enum roam_ct_kind kind)
{
	uint32_t table = kind;
	bool more;
	int err = 0;

	while (table < ROAM_VM_MAX * ROAM_CT_TABLES && !err) {
		err = flows_add_table(flows, table, &more);
		if (!more)
			table += ROAM_CT_KINDS;
		if (!err && (more || flows->count == BATCH || flows->spans == SPANS))
			err = move_batch(flows);
	}
	return err ? err : move_batch(flows);
}

/* Half-open ones first: they may become established in the old tables on the way. */
static int move_all(struct flows *flows)
{
	int err = move_kind(flows, ROAM_CT_HALF);

	return err ? err : move_kind(flows, ROAM_CT_FLOWS);
}

/* ---- the whole ---- */

static int set_mode(struct flows *flows, int mode_fd, enum roam_elder_mode mode)
{
	uint32_t zero = 0, value = mode;

	if (bpf_map_update_elem(mode_fd, &zero, &value, BPF_ANY))
		return fail_errno(-errno, "host: cannot write elder_mode");
	return carry_wait(flows->from);
}

static int move_trains(const struct carry *carry)
{
	return carry_changes(&carry->texts, "frag_table") ? carry_trains(carry) : 0;
}

/* From here on sources are counted here: what they have opened so far comes before, and what they
 * opened last behind it. */
static int take_openings(struct flows *flows, int mode_fd)
{
	int err = carry_merge(flows->carry, CARRY_DECIDED);

	if (!err)
		err = set_mode(flows, mode_fd, ROAM_ELDER_LAST);
	return err ? err : carry_merge(flows->carry, CARRY_DECIDED);
}

/*
 * Established flows, while all that is not known is the old programs'; again, for those that came
 * meanwhile. Then openings are the new programs', so that the old tables get no more rows, and the
 * rest comes over; then nobody needs the old programs any more.
 */
static int move_in_order(struct flows *flows, int mode_fd)
{
	uint32_t zero = 0, mode;
	int err = 0;

	if (bpf_map_lookup_elem(mode_fd, &zero, &mode))
		return fail_errno(-errno, "host: cannot read elder_mode");
	if (mode == ROAM_ELDER_ALL) {
		for (int pass = 0; pass < 2 && !err; pass++)
			err = move_kind(flows, ROAM_CT_FLOWS);
		if (!err)
			err = take_openings(flows, mode_fd);
	}
	if (!err && mode != ROAM_ELDER_NONE) {
		flows->moved = 1;
		for (int round = 0; round < LAST_ROUNDS && flows->moved && !err; round++) {
			flows->moved = 0;
			err = move_all(flows);
		}
		if (!err)
			err = move_trains(flows->carry);
		if (!err)
			err = set_mode(flows, mode_fd, ROAM_ELDER_NONE);
	}
	if (!err)
		err = move_trains(flows->carry);
	return err ? err : move_all(flows);
}

int carry_flows(const struct carry *carry)
{
	_cleanup_close_ int mode_fd = carry_new(carry, "maps/elder_mode");
	_cleanup_close_ int elders = carry_new(carry, "maps/elder_prog");
	_cleanup_flows_ struct flows flows;
	int err = flows_open(carry, &flows);

	flows.decided = true;
	if (!err)
		err = flows_open_programs(&flows);
	if (!err && (mode_fd < 0 || elders < 0))
		err = -ENOENT;
	if (!err) /* no old program runs that came to a device before the new ones */
		err = carry_wait(flows.from);
	if (!err)
		err = move_in_order(&flows, mode_fd);
	for (uint32_t dir = 0; dir < ROAM_DIR_COUNT && !err; dir++)
		bpf_map_delete_elem(elders, &dir);
	return err;
}
