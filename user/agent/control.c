// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The CLI's socket: a request is a line of JSON, `{"do": "start", …}`; the answer is lines
 * `{"item": {…}}` and at last `{"end": true}` or `{"error": "line"}`. Only root may connect: the
 * socket has mode 0600. What a request waits for is looked at whenever its handover has changed.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <jansson.h>
#include "agent.h"
#include "say.h"

#define LINE_MOST (64 * 1024)
#define CLIENTS   64
#define TELL_NS   (NS_PER_S / 2)
#define EXPECT_S  600

/* Until when an answer is not over. */
enum wait { WAIT_NOTHING, WAIT_SHORT, WAIT_CHECKED, WAIT_READY, WAIT_OVER, WAIT_SETTLED };

struct control {
	struct agent *agent;
	struct bufferevent *bev;
	struct entry *entry;
	enum wait wait;
	bool all; /* each change is told, not the last one alone */
	bool ending;
	uint64_t told_ns;
	struct control *next;
};

/* ---- answers ---- */

static void put(struct control *control, json_t *answer)
{
	char *text = json_dumps(answer, JSON_COMPACT);

	json_decref(answer);
	if (!text)
		return;
	bufferevent_write(control->bev, text, strlen(text));
	bufferevent_write(control->bev, "\n", 1);
	free(text);
}

static void put_item(struct control *control, json_t *item)
{
	put(control, json_pack("{s:o}", "item", item));
}

static void end(struct control *control)
{
	control->wait = WAIT_NOTHING;
	control->entry = NULL;
	control->ending = true;
}

static void put_end(struct control *control)
{
	put(control, json_pack("{s:b}", "end", 1));
	end(control);
}

static void put_error(struct control *control, const char *line)
{
	json_t *text = json_string(line);

	put(control, json_pack("{s:o}", "error", text ? text : json_string("?")));
	end(control);
}

static void put_failed(struct control *control, const struct handover *h)
{
	char line[400];

	(void)snprintf(line, sizeof(line), "%s: vm '%s'%s%s",
		       text_enum_name(&text_handover_reason, h->reason), h->vm.name,
		       h->text[0] ? ": " : "", h->text);
	put_error(control, line);
}

static bool failed(const struct handover *h)
{
	return h->state == HANDOVER_ABORTING || h->state == HANDOVER_ABORTED;
}

/* Whether what was waited for is there. */
static bool reached(const struct handover *h, enum wait wait)
{
	switch (wait) {
	case WAIT_SHORT:
		return h->progress.converged || h->state > HANDOVER_ROUNDS;
	case WAIT_READY:
		return h->state == HANDOVER_READY || h->state == HANDOVER_MOVED ||
		       h->state == HANDOVER_DONE;
	case WAIT_SETTLED:
		return handover_over(h) || h->settled || h->held;
	default:
		return handover_over(h);
	}
}

static void look(struct control *control)
{
	const struct handover *h = &control->entry->h;
	const bool is_failure = failed(h) && control->wait != WAIT_SETTLED &&
				(control->wait != WAIT_OVER || handover_over(h));

	if (handover_begins_anew(h) && control->wait != WAIT_SETTLED) {
		if (control->all) /* control_move() follows */
			put_item(control, report_entry(control->entry));
	} else if (is_failure) {
		if (control->all)
			put_item(control, report_entry(control->entry));
		put_failed(control, h);
	} else if (reached(h, control->wait)) {
		put_item(control, report_entry(control->entry));
		put_end(control);
	} else if (control->all) {
		put_item(control, report_entry(control->entry));
	}
}

void control_changed(struct entry *entry)
{
	for (struct control *control = entry->agent->controls; control; control = control->next) {
		if (control->entry == entry && control->wait != WAIT_NOTHING)
			look(control);
	}
}

void control_tick(struct agent *agent, uint64_t now)
{
	for (struct control *control = agent->controls; control; control = control->next) {
		/* That comes within a state, of whose change nobody would be told before it ends.
		 */
		if (control->wait == WAIT_SETTLED && reached(&control->entry->h, control->wait)) {
			look(control);
			continue;
		}
		if (!control->all || control->wait == WAIT_NOTHING ||
		    now < control->told_ns + TELL_NS)
			continue;
		control->told_ns = now;
		put_item(control, report_entry(control->entry));
	}
}

void control_move(struct entry *from, struct entry *to)
{
	for (struct control *control = from->agent->controls; control; control = control->next) {
		if (control->entry != from || control->wait == WAIT_NOTHING)
			continue;
		control->entry = to;
		if (control->wait == WAIT_READY) /* as soon as it can be */
			(void)handover_freeze(&to->h, now_ns());
		look(control);
	}
}

void control_forget(struct entry *entry)
{
	for (struct control *control = entry->agent->controls; control; control = control->next) {
		if (control->entry == entry)
			put_error(control, "the handover is forgotten");
	}
}

static void wait_for(struct control *control, struct entry *entry, enum wait wait)
{
	control->entry = entry;
	control->wait = wait;
	look(control);
}

/* ---- requests ---- */

static const char *text_of(const json_t *request, const char *name)
{
	const char *text = json_string_value(json_object_get(request, name));

	return text ? text : "";
}

static uint64_t number_of(const json_t *request, const char *name, uint64_t usual)
{
	const json_t *value = json_object_get(request, name);

	return json_is_integer(value) && json_integer_value(value) >= 0
		       ? (uint64_t)json_integer_value(value)
		       : usual;
}

static struct entry *entry_of(struct agent *agent, const json_t *request)
{
	struct entry *entry = agent_find_vm(agent, text_of(request, "vm"));

	if (!entry)
		fail_set(0, "vm '%.80s' has no handover here", text_of(request, "vm"));
	return entry;
}

static int devs_of(const json_t *request, struct expect *expect)
{
	json_t *row, *devs = json_object_get(request, "devs");
	size_t i;

	json_array_foreach(devs, i, row)
	{
		const char *dev = text_of(row, "dev");

		if (i == ROAM_VM_PORTS)
			return fail(-E2BIG, "more than %d devices", ROAM_VM_PORTS);
		if (!dev[0] || strlen(dev) >= sizeof(expect->dev_names[0]))
			return fail(-EINVAL, "'%.80s' is no device's name", dev);
		if (text_mac_parse(text_of(row, "mac"), expect->devs[i].mac))
			return -EINVAL;
		memcpy(expect->dev_names[i], dev, strlen(dev) + 1);
		expect->dev_count = i + 1;
	}
	return 0;
}

static int do_expect(struct control *control, const json_t *request)
{
	const uint64_t seconds = number_of(request, "for_s", EXPECT_S);
	struct expect expect = {};
	int err = text_name_parse("vm", text_of(request, "vm"), expect.vm);

	if (!err)
		err = text_name_parse("host", text_of(request, "from"), expect.peer);
	if (!err && text_of(request, "id")[0]) {
		expect.has_id = true;
		err = handover_id_parse(text_of(request, "id"), expect.id);
	}
	if (!err)
		err = devs_of(request, &expect);
	if (!err && (!seconds || seconds > EXPECT_MOST))
		err = fail(-EINVAL, "seconds are not from 1 to %d", EXPECT_MOST);
	expect.until_ns = now_ns() + seconds * NS_PER_S;
	if (!err)
		err = expect_add(control->agent, &expect);
	if (!err)
		put_end(control);
	return err;
}

static int enum_of(const json_t *request, const struct text_enum *table, uint8_t *ret)
{
	const char *text = text_of(request, table->what);

	return text[0] ? text_enum_parse(table, text, ret) : 0;
}

static int start_of(const json_t *request, struct agent_start *start)
{
	struct handover_options *options = &start->options;
	int err = enum_of(request, &text_handover_fence, &start->fence);

	if (!err)
		err = enum_of(request, &text_handover_converge, &options->converge);
	if (!err)
		err = enum_of(request, &text_handover_mtu, &options->mtu);
	if (!err && text_of(request, "midstream")[0]) {
		start->has_midstream = true;
		err = enum_of(request, &text_midstream, &start->midstream);
	}
	options->timeout_s = number_of(request, "timeout_s", options->timeout_s);
	options->watchdog_ms = number_of(request, "watchdog_ms", options->watchdog_ms);
	options->late_s = number_of(request, "late_s", options->late_s);
	options->rate_mbps = number_of(request, "rate_mbps", 0);
	return err;
}

static int do_start(struct control *control, const json_t *request)
{
	struct agent_start start = {
		.vm = text_of(request, "vm"),
		.peer = text_of(request, "to"),
		.check = json_is_true(json_object_get(request, "check")),
		.options = handover_defaults,
	};
	struct entry *entry;
	int err = start_of(request, &start);

	/* With nobody to pick up, the default is to leave the VM where its state is. */
	if (!err && start.has_midstream && start.midstream == ROAM_MIDSTREAM_PICKUP &&
	    !text_of(request, "converge")[0])
		start.options.converge = HANDOVER_CONVERGE_FREEZE;
	if (!err)
		err = agent_start(control->agent, &start, &entry);
	if (err)
		return err;
	if (start.check)
		wait_for(control, entry, WAIT_CHECKED);
	else if (json_is_true(json_object_get(request, "wait")))
		wait_for(control, entry, WAIT_SHORT);
	else {
		put_item(control, report_entry(entry));
		put_end(control);
	}
	return 0;
}

static int do_freeze(struct control *control, const json_t *request)
{
	struct entry *entry = entry_of(control->agent, request);
	int err = entry ? 0 : -ENOENT;

	/* One that has failed says why. */
	if (entry && !failed(&entry->h))
		err = handover_freeze(&entry->h, now_ns());

	if (!err)
		wait_for(control, entry, WAIT_READY);
	return err;
}

static int do_show(struct control *control, const json_t *request)
{
	const char *vm = text_of(request, "vm");

	for (struct expect *expect = control->agent->expects; expect; expect = expect->next) {
		if (!vm[0] || !strcmp(vm, expect->vm))
			put_item(control, report_expect(expect));
	}
	for (struct entry *entry = control->agent->entries; entry; entry = entry->next) {
		if (!vm[0] || !strcmp(vm, entry->h.vm.name))
			put_item(control, report_entry(entry));
	}
	put_end(control);
	return 0;
}

static int do_watch(struct control *control, const json_t *request)
{
	struct entry *entry = entry_of(control->agent, request);

	if (!entry)
		return -ENOENT;
	control->all = true;
	wait_for(control, entry, WAIT_OVER);
	return 0;
}

static int do_abort(struct control *control, const json_t *request)
{
	struct entry *entry = entry_of(control->agent, request);
	uint8_t reason = HANDOVER_REASON_OPERATOR;
	int err = entry ? enum_of(request, &text_handover_reason, &reason) : -ENOENT;

	if (!err)
		entry->h.anew = HANDOVER_ANEW_MOST; /* that is over, too */
	if (!err)
		err = handover_abort(&entry->h, reason, now_ns());
	if (!err)
		wait_for(control, entry, WAIT_SETTLED);
	return err;
}

static int do_release(struct control *control, const json_t *request)
{
	struct entry *entry = entry_of(control->agent, request);
	uint8_t id[HANDOVER_ID_LEN];
	int err = entry ? handover_id_parse(text_of(request, "id"), id) : -ENOENT;

	if (!err && memcmp(id, entry->h.id, sizeof(id)) != 0)
		err = fail(-ESTALE, "stale: vm '%s': its handover has another id",
			   entry->h.vm.name);
	if (!err)
		err = handover_release(&entry->h, number_of(request, "epoch", 0), now_ns());
	if (!err) {
		put_item(control, report_entry(entry));
		put_end(control);
	}
	return err;
}

static const struct {
	const char *name;
	int (*run)(struct control *control, const json_t *request);
} requests[] = {
	{ "expect", do_expect },   { "start", do_start }, { "freeze", do_freeze },
	{ "show", do_show },       { "watch", do_watch }, { "abort", do_abort },
	{ "release", do_release },
};

static void run(struct control *control, const char *line)
{
	json_error_t error;
	json_t *request = json_loads(line, JSON_REJECT_DUPLICATES, &error);
	const char *what = text_of(request, "do");
	int err = fail(-EINVAL, "'%.40s' is not understood", what);

	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		if (!strcmp(requests[i].name, what))
			err = requests[i].run(control, request);
	}
	json_decref(request);
	if (err)
		put_error(control, fail_line());
}

/* ---- connections ---- */

static void free_control(struct control *control)
{
	struct control **at = &control->agent->controls;

	while (*at != control)
		at = &(*at)->next;
	*at = control->next;
	bufferevent_free(control->bev);
	free(control);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct control *control = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	char *line;

	while (!control->ending && control->wait == WAIT_NOTHING &&
	       (line = evbuffer_readln(in, NULL, EVBUFFER_EOL_LF))) {
		run(control, line);
		free(line);
	}
	if (evbuffer_get_length(in) >= LINE_MOST)
		free_control(control);
}

static void on_write(struct bufferevent *bev, void *arg)
{
	struct control *control = arg;

	/* It is also called before there was anything to write. */
	if (control->ending && !evbuffer_get_length(bufferevent_get_output(bev)))
		free_control(control);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		free_control(arg);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *addr,
		      int len, void *arg)
{
	struct agent *agent = arg;
	struct control *control = calloc(1, sizeof(*control));
	uint32_t count = 0;

	(void)listener;
	(void)addr;
	(void)len;
	for (struct control *one = agent->controls; one; one = one->next)
		count++;
	if (control && count < CLIENTS)
		control->bev = bufferevent_socket_new(
			agent->base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (!control || !control->bev) {
		free(control);
		close(fd);
		return;
	}
	control->agent = agent;
	control->next = agent->controls;
	agent->controls = control;
	bufferevent_setcb(control->bev, on_read, on_write, on_event, control);
	bufferevent_setwatermark(control->bev, EV_READ, 0, LINE_MOST);
	bufferevent_enable(control->bev, EV_READ | EV_WRITE);
}

int control_open(struct agent *agent)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	mode_t mask;

	memcpy(at.sun_path, agent->config.control, sizeof(agent->config.control));
	(void)unlink(agent->config.control);
	mask = umask(0177);
	agent->control_listener = evconnlistener_new_bind(
		agent->base, on_accept, agent, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 16,
		(const struct sockaddr *)&at, sizeof(at));
	umask(mask);
	return agent->control_listener
		       ? 0
		       : fail_errno(-errno, "roamd: cannot listen at %s", agent->config.control);
}

void control_close(struct agent *agent)
{
	while (agent->controls)
		free_control(agent->controls);
	if (agent->control_listener)
		evconnlistener_free(agent->control_listener);
	agent->control_listener = NULL;
	(void)unlink(agent->config.control);
}
