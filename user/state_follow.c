// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* A handover by hand, through a pipe: see state_follow.h. */
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include "state_follow.h"
#include "text.h"
#include "vm.h"

#define PIECE   65536U
#define NAP_MS  5
#define SIGNALS (sizeof(ending) / sizeof(ending[0]))

static const int ending[] = { SIGINT, SIGTERM, SIGHUP };

static int told_to_end = -1; /* a signalfd: whenever one comes, it is there to be seen */

static int catch_signals(void)
{
	sigset_t held;

	sigemptyset(&held);
	for (size_t i = 0; i < SIGNALS; i++)
		sigaddset(&held, ending[i]);
	told_to_end = signalfd(-1, &held, SFD_CLOEXEC);
	if (told_to_end < 0 || sigprocmask(SIG_BLOCK, &held, NULL))
		return fail_errno(-errno, "state: cannot wait for signals");
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

/* Until the pipe takes or has bytes, or so long (-1: forever). Notices that nobody reads it. */
static int wait_for_pipe(int fd, short events, int timeout_ms)
{
	struct pollfd polls[] = {
		{ .fd = told_to_end, .events = POLLIN },
		{ .fd = fd, .events = events },
	};

	while (poll(polls, ARRAY_SIZE(polls), timeout_ms) < 0)
		if (errno != EINTR)
			return fail_errno(-errno, "state: cannot wait for the pipe");
	if (polls[0].revents)
		return fail(-EINTR, "state: the handover was broken off");
	if (polls[1].revents & POLLERR)
		return fail_errno(-EPIPE, "state: cannot write to the pipe");
	return 0;
}

/* ---- pieces: a length, so many bytes; 0 ends an image ---- */

struct pipe {
	uint8_t piece[PIECE];
	uint32_t len; /* bytes of the piece at hand */
	uint32_t at;  /* reading: those that have been taken */
	bool ended;   /* reading: the image's end has been seen */
};

static int put_all(const void *bytes, size_t size)
{
	const uint8_t *from = bytes;

	while (size) {
		/* No more than a pipe that can be written to takes at once. */
		ssize_t put = size < PIPE_BUF ? size : PIPE_BUF;
		int err = wait_for_pipe(STDOUT_FILENO, POLLOUT, -1);

		if (err)
			return err;
		put = write(STDOUT_FILENO, from, put);
		if (put < 0)
			return fail_errno(-errno, "state: cannot write to the pipe");
		from += put;
		size -= put;
	}
	return 0;
}

static int put_piece(struct pipe *pipe)
{
	uint32_t len = pipe->len;
	int err = put_all(&len, sizeof(len));

	pipe->len = 0;
	return err || !len ? err : put_all(pipe->piece, len);
}

static int pipe_write(const void *bytes, size_t size, void *arg)
{
	const uint8_t *from = bytes;
	struct pipe *pipe = arg;
	int err = 0;

	while (size && !err) {
		size_t part = PIECE - pipe->len < size ? PIECE - pipe->len : size;

		memcpy(pipe->piece + pipe->len, from, part);
		pipe->len += part;
		from += part;
		size -= part;
		if (pipe->len == PIECE)
			err = put_piece(pipe);
	}
	return err;
}

static int pipe_write_end(struct pipe *pipe)
{
	int err = pipe->len ? put_piece(pipe) : 0;

	return err ? err : put_piece(pipe);
}

/* -ENODATA: the pipe ends here. */
static int get_all(void *bytes, size_t size)
{
	uint8_t *to = bytes;

	while (size) {
		ssize_t got;
		int err = wait_for_pipe(STDIN_FILENO, POLLIN, -1);

		if (err)
			return err;
		got = read(STDIN_FILENO, to, size);
		if (got < 0)
			return fail_errno(-errno, "state: cannot read from the pipe");
		if (!got)
			return -ENODATA;
		to += got;
		size -= got;
	}
	return 0;
}

static int get_piece(struct pipe *pipe)
{
	int err = get_all(&pipe->len, sizeof(pipe->len));

	pipe->at = 0;
	if (err)
		return err;
	if (pipe->len > PIECE)
		return fail(-EBADMSG, "state: this is no handover through a pipe");
	pipe->ended = !pipe->len;
	return pipe->len ? get_all(pipe->piece, pipe->len) : 0;
}

static int pipe_read(void *bytes, size_t size, void *arg)
{
	struct pipe *pipe = arg;
	uint8_t *to = bytes;

	while (size) {
		size_t part;
		int err;

		if (pipe->at == pipe->len) {
			err = pipe->ended ? -ENODATA : get_piece(pipe);
			if (err || pipe->ended)
				return err ? err : -ENODATA;
		}
		part = pipe->len - pipe->at < size ? pipe->len - pipe->at : size;
		memcpy(to, pipe->piece + pipe->at, part);
		pipe->at += part;
		to += part;
		size -= part;
	}
	return 0;
}

static void next_image(struct pipe *pipe)
{
	pipe->at = pipe->len = 0;
	pipe->ended = false;
}

/* ---- source ---- */

static int send_last(struct move_source *source, struct pipe *pipe)
{
	struct move_stats stats = { .more = true };
	int err = move_source_freeze(source);

	while (!err && stats.more) {
		err = move_source_last(source, pipe_write, pipe, &stats);
		if (!err)
			err = pipe_write_end(pipe);
	}
	return err;
}

/* Deltas until the VM is frozen: by `roam state freeze`, in another process. */
static int send_deltas(struct move_source *source, struct host *host, struct pipe *pipe)
{
	struct roam_gate gate;
	int err = 0;

	while (!err) {
		struct move_stats stats;

		err = move_gate_get(host, move_source_slot(source), &gate);
		if (!err && gate.state == ROAM_GATE_FROZEN)
			return send_last(source, pipe);
		if (!err)
			err = move_source_delta(source, pipe_write, pipe, &stats);
		if (!err && stats.sequence)
			err = pipe_write_end(pipe);
		if (!err)
			err = wait_for_pipe(STDOUT_FILENO, 0, stats.more ? 0 : NAP_MS);
	}
	return err;
}

/* What failed before the VM was frozen for good leaves it as it was. */
static void give_up(struct move_source *source)
{
	_cleanup_free_ char *why = strdup(fail_line());

	move_source_abort(source);
	if (why)
		fail_set(0, "%s", why);
}

static int random_id(uint8_t id[16])
{
	return vm_random_uuid(id);
}

int state_follow_save(struct cmd *cmd, const char *vm)
{
	_cleanup_free_ struct pipe *pipe = calloc(1, sizeof(*pipe));
	_cleanup_move_source_ struct move_source *source = NULL;
	struct move_source_options options = {};
	int err = pipe ? random_id(options.id) : fail(-ENOMEM, "state: out of memory");

	if (!err)
		err = move_source_open(cmd->host, vm, &options, &source);
	if (err)
		return err;
	err = catch_signals();
	if (!err)
		err = move_source_base(source, pipe_write, pipe);
	if (!err)
		err = pipe_write_end(pipe);
	if (!err)
		err = send_deltas(source, cmd->host, pipe);
	if (err)
		give_up(source);
	return err;
}

/* ---- destination ---- */

static int take_deltas(struct move_dest *dest, struct pipe *pipe)
{
	int err = 0;

	while (!err && !move_dest_is_complete(dest)) {
		next_image(pipe);
		err = get_piece(pipe); /* the pipe may end here, but not within an image */
		if (err == -ENODATA)
			return fail(-ENODATA, "state: the pipe ended before the last delta");
		if (!err)
			err = move_dest_delta(dest, pipe_read, pipe);
	}
	return err ? err : move_dest_ready(dest, true);
}

static void wipe(struct move_dest *dest)
{
	_cleanup_free_ char *why = strdup(fail_line());

	move_dest_wipe(dest);
	if (why)
		fail_set(0, "%s", why);
}

int state_follow_load(struct cmd *cmd, const struct move_dest_options *options)
{
	_cleanup_free_ struct pipe *pipe = calloc(1, sizeof(*pipe));
	_cleanup_move_dest_ struct move_dest *dest = NULL;
	int err;

	if (!pipe)
		return fail(-ENOMEM, "state: out of memory");
	err = catch_signals();
	if (!err)
		err = move_dest_base(cmd->host, options, pipe_read, pipe, &dest);
	if (err)
		return err;
	err = take_deltas(dest, pipe);
	if (err) {
		wipe(dest);
		return err;
	}
	out_item(cmd->out);
	out_text(cmd->out, "staged", move_dest_vm(dest));
	out_number(cmd->out, "deltas", move_dest_sequence(dest));
	out_item_end(cmd->out);
	return 0;
}

/* ---- either ---- */

int state_follow_abort(struct cmd *cmd, const char *vm)
{
	_cleanup_move_source_ struct move_source *source = NULL;
	_cleanup_move_dest_ struct move_dest *dest = NULL;
	int err = move_source_reopen(cmd->host, vm, &source);

	if (!err)
		return move_source_abort(source);
	if (err != -ENOENT)
		return err;
	err = move_dest_reopen(cmd->host, vm, &dest);
	return err ? err : move_dest_wipe(dest);
}
