// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* QMP from a script: see fake_qemu.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "fake_qemu.h"
#include "harness.h"

#define COMMAND_MAX 4096

/* One command: an object, which ends with its last brace. None of ours has a brace in a text. */
static bool read_command(int fd, char *command)
{
	int depth = 0;
	size_t len = 0;

	do {
		if (len == COMMAND_MAX - 1 || read(fd, command + len, 1) != 1)
			return false;
		depth += command[len] == '{';
		depth -= command[len] == '}';
		len++;
	} while (depth);
	command[len] = '\0';
	return true;
}

static bool put(int fd, const char *bytes, size_t len)
{
	return send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* With the command's id. */
static bool say(int fd, const char *text, const char *command)
{
	static const char id[] = "\"id\": 7";
	const char *at = strstr(text, id), *own = strstr(command, "\"id\":");

	if (!at || !own)
		return put(fd, text, strlen(text));
	return put(fd, text, at - text) && put(fd, own, strcspn(own, ",}")) &&
	       put(fd, at + sizeof(id) - 1, strlen(at + sizeof(id) - 1));
}

static bool is_as_expected(struct fake_qemu *fake, const struct fake_step *step,
			   const char *command)
{
	char start[128];

	snprintf(start, sizeof(start), "{\"execute\":\"%s\"", step->command);
	if (!strncmp(command, start, strlen(start)) &&
	    (!step->has || strstr(command, step->has) != NULL))
		return true;
	snprintf(fake->problem, sizeof(fake->problem), "step %zu: expected %s %s, got %.120s",
		 fake->done, step->command, step->has ? step->has : "", command);
	return false;
}

static void *play(void *arg)
{
	struct fake_qemu *fake = arg;
	char command[COMMAND_MAX] = "";
	int fd = accept(fake->listener, NULL, NULL);

	if (fd < 0) {
		snprintf(fake->problem, sizeof(fake->problem), "nobody connects");
		return NULL;
	}
	for (; fake->done < fake->count; fake->done++) {
		const struct fake_step *step = &fake->steps[fake->done];

		if (step->command && !read_command(fd, command)) {
			snprintf(fake->problem, sizeof(fake->problem),
				 "step %zu: the client has gone before %s", fake->done,
				 step->command);
			break;
		}
		if (step->command && !is_as_expected(fake, step, command))
			break;
		usleep(1000 * step->pause_ms);
		if ((step->say && !say(fd, step->say, command)) || step->close)
			break;
	}
	/* Whoever follows is not told that this is the end. */
	if (fake->done == fake->count && read_command(fd, command))
		snprintf(fake->problem, sizeof(fake->problem), "more than the script has: %.120s",
			 command);
	close(fd);
	return NULL;
}

void fake_qemu_start(struct fake_qemu *fake, const struct fake_step *steps, size_t count)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	*fake = (struct fake_qemu){ .dir = "/tmp/roam-qmp.XXXXXX", .steps = steps, .count = count };
	if (!CHECK(mkdtemp(fake->dir) != NULL))
		return;
	snprintf(fake->socket, sizeof(fake->socket), "%s/qmp", fake->dir);
	strcpy(addr.sun_path, fake->socket);
	fake->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fake->listener < 0) {
		CHECK(fake->listener >= 0);
		return;
	}
	CHECK(!bind(fake->listener, (struct sockaddr *)&addr, sizeof(addr)));
	CHECK(!listen(fake->listener, 1));
	CHECK(!pthread_create(&fake->thread, NULL, play, fake));
}

void fake_qemu_end(struct fake_qemu *fake)
{
	/* A client that never came does not come any more. */
	shutdown(fake->listener, SHUT_RD);
	pthread_join(fake->thread, NULL);
	close(fake->listener);
	unlink(fake->socket);
	rmdir(fake->dir);
}
