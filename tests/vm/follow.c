// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * A QEMU's migration between two hosts of this machine, each a network namespace and a bpffs
 * folder, with the VM's state saved and loaded at the fence: user/lib/follow.c with the plainest
 * hooks that carry everything. For tests/vm/migrate.py and others that migrate real VMs.
 *
 *   follow QMP VM [migrate URI] [fence MS] [progress MS] [from BPFFS to NETNS BPFFS]
 *
 * Without `from`, nothing is carried: the migration alone, as it is held and let go. Prints a line
 * a step: NS (CLOCK_MONOTONIC) and the step's name; "NS progress TRANSFERRED REMAINING" in bytes;
 * at the end "end NAME total MS downtime MS fence US".
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include "follow.h"
#include "state.h"
#include "vm.h"

struct carrier {
	const char *vm;
	const char *from;  /* folder of the source's pins; NULL: nothing is carried */
	const char *netns; /* the destination's: devices are named there */
	const char *to;
	char *image;
	size_t len;
	size_t size;
	size_t read;
	uint64_t fence_ns;
	struct host *source; /* open before the VM stands still */
	struct host *dest;
};

static int write_image(const void *bytes, size_t size, void *arg)
{
	struct carrier *carrier = arg;

	if (carrier->size - carrier->len < size) {
		size_t wanted = 2 * (carrier->size + size);
		char *image = realloc(carrier->image, wanted);

		if (!image)
			return fail(-ENOMEM, "follow: out of memory");
		carrier->image = image;
		carrier->size = wanted;
	}
	memcpy(carrier->image + carrier->len, bytes, size);
	carrier->len += size;
	return 0;
}

static int read_image(void *bytes, size_t size, void *arg)
{
	struct carrier *carrier = arg;

	if (carrier->len - carrier->read < size)
		return -ENODATA;
	memcpy(bytes, carrier->image + carrier->read, size);
	carrier->read += size;
	return 0;
}

static int enter(const char *netns)
{
	_cleanup_close_ int fd = open(netns, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		return fail_errno(-errno, "follow: %s", netns);
	return 0;
}

static int save(struct carrier *carrier)
{
	struct state_save save = { .vm = carrier->vm, .write = write_image, .arg = carrier };

	return state_save(carrier->source, &save);
}

static int load(struct carrier *carrier)
{
	struct state_load load = { .vm = carrier->vm, .read = read_image, .arg = carrier };
	struct state_loaded loaded;

	return state_load(carrier->dest, &load, &loaded);
}

/* ---- hooks ---- */

/* Whoever calls this program has made the VM at the destination, shut. */
static int prepare(void *arg)
{
	struct carrier *carrier = arg;
	int err = 0;

	if (carrier->from)
		err = host_open(carrier->from, &carrier->source);
	if (carrier->from && !err)
		err = host_open(carrier->to, &carrier->dest);
	return err;
}

static int fence(void *arg, int *ret_fd)
{
	struct carrier *carrier = arg;
	uint64_t from = now_ns();
	int err = 0;

	*ret_fd = -1;
	if (carrier->from) {
		err = save(carrier);
		if (!err)
			err = load(carrier);
	}
	carrier->fence_ns = now_ns() - from;
	return err;
}

static int fenced(void *arg)
{
	(void)arg;
	return 0;
}

static void end(void *arg, enum follow_end how)
{
	struct carrier *carrier = arg;

	(void)how;
	host_close(carrier->source);
	host_close(carrier->dest);
}

static void step(void *arg, enum follow_step step)
{
	(void)arg;
	printf("%" PRIu64 " %s\n", now_ns(), follow_step_name(step));
	fflush(stdout);
}

static void progress(void *arg, const struct follow_progress *progress)
{
	(void)arg;
	printf("%" PRIu64 " progress %" PRIu64 " %" PRIu64 "\n", now_ns(), progress->transferred,
	       progress->remaining);
	fflush(stdout);
}

static const struct follow_hooks hooks = { .prepare = prepare,
					   .fence = fence,
					   .fenced = fenced,
					   .end = end,
					   .step = step,
					   .progress = progress };

/* ---- words ---- */

static const char *word(char ***argv)
{
	if (!**argv) {
		fprintf(stderr, "follow: a word is missing\n");
		exit(2);
	}
	return *(*argv)++;
}

static void understand(char **argv, struct follow *follow, struct carrier *carrier)
{
	follow->socket = word(&argv);
	carrier->vm = word(&argv);
	while (*argv) {
		const char *keyword = word(&argv);

		if (!strcmp(keyword, "migrate")) {
			follow->migrate = word(&argv);
		} else if (!strcmp(keyword, "fence")) {
			follow->fence_ms = atoi(word(&argv));
		} else if (!strcmp(keyword, "progress")) {
			follow->progress_ms = atoi(word(&argv));
		} else if (!strcmp(keyword, "from")) {
			carrier->from = word(&argv);
		} else if (!strcmp(keyword, "to")) {
			carrier->netns = word(&argv);
			carrier->to = word(&argv);
		} else {
			fprintf(stderr, "follow: what is '%s'?\n", keyword);
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	struct carrier carrier = {};
	struct follow follow_it = { .answer_ms = 3000,
				    .fence_ms = 2000,
				    .switch_ms = 5000,
				    .hooks = &hooks,
				    .arg = &carrier };
	struct follow_result result;
	int err = 0;

	(void)argc;
	understand(argv + 1, &follow_it, &carrier);
	if (carrier.netns)
		err = enter(carrier.netns);
	if (!err)
		err = follow(&follow_it, &result);
	if (err)
		fprintf(stderr, "%s\n", fail_line());
	printf("end %s total %" PRIu64 " downtime %" PRIu64 " fence %" PRIu64 "\n",
	       follow_end_name(result.end), result.total_ms, result.downtime_ms,
	       carrier.fence_ns / 1000);
	free(carrier.image);
	return err ? 1 : 0;
}
