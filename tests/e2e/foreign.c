// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Somebody else's BPF programs, for neighbours.sh: they count the packets that they see and return
 * what they are told to. No libraries, so that it runs anywhere; it is loaded, pinned and attached
 * by bare system calls.
 *
 *   foreign load cls|xdp PATH RETURN  pins a program at PATH and its counter at PATH-hits
 *   foreign tcx PATH DEV in|out       attaches it behind all others (in: DEV's ingress), and pins
 *                                     the link at PATH-link
 *   foreign hits PATH                 prints how many packets it saw
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sys/syscall.h>

/* linux/bpf.h of Linux 6.6, enum bpf_attach_type. */
#define ATTACH_TCX_INGRESS 46
#define ATTACH_TCX_EGRESS  47

#define PATH_LEN 512

static int bpf(int command, union bpf_attr *attr)
{
	int ret = syscall(SYS_bpf, command, attr, sizeof(*attr));

	if (ret < 0) {
		fprintf(stderr, "foreign: bpf command %d: %s\n", command, strerror(errno));
		exit(1);
	}
	return ret;
}

static void pin(int fd, const char *path, const char *suffix)
{
	union bpf_attr attr = { .bpf_fd = fd };
	char full[PATH_LEN];

	snprintf(full, sizeof(full), "%s%s", path, suffix);
	attr.pathname = (uintptr_t)full;
	bpf(BPF_OBJ_PIN, &attr);
}

static int open_pin(const char *path, const char *suffix)
{
	union bpf_attr attr = {};
	char full[PATH_LEN];

	snprintf(full, sizeof(full), "%s%s", path, suffix);
	attr.pathname = (uintptr_t)full;
	return bpf(BPF_OBJ_GET, &attr);
}

static int make_counter(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = sizeof(uint32_t),
		.value_size = sizeof(uint64_t),
		.max_entries = 1,
		.map_name = "foreign_hits",
	};

	return bpf(BPF_MAP_CREATE, &attr);
}

/* hits[0]++; return verdict; */
static int load(int type, int counter, int verdict)
{
	struct bpf_insn code[] = {
		{ .code = BPF_ST | BPF_MEM | BPF_W, .dst_reg = 10, .off = -4 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 2, .src_reg = 10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 2, .imm = -4 },
		{ .code = BPF_LD | BPF_DW | BPF_IMM,
		  .dst_reg = 1,
		  .src_reg = BPF_PSEUDO_MAP_FD,
		  .imm = counter },
		{},
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_map_lookup_elem },
		{ .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = 0, .off = 2 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 1, .imm = 1 },
		{ .code = BPF_STX | BPF_ATOMIC | BPF_DW,
		  .dst_reg = 0,
		  .src_reg = 1,
		  .imm = BPF_ADD },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = verdict },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = type,
		.insns = (uintptr_t)code,
		.insn_cnt = sizeof(code) / sizeof(code[0]),
		.license = (uintptr_t)"GPL",
		.prog_name = "foreign",
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

static void load_and_pin(const char *kind, const char *path, int verdict)
{
	int type = !strcmp(kind, "xdp") ? BPF_PROG_TYPE_XDP : BPF_PROG_TYPE_SCHED_CLS;
	int counter = make_counter();

	pin(load(type, counter, verdict), path, "");
	pin(counter, path, "-hits");
}

static void attach_tcx(const char *path, const char *dev, const char *side)
{
	union bpf_attr attr = {};

	attr.link_create.prog_fd = open_pin(path, "");
	attr.link_create.target_ifindex = if_nametoindex(dev);
	attr.link_create.attach_type = !strcmp(side, "in") ? ATTACH_TCX_INGRESS : ATTACH_TCX_EGRESS;
	pin(bpf(BPF_LINK_CREATE, &attr), path, "-link");
}

static void print_hits(const char *path)
{
	uint32_t key = 0;
	uint64_t hits = 0;
	union bpf_attr attr = {};

	attr.map_fd = open_pin(path, "-hits");
	attr.key = (uintptr_t)&key;
	attr.value = (uintptr_t)&hits;
	bpf(BPF_MAP_LOOKUP_ELEM, &attr);
	printf("%llu\n", (unsigned long long)hits);
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "load"))
		load_and_pin(argv[2], argv[3], atoi(argv[4]));
	else if (argc == 5 && !strcmp(argv[1], "tcx"))
		attach_tcx(argv[2], argv[3], argv[4]);
	else if (argc == 3 && !strcmp(argv[1], "hits"))
		print_hits(argv[2]);
	else
		return 2;
	return 0;
}
