// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* What a VM's maps take of the kernel's memory: see memory.h. */
#include <inttypes.h>
#include <stdio.h>
#include <roam/ct.h>
#include <roam/ips.h>
#include <roam/types.h>
#include "memory.h"

/* bpf_map_info has no figure; fdinfo has had "memlock:" since 4.10, exact since 6.4. */
static uint64_t map_bytes(const struct host *host, enum host_map outer, uint32_t index)
{
	_cleanup_close_ int fd = host_inner(host, outer, index);
	uint64_t bytes = 0;
	char line[128];
	FILE *info;

	if (fd < 0)
		return 0;
	snprintf(line, sizeof(line), "/proc/self/fdinfo/%d", fd);
	info = fopen(line, "re");
	while (info && fgets(line, sizeof(line), info) &&
	       sscanf(line, "memlock: %" SCNu64, &bytes) != 1)
		;
	if (info)
		fclose(info);
	return bytes;
}

int memory_of_vm(struct host *host, uint32_t slot, uint64_t *ret_bytes)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < ROAM_CT_TABLES; i++) {
		bytes += map_bytes(host, HOST_MAP_ct_table, slot * ROAM_CT_TABLES + i);
		bytes += map_bytes(host, HOST_MAP_ct_clock, slot * ROAM_CT_TABLES + i);
	}
	for (uint32_t dir = 0; dir < ROAM_DIR_COUNT; dir++)
		bytes += map_bytes(host, HOST_MAP_acl_match, slot * ROAM_DIR_COUNT + dir);
	for (uint32_t kind = 0; kind < ROAM_IPS_KINDS; kind++)
		bytes += map_bytes(host, HOST_MAP_ips_clock, ROAM_IPS_CLOCK(slot, kind));
	bytes += map_bytes(host, HOST_MAP_frag_table, slot);
	bytes += map_bytes(host, HOST_MAP_frag_clock, slot);
	bytes += map_bytes(host, HOST_MAP_ips_source, slot);
	bytes += map_bytes(host, HOST_MAP_ips_block, slot);
	bytes += map_bytes(host, HOST_MAP_acl_policy, slot);
	bytes += map_bytes(host, HOST_MAP_acl_hits, slot);
	bytes += map_bytes(host, HOST_MAP_limit_rule, slot);
	bytes += map_bytes(host, HOST_MAP_limit_count, slot);
	bytes += map_bytes(host, HOST_MAP_limit_clock, slot);
	bytes += map_bytes(host, HOST_MAP_stats, slot);
	*ret_bytes = bytes;
	return 0;
}
