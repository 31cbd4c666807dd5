// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* What is told of a handover, on the control socket: roam-handover(8) has the fields. */
#include <jansson.h>
#include "agent.h"
#include "late.h"

static void set(json_t *all, const char *name, uint64_t value)
{
	json_object_set_new(all, name, json_integer((json_int_t)value));
}

static void set_text(json_t *all, const char *name, const char *value)
{
	json_object_set_new(all, name, json_string(value));
}

json_t *report_entry(const struct entry *entry)
{
	const struct handover *h = &entry->h;
	const struct handover_progress *progress = &h->progress;
	struct roam_late_count late = progress->late;
	char id[HANDOVER_ID_TEXT];
	json_t *all = json_object();

	if (h->role == HANDOVER_SOURCE)
		(void)late_sent(entry->agent->host, h->vm.name, h->id, &late);
	else
		(void)late_taken(entry->agent->host, h->id, &late);
	set_text(all, "vm", h->vm.name);
	set_text(all, h->role == HANDOVER_SOURCE ? "to" : "from", h->peer);
	set_text(all, "state", text_enum_name(&text_handover_state, h->state));
	set_text(all, "reason", text_enum_name(&text_handover_reason, h->reason));
	if (h->text[0])
		set_text(all, "why", h->text);
	set_text(all, "id", handover_id_text(h->id, id));
	set(all, "epoch", h->vm.epoch);
	set(all, "sequence", h->sequence);
	set_text(all, "fence", text_enum_name(&text_handover_fence, h->vm.fence));
	json_object_set_new(all, "connected", json_boolean(h->connected));
	json_object_set_new(all, "short", json_boolean(progress->converged));
	json_object_set_new(all, "waits_for_vm", json_boolean(h->held));
	set(all, "rounds", progress->rounds);
	set(all, "entries", progress->entries);
	set(all, "bytes", progress->bytes);
	set(all, "dirty_per_s", progress->dirty_per_s);
	set(all, "expected_freeze_us", progress->expected_freeze_us);
	set(all, "freeze_us", progress->freeze_us);
	set(all, "late_packets", late.packets);
	set(all, "late_bytes", late.bytes);
	set(all, "late_lacks", h->late_lacks);
	if (h->check)
		json_object_set_new(all, "check", json_true());
	return all;
}

json_t *report_expect(const struct expect *expect)
{
	const uint64_t now = now_ns();
	json_t *all = json_object();

	set_text(all, "vm", expect->vm);
	set_text(all, "from", expect->peer);
	set_text(all, "state", "expected");
	set(all, "for_s", expect->until_ns > now ? (expect->until_ns - now) / NS_PER_S : 0);
	return all;
}
