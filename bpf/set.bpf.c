// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Sets by name as policy has them. No stage: user space alone writes and reads these maps, and
 * compiles what they hold into lists of rules (acl.bpf.c).
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <roam/set.h>

struct set_catalog {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_INNER_MAP); /* there may be more or fewer */
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct roam_set));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct set_catalog);
} set_all SEC(".maps");

struct set_entries {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_INNER_MAP);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct roam_set_entry));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ROAM_SET_ROWS);
	__type(key, __u32);
	__array(values, struct set_entries);
} set_rows SEC(".maps");
