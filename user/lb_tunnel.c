// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* `roam lb peer`, and where `roam lb backend move` moves one to: see lb_tunnel.h. */
#include "lb_tunnel.h"
#include "text.h"

/* "KEYWORD ADDR"; if it is not said, the host's own address toward the other end. */
static int parse_own(struct words *words, const char *keyword, const struct roam_addr *other,
		     struct roam_addr *ret_addr)
{
	const char *text;
	int err;

	if (!words_take(words, keyword)) {
		err = words_end(words);
		return err ? err : lb_own_addr(other, ret_addr);
	}
	err = words_value(words, keyword, &text);
	if (!err)
		err = text_addr_parse(text, ret_addr);
	return err ? err : words_end(words);
}

int lb_place_parse(struct words *words, struct lb_place *ret_place)
{
	struct lb_place place = {};
	const char *text;
	int err;

	if (!words_take(words, "to"))
		return usage("'to HOST' or 'to local' is missing");
	if (words_take(words, "local")) {
		err = words_end(words);
	} else {
		err = words_value(words, "to", &text);
		if (!err)
			err = text_addr_parse(text, &place.host);
		if (!err)
			err = parse_own(words, "from", &place.host, &place.from);
	}
	if (!err)
		*ret_place = place;
	return err;
}

int lb_peer_cmd(struct cmd *cmd)
{
	struct lb_peer peer;
	const char *text;
	bool add = words_take(&cmd->words, "add");
	int err;

	if (!add && !words_take(&cmd->words, "del"))
		return usage("what to do with the peer is missing: add or del");
	err = words_value(&cmd->words, add ? "add" : "del", &text);
	if (!err)
		err = text_addr_parse(text, &peer.addr);
	if (!err)
		err = parse_own(&cmd->words, "at", &peer.addr, &peer.at);
	if (!err)
		err = cmd_host(cmd);
	if (err)
		return err;
	return add ? lb_peer_add(cmd->host, &peer) : lb_peer_del(cmd->host, &peer);
}
