// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The inner maps of intrusion prevention: see ips_tables.h. */
#include <string.h>
#include <linux/bpf.h>
#include <bpf/bpf.h>
#include "ips_tables.h"
#include "move_own.h"
#include "places.h"

static const struct {
	enum host_map map;
	uint32_t value_size;
} rows_of[] = {
	[ROAM_IPS_SOURCES] = { HOST_MAP_ips_source, sizeof(struct roam_ips_source) },
	[ROAM_IPS_BLOCKS] = { HOST_MAP_ips_block, sizeof(struct roam_ips_block) },
};

/* Room for a row of either kind. */
union row {
	struct roam_ips_source source;
	struct roam_ips_block block;
};

enum host_map ips_rows_map(enum roam_ips_kind kind)
{
	return rows_of[kind].map;
}

static int add_tables(struct places *places, uint32_t slot, const uint32_t *quota)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	int err = 0;

	for (uint32_t kind = 0; kind < ROAM_IPS_KINDS && !err; kind++) {
		err = places_add(places, ips_rows_map(kind), slot,
				 bpf_map_create(BPF_MAP_TYPE_HASH, "roam", sizeof(struct roam_addr),
						rows_of[kind].value_size, quota[kind], &opts));
		if (!err)
			err = places_add(places, HOST_MAP_ips_clock, ROAM_IPS_CLOCK(slot, kind),
					 bpf_map_create(BPF_MAP_TYPE_QUEUE, "roam", 0,
							sizeof(struct roam_ips_tick), quota[kind],
							NULL));
	}
	return err;
}

int ips_tables_make(struct host *host, uint32_t slot, const uint32_t quota[ROAM_IPS_KINDS])
{
	_cleanup_places_ struct places places = { .host = host };
	int err = add_tables(&places, slot, quota);

	return err ? err : places_apply(&places);
}

void ips_tables_clear(struct host *host, uint32_t slot)
{
	_cleanup_places_ struct places places = { .host = host };

	if (!ips_tables_exist(host, slot)) /* spares the wait for programs */
		return;
	for (uint32_t kind = 0; kind < ROAM_IPS_KINDS; kind++) {
		places_clear(&places, ips_rows_map(kind), slot);
		places_clear(&places, HOST_MAP_ips_clock, ROAM_IPS_CLOCK(slot, kind));
	}
	places_apply(&places);
}

bool ips_tables_exist(struct host *host, uint32_t slot)
{
	bool any = false;

	for (uint32_t kind = 0; kind < ROAM_IPS_KINDS; kind++)
		any |= host_has_inner(host, ips_rows_map(kind), slot) ||
		       host_has_inner(host, HOST_MAP_ips_clock, ROAM_IPS_CLOCK(slot, kind));
	return any;
}

static uint32_t stamp_of(enum roam_ips_kind kind, const void *value)
{
	const struct roam_ips_block *block = value;

	return kind == ROAM_IPS_BLOCKS ? (uint32_t)block->since_ns : 0;
}

int ips_row_put_into(int rows, int clock, enum roam_ips_kind kind, const struct roam_addr *key,
		     const void *value)
{
	struct roam_ips_tick tick = { .key = *key, .stamp = stamp_of(kind, value) };

	if (bpf_map_update_elem(rows, key, value, BPF_NOEXIST)) {
		if (errno == EEXIST)
			return -EEXIST;
		return errno == E2BIG ? fail(-ENOSPC, "ips: more rows than the VM's quota")
				      : fail_errno(-errno, "ips: cannot store a row");
	}
	if (!bpf_map_update_elem(clock, NULL, &tick, BPF_ANY))
		return 0;
	bpf_map_delete_elem(rows, key);
	return errno == E2BIG ? fail(-ENOSPC, "ips: more rows than the VM's quota")
			      : fail_errno(-errno, "ips: cannot store a row");
}

int ips_row_put(struct host *host, uint32_t slot, enum roam_ips_kind kind,
		const struct roam_addr *key, const void *value)
{
	_cleanup_close_ int rows = host_inner(host, ips_rows_map(kind), slot);
	_cleanup_close_ int clock = host_inner(host, HOST_MAP_ips_clock,
					       ROAM_IPS_CLOCK(slot, kind));

	if (rows < 0 || clock < 0)
		return rows < 0 ? rows : clock;
	return ips_row_put_into(rows, clock, kind, key, value);
}

/* Whether an entry of a clock stands for a row, and is the first of those that do. */
static bool is_live(int rows, enum roam_ips_kind kind, const struct roam_ips_tick *tick,
		    struct move_keys *seen)
{
	struct roam_log_rec key = { .table = ROAM_LOG_SOURCE, .key.addr = tick->key };
	union row row;

	if (bpf_map_lookup_elem(rows, &tick->key, &row) ||
	    (kind == ROAM_IPS_BLOCKS && (uint32_t)row.block.since_ns != tick->stamp))
		return false;
	return !move_keys_has(seen, &key) && !move_keys_add(seen, &key);
}

/* Once around the clock: what stands for no row is gone. */
static int tidy_clock(int rows, int clock, enum roam_ips_kind kind)
{
	struct roam_ips_tick first, tick;
	struct move_keys seen = {};
	bool begun = false;
	int err = 0;

	while (!err && !bpf_map_lookup_and_delete_elem(clock, NULL, &tick)) {
		if (!is_live(rows, kind, &tick, &seen)) {
			/* around: the first that was put back, again */
			if (begun && !memcmp(&tick, &first, sizeof(tick))) {
				err = bpf_map_update_elem(clock, NULL, &tick, BPF_ANY);
				break;
			}
			continue;
		}
		if (!begun)
			first = tick;
		begun = true;
		err = bpf_map_update_elem(clock, NULL, &tick, BPF_ANY);
	}
	move_keys_free(&seen);
	return err ? fail_errno(-errno, "ips: cannot tidy a clock") : 0;
}

int ips_row_put_tidy(struct host *host, uint32_t slot, enum roam_ips_kind kind,
		     const struct roam_addr *key, const void *value)
{
	_cleanup_close_ int rows = host_inner(host, ips_rows_map(kind), slot);
	_cleanup_close_ int clock = host_inner(host, HOST_MAP_ips_clock,
					       ROAM_IPS_CLOCK(slot, kind));
	int err;

	if (rows < 0 || clock < 0)
		return rows < 0 ? rows : clock;
	err = ips_row_put_into(rows, clock, kind, key, value);
	if (err != -ENOSPC)
		return err;
	err = tidy_clock(rows, clock, kind);
	return err ? err : ips_row_put_into(rows, clock, kind, key, value);
}

/* What is in one table and not yet in another, which may be in use. */
static int copy_missing(enum roam_ips_kind kind, int from, int to, int clock)
{
	struct roam_addr key, *at = NULL;
	union row row;
	int err = 0;

	while (!err && !bpf_map_get_next_key(from, at, &key)) {
		at = &key;
		if (!bpf_map_lookup_elem(from, &key, &row))
			err = ips_row_put_into(to, clock, kind, &key, &row);
		if (err == -EEXIST)
			err = 0;
	}
	return err;
}

/* In the order of add_tables(). */
static int copy_all(const struct places *places, const int from[ROAM_IPS_KINDS])
{
	int err = 0;

	for (uint32_t kind = 0; kind < ROAM_IPS_KINDS && !err; kind++)
		err = copy_missing(kind, from[kind], places->place[2 * kind].fd,
				   places->place[2 * kind + 1].fd);
	return err;
}

int ips_tables_resize(struct host *host, uint32_t slot, const uint32_t quota[ROAM_IPS_KINDS])
{
	_cleanup_places_ struct places places = { .host = host };
	_cleanup_close_ int sources = host_inner(host, HOST_MAP_ips_source, slot);
	_cleanup_close_ int blocks = host_inner(host, HOST_MAP_ips_block, slot);
	int from[] = { [ROAM_IPS_SOURCES] = sources, [ROAM_IPS_BLOCKS] = blocks };
	int err;

	if (sources < 0 || blocks < 0)
		return sources < 0 ? sources : blocks;
	err = add_tables(&places, slot, quota);
	if (!err)
		err = copy_all(&places, from); /* no block may be missing for a moment */
	if (!err)
		err = places_apply(&places);
	if (!err)
		err = copy_all(&places, from); /* what was learned meanwhile */
	return err;
}

static bool has_size(int fd, uint32_t entries)
{
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info);

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) && info.max_entries == entries;
}

bool ips_tables_fit(struct host *host, uint32_t slot, const uint32_t quota[ROAM_IPS_KINDS])
{
	bool fit = true;

	for (uint32_t kind = 0; kind < ROAM_IPS_KINDS; kind++) {
		_cleanup_close_ int rows = host_inner(host, ips_rows_map(kind), slot);
		_cleanup_close_ int clock = host_inner(host, HOST_MAP_ips_clock,
						       ROAM_IPS_CLOCK(slot, kind));

		fit &= has_size(rows, quota[kind]) && has_size(clock, quota[kind]);
	}
	return fit;
}
