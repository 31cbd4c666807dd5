// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Commands, up to the point where they would open a host: dispatch by unique prefixes, usage errors
 * before anything is opened, refusals that name the word.
 */
#include <stdio.h>
#include <string.h>
#include "cmd.h"
#include "harness.h"

#define NO_HOST   "/nonexistent/roam"
#define WORDS_MAX 32

static int run(const char *text)
{
	char line[256], *word[WORDS_MAX], *rest;
	struct cmd cmd = { .bpffs = NO_HOST, .out = out_open(OUT_TEXT) };
	int count = 0, err;

	snprintf(line, sizeof(line), "%s", text);
	for (char *at = strtok_r(line, " ", &rest); at; at = strtok_r(NULL, " ", &rest))
		word[count++] = at;
	err = cmd_run(&cmd, word, count);
	out_close(cmd.out);
	return err;
}

static const struct understood {
	const char *name;
	const char *words;
} understood[] = {
	{ "an object alone", "host" },
	{ "a verb", "vm show" },
	{ "prefixes", "v sh" },
	{ "a VM",
	  "vm add web-1 uuid 1b4e28ba-2fa1-11d2-883f-0016d3cca427 default in drop out allow" },
	{ "settings", "vm set web-1 midstream pickup flows 100 half 100 shut" },
	{ "timeouts", "vm set web-1 windows liberal timeout established 3600 timeout unacked 60" },
	{ "talkers", "ct top vm web-1 count 3" },
	{ "a port",
	  "port add vm a dev tap0 mac 52:54:00:aa:bb:10 addr 10.0.0.10 vlan 5 zone z ra on" },
	{ "a rule", "acl add vm a name https in prio 10 allow tcp from any dport 443" },
	{ "a rule less", "acl del vm a name https" },
	{ "counters", "stats" },
	{ "counters of a VM", "stats show vm a" },
	{ "counters of a VM, no verb", "stats vm a" },
	{ "flows of a VM, no verb", "ct vm a" },
	{ "flows", "ct flush vm a" },
};

/* All is understood but that there is no host. */
TEST_EACH(understands, understood)
{
	CHECK_EQ(run(row->words), -ENOENT);
	CHECK_HAS(fail_line(), NO_HOST);
}

static const struct misuse {
	const char *name;
	const char *words;
	const char *line;
} misuses[] = {
	{ "nothing", "", "missing" },
	{ "no such object", "nonsense", "nonsense" },
	{ "a prefix of two objects", "st", "'st'" },
	{ "no such verb", "vm nonsense", "nonsense" },
	{ "a prefix of two verbs", "vm s", "'s'" },
	{ "no VM", "vm add", "add" },
	{ "nothing to set", "vm set a", "set" },
	{ "an unknown setting", "vm set a nonsense", "nonsense" },
	{ "a default of nothing", "vm set a default", "default" },
	{ "no device", "port add vm a mac 52:54:00:aa:bb:10", "dev DEV" },
	{ "no MAC", "port add vm a dev tap0", "mac MAC" },
	{ "a switch half way", "port add vm a dev t mac 52:54:00:aa:bb:10 dhcp maybe", "maybe" },
	{ "no VM for a rule", "acl add name a in allow", "vm NAME" },
	{ "more words", "ct show vm a please", "please" },
	{ "no VM for no verb", "stats vm", "vm" },
	{ "help for nothing", "help nonsense", "nonsense" },
};

TEST_EACH(tells_usage, misuses)
{
	CHECK_EQ(run(row->words), CMD_USAGE);
	CHECK_HAS(fail_line(), row->line);
}

static const struct misuse wrong[] = {
	{ "a bad name", "vm add -x", "-x" },
	{ "a bad uuid", "vm add a uuid 1", "uuid '1'" },
	{ "a bad number", "vm set a flows many", "flows 'many'" },
	{ "a bad midstream", "vm set a midstream maybe", "maybe" },
	{ "bad windows", "vm set a windows open", "open" },
	{ "a timeout of no state", "vm set a timeout none 3", "none" },
	{ "a bad address", "port add vm a dev t mac 52:54:00:aa:bb:10 addr 1.2.3", "1.2.3" },
	{ "a bad MAC", "port add vm a dev t mac 52:54", "52:54" },
	{ "a long device", "port add vm a dev a234567890123456", "a234567890123456" },
	{ "a bad vlan", "port add vm a dev t vlan 4095", "4095" },
};

TEST_EACH(names_what_is_wrong, wrong)
{
	CHECK_EQ(run(row->words), -EINVAL);
	CHECK_HAS(fail_line(), row->line);
}
