// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Fragments in an image: trains of datagrams that are not complete. See state_features.h. What a
 * train admits is bytes of a datagram whose first fragment has passed; the address that they come
 * from or go to is judged packet by packet, so nothing here has to be an address of the VM.
 */
#include <roam/frag.h>
#include "frag.h"
#include "port.h"
#include "state_features.h"
#include "text.h"
#include "vm.h"

struct saving {
	struct image_writer *writer;
	struct roam_port ports[ROAM_VM_PORTS];
	int port_count;
	bool begun; /* the table: only if there is a row, for readers that do not know it */
};

static void digest(struct host *host, uint32_t slot, XXH3_state_t *hash)
{
	(void)host;
	(void)slot;
	(void)hash; /* state only */
}

static bool has_zone(const struct saving *saving, uint32_t zone)
{
	for (int i = 0; i < saving->port_count; i++) {
		if (saving->ports[i].zone == zone)
			return true;
	}
	return false;
}

/* Trains of ports that the VM has no more see no packet again. */
static int write_train(const struct roam_frag_rec *rec, void *arg)
{
	struct saving *saving = arg;
	int err = 0;

	if (!has_zone(saving, ROAM_ZONE_NO(rec->key.zone)))
		return 0;
	if (!saving->begun)
		err = image_write_table(saving->writer, TABLE_FRAG);
	saving->begun = true;
	return err ? err : image_write_rows(saving->writer, rec, 1);
}

static int save(struct host *host, uint32_t slot, struct image_writer *writer)
{
	struct saving saving = { .writer = writer };

	saving.port_count = port_list(host, slot, saving.ports);
	return frag_each(host, slot, write_train, &saving);
}

/* Ranges that are none, overlap, or lie behind the datagram's end. */
static bool ranges_are_absurd(const struct roam_frag *frag)
{
	for (int i = 0; i < ROAM_FRAG_RANGES; i++) {
		uint32_t lo = ROAM_FRAG_LO(frag->range[i]), hi = ROAM_FRAG_HI(frag->range[i]);

		if (!frag->range[i])
			continue;
		if (lo >= hi || hi > UINT16_MAX || (frag->size && hi > frag->size))
			return true;
		for (int j = 0; j < i; j++) {
			if (lo < ROAM_FRAG_HI(frag->range[j]) && ROAM_FRAG_LO(frag->range[j]) < hi)
				return true;
		}
	}
	return !frag->range[0] || ROAM_FRAG_LO(frag->range[0]) || frag->size > UINT16_MAX;
}

static bool role_is_absurd(const struct roam_frag_rec *rec)
{
	bool hairpin = rec->frag.lb_role == ROAM_LB_ROLE_HAIRPIN_CLIENT ||
		       rec->frag.lb_role == ROAM_LB_ROLE_HAIRPIN_SERVER;

	if (!rec->frag.lb_role)
		return false;
	return addr_family(&rec->frag.addr) != rec->key.family ||
	       (hairpin && rec->key.dir == ROAM_DIR_IN);
}

static int check(enum schema_table_id table, const void *row)
{
	const struct roam_frag_rec *rec = row;

	if (table != TABLE_FRAG)
		return 0;
	if (rec->key.family != addr_family(&rec->key.local) ||
	    rec->key.family != addr_family(&rec->key.remote))
		return fail(-EBADMSG, "image: fragments whose addresses are not of their family");
	if (ranges_are_absurd(&rec->frag))
		return fail(-EBADMSG, "image: fragments with absurd ranges");
	if (role_is_absurd(rec))
		return fail(-EBADMSG, "image: fragments with a translation that makes no sense");
	if (rec->frag.is_dead > 1 || rec->frag.established > 1)
		return fail(-EBADMSG, "image: fragments with absurd flags");
	return 0;
}

static int load(struct state_features *features, enum schema_table_id table, const void *row)
{
	const struct roam_frag_rec *rec = row;
	char addr[TEXT_ADDR_LEN];
	struct roam_vm vm;
	int err;

	if (table != TABLE_FRAG)
		return 0;
	err = vm_get(features->host, features->slot, &vm);
	if (err || (rec->frag.lb_role && !vm.lb)) /* of a session that is refused or left behind */
		return err;
	err = frag_store(features->host, features->slot, rec);
	return err == -EEXIST ? fail(-EBADMSG, "image: fragments of a datagram with %s twice",
				     text_addr(&rec->key.remote, addr))
			      : err;
}

static int end(struct state_features *features, enum schema_table_id table)
{
	(void)features;
	(void)table;
	return 0;
}

const struct state_feature state_frag = { digest, save, check, load, end };
