// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Sets by name of a host, read: see set.h. How they are changed: set_apply.c. */
#include <string.h>
#include <xxhash.h>
#include <bpf/bpf.h>
#include "set.h"
#include "text.h"

/* All rows of an inner ARRAY, for the caller to free. */
static int get_rows(struct host *host, int fd, size_t size, void **ret_rows, uint32_t *ret_count)
{
	_cleanup_free_ uint32_t *keys = NULL;
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info), at, count;
	_cleanup_free_ void *rows = NULL;

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return fail_errno(-errno, "host %s: cannot look at a table", host_dir(host));
	count = info.max_entries;
	keys = calloc(count, sizeof(*keys));
	rows = calloc(count, size);
	if (!keys || !rows)
		return fail(-ENOMEM, "set: out of memory");
	if (bpf_map_lookup_batch(fd, NULL, &at, keys, rows, &count, NULL) && errno != ENOENT)
		return fail_errno(-errno, "host %s: cannot read sets", host_dir(host));
	*ret_rows = TAKE_PTR(rows);
	*ret_count = count;
	return 0;
}

int sets_get(struct host *host, struct sets *ret_sets)
{
	_cleanup_sets_ struct sets sets = {};
	_cleanup_close_ int fd = -1;
	_cleanup_free_ void *rows = NULL;
	struct set_value *set;
	uint32_t count = 0;
	int err = 0;

	if (host_has_inner(host, HOST_MAP_set_all, 0)) {
		fd = host_inner(host, HOST_MAP_set_all, 0);
		err = fd < 0 ? fd : get_rows(host, fd, sizeof(struct roam_set), &rows, &count);
	}
	for (uint32_t i = 0; i < count && !err; i++) {
		err = sets_add(&sets, &set);
		if (err)
			break;
		set->set = ((struct roam_set *)rows)[i];
		set->has_kind = true;
		set->loaded = false;
	}
	if (err)
		return err;
	*ret_sets = sets;
	sets = (struct sets){};
	return 0;
}

int set_load(struct host *host, struct set_value *set)
{
	_cleanup_close_ int fd = -1;
	void *rows;
	int err;

	if (set->loaded)
		return 0;
	fd = host_inner(host, HOST_MAP_set_rows, set->set.no);
	err = fd < 0 ? fd : get_rows(host, fd, sizeof(struct roam_set_entry), &rows, &set->room);
	if (err)
		return err;
	set->entries = rows; /* a set of none has a row all the same */
	set->count = set->set.count < set->room ? set->set.count : set->room;
	set->loaded = true;
	return 0;
}

int sets_get_all(struct host *host, struct sets *ret_sets)
{
	_cleanup_sets_ struct sets sets = {};
	int err = sets_get(host, &sets);

	for (uint32_t i = 0; i < sets.count && !err; i++)
		err = set_load(host, &sets.list[i]);
	if (err)
		return err;
	*ret_sets = sets;
	sets = (struct sets){};
	return 0;
}

/* ---- what rules refer to ---- */

uint32_t set_refs(const struct roam_acl_rule *rule, struct set_ref ret_refs[SET_REFS])
{
	const struct set_ref all[SET_REFS] = {
		{ rule->local_set, ROAM_SET_ADDR },
		{ rule->remote_set, ROAM_SET_ADDR },
		{ rule->lport_set, ROAM_SET_PORT },
		{ rule->rport_set, ROAM_SET_PORT },
	};
	uint32_t count = 0;

	for (uint32_t i = 0; i < SET_REFS; i++) {
		if (all[i].name[0])
			ret_refs[count++] = all[i];
	}
	return count;
}

int sets_check_rule(const struct sets *sets, const struct roam_acl_rule *rule)
{
	struct set_ref refs[SET_REFS];
	uint32_t count = set_refs(rule, refs);

	for (uint32_t i = 0; i < count; i++) {
		const struct set_value *set = sets_find(sets, refs[i].name);

		if (!set)
			return fail(-ENOENT, "acl '%s': the host has no set '%s'", rule->name,
				    refs[i].name);
		if (set->set.kind != refs[i].kind)
			return fail(-EINVAL, "acl '%s': set '%s' is of %ss, not of %ss", rule->name,
				    refs[i].name, text_enum_name(&text_set_kind, set->set.kind),
				    text_enum_name(&text_set_kind, refs[i].kind));
	}
	return 0;
}

uint64_t sets_digest(const struct sets *sets, const struct acl_list *rules)
{
	XXH3_state_t *hash = XXH3_createState();
	struct set_ref refs[SET_REFS];
	uint64_t digest;

	XXH3_64bits_reset(hash);
	for (uint32_t i = 0; i < rules->count; i++) {
		uint32_t count = set_refs(&rules->recs[i].rule, refs);

		for (uint32_t j = 0; j < count; j++) {
			const struct set_value *set = sets_find(sets, refs[j].name);

			XXH3_64bits_update(hash, refs[j].name, ROAM_NAME_LEN);
			if (set)
				XXH3_64bits_update(hash, &set->set.digest, sizeof(set->set.digest));
		}
	}
	digest = XXH3_64bits_digest(hash);
	XXH3_freeState(hash);
	return digest;
}
