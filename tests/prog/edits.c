// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Who changes a VM's policy, or its state by hand, while a handover of it is under way: as long as
 * it is copied the change is noticed by the next delta; once it is frozen, has moved, or has come
 * from another host and does not run here yet, the change is refused with one line and nothing is
 * another. A new writer is a row of `writers`.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "acl.h"
#include "ct.h"
#include "ct_import.h"
#include "harness.h"
#include "hosts.h"
#include "image_parts.h"
#include "ips.h"
#include "journal.h"
#include "lb.h"
#include "move.h"
#include "policy.h"
#include "port.h"
#include "qos.h"
#include "state.h"
#include "text.h"
#include "twohosts.h"
#include "vm.h"

/* ---- who writes ---- */

static struct roam_acl_rule rule_from(const char *name, int family)
{
	struct roam_acl_rule rule = {
		.prio = 5,
		.action = ROAM_ACTION_DROP,
		.family = family == 4 ? ROAM_FAMILY_IPV4 : ROAM_FAMILY_IPV6,
		.any_proto = 1,
		.lport = { 0, UINT16_MAX },
		.rport = { 0, UINT16_MAX },
		.remote = { .addr = cast_stranger_addr(family), .bits = 128 },
	};

	strcpy(rule.name, name);
	return rule;
}

static int add_rule4(struct host *host, uint32_t slot)
{
	struct roam_acl_rule rule = rule_from("four", 4);

	return acl_add(host, slot, &rule);
}

static int add_rule6(struct host *host, uint32_t slot)
{
	struct roam_acl_rule rule = rule_from("six", 6);

	return acl_add(host, slot, &rule);
}

static int add_rules(struct host *host, uint32_t slot)
{
	struct roam_acl_rule rules[] = { rule_from("one", 4), rule_from("two", 6) };

	return acl_add_many(host, slot, rules, ARRAY_SIZE(rules));
}

static int del_rule(struct host *host, uint32_t slot)
{
	return acl_del(host, slot, "ssh");
}

static struct roam_port another_port(uint8_t number)
{
	struct roam_port port = {
		.mac = { 0x52, 0x54, 0, 0, 9, number },
		.addr_count = 2,
		.addr = { packet_addr("203.0.113.9"), packet_addr("2001:db8:9::9") },
	};

	port.addr[0].bytes[15] = port.addr[1].bytes[15] = number;
	snprintf(port.dev, sizeof(port.dev), "absent%u", number);
	text_mac(port.mac, port.zone_name);
	return port;
}

static int add_port(struct host *host, uint32_t slot)
{
	struct roam_port port = another_port(1);

	return port_add(host, slot, &port);
}

static int add_port_learning(struct host *host, uint32_t slot)
{
	struct roam_port port = another_port(2);
	struct port_learning learning = { .seconds = 60 };

	return port_add_learning(host, slot, &port, &learning);
}

static int del_port(struct host *host, uint32_t slot)
{
	return port_del(host, slot, cast_vm_mac);
}

static int set_vm(struct host *host, uint32_t slot)
{
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	vm.timeouts.established = 77;
	return err ? err : vm_set(host, slot, &vm);
}

static int set_default(struct host *host, uint32_t slot)
{
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	vm.default_action[ROAM_DIR_OUT] = ROAM_ACTION_DROP;
	return err ? err : vm_set(host, slot, &vm);
}

static int set_quota(struct host *host, uint32_t slot)
{
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	vm.quota_flows *= 2;
	return err ? err : vm_set(host, slot, &vm);
}

static int set_qos(struct host *host, uint32_t slot)
{
	struct roam_qos qos = { .is_set = 1, .rate_Bps = 1000000, .burst = 100000 };

	return qos_set(host, slot, ROAM_DIR_IN, &qos);
}

static int del_qos(struct host *host, uint32_t slot)
{
	return qos_set(host, slot, ROAM_DIR_IN, &(struct roam_qos){});
}

static int set_ips(struct host *host, uint32_t slot)
{
	struct roam_ips conf = ips_defaults();

	conf.block_s *= 2;
	return ips_set(host, slot, &conf);
}

static int del_ips(struct host *host, uint32_t slot)
{
	return ips_del(host, slot);
}

static int block4(struct host *host, uint32_t slot)
{
	struct roam_addr addr = cast_stranger_addr(4);

	return ips_block_add(host, slot, &addr, 0);
}

static int block6(struct host *host, uint32_t slot)
{
	struct roam_addr addr = cast_stranger_addr(6);

	return ips_block_add(host, slot, &addr, 100);
}

static int unblock4(struct host *host, uint32_t slot)
{
	struct roam_addr addr = cast_stranger_addr(4);

	return ips_block_del(host, slot, &addr);
}

static int unblock6(struct host *host, uint32_t slot)
{
	struct roam_addr addr = cast_stranger_addr(6);

	return ips_block_del(host, slot, &addr);
}

static int lb_off(struct host *host, uint32_t slot)
{
	return lb_use(host, slot, false);
}

static int lb_on(struct host *host, uint32_t slot)
{
	return lb_use(host, slot, true);
}

static int flush(struct host *host, uint32_t slot)
{
	return ct_flush(host, slot, &(uint64_t){ 0 });
}

/* There is not always an nf_conntrack that anything could come from. */
static int import(struct host *host, uint32_t slot)
{
	struct ct_imported imported;
	int err = ct_import(host, slot, &imported);

	return err == -EBUSY ? err : 0;
}

static int apply(struct host *host, uint32_t slot)
{
	_cleanup_policy_ struct policy policy = {};
	int err = policy_get(host, slot, &policy);

	policy.vm.midstream = !policy.vm.midstream;
	policy.vm.life = ROAM_LIFE_ACTIVE;
	return err ? err : policy_apply(host, &policy);
}

/* Each could be done after those before it, and to the VM of edit_setup(). */
static const struct writer {
	const char *name;
	int (*write)(struct host *host, uint32_t slot);
	bool is_flows; /* what it adds to flows is logged as packets' is */
} writers[] = {
	{ .name = "acl add, IPv4", .write = add_rule4 },
	{ .name = "acl add, IPv6", .write = add_rule6 },
	{ .name = "acl add of several", .write = add_rules },
	{ .name = "acl del", .write = del_rule },
	{ .name = "port add", .write = add_port },
	{ .name = "port add learn", .write = add_port_learning },
	{ .name = "vm set timeout", .write = set_vm },
	{ .name = "vm set default", .write = set_default },
	{ .name = "vm set flows", .write = set_quota },
	{ .name = "qos set", .write = set_qos },
	{ .name = "qos del", .write = del_qos },
	{ .name = "ips block, IPv4", .write = block4 },
	{ .name = "ips block, IPv6", .write = block6 },
	{ .name = "ips release, IPv4", .write = unblock4 },
	{ .name = "ips release, IPv6", .write = unblock6 },
	{ .name = "ips set", .write = set_ips },
	{ .name = "ips del", .write = del_ips },
	{ .name = "lb off", .write = lb_off },
	{ .name = "lb on", .write = lb_on },
	{ .name = "ct flush", .write = flush },
	{ .name = "ct import", .write = import, .is_flows = true },
	{ .name = "policy apply", .write = apply },
	{ .name = "port del", .write = del_port },
};

/* ---- a VM on its way ---- */

struct edit {
	struct test_host *host;
	struct host *other; /* the same host, as another process has it */
	uint32_t slot;
	struct move_source *source;
	struct move_dest *dest;
	struct image_bytes image;
	struct move_stats stats;
};

static const struct move_source_options options = { .id = { 0xab, 0xcd }, .round_ms = 3600 * 1000 };

static void run_packet(struct edit *self, int family, enum roam_dir dir)
{
	struct packet_spec spec = cast_packet(family, dir, 17);
	struct packet packet;

	packet_build(&spec, &packet);
	hosts_run(self->host, FRONT_TC, dir, &packet);
}

static void edit_setup(struct edit *self)
{
	self->host = hosts_shared();
	self->host->now_ns = now_ns();
	hosts_add_vm(self->host);
	CHECK_OK(vm_find(self->host->host, "vm", &self->slot));
	CHECK_OK(set_ips(self->host->host, self->slot));
	CHECK_OK(block4(self->host->host, self->slot));
	CHECK_OK(block6(self->host->host, self->slot));
	CHECK_OK(set_qos(self->host->host, self->slot));
	CHECK_OK(lb_on(self->host->host, self->slot));
	run_packet(self, 4, ROAM_DIR_OUT);
	run_packet(self, 6, ROAM_DIR_OUT);
}

static void edit_teardown(struct edit *self)
{
	move_source_close(self->source);
	move_dest_close(self->dest);
	host_close(self->other);
	CHECK_OK(vm_del(self->host->host, "vm"));
	image_bytes_free(&self->image);
}

static struct image_bytes *fresh(struct edit *self)
{
	self->image.len = self->image.read = 0;
	return &self->image;
}

static void copy(struct edit *self)
{
	CHECK_OK(move_source_open(self->host->host, "vm", &options, &self->source));
	CHECK_OK(move_source_base(self->source, image_bytes_write, fresh(self)));
}

static int delta(struct edit *self)
{
	return move_source_delta(self->source, image_bytes_write, fresh(self), &self->stats);
}

static int last(struct edit *self)
{
	return move_source_last(self->source, image_bytes_write, fresh(self), &self->stats);
}

static int take_base(struct edit *self)
{
	struct state_dev dev = { .dev = self->host->dev };
	struct move_dest_options dest = { .devs = &dev, .dev_count = 1 };

	memcpy(dev.mac, cast_vm_mac, ROAM_MAC_LEN);
	self->image.read = 0;
	return move_dest_base(self->host->host, &dest, image_bytes_read, &self->image, &self->dest);
}

/* The image is here; the VM that it was made of is not. */
static void leave(struct edit *self)
{
	CHECK_OK(move_source_abort(self->source));
	CHECK_OK(vm_del(self->host->host, "vm"));
}

static void check_refused(struct edit *self, const char *why)
{
	uint64_t print = twohosts_print(self->host->host);

	for (size_t i = 0; i < ARRAY_SIZE(writers); i++) {
		if (!CHECK_EQ(writers[i].write(self->host->host, self->slot), -EBUSY) ||
		    !CHECK_HAS(fail_line(), "vm 'vm': ") || !CHECK_HAS(fail_line(), why) ||
		    !CHECK_HAS(fail_line(), "(handover abcd0000000000000000000000000000, ") ||
		    !CHECK_HAS(fail_line(), ": not changed here; ") ||
		    !CHECK_EQ(twohosts_print(self->host->host), print))
			note("%s: %s", writers[i].name, fail_line());
	}
	CHECK(journal_is_empty(self->host->host));
}

static void check_allowed(struct edit *self)
{
	for (size_t i = 0; i < ARRAY_SIZE(writers); i++) {
		if (!CHECK_OK(writers[i].write(self->host->host, self->slot)))
			note("%s: %s", writers[i].name, fail_line());
	}
}

/* ---- at the source ---- */

TEST_F(edit, while_it_is_copied_every_change_is_noticed)
{
	copy(self);
	for (size_t i = 0; i < ARRAY_SIZE(writers); i++) {
		int err = 0;

		CHECK_OK(move_source_base(self->source, image_bytes_write, fresh(self)));
		if (!CHECK_OK(writers[i].write(self->host->host, self->slot)))
			note("%s: %s", writers[i].name, fail_line());
		err = delta(self);
		if (!writers[i].is_flows && !CHECK(err == -ESTALE || (!err && self->stats.whole)))
			note("%s: %d", writers[i].name, err);
	}
}

TEST_F(edit, a_frozen_vm_is_not_changed)
{
	copy(self);
	CHECK_OK(move_source_freeze(self->source));
	check_refused(self, "is leaving this host");
	CHECK_HAS(fail_line(), "edit it at the destination when it runs there, or abort");
	CHECK_OK(last(self)); /* it goes on: all has been sent */
	check_refused(self, "is leaving this host");
	run_packet(self, 4, ROAM_DIR_OUT); /* it is heard */
	CHECK(move_source_thawed(self->source));
	check_allowed(self);
}

TEST_F(edit, a_vm_whose_handover_is_given_up_is_changed_again)
{
	copy(self);
	CHECK_OK(move_freeze(self->host->host, "vm")); /* another process */
	check_refused(self, "is leaving this host");
	CHECK_OK(move_source_abort(self->source));
	check_allowed(self);
}

TEST_F(edit, a_vm_that_has_moved_is_not_changed)
{
	copy(self);
	CHECK_OK(move_source_freeze(self->source));
	CHECK_OK(move_source_moved(self->source, 0));
	check_refused(self, "has left this host");
	CHECK_HAS(fail_line(), "edit it at the destination");
	run_packet(self, 6, ROAM_DIR_OUT); /* it has not */
	CHECK(move_source_two_senders(self->source));
	check_allowed(self);
}

/* What goes on with a VM that stands still is none of that. */
TEST_F(edit, a_frozen_vm_is_bound_released_and_deleted)
{
	struct roam_gate gate;

	copy(self);
	CHECK_OK(move_source_freeze(self->source));
	CHECK_OK(port_bind_all(self->host->host, self->slot));
	CHECK_OK(port_bind_missing(self->host->host, self->slot, NULL));
	CHECK_OK(move_source_moved(self->source, 0));
	CHECK_OK(move_gate_get(self->host->host, self->slot, &gate));
	CHECK_OK(move_release(self->host->host, "vm", options.id, gate.epoch));
	hosts_add_vm(self->host);
	move_source_close(self->source);
	copy(self);
	CHECK_OK(move_source_freeze(self->source));
	CHECK_OK(vm_del(self->host->host, "vm"));
	hosts_add_vm(self->host);
}

static void *freeze(void *arg)
{
	struct edit *self = arg;

	return (void *)(intptr_t)move_source_freeze(self->source);
}

/* Who has begun before the freeze and ends behind it: the freeze waits, and the last delta knows.
 */
TEST_F(edit, a_change_is_before_the_freeze_or_refused)
{
	pthread_t thread;
	void *err;

	CHECK_OK(host_open(host_dir(self->host->host), &self->other));
	copy(self);
	CHECK_OK(host_lock(self->other));
	pthread_create(&thread, NULL, freeze, self);
	usleep(100000);
	CHECK_OK(add_rule4(self->other, self->slot));
	host_unlock(self->other);
	pthread_join(thread, &err);
	CHECK_OK((int)(intptr_t)err);
	CHECK_EQ(last(self), -ESTALE);
	CHECK_EQ(add_rule6(self->other, self->slot), -EBUSY);
}

struct reading {
	struct edit *edit;
	bool begun;
};

/* The handover begins once the load has looked at the VM. */
static int read_late(void *bytes, size_t size, void *arg)
{
	struct reading *reading = arg;
	struct edit *self = reading->edit;

	if (!reading->begun && self->image.read > self->image.len / 2) {
		reading->begun = true;
		CHECK_OK(move_source_open(self->host->host, "vm", &options, &self->source));
		CHECK_OK(move_source_freeze(self->source));
	}
	return image_bytes_read(bytes, size, &self->image);
}

TEST_F(edit, no_image_takes_the_place_of_a_vm_that_has_left_meanwhile)
{
	struct reading reading = { .edit = self };
	struct state_save save = {
		.vm = "vm",
		.write = image_bytes_write,
		.arg = &self->image,
	};
	struct state_load load = { .replace = true, .read = read_late, .arg = &reading };
	struct state_loaded loaded;
	struct roam_gate gate;
	uint32_t slot;

	CHECK_OK(state_save(self->host->host, &save));
	CHECK_EQ(state_load(self->host->host, &load, &loaded), -EBUSY);
	CHECK(reading.begun);
	CHECK_HAS(fail_line(), "a handover of the vm is under way here (frozen)");
	CHECK_OK(vm_find(self->host->host, "vm", &slot));
	CHECK_EQ(slot, self->slot);
	CHECK_OK(move_gate_get(self->host->host, slot, &gate));
	CHECK_EQ(gate.state, ROAM_GATE_FROZEN);
}

/* ---- at the destination ---- */

TEST_F(edit, a_vm_that_comes_is_changed_once_it_runs)
{
	copy(self);
	leave(self);
	CHECK_OK(take_base(self));
	self->slot = move_dest_slot(self->dest);
	check_refused(self, "is coming to this host");
	CHECK_HAS(fail_line(), "edit it when it runs here, or at the source");
	run_packet(self, 4, ROAM_DIR_OUT);
	check_allowed(self);
}

/* One that was here before has a policy that stays, whatever becomes of the handover. */
TEST_F(edit, a_vm_with_a_policy_of_its_own_is_changed_while_it_comes)
{
	struct roam_vm vm = {};

	copy(self);
	CHECK_OK(move_source_abort(self->source));
	CHECK_OK(vm_get(self->host->host, self->slot, &vm));
	vm.life = ROAM_LIFE_SHUT;
	CHECK_OK(vm_set(self->host->host, self->slot, &vm));
	CHECK_OK(take_base(self));
	self->slot = move_dest_slot(self->dest);
	check_allowed(self);
	CHECK_OK(move_dest_wipe(self->dest));
	CHECK_EQ(acl_del(self->host->host, self->slot, "ssh"), -ENOENT);
	CHECK_OK(acl_del(self->host->host, self->slot, "six"));
}

static int count_current(const struct roam_flow_rec *rows, uint32_t count, void *arg)
{
	struct edit *self = arg;
	struct roam_vm vm = {};

	CHECK_OK(vm_get(self->host->host, self->slot, &vm));
	for (uint32_t i = 0; i < count; i++)
		CHECK_NE(rows[i].flow.gen, vm.gen);
	self->stats.rows += count;
	return 0;
}

/* What was changed where the VM runs is asked about flows that come late, all of them in a scan. */
TEST_F(edit, flows_of_a_late_scan_are_matched_against_what_was_changed)
{
	struct image_bytes base = {};

	copy(self);
	base = self->image;
	self->image = (struct image_bytes){};
	CHECK_OK(move_source_resume(self->source, 0));
	move_unlogged(self->host->host, self->slot);
	CHECK_OK(delta(self));
	CHECK(self->stats.whole);
	leave(self);
	self->slot = ROAM_VM_NONE;
	{
		struct image_bytes scan = self->image;

		self->image = base;
		CHECK_OK(take_base(self));
		self->slot = move_dest_slot(self->dest);
		image_bytes_free(&self->image);
		self->image = scan;
	}
	run_packet(self, 4, ROAM_DIR_OUT);
	CHECK_OK(del_rule(self->host->host, self->slot));
	self->image.read = 0;
	CHECK_OK(move_dest_delta(self->dest, image_bytes_read, &self->image));
	self->stats.rows = 0;
	CHECK_OK(ct_dump(self->host->host, self->slot, count_current, self));
	CHECK_OP(self->stats.rows, >, 0);
}
