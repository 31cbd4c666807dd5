// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Programs on devices: see attach.h. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <net/if.h>
#include <linux/if_link.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "attach.h"

/* libbpf 1.1 has neither tcx's attach types nor a call for it, but its bpf_link_create passes them
 * on: linux/bpf.h of 6.6, enum bpf_attach_type. */
#define ATTACH_TCX_INGRESS 46
#define ATTACH_TCX_EGRESS  47
/* Before all programs that are there: BPF_F_BEFORE of 6.6. */
#define ATTACH_FIRST (1U << 3)

/*
 * Our filter in a clsact chain is the one with this handle ("ro"). The kernel gives priorities from
 * 49152 down to filters that name none, 1 is the first there is: a filter before ours could say
 * "pass", which ends the chain.
 */
#define CLSACT_HANDLE   0x726f
#define CLSACT_PRIORITY 1

struct hook {
	const char *suffix; /* of the pin's name */
	enum host_prog prog;
	int tcx_type;
	enum bpf_tc_attach_point point;
};

static const struct hook hooks[] = {
	{ "out", HOST_PROG_tc_out, ATTACH_TCX_INGRESS, BPF_TC_INGRESS },
	{ "in", HOST_PROG_tc_in, ATTACH_TCX_EGRESS, BPF_TC_EGRESS },
};

static void pin_path(const struct host *host, const struct hook *hook, uint32_t ifindex,
		     char path[512])
{
	snprintf(path, 512, "%s/links/%u-%s", host_dir(host), ifindex, hook->suffix);
}

/* Whether a pinned link is still on the device: it is not if the device is gone or another one has
 * got its index since. */
static bool link_is_alive(const char *path, uint32_t ifindex)
{
	/* struct bpf_link_info of libbpf's headers knows xdp.ifindex, at the place of tcx.ifindex.
	 */
	struct bpf_link_info info = {};
	uint32_t len = sizeof(info);
	_cleanup_close_ int fd = bpf_obj_get(path);

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) && info.xdp.ifindex == ifindex;
}

/* Now: the kernel detaches a link that is only unpinned some time later, and until then the device
 * has no room for its successor. */
static void remove_link(const char *path)
{
	_cleanup_close_ int fd = bpf_obj_get(path);

	if (fd >= 0)
		bpf_link_detach(fd);
	unlink(path);
}

static int attach_tcx(struct host *host, const struct hook *hook, uint32_t ifindex)
{
	/* First, because a program that says "pass" ends the chain, and ours never does. */
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = ATTACH_FIRST);
	char path[512];
	_cleanup_close_ int fd = -1;

	pin_path(host, hook, ifindex, path);
	if (link_is_alive(path, ifindex))
		return 0;
	remove_link(path);
	fd = bpf_link_create(host_prog(host, hook->prog), ifindex, hook->tcx_type, &opts);
	if (fd < 0)
		return -errno;
	if (bpf_obj_pin(fd, path))
		return -errno;
	return 0;
}

static int attach_clsact(int prog_fd, const struct hook *hook, uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, where, .ifindex = ifindex, .attach_point = hook->point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY,
		    .prog_fd = prog_fd, .flags = BPF_TC_F_REPLACE);
	int err = bpf_tc_hook_create(&where);

	if (err && err != -EEXIST)
		return err;
	err = bpf_tc_attach(&where, &opts);
	/* net/sched/cls_api.c: one priority is for filters of one kind and protocol. */
	return err == -EINVAL ? -EEXIST : err;
}

static void detach_clsact(const struct hook *hook, uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, where, .ifindex = ifindex, .attach_point = hook->point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);

	/* The clsact qdisc itself stays: others may have filters in it by now. */
	bpf_tc_detach(&where, &opts);
}

/* Tries rather than asks for a version. A device index that cannot be makes a kernel with tcx
 * answer ENODEV, one without it EINVAL. */
static bool has_tcx_for(int prog_fd)
{
	_cleanup_close_ int fd = bpf_link_create(prog_fd, INT32_MAX, ATTACH_TCX_INGRESS, NULL);

	return fd >= 0 || errno == ENODEV;
}

static bool has_tcx(const struct host *host)
{
	return has_tcx_for(host_prog(host, HOST_PROG_tc_out));
}

const char *attach_kind(const struct host *host)
{
	return has_tcx(host) ? "tcx" : "clsact";
}

int attach_port(struct host *host, uint32_t ifindex)
{
	bool tcx = has_tcx(host);

	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		int err = tcx ? attach_tcx(host, &hooks[i], ifindex)
			      : attach_clsact(host_prog(host, hooks[i].prog), &hooks[i], ifindex);

		if (err) {
			char dev[IF_NAMESIZE] = "?";

			if_indextoname(ifindex, dev);
			detach_port(host, ifindex);
			if (!tcx && err == -EEXIST)
				return fail(err,
					    "port: dev %s has a filter of priority %d already, "
					    "which stays",
					    dev, CLSACT_PRIORITY);
			return fail_errno(err, "port: cannot attach to dev %s", dev);
		}
	}
	return 0;
}

void detach_port(struct host *host, uint32_t ifindex)
{
	bool tcx = has_tcx(host);
	char path[512];

	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		pin_path(host, &hooks[i], ifindex, path);
		if (tcx)
			remove_link(path);
		else
			detach_clsact(&hooks[i], ifindex);
	}
}

/* The line that names the program which has the uplink already. */
static int refuse_foreign(const char *dev, uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct bpf_prog_info info = {};
	uint32_t len = sizeof(info);
	_cleanup_close_ int fd = -1;

	if (bpf_xdp_query(ifindex, 0, &query) || !query.prog_id)
		return fail(-EBUSY, "uplink %s: has an XDP program already", dev);
	fd = bpf_prog_get_fd_by_id(query.prog_id);
	if (fd >= 0)
		bpf_obj_get_info_by_fd(fd, &info, &len);
	return fail(-EBUSY, "uplink %s: has the XDP program '%s' (id %u) already, which stays", dev,
		    info.name, query.prog_id);
}

int attach_uplink(const char *links_dir, int prog_fd, const char *dev)
{
	LIBBPF_OPTS(bpf_link_create_opts, native, .flags = XDP_FLAGS_DRV_MODE);
	LIBBPF_OPTS(bpf_link_create_opts, generic, .flags = XDP_FLAGS_SKB_MODE);
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	uint32_t ifindex = if_nametoindex(dev);
	char path[512];
	_cleanup_close_ int fd = -1;

	if (!ifindex)
		return fail(-ENODEV, "uplink %s: there is no such device", dev);
	/* Native and generic programs do not exclude each other in the kernel: ask first. */
	if (!bpf_xdp_query(ifindex, 0, &query) && query.attach_mode != XDP_ATTACHED_NONE)
		return refuse_foreign(dev, ifindex);
	fd = bpf_link_create(prog_fd, ifindex, BPF_XDP, &native);
	if (fd < 0)
		fd = bpf_link_create(prog_fd, ifindex, BPF_XDP, &generic);
	if (fd < 0 && errno == EBUSY)
		return refuse_foreign(dev, ifindex);
	if (fd < 0)
		return fail_errno(-errno, "uplink %s: cannot attach", dev);
	snprintf(path, sizeof(path), "%s/uplink-%u", links_dir, ifindex);
	if (bpf_obj_pin(fd, path))
		return fail_errno(-errno, "uplink %s: cannot pin", dev);
	return 0;
}

void detach_all(const char *links_dir)
{
	_cleanup_closedir_ DIR *dir = opendir(links_dir);
	struct dirent *entry;
	char path[512];

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%.400s/%.64s", links_dir, entry->d_name);
		remove_link(path);
	}
}

static int prog_of(const struct attach_progs *progs, const struct hook *hook)
{
	return hook->prog == HOST_PROG_tc_in ? progs->in : progs->out;
}

/* A link's pin is IFINDEX-in, IFINDEX-out or uplink-IFINDEX. */
static int prog_of_link(const struct attach_progs *progs, const char *name)
{
	if (!strncmp(name, "uplink-", strlen("uplink-")))
		return progs->uplink;
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		const char *dash = strchr(name, '-');

		if (dash && !strcmp(dash + 1, hooks[i].suffix))
			return prog_of(progs, &hooks[i]);
	}
	return -1;
}

static int update_link(const char *path, int prog_fd)
{
	_cleanup_close_ int fd = bpf_obj_get(path);

	if (fd < 0 || prog_fd < 0)
		return fail(-EBADMSG, "host: %s is no link of a host", path);
	/* ENOLINK: its device is gone. */
	if (bpf_link_update(fd, prog_fd, NULL) && errno != ENOLINK)
		return fail_errno(-errno, "host: cannot replace the program of %s", path);
	return 0;
}

static int update_links(const char *links_dir, const struct attach_progs *progs,
			unsigned int *ret_count)
{
	_cleanup_closedir_ DIR *dir = opendir(links_dir);
	struct dirent *entry;
	char path[512];
	int err = dir ? 0 : fail_errno(-errno, "host: %s", links_dir);

	while (!err && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%.400s/%.64s", links_dir, entry->d_name);
		err = update_link(path, prog_of_link(progs, entry->d_name));
		++*ret_count;
	}
	return err;
}

int attach_update(const char *links_dir, int port_dev_fd, const struct attach_progs *progs,
		  unsigned int *ret_count)
{
	unsigned int count = 0;
	uint32_t ifindex, *at = NULL;
	int err = update_links(links_dir, progs, &count);

	while (!err && !has_tcx_for(progs->out) &&
	       !bpf_map_get_next_key(port_dev_fd, at, &ifindex)) {
		char dev[IF_NAMESIZE];

		at = &ifindex;
		for (size_t i = 0; i < ARRAY_SIZE(hooks) && if_indextoname(ifindex, dev); i++) {
			err = attach_clsact(prog_of(progs, &hooks[i]), &hooks[i], ifindex);
			if (err)
				return fail_errno(err, "host: cannot replace the program of %s",
						  dev);
			count++;
		}
	}
	if (!err)
		*ret_count = count;
	return err;
}

static void describe_uplink(const char *path, struct uplink *ret_uplink)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct bpf_link_info info = {};
	uint32_t len = sizeof(info);
	_cleanup_close_ int fd = bpf_obj_get(path);

	*ret_uplink = (struct uplink){ .dev = "?", .mode = "gone" };
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) || !info.xdp.ifindex ||
	    !if_indextoname(info.xdp.ifindex, ret_uplink->dev))
		return;
	ret_uplink->ifindex = info.xdp.ifindex;
	if (!bpf_xdp_query(info.xdp.ifindex, 0, &query))
		ret_uplink->mode = query.attach_mode == XDP_ATTACHED_SKB ? "generic" : "native";
}

int attach_each_uplink(struct host *host, int (*fn)(const struct uplink *, void *), void *arg)
{
	char path[512];
	struct dirent *entry;
	_cleanup_closedir_ DIR *dir = NULL;
	int err = 0;

	snprintf(path, sizeof(path), "%s/links", host_dir(host));
	dir = opendir(path);
	if (!dir)
		return fail_errno(-errno, "host %s: links", host_dir(host));
	while (!err && (entry = readdir(dir))) {
		struct uplink uplink;

		if (strncmp(entry->d_name, "uplink-", strlen("uplink-")) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/links/%.64s", host_dir(host), entry->d_name);
		describe_uplink(path, &uplink);
		err = fn(&uplink, arg);
	}
	return err;
}
