// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Removing flows from user space (ct.h): rows go by batches, and the gauge follows atomically. */
#include <sys/mman.h>
#include <bpf/bpf.h>
#include "ct.h"
#include "ct_fill.h"
#include "move.h"
#include "vm.h"

#define FILL_BYTES (ROAM_VM_MAX * ROAM_CT_TABLES * sizeof(struct roam_ct_fill))

int ct_fill_subtract(struct host *host, uint32_t table, uint32_t rows)
{
	struct roam_ct_fill *fill = mmap(NULL, FILL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
					 host_map(host, HOST_MAP_ct_fill), 0);

	if (fill == MAP_FAILED)
		return fail_errno(-errno, "ct: cannot map the gauges");
	__atomic_sub_fetch(&fill[table].used, rows, __ATOMIC_RELAXED);
	munmap(fill, FILL_BYTES);
	return 0;
}

struct flush {
	struct host *host;
	uint32_t slot;
	uint32_t bank;
	bool translated_only;
	uint64_t count;
};

/* The flow's second key, which is not left behind. */
static void delete_wire(const struct flush *flush, const struct roam_flow_rec *row)
{
	uint32_t index = ROAM_CT_WIRE(flush->slot, flush->bank);
	_cleanup_close_ int fd = row->flow.lb_role
					 ? host_inner(flush->host, HOST_MAP_ct_wire, index)
					 : -1;
	struct roam_flow_key wire;

	if (fd >= 0 && ct_wire_key(row, &wire))
		bpf_map_delete_elem(fd, &wire);
}

/* One by one: a row that its own packet removes meanwhile must not stop the others. */
static int flush_rows(const struct roam_flow_rec *rows, uint32_t count, void *arg)
{
	uint32_t deleted[ROAM_CT_KINDS] = {};
	struct flush *flush = arg;

	for (uint32_t kind = 0; kind < ROAM_CT_KINDS; kind++) {
		uint32_t table = ROAM_CT_TABLE(flush->slot, flush->bank, kind);
		_cleanup_close_ int fd = host_inner(flush->host, HOST_MAP_ct_table, table);
		int err;

		if (fd < 0)
			return fd;
		for (uint32_t i = 0; i < count; i++) {
			if ((flush->translated_only && !rows[i].flow.lb_role) ||
			    bpf_map_delete_elem(fd, &rows[i].key))
				continue;
			delete_wire(flush, &rows[i]);
			deleted[kind]++;
		}
		err = ct_fill_subtract(flush->host, table, deleted[kind]);
		if (err)
			return err;
		flush->count += deleted[kind];
	}
	return 0;
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
	return flush_some((struct flush){ .host = host, .slot = slot }, ret_count);
}

int ct_flush_translated(struct host *host, uint32_t slot, uint64_t *ret_count)
{
	return flush_some((struct flush){ .host = host, .slot = slot, .translated_only = true },
			  ret_count);
}

static int count_rows(const struct roam_flow_rec *rows, uint32_t count, void *arg)
{
	uint32_t *used = arg;

	for (uint32_t i = 0; i < count; i++)
		used[ct_state_kind(rows[i].flow.state)]++;
	return 0;
}

int ct_recount(struct host *host, uint32_t slot)
{
	uint32_t used[ROAM_CT_KINDS] = {};
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	if (!err)
		err = ct_dump(host, slot, count_rows, used);
	for (uint32_t kind = 0; kind < ROAM_CT_KINDS && !err; kind++) {
		uint32_t table = ROAM_CT_TABLE(slot, vm.ct_bank, kind);

		err = host_put(host, HOST_MAP_ct_fill, &table,
			       &(struct roam_ct_fill){ .used = used[kind] });
	}
	return err;
}
