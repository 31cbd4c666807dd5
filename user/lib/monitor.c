// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Listening to events: see monitor.h. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "monitor.h"
#include "vm.h"

struct monitor {
	struct host *host;
	uint32_t place;
	int folder; /* locked: the place is ours */
	struct ring_buffer *ring;
	int (*fn)(const struct roam_event *event, void *arg);
	void *arg;
};

/* The place's folder, locked: -EWOULDBLOCK if its listener lives. Folders stay once they are made.
 */
static int lock_place(struct host *host, uint32_t place, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	char name[32];

	snprintf(name, sizeof(name), "monitor/%u", place);
	if (mkdirat(host_dir_fd(host), name, 0700) && errno != EEXIST)
		return fail_errno(-errno, "host %s: cannot make %s", host_dir(host), name);
	fd = openat(host_dir_fd(host), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail_errno(-errno, "host %s: cannot open %s", host_dir(host), name);
	if (flock(fd, LOCK_EX | LOCK_NB))
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int set_place(struct host *host, uint32_t place, const struct roam_monitor *conf)
{
	return host_put(host, HOST_MAP_monitor_conf, &place, conf);
}

/* First nobody writes to it any more, then it goes. */
static void clear_place(struct host *host, uint32_t place)
{
	set_place(host, place, &(struct roam_monitor){});
	host_clear_inner(host, HOST_MAP_monitor_ring, place);
}

static int take_place(struct monitor *monitor)
{
	for (uint32_t place = 0; place < ROAM_MONITORS; place++) {
		int err = lock_place(monitor->host, place, &monitor->folder);

		monitor->place = place;
		if (err != -EWOULDBLOCK)
			return err;
	}
	return fail(-EUSERS, "monitor: %d are listening already, the most there can be",
		    ROAM_MONITORS);
}

static int on_event(void *arg, void *data, size_t size)
{
	struct monitor *monitor = arg;

	return size == sizeof(struct roam_event) ? monitor->fn(data, monitor->arg) : 0;
}

static int open_ring(struct monitor *monitor, uint32_t bytes)
{
	_cleanup_close_ int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "roam", 0, 0, bytes, NULL);
	int err;

	if (fd < 0)
		return fail_errno(-errno, "monitor: cannot make a buffer of %u bytes", bytes);
	monitor->ring = ring_buffer__new(fd, on_event, monitor, NULL);
	if (!monitor->ring)
		return fail_errno(-errno, "monitor: cannot map its buffer");
	err = host_set_inner(monitor->host, HOST_MAP_monitor_ring, monitor->place, fd);
	return err;
}

int monitor_open(struct host *host, const struct monitor_want *want, struct monitor **ret_monitor)
{
	struct roam_monitor conf = { .wants = want->events, .vm = want->vm };
	_cleanup_monitor_ struct monitor *monitor = calloc(1, sizeof(*monitor));
	uint64_t none = 0;
	int err;

	if (!monitor)
		return fail(-ENOMEM, "monitor: out of memory");
	monitor->host = host;
	monitor->folder = -1;
	err = take_place(monitor);
	if (!err)
		err = host_put(host, HOST_MAP_monitor_lost, &monitor->place, &none);
	if (!err)
		err = open_ring(monitor, want->buffer);
	if (!err)
		err = set_place(host, monitor->place, &conf);
	if (err)
		return err;
	*ret_monitor = TAKE_PTR(monitor);
	return 0;
}

int monitor_poll(struct monitor *monitor, int timeout_ms,
		 int (*fn)(const struct roam_event *event, void *arg), void *arg)
{
	int err;

	monitor->fn = fn;
	monitor->arg = arg;
	err = ring_buffer__poll(monitor->ring, timeout_ms);
	return err < 0 && err != -EINTR ? fail_errno(err, "monitor: cannot read events")
					: (err < 0 ? err : 0);
}

uint64_t monitor_lost(const struct monitor *monitor)
{
	uint64_t lost = 0;

	host_get(monitor->host, HOST_MAP_monitor_lost, &monitor->place, &lost);
	return lost;
}

void monitor_close(struct monitor *monitor)
{
	if (!monitor)
		return;
	if (monitor->folder >= 0)
		clear_place(monitor->host, monitor->place);
	ring_buffer__free(monitor->ring);
	cleanup_close(&monitor->folder);
	free(monitor);
}

void monitor_say(struct host *host, enum roam_event_type type, uint32_t slot)
{
	struct roam_event event = { .time_ns = now_ns(), .vm = slot, .type = type };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &event, .ctx_size_in = sizeof(event));

	bpf_prog_test_run_opts(host_prog(host, HOST_PROG_monitor_say), &opts);
}

void monitor_follow(struct host *host, const char *name, uint32_t slot)
{
	for (uint32_t place = 0; place < ROAM_MONITORS; place++) {
		struct roam_monitor conf;
		struct roam_vm vm;

		if (host_get(host, HOST_MAP_monitor_conf, &place, &conf) ||
		    conf.vm == ROAM_VM_NONE || conf.vm == slot || vm_get(host, conf.vm, &vm) ||
		    strncmp(vm.name, name, ROAM_NAME_LEN) != 0)
			continue;
		conf.vm = slot;
		set_place(host, place, &conf);
	}
}

void monitor_recover(struct host *host)
{
	for (uint32_t place = 0; place < ROAM_MONITORS; place++) {
		struct roam_monitor conf;
		_cleanup_close_ int fd = -1;

		if (!host_get(host, HOST_MAP_monitor_conf, &place, &conf) && conf.wants &&
		    !lock_place(host, place, &fd))
			clear_place(host, place);
	}
}
