// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Removing flows from user space (ct.h). A program deletes the rows: it takes them out of the
 * gauge, of the counts of their rules and of the second keys as it does when a packet ends a flow.
 */
#include <string.h>
#include <bpf/bpf.h>
#include "ct.h"
#include "move.h"
#include "move_own.h"
#include "vm.h"

int ct_drop(struct host *host, uint32_t table, const struct roam_flow_rec *rows, uint32_t count)
{
	struct roam_ct_load load = { .table = table };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &load, .ctx_size_in = sizeof(load));
	struct roam_flow_rec *xfer = host_xfer(host);
	int err = 0, dropped = 0;

	if (!xfer)
		return -ENOMEM;
	while (count && !err) {
		load.count = count < ROAM_CT_XFER_ROWS ? count : ROAM_CT_XFER_ROWS;
		memcpy(xfer, rows, load.count * sizeof(*rows));
		rows += load.count;
		count -= load.count;
		if (bpf_prog_test_run_opts(host_prog(host, HOST_PROG_ct_drop), &opts))
			err = fail_errno(-errno, "ct: cannot delete flows");
		dropped += load.done;
	}
	return err ? err : dropped;
}

struct flush {
	struct host *host;
	uint32_t slot;
	uint32_t bank;
	bool translated_only;
	uint64_t count;
};

/* Of the tables of either kind: a flow may have gone from one to the other meanwhile. */
static int flush_rows(const struct roam_flow_rec *rows, uint32_t count, void *arg)
{
	_cleanup_free_ struct roam_flow_rec *gone = calloc(count, sizeof(*gone));
	struct flush *flush = arg;
	uint32_t chosen = 0;
	int dropped = 0;

	if (!gone)
		return fail(-ENOMEM, "ct: out of memory");
	for (uint32_t i = 0; i < count; i++) {
		if (!flush->translated_only || rows[i].flow.lb_role)
			gone[chosen++] = rows[i];
	}
	for (uint32_t kind = 0; kind < ROAM_CT_KINDS && dropped >= 0; kind++) {
		uint32_t table = ROAM_CT_TABLE(flush->slot, flush->bank, kind);

		dropped = ct_drop(flush->host, table, gone, chosen);
		flush->count += dropped > 0 ? dropped : 0;
	}
	return dropped < 0 ? dropped : 0;
}

static int flush_some(struct flush flush, uint64_t *ret_count)
{
	struct host *host = flush.host;
	struct roam_vm vm;
	int err = host_lock(host);

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	err = vm_get(locked, flush.slot, &vm);
	if (err)
		return err;
	flush.bank = vm.ct_bank;
	err = ct_dump(host, flush.slot, flush_rows, &flush);
	move_unlogged(host, flush.slot);
	if (!err)
		*ret_count = flush.count;
	return err;
}

int ct_flush(struct host *host, uint32_t slot, uint64_t *ret_count)
{
	int err = host_lock(host);

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	err = move_may_change(locked, slot);
	return err ? err : flush_some((struct flush){ .host = host, .slot = slot }, ret_count);
}

int ct_flush_translated(struct host *host, uint32_t slot, uint64_t *ret_count)
{
	return flush_some((struct flush){ .host = host, .slot = slot, .translated_only = true },
			  ret_count);
}
