// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Removing flows from user space (ct.h): rows go by batches, and the gauge follows atomically. */
#include <sys/mman.h>
#include <bpf/bpf.h>
#include "ct.h"
#include "ct_fill.h"
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
	uint64_t count;
};

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
		for (uint32_t i = 0; i < count; i++)
			deleted[kind] += !bpf_map_delete_elem(fd, &rows[i].key);
		err = ct_fill_subtract(flush->host, table, deleted[kind]);
		if (err)
			return err;
		flush->count += deleted[kind];
	}
	return 0;
}

int ct_flush(struct host *host, uint32_t slot, uint64_t *ret_count)
{
	struct flush flush = { .host = host, .slot = slot };
	struct roam_vm vm;
	int err = host_lock(host);

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	err = vm_get(locked, slot, &vm);
	if (err)
		return err;
	flush.bank = vm.ct_bank;
	err = ct_dump(host, slot, flush_rows, &flush);
	if (!err)
		*ret_count = flush.count;
	return err;
}
