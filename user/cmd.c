// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Dispatch, help, and the words of a command: see cmd.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "cmd.h"
#include "handover_ask.h"
#include "text.h"
#include "vm.h"

static const struct object *const objects[] = {
	&object_host,  &object_vm,    &object_port,    &object_acl,     &object_set,
	&object_ct,    &object_ips,   &object_qos,     &object_lb,      &object_policy,
	&object_stats, &object_state, &object_monitor, &object_explain, &object_handover,
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

static void print_verb(const struct object *object, const struct verb *verb)
{
	printf("  roam %s %s%s%s\n      %s\n", object->name, verb->name, verb->usage[0] ? " " : "",
	       verb->usage, verb->help);
}

static void print_objects(void)
{
	printf("usage: roam [-j] [-p] [--bpffs DIR] [--control SOCKET] OBJECT VERB ...\n"
	       "       roam [-j] [-p] [--bpffs DIR] batch FILE|-\n"
	       "       roam help [OBJECT [VERB]]\n\n"
	       "  -j  JSON on stdout    -p  pretty JSON    --bpffs DIR  the host's folder (%s)\n"
	       "  --control SOCKET  roamd's (%s)\n\n"
	       "objects:\n",
	       HOST_DIR_DEFAULT, HANDOVER_CONTROL);
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
		printf("  %-9s%s\n", objects[i]->name, objects[i]->help);
}

static int no_object(const char *word)
{
	return usage("'%.80s' is no object, or not the only one; see 'roam help'", word);
}

static int no_verb(const struct object *object, const char *word)
{
	return usage("'%.80s' is no verb of %s, or not the only one; see 'roam %s help'", word,
		     object->name, object->name);
}

/* Help for all objects, for the one that is named, or for one verb of it. */
static int help(char *const *word, int count)
{
	const struct object *object = count ? find_object(word[0]) : NULL;
	const struct verb *verb = object && count > 1 ? find_verb(object, word[1]) : NULL;

	if (count && !object)
		return no_object(word[0]);
	if (count > 1 && !verb)
		return no_verb(object, word[1]);
	if (!object) {
		print_objects();
		return 0;
	}
	printf("roam %s: %s\n\n", object->name, object->help);
	for (size_t i = 0; i < object->count; i++) {
		if (!verb || verb == &object->verbs[i])
			print_verb(object, &object->verbs[i]);
	}
	return 0;
}

/* "vm" where the first verb's usage has "[vm NAME]" and nothing that must be: it may be left out.
 */
static bool begins_usage(const struct object *object, const char *word)
{
	const char *usage = object->verbs[0].usage;
	size_t len = strlen(word);

	if (usage[0] != '[')
		return false;
	while ((usage = strchr(usage, '['))) {
		usage++;
		if (!strncmp(usage, word, len) && usage[len] == ' ')
			return true;
	}
	return false;
}

int cmd_run(struct cmd *cmd, char *const *word, int count)
{
	const struct object *object;
	const struct verb *verb;
	int err;

	if (!count)
		return usage("what to do is missing; see 'roam help'");
	if (!strcmp(word[0], "help"))
		return help(word + 1, count - 1);
	if (count <= 3 && !strcmp(word[count - 1], "help"))
		return help(word, count - 1);
	object = find_object(word[0]);
	if (!object)
		return no_object(word[0]);
	cmd->words = (struct words){ .word = word, .count = count, .at = 2 };
	verb = count > 1 ? find_verb(object, word[1]) : NULL;
	if (count == 1 || (!verb && begins_usage(object, word[1]))) {
		verb = &object->verbs[0];
		cmd->words.at = 1;
	}
	if (!verb)
		return no_verb(object, word[1]);
	err = verb->run(cmd);
	cmd_unlock(cmd);
	return err;
}

int cmd_host(struct cmd *cmd)
{
	return cmd->host ? 0 : host_open(cmd->bpffs, &cmd->host);
}

int cmd_lock(struct cmd *cmd)
{
	int err = cmd_host(cmd);

	if (!err && !cmd->locked) {
		err = host_lock(cmd->host);
		cmd->locked = !err;
	}
	return err;
}

int cmd_lock_vm(struct cmd *cmd, const char *name, uint32_t *ret_slot)
{
	int err = cmd_lock(cmd);

	return err ? err : vm_find(cmd->host, name, ret_slot);
}

void cmd_unlock(struct cmd *cmd)
{
	if (cmd->locked)
		host_unlock(cmd->host);
	cmd->locked = false;
}

int cmd_each_vm(struct cmd *cmd, const char *name, int (*fn)(struct host *, uint32_t, void *),
		void *arg)
{
	uint32_t slot;
	int err = cmd_host(cmd);

	if (err)
		return err;
	if (!name)
		return vm_each(cmd->host, fn, arg);
	err = vm_find(cmd->host, name, &slot);
	return err ? err : fn(cmd->host, slot, arg);
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

void cmd_note(const char *format, ...)
{
	va_list args;

	fputs("roam: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
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

/* Where in `once` the keyword is, or has its place. */
static int once_place(const struct words *words, const char *keyword)
{
	int i = 0;

	while (i < WORDS_ONCE && words->once[i] && strcmp(words->once[i], keyword) != 0)
		i++;
	return i;
}

bool words_given(const struct words *words, const char *keyword)
{
	int i = once_place(words, keyword);

	return i < WORDS_ONCE && words->once[i];
}

bool words_once(struct words *words, const char *keyword)
{
	int i;

	if (!words_take(words, keyword))
		return false;
	i = once_place(words, keyword);
	words->is_twice = words_given(words, keyword);
	if (words->is_twice)
		words->at--;
	else if (i < WORDS_ONCE)
		words->once[i] = keyword;
	return !words->is_twice;
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

	if (!word)
		return 0;
	return words->is_twice ? usage("'%s' is given twice", word)
			       : usage("'%s' is not understood here", word);
}

int words_count(struct words *words, uint32_t *ret_count)
{
	const char *text = NULL;
	uint32_t count = 0;
	int err = words_value(words, "count", &text);

	if (!err)
		err = text_u32_parse("count", text, &count);
	if (err)
		return err;
	if (!count)
		return fail(-EINVAL, "count 0 is none");
	*ret_count = count;
	return 0;
}

int words_vm(struct words *words, const char **ret_name)
{
	if (!words_take(words, "vm"))
		return usage("'vm NAME' is missing");
	return words_value(words, "vm", ret_name);
}

int words_vm_maybe(struct words *words, const char **ret_name)
{
	*ret_name = NULL;
	return words_take(words, "vm") ? words_value(words, "vm", ret_name) : 0;
}
