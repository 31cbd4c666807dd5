// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Migration as QMP has it: see follow_qemu.h. */
#include <string.h>
#include "follow_qemu.h"

#define NS_PER_MS 1000000ULL

static const char *const events[] = { "MIGRATION", "STOP", "RESUME", NULL };

/* `return-path`: without it a destination that refuses leaves the VM running nowhere. */
static const struct capability {
	const char *name;
	bool on;
} capabilities[] = {
	{ "events", true },
	{ "return-path", true },
	{ "pause-before-switchover", true },
	{ "postcopy-ram", false },
};

int follow_qemu_open(const char *socket, int answer_ms, struct qmp **ret_qmp)
{
	const struct qmp_open open = {
		.socket = socket,
		.events = events,
		.timeout_ms = answer_ms,
	};

	return qmp_open(&open, ret_qmp);
}

/* ---- before ---- */

static int set_capabilities(struct qmp *qmp)
{
	json_t *all = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(capabilities) && all; i++) {
		const struct capability *one = &capabilities[i];

		json_array_append_new(all, json_pack("{s:s, s:b}", "capability", one->name, "state",
						     (int)one->on));
	}
	if (!all)
		return fail(-ENOMEM, "follow: out of memory");
	return qmp_call(qmp, "migrate-set-capabilities", json_pack("{s:o}", "capabilities", all),
			NULL);
}

static bool is_as_wanted(const json_t *all, const struct capability *wanted)
{
	const json_t *one;
	size_t i;

	json_array_foreach(all, i, one)
	{
		const char *name = json_string_value(json_object_get(one, "capability"));

		if (name && !strcmp(name, wanted->name))
			return json_is_true(json_object_get(one, "state")) == wanted->on;
	}
	return !wanted->on;
}

static int check_capabilities(struct qmp *qmp)
{
	json_t *all;
	int err = qmp_call(qmp, "query-migrate-capabilities", NULL, &all);

	if (err)
		return err;
	for (size_t i = 0; i < ARRAY_SIZE(capabilities) && !err; i++) {
		if (!is_as_wanted(all, &capabilities[i]))
			err = fail(-ENOTSUP, "follow: QEMU's capability %s is not %s",
				   capabilities[i].name, capabilities[i].on ? "on" : "off");
	}
	json_decref(all);
	return err;
}

static int is_running(struct qmp *qmp, bool *ret_running)
{
	json_t *status;
	int err = qmp_call(qmp, "query-status", NULL, &status);

	if (err)
		return err;
	*ret_running = json_is_true(json_object_get(status, "running"));
	json_decref(status);
	return 0;
}

int follow_qemu_prepare(struct qmp *qmp, bool *ret_running)
{
	int err = set_capabilities(qmp);

	/* A refusal (a migration runs already) does not matter if somebody else has set them. */
	if (!err || err == -EREMOTEIO)
		err = check_capabilities(qmp);
	return err ? err : is_running(qmp, ret_running);
}

/* ---- what it is told ---- */

int follow_qemu_migrate(struct qmp *qmp, const char *uri)
{
	return qmp_call(qmp, "migrate", json_pack("{s:s}", "uri", uri), NULL);
}

int follow_qemu_continue(struct qmp *qmp)
{
	return qmp_call(qmp, "migrate-continue", json_pack("{s:s}", "state", "pre-switchover"),
			NULL);
}

int follow_qemu_cancel(struct qmp *qmp)
{
	return qmp_call(qmp, "migrate_cancel", NULL, NULL);
}

/* ---- what it says ---- */

static struct follow_said understand(const char *status)
{
	static const enum follow_step steps[] = {
		FOLLOW_SETUP,     FOLLOW_ACTIVE,     FOLLOW_HELD,      FOLLOW_DEVICE,
		FOLLOW_COMPLETED, FOLLOW_CANCELLING, FOLLOW_CANCELLED, FOLLOW_FAILED,
	};
	struct follow_said said = { .step = FOLLOW_STEP_COUNT };

	for (size_t i = 0; i < ARRAY_SIZE(steps) && status; i++) {
		if (!strcmp(status, follow_step_name(steps[i])))
			said.step = steps[i];
	}
	said.postcopy = status && !strncmp(status, "postcopy", strlen("postcopy"));
	return said;
}

int follow_qemu_said(struct qmp *qmp, struct follow_said *ret_said)
{
	struct follow_said said = {};
	struct qmp_message event;
	int err = qmp_event(qmp, 0, &event);

	if (err)
		return err;
	if (!strcmp(event.name, "STOP"))
		said.step = FOLLOW_STOP;
	else if (!strcmp(event.name, "RESUME"))
		said.step = FOLLOW_RESUME;
	else
		said = understand(json_string_value(json_object_get(event.value, "status")));
	qmp_message_free(&event);
	*ret_said = said;
	return 0;
}

/* What became of an earlier migration does not matter. */
int follow_qemu_status(struct qmp *qmp, struct follow_said *ret_said)
{
	json_t *info;
	int err = qmp_call(qmp, "query-migrate", NULL, &info);

	if (err)
		return err;
	*ret_said = understand(json_string_value(json_object_get(info, "status")));
	if (ret_said->step == FOLLOW_COMPLETED || ret_said->step == FOLLOW_FAILED ||
	    ret_said->step == FOLLOW_CANCELLED)
		ret_said->step = FOLLOW_STEP_COUNT;
	json_decref(info);
	return 0;
}

static uint64_t number(const json_t *object, const char *name)
{
	json_int_t value = json_integer_value(json_object_get(object, name));

	return value > 0 ? value : 0;
}

int follow_qemu_progress(struct qmp *qmp, struct follow_progress *ret_progress)
{
	const json_t *ram;
	json_t *info;
	int err = qmp_call(qmp, "query-migrate", NULL, &info);

	if (err)
		return err;
	ram = json_object_get(info, "ram");
	*ret_progress = (struct follow_progress){
		.transferred = number(ram, "transferred"),
		.remaining = number(ram, "remaining"),
		.dirty_rate = number(ram, "dirty-pages-rate"),
	};
	json_decref(info);
	return 0;
}

int follow_qemu_comes_back(struct qmp *qmp, bool wanted, int timeout_ms, bool *ret_running)
{
	uint64_t until = now_ns() + timeout_ms * NS_PER_MS;
	int err = is_running(qmp, ret_running);

	/* QEMU says RESUME when it does; any event is a reason to look again. */
	while (!err && *ret_running != wanted && now_ns() < until) {
		struct qmp_message event;

		err = qmp_event(qmp, (until - now_ns()) / NS_PER_MS + 1, &event);
		if (err == -EAGAIN)
			return 0;
		if (!err)
			qmp_message_free(&event);
		if (!err)
			err = is_running(qmp, ret_running);
	}
	return err;
}

void follow_qemu_times(struct qmp *qmp, struct follow_result *result)
{
	json_t *info;

	if (qmp_call(qmp, "query-migrate", NULL, &info))
		return;
	result->total_ms = number(info, "total-time");
	result->downtime_ms = number(info, "downtime");
	json_decref(info);
}

int follow_qemu_why(struct qmp *qmp)
{
	const char *why;
	json_t *info;
	int err = qmp_call(qmp, "query-migrate", NULL, &info);

	if (err)
		return err;
	why = json_string_value(json_object_get(info, "error-desc"));
	err = fail(-EREMOTEIO, "follow: the migration failed%s%s", why ? ": " : "", why ? why : "");
	json_decref(info);
	return err;
}
