// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The inner maps of a VM: see tables.h. */
#include <linux/bpf.h>
#include <bpf/bpf.h>
#include "tables.h"

static int make_hash(uint32_t key_size, uint32_t value_size, uint32_t max_entries)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);

	return bpf_map_create(BPF_MAP_TYPE_HASH, "roam", key_size, value_size, max_entries, &opts);
}

/* Takes a new map's descriptor, or the error of making it, and puts it in its place. */
static int place(struct host *host, enum host_map outer, uint32_t index, int new_fd)
{
	_cleanup_close_ int fd = new_fd;

	if (fd < 0)
		return fail_errno(-errno, "host %s: cannot make a table", host_dir(host));
	return host_set_inner(host, outer, index, fd);
}

static int make_bank_kind(struct host *host, uint32_t index, uint32_t quota)
{
	struct roam_ct_fill none = {};
	int err;

	err = place(host, HOST_MAP_ct_table, index,
		    make_hash(sizeof(struct roam_flow_key), sizeof(struct roam_flow), quota));
	if (err)
		return err;
	err = place(host, HOST_MAP_ct_clock, index,
		    bpf_map_create(BPF_MAP_TYPE_QUEUE, "roam", 0, sizeof(struct roam_ct_tick),
				   quota, NULL));
	if (err)
		return err;
	return host_put(host, HOST_MAP_ct_fill, &index, &none);
}

int tables_make_bank(struct host *host, uint32_t slot, uint32_t bank, const uint32_t *quota)
{
	int err = 0;

	for (uint32_t kind = 0; kind < ROAM_CT_KINDS && !err; kind++)
		err = make_bank_kind(host, ROAM_CT_TABLE(slot, bank, kind), quota[kind]);
	if (err)
		tables_clear_bank(host, slot, bank);
	return err;
}

void tables_clear_bank(struct host *host, uint32_t slot, uint32_t bank)
{
	struct roam_ct_fill none = {};

	for (uint32_t kind = 0; kind < ROAM_CT_KINDS; kind++) {
		uint32_t index = ROAM_CT_TABLE(slot, bank, kind);

		host_clear_inner(host, HOST_MAP_ct_table, index);
		host_clear_inner(host, HOST_MAP_ct_clock, index);
		host_put(host, HOST_MAP_ct_fill, &index, &none);
	}
}

int tables_set_match(struct host *host, uint32_t index, const struct roam_acl_match *rules,
		     uint32_t count)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP);
	struct roam_acl_match end = { .action = ROAM_ACL_END };
	_cleanup_close_ int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "roam", sizeof(uint32_t),
						sizeof(*rules), count + 1, &opts);

	if (fd < 0)
		return fail_errno(-errno, "host %s: cannot make a list of rules", host_dir(host));
	for (uint32_t i = 0; i < count; i++) {
		if (bpf_map_update_elem(fd, &i, &rules[i], BPF_ANY))
			return fail_errno(-errno, "host %s: cannot write a rule", host_dir(host));
	}
	if (bpf_map_update_elem(fd, &count, &end, BPF_ANY))
		return fail_errno(-errno, "host %s: cannot write a rule", host_dir(host));
	return host_set_inner(host, HOST_MAP_acl_match, index, fd);
}

int tables_make_policy(struct host *host, uint32_t slot)
{
	int err;

	err = place(host, HOST_MAP_stats, slot,
		    bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "roam", sizeof(uint32_t),
				   sizeof(struct roam_stats), 1, NULL));
	if (!err)
		err = place(
			host, HOST_MAP_acl_policy, slot,
			make_hash(sizeof(uint32_t), sizeof(struct roam_acl_rule), ROAM_ACL_RULES));
	if (!err)
		err = place(
			host, HOST_MAP_acl_hits, slot,
			make_hash(sizeof(uint32_t), sizeof(struct roam_acl_hits), ROAM_ACL_RULES));
	for (uint32_t dir = 0; dir < ROAM_DIR_COUNT && !err; dir++)
		err = tables_set_match(host, slot * ROAM_DIR_COUNT + dir, NULL, 0);
	return err;
}

void tables_clear(struct host *host, uint32_t slot)
{
	for (uint32_t bank = 0; bank < ROAM_CT_BANKS; bank++)
		tables_clear_bank(host, slot, bank);
	for (uint32_t dir = 0; dir < ROAM_DIR_COUNT; dir++)
		host_clear_inner(host, HOST_MAP_acl_match, slot * ROAM_DIR_COUNT + dir);
	host_clear_inner(host, HOST_MAP_acl_policy, slot);
	host_clear_inner(host, HOST_MAP_acl_hits, slot);
	host_clear_inner(host, HOST_MAP_stats, slot);
}
