// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Making a host and taking it down: see host_init.h. */
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "attach.h"
#include "host_init.h"
#include "host_load.h"
#include "layout.h"
#include "port.h"
#include "roam.skel.h"
#include "tables.h"
#include "vm.h"

#define PATH_LEN  512
#define ENTRY_LEN (PATH_LEN + 64) /* of something below such a path */

static const char *const folders[] = { "maps", "progs", "links", "journal", "monitor" };

/* Mounts a bpffs at the usual place if there is none, as bpftool does. */
static int check_bpffs(const char *dir)
{
	char parent[PATH_LEN];
	struct statfs fs;

	snprintf(parent, sizeof(parent), "%.*s", (int)(strrchr(dir, '/') - dir), dir);
	if (!parent[0])
		return fail(-EINVAL, "host %s: the root folder is not a bpffs", dir);
	if (!statfs(parent, &fs) && fs.f_type == BPF_FS_MAGIC)
		return 0;
	if (!strcmp(parent, "/sys/fs/bpf") && !mount("bpf", parent, "bpf", 0, "mode=0700"))
		return 0;
	return fail(-EINVAL, "host %s: %s is not a bpffs", dir, parent);
}

static int remove_entry(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
	(void)stat;
	(void)type;
	(void)walk;
	return remove(path);
}

static void remove_tree(const char *dir)
{
	char links[3 * PATH_LEN];

	snprintf(links, sizeof(links), "%s/links", dir);
	detach_all(links);
	nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Where a host is made and unmade: DIR-new-PID (bpffs takes no dots in names). */
static void beside(const char *dir, char ret_path[PATH_LEN])
{
	snprintf(ret_path, PATH_LEN, "%s-new-%d", dir, getpid());
}

/* Half-made hosts, and half-removed ones, of processes that are dead. */
static void remove_dead(const char *dir)
{
	const char *base = strrchr(dir, '/') + 1;
	char parent[PATH_LEN], path[PATH_LEN * 2];
	_cleanup_closedir_ DIR *list = NULL;
	struct dirent *entry;

	snprintf(parent, sizeof(parent), "%.*s", (int)(base - dir), dir);
	list = opendir(parent);
	while (list && (entry = readdir(list))) {
		size_t len = strlen(base);
		int pid;

		if (strncmp(entry->d_name, base, len) != 0 ||
		    sscanf(entry->d_name + len, "-new-%d", &pid) != 1 || !kill(pid, 0))
			continue;
		snprintf(path, sizeof(path), "%s%s", parent, entry->d_name);
		remove_tree(path);
	}
}

/* The counters of what belongs to no VM. */
static int make_own_stats(struct roam *skel)
{
	uint32_t slot = ROAM_VM_NONE;
	_cleanup_close_ int fd = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "roam", sizeof(slot),
						sizeof(struct roam_stats), 1, NULL);

	if (fd < 0 || bpf_map_update_elem(bpf_map__fd(skel->maps.stats), &slot, &fd, BPF_ANY))
		return fail_errno(-errno, "host: cannot make its counters");
	return 0;
}

static int make_folders(const char *dir)
{
	char path[ENTRY_LEN];
	int err = mkdir(dir, 0700) ? -errno : 0;

	for (size_t i = 0; i < ARRAY_SIZE(folders) && !err; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, folders[i]);
		err = mkdir(path, 0700) ? -errno : 0;
	}
	return err ? fail_errno(err, "host: cannot make %s", dir) : 0;
}

/* What the next build that comes over it is told. */
static int keep_layout(const char *dir, const char *text)
{
	char path[ENTRY_LEN];

	snprintf(path, sizeof(path), "%s/maps/layout", dir);
	return layout_store(path, text);
}

static int build(struct roam *skel, const char *dir, char *const *uplinks, int uplink_count)
{
	char links[ENTRY_LEN];
	int err = make_folders(dir);

	if (!err)
		err = host_pin(skel, dir);
	if (!err)
		err = make_own_stats(skel);
	snprintf(links, sizeof(links), "%s/links", dir);
	for (int i = 0; i < uplink_count && !err; i++)
		err = attach_uplink(links, bpf_program__fd(skel->progs.xdp_uplink), uplinks[i]);
	return err;
}

/* Inner maps are described before it is loaded: libbpf forgets them. */
static int load(struct roam *skel, char **ret_layout)
{
	char *layout = layout_describe(skel->obj);

	if (!layout)
		return fail(-ENOMEM, "host: out of memory");
	*ret_layout = layout;
	return host_load(skel);
}

int host_init(const char *dir, char *const *uplinks, int uplink_count)
{
	char made[PATH_LEN];
	_cleanup_free_ char *layout = NULL;
	struct roam *skel = NULL;
	int err;

	if (dir[0] != '/' || strlen(dir) > PATH_LEN / 2 || dir[strlen(dir) - 1] == '/')
		return fail(-EINVAL, "host: bpffs '%s' is not an absolute path", dir);
	if (strchr(strrchr(dir, '/'), '.'))
		return fail(-EINVAL, "host: bpffs '%s': a bpffs takes no dots in names", dir);
	err = check_bpffs(dir);
	if (err)
		return err;
	if (!access(dir, F_OK))
		return fail(-EEXIST, "host %s: is there already", dir);
	remove_dead(dir);
	err = host_load_open(&skel);
	if (!err)
		err = load(skel, &layout);
	if (err) {
		roam__destroy(skel);
		return err;
	}
	beside(dir, made);
	err = build(skel, made, uplinks, uplink_count);
	if (!err)
		err = keep_layout(made, layout);
	if (!err && rename(made, dir))
		err = fail_errno(-errno, "host %s: cannot rename it into place", dir);
	if (err)
		remove_tree(made);
	roam__destroy(skel);
	return err;
}

static int unbind(struct host *host, uint32_t slot, void *arg)
{
	(void)arg;
	port_unbind_all(host, slot);
	return 0;
}

int host_teardown(const char *dir)
{
	_cleanup_host_ struct host *host = NULL;
	int err = host_open(dir, &host);
	char gone[PATH_LEN];

	if (!err)
		err = host_lock(host);
	if (err)
		return err;
	vm_each(host, unbind, NULL); /* clsact filters are not pinned */
	/* From here on there is no host; what a kill leaves of it, the next one to be made removes.
	 */
	beside(dir, gone);
	if (rename(dir, gone))
		return fail_errno(-errno, "host %s: cannot take it down", dir);
	remove_tree(gone);
	if (!access(gone, F_OK))
		return fail(-EBUSY, "host %s: cannot remove all of it: see %s", dir, gone);
	return 0;
}
