// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Intrusion prevention in an image: the profile, the sources whose buckets are not full, and the
 * blocks with their remaining time. See state_features.h.
 *
 * Blocks of both hosts are in force; of two for one source the one that ends later stays, with the
 * strikes of who counted more (merge.h).
 */
#include <string.h>
#include "ips.h"
#include "state_features.h"
#include "text.h"

static void digest(struct host *host, uint32_t slot, XXH3_state_t *hash)
{
	struct roam_ips conf;

	if (!ips_get(host, slot, &conf) && conf.is_set)
		XXH3_64bits_update(hash, &conf, sizeof(conf));
}

/* Of a bucket that has never been drawn from there is nothing to say. */
static int write_source(const struct roam_ips_source_rec *rec, void *arg)
{
	return rec->source.paid_ns ? image_write_rows(arg, rec, 1) : 0;
}

static int write_block(const struct roam_ips_block_rec *rec, void *arg)
{
	return image_write_rows(arg, rec, 1);
}

static int save(struct host *host, uint32_t slot, struct image_writer *writer)
{
	struct roam_ips conf;
	int err = ips_get(host, slot, &conf);

	if (err || !conf.is_set)
		return err;
	err = image_write_table(writer, TABLE_IPS);
	if (!err)
		err = image_write_rows(writer, &conf, 1);
	if (!err)
		err = image_write_table(writer, TABLE_IPS_SOURCE);
	if (!err)
		err = ips_each_source(host, slot, write_source, writer);
	if (!err)
		err = image_write_table(writer, TABLE_IPS_BLOCK);
	return err ? err : ips_each_block(host, slot, write_block, writer);
}

static int check(enum schema_table_id table, const void *row)
{
	const struct roam_ips_block_rec *block = row;
	const struct roam_ips *conf = row;

	if (table == TABLE_IPS && !conf->is_set)
		return fail(-EBADMSG, "image: a row of table ips that is no profile");
	if (table == TABLE_IPS)
		return ips_validate("image: ips", conf);
	if (table == TABLE_IPS_BLOCK && block->block.by_hand > 1)
		return fail(-EBADMSG, "image: a block with absurd flags");
	return 0;
}

/* The profile that rules here, and tables for it. */
static int load_profile(struct state_features *features, const struct roam_ips *row)
{
	if (features->image_ips.is_set)
		return fail(-EBADMSG, "image: more than one row in table ips");
	features->image_ips = *row;
	return 0;
}

static int take_own_block(const struct roam_ips_block_rec *rec, void *arg)
{
	struct state_features *features = arg;

	return ips_store_block(features->host, features->slot, rec);
}

/* The end of table ips: from here on the draft has the tables that rows go into. */
static int end_profile(struct state_features *features)
{
	int err = 0;

	features->ips = features->image_ips;
	if (features->own_slot)
		err = ips_get(features->host, features->own_slot, &features->ips);
	if (err || !features->ips.is_set)
		return err;
	err = ips_store(features->host, features->slot, &features->ips);
	if (!err && features->own_slot)
		err = ips_each_block(features->host, features->own_slot, take_own_block, features);
	return err;
}

/* A row that is not of the source that its address says. */
static int check_source(const struct state_features *features, const struct roam_addr *addr)
{
	struct roam_addr source = ips_source(&features->image_ips, addr);
	char text[TEXT_ADDR_LEN];

	if (!features->image_ips.is_set)
		return fail(-EBADMSG, "image: sources without a profile of ips");
	if (memcmp(&source, addr, sizeof(source)) != 0)
		return fail(-EBADMSG, "image: %s is no source by the image's prefixes",
			    text_addr(addr, text));
	return 0;
}

static bool narrower(uint8_t image, uint8_t own)
{
	return own > image;
}

static uint32_t quota_of(const struct roam_ips *conf, enum roam_ips_kind kind)
{
	return kind == ROAM_IPS_SOURCES ? conf->sources : conf->blocks;
}

static struct rows *late_of(const struct state_features *features, enum roam_ips_kind kind)
{
	return kind == ROAM_IPS_SOURCES ? &features->late->sources : &features->late->blocks;
}

/* As many may find no place as the image has more than its own quota; known at the table's end. */
static int hold(struct state_features *features, enum roam_ips_kind kind, const void *rec,
		size_t size)
{
	struct rows *late = late_of(features, kind);

	if (late->count >= EXCESS_MOST(quota_of(&features->image_ips, kind)))
		return fail(-ENOSPC, "ips: more rows than the VM's quota");
	return excess_hold(late, rec, size);
}

static int end_rows(struct state_features *features, enum roam_ips_kind kind)
{
	uint32_t quota = quota_of(&features->image_ips, kind), rows = features->ips_rows[kind];
	struct rows *late = late_of(features, kind);

	if (!late->count)
		return 0;
	if (rows < quota || late->count > rows - quota)
		return fail(-ENOSPC, "ips: more rows than the VM's quota");
	return features->keeps_late ? 0
				    : excess_place_ips(features->host, features->slot, kind, late);
}

static int load_source(struct state_features *features, struct roam_ips_source_rec rec)
{
	bool ipv4 = addr_is_ipv4(&rec.addr);
	char text[TEXT_ADDR_LEN];
	int err = check_source(features, &rec.addr);

	if (err || !features->ips.is_set)
		return err;
	/* What a larger source did is nobody's in particular here. */
	if (narrower(ipv4 ? features->image_ips.prefix4 : features->image_ips.prefix6,
		     ipv4 ? features->ips.prefix4 : features->ips.prefix6))
		return 0;
	rec.addr = ips_source(&features->ips, &rec.addr);
	err = ips_store_source(features->host, features->slot, &rec);
	if (err == -ENOSPC)
		return hold(features, ROAM_IPS_SOURCES, &rec, sizeof(rec));
	if (err == -EEXIST && !features->own_slot)
		return fail(-EBADMSG, "image: source %s twice", text_addr(&rec.addr, text));
	return err == -EEXIST ? ips_merge_source(features->host, features->slot, &rec) : err;
}

static int load_block(struct state_features *features, struct roam_ips_block_rec rec)
{
	bool ipv4 = addr_is_ipv4(&rec.addr);
	char text[TEXT_ADDR_LEN];
	int err = check_source(features, &rec.addr);

	if (err || !features->ips.is_set)
		return err;
	if (narrower(ipv4 ? features->image_ips.prefix4 : features->image_ips.prefix6,
		     ipv4 ? features->ips.prefix4 : features->ips.prefix6))
		return fail(
			-EPROTO,
			"state: the image blocks %s by a shorter prefix than this host's policy",
			text_addr(&rec.addr, text));
	rec.addr = ips_source(&features->ips, &rec.addr);
	err = ips_store_block(features->host, features->slot, &rec);
	if (err == -ENOSPC)
		return hold(features, ROAM_IPS_BLOCKS, &rec, sizeof(rec));
	if (err != -EEXIST)
		return err;
	if (!features->own_slot)
		return fail(-EBADMSG, "image: block %s twice", text_addr(&rec.addr, text));
	return ips_merge_block(features->host, features->slot, &rec);
}

static int load(struct state_features *features, enum schema_table_id table, const void *row)
{
	switch (table) {
	case TABLE_IPS:
		return load_profile(features, row);
	case TABLE_IPS_SOURCE:
		features->ips_rows[ROAM_IPS_SOURCES]++;
		return load_source(features, *(const struct roam_ips_source_rec *)row);
	case TABLE_IPS_BLOCK:
		features->ips_rows[ROAM_IPS_BLOCKS]++;
		return load_block(features, *(const struct roam_ips_block_rec *)row);
	default:
		return 0;
	}
}

static int end(struct state_features *features, enum schema_table_id table)
{
	switch (table) {
	case TABLE_IPS:
		return end_profile(features);
	case TABLE_IPS_SOURCE:
		return end_rows(features, ROAM_IPS_SOURCES);
	case TABLE_IPS_BLOCK:
		return end_rows(features, ROAM_IPS_BLOCKS);
	default:
		return 0;
	}
}

const struct state_feature state_ips = { digest, save, check, load, end };
