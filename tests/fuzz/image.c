// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The decoder of images, with the checksum skipped (ROAM_FUZZ), and what looks at its rows.
 * Whatever it accepts must be the same image after it has been written and read again. Inputs are
 * changed section by section, decompressed, with sizes and counts mended, or nothing would get past
 * those.
 *
 * The images to begin with are made at the start, into the first folder of the command line.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <roam/pkt.h>
#include <roam/stats.h>
#include "acl.h"
#include "image.h"
#include "image_parts.h"
#include "state.h"
#include "state_show.h"
#include "text.h"
#include "vm.h"

/* So late that no age goes back to 0, which is "never". */
#define NOW_NS (3ULL << 61)

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

static uint32_t identity[ROAM_ACL_RULES + 1];

static void must(bool good)
{
	if (!good) {
		fprintf(stderr, "fuzz: %s\n", fail_line());
		abort();
	}
}

/* ---- read, written again as it comes ---- */

struct copying {
	struct image_maps maps;
	struct image_writer *writer;
	int begun; /* tables */
};

static int on_header(const struct image_header *header, void *arg)
{
	struct copying *copying = arg;

	return image_write_header(copying->writer, header);
}

static void begin_tables(struct copying *copying, int last)
{
	for (; copying->begun <= last; copying->begun++)
		must(!image_write_table(copying->writer, copying->begun));
}

static int on_rows(enum schema_table_id table, const void *rows, size_t count, void *arg)
{
	struct copying *copying = arg;
	struct image_maps *maps = &copying->maps;

	begin_tables(copying, table);
	must(!image_write_rows(copying->writer, rows, count));
	if (table == TABLE_PORT)
		maps->zone_count = maps->zone_count + count < ROAM_VM_PORTS
					   ? maps->zone_count + count
					   : ROAM_VM_PORTS;
	if (table == TABLE_ACL)
		maps->rule_count = maps->rule_count + count < ROAM_ACL_RULES
					   ? maps->rule_count + count
					   : ROAM_ACL_RULES;
	return 0;
}

static int on_table_end(enum schema_table_id table, void *arg)
{
	begin_tables(arg, table);
	return 0;
}

/* 0 if it could be read: then *ret_copy is what was written. */
static int copy(struct image_bytes *image, struct image_bytes *ret_copy)
{
	_cleanup_image_writer_ struct image_writer *writer = NULL;
	struct copying copying = {
		.maps = { .now_ns = NOW_NS, .gen = 1, .rule = identity, .rule_count = 1 },
	};
	struct image_sink sink = {
		.header = on_header,
		.rows = on_rows,
		.table_end = on_table_end,
		.maps = &copying.maps,
		.arg = &copying,
	};
	int err;

	for (uint32_t i = 0; i < ROAM_VM_PORTS; i++)
		copying.maps.zone[i] = i;
	must(!image_writer_open(&copying.maps, image_bytes_write, ret_copy, &writer));
	copying.writer = writer;
	err = image_read(image_bytes_read, image, &sink);
	if (!err)
		must(!image_write_end(writer));
	return err;
}

static void look(struct image_bytes *image)
{
	struct out *out = out_open(OUT_TEXT);

	image->read = 0;
	state_verify(out, image_bytes_read, image);
	out_close(out);
	out = out_open(OUT_JSON);
	image->read = 0;
	state_show(out, image_bytes_read, image);
	out_close(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image_bytes image = { .at = (uint8_t *)data, .len = size, .room = size };
	struct image_bytes once = {}, twice = {};

	if (!copy(&image, &once)) {
		must(!copy(&once, &twice));
		must(once.len == twice.len && !memcmp(once.at, twice.at, once.len));
	}
	look(&image);
	image_bytes_free(&once);
	image_bytes_free(&twice);
	return 0;
}

/* ---- changing inputs ---- */

static struct image_part *pick(struct image_parts *parts)
{
	return &parts->part[rand() % parts->count];
}

/* Its head says how many rows there are; mostly it should be right. */
static void mend_rows(struct image_parts *parts, struct image_part *part)
{
	const struct image_schema *schema;
	struct image_rows rows;
	uint32_t table = 0;

	if (part->type != IMAGE_ROWS || part->size < sizeof(rows) || !(rand() % 8))
		return;
	while (part > parts->part && part[-1].type == IMAGE_ROWS)
		part--;
	if (part == parts->part || part[-1].type != IMAGE_SCHEMA)
		return;
	for (const struct image_part *at = parts->part; at < part; at++)
		table += at->type == IMAGE_SCHEMA;
	schema = (const struct image_schema *)part[-1].bytes;
	if (part[-1].size < sizeof(*schema) || !schema->row_size)
		return;
	rows.table = table - 1;
	rows.flags = 0;
	rows.rows = (part->size - sizeof(rows)) / schema->row_size;
	rows.raw_size = rows.rows * schema->row_size;
	memcpy(part->bytes, &rows, sizeof(rows));
	part->size = sizeof(rows) + rows.raw_size;
}

static void change(struct image_parts *parts)
{
	struct image_part *part = pick(parts);
	uint32_t room = part->size + 256, used;

	switch (rand() % 12) {
	case 0:
		image_parts_remove(parts, part - parts->part);
		return;
	case 1:
		if (parts->count < IMAGE_PARTS_MAX)
			image_parts_insert(parts, rand() % (parts->count + 1), part);
		return;
	default:
		used = part->size;
		image_part_resize(part, room);
		part->size = LLVMFuzzerMutate(part->bytes, used, room);
		mend_rows(parts, part);
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct image_parts parts;
	struct image_bytes image;

	srand(seed);
	if (!(rand() % 8) || image_parts_take(data, size, &parts))
		return LLVMFuzzerMutate(data, size, max_size);
	if (parts.count)
		change(&parts);
	image_parts_put(&parts, &image);
	size = image.len < max_size ? image.len : max_size;
	memcpy(data, image.at, size);
	image_bytes_free(&image);
	image_parts_free(&parts);
	return size;
}

/* ---- images to begin with ---- */

static const struct roam_vm seed_vm = {
	.name = "vm",
	.default_action = { ROAM_ACTION_DROP, ROAM_ACTION_ALLOW },
	.quota_flows = ROAM_QUOTA_FLOWS_DEFAULT,
	.quota_half = ROAM_QUOTA_HALF_DEFAULT,
	.incarnation = 7,
	.epoch = 1,
};

static struct roam_port seed_port(void)
{
	struct roam_port port = { .mac = { 0x52, 0x54, 0, 0, 0, 1 }, .addr_count = 2 };

	text_mac(port.mac, port.zone_name);
	must(!text_addr_parse("10.0.0.10", &port.addr[0]));
	must(!text_addr_parse("fd00::10", &port.addr[1]));
	return port;
}

static struct roam_acl_rec seed_rule(void)
{
	return (struct roam_acl_rec){
		.rule = { .name = "web",
			  .prio = 10,
			  .action = ROAM_ACTION_ALLOW,
			  .proto = IPPROTO_TCP,
			  .lport = { 443, 443 },
			  .rport = { 0, UINT16_MAX } },
		.hits = { .packets = 5, .bytes = 300, .last_ns = NOW_NS - 1 },
	};
}

static struct roam_flow_rec seed_flow(const struct roam_port *port, uint16_t i)
{
	static const struct {
		uint8_t proto, state;
	} kinds[] = {
		{ IPPROTO_TCP, ROAM_CT_ESTABLISHED }, { IPPROTO_TCP, ROAM_CT_SYN_SENT },
		{ IPPROTO_UDP, ROAM_CT_UDP_NEW },     { IPPROTO_ICMP, ROAM_CT_ICMP_NEW },
		{ IPPROTO_SCTP, ROAM_CT_OTHER_NEW },  { IPPROTO_SCTP, ROAM_CT_SCTP_ESTABLISHED },
	};
	struct roam_flow_rec rec = {
		.key = { .local = port->addr[0],
			 .remote = port->addr[0],
			 .lport = htons(443),
			 .rport = htons(i),
			 .family = ROAM_FAMILY_IPV4,
			 .proto = kinds[i % ARRAY_SIZE(kinds)].proto },
		.flow = { .created_ns = NOW_NS - 1000,
			  .seen_ns = NOW_NS - i,
			  .side = { { .packets = i }, { .packets = 1 } },
			  .gen = 1,
			  .rule = i % 2,
			  .state = kinds[i % ARRAY_SIZE(kinds)].state,
			  .open_tcp_flags = ROAM_TCP_SYN },
	};

	return rec;
}

static void write_seed(struct image_writer *writer, uint16_t flows)
{
	struct image_header header = { .vm = "vm", .host = "a" };
	struct roam_stats_rec stats = { .packets = 3, .bytes = 180, .reason = ROAM_REASON_OPENED };
	struct roam_port port = seed_port();
	struct roam_acl_rec rule = seed_rule();
	struct roam_flow_rec flow;

	must(!image_write_header(writer, &header) && !image_write_table(writer, TABLE_VM) &&
	     !image_write_rows(writer, &seed_vm, 1) && !image_write_table(writer, TABLE_PORT) &&
	     !image_write_rows(writer, &port, 1) && !image_write_table(writer, TABLE_ACL) &&
	     !image_write_rows(writer, &rule, 1) && !image_write_table(writer, TABLE_FLOW));
	for (uint16_t i = 0; i < flows; i++) {
		flow = seed_flow(&port, i);
		must(!image_write_rows(writer, &flow, 1));
	}
	must(!image_write_table(writer, TABLE_STATS) && !image_write_rows(writer, &stats, 1) &&
	     !image_write_end(writer));
}

static void make_seed(const char *folder, uint16_t flows)
{
	_cleanup_image_writer_ struct image_writer *writer = NULL;
	struct image_maps maps = {
		.now_ns = NOW_NS,
		.gen = 1,
		.rule = identity,
		.rule_count = 2,
		.zone_count = 1,
	};
	struct image_bytes image = {};
	char path[512];
	FILE *file;

	must(!image_writer_open(&maps, image_bytes_write, &image, &writer));
	write_seed(writer, flows);
	snprintf(path, sizeof(path), "%s/flows-%u", folder, flows);
	file = fopen(path, "w");
	if (file) {
		fwrite(image.at, 1, image.len, file);
		fclose(file);
	}
	image_bytes_free(&image);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const uint16_t sizes[] = { 0, 1, 5, 40 };
	struct stat info;

	for (uint32_t i = 0; i < ARRAY_SIZE(identity); i++)
		identity[i] = i;
	for (int i = 1; i < *argc; i++) {
		if ((*argv)[i][0] == '-' || stat((*argv)[i], &info) || !S_ISDIR(info.st_mode))
			continue;
		for (size_t size = 0; size < ARRAY_SIZE(sizes); size++)
			make_seed((*argv)[i], sizes[size]);
		break;
	}
	/* What is shown goes nowhere; libFuzzer itself writes to stderr. */
	return freopen("/dev/null", "w", stdout) ? 0 : -1;
}
