// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* See tunnel.h. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/bpf.h>
#include "harness.h"
#include "lb.h"
#include "tunnel.h"
#include "vm.h"

static const uint8_t nexthop_mac[ROAM_MAC_LEN] = { 0x52, 0x54, 0, 0, 2, 2 };
const uint8_t tunnel_own_mac[ROAM_MAC_LEN] = { 0x52, 0x54, 0, 0, 2, 1 };

/* The balancer's end and the host's. */
struct roam_addr tunnel_near(int family)
{
	return packet_addr(family == 4 ? "203.0.113.1" : "2001:db8:3::1");
}

struct roam_addr tunnel_far(int family)
{
	return packet_addr(family == 4 ? "203.0.113.2" : "2001:db8:3::2");
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	CHECK(file != NULL);
	if (!file)
		return;
	fputs(text, file);
	CHECK_OK(fclose(file));
}

void tunnel_network(const char *dev, const char *peer)
{
	hosts_ip(
		(const char *[]){ "ip", "link", "set", dev, "address", "52:54:00:00:02:01", NULL });
	hosts_ip((const char *[]){ "ip", "link", "set", dev, "up", NULL });
	hosts_ip((const char *[]){ "ip", "link", "set", peer, "up", NULL });
	hosts_ip((const char *[]){ "ip", "addr", "add", "203.0.113.1/24", "dev", dev, NULL });
	hosts_ip((const char *[]){ "ip", "addr", "add", "2001:db8:3::1/64", "dev", dev, "nodad",
				   NULL });
	hosts_ip((const char *[]){ "ip", "neigh", "add", "203.0.113.2", "lladdr",
				   "52:54:00:00:02:02", "dev", dev, NULL });
	hosts_ip((const char *[]){ "ip", "neigh", "add", "2001:db8:3::2", "lladdr",
				   "52:54:00:00:02:02", "dev", dev, NULL });
	write_file("/proc/sys/net/ipv4/ip_forward", "1");
	write_file("/proc/sys/net/ipv6/conf/all/forwarding", "1");
}

struct test_host *tunnel_host(void)
{
	struct test_host *host = uplink_host();
	static bool made;

	if (!made)
		tunnel_network(host->dev, UPLINK_PEER);
	made = true;
	return host;
}

void tunnel_test_setup(struct tunnel_test *self)
{
	self->host = tunnel_host();
	CHECK_OK(vm_find(self->host->host, "vm", &self->slot));
}

void tunnel_test_teardown(struct tunnel_test *self)
{
	CHECK_OK(lb_del(self->host->host, "web"));
}

/* A service whose only backend is the VM, or who moved in its place. */
void tunnel_add_web(struct tunnel_test *self, int family)
{
	uplink_add_service(self->host, family);
	uplink_add_backend(self->host, cast_vm_addr(family));
}

uint16_t tunnel_tag(int family)
{
	struct roam_addr addr = cast_vm_addr(family);

	return ntohs(lb_tag_of(&addr));
}

struct roam_addr tunnel_twin(int family, int nth)
{
	struct roam_addr vm = cast_vm_addr(family), addr = vm;
	__be16 tag = lb_tag_of(&vm);

	for (uint32_t low = 1; low < 1U << 24; low++) {
		memcpy(&addr.bytes[13], (uint8_t[]){ low >> 16, low >> 8, low }, 3);
		if (lb_tag_of(&addr) == tag && memcmp(&addr, &vm, sizeof(vm)) != 0 && !nth--)
			return addr;
	}
	abort();
}

/* What is round a packet in the tunnel, as it leaves the balancer. */
struct packet_spec tunnel_outer(int outer)
{
	struct packet_spec spec = {
		.src = tunnel_near(outer),
		.dst = tunnel_far(outer),
		.frag = outer == 4 ? PACKET_DONT_FRAGMENT : 0,
	};

	memcpy(spec.smac, tunnel_own_mac, ROAM_MAC_LEN);
	memcpy(spec.dmac, nexthop_mac, ROAM_MAC_LEN);
	return spec;
}

bool tunnel_same(const struct packet *got, const struct packet *wanted)
{
	return CHECK_EQ(got->len, wanted->len) && CHECK_MEM(got->bytes, wanted->bytes, wanted->len);
}

bool tunnel_drops(struct tunnel_test *self, const struct packet *packet, enum roam_reason reason)
{
	uint64_t before = uplink_counted(self->host, ROAM_VM_NONE, reason);
	struct packet after;

	return CHECK_EQ(uplink_run(self->host, packet, &after), XDP_DROP) &&
	       CHECK_EQ(uplink_counted(self->host, ROAM_VM_NONE, reason), before + 1);
}

int tunnel_move(struct tunnel_test *self, int family, int outer)
{
	struct roam_addr addr = cast_vm_addr(family);
	struct lb_place to = { .host = tunnel_far(outer), .from = tunnel_near(outer) };

	return lb_backend_move(self->host->host, "web", &addr, &to);
}
