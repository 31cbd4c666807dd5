// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * A host goes over to a version with another layout of its maps, and back: all that a VM has become
 * is the same as before, whoever is killed on the way. The other version is this one with other
 * headers (tests/other/headers). e2e/upgrade.sh does it under load.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "acl.h"
#include "draft.h"
#include "final.h"
#include "harness.h"
#include "host_upgrade.h"
#include "hosts.h"
#include "ips.h"
#include "killer.h"
#include "lb.h"
#include "move.h"
#include "qos.h"
#include "trace.h"
#include "vm.h"

#define OTHER       "build/other/build/roam"
#define UPTIME      (500000 * SECOND)
#define TRACES      3
#define SESSIONS    8
#define CHANGES_MAX 1000

struct carry_test {
	struct test_host host;
	char dir[256];
	uint32_t slot;
	struct final before;
	char said[1024];
};

/* What it admits counts, by rule and by remote; nothing comes to the limits. */
static void add_limit(struct carry_test *self, const char *name, enum roam_dir dir)
{
	struct roam_acl_rule rule = {
		.prio = 1,
		.dir = dir,
		.action = ROAM_ACTION_ALLOW,
		.proto = IPPROTO_TCP,
		.lport = { 0, UINT16_MAX },
		.rport = { 0, UINT16_MAX },
		.conns = 1000,
		.perremote = dir == ROAM_DIR_OUT ? 500 : 0,
	};

	snprintf(rule.name, sizeof(rule.name), "%s", name);
	CHECK_OK(acl_add(self->host.host, self->slot, &rule));
}

/* A rate, limits on new connections and on live ones, sessions of services. */
static void add_features(struct carry_test *self)
{
	struct roam_qos qos = {
		.is_set = 1,
		.rate_Bps = 50 * ROAM_QOS_RATE_MIN,
		.burst = ROAM_QOS_BURST_MIN,
	};
	struct roam_ips ips = ips_defaults();

	ips.rate = ips.burst = 2;
	ips.sources = ips.blocks = ROAM_IPS_QUOTA_MIN;
	CHECK_OK(vm_find(self->host.host, "vm", &self->slot));
	CHECK_OK(lb_use(self->host.host, self->slot, true));
	CHECK_OK(ips_set(self->host.host, self->slot, &ips));
	CHECK_OK(qos_set(self->host.host, self->slot, ROAM_DIR_OUT, &qos));
	add_limit(self, "some-out", ROAM_DIR_OUT);
	add_limit(self, "some-in", ROAM_DIR_IN);
}

/* Windows of what has come over are liberal; nothing else of a flow differs. */
static bool collect(struct carry_test *self, struct final *ret_final)
{
	if (!final_collect(&self->host, ret_final))
		return false;
	for (uint32_t i = 0; i < ret_final->count; i++) {
		for (int dir = 0; dir < ROAM_DIR_COUNT; dir++)
			ret_final->flows[i].flow.side[dir].tcp.flags &= ~ROAM_TCP_END_STALE;
	}
	return true;
}

/* The VM has connections to the peer, and one that the peer has not answered. */
static void establish(struct carry_test *self)
{
	static const struct {
		int family;
		enum roam_dir dir;
		uint8_t flags;
	} steps[] = {
		{ 4, ROAM_DIR_OUT, ROAM_TCP_SYN },
		{ 6, ROAM_DIR_OUT, ROAM_TCP_SYN },
		{ 4, ROAM_DIR_IN, ROAM_TCP_SYN | ROAM_TCP_ACK },
		{ 6, ROAM_DIR_IN, ROAM_TCP_SYN | ROAM_TCP_ACK },
		{ 4, ROAM_DIR_OUT, ROAM_TCP_ACK },
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct packet_spec spec = cast_tcp(steps[i].family, steps[i].dir, steps[i].flags);
		struct packet packet;

		packet_build(&spec, &packet);
		CHECK_EQ(hosts_run(&self->host, FRONT_TC, steps[i].dir, &packet), ROAM_PASS);
	}
}

/* Some of these go to the peer in place of the service: each of those has a second key. */
static void open_sessions(struct carry_test *self)
{
	for (int family = 4; family <= 6; family += 2) {
		for (int i = 0; i < SESSIONS; i++) {
			struct packet_spec spec = cast_tcp(family, ROAM_DIR_OUT, ROAM_TCP_SYN);
			struct packet packet;

			spec.dst = trace_vip(family);
			spec.dport = TRACE_VIP_PORT;
			spec.sport = 41000 + i;
			packet_build(&spec, &packet);
			CHECK_EQ(hosts_run(&self->host, FRONT_TC, ROAM_DIR_OUT, &packet),
				 ROAM_PASS);
		}
	}
}

static void carry_test_setup(struct carry_test *self)
{
	static struct traced trace[TRACE_LEN];

	if (access(OTHER, X_OK)) {
		skip("there is no " OTHER);
		return;
	}
	hosts_enter();
	hosts_make("carry", &self->host);
	snprintf(self->dir, sizeof(self->dir), "%s", host_dir(self->host.host));
	trace_add_services(&self->host);
	hosts_add_vm(&self->host);
	add_features(self);
	self->host.now_ns = UPTIME;
	establish(self);
	open_sessions(self);
	for (int i = 1; i <= TRACES; i++) {
		trace_make(trace);
		for (int k = 0; k < TRACE_LEN; k++) {
			self->host.now_ns = UPTIME + 10 * i * SECOND + trace[k].at_ns;
			hosts_run(&self->host, trace[k].front, trace[k].dir, &trace[k].packet);
		}
	}
	collect(self, &self->before);
	note("%u flows, %u second keys", self->before.count, self->before.wire_rows);
	CHECK_OP(self->before.count, >, 0);
	CHECK_OP(self->before.wire_rows, >, 0);
}

static void carry_test_teardown(struct carry_test *self)
{
	if (self->host.host)
		hosts_remove(&self->host);
}

/* The other version's command on this host; what it says is in self->said. */
static int other(struct carry_test *self, const char *object, const char *verb)
{
	FILE *said = tmpfile();
	int status, pid;
	ssize_t len;

	self->said[0] = '\0';
	CHECK(said != NULL);
	if (!said)
		return -1;
	pid = fork();
	if (!pid) {
		if (dup2(fileno(said), STDOUT_FILENO) < 0 || dup2(fileno(said), STDERR_FILENO) < 0)
			_exit(126);
		execl(OTHER, OTHER, "--bpffs", self->dir, object, verb, NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		status = -1;
	len = pread(fileno(said), self->said, sizeof(self->said) - 1, 0);
	self->said[len > 0 ? len : 0] = '\0';
	fclose(said);
	return status;
}

static int upgrade(const void *dir)
{
	struct host_upgraded upgraded;

	return host_upgrade(dir, &upgraded);
}

/* The host is this version's, and all on it is as it was. */
static void check_same(struct carry_test *self)
{
	static struct final now;
	struct host *host = NULL;

	if (!CHECK_OK(host_open(self->dir, &host))) {
		note("%s", fail_line());
		return;
	}
	host_close(self->host.host);
	self->host.host = host;
	if (collect(self, &now))
		final_compare(&self->before, &now);
}

TEST_F(carry_test, all_goes_over_and_back)
{
	struct host *host;

	for (int i = 0; i < 2 && !harness_stopped(); i++) {
		CHECK_EQ(other(self, "host", "upgrade"), 0);
		CHECK_EQ(host_open(self->dir, &host), -EOPNOTSUPP);
		CHECK_HAS(fail_line(), "see 'roam host upgrade'");
		/* Who has had the host open does not write to it. */
		CHECK_EQ(host_lock(self->host.host), -EOPNOTSUPP);
		CHECK_EQ(other(self, "vm", "show"), 0);
		if (!CHECK_OK(upgrade(self->dir)))
			note("%s", fail_line());
		check_same(self);
	}
}

TEST_F(carry_test, a_killed_one_is_carried_through)
{
	unsigned int rounds = harness_rounds(6), step = 300 / rounds + 1, nth;

	for (nth = 1 + harness_seed() % step; nth < CHANGES_MAX; nth += step) {
		bool carried;
		int result = 0, killed;

		if (harness_stopped())
			return;
		CHECK_EQ(other(self, "host", "upgrade"), 0);
		killed = killer_run(upgrade, self->dir, nth, &result);
		carried = killed && other(self, "vm", "show");
		if (killed)
			note("killed before change %u: %s", nth,
			     carried ? "it is carried through" : "as before");
		if (carried) /* what comes from here on differs more from point to point */
			step = 60 / rounds + 1;
		CHECK_EQ(result, 0);
		if (!CHECK_OK(upgrade(self->dir)))
			note("%s", fail_line());
		check_same(self);
		if (!killed) {
			note("up to %u points", nth - 1);
			return;
		}
	}
	CHECK(!"an upgrade that never ends");
}

static void open_source(struct carry_test *self, struct move_source **ret_source)
{
	const struct move_source_options options = { .id = { 7 } };

	CHECK_OK(move_source_open(self->host.host, "vm", &options, ret_source));
}

/* Its log and its deltas are of the layout that it was begun in. */
TEST_F(carry_test, a_handover_is_ended_first)
{
	_cleanup_move_source_ struct move_source *source = NULL;
	char path[300];

	open_source(self, &source);
	CHECK_NE(other(self, "host", "upgrade"), 0);
	CHECK_HAS(self->said, "a handover of vm 'vm' is under way: end it first");
	snprintf(path, sizeof(path), "%s/upgrade-new", self->dir);
	CHECK(access(path, F_OK));
	snprintf(path, sizeof(path), "%s/upgrade", self->dir);
	CHECK(access(path, F_OK));
	CHECK_OK(move_source_freeze(source));
	CHECK_NE(other(self, "host", "upgrade"), 0);
	CHECK_HAS(self->said, "is under way");
	CHECK_OK(move_source_abort(source));
	check_same(self);
	CHECK_EQ(other(self, "host", "upgrade"), 0);
	CHECK_OK(upgrade(self->dir));
	check_same(self);
}
