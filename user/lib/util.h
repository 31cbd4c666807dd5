/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What every file of user space needs: the one line that says what went wrong, and cleanup
 * attributes, so that one can see within a function that it does not leak.
 *
 * Functions return 0 or -errno. On failure the line is in a thread-local buffer, out-parameters
 * (last, named ret_x) are untouched, and nothing has changed.
 */
#ifndef ROAM_UTIL_H
#define ROAM_UTIL_H

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define NS_PER_S      1000000000ULL

/*
 * Sets the line ("what: where: why", no newline); the value is err, a negative errno. Macros, so
 * that compilers and analyzers see that err comes back, and that what a failure leaves unset is not
 * read. fail_errno() puts ": " and the errno's text behind the line.
 */
#define fail(err, ...)                                                                             \
	({                                                                                         \
		fail_set(0, __VA_ARGS__);                                                          \
		(err);                                                                             \
	})
#define fail_errno(err, ...)                                                                       \
	({                                                                                         \
		int err_ = (err);                                                                  \
		fail_set(err_, __VA_ARGS__);                                                       \
		err_;                                                                              \
	})
void fail_set(int err, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *fail_line(void);

/* CLOCK_MONOTONIC, which the programs' bpf_ktime_get_ns() reads. */
uint64_t now_ns(void);

/* Takes the value out of a variable with a cleanup attribute: the caller owns it now. */
#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int taken_ = (fd);                                                                 \
		(fd) = -1;                                                                         \
		taken_;                                                                            \
	})
#define TAKE_PTR(ptr)                                                                              \
	({                                                                                         \
		__auto_type taken_ = (ptr);                                                        \
		(ptr) = NULL;                                                                      \
		taken_;                                                                            \
	})

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_free(void *ptr)
{
	free(*(void **)ptr);
}

static inline void cleanup_closedir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

#define _cleanup_close_    __attribute__((cleanup(cleanup_close)))
#define _cleanup_free_     __attribute__((cleanup(cleanup_free)))
#define _cleanup_closedir_ __attribute__((cleanup(cleanup_closedir)))

#endif
