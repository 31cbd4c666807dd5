// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * A host's programs are replaced, killed at each point of it: whoever opens the host next finds it
 * whole, with old programs or new ones on all devices, and its flows. Other layouts are refused.
 * e2e/upgrade.sh does it under load.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "acl.h"
#include "ct.h"
#include "harness.h"
#include "host_upgrade.h"
#include "hosts.h"
#include "killer.h"
#include "layout.h"
#include "vm.h"

#define CHANGES_MAX 400

struct upgrade_test {
	struct test_host *host;
	char dir[256];
	uint32_t slot;
};

static void upgrade_test_setup(struct upgrade_test *self)
{
	self->host = hosts_shared();
	snprintf(self->dir, sizeof(self->dir), "%s", host_dir(self->host->host));
	hosts_add_vm(self->host);
	CHECK_OK(vm_find(self->host->host, "vm", &self->slot));
}

static void upgrade_test_teardown(struct upgrade_test *self)
{
	CHECK_OK(vm_del(self->host->host, "vm"));
}

/* Opens the host anew, as a command does. */
static struct host *open_again(struct upgrade_test *self)
{
	struct host *host = NULL;

	CHECK_OK(host_open(self->dir, &host));
	return host;
}

static uint32_t prog_id(int fd)
{
	struct bpf_prog_info info = {};
	uint32_t len = sizeof(info);

	return fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

/* Each link has the program that is pinned for it. */
static uint32_t links_with(struct upgrade_test *self, const char *suffix, uint32_t wanted)
{
	char path[600];
	uint32_t count = 0;
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/links", self->dir);
	dir = opendir(path);
	CHECK(dir != NULL);
	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		struct bpf_link_info info = {};
		uint32_t len = sizeof(info);
		int fd;

		if (!strstr(entry->d_name, suffix))
			continue;
		snprintf(path, sizeof(path), "%s/links/%s", self->dir, entry->d_name);
		fd = bpf_obj_get(path);
		CHECK_OK(bpf_obj_get_info_by_fd(fd, &info, &len));
		CHECK_EQ(info.prog_id, wanted);
		close(fd);
		count++;
	}
	closedir(dir);
	return count;
}

static bool exists(struct upgrade_test *self, const char *name)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", self->dir, name);
	return !access(path, F_OK);
}

/* All of it, through a host that is opened anew; the program on the port. */
static uint32_t look(struct upgrade_test *self)
{
	struct host *host = open_again(self);
	uint32_t in = prog_id(host_prog(host, HOST_PROG_tc_in)), used[ROAM_CT_KINDS];
	struct acl_list rules = {};

	CHECK(!exists(self, "upgrade"));
	if (links_with(self, "-in", in)) /* with clsact there are no links */
		CHECK_EQ(links_with(self, "-out", prog_id(host_prog(host, HOST_PROG_tc_out))), 1);
	CHECK_OK(ct_used(host, self->slot, used));
	CHECK_EQ(used[ROAM_CT_FLOWS], 2);
	CHECK_OK(acl_list(host, self->slot, &rules));
	CHECK_OP(rules.count, >, 0);
	free(rules.recs);
	host_close(host);
	return in;
}

/* A packet of the VM's connection, by the tests' programs over the host's maps. */
static bool sends(struct upgrade_test *self, int family, uint8_t flags, enum roam_dir dir)
{
	struct packet_spec spec = cast_tcp(family, dir, flags);
	struct packet packet;

	packet_build(&spec, &packet);
	self->host->now_ns = now_ns();
	return hosts_run(self->host, FRONT_TC, dir, &packet) == ROAM_PASS;
}

static void establish(struct upgrade_test *self)
{
	for (int family = 4; family <= 6; family += 2) {
		CHECK(sends(self, family, ROAM_TCP_SYN, ROAM_DIR_OUT));
		CHECK(sends(self, family, ROAM_TCP_SYN | ROAM_TCP_ACK, ROAM_DIR_IN));
		CHECK(sends(self, family, ROAM_TCP_ACK, ROAM_DIR_OUT));
	}
}

static int upgrade(const void *dir)
{
	struct host_upgraded upgraded;

	return host_upgrade(dir, &upgraded);
}

TEST_F(upgrade_test, replaces_programs_and_nothing_else)
{
	struct host *waiting;
	uint32_t before;

	establish(self);
	before = look(self);
	waiting = open_again(self); /* it has old programs open, and writes afterwards */
	CHECK_OK(upgrade(self->dir));
	CHECK(look(self) != before);
	CHECK(sends(self, 4, ROAM_TCP_ACK, ROAM_DIR_IN));
	CHECK(sends(self, 6, ROAM_TCP_ACK, ROAM_DIR_IN));
	CHECK_EQ(prog_id(host_prog(waiting, HOST_PROG_tc_in)), before);
	CHECK_OK(host_lock(waiting));
	CHECK_EQ(prog_id(host_prog(waiting, HOST_PROG_tc_in)), look(self));
	host_unlock(waiting);
	host_close(waiting);
}

/*
 * Loading the programs takes longest, so not each point is tried in each run; most of what comes
 * before the commit is one pin more.
 */
TEST_F(upgrade_test, goes_on_where_it_was_killed)
{
	unsigned int rounds = harness_rounds(12), step = 150 / rounds + 1;
	uint32_t before, now;

	establish(self);
	before = look(self);
	for (unsigned int nth = 1 + harness_seed() % step; nth < CHANGES_MAX; nth += step) {
		int result = 0;

		if (harness_stopped())
			return;
		if (!killer_run(upgrade, self->dir, nth, &result)) {
			CHECK_EQ(result, 0);
			note("up to %u points", nth - 1);
			return;
		}
		now = look(self);
		note("killed before change %u: %s", nth, now == before ? "as before" : "as after");
		before = now;
	}
	CHECK(!"an upgrade that never ends");
}

/* The pin of a map or program that this version has and the host's has not. */
static void unpin(struct upgrade_test *self, const char *what)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", self->dir, what);
	CHECK(!unlink(path));
}

TEST_F(upgrade_test, brings_what_a_new_version_needs)
{
	struct host *host;

	establish(self);
	unpin(self, "maps/ask_run");
	unpin(self, "progs/ask_flows");
	CHECK_EQ(host_open(self->dir, &host), -ENOENT);
	CHECK_HAS(fail_line(), "see 'roam host upgrade'");
	CHECK_OK(upgrade(self->dir));
	look(self);
}

/* Replaces the text of the host's layout; `change` is as long as what it replaces. */
static void lie(struct upgrade_test *self, const char *truth, const char *change)
{
	char path[400], *text = NULL, *at;

	snprintf(path, sizeof(path), "%s/maps/layout", self->dir);
	if (!CHECK_OK(layout_load(path, &text)))
		return;
	at = strstr(text, truth);
	CHECK(at != NULL);
	if (at)
		memcpy(at, change, strlen(change));
	unpin(self, "maps/layout");
	CHECK_OK(layout_store(path, text));
	free(text);
}

/* The program on the ports, without opening the host. */
static uint32_t look_at_links(struct upgrade_test *self)
{
	char path[400];
	uint32_t id;
	int fd;

	snprintf(path, sizeof(path), "%s/progs/tc_in", self->dir);
	fd = bpf_obj_get(path);
	id = prog_id(fd);
	close(fd);
	links_with(self, "-in", id);
	return id;
}

static void check_refused(struct upgrade_test *self, int err, const char *why)
{
	uint32_t before = look_at_links(self);

	CHECK_EQ(upgrade(self->dir), err);
	CHECK_HAS(fail_line(), why);
	CHECK_EQ(look_at_links(self), before);
	CHECK(!exists(self, "upgrade-new"));
	CHECK(!exists(self, "upgrade"));
}

/* e2e/upgrade.sh and prog/carry.c have layouts that can be carried over. */
TEST_F(upgrade_test, what_cannot_be_carried_over_is_refused_by_name)
{
	static const struct {
		const char *truth;
		const char *lie;
		int err;
		const char *why;
	} cases[] = {
		{ "struct roam_flow 152", "struct roam_flow 144", -EBADMSG, "map ct_table" },
		{ "seen_ns  ", "been_ns  ", -EPROTO, "struct roam_flow.seen_ns is required" },
		{ "struct roam_qos_state 40", "struct roam_qos_state 48", -EBADMSG,
		  "map qos_state" },
		{ "map vm_slot ", "map vm_slut ", -EPROTO, "map vm_slut is not in this version" },
		{ "ROAM_LIFE_ACTIVE", "ROAM_LIFE_ACTIVA", -EPROTO, "enum roam_life" },
	};

	char path[400], *text = NULL;

	establish(self);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		lie(self, cases[i].truth, cases[i].lie);
		check_refused(self, cases[i].err, cases[i].why);
		lie(self, cases[i].lie, cases[i].truth);
	}
	snprintf(path, sizeof(path), "%s/maps/layout", self->dir);
	if (!CHECK_OK(layout_load(path, &text)))
		return;
	unpin(self, "maps/layout");
	check_refused(self, -EOPNOTSUPP, "does not tell its layout");
	CHECK_OK(layout_store(path, text));
	free(text);
	CHECK_OK(upgrade(self->dir));
	look(self);
}
