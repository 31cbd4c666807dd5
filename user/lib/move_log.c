// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The log of a VM that is copied, as its one reader sees it: see move_own.h. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "move_own.h"

struct move_log {
	struct ring_buffer *ring;
	struct move_logged *logged;
	int err;
};

static int on_record(void *arg, void *data, size_t size)
{
	struct move_log *log = arg;
	const struct roam_log_rec *rec = data;

	if (size != sizeof(*rec) || log->err)
		return 0;
	log->err = move_keys_add(rec->urgent ? &log->logged->urgent : &log->logged->soft, rec);
	if (!log->err && log->logged->fresh_round && rec->round == log->logged->fresh_round)
		log->err = move_keys_add(&log->logged->fresh, rec);
	return 0;
}

static int listen_to(int fd, struct move_log **ret_log)
{
	struct move_log *log = calloc(1, sizeof(*log));

	if (!log)
		return fail(-ENOMEM, "move: out of memory");
	log->ring = ring_buffer__new(fd, on_record, log, NULL);
	if (!log->ring) {
		free(log);
		return fail_errno(-errno, "move: cannot map the log");
	}
	*ret_log = log;
	return 0;
}

int move_log_make(struct host *host, uint32_t slot, uint32_t bytes, struct move_log **ret_log)
{
	_cleanup_close_ int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "roam", 0, 0, bytes, NULL);
	int err;

	if (fd < 0)
		return fail_errno(-errno, "move: cannot make a log of %u bytes", bytes);
	err = host_set_inner(host, HOST_MAP_move_log, slot, fd);
	return err ? err : listen_to(fd, ret_log);
}

int move_log_open(struct host *host, uint32_t slot, struct move_log **ret_log)
{
	_cleanup_close_ int fd = host_inner(host, HOST_MAP_move_log, slot);

	return fd < 0 ? fd : listen_to(fd, ret_log);
}

int move_log_drain(struct move_log *log, struct move_logged *logged)
{
	int err;

	log->logged = logged;
	log->err = 0;
	err = ring_buffer__consume(log->ring);
	return err < 0 ? fail_errno(err, "move: cannot read the log") : log->err;
}

void move_log_close(struct move_log *log)
{
	if (!log)
		return;
	ring_buffer__free(log->ring);
	free(log);
}
