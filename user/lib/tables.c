// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The inner maps of a VM: see tables.h. */
#include <linux/bpf.h>
#include <bpf/bpf.h>
#include "frag.h"
#include "limit.h"
#include "places.h"
#include "tables.h"

#define WIRE_SPARE 64

static int make_hash(uint32_t key_size, uint32_t value_size, uint32_t max_entries)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);

	return bpf_map_create(BPF_MAP_TYPE_HASH, "roam", key_size, value_size, max_entries, &opts);
}

/* Each flow has at most one; a few more rows, since a row may outlive its flow for a moment. */
static int add_wire(struct places *places, uint32_t slot, uint32_t bank, const uint32_t *quota)
{
	uint32_t rows = quota[ROAM_CT_FLOWS] + quota[ROAM_CT_HALF] + WIRE_SPARE;

	return places_add(
		places, HOST_MAP_ct_wire, ROAM_CT_WIRE(slot, bank),
		make_hash(sizeof(struct roam_flow_key), sizeof(struct roam_ct_wire), rows));
}

static int add_bank(struct places *places, uint32_t slot, uint32_t bank, const uint32_t *quota)
{
	struct roam_vm vm;
	int err = host_get(places->host, HOST_MAP_vm_conf, &slot, &vm);

	if (!err && vm.lb)
		err = add_wire(places, slot, bank, quota);
	for (uint32_t kind = 0; kind < ROAM_CT_KINDS && !err; kind++) {
		uint32_t index = ROAM_CT_TABLE(slot, bank, kind);
		struct roam_ct_fill fill = { .quota = quota[kind] };

		err = places_add(places, HOST_MAP_ct_table, index,
				 make_hash(sizeof(struct roam_flow_key), sizeof(struct roam_flow),
					   quota[kind]));
		if (!err)
			err = places_add(places, HOST_MAP_ct_clock, index,
					 bpf_map_create(BPF_MAP_TYPE_QUEUE, "roam", 0,
							sizeof(struct roam_ct_tick), quota[kind],
							NULL));
		if (!err)
			err = host_put(places->host, HOST_MAP_ct_fill, &index, &fill);
	}
	return err;
}

int tables_make_bank(struct host *host, uint32_t slot, uint32_t bank,
		     const uint32_t quota[ROAM_CT_KINDS])
{
	_cleanup_places_ struct places places = { .host = host };
	int err = add_bank(&places, slot, bank, quota);

	if (!err)
		err = places_apply(&places);
	if (err)
		tables_clear_bank(host, slot, bank);
	return err;
}

int tables_make_wire(struct host *host, uint32_t slot, uint32_t bank)
{
	_cleanup_places_ struct places places = { .host = host };
	struct roam_vm vm;
	int err = host_get(host, HOST_MAP_vm_conf, &slot, &vm);

	if (!err)
		err = add_wire(&places, slot, bank, (uint32_t[]){ vm.quota_flows, vm.quota_half });
	return err ? err : places_apply(&places);
}

static void clear_bank(struct places *places, uint32_t slot, uint32_t bank)
{
	places_clear(places, HOST_MAP_ct_wire, ROAM_CT_WIRE(slot, bank));
	for (uint32_t kind = 0; kind < ROAM_CT_KINDS; kind++) {
		places_clear(places, HOST_MAP_ct_table, ROAM_CT_TABLE(slot, bank, kind));
		places_clear(places, HOST_MAP_ct_clock, ROAM_CT_TABLE(slot, bank, kind));
	}
}

static void clear_gauges(struct host *host, uint32_t slot, uint32_t bank)
{
	struct roam_ct_fill none = {};

	for (uint32_t kind = 0; kind < ROAM_CT_KINDS; kind++)
		host_put(host, HOST_MAP_ct_fill, &(uint32_t){ ROAM_CT_TABLE(slot, bank, kind) },
			 &none);
}

void tables_clear_bank(struct host *host, uint32_t slot, uint32_t bank)
{
	_cleanup_places_ struct places places = { .host = host };

	clear_bank(&places, slot, bank);
	places_apply(&places);
	clear_gauges(host, slot, bank);
}

/* The descriptor of a new list, or -errno. */
static int make_list(const struct acl_source *source)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP);
	_cleanup_acl_rows_ struct acl_rows rows = {};
	_cleanup_free_ uint32_t *keys = NULL;
	_cleanup_close_ int fd = -1;
	int err = acl_index_build(source, &rows);

	if (err)
		return err;
	keys = calloc(rows.count, sizeof(*keys));
	if (!keys)
		return fail(-ENOMEM, "acl: out of memory");
	for (uint32_t i = 0; i < rows.count; i++)
		keys[i] = i;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "roam", sizeof(uint32_t), sizeof(*rows.row),
			    rows.count, &opts);
	if (fd < 0 || bpf_map_update_batch(fd, keys, rows.row, &rows.count, NULL))
		return fail_errno(-errno, "acl: cannot make a table of rules");
	return TAKE_FD(fd);
}

int tables_add_matches(struct places *places, uint32_t slot,
		       const struct acl_source lists[ROAM_DIR_COUNT])
{
	int err = 0;

	for (uint32_t dir = 0; dir < ROAM_DIR_COUNT && !err; dir++) {
		int fd = make_list(&lists[dir]);

		if (fd < 0)
			return fd;
		err = places_add(places, HOST_MAP_acl_match, slot * ROAM_DIR_COUNT + dir, fd);
	}
	return err;
}

static int add_policy(struct places *places, uint32_t slot)
{
	int err;

	err = places_add(places, HOST_MAP_stats, slot,
			 bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "roam", sizeof(uint32_t),
					sizeof(struct roam_stats), 1, NULL));
	if (!err)
		err = places_add(
			places, HOST_MAP_acl_policy, slot,
			make_hash(sizeof(uint32_t), sizeof(struct roam_acl_rule), ROAM_ACL_RULES));
	if (!err)
		err = places_add(
			places, HOST_MAP_acl_hits, slot,
			make_hash(sizeof(uint32_t), sizeof(struct roam_acl_hits), ROAM_ACL_RULES));
	return err;
}

int tables_make(struct places *places, uint32_t slot, const uint32_t quota[ROAM_CT_KINDS])
{
	const struct acl_source none[ROAM_DIR_COUNT] = {};
	int err = add_bank(places, slot, 0, quota);

	if (!err)
		err = frag_add_tables(places, slot);
	if (!err)
		err = add_policy(places, slot);
	if (!err)
		err = tables_add_matches(places, slot, none);
	return err ? err : places_begin(places);
}

int tables_make_policy(struct host *host, uint32_t slot)
{
	_cleanup_places_ struct places places = { .host = host };
	int err = add_policy(&places, slot);

	return err ? err : places_apply(&places);
}

void tables_clear(struct host *host, uint32_t slot)
{
	_cleanup_places_ struct places places = { .host = host };

	for (uint32_t bank = 0; bank < ROAM_CT_BANKS; bank++)
		clear_bank(&places, slot, bank);
	frag_clear_tables(&places, slot);
	limit_clear_tables(&places, slot);
	for (uint32_t dir = 0; dir < ROAM_DIR_COUNT; dir++)
		places_clear(&places, HOST_MAP_acl_match, slot * ROAM_DIR_COUNT + dir);
	places_clear(&places, HOST_MAP_acl_policy, slot);
	places_clear(&places, HOST_MAP_acl_hits, slot);
	places_clear(&places, HOST_MAP_stats, slot);
	places_apply(&places);
	for (uint32_t bank = 0; bank < ROAM_CT_BANKS; bank++)
		clear_gauges(host, slot, bank);
}
