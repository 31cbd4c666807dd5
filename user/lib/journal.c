// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The journal of changes that take more than one step: see journal.h. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <bpf/bpf.h>
#include "journal.h"
#include "move_own.h"

#define JOURNAL_NAME_LEN 32
#define JOURNAL_PATH_LEN 512

static const char *entry_name(uint32_t slot, char buf[JOURNAL_NAME_LEN])
{
	snprintf(buf, JOURNAL_NAME_LEN, "journal/%u", slot);
	return buf;
}

static const char *kept_path(const struct host *host, uint32_t slot, char buf[JOURNAL_PATH_LEN])
{
	snprintf(buf, JOURNAL_PATH_LEN, "%s/journal/%u/next", host_dir(host), slot);
	return buf;
}

int journal_keep(struct host *host, uint32_t slot, int map_fd)
{
	char path[JOURNAL_PATH_LEN];

	if (bpf_obj_pin(map_fd, kept_path(host, slot, path)))
		return fail_errno(-errno, "host %s: cannot pin %s", host_dir(host), path);
	return 0;
}

int journal_kept(const struct host *host, uint32_t slot)
{
	char path[JOURNAL_PATH_LEN];
	int fd = bpf_obj_get(kept_path(host, slot, path));

	return fd < 0 ? -errno : fd;
}

void journal_drop_kept(struct host *host, uint32_t slot)
{
	char path[JOURNAL_PATH_LEN];

	unlink(kept_path(host, slot, path));
}

int journal_begin(struct host *host, uint32_t slot, int *ret_fd)
{
	int err = slot < ROAM_VM_MAX ? move_may_change(host, slot) : 0;

	return err ? err : journal_begin_any(host, slot, ret_fd);
}

int journal_begin_any(struct host *host, uint32_t slot, int *ret_fd)
{
	char name[JOURNAL_NAME_LEN], path[JOURNAL_PATH_LEN];
	_cleanup_close_ int fd = -1;

	if (mkdirat(host_dir_fd(host), entry_name(slot, name), 0700) && errno != EEXIST)
		return fail_errno(-errno, "host %s: cannot make %s", host_dir(host), name);
	fd = openat(host_dir_fd(host), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail_errno(-errno, "host %s: cannot open %s", host_dir(host), name);
	if (flock(fd, LOCK_EX | LOCK_NB))
		return fail(-EBUSY, "host %s: another process is changing this VM", host_dir(host));
	if (!access(kept_path(host, slot, path), F_OK))
		return fail(-EBUSY, "host %s: a change before this one is not through yet",
			    host_dir(host));
	*ret_fd = TAKE_FD(fd);
	return 0;
}

void journal_end(struct host *host, uint32_t slot, int *fd)
{
	char name[JOURNAL_NAME_LEN];

	unlinkat(host_dir_fd(host), entry_name(slot, name), AT_REMOVEDIR);
	close(TAKE_FD(*fd));
}

static DIR *open_journal(const struct host *host)
{
	int fd = openat(host_dir_fd(host), "journal", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		cleanup_close(&fd);
	return dir;
}

/* The next entry's slot, or -1 at the end. */
static int next_entry(DIR *dir)
{
	struct dirent *entry;

	while ((entry = readdir(dir))) {
		unsigned long slot = strtoul(entry->d_name, NULL, 10);

		if (entry->d_name[0] != '.' && slot <= JOURNAL_SETS)
			return slot;
	}
	return -1;
}

bool journal_is_empty(const struct host *host)
{
	_cleanup_closedir_ DIR *dir = open_journal(host);

	return !dir || next_entry(dir) < 0;
}

static int visit(struct host *host, uint32_t slot, int (*fn)(struct host *, uint32_t slot))
{
	char name[JOURNAL_NAME_LEN];
	_cleanup_close_ int fd = openat(host_dir_fd(host), entry_name(slot, name),
					O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err;

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB))
		return 0;
	err = fn(host, slot);
	if (!err)
		journal_end(host, slot, &fd);
	return err;
}

int journal_each_dead(struct host *host, int (*fn)(struct host *, uint32_t slot))
{
	_cleanup_closedir_ DIR *dir = open_journal(host);
	int slot, err = 0;

	while (dir && !err && (slot = next_entry(dir)) >= 0)
		err = visit(host, slot, fn);
	return err;
}
