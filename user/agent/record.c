// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The journal of handovers: STATE/ID.json, one file each, written beside its place and renamed. It
 * outlives roamd, not the host's power: what it is about, the tables and gates, does not either,
 * and a disk that is waited for would be waited for by a VM that stands still. A handover that is
 * over keeps its file for a while, for the peer that asks.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <jansson.h>
#include "agent.h"
#include "say.h"

#define RECORD_PATH_LEN (CONFIG_PATH_LEN + 80)
#define RECORD_NEW      ".new" /* what is being written */
#define RECORD_TRY      ".try"

static void path_of(const struct entry *entry, char *buf, size_t size)
{
	char id[HANDOVER_ID_TEXT];

	(void)snprintf(buf, size, "%s/%s.json", entry->agent->config.state,
		       handover_id_text(entry->h.id, id));
}

json_t *record_devs_out(const struct state_dev *devs, uint32_t count)
{
	json_t *rows = json_array();
	char mac[TEXT_MAC_LEN];

	for (uint32_t i = 0; i < count; i++)
		json_array_append_new(rows,
				      json_pack("{s:s, s:s}", "mac", text_mac(devs[i].mac, mac),
						"dev", devs[i].dev));
	return rows;
}

static json_t *options_out(const struct handover_options *options)
{
	return json_pack("{s:i, s:i, s:I, s:I, s:I, s:I, s:I}", "converge", options->converge,
			 "mtu", options->mtu, "timeout_s", (json_int_t)options->timeout_s,
			 "watchdog_ms", (json_int_t)options->watchdog_ms, "late_s",
			 (json_int_t)options->late_s, "rate_mbps", (json_int_t)options->rate_mbps,
			 "freeze_us", (json_int_t)options->freeze_us);
}

/* The VM is written as the OFFER that tells of it. */
static json_t *vm_out(const struct handover *h)
{
	struct message offer = { .type = MESSAGE_OFFER, .vm = h->vm, .check = h->check };
	char *text;
	json_t *vm;

	memcpy(offer.id, h->id, sizeof(offer.id));
	text = message_write(&offer);
	vm = text ? json_loads(text, 0, NULL) : NULL;
	free(text);
	return vm;
}

static char *entry_out(const struct entry *entry)
{
	const struct handover *h = &entry->h;
	json_t *all = json_pack(
		"{s:o, s:s, s:s, s:s, s:s, s:s, s:I, s:b, s:b, s:o, s:o, s:I}", "offer", vm_out(h),
		"role", text_enum_name(&text_handover_role, h->role), "peer", h->peer, "state",
		text_enum_name(&text_handover_state, h->state), "reason",
		text_enum_name(&text_handover_reason, h->reason), "text", h->text, "sequence",
		(json_int_t)h->sequence, "held", h->held, "offered", h->offered, "options",
		options_out(&h->options), "devs", record_devs_out(entry->devs, entry->dev_count),
		"ended", (json_int_t)entry->ended);
	char *text = all ? json_dumps(all, JSON_INDENT(1)) : NULL;

	json_decref(all);
	return text;
}

/* The peer is told the line as well: it says whose journal it is. */
static int write_file(const struct agent *agent, const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	const size_t size = strlen(text);
	ssize_t written = fd < 0 ? -1 : write(fd, text, size);

	if (written == (ssize_t)size)
		return 0;
	return fail_errno(written < 0 ? -errno : -ENOSPC, "journal of %s: %s", agent->config.name,
			  path);
}

int record_write(const struct agent *agent, const char *path, const char *text)
{
	char temp[RECORD_PATH_LEN];
	int err;

	(void)snprintf(temp, sizeof(temp), "%s" RECORD_NEW, path);
	err = write_file(agent, temp, text);
	if (!err && rename(temp, path))
		err = fail_errno(-errno, "journal of %s: %s", agent->config.name, path);
	if (err)
		(void)unlink(temp);
	return err;
}

/* Whether the next one finds room beside what there is; or, with nothing there, two of them. */
static int try_room(const struct agent *agent, const char *path, const char *text, bool two)
{
	char first[RECORD_PATH_LEN], second[RECORD_PATH_LEN];
	int err;

	(void)snprintf(first, sizeof(first), "%s" RECORD_NEW, path);
	(void)snprintf(second, sizeof(second), "%s" RECORD_TRY, path);
	err = write_file(agent, first, text);
	if (!err && two)
		err = write_file(agent, second, text);
	(void)unlink(first);
	(void)unlink(second);
	return err;
}

/* One that begins is refused now, rather than when all of the VM has been copied. */
int record_save(struct entry *entry)
{
	const struct handover *h = &entry->h;
	const bool begins = h->state == HANDOVER_OFFERED || h->state == HANDOVER_PREPARED;
	char path[CONFIG_PATH_LEN + 64];
	_cleanup_free_ char *text = entry_out(entry);
	int err;

	if (!text)
		return fail(-ENOMEM, "journal: out of memory");
	path_of(entry, path, sizeof(path));
	if (h->check)
		return begins ? try_room(entry->agent, path, text, true) : 0;
	err = record_write(entry->agent, path, text);
	return err || !begins ? err : try_room(entry->agent, path, text, false);
}

void record_remove(struct entry *entry)
{
	char path[CONFIG_PATH_LEN + 64];

	path_of(entry, path, sizeof(path));
	(void)unlink(path);
}

static bool ends_in(const char *text, const char *end)
{
	const size_t size = strlen(text), end_size = strlen(end);

	return size > end_size && !strcmp(text + size - end_size, end);
}

void record_tidy(const struct agent *agent, const char *file)
{
	char path[CONFIG_PATH_LEN + 300];

	if (!ends_in(file, RECORD_NEW) && !ends_in(file, RECORD_TRY))
		return;
	(void)snprintf(path, sizeof(path), "%s/%s", agent->config.state, file);
	(void)unlink(path);
}

/* ---- reading ---- */

static int enum_in(const json_t *all, const char *name, const struct text_enum *table, uint8_t *ret)
{
	const char *text = json_string_value(json_object_get(all, name));

	return text ? text_enum_parse(table, text, ret) : -EINVAL;
}

int record_devs_in(const json_t *rows, struct state_dev *devs, char (*names)[16],
		   uint32_t *ret_count)
{
	json_t *row;
	size_t i;

	*ret_count = 0;
	json_array_foreach(rows, i, row)
	{
		const char *mac = json_string_value(json_object_get(row, "mac"));
		const char *dev = json_string_value(json_object_get(row, "dev"));

		if (i == ROAM_VM_PORTS || !mac || !dev || strlen(dev) >= sizeof(names[0]) ||
		    text_mac_parse(mac, devs[i].mac))
			return -EINVAL;
		memcpy(names[i], dev, strlen(dev) + 1);
		devs[i].dev = names[i];
		*ret_count = i + 1;
	}
	return 0;
}

static void options_in(const json_t *all, struct handover_options *options)
{
	*options = handover_defaults;
	options->converge = json_integer_value(json_object_get(all, "converge")) & 1;
	options->mtu = json_integer_value(json_object_get(all, "mtu")) & 1;
	options->timeout_s = json_integer_value(json_object_get(all, "timeout_s"));
	options->watchdog_ms = json_integer_value(json_object_get(all, "watchdog_ms"));
	options->late_s = json_integer_value(json_object_get(all, "late_s"));
	options->rate_mbps = json_integer_value(json_object_get(all, "rate_mbps"));
	options->freeze_us = json_integer_value(json_object_get(all, "freeze_us"));
}

static int vm_in(const json_t *all, struct handover *h)
{
	char *text = json_dumps(json_object_get(all, "offer"), JSON_COMPACT);
	struct message offer;
	int err = text ? message_read(MESSAGE_OFFER, text, strlen(text), &offer) : -EINVAL;

	free(text);
	if (err)
		return err;
	memcpy(h->id, offer.id, sizeof(h->id));
	h->vm = offer.vm;
	return 0;
}

static int entry_in(const json_t *all, struct entry *entry)
{
	const char *peer = json_string_value(json_object_get(all, "peer"));
	const char *text = json_string_value(json_object_get(all, "text"));
	struct handover *h = &entry->h;
	uint8_t role = 0, state = 0, reason = 0;
	int err = vm_in(all, h);

	if (!err)
		err = enum_in(all, "role", &text_handover_role, &role);
	if (!err)
		err = enum_in(all, "state", &text_handover_state, &state);
	/* One that a newer roamd has written is none to forget a VM for. */
	if (!err && enum_in(all, "reason", &text_handover_reason, &reason))
		reason = HANDOVER_REASON_INTERNAL;
	if (!err)
		err = peer ? text_name_parse("peer", peer, h->peer) : -EINVAL;
	if (!err)
		err = record_devs_in(json_object_get(all, "devs"), entry->devs, entry->dev_names,
				     &entry->dev_count);
	if (err)
		return err;
	h->role = role;
	h->state = state;
	h->reason = reason;
	handover_text_set(h->text, text ? text : "");
	h->sequence = json_integer_value(json_object_get(all, "sequence"));
	h->held = json_is_true(json_object_get(all, "held"));
	h->offered = json_is_true(json_object_get(all, "offered"));
	options_in(json_object_get(all, "options"), &h->options);
	entry->ended = json_integer_value(json_object_get(all, "ended"));
	return 0;
}

int record_load(struct agent *agent, const char *file, struct entry **ret_entry)
{
	char path[CONFIG_PATH_LEN + 300];
	struct entry *entry;
	json_error_t error;
	json_t *all;
	int err;

	(void)snprintf(path, sizeof(path), "%s/%s", agent->config.state, file);
	all = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	entry = calloc(1, sizeof(*entry));
	if (!all || !entry) {
		json_decref(all);
		free(entry);
		return fail(-EINVAL, "journal: %s: %s", path, error.text);
	}
	entry->agent = agent;
	err = entry_in(all, entry);
	json_decref(all);
	if (err) {
		free(entry);
		return fail(-EINVAL, "journal: %s: is not one of roamd's", path);
	}
	*ret_entry = entry;
	return 0;
}
