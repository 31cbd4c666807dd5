// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The commit barrier's record, and what a destination makes of it: see barrier.h. */
#include <string.h>
#include <zlib.h>
#include "barrier.h"
#include "text.h"

#define VERSION  1
#define HEAD_LEN 40
#define CRC_LEN  4

static const uint8_t magic[4] = { 'r', 'o', 'a', 'm' };

/* ---- bytes ---- */

static void put(uint8_t *at, uint64_t value, size_t len)
{
	for (; len; value >>= 8)
		at[--len] = value;
}

static uint64_t get(const uint8_t *at, size_t len)
{
	uint64_t value = 0;

	while (len--)
		value = value << 8 | *at++;
	return value;
}

size_t barrier_write(const struct barrier *barrier, uint8_t bytes[BARRIER_MOST])
{
	const size_t name_len = strnlen(barrier->vm, ROAM_NAME_LEN - 1);
	const size_t crc_at = HEAD_LEN + name_len;

	memcpy(bytes, magic, sizeof(magic));
	bytes[4] = VERSION;
	bytes[5] = name_len;
	put(bytes + 6, 0, 2);
	memcpy(bytes + 8, barrier->id, HANDOVER_ID_LEN);
	put(bytes + 24, barrier->epoch, 8);
	put(bytes + 32, barrier->sequence, 8);
	memcpy(bytes + HEAD_LEN, barrier->vm, name_len);
	put(bytes + crc_at, crc32(0, bytes, crc_at), CRC_LEN);
	return crc_at + CRC_LEN;
}

static int corrupt(const char *why)
{
	return fail(-EBADMSG, "handover: corrupt: what came in QEMU's stream %s", why);
}

int barrier_read(const void *bytes, size_t size, struct barrier *ret_barrier)
{
	const uint8_t *at = bytes;
	char name[ROAM_NAME_LEN] = {};
	struct barrier barrier = {};
	size_t name_len;

	if (size < sizeof(magic) + 1 || memcmp(at, magic, sizeof(magic)) != 0)
		return corrupt("is no barrier");
	if (at[4] != VERSION)
		return fail(
			-EPROTONOSUPPORT,
			"handover: version: the barrier in QEMU's stream has version %d, not %d",
			at[4], VERSION);
	if (size < HEAD_LEN + CRC_LEN)
		return corrupt("is cut short");
	name_len = at[5];
	if (name_len >= ROAM_NAME_LEN || size != HEAD_LEN + name_len + CRC_LEN)
		return corrupt("has another length than it says");
	if (get(at + size - CRC_LEN, CRC_LEN) != crc32(0, at, size - CRC_LEN))
		return corrupt("has another checksum than it says");
	memcpy(name, at + HEAD_LEN, name_len);
	if (get(at + 6, 2) || strlen(name) != name_len || text_name_parse("vm", name, barrier.vm))
		return corrupt("is no barrier of a VM");
	memcpy(barrier.id, at + 8, HANDOVER_ID_LEN);
	barrier.epoch = get(at + 24, 8);
	barrier.sequence = get(at + 32, 8);
	*ret_barrier = barrier;
	return 0;
}

/* ---- what is here ---- */

static bool is_state(const struct barrier_here *here, const char *state)
{
	return !strcmp(here->state, state);
}

static int judge_handover(const struct barrier *barrier, const struct barrier_here *here)
{
	char theirs[HANDOVER_ID_TEXT], ours[HANDOVER_ID_TEXT];

	if (strcmp(barrier->vm, here->at.vm) != 0)
		return fail(-ESTALE, "handover: stale: QEMU's stream is of vm '%s', not of '%s'",
			    barrier->vm, here->at.vm);
	if (!here->is_dest)
		return fail(-ESTALE,
			    "handover: stale: vm '%s': this host is the source of its handover",
			    here->at.vm);
	if (memcmp(barrier->id, here->at.id, HANDOVER_ID_LEN) != 0)
		return fail(-ESTALE,
			    "handover: stale: vm '%s': QEMU's stream is of handover %s, here is %s",
			    here->at.vm, handover_id_text(barrier->id, theirs),
			    handover_id_text(here->at.id, ours));
	if (barrier->epoch != here->at.epoch)
		return fail(-ESTALE,
			    "handover: stale: vm '%s': QEMU's stream is of epoch %llu, here is "
			    "%llu",
			    here->at.vm, (unsigned long long)barrier->epoch,
			    (unsigned long long)here->at.epoch);
	return 0;
}

int barrier_judge(const struct barrier *barrier, const struct barrier_here *here)
{
	const bool is_ready = is_state(here, "ready") || is_state(here, "open");
	int err = judge_handover(barrier, here);

	if (err)
		return err;
	if (is_state(here, "aborting") || is_state(here, "aborted"))
		return fail(-ECANCELED, "handover: %s: vm '%s': its handover is %s here",
			    here->reason, here->at.vm, here->state);
	if (!is_ready && !is_state(here, "prepared") && !is_state(here, "staged"))
		return fail(-ESTALE, "handover: stale: vm '%s': its handover is %s here",
			    here->at.vm, here->state);
	/* A delta behind the last one there is not; one that is missing may be under way. */
	if (here->at.sequence > barrier->sequence ||
	    (is_state(here, "ready") && here->at.sequence < barrier->sequence))
		return fail(-EPROTO,
			    "handover: sequence_gap: vm '%s': QEMU's stream is of delta %llu, here "
			    "is %llu",
			    here->at.vm, (unsigned long long)barrier->sequence,
			    (unsigned long long)here->at.sequence);
	return is_ready && here->at.sequence == barrier->sequence ? 0 : -EAGAIN;
}
