// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Files and pipes that images go through: see io.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "io.h"
#include "util.h"

/* Small, so that the other end of a pipe has something to do early. */
#define BUF_SIZE (64U * 1024)
/* Room for one end while the other waits for the kernel; more than this needs a privilege. */
#define PIPE_SIZE (1024 * 1024)

static int start(int fd, const char *name, struct io *io)
{
	io->fd = fd;
	io->name = name;
	io->temp[0] = '\0';
	io->at = io->len = 0;
	io->buf = malloc(BUF_SIZE);
	fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE); /* where it is a pipe */
	return io->buf ? 0 : fail(-ENOMEM, "%s: out of memory", name);
}

int io_open(const char *file, struct io *ret_io)
{
	int fd = STDIN_FILENO;

	if (strcmp(file, "-") != 0)
		fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail_errno(-errno, "%s", file);
	return start(fd, file, ret_io);
}

int io_create(const char *file, struct io *ret_io)
{
	char temp[sizeof(ret_io->temp)];
	int fd, err;

	if (!strcmp(file, "-")) {
		if (isatty(STDOUT_FILENO))
			return fail(-EINVAL,
				    "an image is not for a terminal: give a file or a pipe");
		return start(STDOUT_FILENO, file, ret_io);
	}
	if (snprintf(temp, sizeof(temp), "%s.XXXXXX", file) >= (int)sizeof(temp))
		return fail(-ENAMETOOLONG, "%s", file);
	fd = mkostemp(temp, O_CLOEXEC); /* mode 0600 */
	if (fd < 0)
		return fail_errno(-errno, "%s", file);
	err = start(fd, file, ret_io);
	if (!err)
		memcpy(ret_io->temp, temp, sizeof(temp));
	return err;
}

/* The next bytes into the buffer; 0 at the end. */
static ssize_t fill(struct io *io)
{
	ssize_t got;

	do
		got = read(io->fd, io->buf, BUF_SIZE);
	while (got < 0 && errno == EINTR);
	io->at = 0;
	io->len = got > 0 ? got : 0;
	return got;
}

int io_read(void *bytes, size_t size, void *arg)
{
	struct io *io = arg;
	char *to = bytes;

	while (size) {
		size_t part = io->len - io->at;
		ssize_t got;

		if (!part) {
			got = fill(io);
			if (got < 0)
				return fail_errno(-errno, "%s: cannot read", io->name);
			if (!got)
				return -ENODATA;
			continue;
		}
		part = part < size ? part : size;
		memcpy(to, io->buf + io->at, part);
		io->at += part;
		to += part;
		size -= part;
	}
	return 0;
}

static int flush(struct io *io)
{
	size_t done = 0;

	while (done < io->at) {
		ssize_t put = write(io->fd, io->buf + done, io->at - done);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return fail_errno(-errno, "%s: cannot write", io->name);
		done += put;
	}
	io->at = 0;
	return 0;
}

int io_write(const void *bytes, size_t size, void *arg)
{
	const char *from = bytes;
	struct io *io = arg;

	while (size) {
		size_t part = BUF_SIZE - io->at;
		int err;

		part = part < size ? part : size;
		memcpy(io->buf + io->at, from, part);
		io->at += part;
		from += part;
		size -= part;
		if (io->at < BUF_SIZE)
			continue;
		err = flush(io);
		if (err)
			return err;
	}
	return 0;
}

int io_close(struct io *io, int err)
{
	if (!err && !io->len)
		err = flush(io);
	if (!err && io->temp[0] && fsync(io->fd))
		err = fail_errno(-errno, "%s: cannot write", io->name);
	if (io->temp[0]) {
		if (!err && rename(io->temp, io->name))
			err = fail_errno(-errno, "%s", io->name);
		if (err)
			unlink(io->temp);
	}
	if (io->fd > STDERR_FILENO)
		close(io->fd);
	free(io->buf);
	return err;
}
