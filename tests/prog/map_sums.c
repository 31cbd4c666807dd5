// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Checksums of a host's maps: see map_sums.h. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "harness.h"
#include "map_sums.h"

#define ROW_MAX (1 << 20)

static uint8_t value[ROW_MAX];

static void must(bool is_true, const char *what)
{
	if (is_true)
		return;
	fprintf(stderr, "# map_sums: %s\n", what);
	abort();
}

/* Eight bytes at a time, by the multiplier of splitmix64: this is much data. */
static uint64_t add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *bytes = data;
	uint64_t word;

	for (; len; bytes += sizeof(word), len -= len < sizeof(word) ? len : sizeof(word)) {
		word = 0;
		memcpy(&word, bytes, len < sizeof(word) ? len : sizeof(word));
		sum = (sum ^ word) * 0xbf58476d1ce4e5b9ULL;
		sum ^= sum >> 31;
	}
	return sum;
}

static bool is_outer(const struct bpf_map_info *info)
{
	return info->type == BPF_MAP_TYPE_ARRAY_OF_MAPS;
}

static bool is_per_cpu(const struct bpf_map_info *info)
{
	return info->type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

static size_t row_size(const struct bpf_map_info *info)
{
	size_t size = (info->value_size + 7) & ~7U;

	return is_per_cpu(info) ? size * libbpf_num_possible_cpus() : info->value_size;
}

static uint64_t sum_map(int fd, const char *name);

static uint64_t sum_row(const struct bpf_map_info *info, const void *key)
{
	uint64_t sum = add(add(1, key, info->key_size), value, row_size(info));
	uint32_t id;
	int fd;

	if (!is_outer(info))
		return sum;
	memcpy(&id, value, sizeof(id));
	fd = bpf_map_get_fd_by_id(id);
	must(fd >= 0, "an inner map");
	sum = add(sum, &(uint64_t){ sum_map(fd, "") }, sizeof(sum));
	close(fd);
	return sum;
}

/* Takes each entry off and puts it back: once around, and all is as it was. */
static uint64_t sum_queue(int fd, const struct bpf_map_info *info)
{
	uint8_t *rows = malloc((size_t)info->max_entries * info->value_size);
	uint64_t sum = 1;
	uint32_t count = 0;

	must(rows, "memory");
	while (!bpf_map_lookup_and_delete_elem(fd, NULL, rows + (size_t)count * info->value_size))
		count++;
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *row = rows + (size_t)i * info->value_size;

		sum = add(sum, row, info->value_size);
		must(!bpf_map_update_elem(fd, NULL, row, BPF_ANY), "an entry goes back");
	}
	free(rows);
	return sum;
}

/* Most of an array is empty: only what is not is worth a look. */
static uint64_t sum_array(int fd, const struct bpf_map_info *info)
{
	uint32_t *keys = calloc(info->max_entries, sizeof(*keys)), next, count = info->max_entries;
	uint8_t *values = calloc(info->max_entries, info->value_size);
	uint64_t sum = 1;

	must(keys && values, "memory");
	must(!bpf_map_lookup_batch(fd, NULL, &next, keys, values, &count, NULL) || errno == ENOENT,
	     "an array's rows");
	for (uint32_t i = 0; i < count; i++) {
		memcpy(value, values + (size_t)i * info->value_size, info->value_size);
		sum += sum_row(info, &keys[i]);
	}
	free(keys);
	free(values);
	return sum;
}

/* Rows are added up, because a hash table has no order. */
static uint64_t sum_map(int fd, const char *name)
{
	bool scratch = !strcmp(name, "ct_scratch") || !strcmp(name, "acl_walk");
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info);
	uint8_t keys[2][256] = {};
	uint64_t sum = 1;
	int now = 0;

	must(!bpf_obj_get_info_by_fd(fd, &info, &len), "a map's info");
	must(info.key_size <= sizeof(keys[0]) && row_size(&info) <= sizeof(value),
	     "rows too large");
	if (info.type == BPF_MAP_TYPE_QUEUE)
		return sum_queue(fd, &info);
	if (info.type == BPF_MAP_TYPE_ARRAY || is_outer(&info))
		return sum_array(fd, &info);
	for (bool more = !bpf_map_get_next_key(fd, NULL, keys[now]); more; now = !now) {
		if (!bpf_map_lookup_elem(fd, keys[now], value) && !(scratch && keys[now][0]))
			sum += sum_row(&info, keys[now]);
		more = !bpf_map_get_next_key(fd, keys[now], keys[!now]);
	}
	return sum;
}

static void sum_pin(const char *dir, const char *name, struct map_sums *sums)
{
	char path[640];
	int fd;

	must(sums->count < MAP_SUMS_MAX, "more maps than there is room for");
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = bpf_obj_get(path);
	must(fd >= 0, path);
	snprintf(sums->map[sums->count].name, sizeof(sums->map[0].name), "%.31s", name);
	sums->map[sums->count++].sum = sum_map(fd, name);
	close(fd);
}

void map_sums(struct host *host, struct map_sums *ret_sums)
{
	struct dirent **list;
	char dir[320];
	int count;

	snprintf(dir, sizeof(dir), "%s/maps", host_dir(host));
	count = scandir(dir, &list, NULL, alphasort);
	must(count > 0, dir);
	ret_sums->count = 0;
	for (int i = 0; i < count; i++) {
		if (list[i]->d_name[0] != '.' && strcmp(list[i]->d_name, "explain_run") != 0)
			sum_pin(dir, list[i]->d_name, ret_sums);
		free(list[i]);
	}
	free(list);
}

uint32_t map_sums_differ(const struct map_sums *a, const struct map_sums *b, bool say)
{
	uint32_t differ = a->count != b->count;

	for (uint32_t i = 0; i < a->count && i < b->count; i++) {
		if (a->map[i].sum == b->map[i].sum)
			continue;
		if (say)
			note("map %s is not what it was", a->map[i].name);
		differ++;
	}
	return differ;
}
