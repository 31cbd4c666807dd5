// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Dispatch, help, and the words of a command: see cmd.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "cmd.h"
#include "vm.h"

static const struct object *const objects[] = {
	&object_host, &object_vm,    &object_port,  &object_acl,
	&object_ct,   &object_stats, &object_state,
};

/* An exact name, or the only one that begins so. */
static bool matches(const char *name, const char *word, bool *ret_exact)
{
	*ret_exact = !strcmp(name, word);
	return !strncmp(name, word, strlen(word));
}

static const struct object *find_object(const char *word)
{
	const struct object *found = NULL;
	int count = 0;
	bool exact;

	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		if (!matches(objects[i]->name, word, &exact))
			continue;
		if (exact)
			return objects[i];
		found = objects[i];
		count++;
	}
	return count == 1 ? found : NULL;
}

static const struct verb *find_verb(const struct object *object, const char *word)
{
	const struct verb *found = NULL;
	int count = 0;
	bool exact;

	for (size_t i = 0; i < object->count; i++) {
		if (!matches(object->verbs[i].name, word, &exact))
			continue;
		if (exact)
			return &object->verbs[i];
		found = &object->verbs[i];
		count++;
	}
	return count == 1 ? found : NULL;
}

static void print_verbs(const struct object *object)
{
	for (size_t i = 0; i < object->count; i++) {
		const struct verb *verb = &object->verbs[i];

		printf("  roam %s %s%s%s\n      %s\n", object->name, verb->name,
		       verb->usage[0] ? " " : "", verb->usage, verb->help);
	}
}

void cmd_help(const char *word)
{
	const struct object *object = word ? find_object(word) : NULL;

	if (object) {
		printf("roam %s: %s\n\n", object->name, object->help);
		print_verbs(object);
		return;
	}
	printf("usage: roam [-j] [-p] [--bpffs DIR] OBJECT VERB ...\n"
	       "       roam batch FILE|-\n"
	       "       roam help [OBJECT]\n\n"
	       "  -j  JSON on stdout    -p  pretty JSON    --bpffs DIR  the host's folder (%s)\n\n"
	       "objects:\n",
	       HOST_DIR_DEFAULT);
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
		printf("  %-8s%s\n", objects[i]->name, objects[i]->help);
}

int cmd_run(struct cmd *cmd, char *const *word, int count)
{
	const struct object *object;
	const struct verb *verb;

	if (!count)
		return usage("what to do is missing; see 'roam help'");
	if (!strcmp(word[0], "help")) {
		cmd_help(count > 1 ? word[1] : NULL);
		return 0;
	}
	object = find_object(word[0]);
	if (!object)
		return usage("'%s' is no object, or not the only one; see 'roam help'", word[0]);
	if (count > 1 && !strcmp(word[1], "help")) {
		cmd_help(object->name);
		return 0;
	}
	verb = count > 1 ? find_verb(object, word[1]) : &object->verbs[0];
	if (!verb)
		return usage("'%s' is no verb of %s, or not the only one; see 'roam %s help'",
			     word[1], object->name, object->name);
	cmd->words = (struct words){ .word = word, .count = count, .at = count > 1 ? 2 : 1 };
	return verb->run(cmd);
}

int cmd_host(struct cmd *cmd)
{
	return cmd->host ? 0 : host_open(cmd->bpffs, &cmd->host);
}

int usage(const char *format, ...)
{
	char line[400];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	fail(-EINVAL, "%s", line);
	return CMD_USAGE;
}

const char *words_peek(const struct words *words)
{
	return words->at < words->count ? words->word[words->at] : NULL;
}

const char *words_next(struct words *words)
{
	return words->at < words->count ? words->word[words->at++] : NULL;
}

bool words_take(struct words *words, const char *keyword)
{
	const char *word = words_peek(words);

	if (!word || strcmp(word, keyword) != 0)
		return false;
	words->at++;
	return true;
}

int words_value(struct words *words, const char *keyword, const char **ret_value)
{
	const char *word = words_next(words);

	if (!word)
		return usage("the word behind '%s' is missing", keyword);
	*ret_value = word;
	return 0;
}

int words_end(const struct words *words)
{
	const char *word = words_peek(words);

	return word ? usage("'%s' is not understood here", word) : 0;
}

int words_vm(struct cmd *cmd, uint32_t *ret_slot)
{
	const char *name = NULL;
	int err;

	if (!words_take(&cmd->words, "vm"))
		return usage("'vm NAME' is missing");
	err = words_value(&cmd->words, "vm", &name);
	if (!err)
		err = cmd_host(cmd);
	return err ? err : vm_find(cmd->host, name, ret_slot);
}

int words_vm_maybe(struct cmd *cmd, uint32_t *ret_slot)
{
	const char *word = words_peek(&cmd->words);

	if (word && !strcmp(word, "vm"))
		return words_vm(cmd, ret_slot);
	*ret_slot = ROAM_VM_NONE;
	return cmd_host(cmd);
}
