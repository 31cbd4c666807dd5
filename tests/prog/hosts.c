// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Real hosts for the prog tests: see hosts.h. */
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <net/if.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "acl.h"
#include "draft.h"
#include "host_init.h"
#include "hosts.h"
#include "roam_test.skel.h"
#include "text.h"
#include "vm.h"

static char mount_point[] = "/tmp/roam-hosts-XXXXXX";

static void must(int err, const char *what)
{
	if (!err)
		return;
	fprintf(stderr, "# hosts: %s: %s\n", what, fail_line());
	abort();
}

void hosts_ip(const char *const *words)
{
	pid_t pid;
	int status;

	must(posix_spawnp(&pid, "ip", NULL, NULL, (char *const *)words, environ), "starting ip");
	must(waitpid(pid, &status, 0) != pid || status, "ip");
}

/* Once in a program. In a mount namespace of its own the bpffs needs no unmounting; the folder is
 * removed at once. */
void hosts_enter(void)
{
	static bool entered;

	if (entered)
		return;
	entered = true;
	must(unshare(CLONE_NEWNS | CLONE_NEWNET), "new namespaces");
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private mounts");
	must(!mkdtemp(mount_point), "a folder");
	must(mount("bpf", mount_point, "bpf", 0, NULL), "a bpffs");
	hosts_ip((const char *[]){ "ip", "link", "set", "lo", "up", NULL });
}

/* The tests' front ends over the host's maps. */
static void load_fronts(struct test_host *host, const char *dir)
{
	struct bpf_program *prog;
	struct bpf_map *map;
	char path[320];

	host->skel = roam_test__open();
	must(!host->skel, "opening the tests' programs");
	bpf_object__for_each_map(map, host->skel->obj)
	{
		int fd;

		/* The other one is of the stages by themselves, which no host has. */
		if (bpf_map__is_internal(map) || map == host->skel->maps.stage_pkt)
			continue;
		snprintf(path, sizeof(path), "%s/maps/%s", dir, bpf_map__name(map));
		fd = bpf_obj_get(path);
		must(fd < 0 || bpf_map__reuse_fd(map, fd), path);
		close(fd);
	}
	bpf_object__for_each_program(prog, host->skel->obj)
		bpf_program__set_autoload(prog, strstr(bpf_program__name(prog), "_at") != NULL);
	must(roam_test__load(host->skel), "loading the tests' programs");
}

void hosts_make(const char *name, struct test_host *ret_host)
{
	char dir[256], peer[ROAM_DEV_LEN];

	memset(ret_host, 0, sizeof(*ret_host));
	snprintf(dir, sizeof(dir), "%s/%s", mount_point, name);
	snprintf(ret_host->dev, sizeof(ret_host->dev), "dev-%s", name);
	snprintf(peer, sizeof(peer), "peer-%s", name);
	hosts_ip((const char *[]){ "ip", "link", "add", ret_host->dev, "type", "veth", "peer",
				   "name", peer, NULL });
	ret_host->ifindex = if_nametoindex(ret_host->dev);
	must(host_init(dir, NULL, 0), "host_init");
	must(host_open(dir, &ret_host->host), "host_open");
	load_fronts(ret_host, dir);
}

void hosts_remove(struct test_host *host)
{
	char dir[256];

	snprintf(dir, sizeof(dir), "%s", host_dir(host->host));
	roam_test__destroy(host->skel);
	host_close(host->host);
	must(host_teardown(dir), "host_teardown");
	hosts_ip((const char *[]){ "ip", "link", "del", host->dev, NULL });
}

struct test_host *hosts_shared(void)
{
	static struct test_host host;

	if (!host.host) {
		hosts_enter();
		hosts_make("shared", &host);
	}
	return &host;
}

static void add_rule(struct draft *draft, const char *name, enum roam_dir dir, uint16_t lport)
{
	struct roam_acl_rule rule = {
		.prio = 10,
		.dir = dir,
		.action = ROAM_ACTION_ALLOW,
		.proto = IPPROTO_TCP,
		.lport = { lport, lport },
		.rport = { 0, UINT16_MAX },
	};

	snprintf(rule.name, sizeof(rule.name), "%s", name);
	must(draft_add_rule(draft, &rule, NULL), "a rule");
}

void hosts_add_vm(struct test_host *host)
{
	struct fixture_vm cast = cast_vm();
	struct roam_port port = cast.port;
	struct roam_vm vm = {
		.name = "vm",
		.uuid = { 1 },
		.life = ROAM_LIFE_ACTIVE,
		.default_action = { ROAM_ACTION_DROP, ROAM_ACTION_ALLOW },
		.quota_flows = ROAM_QUOTA_MIN,
		.quota_half = ROAM_QUOTA_MIN,
		.incarnation = 1,
	};
	struct draft *draft;

	must(draft_open(host->host, &vm, ROAM_VM_NONE, &draft), "a draft");
	snprintf(port.dev, sizeof(port.dev), "%s", host->dev);
	text_mac(port.mac, port.zone_name);
	must(draft_add_port(draft, &port), "a port");
	add_rule(draft, "web", ROAM_DIR_IN, 80);
	add_rule(draft, "ssh", ROAM_DIR_IN, 22);
	must(draft_publish(draft), "publishing");
	draft_close(draft);
}

uint32_t hosts_wire_rows(struct test_host *host, uint32_t slot)
{
	struct roam_flow_key key, *at = NULL;
	uint32_t count = 0;
	struct roam_vm vm;
	int fd;

	must(vm_get(host->host, slot, &vm), "the VM's row");
	fd = host_inner(host->host, HOST_MAP_ct_wire, ROAM_CT_WIRE(slot, vm.ct_bank));
	for (; fd >= 0 && !bpf_map_get_next_key(fd, at, &key); at = &key)
		count++;
	cleanup_close(&fd);
	return count;
}

enum roam_verdict hosts_run(struct test_host *host, enum front_end front, enum roam_dir dir,
			    const struct packet *packet)
{
	struct __sk_buff skb = { .ifindex = host->ifindex, .gso_size = packet->gso_size };
	struct xdp_md xdp = { .ingress_ifindex = host->ifindex, .data_end = packet->len };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet->bytes, .data_size_in = packet->len,
		    .data_out = host->after.bytes, .data_size_out = PACKET_MAX);
	bool out = dir == ROAM_DIR_OUT;
	struct bpf_program *prog;

	host->skel->bss->tc_now_ns = host->now_ns;
	host->skel->bss->xdp_now_ns = host->now_ns;
	if (front == FRONT_TC) {
		prog = out ? host->skel->progs.tc_out_at : host->skel->progs.tc_in_at;
		opts.ctx_in = &skb;
		opts.ctx_size_in = sizeof(skb);
	} else {
		prog = out ? host->skel->progs.xdp_out_at : host->skel->progs.xdp_in_at;
		opts.ctx_in = &xdp;
		opts.ctx_size_in = sizeof(xdp);
	}
	must(bpf_prog_test_run_opts(bpf_program__fd(prog), &opts), "running a packet");
	host->after.len = opts.data_size_out;
	host->turned_back = front == FRONT_TC && opts.retval == TC_ACT_REDIRECT;
	host->answered = front == FRONT_TC && opts.retval == TC_ACT_STOLEN;
	if (front == FRONT_TC)
		return (int)opts.retval == -1 || host->turned_back ? ROAM_PASS : ROAM_DROP;
	return opts.retval == XDP_PASS ? ROAM_PASS : ROAM_DROP;
}
