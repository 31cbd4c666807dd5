// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Flows from the kernel's own connection tracking: see ct_import.h. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include "ct.h"
#include "ct_import.h"
#include "move_own.h"
#include "port.h"
#include "vm.h"

struct rows {
	struct roam_flow_rec *recs;
	uint32_t count;
	uint32_t room;
};

struct importing {
	struct ct_import_view view;
	struct roam_port ports[ROAM_VM_PORTS];
	struct rows rows[ROAM_CT_KINDS];
	struct ct_imported imported;
	int err;
};

static void cleanup_importing(struct importing *importing)
{
	for (int kind = 0; kind < ROAM_CT_KINDS; kind++)
		free(importing->rows[kind].recs);
}
#define _cleanup_importing_ __attribute__((cleanup(cleanup_importing)))

static int add_row(struct rows *rows, const struct roam_flow_rec *rec)
{
	if (rows->count == rows->room) {
		uint32_t room = rows->room ? 2 * rows->room : 256;
		void *recs = reallocarray(rows->recs, room, sizeof(*rec));

		if (!recs)
			return fail(-ENOMEM, "ct: out of memory");
		rows->recs = recs;
		rows->room = room;
	}
	rows->recs[rows->count++] = *rec;
	return 0;
}

static int take_entry(enum nf_conntrack_msg_type type, struct nf_conntrack *entry, void *arg)
{
	struct importing *importing = arg;
	struct roam_flow_rec rec;

	(void)type;
	switch (ct_import_convert(&importing->view, entry, &rec)) {
	case CT_IMPORT_FOREIGN:
		return NFCT_CB_CONTINUE;
	case CT_IMPORT_USELESS:
		importing->imported.skipped++;
		return NFCT_CB_CONTINUE;
	case CT_IMPORT_TAKEN:
		break;
	}
	importing->err = add_row(&importing->rows[ct_state_kind(rec.flow.state)], &rec);
	return importing->err ? NFCT_CB_STOP : NFCT_CB_CONTINUE;
}

static int read_family(struct nfct_handle *handle, struct importing *importing, uint32_t family)
{
	if (nfct_query(handle, NFCT_Q_DUMP, &family) && !importing->err)
		return fail_errno(-errno, "ct: cannot read nf_conntrack's table");
	return importing->err;
}

static int read_table(struct importing *importing)
{
	struct nfct_handle *handle = nfct_open(CONNTRACK, 0);
	int err;

	if (!handle)
		return fail_errno(-errno, "ct: this kernel has no nf_conntrack to import from");
	nfct_callback_register(handle, NFCT_T_ALL, take_entry, importing);
	err = read_family(handle, importing, AF_INET);
	if (!err)
		err = read_family(handle, importing, AF_INET6);
	nfct_close(handle);
	return err;
}

static int compare_keys(const void *a, const void *b)
{
	const struct roam_flow_rec *x = a, *y = b;

	return memcmp(&x->key, &y->key, sizeof(x->key));
}

/* Sorted, without those that have been struck out (state none). */
static void tidy(struct rows *rows)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < rows->count; i++) {
		if (rows->recs[i].flow.state != ROAM_CT_NONE)
			rows->recs[kept++] = rows->recs[i];
	}
	rows->count = kept;
	if (kept)
		qsort(rows->recs, kept, sizeof(*rows->recs), compare_keys);
}

static struct roam_flow_rec *find_row(const struct rows *rows, const struct roam_flow_rec *rec)
{
	if (!rows->count)
		return NULL;
	return bsearch(rec, rows->recs, rows->count, sizeof(*rows->recs), compare_keys);
}

static void drop_doubles_of_kind(struct rows *rows)
{
	tidy(rows);
	for (uint32_t i = 1; i < rows->count; i++) {
		if (!compare_keys(&rows->recs[i - 1], &rows->recs[i]))
			rows->recs[i - 1].flow.state = ROAM_CT_NONE;
	}
	tidy(rows);
}

/*
 * Of several entries for what the VM sees as one (in two zones of conntrack's, or calls within one
 * tunnel of GRE), one counts: one that has been answered, if there is one.
 */
static void drop_doubles(struct rows rows[ROAM_CT_KINDS])
{
	struct rows *half = &rows[ROAM_CT_HALF];

	for (int kind = 0; kind < ROAM_CT_KINDS; kind++)
		drop_doubles_of_kind(&rows[kind]);
	for (uint32_t i = 0; i < half->count; i++) {
		if (find_row(&rows[ROAM_CT_FLOWS], &half->recs[i]))
			half->recs[i].flow.state = ROAM_CT_NONE;
	}
	tidy(half);
}

/* What the VM has already, in whichever table, is struck out. */
static int drop_known(const struct roam_flow_rec *rows, uint32_t count, void *arg)
{
	struct importing *importing = arg;

	for (uint32_t i = 0; i < count * ROAM_CT_KINDS; i++) {
		struct rows *ours = &importing->rows[i % ROAM_CT_KINDS];
		struct roam_flow_rec *found = find_row(ours, &rows[i / ROAM_CT_KINDS]);

		if (!found || found->flow.state == ROAM_CT_NONE)
			continue;
		found->flow.state = ROAM_CT_NONE;
		importing->imported.known++;
	}
	return 0;
}

static int check_room(struct host *host, uint32_t slot, const struct importing *importing)
{
	uint32_t used[ROAM_CT_KINDS];
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	if (!err)
		err = ct_used(host, slot, used);
	if (err)
		return err;
	if (importing->rows[ROAM_CT_FLOWS].count > vm.quota_flows - used[ROAM_CT_FLOWS])
		return fail(-ENOSPC, "ct: nf_conntrack has %u flows of vm '%s', whose quota is %u",
			    importing->rows[ROAM_CT_FLOWS].count, vm.name, vm.quota_flows);
	if (importing->rows[ROAM_CT_HALF].count > vm.quota_half - used[ROAM_CT_HALF])
		return fail(-ENOSPC,
			    "ct: nf_conntrack has %u half-open flows of vm '%s', whose quota is %u",
			    importing->rows[ROAM_CT_HALF].count, vm.name, vm.quota_half);
	return 0;
}

static int store(struct host *host, uint32_t slot, struct importing *importing)
{
	struct roam_vm vm;
	int err = ct_dump(host, slot, drop_known, importing);

	for (int kind = 0; kind < ROAM_CT_KINDS; kind++)
		tidy(&importing->rows[kind]);
	if (!err)
		err = check_room(host, slot, importing);
	if (!err)
		err = vm_get(host, slot, &vm);
	for (uint32_t kind = 0; kind < ROAM_CT_KINDS && !err; kind++) {
		const struct rows *rows = &importing->rows[kind];

		err = ct_load_missing(host, ROAM_CT_TABLE(slot, vm.ct_bank, kind), rows->recs,
				      rows->count);
		importing->imported.taken += rows->count;
	}
	return err;
}

static int import_locked(struct host *host, uint32_t slot, struct ct_imported *ret_imported)
{
	_cleanup_importing_ struct importing importing = {};
	int count = port_list(host, slot, importing.ports), err;

	if (count < 0)
		return count;
	importing.view = (struct ct_import_view){
		.ports = importing.ports,
		.port_count = count,
		.now_ns = now_ns(),
	};
	err = read_table(&importing);
	drop_doubles(importing.rows);
	if (!err)
		err = store(host, slot, &importing);
	if (!err)
		*ret_imported = importing.imported;
	return err;
}

int ct_import(struct host *host, uint32_t slot, struct ct_imported *ret_imported)
{
	int err = host_lock(host);

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	err = move_may_change(locked, slot);
	return err ? err : import_locked(locked, slot, ret_imported);
}
