// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* A VM's quotas change while its packets run: no flow may be lost, and no packet be refused. */
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "ct.h"
#include "harness.h"
#include "hosts.h"
#include "packet.h"
#include "util.h"
#include "vm.h"

#define FLOWS   300
#define HALF    40
#define CHANGES 12

static struct test_host host;
static uint32_t slot;

/* One of the VM's connections, by turns over IPv4 and IPv6. */
static enum roam_verdict run(unsigned int i, enum roam_dir dir, uint8_t flags)
{
	struct packet_spec spec = cast_tcp(i % 2 ? 6 : 4, dir, flags);
	struct packet packet;

	if (dir == ROAM_DIR_OUT)
		spec.sport = 10000 + i;
	else
		spec.dport = 10000 + i;
	packet_build(&spec, &packet);
	host.now_ns = now_ns();
	return hosts_run(&host, FRONT_TC, dir, &packet);
}

static bool open_flows(void)
{
	for (unsigned int i = 0; i < FLOWS; i++) {
		if (!CHECK_EQ(run(i, ROAM_DIR_OUT, ROAM_TCP_SYN), ROAM_PASS) ||
		    !CHECK_EQ(run(i, ROAM_DIR_IN, ROAM_TCP_SYN | ROAM_TCP_ACK), ROAM_PASS) ||
		    !CHECK_EQ(run(i, ROAM_DIR_OUT, ROAM_TCP_ACK), ROAM_PASS))
			return false;
	}
	for (unsigned int i = FLOWS; i < FLOWS + HALF; i++)
		CHECK_EQ(run(i, ROAM_DIR_OUT, ROAM_TCP_SYN), ROAM_PASS);
	return true;
}

static int set_quotas(uint32_t flows, uint32_t half)
{
	struct roam_vm vm;
	int err = vm_get(host.host, slot, &vm);

	vm.quota_flows = flows;
	vm.quota_half = half;
	return err ? err : vm_set(host.host, slot, &vm);
}

static bool make(void)
{
	static bool entered;

	if (!entered) {
		hosts_enter();
		hosts_make("quota", &host);
		hosts_add_vm(&host);
	}
	entered = true;
	return CHECK_OK(vm_find(host.host, "vm", &slot)) && CHECK_OK(set_quotas(400, 100));
}

/* Counted by the process that sends, read by the one that changes quotas. */
struct sent {
	atomic_uint passed;
	atomic_uint refused;
};

static void send_forever(struct sent *sent)
{
	for (unsigned int i = 0;; i++) {
		enum roam_dir dir = i % 3 ? ROAM_DIR_IN : ROAM_DIR_OUT;

		if (run(i % FLOWS, dir, ROAM_TCP_ACK) == ROAM_PASS)
			sent->passed++;
		else
			sent->refused++;
	}
}

static int count_rows(const struct roam_flow_rec *rows, uint32_t count, void *arg)
{
	(void)rows;
	*(uint32_t *)arg += count;
	return 0;
}

static void check_rows(void)
{
	uint32_t used[ROAM_CT_KINDS], rows = 0;

	CHECK_OK(ct_dump(host.host, slot, count_rows, &rows));
	CHECK_EQ(rows, FLOWS + HALF);
	CHECK_OK(ct_used(host.host, slot, used));
	CHECK_EQ(used[ROAM_CT_FLOWS], FLOWS);
	CHECK_EQ(used[ROAM_CT_HALF], HALF);
}

TEST(changes_while_packets_run)
{
	struct sent *sent = mmap(NULL, sizeof(*sent), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	if (!make() || !open_flows())
		return;
	pid = fork();
	if (!pid)
		send_forever(sent);
	for (int i = 0; i < CHANGES; i++) {
		unsigned int before = sent->passed;

		CHECK_OK(set_quotas(i % 2 ? 400 : 350, i % 2 ? 100 : 200));
		while (sent->passed < before + FLOWS && !sent->refused)
			usleep(1000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CHECK_EQ(sent->refused, 0);
	note("%u packets while %d quotas changed", sent->passed, CHANGES);
	check_rows();
}

TEST(too_small_is_refused)
{
	struct roam_vm before, after;

	if (!make() || !open_flows())
		return;
	CHECK_OK(vm_get(host.host, slot, &before));
	CHECK_EQ(set_quotas(FLOWS - 1, 100), -EBUSY);
	CHECK_HAS(fail_line(), "flows 299 is too few: it holds 300");
	CHECK_EQ(set_quotas(ROAM_QUOTA_MIN - 1, 100), -ERANGE);
	CHECK_EQ(set_quotas(400, ROAM_QUOTA_MAX + 1), -ERANGE);
	CHECK_OK(vm_get(host.host, slot, &after));
	CHECK_MEM(&after, &before, sizeof(before));
	check_rows();
}
