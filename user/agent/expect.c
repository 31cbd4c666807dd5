// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Which VMs may come, from whom and for how long: see agent.h. Kept in STATE/expected.json, written
 * whole with each change, so that a VM manager that has announced a VM need not know that roamd was
 * started anew. Times are of the wall clock there: a file may outlive the host's boot.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <jansson.h>
#include "agent.h"
#include "say.h"

static void path_of(const struct agent *agent, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%s/expected.json", agent->config.state);
}

/* ---- writing ---- */

static json_t *one_out(const struct expect *expect)
{
	const uint64_t now = now_ns();
	const uint64_t left = expect->until_ns > now ? expect->until_ns - now : 0;
	char id[HANDOVER_ID_TEXT];
	json_t *all = json_pack("{s:s, s:s, s:I, s:o}", "vm", expect->vm, "from", expect->peer,
				"until",
				(json_int_t)(time(NULL) + (left + NS_PER_S - 1) / NS_PER_S), "devs",
				record_devs_out(expect->devs, expect->dev_count));

	if (expect->has_id)
		json_object_set_new(all, "id", json_string(handover_id_text(expect->id, id)));
	return all;
}

static int save(const struct agent *agent)
{
	char path[CONFIG_PATH_LEN + 64];
	_cleanup_free_ char *text = NULL;
	json_t *all = json_array();

	for (const struct expect *expect = agent->expects; expect; expect = expect->next)
		json_array_append_new(all, one_out(expect));
	text = all ? json_dumps(all, JSON_INDENT(1)) : NULL;
	json_decref(all);
	if (!text)
		return fail(-ENOMEM, "no_memory: out of memory");
	path_of(agent, path, sizeof(path));
	return record_write(agent, path, text);
}

/* ---- the list ---- */

/* The names of the devices are the copy's own. */
static struct expect *copy(const struct expect *expect)
{
	struct expect *own = malloc(sizeof(*own));

	if (!own)
		return NULL;
	*own = *expect;
	for (uint32_t i = 0; i < own->dev_count; i++)
		own->devs[i].dev = own->dev_names[i];
	return own;
}

/* There is at most one of a VM. */
static struct expect *take_out(struct agent *agent, const char *vm)
{
	struct expect **at = &agent->expects, *expect;

	while (*at && strcmp((*at)->vm, vm) != 0)
		at = &(*at)->next;
	expect = *at;
	if (expect)
		*at = expect->next;
	return expect;
}

static void put_in(struct agent *agent, struct expect *expect)
{
	expect->next = agent->expects;
	agent->expects = expect;
}

int expect_add(struct agent *agent, const struct expect *expect)
{
	struct expect *own, *before;
	int err;

	if (!config_peer(&agent->config, expect->peer))
		return fail(-ENOENT, "not_authorised: '%s' is not on the list of peers",
			    expect->peer);
	own = copy(expect);
	if (!own)
		return fail(-ENOMEM, "no_memory: out of memory");
	before = take_out(agent, expect->vm);
	put_in(agent, own);
	err = save(agent);
	if (err) {
		agent->expects = own->next;
		free(own);
		if (before)
			put_in(agent, before);
		return err;
	}
	free(before);
	return 0;
}

void expect_drop(struct agent *agent, const char *vm, uint64_t now)
{
	struct expect **at = &agent->expects, *expect;
	bool is_other = false;

	while ((expect = *at)) {
		if (vm ? strcmp(expect->vm, vm) != 0 : expect->until_ns > now) {
			at = &expect->next;
			continue;
		}
		*at = expect->next;
		free(expect);
		is_other = true;
	}
	/* One that is read again all the same is late, or finds its VM active here. */
	if (is_other && save(agent))
		say(SAY_WARNING, "%s", fail_line());
}

const struct expect *expect_find(const struct agent *agent, const char *peer,
				 const struct message *offer)
{
	for (const struct expect *expect = agent->expects; expect; expect = expect->next) {
		if (!strcmp(expect->vm, offer->vm.name) && !strcmp(expect->peer, peer) &&
		    expect->until_ns > now_ns() &&
		    (!expect->has_id || !memcmp(expect->id, offer->id, sizeof(offer->id))))
			return expect;
	}
	return NULL;
}

void expect_free(struct agent *agent)
{
	for (struct expect *expect = agent->expects, *next; expect; expect = next) {
		next = expect->next;
		free(expect);
	}
	agent->expects = NULL;
}

/* ---- reading ---- */

static int one_in(const json_t *row, struct expect *ret_expect)
{
	const char *vm = json_string_value(json_object_get(row, "vm"));
	const char *from = json_string_value(json_object_get(row, "from"));
	const char *id = json_string_value(json_object_get(row, "id"));
	int64_t left = json_integer_value(json_object_get(row, "until")) - time(NULL);
	int err = vm && from ? text_name_parse("vm", vm, ret_expect->vm) : -EINVAL;

	if (!err)
		err = text_name_parse("host", from, ret_expect->peer);
	if (!err && id) {
		ret_expect->has_id = true;
		err = handover_id_parse(id, ret_expect->id);
	}
	if (!err)
		err = record_devs_in(json_object_get(row, "devs"), ret_expect->devs,
				     ret_expect->dev_names, &ret_expect->dev_count);
	if (left > EXPECT_MOST)
		left = EXPECT_MOST; /* the clock was set back */
	ret_expect->until_ns = left > 0 ? now_ns() + left * NS_PER_S : 0;
	return err;
}

/* What is not understood is nobody's announcement: it is told of, and left out. */
static void take(struct agent *agent, const json_t *row, const char *path)
{
	struct expect expect = {};
	struct expect *own;

	if (one_in(row, &expect)) {
		say(SAY_ERROR, "journal: %s: is not one of roamd's", path);
		return;
	}
	if (!expect.until_ns)
		return;
	own = copy(&expect);
	if (own)
		put_in(agent, own);
}

void expect_load(struct agent *agent)
{
	char path[CONFIG_PATH_LEN + 64];
	json_error_t error;
	json_t *row, *all;
	size_t i;

	path_of(agent, path, sizeof(path));
	if (access(path, F_OK))
		return;
	all = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_array(all))
		say(SAY_ERROR, "journal: %s: %s", path, all ? "is no list" : error.text);
	/* The newest is the first, as it was. */
	for (i = json_array_size(all); i-- > 0;) {
		row = json_array_get(all, i);
		take(agent, row, path);
	}
	json_decref(all);
}
