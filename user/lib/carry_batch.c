// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Batches of flows that go over to another layout: see carry_batch.h. */
#include <string.h>
#include <sys/mman.h>
#include <bpf/bpf.h>
#include <linux/in.h>
#include <roam/elder.h>
#include "carry_batch.h"
#include "util.h"

static void close_batch(struct flows *flows)
{
	for (uint32_t i = 0; i < flows->spans; i++)
		cleanup_close(&flows->span[i].rows);
	flows->spans = flows->count = 0;
}

void flows_close(struct flows *flows)
{
	close_batch(flows);
	cleanup_carry_plans(&flows->plans);
	cleanup_close(&flows->from);
	cleanup_close(&flows->xfer_fd);
	cleanup_close(&flows->load);
	cleanup_close(&flows->merge);
	free(flows->keys);
	free(flows->values);
	free(flows->recs);
	if (flows->xfer)
		munmap(flows->xfer, sizeof(*flows->xfer) * ROAM_CT_XFER_ROWS);
}

int flows_open(const struct carry *carry, struct flows *flows)
{
	int err;

	*flows = (struct flows){ .carry = carry, .xfer_fd = -1, .load = -1, .merge = -1 };
	flows->from = carry_old(carry, "maps/ct_table");
	err = flows->from < 0 ? flows->from : carry_plans_of(carry, "ct_table", &flows->plans);
	if (err)
		return err;
	flows->keys = calloc(BATCH, carry_old_size(flows->plans.key));
	flows->values = calloc(BATCH, carry_old_size(flows->plans.value));
	flows->recs = calloc(BATCH, sizeof(*flows->recs));
	return flows->keys && flows->values && flows->recs ? 0
							   : fail(-ENOMEM, "host: out of memory");
}

int flows_open_programs(struct flows *flows)
{
	void *rows;

	flows->xfer_fd = carry_new(flows->carry, "maps/ct_xfer");
	flows->load = carry_new(flows->carry, "progs/ct_load");
	flows->merge = carry_new(flows->carry, "progs/elder_merge");
	if (flows->xfer_fd < 0 || flows->load < 0 || flows->merge < 0)
		return -ENOENT;
	rows = mmap(NULL, sizeof(*flows->xfer) * ROAM_CT_XFER_ROWS, PROT_READ | PROT_WRITE,
		    MAP_SHARED, flows->xfer_fd, 0);
	if (rows == MAP_FAILED)
		return fail_errno(-errno, "host: cannot map the bulk loader's rows");
	flows->xfer = rows;
	return 0;
}

static uint8_t *key_at(const struct flows *flows, uint32_t i)
{
	return flows->keys + (size_t)i * carry_old_size(flows->plans.key);
}

static uint8_t *value_at(const struct flows *flows, uint32_t i)
{
	return flows->values + (size_t)i * carry_old_size(flows->plans.value);
}

/* Its windows may have gone on since: they are judged liberally until either end is seen. */
static int translate(const struct flows *flows, const void *key, const void *value,
		     struct roam_flow_rec *ret_rec)
{
	int err = carry_row(flows->plans.key, key, &ret_rec->key);

	if (!err)
		err = carry_row(flows->plans.value, value, &ret_rec->flow);
	for (int dir = 0; dir < ROAM_DIR_COUNT && !err; dir++) {
		struct roam_tcp_end *end = &ret_rec->flow.side[dir].tcp;

		end->logged = 0;
		if (ret_rec->key.proto == IPPROTO_TCP && (end->flags & ROAM_TCP_END_SEEN))
			end->flags |= ROAM_TCP_END_STALE;
	}
	return err;
}

/* ---- reading them ---- */

/* Out of the batch and of the old table; the last one of the batch comes into its place. */
static void leave_out(struct flows *flows, int rows, uint32_t i, uint32_t last)
{
	bpf_map_delete_elem(rows, key_at(flows, i));
	memmove(key_at(flows, i), key_at(flows, last), carry_old_size(flows->plans.key));
	memmove(value_at(flows, i), value_at(flows, last), carry_old_size(flows->plans.value));
}

/* A flow of what this version does not know: it is refused in time, or came too late for that. */
static int translate_rows(struct flows *flows, int rows, uint32_t first, uint32_t *count)
{
	int err = 0;

	for (uint32_t i = first; i < first + *count && !err;) {
		err = translate(flows, key_at(flows, i), value_at(flows, i), &flows->recs[i]);
		if (err && flows->decided) {
			leave_out(flows, rows, i, first + --*count);
			err = 0;
		} else {
			i++;
		}
	}
	return err;
}

int flows_read(struct flows *flows, int rows, struct reading *reading, uint32_t first,
	       uint32_t *ret_count)
{
	uint32_t count = BATCH - first, next = 0;
	int err = bpf_map_lookup_batch(rows, reading->begun ? &reading->at : NULL, &next,
				       key_at(flows, first), value_at(flows, first), &count, NULL);

	if (err && errno == ENOSPC && first)
		count = 0;
	else if (err && errno == ENOENT) /* these are the last ones */
		reading->ended = true;
	else if (err)
		return fail_errno(-errno, "host: cannot read flows");
	reading->at = next;
	reading->begun = true;
	*ret_count = count;
	return translate_rows(flows, rows, first, ret_count);
}

/* ---- moving them ---- */

/* Rows that are there already stay, and one that finds no room is of a table that is full. */
static int load_rows(struct flows *flows, const struct span *span)
{
	struct roam_ct_load load = { .table = span->table, .skip_existing = 1 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &load, .ctx_size_in = sizeof(load));

	memcpy(flows->xfer, &flows->recs[span->first], span->count * sizeof(*flows->recs));
	while (load.first < span->count) {
		load.count = span->count - load.first;
		if (bpf_prog_test_run_opts(flows->load, &opts))
			return fail_errno(-errno, "host: cannot run the bulk loader");
		if (load.error && load.error != -ENOSPC && load.error != -EEXIST)
			return fail_errno(load.error, "host: cannot store flows");
		load.first += load.done + !!load.error;
	}
	return 0;
}

/* What old programs have written to these rows since they were read. */
static int merge_rows(struct flows *flows, const struct span *span)
{
	struct roam_elder_run run = { .table = span->table, .count = span->count };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &run, .ctx_size_in = sizeof(run));
	int err = 0;

	for (uint32_t i = 0; i < span->count; i++) {
		const struct roam_flow_rec *was = &flows->recs[span->first + i];
		struct roam_flow_rec *now = &flows->xfer[2 * i + 1];
		uint8_t *key = key_at(flows, span->first + i);
		uint8_t *value = value_at(flows, span->first + i);

		flows->xfer[2 * i] = *now = *was;
		now->pad = !bpf_map_lookup_elem(span->rows, key, value);
		if (now->pad && translate(flows, key, value, now)) {
			*now = *was; /* what it is now cannot be told */
			now->pad = 1;
		}
	}
	if (bpf_prog_test_run_opts(flows->merge, &opts))
		err = fail_errno(-errno, "host: cannot merge flows");
	return err ? err : run.error ? fail_errno(run.error, "host: cannot merge flows") : 0;
}

/* What is carried goes from the old table. */
static int delete_rows(struct flows *flows, const struct span *span)
{
	for (uint32_t i = 0; i < span->count; i++) {
		if (bpf_map_delete_elem(span->rows, key_at(flows, span->first + i)) &&
		    errno != ENOENT)
			return fail_errno(-errno, "host: cannot delete flows");
	}
	return 0;
}

/* One wait for the rows of many tables: it is longer than all the rest. */
int flows_move_batch(struct flows *flows)
{
	int err = 0;

	for (uint32_t i = 0; i < flows->spans && !err; i++)
		err = load_rows(flows, &flows->span[i]);
	if (!err && flows->count)
		err = carry_wait(flows->from);
	for (uint32_t i = 0; i < flows->spans && !err; i++) {
		err = merge_rows(flows, &flows->span[i]);
		if (!err)
			err = delete_rows(flows, &flows->span[i]);
	}
	flows->moved += flows->count;
	close_batch(flows);
	return err;
}

int flows_add_table(struct flows *flows, uint32_t table, bool *ret_more)
{
	struct reading reading = { .ended = false };
	struct span span = { .table = table, .first = flows->count };
	_cleanup_close_ int rows = carry_inner(flows->from, table);
	int err;

	*ret_more = false;
	if (rows < 0)
		return 0;
	err = flows_read(flows, rows, &reading, span.first, &span.count);
	if (err)
		return err;
	*ret_more = !reading.ended;
	if (!span.count)
		return 0;
	span.rows = TAKE_FD(rows);
	flows->span[flows->spans++] = span;
	flows->count += span.count;
	return 0;
}
