// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* What kill_each.h tells: a VM made anew before each kill, and what its next reader must find. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "audit.h"
#include "ct.h"
#include "harness.h"
#include "hosts.h"
#include "ips.h"
#include "kill_each.h"
#include "killer.h"
#include "qos.h"
#include "text.h"
#include "vm.h"

#define CHANGES_MAX 400

struct roam_flow_rec kill_flow(unsigned int i)
{
	return (struct roam_flow_rec){
		.key = { .local = cast_vm_addr(4),
			 .remote = cast_peer_addr(4),
			 .lport = htons(1000 + i),
			 .family = 4,
			 .proto = IPPROTO_TCP },
		.flow = { .created_ns = i, .seen_ns = now_ns(), .state = ROAM_CT_ESTABLISHED },
	};
}

struct job {
	const struct kill_change *change;
	const char *dir;
};

/* In the process that is killed. */
static int run_job(const void *arg)
{
	const struct job *job = arg;
	_cleanup_host_ struct host *host = NULL;
	uint32_t slot;
	int err = host_open(job->dir, &host);

	if (!err)
		err = vm_find(host, "vm", &slot);
	if (!err)
		err = job->change->make(host, slot);
	if (err)
		note("%s: %d: %s", job->change->name, err, fail_line());
	return err;
}

static int del_any(struct host *host, uint32_t slot, void *arg)
{
	struct roam_vm vm;

	(void)arg;
	return vm_get(host, slot, &vm) ? -ENOENT : vm_del(host, vm.name);
}

/* A rate toward the VM, and a block. */
static bool add_features(struct test_host *host, uint32_t slot)
{
	struct roam_qos conf = { .is_set = 1, .rate_Bps = 2000000, .burst = 200000 };
	struct roam_ips ips = ips_defaults();
	struct roam_addr from = { .words = { 1, 2, 0, 0 } };

	ips.sources = ips.blocks = ROAM_IPS_QUOTA_MIN;
	return CHECK_OK(qos_set(host->host, slot, ROAM_DIR_IN, &conf)) &&
	       CHECK_OK(ips_set(host->host, slot, &ips)) &&
	       CHECK_OK(ips_block_add(host->host, slot, &from, 0));
}

/* One VM "vm" with a port, two rules, some flows and the features, and nothing else. */
static bool reset(struct test_host *host, const struct kill_change *change)
{
	struct roam_flow_rec flows[KILL_FLOWS];
	uint32_t slot;

	vm_each(host->host, del_any, NULL);
	hosts_add_vm(host);
	for (unsigned int i = 0; i < KILL_FLOWS; i++)
		flows[i] = kill_flow(i);
	return CHECK_OK(vm_find(host->host, "vm", &slot)) && add_features(host, slot) &&
	       CHECK_OK(ct_load(host->host, ROAM_CT_TABLE(slot, 0, ROAM_CT_FLOWS), flows,
				KILL_FLOWS)) &&
	       (!change->prepare || CHECK_OK(change->prepare(host->host, slot)));
}

/* As the next process finds the host. */
static char *look(const char *dir)
{
	_cleanup_host_ struct host *host = NULL;

	return CHECK_OK(host_open(dir, &host)) ? audit(host) : NULL;
}

static void say_difference(const char *found, const char *before, const char *after)
{
	char *copy = strdup(found), *rest;

	for (char *at = strtok_r(copy, "\n", &rest); at; at = strtok_r(NULL, "\n", &rest)) {
		if (!strstr(before, at) || !strstr(after, at))
			note("found: %s", at);
	}
	free(copy);
}

/* Kills at each change in turn until there are no more. */
static void kill_everywhere(struct test_host *host, const struct job *job, const char *before,
			    const char *after)
{
	/* Where it takes long, some points have to stand for all. */
	unsigned int rounds = harness_rounds(CHANGES_MAX);
	unsigned int step = rounds < CHANGES_MAX ? CHANGES_MAX / (rounds + 1) : 1;
	bool used = true;

	for (unsigned int nth = 1 + harness_seed() % step; nth < CHANGES_MAX; nth += step) {
		int result = 0, killed;
		char *found;
		bool good;

		if (used && !reset(host, job->change))
			return;
		killed = killer_run(run_job, job, nth, &result);
		if (!killed) {
			CHECK_EQ(result, 0);
			note("up to %u points", nth - 1);
			return;
		}
		found = look(job->dir);
		good = found && (!strcmp(found, before) || !strcmp(found, after));
		if (!CHECK(good)) {
			note("killed before its change %u", nth);
			say_difference(found ? found : "", before, after);
		}
		used = found && strcmp(found, before) != 0;
		free(found);
		if (!good)
			return;
	}
	CHECK(!"a change that never ends");
}

/* One host for all tests: it is as good as new after each of them. */
static struct test_host *kill_host(void)
{
	static struct test_host host;

	if (!host.host) {
		hosts_enter();
		hosts_make("kill", &host);
	}
	return &host;
}

void kill_each(const struct kill_change *change)
{
	struct test_host *host = kill_host();
	struct job job = { change, host_dir(host->host) };
	char *before, *after;
	int result = -1;

	if (!reset(host, change))
		return;
	before = look(job.dir);
	CHECK_EQ(killer_run(run_job, &job, 0, &result), 0);
	CHECK_EQ(result, 0);
	after = look(job.dir);
	if (CHECK(before && after))
		kill_everywhere(host, &job, before, after);
	free(before);
	free(after);
}
