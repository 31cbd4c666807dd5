// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Maps of two layouts, their inner maps and rows, for the other files of carry.h. */
#include <stdio.h>
#include <string.h>
#include <bpf/bpf.h>
#include "carry_own.h"
#include "util.h"

#define PATH_LEN 512

/* ---- pins and inner maps ---- */

static int open_pin(const char *dir, const char *pin)
{
	char path[PATH_LEN];
	int fd;

	snprintf(path, sizeof(path), "%.400s/%.64s", dir, pin);
	fd = bpf_obj_get(path);
	return fd < 0 ? fail_errno(-errno, "host: cannot open %s", path) : fd;
}

int carry_old(const struct carry *carry, const char *pin)
{
	return open_pin(carry->dir, pin);
}

int carry_new(const struct carry *carry, const char *pin)
{
	return open_pin(carry->next, pin);
}

int carry_inner(int outer, uint32_t index)
{
	uint32_t id;
	int fd;

	if (bpf_map_lookup_elem(outer, &index, &id))
		return -errno;
	fd = bpf_map_get_fd_by_id(id);
	return fd < 0 ? -errno : fd;
}

int carry_info(int fd, struct bpf_map_info *ret_info)
{
	uint32_t len = sizeof(*ret_info);

	memset(ret_info, 0, len);
	return bpf_obj_get_info_by_fd(fd, ret_info, &len)
		       ? fail_errno(-errno, "host: cannot look at a map")
		       : 0;
}

/* An empty map as `old` is, for the new rows. */
static int make_like(int old, const struct carry_plans *plans)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	struct bpf_map_info info;
	int fd = carry_info(old, &info);

	if (fd)
		return fd;
	opts.map_flags = info.map_flags;
	fd = bpf_map_create(info.type, "roam",
			    plans->key ? carry_new_size(plans->key) : info.key_size,
			    plans->value ? carry_new_size(plans->value) : info.value_size,
			    info.max_entries, &opts);
	return fd < 0 ? fail_errno(-errno, "host: cannot make a table") : fd;
}

/* Writing a place of an outer map waits for all programs that may use what was there. */
int carry_wait(int outer)
{
	struct bpf_map_info info;
	int err = carry_info(outer, &info);

	for (uint32_t index = 0; index < info.max_entries && !err; index++) {
		_cleanup_close_ int fd = carry_inner(outer, index);

		if (fd >= 0)
			return bpf_map_update_elem(outer, &index, &fd, BPF_ANY)
				       ? fail_errno(-errno, "host: cannot wait for programs")
				       : 0;
	}
	return err;
}

/* ---- rows ---- */

static int translate(const struct carry_plan *plan, uint32_t size, const void *old, void *ret_new)
{
	if (plan)
		return carry_row(plan, old, ret_new);
	memcpy(ret_new, old, size);
	return 0;
}

/* Rows of key and value, before and after. */
struct rows {
	void *key;
	void *value;
	void *new_key;
	void *new_value;
};

static void cleanup_rows(struct rows *rows)
{
	free(rows->key);
	free(rows->value);
	free(rows->new_key);
	free(rows->new_value);
}

static int copy_row(int from, int to, const struct carry_plans *plans, struct rows *rows,
		    const struct bpf_map_info *old)
{
	int err;

	if (bpf_map_lookup_elem(from, rows->key, rows->value))
		return fail_errno(-errno, "map %s: cannot read a row", old->name);
	/* What an array has not been told is 0 in the new one, too. */
	if (old->type == BPF_MAP_TYPE_ARRAY && carry_is_zero(rows->value, old->value_size))
		return 0;
	err = translate(plans->key, old->key_size, rows->key, rows->new_key);
	if (!err)
		err = translate(plans->value, old->value_size, rows->value, rows->new_value);
	if (!err && bpf_map_update_elem(to, rows->new_key, rows->new_value, BPF_ANY))
		err = fail_errno(-errno, "map %s: cannot write a row", old->name);
	return err;
}

/* A row of it is one for each CPU: only what adds them up may read that (carry_counters.c). */
static bool is_per_cpu(uint32_t type)
{
	return type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_PERCPU_HASH ||
	       type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

static int copy_rows(int from, int to, const struct carry_plans *plans)
{
	__attribute__((cleanup(cleanup_rows))) struct rows rows = {};
	struct bpf_map_info old, now;
	int err = carry_info(from, &old);
	bool first = true;

	if (!err)
		err = carry_info(to, &now);
	if (err)
		return err;
	if (old.key_size != (plans->key ? carry_old_size(plans->key) : now.key_size) ||
	    old.value_size != (plans->value ? carry_old_size(plans->value) : now.value_size) ||
	    old.type != now.type || is_per_cpu(old.type))
		return fail(-EPROTO, "map %s is of another kind: it cannot be carried over",
			    now.name);
	rows = (struct rows){ malloc(old.key_size), malloc(old.value_size), malloc(now.key_size),
			      malloc(now.value_size) };
	if (!rows.key || !rows.value || !rows.new_key || !rows.new_value)
		return fail(-ENOMEM, "host: out of memory");
	while (!err && !bpf_map_get_next_key(from, first ? NULL : rows.key, rows.key)) {
		first = false;
		err = copy_row(from, to, plans, &rows, &old);
	}
	return err;
}

static bool is_outer(int fd, uint32_t *ret_count)
{
	struct bpf_map_info info;

	if (carry_info(fd, &info))
		return false;
	*ret_count = info.max_entries;
	return info.type == BPF_MAP_TYPE_ARRAY_OF_MAPS;
}

/* New maps that wait for their places: the kernel waits for programs once for all of them. */
struct inner {
	uint32_t index[256];
	int fd[256];
	uint32_t count;
};

static void cleanup_inner(struct inner *inner)
{
	for (uint32_t i = 0; i < inner->count; i++)
		cleanup_close(&inner->fd[i]);
	inner->count = 0;
}

static int put_inner(int to, struct inner *inner)
{
	uint32_t count = inner->count;
	int err = 0;

	if (count && bpf_map_update_batch(to, inner->index, inner->fd, &count, NULL))
		err = fail_errno(-errno, "host: cannot put tables in place");
	cleanup_inner(inner);
	return err;
}

/* With the old one's rows, if it is policy. */
static int add_inner(struct inner *inner, int old, const struct carry_plans *plans, bool with_rows)
{
	int now = make_like(old, plans);

	if (now < 0)
		return now;
	inner->fd[inner->count++] = now;
	return with_rows ? copy_rows(old, now, plans) : 0;
}

/* A new map in each place in which there is an old one. */
static int copy_inner(int from, int to, const struct carry_plans *plans, bool with_rows)
{
	__attribute__((cleanup(cleanup_inner))) struct inner inner = { .count = 0 };
	uint32_t count = 0, now_count = 0;
	int err = 0;

	if (!is_outer(from, &count) || !is_outer(to, &now_count) || count != now_count)
		return fail(-EPROTO, "host: an array of tables has another size in this version");
	for (uint32_t index = 0; index < count && !err; index++) {
		_cleanup_close_ int old = carry_inner(from, index);

		if (old < 0)
			continue;
		inner.index[inner.count] = index;
		err = add_inner(&inner, old, plans, with_rows);
		if (!err && inner.count == ARRAY_SIZE(inner.fd))
			err = put_inner(to, &inner);
	}
	return err ? err : put_inner(to, &inner);
}

int carry_copy(int from, int to, const struct carry_plans *plans, bool with_rows)
{
	uint32_t count;

	return is_outer(from, &count) ? copy_inner(from, to, plans, with_rows)
				      : copy_rows(from, to, plans);
}
