// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The verifier's budget: what each program costs to verify on this kernel, and the largest stack
 * frame in it, against limits that hold on every kernel of the tests. A change that needs more
 * raises the limit here, where a review sees it. The figures are printed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "harness.h"
#include "roam.skel.h"

#define PROGS_MAX 32
#define LOG_SIZE  65536
#define LOG_STATS 4 /* BPF_LOG_STATS of the kernel's bpf_verifier.h */

static const struct limit {
	const char *name; /* of the program */
	uint32_t insns;
	uint32_t frame; /* bytes of stack of one function; a chain of calls may use 512 */
} limits[] = {
	{ "tc_out", 240000, 320 },         { "tc_in", 240000, 320 },
	{ "xdp_uplink", 160000, 224 },     { "xdp_out", 240000, 320 },
	{ "xdp_in", 240000, 320 },         { "ct_load", 12000, 192 },
	{ "monitor_say", 2000, 64 },       { "explain_port", 240000, 320 },
	{ "explain_uplink", 160000, 224 }, { "move_fetch", 3000, 96 },
	{ "move_apply", 30000, 224 },      { "stats_add", 6000, 64 },
	{ "ct_drop", 3000, 96 },           { "limit_sync", 3000, 128 },
	{ "ask_flows", 100000, 224 },      { "elder_merge", 10000, 160 },
	{ "acl_merge", 6000, 192 },        { "reject_merge", 6000, 64 },
	{ "qos_merge", 6000, 192 },        { "lb_merge", 6000, 192 },
	{ "source_merge", 6000, 96 },      { "block_merge", 6000, 224 },
};

struct loaded {
	struct roam *skel;
};

/* Loading takes a while in a guest: all tests look at the same programs. */
static struct roam *skel_once;
static char logs[PROGS_MAX][LOG_SIZE];

static const char *log_of(const struct bpf_program *wanted)
{
	struct bpf_program *prog;
	size_t at = 0;

	bpf_object__for_each_program(prog, skel_once->obj)
	{
		if (prog == wanted)
			return logs[at];
		at++;
	}
	return NULL;
}

static void load_once(void)
{
	struct bpf_program *prog;
	size_t count = 0;

	skel_once = roam__open();
	if (!CHECK(skel_once != NULL))
		return;
	bpf_object__for_each_program(prog, skel_once->obj)
	{
		if (!CHECK_OP(count, <, PROGS_MAX))
			return;
		bpf_program__set_autoload(prog, true);
		bpf_program__set_log_buf(prog, logs[count++], LOG_SIZE);
		bpf_program__set_log_level(prog, LOG_STATS);
	}
	CHECK_OK(roam__load(skel_once));
}

static void loaded_setup(struct loaded *self)
{
	if (!skel_once)
		load_once();
	self->skel = skel_once;
}

static void loaded_teardown(struct loaded *self)
{
	self->skel = NULL; /* the process ends soon enough */
}

/* The largest of "stack depth 168+192+8". */
static uint32_t largest_frame(const char *log)
{
	const char *at = log ? strstr(log, "stack depth ") : NULL;
	unsigned long largest = 0;
	char *end;

	if (!at)
		return UINT32_MAX;
	at += strlen("stack depth ");
	for (;;) {
		unsigned long depth = strtoul(at, &end, 10);

		if (depth > largest)
			largest = depth;
		if (*end != '+')
			return largest;
		at = end + 1;
	}
}

TEST_EACH_F(loaded, verifies_within_limits, limits)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(self->skel->obj, row->name);
	struct bpf_prog_info info = {};
	uint32_t len = sizeof(info), frame;
	struct utsname kernel;

	if (!CHECK(prog != NULL))
		return;
	CHECK_OK(bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len));
	frame = largest_frame(log_of(prog));
	uname(&kernel);
	note("budget: %s: %s: %u instructions verified (limit %u), %u bytes jited, largest "
	     "frame %u (limit %u)",
	     kernel.release, row->name, info.verified_insns, row->insns, info.jited_prog_len, frame,
	     row->frame);
	CHECK_OP(info.verified_insns, <=, row->insns);
	CHECK_OP(info.verified_insns, >, 0);
	CHECK_OP(frame, <=, row->frame);
}

TEST_F(loaded, every_program_has_a_limit)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, self->skel->obj)
	{
		bool found = false;

		for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
			found |= !strcmp(limits[i].name, bpf_program__name(prog));
		if (!found)
			note("%s has no limit", bpf_program__name(prog));
		CHECK(found);
	}
}
