// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Sets by name of a host, and the VMs whose rules refer to them (user/lib/set.h). */
#include <string.h>
#include "acl.h"
#include "harness.h"
#include "hosts.h"
#include "set.h"
#include "vm.h"

struct set_test {
	struct test_host *host;
	uint32_t slot;
};

static void make_set(struct sets *sets, const char *name, const char *const *addrs)
{
	struct set_value *set;
	struct roam_set_entry entry;

	CHECK_OK(sets_add(sets, &set));
	strcpy(set->set.name, name);
	CHECK_OK(set_of_kind(set, ROAM_SET_ADDR));
	for (; *addrs; addrs++) {
		CHECK_OK(set_entry_parse(ROAM_SET_ADDR, *addrs, &entry));
		CHECK_OK(set_add_entry(set, ROAM_SET_ADDR, &entry));
	}
	CHECK_OK(set_finish(set));
	sets_sort(sets);
}

/* How many VMs' rules refer to what has changed. */
static uint32_t apply(struct set_test *self, const char *const *friends, bool others)
{
	static struct sets_users users;
	static const char *const none[] = { NULL };
	_cleanup_sets_ struct sets sets = {};

	if (friends)
		make_set(&sets, "friends", friends);
	if (others)
		make_set(&sets, "others", none);
	CHECK_OK(host_lock(self->host->host));
	CHECK_OK(sets_apply(self->host->host, &sets, false, &users));
	host_unlock(self->host->host);
	return users.count;
}

/* A rule that refers to them. */
static void set_test_setup(struct set_test *self)
{
	static const char *const friends[] = { "192.0.2.0/24", "2001:db8::/32", NULL };
	struct roam_acl_rule rule = {
		.name = "friends",
		.action = ROAM_ACTION_ALLOW,
		.any_proto = 1,
		.lport = { 0, UINT16_MAX },
		.rport = { 0, UINT16_MAX },
		.remote_set = "friends",
	};

	self->host = hosts_shared();
	hosts_add_vm(self->host);
	CHECK_OK(vm_find(self->host->host, "vm", &self->slot));
	apply(self, friends, false);
	CHECK_OK(acl_add(self->host->host, self->slot, &rule));
}

static void set_test_teardown(struct set_test *self)
{
	CHECK_OK(vm_del(self->host->host, "vm"));
	apply(self, NULL, false);
}

static uint32_t gen(struct set_test *self)
{
	struct roam_vm vm = {};

	CHECK_OK(vm_get(self->host->host, self->slot, &vm));
	return vm.gen;
}

/* Which map a set's place, or the list of all of them, has: another one each time it is written. */
static uint32_t map_of(struct set_test *self, enum host_map outer, uint32_t index)
{
	uint32_t id = 0;

	CHECK_OK(host_get(self->host->host, outer, &index, &id));
	return id;
}

/* Applied again, in another order, they are the same: no list is compiled, no flow matched again.
 */
TEST_F(set_test, what_is_the_same_changes_nothing)
{
	static const char *const again[] = { "2001:db8::/32", "192.0.2.0/24", NULL };
	static const char *const more[] = { "192.0.2.0/24", "2001:db8::/32", "198.51.100.1", NULL };
	uint32_t before = gen(self), all = map_of(self, HOST_MAP_set_all, 0);

	CHECK_EQ(apply(self, again, false), 0);
	CHECK_EQ(gen(self), before);
	CHECK_EQ(map_of(self, HOST_MAP_set_all, 0), all);
	/* One that is new, one that is gone, and one that holds more, are changes. */
	CHECK_EQ(apply(self, again, true), 0);
	CHECK(map_of(self, HOST_MAP_set_all, 0) != all);
	CHECK_EQ(gen(self), before);
	all = map_of(self, HOST_MAP_set_all, 0);
	apply(self, again, false);
	CHECK(map_of(self, HOST_MAP_set_all, 0) != all);
	CHECK_EQ(apply(self, more, false), 1);
	CHECK(gen(self) != before);
}
