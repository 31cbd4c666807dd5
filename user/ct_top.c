// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* `roam ct top`: the remote ends with most flows of a VM, counted over one pass through them. */
#include <stdlib.h>
#include <string.h>
#include "ct.h"
#include "ct_top.h"
#include "text.h"
#include "vm.h"

#define TOP_DEFAULT 10

struct talker {
	struct roam_addr remote;
	uint32_t count[ROAM_CT_KINDS];
};

/* By remote address; `used` of `room`, a power of two. */
struct talkers {
	struct talker *slots;
	uint32_t used, room;
};

static bool is_free(const struct talker *talker)
{
	return !talker->count[ROAM_CT_FLOWS] && !talker->count[ROAM_CT_HALF];
}

static struct talker *find_talker(const struct talkers *talkers, const struct roam_addr *remote)
{
	uint32_t at = 0;

	for (int i = 0; i < 16; i++)
		at = at * 31 + remote->bytes[i];
	for (at *= 2654435761U;; at++) {
		struct talker *talker = &talkers->slots[at & (talkers->room - 1)];

		if (is_free(talker) || !memcmp(&talker->remote, remote, sizeof(*remote)))
			return talker;
	}
}

static int grow_talkers(struct talkers *talkers)
{
	struct talkers larger = { .used = talkers->used, .room = 2 * talkers->room };

	larger.slots = calloc(larger.room, sizeof(*larger.slots));
	if (!larger.slots)
		return fail(-ENOMEM, "ct: out of memory");
	for (uint32_t i = 0; i < talkers->room; i++) {
		if (!is_free(&talkers->slots[i]))
			*find_talker(&larger, &talkers->slots[i].remote) = talkers->slots[i];
	}
	free(talkers->slots);
	*talkers = larger;
	return 0;
}

static int count_rows(const struct roam_flow_rec *rows, uint32_t count, void *arg)
{
	struct talkers *talkers = arg;

	for (uint32_t i = 0; i < count; i++) {
		struct talker *talker = find_talker(talkers, &rows[i].key.remote);
		bool new = is_free(talker);

		talker->remote = rows[i].key.remote;
		talker->count[ct_state_kind(rows[i].flow.state)]++;
		talkers->used += new;
		if (new && 2 * talkers->used > talkers->room && grow_talkers(talkers))
			return -ENOMEM;
	}
	return 0;
}

static int compare_talkers(const void *a, const void *b)
{
	const struct talker *x = a, *y = b;
	uint64_t of_x = (uint64_t)x->count[ROAM_CT_FLOWS] + x->count[ROAM_CT_HALF];
	uint64_t of_y = (uint64_t)y->count[ROAM_CT_FLOWS] + y->count[ROAM_CT_HALF];

	if (of_x != of_y)
		return of_x < of_y ? 1 : -1;
	return memcmp(&x->remote, &y->remote, sizeof(x->remote));
}

static void show_talkers(struct out *out, struct talkers *talkers, uint32_t most)
{
	char text[TEXT_ADDR_LEN];

	qsort(talkers->slots, talkers->room, sizeof(*talkers->slots), compare_talkers);
	for (uint32_t i = 0; i < most && i < talkers->used; i++) {
		const struct talker *talker = &talkers->slots[i];

		out_item(out);
		out_text(out, "remote", text_addr(&talker->remote, text));
		out_number(out, "flows", talker->count[ROAM_CT_FLOWS]);
		out_number(out, "half", talker->count[ROAM_CT_HALF]);
		out_item_end(out);
	}
}

int ct_top_cmd(struct cmd *cmd)
{
	struct talkers talkers = { .room = 1024 };
	uint32_t most = TOP_DEFAULT, slot;
	const char *name;
	int err = words_vm(&cmd->words, &name);

	if (!err && words_take(&cmd->words, "count"))
		err = words_count(&cmd->words, &most);
	if (!err)
		err = words_end(&cmd->words);
	if (!err)
		err = cmd_host(cmd);
	if (!err)
		err = vm_find(cmd->host, name, &slot);
	if (err)
		return err;
	talkers.slots = calloc(talkers.room, sizeof(*talkers.slots));
	if (!talkers.slots)
		return fail(-ENOMEM, "ct: out of memory");
	out_list(cmd->out);
	err = ct_dump(cmd->host, slot, count_rows, &talkers);
	if (!err)
		show_talkers(cmd->out, &talkers, most);
	free(talkers.slots);
	return out_list_end(cmd->out, err);
}
