// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Explaining changes nothing, and says what would be: for every reason that there is, in every
 * direction and family that it is known in, a packet is explained; all maps must be as before, and
 * the real list must then find the same reason for the same packet. A reason that no row of
 * explain_causes.h causes fails the test, unless `spared` says why.
 */
#include "ct.h"
#include "explain.h"
#include "explain_causes.h"
#include "explain_script.h"
#include "harness.h"
#include "map_sums.h"
#include "monitor.h"
#include "stats.h"
#include "tunnel.h"
#include "vm.h"

#define FILL 64 /* rows of the smallest tables */

static const char *const reason_name[] = {
#define X(id, name, verdict, text) [ROAM_REASON_##id] = name,
	ROAM_REASONS(X)
#undef X
};

/* ---- one cause ---- */

static uint64_t counted(struct explain_test *self, uint32_t slot, uint8_t reason)
{
	struct roam_stats stats;

	CHECK_OK(stats_fold(self->host->host, slot, &stats));
	return stats.by_reason[reason][self->dir].packets;
}

static int hear(const struct roam_event *event, void *arg)
{
	(void)event;
	++*(uint32_t *)arg;
	return 0;
}

/* Events since the last call, by a listener to everything. */
static uint32_t heard(struct explain_test *self)
{
	static const struct monitor_want all = { ROAM_EVENT_BIT(ROAM_EVENT_COUNT) - 1, ROAM_VM_NONE,
						 1 << 20 };
	static struct monitor *monitor;
	uint32_t count = 0;

	if (!monitor)
		CHECK_OK(monitor_open(self->host->host, &all, &monitor));
	CHECK_OK(monitor_poll(monitor, 0, hear, &count));
	return count;
}

static void compare(struct explain_test *self, const struct cause *cause,
		    const struct packet *packet)
{
	static struct map_sums before, after;
	struct roam_explain run = {};
	uint64_t count;

	heard(self);
	map_sums(self->host->host, &before);
	if (self->at_uplink)
		CHECK_OK(explain_uplink(self->host->host, self->host->ifindex, packet, &run));
	else
		CHECK_OK(explain_port(self->host->host, self->host->ifindex, self->dir, packet,
				      &run));
	map_sums(self->host->host, &after);
	CHECK_EQ(map_sums_differ(&before, &after, true), 0);
	CHECK_EQ(heard(self), 0);
	if (!CHECK_EQ(run.pkt.reason, cause->reason))
		note("explained as %s", reason_name[run.pkt.reason]);
	CHECK_OP(run.steps, >, 1);
	CHECK_OP(run.steps, <, ROAM_EXPLAIN_STEPS);

	count = counted(self, run.pkt.vm, cause->reason);
	self->age_ns = now_ns() - run.pkt.now_ns; /* buckets fill with time */
	CHECK_EQ(self->at_uplink ? script_run_uplink(self, packet)
				 : script_run_live(self, self->dir, packet),
		 run.verdict);
	CHECK_EQ(counted(self, run.pkt.vm, cause->reason), count + 1);
	if (run.verdict == ROAM_DROP)
		CHECK(heard(self) > 0);
	map_sums(self->host->host, &after);
	CHECK_OP(map_sums_differ(&before, &after, false), >, 0); /* and the sums can tell */
}

static void command(struct explain_test *self, const char *line)
{
	if (!CHECK(script_command(self, line)))
		note("%s: %s", line, fail_line());
}

/* As it is for every cause. Making and removing it takes long: it stays while only flows come. */
static void make_vm(struct explain_test *self)
{
	uint64_t flows;

	if (!vm_find(self->host->host, "vm", &self->slot)) {
		CHECK_OK(ct_flush(self->host->host, self->slot, &flows));
		return;
	}
	command(self, "vm add vm default in allow out allow flows 64 half 64");
	command(self, "acl add vm vm name no-ssh-in in drop tcp from any dport 22");
	command(self, "acl add vm vm name no-ssh-out out drop tcp to any dport 22");
	command(self, "port add vm vm dev DEV mac MAC addr 10.0.0.10 addr fd00::10");
	CHECK_OK(vm_find(self->host->host, "vm", &self->slot));
	self->changed = false;
}

static void remove_vm(struct explain_test *self)
{
	if (!self->changed && !harness_stopped())
		return;
	vm_del(self->host->host, "vm");
	script_command(self, "lb del web"); /* few have it, or these */
	script_command(self, "lb peer del NEAR at FAR");
	script_command(self, "lb peer del NOWHERE at FAR");
}

/* For tunnels: a link of the host's, whose other end is FAR. */
static void make_network(void)
{
	static bool made;

	if (made)
		return;
	made = true;
	hosts_ip((const char *[]){ "ip", "link", "add", "far0", "type", "veth", "peer", "name",
				   "far1", NULL });
	hosts_ip((const char *[]){ "ip", "link", "set", "far0", "mtu", "1400", NULL });
	tunnel_network("far0", "far1");
}

static void explain_test_setup(struct explain_test *self)
{
	self->host = hosts_shared();
	make_network();
	self->cmd.host = self->host->host;
	self->cmd.out = out_open(OUT_JSON);
	make_vm(self);
}

static void explain_test_teardown(struct explain_test *self)
{
	remove_vm(self);
	out_close(self->cmd.out);
}

static void try_cause(struct explain_test *self, const struct cause *cause)
{
	struct packet packet;

	remove_vm(self);
	make_vm(self);
	self->age_ns = 0;
	self->changed |= cause->prepare || cause->fill;
	for (int i = 0; cause->fill && i < FILL; i++) {
		self->number = 100 + i;
		script_run(self, cause->fill);
	}
	script_run(self, cause->script);
	self->outside = self->at_uplink;
	if (script_packet(self, self->dir, cause->packet, &packet)) {
		if (cause->damage)
			cause->damage(&packet);
		if (cause->prepare)
			cause->prepare(self);
		compare(self, cause, &packet);
	}
	if (harness_stopped())
		note("%s, %s", cause->name, self->dir == ROAM_DIR_OUT ? "out" : "in");
}

TEST_46_EACH_F(explain_test, changes_nothing, causes)
{
	if (!(row->families & (family == 4 ? V4 : V6)))
		return;
	self->family = family;
	for (self->dir = 0; self->dir < ROAM_DIR_COUNT && !harness_stopped(); self->dir++) {
		if (row->dirs & (1 << self->dir))
			try_cause(self, row);
	}
	self->dir = ROAM_DIR_IN;
	self->at_uplink = true;
	if (row->dirs & UPLINK && !harness_stopped())
		try_cause(self, row);
}

TEST(every_reason_is_caused)
{
	for (uint32_t reason = 0; reason < ROAM_REASON_COUNT; reason++) {
		uint32_t found = 0, why = 0;

		for (size_t i = 0; i < ARRAY_SIZE(causes); i++)
			found += causes[i].reason == reason;
		for (size_t i = 0; i < ARRAY_SIZE(spared); i++)
			why += spared[i].reason == reason && spared[i].why[0];
		if (!CHECK_EQ(!!found + why, 1))
			note("%s: no cause in this test, or one and an excuse",
			     reason_name[reason]);
	}
}
