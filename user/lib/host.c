// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* An open host: its descriptors, its lock, rows and inner maps of its maps. See host.h. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <bpf/bpf.h>
#include "host.h"
#include "host_upgrade.h"
#include "journal.h"
#include "layout.h"
#include "recover.h"

struct host {
	char *dir;
	int dir_fd;
	int locks;   /* how often the holder has taken the lock */
	ino_t progs; /* of the folder whose pins these are: an upgrade brings another */
	int map_fd[HOST_MAP_COUNT];
	int prog_fd[HOST_PROG_COUNT];
	void *xfer;
};

#define XFER_BYTES (ROAM_CT_XFER_ROWS * sizeof(struct roam_flow_rec))

static const char *const map_name[] = {
#define X(name) [HOST_MAP_##name] = #name,
	HOST_MAPS(X)
#undef X
};

static const char *const prog_name[] = {
#define X(name) [HOST_PROG_##name] = #name,
	HOST_PROGS(X)
#undef X
};

static int open_pin(const char *dir, const char *kind, const char *name, int *ret_fd)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s/%s", dir, kind, name);
	fd = bpf_obj_get(path);
	if (fd < 0 && errno == ENOENT)
		return fail(
			-ENOENT,
			"host %s: has no %s/%s: made by another version, see 'roam host upgrade'",
			dir, kind, name);
	if (fd < 0)
		return fail_errno(-errno, "host %s: cannot open %s/%s", dir, kind, name);
	cleanup_close(ret_fd);
	*ret_fd = fd;
	return 0;
}

/* 0 if there is none. */
static ino_t progs_folder(const struct host *host)
{
	struct stat stat;

	return fstatat(host->dir_fd, "progs", &stat, 0) ? 0 : stat.st_ino;
}

/* Rows of another layout are nothing that this build can read, or may write. */
static void unmap_xfer(struct host *host)
{
	if (host->xfer)
		munmap(host->xfer, XFER_BYTES);
	host->xfer = NULL;
}

static int check_layout(const struct host *host)
{
	_cleanup_free_ char *text = NULL;
	char path[512], what[128];
	int err;

	snprintf(path, sizeof(path), "%s/maps/layout", host->dir);
	if (access(path, F_OK))
		return 0;
	err = layout_load(path, &text);
	if (err || layout_is_own(text, what, sizeof(what)))
		return err;
	return fail(-EOPNOTSUPP,
		    "host %s: made by another version, in which %s is another: see 'roam host "
		    "upgrade'",
		    host->dir, what);
}

static int open_pins(struct host *host)
{
	int err = check_layout(host);

	if (err)
		return err;
	host->progs = progs_folder(host);
	unmap_xfer(host); /* of the map that was pinned there before */
	for (int i = 0; i < HOST_MAP_COUNT && !err; i++)
		err = open_pin(host->dir, "maps", map_name[i], &host->map_fd[i]);
	for (int i = 0; i < HOST_PROG_COUNT && !err; i++)
		err = open_pin(host->dir, "progs", prog_name[i], &host->prog_fd[i]);
	return err;
}

int host_open(const char *dir, struct host **ret_host)
{
	_cleanup_host_ struct host *host = calloc(1, sizeof(*host));
	int err;

	if (!host)
		return fail(-ENOMEM, "host %s: out of memory", dir);
	memset(host->map_fd, -1, sizeof(host->map_fd));
	memset(host->prog_fd, -1, sizeof(host->prog_fd));
	host->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (host->dir_fd < 0 && errno == ENOENT)
		return fail(-ENOENT, "host %s: there is none; make it with 'roam host init'", dir);
	if (host->dir_fd < 0)
		return fail_errno(-errno, "host %s", dir);
	host->dir = strdup(dir);
	if (!host->dir)
		return fail(-ENOMEM, "host %s: out of memory", dir);
	/* One of another layout cannot be opened before it is whole. */
	if (host_upgrade_is_due(dir) && !flock(host->dir_fd, LOCK_EX | LOCK_NB)) {
		host_upgrade_finish(dir);
		flock(host->dir_fd, LOCK_UN);
	}
	err = open_pins(host);
	if (err)
		return err;
	/* While another process is writing, that one or the next will mend what there is. */
	if (!journal_is_empty(host) && host_try_lock(host))
		host_unlock(host);
	*ret_host = TAKE_PTR(host);
	return 0;
}

void host_close(struct host *host)
{
	if (!host)
		return;
	unmap_xfer(host);
	for (int i = 0; i < HOST_MAP_COUNT; i++)
		cleanup_close(&host->map_fd[i]);
	for (int i = 0; i < HOST_PROG_COUNT; i++)
		cleanup_close(&host->prog_fd[i]);
	cleanup_close(&host->dir_fd);
	free(host->dir);
	free(host);
}

int host_check(const struct host *host)
{
	return progs_folder(host) == host->progs ? 0 : check_layout(host);
}

int host_map(const struct host *host, enum host_map map)
{
	return host->map_fd[map];
}

struct roam_flow_rec *host_xfer(struct host *host)
{
	void *rows;

	if (host->xfer)
		return host->xfer;
	rows = mmap(NULL, XFER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		    host_map(host, HOST_MAP_ct_xfer), 0);
	if (rows == MAP_FAILED) {
		fail_errno(-errno, "host %s: cannot map the bulk loader's rows", host->dir);
		return NULL;
	}
	host->xfer = rows;
	return rows;
}

int host_prog(const struct host *host, enum host_prog prog)
{
	return host->prog_fd[prog];
}

int host_dir_fd(const struct host *host)
{
	return host->dir_fd;
}

const char *host_dir(const struct host *host)
{
	return host->dir;
}

/*
 * By who has just got the lock. A process that waited for an upgrade must not put old programs on
 * devices. What cannot be finished is tried again by the next one: old and new programs work.
 */
static int locked(struct host *host)
{
	int err = 0;

	if (host_upgrade_is_due(host->dir))
		err = host_upgrade_finish(host->dir);
	if (err == -EOPNOTSUPP) /* of another layout: what is written here would be lost */
		return err;
	err = progs_folder(host) != host->progs ? open_pins(host) : 0;
	if (err)
		return err;
	host->locks++;
	recover(host);
	return 0;
}

int host_lock(struct host *host)
{
	struct stat stat;
	int err;

	if (host->locks) {
		host->locks++;
		return 0;
	}
	if (flock(host->dir_fd, LOCK_EX))
		return fail_errno(-errno, "host %s: cannot lock", host->dir);
	if (fstat(host->dir_fd, &stat) || !stat.st_nlink) {
		flock(host->dir_fd, LOCK_UN);
		return fail(-ENOENT, "host %s: has been taken down", host->dir);
	}
	err = locked(host);
	if (err)
		flock(host->dir_fd, LOCK_UN);
	return err;
}

bool host_try_lock(struct host *host)
{
	if (flock(host->dir_fd, LOCK_EX | LOCK_NB))
		return false;
	if (!locked(host))
		return true;
	flock(host->dir_fd, LOCK_UN);
	return false;
}

void host_unlock(struct host *host)
{
	if (!--host->locks)
		flock(host->dir_fd, LOCK_UN);
}

int host_inner(const struct host *host, enum host_map outer, uint32_t index)
{
	uint32_t id;
	int fd;

	if (bpf_map_lookup_elem(host->map_fd[outer], &index, &id))
		return fail_errno(-errno, "host %s: %s[%u]", host->dir, map_name[outer], index);
	fd = bpf_map_get_fd_by_id(id);
	if (fd < 0)
		return fail_errno(-errno, "host %s: %s[%u]", host->dir, map_name[outer], index);
	return fd;
}

bool host_has_inner(const struct host *host, enum host_map outer, uint32_t index)
{
	uint32_t id;

	return !bpf_map_lookup_elem(host_map(host, outer), &index, &id);
}

int host_set_inner(const struct host *host, enum host_map outer, uint32_t index, int fd)
{
	if (bpf_map_update_elem(host->map_fd[outer], &index, &fd, BPF_ANY))
		return fail_errno(-errno, "host %s: cannot set %s[%u]", host->dir, map_name[outer],
				  index);
	return 0;
}

void host_clear_inner(const struct host *host, enum host_map outer, uint32_t index)
{
	bpf_map_delete_elem(host->map_fd[outer], &index);
}

int host_get(const struct host *host, enum host_map map, const void *key, void *ret_value)
{
	if (bpf_map_lookup_elem(host->map_fd[map], key, ret_value))
		return fail_errno(-errno, "host %s: cannot read %s", host->dir, map_name[map]);
	return 0;
}

int host_get_all(const struct host *host, enum host_map map, uint32_t count, void *ret_values)
{
	_cleanup_free_ uint32_t *keys = calloc(count, sizeof(*keys));
	uint32_t next, found = count;

	if (!keys)
		return fail(-ENOMEM, "host %s: out of memory", host->dir);
	if (bpf_map_lookup_batch(host->map_fd[map], NULL, &next, keys, ret_values, &found, NULL) ||
	    found != count)
		return fail_errno(-errno, "host %s: cannot read %s", host->dir, map_name[map]);
	return 0;
}

int host_put(const struct host *host, enum host_map map, const void *key, const void *value)
{
	if (bpf_map_update_elem(host->map_fd[map], key, value, BPF_ANY))
		return fail_errno(-errno, "host %s: cannot write %s", host->dir, map_name[map]);
	return 0;
}

int host_delete(const struct host *host, enum host_map map, const void *key)
{
	if (bpf_map_delete_elem(host->map_fd[map], key) && errno != ENOENT)
		return fail_errno(-errno, "host %s: cannot delete from %s", host->dir,
				  map_name[map]);
	return 0;
}
