// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Commands from a file, one a line; words are separated by blanks, '#' begins a comment.
 * Neighbouring `acl add` lines for the same VM are one change, so that a thousand rules are
 * compiled once.
 */
#include <stdio.h>
#include <string.h>
#include "acl.h"
#include "acl_words.h"
#include "batch.h"

#define WORDS_MAX 64

/* Rules that are still to be added. */
struct pending {
	uint32_t slot;
	uint32_t count;
	uint32_t room;
	struct roam_acl_rule *rules;
};

static int split(char *line, char *word[WORDS_MAX])
{
	int count = 0;
	char *rest;

	line[strcspn(line, "#\n")] = '\0';
	for (char *at = strtok_r(line, " \t", &rest); at; at = strtok_r(NULL, " \t", &rest)) {
		if (count == WORDS_MAX)
			return usage("more than %d words", WORDS_MAX);
		word[count++] = at;
	}
	return count;
}

static int flush(struct cmd *cmd, struct pending *pending)
{
	int err = 0;

	if (pending->count)
		err = acl_add_many(cmd->host, pending->slot, pending->rules, pending->count);
	pending->count = 0;
	return err;
}

static int append(struct pending *pending, const struct roam_acl_rule *rule)
{
	if (pending->count == pending->room) {
		uint32_t room = pending->room ? pending->room * 2 : 64;
		void *rules = reallocarray(pending->rules, room, sizeof(*rule));

		if (!rules)
			return fail(-ENOMEM, "out of memory");
		pending->rules = rules;
		pending->room = room;
	}
	pending->rules[pending->count++] = *rule;
	return 0;
}

static int run_acl_add(struct cmd *cmd, struct pending *pending)
{
	struct roam_acl_rule rule;
	uint32_t slot;
	int err = acl_words_add(cmd, &slot, &rule);

	if (!err && slot != pending->slot)
		err = flush(cmd, pending);
	if (err)
		return err;
	pending->slot = slot;
	return append(pending, &rule);
}

static int run_line(struct cmd *cmd, struct pending *pending, char *line)
{
	char *word[WORDS_MAX];
	int count = split(line, word), err;

	if (count <= 0)
		return count == 0 ? 0 : count;
	if (count > 2 && !strcmp(word[0], "acl") && !strcmp(word[1], "add")) {
		cmd->words = (struct words){ .word = word, .count = count, .at = 2 };
		return run_acl_add(cmd, pending);
	}
	err = flush(cmd, pending);
	return err ? err : cmd_run(cmd, word, count);
}

static int run_file(struct cmd *cmd, FILE *file)
{
	struct pending pending = {};
	_cleanup_free_ char *line = NULL;
	unsigned int number = 0;
	size_t size = 0;
	int err = 0;

	while (!err && getline(&line, &size, file) >= 0) {
		number++;
		err = run_line(cmd, &pending, line);
	}
	if (!err)
		err = flush(cmd, &pending);
	free(pending.rules);
	if (err) {
		_cleanup_free_ char *why = strdup(fail_line());

		fail(-EINVAL, "batch: line %u: %s", number, why ? why : "out of memory");
	}
	return err;
}

int batch_run(struct cmd *cmd, char *const *word, int count)
{
	FILE *file;
	int err;

	if (count != 1)
		return usage("usage: roam batch FILE|-");
	if (!strcmp(word[0], "-"))
		return run_file(cmd, stdin);
	file = fopen(word[0], "re");
	if (!file)
		return fail_errno(-errno, "batch %s", word[0]);
	err = run_file(cmd, file);
	fclose(file);
	return err;
}
