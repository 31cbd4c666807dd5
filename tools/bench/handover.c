// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * How long a VM stands still for its state when it is handed over, for tools/bench/run: freeze,
 * last delta, its way through memory, applying it, ready. Before each freeze packets have written
 * to some of the flows since the last delta, as in a second in which so many change. Prints
 * milliseconds and rows, a line a round.
 *
 *   handover FLOWS CHANGING ROUNDS
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/bpf.h>
#include <bpf/bpf.h>
#include "ct.h"
#include "harness.h"
#include "hosts.h"
#include "image_parts.h"
#include "move.h"
#include "vm.h"

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "handover: %s: %s\n", what, fail_line());
	exit(1);
}

/* The remote end of flow i. */
static struct packet_spec datagram(uint32_t i)
{
	struct packet_spec spec = cast_packet(4, ROAM_DIR_IN, IPPROTO_UDP);

	spec.src.words[3] = htonl(0xc6120000 + i / 60000);
	spec.sport = 1024 + i % 60000;
	spec.dport = 443;
	return spec;
}

static void add_flows(struct test_host *host, uint32_t slot, uint32_t count)
{
	struct roam_flow_rec *recs = calloc(count, sizeof(*recs));

	must(recs != NULL, "memory");
	for (uint32_t i = 0; i < count; i++) {
		struct packet_spec spec = datagram(i);

		recs[i].key = cast_key(4, IPPROTO_UDP);
		recs[i].key.remote = spec.src;
		recs[i].key.rport = htons(spec.sport);
		recs[i].key.lport = htons(spec.dport);
		recs[i].flow.state = ROAM_CT_UDP_STREAM;
		recs[i].flow.gen = 1 << 30; /* set below */
		recs[i].flow.created_ns = recs[i].flow.seen_ns = now_ns();
	}
	struct roam_vm vm;

	must(!vm_get(host->host, slot, &vm), "the VM");
	for (uint32_t i = 0; i < count; i++)
		recs[i].flow.gen = vm.gen;
	must(!ct_load(host->host, ROAM_CT_TABLE(slot, vm.ct_bank, ROAM_CT_FLOWS), recs, count),
	     "flows");
	free(recs);
}

static void set_quota(struct test_host *host, uint32_t slot, uint32_t flows)
{
	struct roam_vm vm;

	must(!vm_get(host->host, slot, &vm), "the VM");
	vm.quota_flows = flows;
	must(!vm_set(host->host, slot, &vm), "quotas");
}

/* Every so many flows one, so that it is not always the same. */
static void change(struct test_host *host, uint32_t flows, uint32_t changing, uint32_t first)
{
	struct __sk_buff skb = { .ifindex = host->ifindex };

	for (uint32_t i = 0; i < changing; i++) {
		struct packet_spec spec =
			datagram((first + (uint64_t)i * flows / changing) % flows);
		struct packet packet;

		packet_build(&spec, &packet);
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet.bytes,
			    .data_size_in = packet.len, .ctx_in = &skb, .ctx_size_in = sizeof(skb));
		must(!bpf_prog_test_run_opts(host_prog(host->host, HOST_PROG_tc_in), &opts) &&
			     (int)opts.retval == -1,
		     "a packet");
	}
}

static void freeze(struct move_source *source, struct move_dest *dest, struct image_bytes *buffer)
{
	struct move_stats stats;
	uint64_t rows = 0, begin = now_ns();

	must(!move_source_freeze(source), "freezing");
	do {
		buffer->len = buffer->read = 0;
		must(!move_source_last(source, image_bytes_write, buffer, &stats),
		     "the last delta");
		must(!move_dest_delta(dest, image_bytes_read, buffer), "applying it");
		rows += stats.rows;
	} while (stats.more);
	must(!move_dest_ready(dest, true), "being ready");
	printf("%.3f %llu\n", (double)(now_ns() - begin) / 1e6, (unsigned long long)rows);
	must(!move_source_thaw(source), "thawing");
}

int main(int argc, char **argv)
{
	struct move_source_options options = { .id = { 1 }, .round_ms = 3600000 };
	uint32_t flows = argc > 1 ? atoi(argv[1]) : 100000, slot;
	uint32_t changing = argc > 2 ? atoi(argv[2]) : 10000;
	int rounds = argc > 3 ? atoi(argv[3]) : 11;
	struct image_bytes buffer = {};
	struct move_dest_options there_options = { .dev_count = 1 };
	struct move_source *source;
	struct test_host here, there;
	struct move_dest *dest;
	struct move_stats stats;
	struct state_dev dev;

	hosts_enter();
	hosts_make("here", &here);
	hosts_make("there", &there);
	hosts_add_vm(&here);
	must(!vm_find(here.host, "vm", &slot), "the VM");
	set_quota(&here, slot, flows < ROAM_QUOTA_MIN ? ROAM_QUOTA_MIN : flows);
	add_flows(&here, slot, flows);
	dev.dev = there.dev;
	memcpy(dev.mac, cast_vm_mac, ROAM_MAC_LEN);
	there_options.devs = &dev;
	must(!move_source_open(here.host, "vm", &options, &source), "copying");
	must(!move_source_base(source, image_bytes_write, &buffer), "the base");
	must(!move_dest_base(there.host, &there_options, image_bytes_read, &buffer, &dest),
	     "loading the base");
	for (int round = 0; round < rounds; round++) {
		change(&here, flows, changing, round);
		/* as every few milliseconds: the log is read */
		buffer.len = 0;
		must(!move_source_delta(source, image_bytes_write, &buffer, &stats) &&
			     !stats.sequence,
		     "a delta of nothing");
		freeze(source, dest, &buffer);
	}
	move_source_close(source);
	move_dest_close(dest);
	hosts_remove(&there);
	hosts_remove(&here);
	return 0;
}
