// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Scripts that lead to a reason: see explain_script.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/bpf.h>
#include "explain_frame.h"
#include "explain_script.h"
#include "harness.h"
#include "tunnel.h"

#define LINE_LEN  512
#define WORDS_MAX 48

static const struct name {
	const char *name;
	const char *text[2]; /* IPv4, IPv6 */
} names[] = {
	{ "VM", { "10.0.0.10", "fd00::10" } },
	{ "PEER", { "192.0.2.7", "2001:db8::7" } },
	{ "OTHER", { "10.0.0.66", "fd00::66" } },
	{ "ROUTER", { "10.0.0.1", "fe80::1" } },
	{ "GROUP", { "224.0.0.251", "ff02::fb" } },
	{ "VIP", { "198.51.100.9", "2001:db8:99::9" } },
	{ "BACK", { "10.0.0.77", "fd00::77" } },
	{ "NEAR", { "203.0.113.1", "2001:db8:3::1" } },
	{ "FAR", { "203.0.113.2", "2001:db8:3::2" } },
	{ "NOWHERE", { "203.0.113.77", "2001:db8:3::77" } },
	{ "ICMP", { "icmp", "icmp6" } },
	{ "UNREACHABLE", { "3", "1" } }, /* a type of ICMP */
	{ "MAC", { "52:54:00:aa:bb:10", "52:54:00:aa:bb:10" } },
};

static const char *meaning(const struct explain_test *self, enum roam_dir dir, const char *word,
			   size_t len)
{
	bool out = dir == ROAM_DIR_OUT;

	if (len == 3 && !strncmp(word, "SRC", len))
		return meaning(self, dir, out ? "VM" : "PEER", out ? 2 : 4);
	if (len == 3 && !strncmp(word, "DST", len))
		return meaning(self, dir, out ? "PEER" : "VM", out ? 4 : 2);
	if (len == 3 && !strncmp(word, "DIR", len))
		return self->dir == ROAM_DIR_OUT ? "out" : "in";
	if (len == 3 && !strncmp(word, "DEV", len))
		return self->host->dev;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strlen(names[i].name) == len && !strncmp(word, names[i].name, len))
			return names[i].text[self->family == 6];
	}
	return NULL;
}

/* A line, up to '|', with its names replaced; IPv6 addresses before a port get their brackets. */
static void expand(const struct explain_test *self, enum roam_dir dir, const char *line,
		   char ret_text[LINE_LEN])
{
	size_t at = 0;

	while (!strchr("|\n", *line)) { /* nor at its end */
		size_t len = strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
		const char *text = len ? meaning(self, dir, line, len) : NULL;
		bool brackets = text && line[len] == ':' && strchr(text, ':');

		if (text)
			at += snprintf(ret_text + at, LINE_LEN - at, brackets ? "[%s]" : "%s",
				       text);
		else if (*line == '#')
			at += snprintf(ret_text + at, LINE_LEN - at, "%d", self->number);
		else
			ret_text[at++] = *line;
		line += text ? len : 1;
	}
	ret_text[at] = '\0';
}

static int split(char *text, char *word[WORDS_MAX])
{
	int count = 0;
	char *rest;

	for (char *at = strtok_r(text, " ", &rest); at && count < WORDS_MAX;
	     at = strtok_r(NULL, " ", &rest))
		word[count++] = at;
	return count;
}

bool script_command(struct explain_test *self, const char *line)
{
	char text[LINE_LEN], *word[WORDS_MAX];

	self->changed = true;
	expand(self, self->dir, line, text);
	return !cmd_run(&self->cmd, word, split(text, word));
}

static int read_words(struct explain_test *self, enum roam_dir dir, const char *line,
		      struct explain_ask *ret_ask)
{
	char text[LINE_LEN], *word[WORDS_MAX];

	expand(self, dir, line, text);
	return explain_words_packet(&(struct words){ .word = word, .count = split(text, word) },
				    ret_ask);
}

/* What is behind '|', or nothing. */
static const char *rest_of(const char *line)
{
	line += strcspn(line, "|\n");
	return *line == '|' ? line + 2 : "";
}

static void change(struct explain_test *self, const char *how, struct packet *packet)
{
	struct packet_spec round = tunnel_outer(self->family);
	struct packet_cut cut = { .id = 7 };
	struct packet whole = *packet;

	if (sscanf(how, "cut %u %u %u", &cut.lo, &cut.hi, &cut.id) >= 2) {
		packet_cut(&whole, cut, packet);
		self->changed = true; /* there are trains now */
	} else if (!strncmp(how, "tunnelled", 9)) {
		packet_wrap(&round, tunnel_tag(self->family), &whole, packet);
	}
}

bool script_packet(struct explain_test *self, enum roam_dir dir, const char *line,
		   struct packet *ret_packet)
{
	struct explain_at at = { .slot = self->slot, .dir = dir };
	const char *rest = rest_of(line);
	struct explain_ask ask;
	int err = read_words(self, dir, line, &ask);

	if (!err && self->outside)
		err = explain_frame_outside(self->host->host, &ask, ret_packet);
	else if (!err)
		err = explain_frame(self->host->host, &at, &ask, ret_packet);
	if (!CHECK_OK(err)) {
		note("%s: %s", line, fail_line());
		return false;
	}
	change(self, rest, ret_packet);
	return true;
}

enum roam_verdict script_run_live(struct explain_test *self, enum roam_dir dir,
				  const struct packet *packet)
{
	self->host->now_ns = now_ns() - self->age_ns;
	return hosts_run(self->host, FRONT_TC, dir, packet);
}

/* By the host's own program. */
enum roam_verdict script_run_uplink(struct explain_test *self, const struct packet *packet)
{
	struct packet after;

	return uplink_run(self->host, packet, &after) == XDP_DROP ? ROAM_DROP : ROAM_PASS;
}

static void one_packet(struct explain_test *self, const char *line)
{
	enum roam_dir dir = *line == '<' ? !self->dir : self->dir;
	enum roam_verdict verdict;
	struct packet packet;

	self->outside = *line == '^';
	if (!script_packet(self, dir, line + 2, &packet))
		return;
	verdict = self->outside ? script_run_uplink(self, &packet)
				: script_run_live(self, dir, &packet);
	if (!CHECK(verdict == ROAM_PASS || *line == '?'))
		note("%.60s", line);
}

void script_run(struct explain_test *self, const char *script)
{
	for (const char *line = script; line && *line; line = strchr(line, '\n') + 1) {
		if (*line == '@')
			self->age_ns = strtoull(line + 1, NULL, 10) * NS_PER_S;
		else if (*line != '!')
			one_packet(self, line);
		else if (!CHECK(script_command(self, line + 2)))
			note("%s: %s", line, fail_line());
	}
}
