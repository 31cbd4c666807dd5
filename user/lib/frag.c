// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Trains of fragments: see frag.h. */
#include <linux/bpf.h>
#include <bpf/bpf.h>
#include "frag.h"
#include "util.h"

int frag_each(struct host *host, uint32_t slot, frag_fn fn, void *arg)
{
	_cleanup_close_ int fd = host_inner(host, HOST_MAP_frag_table, slot);
	struct roam_frag_rec rec = {};
	struct roam_frag_key *at = NULL;
	int err = 0;

	while (!err && fd >= 0 && !bpf_map_get_next_key(fd, at, &rec.key)) {
		at = &rec.key;
		if (!bpf_map_lookup_elem(fd, &rec.key, &rec.frag))
			err = fn(&rec, arg);
	}
	return err;
}

int frag_put_into(int rows, int clock, const struct roam_frag_rec *rec)
{
	struct roam_frag_tick tick = { .key = rec->key, .stamp = (uint32_t)rec->frag.since_ns };

	if (!bpf_map_update_elem(rows, &rec->key, &rec->frag, BPF_NOEXIST)) {
		if (!bpf_map_update_elem(clock, NULL, &tick, BPF_ANY))
			return 0;
		bpf_map_delete_elem(rows, &rec->key);
	}
	if (errno == EEXIST)
		return -EEXIST;
	return errno == E2BIG ? fail(-ENOSPC, "frag: more than %d trains", ROAM_FRAG_TRAINS)
			      : fail_errno(-errno, "frag: cannot store a train");
}

int frag_store(struct host *host, uint32_t slot, const struct roam_frag_rec *rec)
{
	_cleanup_close_ int rows = host_inner(host, HOST_MAP_frag_table, slot);
	_cleanup_close_ int clock = host_inner(host, HOST_MAP_frag_clock, slot);

	if (rows < 0 || clock < 0)
		return rows < 0 ? rows : clock;
	return frag_put_into(rows, clock, rec);
}

int frag_flush(struct host *host, uint32_t slot)
{
	_cleanup_close_ int rows = host_inner(host, HOST_MAP_frag_table, slot);
	_cleanup_close_ int clock = host_inner(host, HOST_MAP_frag_clock, slot);
	struct roam_frag_tick tick;
	struct roam_frag_key key;

	if (rows < 0 || clock < 0)
		return rows < 0 ? rows : clock;
	while (!bpf_map_get_next_key(rows, NULL, &key) && !bpf_map_delete_elem(rows, &key))
		;
	while (!bpf_map_lookup_and_delete_elem(clock, NULL, &tick))
		;
	return 0;
}

int frag_add_tables(struct places *places, uint32_t slot)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	int err;

	err = places_add(places, HOST_MAP_frag_table, slot,
			 bpf_map_create(BPF_MAP_TYPE_HASH, "roam", sizeof(struct roam_frag_key),
					sizeof(struct roam_frag), ROAM_FRAG_TRAINS, &opts));
	return err ? err
		   : places_add(places, HOST_MAP_frag_clock, slot,
				bpf_map_create(BPF_MAP_TYPE_QUEUE, "roam", 0,
					       sizeof(struct roam_frag_tick), ROAM_FRAG_TRAINS,
					       NULL));
}

void frag_clear_tables(struct places *places, uint32_t slot)
{
	places_clear(places, HOST_MAP_frag_table, slot);
	places_clear(places, HOST_MAP_frag_clock, slot);
}
