// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Intrusion prevention of VMs: see ips.h. */
#include <string.h>
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include "ips.h"
#include "ips_tables.h"
#include "journal.h"
#include "merge.h"
#include "move.h"
#include "move_own.h"
#include "text.h"
#include "vm.h"

#define IPV4_BITS_BASE 96

/* Rows that are read at once, at first. */
#define WALK_ROWS 4096

struct roam_ips ips_defaults(void)
{
	return (struct roam_ips){
		.block_s = ROAM_IPS_BLOCK_DEFAULT_S,
		.block_max_s = ROAM_IPS_BLOCK_MAX_DEFAULT_S,
		.sources = ROAM_IPS_SOURCES_DEFAULT,
		.blocks = ROAM_IPS_BLOCKS_DEFAULT,
		.prefix4 = ROAM_IPS_PREFIX4_DEFAULT,
		.prefix6 = ROAM_IPS_PREFIX6_DEFAULT,
		.is_set = 1,
	};
}

static int check_quota(const char *what, const char *name, uint32_t quota)
{
	if (quota < ROAM_IPS_QUOTA_MIN || quota > ROAM_IPS_QUOTA_MAX)
		return fail(-ERANGE, "%s: %s %u is not from %u to %u", what, name, quota,
			    ROAM_IPS_QUOTA_MIN, ROAM_IPS_QUOTA_MAX);
	return 0;
}

int ips_validate(const char *what, const struct roam_ips *conf)
{
	int err;

	if (conf->is_set > 1)
		return fail(-EINVAL, "%s: an absurd profile", what);
	if (conf->rate > ROAM_IPS_RATE_MAX || conf->burst > ROAM_IPS_RATE_MAX)
		return fail(-ERANGE, "%s: rate and burst are at most %u", what, ROAM_IPS_RATE_MAX);
	if (!conf->rate != !conf->burst)
		return fail(-EINVAL, "%s: of rate and burst one is 0", what);
	if (conf->block_max_s > ROAM_IPS_TIME_MAX || conf->block_s > conf->block_max_s)
		return fail(-ERANGE, "%s: a block of %u s is longer than the longest, or absurd",
			    what, conf->block_s);
	if (!conf->prefix4 || conf->prefix4 > 32)
		return fail(-ERANGE, "%s: prefix4 %u is not from 1 to 32", what, conf->prefix4);
	if (!conf->prefix6 || conf->prefix6 > 128)
		return fail(-ERANGE, "%s: prefix6 %u is not from 1 to 128", what, conf->prefix6);
	err = check_quota(what, "sources", conf->sources);
	return err ? err : check_quota(what, "blocks", conf->blocks);
}

static void fill_mask(uint32_t bits, __be32 ret_mask[4])
{
	for (uint32_t i = 0; i < 4; i++) {
		uint32_t here = bits > 32 * i ? bits - 32 * i : 0;

		ret_mask[i] = here >= 32 ? 0xffffffff : here ? htonl(~0U << (32 - here)) : 0;
	}
}

/* What the stage reads, from what was written. */
static struct roam_ips compile(const struct roam_ips *conf)
{
	struct roam_ips row = *conf;

	row.cost_ns = conf->rate ? NS_PER_S / conf->rate : 0;
	row.burst_ns = row.cost_ns * conf->burst;
	fill_mask(IPV4_BITS_BASE + conf->prefix4, row.mask4);
	fill_mask(conf->prefix6, row.mask6);
	return row;
}

struct roam_addr ips_source(const struct roam_ips *conf, const struct roam_addr *addr)
{
	struct roam_ips row = compile(conf);
	const __be32 *mask = addr_is_ipv4(addr) ? row.mask4 : row.mask6;
	struct roam_addr source = *addr;

	for (int i = 0; i < 4; i++)
		source.words[i] &= mask[i];
	return source;
}

int ips_get(struct host *host, uint32_t slot, struct roam_ips *ret_conf)
{
	return host_get(host, HOST_MAP_ips_conf, &slot, ret_conf);
}

bool ips_is_used(struct host *host, uint32_t slot)
{
	struct roam_ips conf;

	return !ips_get(host, slot, &conf) && conf.is_set;
}

/* Rows of one of the tables, some thousand at a time. */
struct walk {
	int (*fn)(const struct roam_addr *key, const void *value, void *arg);
	void *arg;
	size_t value_size;
	uint32_t room;
	struct roam_addr *keys;
	uint8_t *values;
};

static int walk_room(struct walk *walk, uint32_t room)
{
	free(walk->keys);
	free(walk->values);
	walk->room = room;
	walk->keys = calloc(room, sizeof(*walk->keys));
	walk->values = calloc(room, walk->value_size);
	return walk->keys && walk->values ? 0 : fail(-ENOMEM, "ips: out of memory");
}

/*
 * By batches, for programs may be deleting rows: from a key that is gone, the next one would be the
 * first again.
 */
static int walk_rows(struct walk *walk, int fd)
{
	uint32_t next, position, *from = NULL;
	int found = 0, err = walk_room(walk, WALK_ROWS);

	while (!err && found != -ENOENT) {
		uint32_t count = walk->room;

		found = bpf_map_lookup_batch(fd, from, &next, walk->keys, walk->values, &count,
					     NULL);
		if (found == -ENOSPC) { /* a bucket with more rows than there is room */
			err = walk_room(walk, 2 * walk->room);
			continue;
		}
		if (found && found != -ENOENT)
			return fail_errno(found, "ips: cannot read rows");
		for (uint32_t i = 0; i < count && !err; i++)
			err = walk->fn(&walk->keys[i], walk->values + i * walk->value_size,
				       walk->arg);
		position = next;
		from = &position;
	}
	return err;
}

static int walk_table(struct host *host, uint32_t slot, enum host_map map, struct walk *walk)
{
	_cleanup_close_ int fd = -1;
	int err;

	if (!host_has_inner(host, map, slot))
		return 0;
	fd = host_inner(host, map, slot);
	if (fd < 0)
		return fd;
	err = walk_rows(walk, fd);
	free(walk->keys);
	free(walk->values);
	return err;
}

struct each_block {
	ips_block_fn fn;
	void *arg;
};

static int on_block(const struct roam_addr *key, const void *value, void *arg)
{
	const struct each_block *each = arg;
	struct roam_ips_block_rec rec = { .addr = *key };

	memcpy(&rec.block, value, sizeof(rec.block));
	return each->fn(&rec, each->arg);
}

int ips_each_block(struct host *host, uint32_t slot, ips_block_fn fn, void *arg)
{
	struct each_block each = { fn, arg };
	struct walk walk = {
		.fn = on_block,
		.arg = &each,
		.value_size = sizeof(struct roam_ips_block),
	};

	return walk_table(host, slot, HOST_MAP_ips_block, &walk);
}

struct each_source {
	ips_source_fn fn;
	void *arg;
};

static int on_source(const struct roam_addr *key, const void *value, void *arg)
{
	const struct each_source *each = arg;
	struct roam_ips_source_rec rec = { .addr = *key };

	memcpy(&rec.source, value, sizeof(rec.source));
	return each->fn(&rec, each->arg);
}

int ips_each_source(struct host *host, uint32_t slot, ips_source_fn fn, void *arg)
{
	struct each_source each = { fn, arg };
	struct walk walk = {
		.fn = on_source,
		.arg = &each,
		.value_size = sizeof(struct roam_ips_source),
	};

	return walk_table(host, slot, HOST_MAP_ips_source, &walk);
}

static void fill_quota(const struct roam_ips *conf, uint32_t ret_quota[ROAM_IPS_KINDS])
{
	ret_quota[ROAM_IPS_SOURCES] = conf->sources;
	ret_quota[ROAM_IPS_BLOCKS] = conf->blocks;
}

int ips_store(struct host *host, uint32_t slot, const struct roam_ips *conf)
{
	uint32_t quota[ROAM_IPS_KINDS];
	struct roam_ips row = compile(conf);
	int err;

	fill_quota(conf, quota);
	err = ips_tables_make(host, slot, quota);
	return err ? err : host_put(host, HOST_MAP_ips_conf, &slot, &row);
}

static int count_block(const struct roam_ips_block_rec *rec, void *arg)
{
	(void)rec;
	++*(uint32_t *)arg;
	return 0;
}

/* What another profile must not lose. */
static int check_change(struct host *host, uint32_t slot, const struct roam_ips *before,
			const struct roam_ips *conf)
{
	uint32_t blocks = 0;
	int err = ips_each_block(host, slot, count_block, &blocks);

	if (err || !blocks)
		return err;
	if (before->prefix4 != conf->prefix4 || before->prefix6 != conf->prefix6)
		return fail(-EBUSY,
			    "ips: %u blocks are by prefixes of /%u and /%u: release them "
			    "before you change the lengths",
			    blocks, before->prefix4, before->prefix6);
	if (blocks > conf->blocks)
		return fail(-EBUSY, "ips: blocks %u is too few: there are %u", conf->blocks,
			    blocks);
	return 0;
}

/* Sources by another prefix are worth nothing: their tables are made anew. */
static int fit_tables(struct host *host, uint32_t slot, const struct roam_ips *before,
		      const struct roam_ips *conf)
{
	uint32_t quota[ROAM_IPS_KINDS];

	fill_quota(conf, quota);
	if (!before->is_set || before->prefix4 != conf->prefix4 ||
	    before->prefix6 != conf->prefix6 || conf->sources < before->sources)
		return ips_tables_make(host, slot, quota);
	if (ips_tables_fit(host, slot, quota))
		return 0;
	return ips_tables_resize(host, slot, quota);
}

/* The profile's row is the change; what follows from it, recovery would do as well. */
static int set_locked(struct host *host, uint32_t slot, const struct roam_ips *conf)
{
	struct roam_ips row = compile(conf), before;
	int err = ips_get(host, slot, &before), entry;

	if (!err)
		err = check_change(host, slot, &before, conf);
	if (!err)
		err = journal_begin(host, slot, &entry);
	if (err)
		return err;
	err = fit_tables(host, slot, &before, conf);
	if (!err)
		err = host_put(host, HOST_MAP_ips_conf, &slot, &row);
	if (!err)
		err = vm_sync_features(host, slot);
	journal_end(host, slot, &entry);
	return err;
}

int ips_set(struct host *host, uint32_t slot, const struct roam_ips *conf)
{
	int err = ips_validate("ips", conf);

	if (!err)
		err = host_lock(host);
	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	return set_locked(locked, slot, conf);
}

void ips_clear(struct host *host, uint32_t slot)
{
	host_put(host, HOST_MAP_ips_conf, &slot, &(struct roam_ips){});
	ips_tables_clear(host, slot);
}

int ips_mend(struct host *host, uint32_t slot)
{
	uint32_t quota[ROAM_IPS_KINDS];
	struct roam_ips conf;
	int err = ips_get(host, slot, &conf);

	if (err)
		return err;
	fill_quota(&conf, quota);
	if (!conf.is_set)
		ips_tables_clear(host, slot);
	else if (!ips_tables_fit(host, slot, quota))
		err = ips_tables_resize(host, slot, quota);
	return err;
}

int ips_del(struct host *host, uint32_t slot)
{
	int err = host_lock(host), entry;

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	if (!ips_is_used(locked, slot))
		return fail(-ENOENT, "ips: the VM has no profile");
	err = journal_begin(host, slot, &entry);
	if (err)
		return err;
	err = host_put(host, HOST_MAP_ips_conf, &slot, &(struct roam_ips){});
	if (!err)
		err = vm_sync_features(host, slot);
	if (!err)
		ips_tables_clear(host, slot);
	journal_end(host, slot, &entry);
	return err;
}

int ips_stage(struct host *host, uint32_t slot, const struct roam_ips *conf)
{
	struct roam_ips row = compile(conf);

	return host_put(host, HOST_MAP_ips_conf, &slot, &row);
}

int ips_check_take(struct host *host, uint32_t slot, uint32_t from)
{
	struct roam_ips now, wanted;
	int err = ips_get(host, slot, &now);

	if (!err)
		err = ips_get(host, from, &wanted);
	return err || !wanted.is_set ? err : check_change(host, slot, &now, &wanted);
}

/* Programs stop looking before the tables go. */
static int take_none(struct host *host, uint32_t slot)
{
	_cleanup_close_ int fd = host_inner(host, HOST_MAP_ips_block, slot);
	int err = host_put(host, HOST_MAP_ips_conf, &slot, &(struct roam_ips){});

	if (!err)
		err = vm_sync_features(host, slot);
	if (!err && fd >= 0)
		ips_tables_clear(host, slot);
	return err;
}

int ips_take(struct host *host, uint32_t slot, uint32_t from)
{
	struct roam_ips now, wanted;
	int err = ips_get(host, slot, &now);

	if (!err)
		err = ips_get(host, from, &wanted);
	if (!err && !wanted.is_set)
		return take_none(host, slot);
	if (!err)
		err = fit_tables(host, slot, &now, &wanted);
	return err ? err : host_put(host, HOST_MAP_ips_conf, &slot, &wanted);
}

int ips_store_source(struct host *host, uint32_t slot, const struct roam_ips_source_rec *rec)
{
	return ips_row_put(host, slot, ROAM_IPS_SOURCES, &rec->addr, &rec->source);
}

int ips_store_block(struct host *host, uint32_t slot, const struct roam_ips_block_rec *rec)
{
	return ips_row_put(host, slot, ROAM_IPS_BLOCKS, &rec->addr, &rec->block);
}

int ips_merge_block(struct host *host, uint32_t slot, const struct roam_ips_block_rec *rec)
{
	_cleanup_close_ int fd = host_inner(host, HOST_MAP_ips_block, slot);
	struct roam_ips_block_rec own = { .addr = rec->addr }, merged = *rec;

	if (fd < 0)
		return fd;
	if (bpf_map_lookup_elem(fd, &rec->addr, &own.block))
		return fail_errno(-errno, "ips: cannot read a block");
	merge_row(TABLE_IPS_BLOCK, &own, &merged);
	merged.block.since_ns = own.block.since_ns; /* the clock's entry stands for it still */
	if (bpf_map_update_elem(fd, &rec->addr, &merged.block, BPF_EXIST))
		return fail_errno(-errno, "ips: cannot store a block");
	return 0;
}

int ips_merge_source(struct host *host, uint32_t slot, const struct roam_ips_source_rec *rec)
{
	_cleanup_close_ int fd = host_inner(host, HOST_MAP_ips_source, slot);
	struct roam_ips_source_rec own = { .addr = rec->addr }, merged = *rec;

	if (fd < 0)
		return fd;
	if (bpf_map_lookup_elem(fd, &rec->addr, &own.source))
		return fail_errno(-errno, "ips: cannot read a source");
	merge_row(TABLE_IPS_SOURCE, &own, &merged);
	if (bpf_map_update_elem(fd, &rec->addr, &merged.source, BPF_EXIST))
		return fail_errno(-errno, "ips: cannot store a source");
	return 0;
}

/* In place of a block that is there: one write, and the clock's entry stands for it still. */
static int replace_block(struct host *host, uint32_t slot, struct roam_ips_block_rec *rec)
{
	_cleanup_close_ int fd = host_inner(host, HOST_MAP_ips_block, slot);
	struct roam_ips_block before;

	if (fd < 0)
		return fd;
	if (bpf_map_lookup_elem(fd, &rec->addr, &before))
		return fail(-ENOENT, "ips: no such block");
	rec->block.since_ns = before.since_ns;
	rec->block.last_ns = before.last_ns;
	rec->block.packets = before.packets;
	rec->block.bytes = before.bytes;
	rec->block.strikes = before.strikes;
	return bpf_map_update_elem(fd, &rec->addr, &rec->block, BPF_EXIST)
		       ? fail_errno(-errno, "ips: cannot store a block")
		       : 0;
}

int ips_block_add(struct host *host, uint32_t slot, const struct roam_addr *addr, uint32_t seconds)
{
	uint64_t now = now_ns();
	struct roam_ips_block_rec rec = {
		.block = { .since_ns = now, .by_hand = 1 },
	};
	char text[TEXT_ADDR_LEN];
	struct roam_ips conf;
	int err;

	if (!addr_is_unicast(addr))
		return fail(-EINVAL, "ips: %s is not a host's address", text_addr(addr, text));
	err = host_lock(host);
	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	err = move_may_change(locked, slot);
	if (!err)
		err = ips_get(locked, slot, &conf);
	if (!err && !conf.is_set) {
		conf = ips_defaults();
		err = set_locked(host, slot, &conf);
	}
	if (err)
		return err;
	rec.addr = ips_source(&conf, addr);
	rec.block.until_ns = seconds ? now + seconds * NS_PER_S : 0;
	err = ips_store_block(host, slot, &rec);
	if (err == -EEXIST)
		err = replace_block(host, slot, &rec);
	move_unlogged(host, slot);
	return err;
}

static int release_locked(struct host *host, uint32_t slot, const struct roam_addr *addr)
{
	_cleanup_close_ int fd = host_inner(host, HOST_MAP_ips_block, slot);
	char text[TEXT_ADDR_LEN];
	struct roam_addr source;
	struct roam_ips conf;
	int err = ips_get(host, slot, &conf);

	if (err)
		return err;
	source = ips_source(&conf, addr);
	if (fd < 0 || bpf_map_delete_elem(fd, &source))
		return fail(-ENOENT, "ips: %s is not blocked", text_addr(addr, text));
	move_unlogged(host, slot);
	return 0;
}

int ips_block_del(struct host *host, uint32_t slot, const struct roam_addr *addr)
{
	int err = host_lock(host);

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	err = move_may_change(locked, slot);
	return err ? err : release_locked(locked, slot, addr);
}
