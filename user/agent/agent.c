// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The handovers of this host: see agent.h. Between the machines, their connections and the journal.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include "engine.h"
#include "events.h"
#include "late.h"
#include "link.h"
#include "say.h"

/* Handovers that are over are remembered: so many, and no longer than this. */
#define REMEMBERED   256
#define REMEMBERED_S (7 * 24 * 3600)

#define LATE_NS (NS_PER_S / 5)

/* ---- what a machine asks for ---- */

static void ops_send(struct handover *h, const struct message *message)
{
	struct entry *entry = h->owner;

	if (entry->link)
		link_send(entry->link, message);
}

static void ops_connect(struct handover *h)
{
	link_connect(h->owner);
}

static int ops_save(struct handover *h)
{
	struct entry *entry = h->owner;
	int err;

	entry->ended = handover_over(h) ? time(NULL) : 0;
	err = record_save(entry);
	if (err)
		say(SAY_WARNING, "%s", fail_line());
	return err;
}

static void ops_changed(struct handover *h)
{
	struct entry *entry = h->owner;
	const bool failed = h->state == HANDOVER_ABORTING || h->state == HANDOVER_ABORTED;
	char id[HANDOVER_ID_TEXT];

	if (h->role == HANDOVER_DEST && h->state == HANDOVER_OPEN)
		expect_drop(entry->agent, h->vm.name, 0);
	if (handover_over(h))
		entry->agent->ended[h->role][h->reason]++;
	say(failed ? SAY_WARNING : SAY_INFO, "vm %s %s %s id %s state %s%s%s%s%s", h->vm.name,
	    h->role == HANDOVER_SOURCE ? "to" : "from", h->peer, handover_id_text(h->id, id),
	    text_enum_name(&text_handover_state, h->state), failed ? " reason " : "",
	    failed ? text_enum_name(&text_handover_reason, h->reason) : "",
	    failed && h->text[0] ? ": " : "", failed ? h->text : "");
	if (h->role == HANDOVER_SOURCE && h->state == HANDOVER_BASE && h->late_lacks)
		say(SAY_WARNING,
		    "vm %s to %s: the way for late packets is %u bytes too small for its largest",
		    h->vm.name, h->peer, h->late_lacks);
	control_changed(entry);
}

const struct handover_peer agent_ops = {
	.send = ops_send,
	.connect = ops_connect,
	.save = ops_save,
	.changed = ops_changed,
};

/* ---- the list ---- */

struct entry *agent_find_id(struct agent *agent, const uint8_t id[HANDOVER_ID_LEN])
{
	for (struct entry *entry = agent->entries; entry; entry = entry->next) {
		if (!memcmp(entry->h.id, id, HANDOVER_ID_LEN))
			return entry;
	}
	return NULL;
}

struct entry *agent_find_vm(struct agent *agent, const char *vm)
{
	struct entry *over = NULL;

	for (struct entry *entry = agent->entries; entry; entry = entry->next) {
		if (strcmp(entry->h.vm.name, vm) != 0)
			continue;
		if (!handover_over(&entry->h))
			return entry;
		if (!over)
			over = entry; /* the list begins with the newest */
	}
	return over;
}

static void add(struct agent *agent, struct entry *entry)
{
	entry->agent = agent;
	entry->h.owner = entry;
	entry->h.engine = &engine_ops;
	entry->h.ops = &agent_ops;
	entry->next = agent->entries;
	agent->entries = entry;
}

static uint32_t count_busy(const struct agent *agent)
{
	uint32_t count = 0;

	for (const struct entry *entry = agent->entries; entry; entry = entry->next)
		count += !handover_over(&entry->h);
	return count;
}

/* Whatever else there is of the VM ends, or is waited for. */
static int make_way(struct agent *agent, const char *vm)
{
	int err = 0;

	for (struct entry *entry = agent->entries; entry; entry = entry->next) {
		if (entry->h.check || strcmp(entry->h.vm.name, vm) != 0)
			continue; /* what only asks has nothing that could be in the way */
		if (handover_give_way(&entry->h, now_ns()))
			err = -EBUSY;
	}
	return err;
}

/* ---- the source ---- */

int agent_start(struct agent *agent, const struct agent_start *start, struct entry **ret_entry)
{
	struct entry *entry;
	int err;

	if (!config_peer(&agent->config, start->peer))
		return fail(-ENOENT, "not_authorised: '%s' is not on the list of peers",
			    start->peer);
	if (!start->check && make_way(agent, start->vm))
		return fail(-EBUSY, "busy: a handover of vm '%s' is under way", start->vm);
	if (count_busy(agent) >= agent->config.handovers)
		return fail(-EBUSY, "busy: %u handovers are under way", agent->config.handovers);
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return fail(-ENOMEM, "no_memory: out of memory");
	err = engine_describe(agent, start->vm, &entry->h.vm);
	if (!err && getrandom(entry->h.id, sizeof(entry->h.id), 0) != sizeof(entry->h.id))
		err = fail(-EIO, "internal: no random numbers");
	if (err) {
		free(entry);
		return err;
	}
	(void)snprintf(entry->h.peer, sizeof(entry->h.peer), "%s", start->peer);
	entry->h.vm.fence = start->fence;
	entry->has_midstream = start->has_midstream;
	if (start->has_midstream)
		entry->h.vm.midstream = start->midstream;
	entry->h.anew = start->anew;
	entry->h.check = start->check;
	entry->h.options = start->options;
	if (!start->options.late_s)
		entry->h.vm.mtu = 0; /* nothing is carried */
	if (!entry->h.options.rate_mbps)
		entry->h.options.rate_mbps = agent->config.rate_mbps;
	add(agent, entry);
	source_start(&entry->h, now_ns());
	*ret_entry = entry;
	return 0;
}

/* ---- the destination ---- */

/* The VM has been here, or has gone from here, at that epoch or a later one. */
static bool is_stale(const struct agent *agent, const struct handover_vm *vm)
{
	for (const struct entry *entry = agent->entries; entry; entry = entry->next) {
		const struct handover *h = &entry->h;

		if (h->vm.incarnation == vm->incarnation && h->vm.epoch >= vm->epoch && !h->check &&
		    (h->state == HANDOVER_DONE || h->state == HANDOVER_OPEN ||
		     h->state == HANDOVER_MOVED))
			return true;
	}
	return false;
}

void agent_refuse(struct link *link, const struct message *offer, enum handover_reason reason,
		  const char *text)
{
	struct message refuse = { .type = MESSAGE_REFUSE, .reason = reason };

	memcpy(refuse.id, offer->id, sizeof(refuse.id));
	handover_text_set(refuse.text, text);
	say(SAY_WARNING, "vm %s from %s refused: %s: %s", offer->vm.name, link_peer(link),
	    text_enum_name(&text_handover_reason, reason), text);
	link_send(link, &refuse);
}

static void take_devs(struct entry *entry, const struct expect *expect)
{
	memcpy(entry->devs, expect->devs, sizeof(entry->devs));
	memcpy(entry->dev_names, expect->dev_names, sizeof(entry->dev_names));
	entry->dev_count = expect->dev_count;
	for (uint32_t i = 0; i < entry->dev_count; i++)
		entry->devs[i].dev = entry->dev_names[i];
}

int agent_offered(struct agent *agent, struct link *link, const struct message *offer)
{
	const struct expect *expect = expect_find(agent, link_peer(link), offer);
	struct entry *entry;

	if (!expect && !offer->check) {
		agent_refuse(link, offer, HANDOVER_REASON_NOT_EXPECTED, "nobody has announced it");
		return 0;
	}
	if (is_stale(agent, &offer->vm)) {
		agent_refuse(link, offer, HANDOVER_REASON_STALE_EPOCH, "the VM is newer here");
		return 0;
	}
	if (!offer->check && make_way(agent, offer->vm.name))
		return -EAGAIN;
	if (count_busy(agent) >= agent->config.handovers) {
		agent_refuse(link, offer, HANDOVER_REASON_BUSY, "too many handovers at once");
		return 0;
	}
	entry = calloc(1, sizeof(*entry));
	if (!entry) {
		agent_refuse(link, offer, HANDOVER_REASON_NO_MEMORY, "out of memory");
		return 0;
	}
	if (expect)
		take_devs(entry, expect);
	memcpy(entry->h.id, offer->id, sizeof(entry->h.id));
	memcpy(entry->h.peer, link_peer(link), sizeof(entry->h.peer));
	entry->h.vm = offer->vm;
	entry->h.check = offer->check;
	entry->h.options = handover_defaults;
	entry->h.role = HANDOVER_DEST;
	add(agent, entry);
	link_bind(link, entry);
	handover_connected(&entry->h, now_ns());
	dest_start(&entry->h, now_ns());
	return 0;
}

/* ---- from one roamd to the next ---- */

static int by_end(const void *a, const void *b)
{
	const struct entry *const *x = a, *const *y = b;

	return ((*x)->ended > (*y)->ended) - ((*x)->ended < (*y)->ended);
}

static bool too_old(const struct entry *entry)
{
	return handover_over(&entry->h) && entry->ended + REMEMBERED_S < time(NULL);
}

/* The oldest first, so that the list begins with the newest; those that are not over are newest. */
void agent_load(struct agent *agent)
{
	_cleanup_closedir_ DIR *dir = opendir(agent->config.state);
	struct entry *all[4 * REMEMBERED];
	size_t count = 0;
	struct dirent *file;

	expect_load(agent);
	while (dir && (file = readdir(dir)) && count < ARRAY_SIZE(all)) {
		const size_t len = strlen(file->d_name);

		record_tidy(agent, file->d_name);
		if (len != 2 * HANDOVER_ID_LEN + 5 || strcmp(file->d_name + len - 5, ".json") != 0)
			continue;
		if (record_load(agent, file->d_name, &all[count]))
			say(SAY_ERROR, "%s", fail_line());
		else
			count++;
	}
	qsort(all, count, sizeof(all[0]), by_end);
	for (size_t i = 0; i < count; i++) {
		if (handover_over(&all[i]->h))
			add(agent, all[i]);
	}
	for (size_t i = 0; i < count; i++) {
		if (handover_over(&all[i]->h))
			continue;
		add(agent, all[i]);
		say(SAY_INFO, "vm %s: goes on with its handover, %s", all[i]->h.vm.name,
		    text_enum_name(&text_handover_state, all[i]->h.state));
		handover_restart(&all[i]->h, now_ns());
	}
}

/* ---- time ---- */

static void free_entry(struct entry *entry)
{
	engine_end(entry);
	engine_free(entry);
	free(entry);
}

/* The same with the policy that the VM has now. */
static void begin_anew(struct entry *entry)
{
	const struct agent_start start = {
		.vm = entry->h.vm.name,
		.peer = entry->h.peer,
		.fence = entry->h.vm.fence,
		.has_midstream = entry->has_midstream,
		.midstream = entry->h.vm.midstream,
		.anew = entry->h.anew + 1,
		.options = entry->h.options,
	};
	struct entry *next;

	entry->h.anew = HANDOVER_ANEW_MOST; /* once */
	if (agent_start(entry->agent, &start, &next)) {
		say(SAY_WARNING, "vm %s: cannot begin anew: %s", entry->h.vm.name, fail_line());
		control_changed(entry);
		return;
	}
	control_move(entry, next);
}

/* One that is over needs no worker, and no connection once all is said. */
static void tick_over(struct entry *entry, uint64_t now)
{
	if (!entry->over_ns)
		entry->over_ns = now;
	if (handover_begins_anew(&entry->h))
		begin_anew(entry);
	engine_end(entry);
	if (entry->link && now >= entry->over_ns + NS_PER_S) {
		entry->h.connected = false;
		link_end(entry->link);
	}
}

static void prune(struct agent *agent)
{
	struct entry **at = &agent->entries, *entry;
	uint32_t over = 0;

	while ((entry = *at)) {
		over += handover_over(&entry->h);
		if (!handover_over(&entry->h) || entry->link || entry->worker ||
		    (over <= REMEMBERED && !too_old(entry) && !entry->h.check)) {
			at = &entry->next;
			continue;
		}
		if (entry->h.check && entry->over_ns + 60 * NS_PER_S > now_ns()) {
			at = &entry->next; /* whoever asked may look at it yet */
			continue;
		}
		*at = entry->next;
		record_remove(entry);
		control_forget(entry);
		free_entry(entry);
	}
}

/* Rows of late packets outlive the destination's handover, and end here; the count stays. */
static void tick_late(struct agent *agent, uint64_t now)
{
	if (now < agent->late_ns)
		return;
	agent->late_ns = now + LATE_NS;
	for (struct entry *entry = agent->entries; entry; entry = entry->next) {
		if (entry->h.role == HANDOVER_DEST && entry->h.vm.late_from[0] &&
		    (!entry->over_ns || now < entry->over_ns + 2 * ROAM_LATE_MOST_S * NS_PER_S))
			(void)late_taken(agent->host, entry->h.id, &entry->h.progress.late);
	}
	late_purge(agent->host, now - 2 * LATE_NS);
}

void agent_tick(struct agent *agent)
{
	const uint64_t now = now_ns();

	for (struct entry *entry = agent->entries; entry; entry = entry->next) {
		if (handover_over(&entry->h)) {
			tick_over(entry, now);
			continue;
		}
		entry->over_ns = 0;
		handover_tick(&entry->h, now);
	}
	tick_late(agent, now);
	links_tick(agent, now);
	control_tick(agent, now);
	expect_drop(agent, NULL, now);
	prune(agent);
}

bool agent_is_idle(const struct agent *agent)
{
	for (const struct entry *entry = agent->entries; entry; entry = entry->next) {
		if (!handover_over(&entry->h) || entry->worker)
			return false;
	}
	return !agent->links;
}

void agent_worker_gone(struct entry *entry, uint32_t number)
{
	if (engine_number(entry) == number)
		engine_free(entry);
}

void agent_end(struct agent *agent)
{
	for (struct entry *entry = agent->entries; entry; entry = entry->next) {
		const enum handover_state state = entry->h.state;

		if (entry->h.role == HANDOVER_SOURCE &&
		    (state == HANDOVER_OFFERED || state == HANDOVER_BASE ||
		     state == HANDOVER_ROUNDS))
			(void)handover_abort(&entry->h, HANDOVER_REASON_RESTARTED, now_ns());
	}
}

void agent_free(struct agent *agent)
{
	expect_free(agent);
	for (struct entry *entry = agent->entries, *next; entry; entry = next) {
		next = entry->next;
		free_entry(entry);
	}
	agent->entries = NULL;
}
