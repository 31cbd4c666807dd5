// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Commands from a file, one a line; words are separated by blanks, '#' begins a comment. The first
 * line that fails ends it, and is named; what the lines before it did stays. Neighbouring `acl add`
 * lines for the same VM are one change, so that a thousand rules are compiled once.
 */
#include <stdio.h>
#include <string.h>
#include "acl.h"
#include "acl_words.h"
#include "batch.h"
#include "effect.h"

#define WORDS_MAX 64

struct batch {
	struct cmd *cmd;
	unsigned int line; /* the one that is being read, from 1 */

	/* Rules that are still to be added, all of one VM. */
	char vm[2 * ROAM_NAME_LEN];
	uint32_t count;
	uint32_t room;
	struct roam_acl_rule *rules;
	unsigned int *lines; /* where they come from */
};

/* Puts the line's number before what went wrong. */
static int say_where(int err, unsigned int line)
{
	_cleanup_free_ char *why = strdup(fail_line());

	return fail(err, "batch: line %u: %s", line, why ? why : "out of memory");
}

static int split(char *line, char *word[WORDS_MAX], int *ret_count)
{
	int count = 0;
	char *rest;

	line[strcspn(line, "#\n")] = '\0';
	for (char *at = strtok_r(line, " \t", &rest); at; at = strtok_r(NULL, " \t", &rest)) {
		if (count == WORDS_MAX)
			return usage("more than %d words", WORDS_MAX);
		word[count++] = at;
	}
	*ret_count = count;
	return 0;
}

/* All at once; if that is refused, one by one up to the line that is to blame. */
static int add_rules(struct batch *batch)
{
	struct host *host;
	uint32_t slot;
	int err = cmd_lock_vm(batch->cmd, batch->vm, &slot);

	if (err)
		return say_where(err, batch->lines[0]);
	host = batch->cmd->host;
	if (!acl_add_many(host, slot, batch->rules, batch->count)) {
		effect_show(batch->cmd, slot);
		return 0;
	}
	for (uint32_t i = 0; i < batch->count; i++) {
		err = acl_add(host, slot, &batch->rules[i]);
		if (err)
			return say_where(err, batch->lines[i]);
	}
	return 0;
}

/* Adds the rules that wait. */
static int flush(struct batch *batch)
{
	int err = batch->count ? add_rules(batch) : 0;

	cmd_unlock(batch->cmd);
	batch->count = 0;
	return err;
}

static int grow(struct batch *batch)
{
	uint32_t room = batch->room ? batch->room * 2 : 64;
	void *rules = reallocarray(batch->rules, room, sizeof(*batch->rules));
	void *lines = reallocarray(batch->lines, room, sizeof(*batch->lines));

	batch->rules = rules ? rules : batch->rules;
	batch->lines = lines ? lines : batch->lines;
	if (!rules || !lines)
		return fail(-ENOMEM, "out of memory");
	batch->room = room;
	return 0;
}

static int append(struct batch *batch, const char *vm, const struct roam_acl_rule *rule)
{
	int err = batch->count == batch->room ? grow(batch) : 0;

	if (err)
		return say_where(err, batch->line);
	snprintf(batch->vm, sizeof(batch->vm), "%s", vm);
	batch->lines[batch->count] = batch->line;
	batch->rules[batch->count++] = *rule;
	return 0;
}

static int queue_rule(struct batch *batch, struct words *words)
{
	struct roam_acl_rule rule;
	const char *vm;
	int err = acl_words_add(words, &vm, &rule);

	if (!err)
		err = acl_validate(&rule);
	if (err)
		return say_where(err, batch->line);
	if (strcmp(vm, batch->vm) != 0)
		err = flush(batch);
	return err ? err : append(batch, vm, &rule);
}

static int run_line(struct batch *batch, char *line)
{
	char *word[WORDS_MAX];
	int count = 0, err = split(line, word, &count);

	if (err)
		return say_where(err, batch->line);
	if (!count)
		return 0;
	if (count > 2 && !strcmp(word[0], "acl") && !strcmp(word[1], "add"))
		return queue_rule(batch, &(struct words){ .word = word, .count = count, .at = 2 });
	err = flush(batch);
	if (err)
		return err;
	err = cmd_run(batch->cmd, word, count);
	return err && err != CMD_DIFFERS ? say_where(err, batch->line) : 0;
}

/* After a line that failed, what the lines before it said is still done. */
static int finish(struct batch *batch, int err)
{
	_cleanup_free_ char *why = err ? strdup(fail_line()) : NULL;
	int late = flush(batch);

	free(batch->rules);
	free(batch->lines);
	if (late || !err)
		return late;
	return fail(err, "%s", why ? why : "batch: out of memory");
}

static int run_file(struct cmd *cmd, FILE *file)
{
	struct batch batch = { .cmd = cmd };
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	int err = 0;

	while (!err && getline(&line, &size, file) >= 0) {
		batch.line++;
		err = run_line(&batch, line);
	}
	if (!err && ferror(file))
		err = fail_errno(-errno, "batch: cannot read line %u", batch.line + 1);
	return finish(&batch, err);
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
