/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A QEMU that is none: serves one QMP client from a script, in a thread. What it says is what QEMU
 * 7.2 said when it did the same, byte by byte; only the id of an answer is that of the command.
 */
#ifndef ROAM_TESTS_FAKE_QEMU_H
#define ROAM_TESTS_FAKE_QEMU_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct fake_step {
	const char *command; /* waits for this command first; NULL: just says it */
	const char *say;     /* `"id": 7` becomes the command's; NULL: nothing */
	const char *has;     /* what the command must contain */
	int pause_ms;        /* before it is said */
	bool close;          /* hangs up behind it */
};

struct fake_qemu {
	char dir[64];
	char socket[96];
	const struct fake_step *steps;
	size_t count;
	int listener;
	pthread_t thread;
	char problem[256]; /* what the client did otherwise than the script has it; empty: nothing
			    */
	size_t done;       /* steps */
};

void fake_qemu_start(struct fake_qemu *fake, const struct fake_step *steps, size_t count);
/* Waits until its client has gone. */
void fake_qemu_end(struct fake_qemu *fake);

#define FAKE_GREETING                                                                              \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, "         \
	"\"package\": \"Debian 1:7.2+dfsg-7+deb12u18+b3\"}, \"capabilities\": [\"oob\"]}}\r\n"
#define FAKE_DONE "{\"return\": {}, \"id\": 7}\r\n"
#define FAKE_AT   "{\"timestamp\": {\"seconds\": 1795868313, \"microseconds\": 827084}, "
#define FAKE_MIGRATION(status)                                                                     \
	FAKE_AT "\"event\": \"MIGRATION\", \"data\": {\"status\": \"" status "\"}}\r\n"
#define FAKE_STOP   FAKE_AT "\"event\": \"STOP\"}\r\n"
#define FAKE_RESUME FAKE_AT "\"event\": \"RESUME\"}\r\n"
#define FAKE_PASS   FAKE_AT "\"event\": \"MIGRATION_PASS\", \"data\": {\"pass\": 1}}\r\n"
#define FAKE_STATUS(status, running)                                                               \
	"{\"return\": {\"status\": \"" status "\", \"singlestep\": false, \"running\": " running   \
	"}, \"id\": 7}\r\n"
#define FAKE_CAPABILITIES(return_path, postcopy)                                                   \
	"{\"return\": [{\"state\": false, \"capability\": \"xbzrle\"}, {\"state\": true, "         \
	"\"capability\": \"events\"}, {\"state\": " postcopy ", \"capability\": "                  \
	"\"postcopy-ram\"}, {\"state\": " return_path ", \"capability\": \"return-path\"}, "       \
	"{\"state\": true, \"capability\": \"pause-before-switchover\"}], \"id\": 7}\r\n"
#define FAKE_ERROR(text)                                                                           \
	"{\"id\": 7, \"error\": {\"class\": \"GenericError\", \"desc\": \"" text "\"}}\r\n"

#endif
