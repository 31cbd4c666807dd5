// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * A host goes over to a version with another layout of its maps, and back: all that a VM has become
 * is the same as before, whoever is killed on the way. The other version is this one with other
 * headers (tests/other/headers). e2e/upgrade.sh does it under load.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <sys/syscall.h>
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
#include "lb_stats.h"
#include "move.h"
#include "qos.h"
#include "trace.h"
#include "vm.h"

#define OTHER       "build/other/build/roam"
#define UPTIME      (500000 * SECOND)
#define TRACES      3
#define SESSIONS    8
#define CHANGES_MAX 1000

#define BACKENDS 16

struct carry_test {
	struct test_host host;
	char dir[256];
	uint32_t slot;
	struct final before;
	struct roam_lb_stats backends[BACKENDS];
	uint64_t at_ns;     /* of the last trace */
	uint64_t latest_ns; /* of all packets: traces may overlap */
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

/* What it rejects is answered, and logged. */
static void add_reject(struct carry_test *self)
{
	struct roam_acl_rule rule = {
		.name = "no",
		.dir = ROAM_DIR_IN,
		.action = ROAM_ACTION_REJECT,
		.proto = IPPROTO_UDP,
		.lport = { CAST_VM_PORT, CAST_VM_PORT },
		.rport = { 0, UINT16_MAX },
		.log = 5,
	};

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
	add_reject(self);
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

static void count_backends(struct host *host, struct roam_lb_stats ret_stats[BACKENDS])
{
	for (uint32_t number = 0; number < BACKENDS; number++)
		CHECK_OK(lb_stats_fold(host, number, &ret_stats[number]));
}

/* All of it is there to be lost: hits, buckets, sources, blocks, trains, counters of backends. */
static void check_there_is_all(struct carry_test *self)
{
	const struct final *before = &self->before;
	uint64_t hits = 0, sessions = 0;

	for (uint32_t i = 0; i < before->rule_count; i++)
		hits += before->rules[i].hits.packets;
	for (uint32_t i = 0; i < BACKENDS; i++)
		sessions += self->backends[i].sessions;
	note("%u flows, %u second keys, %u sources, %u blocks, %u trains, %llu hits, %llu sessions",
	     before->count, before->wire_rows, before->source_count, before->block_count,
	     before->train_count, (unsigned long long)hits, (unsigned long long)sessions);
	CHECK_OP(before->count, >, 0);
	CHECK_OP(before->source_count, >, 0);
	CHECK_OP(before->block_count, >, 0);
	CHECK_OP(before->train_count, >, 0);
	CHECK_OP(hits, >, 0);
	CHECK_OP(sessions, >, 0);
	CHECK_OP(before->qos[ROAM_DIR_OUT].state.passed_bytes, >, 0);
	CHECK_OP(before->reject_paid_ns, >, 0);
}

/* What the VM has become, by the programs of this version. */
static void remember(struct carry_test *self)
{
	collect(self, &self->before);
	count_backends(self->host.host, self->backends);
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

static void reject_some(struct carry_test *self)
{
	for (int family = 4; family <= 6; family += 2) {
		struct packet_spec spec = cast_packet(family, ROAM_DIR_IN, IPPROTO_UDP);
		struct packet packet;

		packet_build(&spec, &packet);
		CHECK_EQ(hosts_run(&self->host, FRONT_TC, ROAM_DIR_IN, &packet), ROAM_DROP);
		CHECK(self->host.answered);
	}
}

/* The peer opens more than it may, and the VM begins a datagram that never ends. */
static void exceed_and_begin(struct carry_test *self, int family)
{
	struct packet_spec spec = cast_tcp(family, ROAM_DIR_IN, ROAM_TCP_SYN);
	struct packet_cut first = { .hi = 64, .id = 9 };
	struct packet packet, part;

	spec.dport = 80;
	for (int i = 0; i < 4; i++) {
		spec.sport = 52000 + i;
		packet_build(&spec, &packet);
		hosts_run(&self->host, FRONT_TC, ROAM_DIR_IN, &packet);
	}
	spec = cast_packet(family, ROAM_DIR_OUT, IPPROTO_UDP);
	spec.sport = 41000;
	spec.payload = 200;
	packet_build(&spec, &packet);
	packet_cut(&packet, first, &part);
	CHECK_EQ(hosts_run(&self->host, FRONT_TC, ROAM_DIR_OUT, &part), ROAM_PASS);
}

static void run_trace(struct carry_test *self)
{
	static struct traced trace[TRACE_LEN];

	trace_make(trace);
	self->at_ns += 10 * SECOND;
	for (int i = 0; i < TRACE_LEN; i++) {
		self->host.now_ns = self->at_ns + trace[i].at_ns;
		if (self->host.now_ns > self->latest_ns)
			self->latest_ns = self->host.now_ns;
		hosts_run(&self->host, trace[i].front, trace[i].dir, &trace[i].packet);
	}
}

/* What has become of the VM by then is what has to come over. */
static void run_traces(struct carry_test *self)
{
	for (int i = 0; i < TRACES; i++)
		run_trace(self);
	self->host.now_ns = self->at_ns = self->latest_ns + 10 * SECOND;
	exceed_and_begin(self, 4);
	exceed_and_begin(self, 6);
	remember(self);
	check_there_is_all(self);
}

static void carry_test_setup(struct carry_test *self)
{
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
	reject_some(self);
	self->at_ns = UPTIME;
	run_traces(self);
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
	struct roam_lb_stats backends[BACKENDS];
	struct host *host = NULL;

	if (!CHECK_OK(host_open(self->dir, &host))) {
		note("%s", fail_line());
		return;
	}
	host_close(self->host.host);
	self->host.host = host;
	if (collect(self, &now))
		final_compare(&self->before, &now);
	count_backends(host, backends);
	CHECK_MEM(backends, self->backends, sizeof(backends));
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

static int upgrade_to_other(const void *dir)
{
	if (!freopen("/dev/null", "w", stdout))
		return -1;
	execl(OTHER, OTHER, "--bpffs", dir, "host", "upgrade", NULL);
	return -1;
}

/*
 * Killed when there is no way back any more: the new programs are not on a device yet, and the old
 * ones go on. What they have written since it was copied comes, too, and what was counted before
 * does not come again.
 */
TEST_F(carry_test, what_old_programs_write_meanwhile_comes_too)
{
	int result = 0;

	if (!CHECK_EQ(killer_run_behind(upgrade_to_other, self->dir, SYS_rename, &result), 1))
		return;
	run_traces(self);
	if (!CHECK_EQ(other(self, "host", "upgrade"), 0))
		return;
	CHECK_OK(upgrade(self->dir));
	check_same(self);
}

/* A map of the host, by its pin. */
static int open_map(struct carry_test *self, const char *name)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/maps/%s", self->dir, name);
	fd = bpf_obj_get(path);
	CHECK_OP(fd, >=, 0);
	return fd;
}

/* Where a program of that version writes: the other version's rows have one field more in front. */
#define OWN_BYTES   2
#define OTHER_BYTES 3

/* What a program has let pass by then: 60 s at the rate. */
static void pass_at_rate(struct carry_test *self, const char *map, int bytes_at, uint64_t now_ns)
{
	uint32_t index = ROAM_QOS(self->slot, ROAM_DIR_OUT);
	int fd = open_map(self, map);
	uint64_t state[16] = {};

	CHECK(!bpf_map_lookup_elem(fd, &index, state));
	state[0] = now_ns;
	state[bytes_at] += 60 * 50 * ROAM_QOS_RATE_MIN;
	CHECK(!bpf_map_update_elem(fd, &index, state, BPF_ANY));
	cleanup_close(&fd);
}

static uint64_t paid_ns(struct carry_test *self, const char *map)
{
	uint32_t index = ROAM_QOS(self->slot, ROAM_DIR_OUT);
	int fd = open_map(self, map);
	uint64_t state[16] = {};

	CHECK(!bpf_map_lookup_elem(fd, &index, state));
	cleanup_close(&fd);
	return state[0];
}

/* A new program does not begin with a bucket of the time when it was copied. */
TEST_F(carry_test, devices_get_programs_with_buckets_of_that_time)
{
	uint64_t now_ns = self->host.now_ns + 60 * SECOND;
	int result = 0;

	if (!CHECK_EQ(killer_run_behind(upgrade_to_other, self->dir, SYS_rename, &result), 1))
		return;
	pass_at_rate(self, "qos_state", OWN_BYTES, now_ns);
	CHECK_EQ(killer_run_to_devices(upgrade_to_other, self->dir, &result), 1);
	CHECK_OP(paid_ns(self, "../upgrade/maps/qos_state"), >=, now_ns);
	CHECK_EQ(other(self, "host", "upgrade"), 0);
	CHECK_OK(upgrade(self->dir));
	CHECK_OP(paid_ns(self, "qos_state"), >=, now_ns);
}

/*
 * Killed when the new programs are on devices. However long nobody carries it through, and each
 * bucket lets pass what the rate admits: what is owed then is not a pause of that length.
 */
TEST_F(carry_test, a_rate_is_not_in_debt_for_as_long_as_it_took)
{
	uint64_t now_ns = self->host.now_ns + 60 * SECOND;
	int result = 0;

	if (!CHECK_EQ(killer_run_behind(upgrade_to_other, self->dir, SYS_rename, &result), 1))
		return;
	pass_at_rate(self, "qos_state", OWN_BYTES, now_ns);
	pass_at_rate(self, "../upgrade/maps/qos_state", OTHER_BYTES, now_ns);
	CHECK_EQ(other(self, "host", "upgrade"), 0);
	CHECK_OK(upgrade(self->dir));
	note("in debt for %lld ms", (long long)(paid_ns(self, "qos_state") - now_ns) / 1000000);
	CHECK_OP(paid_ns(self, "qos_state"), <=, now_ns + SECOND);
}

/* Whom a client's connections go to, and its datagrams in fragments. */
TEST_F(carry_test, what_an_uplink_remembers_comes_too)
{
	struct roam_lb_affinity_key client = { .service = 5, .port = 1234 };
	struct roam_lb_frag_key datagram = { .id = 77, .proto = IPPROTO_UDP };
	struct roam_lb_affinity affinity = { .backend = 3 };
	struct roam_lb_frag train = { .since_ns = 12345, .backend = 4 };
	int affinities = open_map(self, "lb_affinity"), trains = open_map(self, "lb_frag");

	for (int family = 4; family <= 6; family += 2) {
		client.client = datagram.client = cast_peer_addr(family);
		datagram.vip = trace_vip(family);
		train.addr = cast_vm_addr(family);
		CHECK(!bpf_map_update_elem(affinities, &client, &affinity, BPF_ANY));
		CHECK(!bpf_map_update_elem(trains, &datagram, &train, BPF_ANY));
	}
	cleanup_close(&affinities);
	cleanup_close(&trains);
	CHECK_EQ(other(self, "host", "upgrade"), 0);
	CHECK_OK(upgrade(self->dir));
	affinities = open_map(self, "lb_affinity");
	trains = open_map(self, "lb_frag");
	for (int family = 4; family <= 6; family += 2) {
		struct roam_lb_affinity now = {};
		struct roam_lb_frag part = {};

		client.client = datagram.client = cast_peer_addr(family);
		datagram.vip = trace_vip(family);
		train.addr = cast_vm_addr(family);
		CHECK(!bpf_map_lookup_elem(affinities, &client, &now));
		CHECK_EQ(now.backend, 3);
		CHECK(!bpf_map_lookup_elem(trains, &datagram, &part));
		CHECK_MEM(&part, &train, sizeof(part));
	}
	cleanup_close(&affinities);
	cleanup_close(&trains);
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
