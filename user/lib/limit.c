// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Limits on live connections: see limit.h. */
#include <linux/bpf.h>
#include <bpf/bpf.h>
#include "limit.h"
#include "util.h"

static bool has_limit(const struct roam_acl_rule *rule)
{
	return rule->conns || rule->perremote;
}

static int make_hash(uint32_t key_size, uint32_t value_size, uint32_t rows)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);

	return bpf_map_create(BPF_MAP_TYPE_HASH, "roam", key_size, value_size, rows, &opts);
}

/* The descriptor of a table with those that have one, or -1 and errno. */
static int make_rules(const struct acl_list *rules, uint32_t count)
{
	_cleanup_close_ int fd = make_hash(sizeof(uint32_t), sizeof(struct roam_limit), count + 1);

	for (uint32_t i = 0; i < rules->count && fd >= 0; i++) {
		const struct roam_acl_rule *rule = &rules->recs[i].rule;
		const struct roam_limit limit = { rule->conns, rule->perremote };

		if (has_limit(rule) && bpf_map_update_elem(fd, &rule->id, &limit, BPF_ANY))
			return -1;
	}
	return TAKE_FD(fd);
}

/* What counts is there before any packet can: the tables stay for as long as the VM does. */
static int add_counts(struct places *places, uint32_t slot)
{
	int err = places_add(
		places, HOST_MAP_limit_count, slot,
		make_hash(sizeof(struct roam_limit_key), sizeof(uint32_t), ROAM_LIMIT_ROWS));

	return err ? err
		   : places_add(places, HOST_MAP_limit_clock, slot,
				bpf_map_create(BPF_MAP_TYPE_QUEUE, "roam", 0,
					       sizeof(struct roam_ct_tick), ROAM_LIMIT_TICKS,
					       NULL));
}

int limit_add_tables(struct places *places, uint32_t slot, const struct acl_list *rules)
{
	uint32_t count = 0;
	int err = 0;

	for (uint32_t i = 0; i < rules->count; i++)
		count += has_limit(&rules->recs[i].rule);
	if (!count && !host_has_inner(places->host, HOST_MAP_limit_rule, slot))
		return 0;
	if (!host_has_inner(places->host, HOST_MAP_limit_clock, slot))
		err = add_counts(places, slot);
	return err ? err : places_add(places, HOST_MAP_limit_rule, slot, make_rules(rules, count));
}

void limit_clear_tables(struct places *places, uint32_t slot)
{
	places_clear(places, HOST_MAP_limit_rule, slot);
	places_clear(places, HOST_MAP_limit_count, slot);
	places_clear(places, HOST_MAP_limit_clock, slot);
}

int limit_sync(struct host *host, uint32_t slot)
{
	struct roam_limit_sync sync = { .vm = slot };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &sync, .ctx_size_in = sizeof(sync));

	if (!host_has_inner(host, HOST_MAP_limit_count, slot))
		return 0;
	if (bpf_prog_test_run_opts(host_prog(host, HOST_PROG_limit_sync), &opts))
		return fail_errno(-errno, "acl: cannot count connections");
	return 0;
}

static int compare_used(const void *a, const void *b)
{
	const struct limit_used *x = a, *y = b;

	return x->rule < y->rule ? -1 : x->rule > y->rule;
}

/* Rows of one rule are neighbours now. */
static void merge_rows(struct limit_list *list)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < list->count; i++) {
		struct limit_used *last = kept ? &list->used[kept - 1] : NULL;

		if (!last || last->rule != list->used[i].rule) {
			list->used[kept++] = list->used[i];
			continue;
		}
		last->conns += list->used[i].conns;
		last->remotes += list->used[i].remotes;
	}
	list->count = kept;
}

int limit_list(struct host *host, uint32_t slot, struct limit_list *ret_list)
{
	_cleanup_limit_list_ struct limit_list list = {};
	_cleanup_free_ struct roam_limit_key *keys = NULL;
	_cleanup_free_ uint32_t *counts = NULL;
	uint32_t count = ROAM_LIMIT_ROWS, at;

	*ret_list = (struct limit_list){};
	if (!host_has_inner(host, HOST_MAP_limit_count, slot))
		return 0;

	_cleanup_close_ int fd = host_inner(host, HOST_MAP_limit_count, slot);

	keys = calloc(count, sizeof(*keys));
	counts = calloc(count, sizeof(*counts));
	list.used = calloc(count, sizeof(*list.used));
	if (fd < 0)
		return fd;
	if (!keys || !counts || !list.used)
		return fail(-ENOMEM, "acl: out of memory");
	/* All at once: there is room for as many as there can be. */
	if (bpf_map_lookup_batch(fd, NULL, &at, keys, counts, &count, NULL) && errno != ENOENT)
		return fail_errno(-errno, "acl: cannot read counts of connections");
	for (uint32_t i = 0; i < count; i++) {
		bool is_rule = keys[i].kind == ROAM_LIMIT_RULE;

		list.used[list.count++] = (struct limit_used){
			.rule = keys[i].rule,
			.conns = is_rule ? counts[i] : 0,
			.remotes = !is_rule,
		};
	}
	qsort(list.used, list.count, sizeof(*list.used), compare_used);
	merge_rows(&list);
	*ret_list = list;
	list.used = NULL;
	return 0;
}

struct limit_used limit_find(const struct limit_list *list, uint32_t rule)
{
	const struct limit_used key = { .rule = rule }, *found = NULL;

	if (list->count)
		found = bsearch(&key, list->used, list->count, sizeof(key), compare_used);
	return found ? *found : key;
}
