// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What is in a host's maps, for refuse.sh: one line with a checksum for each map that is pinned in
 * a folder, inner maps included. No libraries, so that it runs anywhere.
 *
 *   mapsum FOLDER         a line for each map: name, rows, checksum
 *   mapsum inner FOLDER   the numbers of all inner maps, for thousand.sh
 *
 * Reads by bare system calls and changes nothing: of a queue, which gives a row only by losing it,
 * just the first row.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <sys/syscall.h>

#define ROW_MAX  (1 << 20) /* bytes of a row: a per-CPU value on a large machine */
#define PATH_LEN 512

static uint8_t value[ROW_MAX];
static long cpus;
static bool print_inner;

static int bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/* FNV-1a, 64 bits. */
static uint64_t hash(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ bytes[i]) * 0x100000001b3ULL;
	return sum;
}

static struct bpf_map_info map_info(int fd)
{
	struct bpf_map_info info = {};
	union bpf_attr attr = { .info = { .bpf_fd = fd, .info_len = sizeof(info) } };

	attr.info.info = (uintptr_t)&info;
	if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr)) {
		perror("mapsum: info");
		exit(1);
	}
	return info;
}

static bool is_per_cpu(uint32_t type)
{
	return type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_PERCPU_HASH;
}

static bool is_outer(uint32_t type)
{
	return type == BPF_MAP_TYPE_ARRAY_OF_MAPS || type == BPF_MAP_TYPE_HASH_OF_MAPS;
}

static size_t row_size(const struct bpf_map_info *info)
{
	if (!is_per_cpu(info->type))
		return info->value_size;
	return (size_t)((info->value_size + 7) & ~7U) * cpus;
}

static bool look_up(int fd, const void *key)
{
	union bpf_attr attr = { .map_fd = fd, .key = (uintptr_t)key, .value = (uintptr_t)value };

	return !bpf(BPF_MAP_LOOKUP_ELEM, &attr);
}

static bool next_key(int fd, const void *at, void *ret_key)
{
	union bpf_attr attr = { .map_fd = fd, .key = (uintptr_t)at };

	attr.next_key = (uintptr_t)ret_key;
	return !bpf(BPF_MAP_GET_NEXT_KEY, &attr);
}

static uint64_t sum_map(int fd, uint64_t *ret_rows);

/* The inner map in `value`: its number says that it is the same one, its rows what it holds. */
static uint64_t sum_inner(uint64_t sum)
{
	union bpf_attr attr = {};
	uint64_t rows = 0;
	int fd;

	memcpy(&attr.map_id, value, sizeof(attr.map_id));
	if (print_inner) {
		printf("%u\n", attr.map_id);
		return sum;
	}
	fd = bpf(BPF_MAP_GET_FD_BY_ID, &attr);
	if (fd < 0)
		return sum;
	sum ^= sum_map(fd, &rows);
	close(fd);
	return hash(sum, &rows, sizeof(rows));
}

static uint64_t sum_row(const struct bpf_map_info *info, const void *key)
{
	uint64_t sum = hash(0xcbf29ce484222325ULL, key, info->key_size);

	sum = hash(sum, value, row_size(info));
	return is_outer(info->type) ? sum_inner(sum) : sum;
}

/* An array's rows in one call: most of it is empty, or zero. */
static uint64_t sum_array(int fd, const struct bpf_map_info *info, uint64_t *ret_rows)
{
	uint32_t *keys = calloc(info->max_entries, sizeof(*keys)), batch = 0;
	uint8_t *values = calloc(info->max_entries, info->value_size);
	union bpf_attr attr = {};
	uint64_t sum = 0;

	attr.batch.map_fd = fd;
	attr.batch.out_batch = (uintptr_t)&batch;
	attr.batch.keys = (uintptr_t)keys;
	attr.batch.values = (uintptr_t)values;
	attr.batch.count = info->max_entries;
	if (!keys || !values || (bpf(BPF_MAP_LOOKUP_BATCH, &attr) && errno != ENOENT)) {
		perror("mapsum: batch");
		exit(1);
	}
	for (uint32_t i = 0; i < attr.batch.count; i++) {
		memcpy(value, values + (size_t)i * info->value_size, info->value_size);
		sum += sum_row(info, &keys[i]);
	}
	*ret_rows = attr.batch.count;
	free(keys);
	free(values);
	return sum;
}

/* Rows are added up, because a hash map has no order. */
static uint64_t sum_map(int fd, uint64_t *ret_rows)
{
	struct bpf_map_info info = map_info(fd);
	uint64_t sum = hash(0, &info.max_entries, sizeof(info.max_entries));
	uint8_t keys[2][256] = {};
	int now = 0;

	if (info.key_size > sizeof(keys[0]) || row_size(&info) > sizeof(value)) {
		fprintf(stderr, "mapsum: rows too large\n");
		exit(1);
	}
	if (info.type == BPF_MAP_TYPE_QUEUE) {
		*ret_rows = look_up(fd, NULL);
		return sum + (*ret_rows ? sum_row(&info, NULL) : 0);
	}
	if (info.type == BPF_MAP_TYPE_ARRAY || info.type == BPF_MAP_TYPE_ARRAY_OF_MAPS)
		return sum + sum_array(fd, &info, ret_rows);
	for (bool more = next_key(fd, NULL, keys[now]); more; now = !now) {
		if (look_up(fd, keys[now])) {
			sum += sum_row(&info, keys[now]);
			++*ret_rows;
		}
		more = next_key(fd, keys[now], keys[!now]);
	}
	return sum;
}

static void print_map(const char *folder, const char *name)
{
	union bpf_attr attr = {};
	char path[PATH_LEN];
	uint64_t rows = 0, sum;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	attr.pathname = (uintptr_t)path;
	fd = bpf(BPF_OBJ_GET, &attr);
	if (fd < 0) {
		fprintf(stderr, "mapsum: %s: %s\n", path, strerror(errno));
		exit(1);
	}
	sum = sum_map(fd, &rows);
	if (!print_inner)
		printf("%s %llu %016llx\n", name, (unsigned long long)rows,
		       (unsigned long long)sum);
	close(fd);
}

/* As the kernel counts them for per-CPU values. */
static long possible_cpus(void)
{
	FILE *file = fopen("/sys/devices/system/cpu/possible", "re");
	int first = 0, last = 0;

	if (file && fscanf(file, "%d-%d", &first, &last) < 2)
		last = first;
	if (file)
		fclose(file);
	return last + 1;
}

int main(int argc, char **argv)
{
	struct dirent **list;
	int count = argc >= 2 ? scandir(argv[argc - 1], &list, NULL, alphasort) : -1;

	if (count < 0) {
		fprintf(stderr, "usage: mapsum [inner] FOLDER\n");
		return 2;
	}
	cpus = possible_cpus();
	print_inner = argc == 3;
	for (int i = 0; i < count; i++) {
		if (list[i]->d_name[0] != '.')
			print_map(argv[argc - 1], list[i]->d_name);
		free(list[i]);
	}
	free(list);
	return 0;
}
