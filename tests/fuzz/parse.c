// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Lines of words through the real table of commands, on a host and a roamd that do not exist:
 * everything up to opening them is parsing. What is understood as a rule must be valid, too, or be
 * refused; what is understood as a packet must fit into a frame.
 */
#include <stdio.h>
#include <string.h>
#include "acl.h"
#include "acl_words.h"
#include "cmd.h"
#include "explain_words.h"

#define WORDS_MAX 64
#define LINE_LEN  4096

/* `state` reads and writes files, and has a fuzzer of its own. */
static bool is_state(const char *word)
{
	return !strncmp(word, "state", strlen(word));
}

static void run_rule(char *const *word, int count)
{
	struct roam_acl_rule rule;

	if (!acl_words_rule(&(struct words){ .word = word, .count = count }, &rule))
		acl_validate(&rule);
}

static void run_packet(char *const *word, int count)
{
	struct explain_ask ask;
	struct packet packet;

	if (!explain_words_packet(&(struct words){ .word = word, .count = count }, &ask))
		packet_build(&ask.spec, &packet);
}

static void run_line(char *line)
{
	struct cmd cmd = {
		.bpffs = "/nonexistent/roam",
		.control = "/nonexistent/control",
		.out = out_open(OUT_JSON),
	};
	char *word[WORDS_MAX], *rest;
	int count = 0;

	for (char *at = strtok_r(line, " \t", &rest); at && count < WORDS_MAX;
	     at = strtok_r(NULL, " \t", &rest))
		word[count++] = at;
	if (count && !is_state(word[0])) {
		cmd_run(&cmd, word, count);
		run_rule(word, count);
		run_packet(word, count);
	}
	host_close(cmd.host);
	out_close(cmd.out);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	/* Help and empty lists go nowhere; libFuzzer itself writes to stderr. */
	return freopen("/dev/null", "w", stdout) ? 0 : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char line[LINE_LEN];

	if (size >= sizeof(line))
		return -1;
	memcpy(line, data, size);
	line[size] = '\0';
	run_line(line);
	return 0;
}
