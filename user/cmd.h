/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The command line: tables of objects and verbs, with the usage text beside the function, from
 * which both dispatch and help are made; and the words of one command.
 */
#ifndef ROAM_CMD_H
#define ROAM_CMD_H

#include "host.h"
#include "out.h"
#include "util.h"

/* What a handler returns besides 0 and -errno: the command was not understood. */
#define CMD_USAGE 2
/* What was to be compared differs: exit status 1, but nothing went wrong. */
#define CMD_DIFFERS 1

/* The words behind object and verb, taken one by one. */
/* Keywords of a command that may come once each, at most. */
#define WORDS_ONCE 16

struct words {
	char *const *word;
	int count;
	int at;
	const char *once[WORDS_ONCE]; /* keywords that words_once() has taken */
	bool is_twice;                /* the next is one of them */
};

struct cmd {
	const char *bpffs;
	const char *control; /* roamd's socket */
	struct out *out;
	struct host *host; /* open once cmd_host() has been called */
	bool locked;       /* until the command ends: see cmd_lock_vm() */
	struct words words;
};

struct verb {
	const char *name;
	const char *usage; /* the words behind the verb */
	const char *help;  /* one line */
	int (*run)(struct cmd *cmd);
};

struct object {
	const char *name;
	const char *help;
	const struct verb *verbs; /* the first one may be left out */
	size_t count;
};

extern const struct object object_host;
extern const struct object object_vm;
extern const struct object object_port;
extern const struct object object_acl;
extern const struct object object_set;
extern const struct object object_ct;
extern const struct object object_lb;
extern const struct object object_ips;
extern const struct object object_qos;
extern const struct object object_policy;
extern const struct object object_stats;
extern const struct object object_state;
extern const struct object object_monitor;
extern const struct object object_explain;
extern const struct object object_handover;

/* Runs one command (object, verb, words): 0, -errno with a line in fail_line(), or CMD_USAGE. */
int cmd_run(struct cmd *cmd, char *const *word, int count);

/* A line on stderr about something that did not fail. */
void cmd_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- the host: after all words have been understood ---- */

/* Opens the host at cmd->bpffs, once. */
int cmd_host(struct cmd *cmd);
/*
 * Opens the host, takes its lock and finds the VM: it stays the one that was named until the
 * command ends, or cmd_unlock().
 */
int cmd_lock_vm(struct cmd *cmd, const char *name, uint32_t *ret_slot);
/* The same without a VM. */
int cmd_lock(struct cmd *cmd);
void cmd_unlock(struct cmd *cmd);
/* Opens the host and calls fn for the VM of that name, or for all if it is NULL (vm_each()). */
int cmd_each_vm(struct cmd *cmd, const char *name, int (*fn)(struct host *, uint32_t, void *),
		void *arg);

/* ---- words ---- */

/* The next word, or NULL. */
const char *words_next(struct words *words);
const char *words_peek(const struct words *words);
/* Takes the next word if it is this keyword. */
bool words_take(struct words *words, const char *keyword);
/* The same, once: a second time it is left over for words_end(), which says so. */
bool words_once(struct words *words, const char *keyword);
/* Whether words_once() has taken it, for keywords that go without each other. */
bool words_given(const struct words *words, const char *keyword);
/* The word behind a keyword; `keyword` is for the error line. */
int words_value(struct words *words, const char *keyword, const char **ret_value);
/* What stands behind "count": 1 or more. */
int words_count(struct words *words, uint32_t *ret_count);
/* Refuses what is left over. */
int words_end(const struct words *words);
/* CMD_USAGE with a line. */
int usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "vm NAME" */
int words_vm(struct words *words, const char **ret_name);
/* The same where it may be left out: *ret_name is NULL then. */
int words_vm_maybe(struct words *words, const char **ret_name);

#endif
