/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The schema of images: for every table the fields that travel, by name, and where they are in this
 * build's structs. Made at build time from BTF (tools/schema.c). docs/image.md describes the kinds.
 */
#ifndef ROAM_SCHEMA_H
#define ROAM_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

enum field_kind {
	FIELD_UINT,  /* little-endian */
	FIELD_BE,    /* big-endian, as on the wire */
	FIELD_BYTES, /* one value of `size` bytes; so are ADDR, MAC and NAME */
	FIELD_ADDR,
	FIELD_MAC,
	FIELD_NAME,  /* NUL-padded text */
	FIELD_AGE,   /* here: a time of the monotonic clock; in an image: how long ago */
	FIELD_ENUM,  /* a number that the image's list of names explains */
	FIELD_RULE,  /* here: a rule's id; in an image: its row in table acl, from 1; 0: none */
	FIELD_ZONE,  /* upper 8 bits here: a zone's number; in an image: its first row in table port
		      */
	FIELD_GEN,   /* here: a generation of policy; in an image: 1 if it is the current one */
	FIELD_UNTIL, /* as AGE, of what may end long after now */
	FIELD_SERVICE, /* here: a service's id; in an image: its row in table lb, from 1; 0: none */
	FIELD_KINDS,
};

/* Of a field of a row that an image and the host that loads it both have, what stays (merge.h). */
enum field_merge {
	MERGE_IMAGE, /* the image's */
	MERGE_MAX,   /* the larger; of times the later */
	MERGE_SUM,
	MERGE_UNION, /* bits of either */
};

struct schema_field {
	const char *name;
	const char *list; /* of an ENUM: NAME of ROAM_<NAME>S */
	uint16_t offset;  /* in the struct of this build */
	uint16_t size;    /* of one element */
	uint16_t count;   /* of elements */
	uint16_t stride;  /* from one to the next, here; in an image they are neighbours */
	uint8_t kind;     /* enum field_kind */
	uint8_t required;
	uint8_t may_miss; /* not in the first version: an image without it means 0 */
	uint8_t merge;    /* enum field_merge */
};

/* In this order they stand in an image. */
enum schema_table_id {
	TABLE_MOVE,       /* struct roam_move_rec, one row; of a delta only */
	TABLE_VM,         /* struct roam_vm, one row */
	TABLE_PORT,       /* struct roam_port */
	TABLE_SET,        /* struct roam_set: those that rules name */
	TABLE_ACL,        /* struct roam_acl_rec, in the order of matching */
	TABLE_HITS,       /* struct roam_hits_rec; of a delta only */
	TABLE_QOS,        /* struct roam_qos_rec */
	TABLE_IPS,        /* struct roam_ips, one row */
	TABLE_GONE_IPS,   /* struct roam_gone_ips; of a delta only */
	TABLE_IPS_SOURCE, /* struct roam_ips_source_rec */
	TABLE_IPS_BLOCK,  /* struct roam_ips_block_rec */
	TABLE_FRAG,       /* struct roam_frag_rec */
	TABLE_LB,         /* struct roam_lb_rec: the services that flows name */
	TABLE_GONE_FLOW,  /* struct roam_gone_flow; of a delta only */
	TABLE_FLOW,       /* struct roam_flow_rec */
	TABLE_STATS,      /* struct roam_stats_rec */
	TABLE_COUNT,
};

struct schema_table {
	const char *name;
	const struct schema_field *fields;
	uint16_t field_count;
	uint16_t row_size; /* of the struct of this build */
};

extern const struct schema_table schema_tables[TABLE_COUNT];

/* Whether a whole image has none of it. */
bool schema_is_delta(enum schema_table_id table);

/* The field of that name, or NULL. */
const struct schema_field *schema_field(const struct schema_table *table, const char *name);

#endif
