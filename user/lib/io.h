/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Files and pipes that images go through, buffered. A file is written beside its place and renamed
 * when it is whole, with mode 0600.
 */
#ifndef ROAM_IO_H
#define ROAM_IO_H

#include <stddef.h>

struct io {
	int fd;
	const char *name;
	char temp[512]; /* of a file that is being written; empty for a pipe */
	unsigned char *buf;
	size_t at;
	size_t len;
};

/* "-" is stdin, stdout. */
int io_open(const char *file, struct io *ret_io);
int io_create(const char *file, struct io *ret_io);

/* struct image_sink's and image_writer's; `arg` is the struct io. */
int io_read(void *bytes, size_t size, void *arg);
int io_write(const void *bytes, size_t size, void *arg);

/* Ends it: a file is renamed into its place if err is 0 and removed otherwise. Returns err, or what
 * went wrong now. */
int io_close(struct io *io, int err);

#endif
