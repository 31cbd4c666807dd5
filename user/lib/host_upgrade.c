// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Another build's programs over a host's maps: see host_upgrade.h. */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "attach.h"
#include "carry.h"
#include "host_load.h"
#include "host_upgrade.h"
#include "layout.h"
#include "roam.skel.h"

#define PATH_LEN 512

static const char *const folders[] = { "", "/maps", "/progs", "/marks" };

static const char *path_of(char buf[PATH_LEN], const char *dir, const char *rest)
{
	snprintf(buf, PATH_LEN, "%.300s/%.180s", dir, rest);
	return buf;
}

static int remove_entry(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
	(void)stat;
	(void)type;
	(void)walk;
	return remove(path);
}

static void remove_folder(const char *path)
{
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- the new programs, beside the old ones ---- */

/* The host's own maps, but for those that hold nothing, or hold it otherwise, or are new. */
static int reuse_maps(struct roam *skel, const char *dir, const struct carry_texts *texts)
{
	char path[PATH_LEN], part[64];
	struct bpf_map *map;

	bpf_object__for_each_map(map, skel->obj)
	{
		_cleanup_close_ int fd = -1;

		snprintf(part, sizeof(part), "map %.50s", bpf_map__name(map));
		if (bpf_map__is_internal(map) || layout_is_scratch(bpf_map__name(map)) ||
		    !carry_part(texts->old, part) || carry_changes(texts, bpf_map__name(map)))
			continue;
		snprintf(path, sizeof(path), "%.300s/maps/%.100s", dir, bpf_map__name(map));
		fd = bpf_obj_get(path);
		if (fd < 0 || bpf_map__reuse_fd(map, fd))
			return fail_errno(-errno, "host %s: cannot use %s", dir, path);
	}
	return 0;
}

static int load_layout(const char *dir, char **ret_text)
{
	char path[PATH_LEN];

	if (access(path_of(path, dir, "maps/layout"), F_OK))
		return fail(-EOPNOTSUPP,
			    "host %s: was made by a version that does not tell its layout: save "
			    "its VMs, make it anew and load them",
			    dir);
	return layout_load(path, ret_text);
}

static bool differ(const struct carry_texts *texts)
{
	char what[128];

	return !layout_same(texts->old, texts->now, what, sizeof(what));
}

static int pin_mark(const char *next, const char *name, int fd)
{
	char path[PATH_LEN];

	snprintf(path, sizeof(path), "%.300s/marks/%.100s", next, name);
	return fd < 0 || bpf_obj_pin(fd, path) ? fail_errno(-errno, "host: cannot pin %s", path)
					       : 0;
}

static int build(struct roam *skel, const char *next, const char *text)
{
	char path[PATH_LEN];
	_cleanup_close_ int layout = -1;
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(folders) && !err; i++) {
		snprintf(path, sizeof(path), "%.400s%s", next, folders[i]);
		err = mkdir(path, 0700) ? fail_errno(-errno, "host: cannot make %s", path) : 0;
	}
	if (!err)
		err = host_pin(skel, next);
	if (!err)
		err = layout_store(path_of(path, next, "maps/layout"), text);
	if (err)
		return err;
	layout = bpf_obj_get(path);
	err = pin_mark(next, "layout", layout);
	if (!err)
		err = pin_mark(next, "tc_in", bpf_program__fd(skel->progs.tc_in));
	if (!err)
		err = pin_mark(next, "tc_out", bpf_program__fd(skel->progs.tc_out));
	if (!err)
		err = pin_mark(next, "xdp_uplink", bpf_program__fd(skel->progs.xdp_uplink));
	return err;
}

/* The new ones beside the old ones, and what of policy is laid out otherwise in them. */
static int build_beside(const char *dir, struct roam *skel, const struct carry_texts *texts)
{
	char next[PATH_LEN], due[PATH_LEN];
	struct carry carry = { *texts, dir, path_of(next, dir, "upgrade-new") };
	int err;

	remove_folder(next);
	err = build(skel, next, texts->now);
	if (!err && differ(texts))
		err = carry_policy(&carry);
	if (!err && rename(next, path_of(due, dir, "upgrade")))
		err = fail_errno(-errno, "host %s: cannot rename %s", dir, next);
	if (err)
		remove_folder(next);
	return err;
}

/* All up to the rename that makes it so. */
static int prepare(const char *dir, struct roam *skel)
{
	_cleanup_free_ char *text = layout_describe(skel->obj), *old = NULL;
	struct carry carry = { .dir = dir };
	int err = text ? load_layout(dir, &old) : fail(-ENOMEM, "host: out of memory");

	if (err)
		return err;
	carry.texts = (struct carry_texts){ old, text };
	if (differ(&carry.texts))
		err = carry_check(&carry);
	if (!err)
		err = reuse_maps(skel, dir, &carry.texts);
	if (!err)
		err = host_load(skel);
	return err ? err : build_beside(dir, skel, &carry.texts);
}

/* ---- from one to the other ---- */

static uint32_t prog_id(const char *path)
{
	struct bpf_prog_info info = {};
	uint32_t len = sizeof(info);
	_cleanup_close_ int fd = bpf_obj_get(path);

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) ? info.id : 0;
}

static uint32_t map_id(const char *path)
{
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info);
	_cleanup_close_ int fd = bpf_obj_get(path);

	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) ? info.id : 0;
}

/* Whether the folder DIR/`folder` is the old one still, by what of it has a mark. */
static bool is_old(const char *dir, const char *folder, const char *mark,
		   uint32_t (*id)(const char *path))
{
	char now[PATH_LEN], wanted[PATH_LEN];
	uint32_t id_now, id_wanted;

	snprintf(now, sizeof(now), "%.300s/%s/%s", dir, folder, mark);
	snprintf(wanted, sizeof(wanted), "%.300s/upgrade/marks/%s", dir, mark);
	id_now = id(now);
	id_wanted = id(wanted);
	return id_wanted && id_now != id_wanted;
}

static int exchange(const char *dir, const char *folder)
{
	char now[PATH_LEN], next[PATH_LEN];

	snprintf(now, sizeof(now), "%.300s/%s", dir, folder);
	snprintf(next, sizeof(next), "%.300s/upgrade/%s", dir, folder);
	if (renameat2(AT_FDCWD, next, AT_FDCWD, now, RENAME_EXCHANGE))
		return fail_errno(-errno, "host %s: cannot exchange %s", dir, folder);
	return 0;
}

static int update_devices(const char *dir, unsigned int *ret_links)
{
	char path[PATH_LEN];
	_cleanup_close_ int in = bpf_obj_get(path_of(path, dir, "upgrade/marks/tc_in"));
	_cleanup_close_ int out = bpf_obj_get(path_of(path, dir, "upgrade/marks/tc_out"));
	_cleanup_close_ int uplink = bpf_obj_get(path_of(path, dir, "upgrade/marks/xdp_uplink"));
	_cleanup_close_ int port_dev = bpf_obj_get(path_of(path, dir, "upgrade/maps/port_dev"));
	struct attach_progs progs = { .in = in, .out = out, .uplink = uplink };

	if (in < 0 || out < 0 || uplink < 0) /* all is done but to remove the rest of the folder */
		return 0;
	return attach_update(path_of(path, dir, "links"), port_dev, &progs, ret_links);
}

/*
 * Whether what the new maps hold is still to come: both layouts then. Only a build of the new one
 * can bring it.
 */
static int find_carry(const char *dir, struct carry_texts *ret_texts)
{
	_cleanup_free_ char *old = NULL, *now = NULL;
	char path[PATH_LEN], what[128];
	int err;

	if (access(path_of(path, dir, "upgrade/marks/layout"), F_OK) ||
	    !is_old(dir, "maps", "layout", map_id))
		return 0;
	err = layout_load(path, &now);
	if (!err)
		err = layout_load(path_of(path, dir, "maps/layout"), &old);
	if (err || !differ(&(struct carry_texts){ old, now }))
		return err;
	if (!layout_is_own(now, what, sizeof(what)))
		return fail(-EOPNOTSUPP,
			    "host %s: is being upgraded to a version where %s is another: end it "
			    "with 'roam host upgrade' of that one",
			    dir, what);
	*ret_texts = (struct carry_texts){ TAKE_PTR(old), TAKE_PTR(now) };
	return 0;
}

static void free_texts(struct carry_texts *texts)
{
	free((char *)texts->old);
	free((char *)texts->now);
}

static int finish(const char *dir, unsigned int *ret_links)
{
	__attribute__((cleanup(free_texts))) struct carry_texts texts = {};
	char path[PATH_LEN], next[PATH_LEN];
	int err = find_carry(dir, &texts);
	struct carry carry = { texts, dir, path_of(next, dir, "upgrade") };

	if (!err && texts.old)
		err = carry_late(&carry);
	if (!err)
		err = update_devices(dir, ret_links);
	if (!err && texts.old)
		err = carry_traffic(&carry);
	/* Programs last: whoever finds others than it has opened opens the maps again, too. */
	if (!err && is_old(dir, "maps", "layout", map_id))
		err = exchange(dir, "maps");
	if (!err && is_old(dir, "progs", "tc_in", prog_id))
		err = exchange(dir, "progs");
	if (err)
		return err;
	carry_end(dir);
	/* The marks first: without them nothing is to be done any more. */
	remove_folder(path_of(path, dir, "upgrade/marks"));
	remove_folder(path_of(path, dir, "upgrade"));
	return 0;
}

bool host_upgrade_is_due(const char *dir)
{
	char path[PATH_LEN];

	return !access(path_of(path, dir, "upgrade"), F_OK);
}

int host_upgrade_finish(const char *dir)
{
	unsigned int links;

	return finish(dir, &links);
}

/* As host_lock(), but of a host that may have been made by another version, and lacks pins. */
static int lock_dir(const char *dir, int *ret_fd)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat stat;

	if (fd < 0 && errno == ENOENT)
		return fail(-ENOENT, "host %s: there is none; make it with 'roam host init'", dir);
	if (fd < 0 || flock(fd, LOCK_EX) || fstat(fd, &stat))
		return fail_errno(-errno, "host %s: cannot lock", dir);
	if (!stat.st_nlink)
		return fail(-ENOENT, "host %s: has been taken down", dir);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int host_upgrade(const char *dir, struct host_upgraded *ret_upgraded)
{
	_cleanup_close_ int lock = -1;
	struct host_upgraded upgraded = {};
	struct roam *skel = NULL;
	int err = lock_dir(dir, &lock);

	if (!err && host_upgrade_is_due(dir))
		err = host_upgrade_finish(dir);
	if (!err)
		err = host_load_open(&skel);
	if (!err)
		err = prepare(dir, skel);
	roam__destroy(skel);
	if (!err)
		err = finish(dir, &upgraded.links);
	if (!err)
		*ret_upgraded = upgraded;
	return err;
}
