// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * How long a VM stands still for its state when it is handed over, for tools/bench/run: freeze,
 * last delta, its way through memory, applying it, ready. Up to each freeze packets write to so
 * many of the flows a second, one after the other, and deltas go on as in roamd. With `at-once`
 * all of a second are written at once, after the last delta. Prints
 * milliseconds, rows, and of the milliseconds those of the source and of the destination, a line a
 * round.
 *
 *   handover FLOWS CHANGING ROUNDS [at-once]
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
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

static void send_one(struct test_host *host, uint32_t flow)
{
	struct __sk_buff skb = { .ifindex = host->ifindex };
	struct packet_spec spec = datagram(flow);
	struct packet packet;

	packet_build(&spec, &packet);
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet.bytes, .data_size_in = packet.len,
		    .ctx_in = &skb, .ctx_size_in = sizeof(skb));
	must(!bpf_prog_test_run_opts(host_prog(host->host, HOST_PROG_tc_in), &opts) &&
		     (int)opts.retval == -1,
	     "a packet");
}

/* Every so many flows one, so that it is not always the same. */
static void change(struct test_host *host, uint32_t flows, uint32_t changing, uint32_t first)
{
	for (uint32_t i = 0; i < changing; i++)
		send_one(host, (first + (uint64_t)i * flows / changing) % flows);
}

/* Packets that go on at their rate while the VM runs. */
struct stream {
	struct test_host *host;
	uint32_t flows;
	uint32_t changing;
	uint32_t next;
	pthread_t thread;
	atomic_bool stop;
};

static void *run_stream(void *arg)
{
	struct stream *stream = arg;
	const struct timespec nap = { .tv_nsec = 500000 };
	uint64_t began_ns = now_ns(), sent = 0;

	while (!stream->stop) {
		uint64_t due = (now_ns() - began_ns) * stream->changing / NS_PER_S;

		for (; sent < due; sent++) {
			send_one(stream->host, stream->next);
			/* neighbours in time are none in the table */
			stream->next = (stream->next + 7919) % stream->flows;
		}
		nanosleep(&nap, NULL);
	}
	return NULL;
}

static void delta(struct move_source *source, struct move_dest *dest, struct image_bytes *buffer)
{
	struct move_stats stats;

	do {
		buffer->len = buffer->read = 0;
		must(!move_source_delta(source, image_bytes_write, buffer, &stats), "a delta");
		must(!stats.sequence || !move_dest_delta(dest, image_bytes_read, buffer),
		     "applying a delta");
	} while (stats.more);
}

/* As roamd does: a delta every few milliseconds, for a while that ends anywhere in a round. */
static void go_on(struct stream *stream, struct move_source *source, struct move_dest *dest,
		  struct image_bytes *buffer)
{
	const struct timespec nap = { .tv_nsec = 5000000 };
	uint64_t until_ns = now_ns() + NS_PER_S + random() % NS_PER_S;

	stream->stop = false;
	must(!pthread_create(&stream->thread, NULL, run_stream, stream), "a thread");
	while (now_ns() < until_ns) {
		nanosleep(&nap, NULL);
		delta(source, dest, buffer);
	}
	stream->stop = true;
	pthread_join(stream->thread, NULL);
}

static void freeze(struct move_source *source, struct move_dest *dest, struct image_bytes *buffer)
{
	struct move_stats stats;
	uint64_t rows = 0, begin = now_ns(), here = 0, there = 0, from;

	must(!move_source_freeze(source), "freezing");
	do {
		buffer->len = buffer->read = 0;
		from = now_ns();
		must(!move_source_last(source, image_bytes_write, buffer, &stats),
		     "the last delta");
		here += now_ns() - from;
		from = now_ns();
		must(!move_dest_delta(dest, image_bytes_read, buffer), "applying it");
		there += now_ns() - from;
		rows += stats.rows;
	} while (stats.more);
	must(!move_dest_ready(dest, true), "being ready");
	printf("%.3f %llu %.3f %.3f\n", (double)(now_ns() - begin) / 1e6, (unsigned long long)rows,
	       (double)here / 1e6, (double)there / 1e6);
	must(!move_source_thaw(source), "thawing");
}

int main(int argc, char **argv)
{
	bool at_once = argc > 4 && !strcmp(argv[4], "at-once");
	struct move_source_options options = { .id = { 1 }, .round_ms = at_once ? 3600000 : 0 };
	uint32_t flows = argc > 1 ? atoi(argv[1]) : 100000, slot;
	uint32_t changing = argc > 2 ? atoi(argv[2]) : 10000;
	int rounds = argc > 3 ? atoi(argv[3]) : 11;
	struct image_bytes buffer = {};
	struct move_dest_options there_options = { .dev_count = 1 };
	struct move_source *source;
	struct test_host here, there;
	struct move_dest *dest;
	struct stream stream = { .host = &here, .flows = flows, .changing = changing };
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
		if (at_once) {
			change(&here, flows, changing, round);
			delta(source, dest, &buffer); /* of nothing: the log is read */
		} else {
			go_on(&stream, source, dest, &buffer);
		}
		freeze(source, dest, &buffer);
	}
	move_source_close(source);
	move_dest_close(dest);
	hosts_remove(&there);
	hosts_remove(&here);
	return 0;
}
