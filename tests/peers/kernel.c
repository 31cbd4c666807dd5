// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The kernel's nf_conntrack as an oracle: see kernel.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include "harness.h"
#include "kernel.h"

#define ROUTER_MAC { 0x02, 0, 0, 0, 0, 1 }
#define IPV4_LEN   20
#define IPV6_LEN   40

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "# kernel: %s: %s\n", what, strerror(errno));
	abort();
}

static void run(const char *command)
{
	must(!system(command), command); /* NOLINT(cert-env33-c) */
}

static void set(const char *sysctl, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s", sysctl);
	fd = open(path, O_WRONLY);
	must(fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value), sysctl);
	close(fd);
}

const char *kernel_lacks(void)
{
	if (system("nft --version >/dev/null 2>&1")) /* NOLINT(cert-env33-c) */
		return "nft is not installed";
	if (access("/proc/sys/net/netfilter/nf_conntrack_tcp_loose", F_OK) &&
	    system("modprobe nf_conntrack 2>/dev/null")) /* NOLINT(cert-env33-c) */
		return "the kernel has no nf_conntrack";
	return NULL;
}

/* A frame that leaves `hears` has come in at `speaks`, and was routed. */
static int open_device(const char *name)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(name),
	};
	struct timeval patience = { .tv_sec = 2 };
	int sock = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), yes = 1;

	must(sock >= 0, "a packet socket");
	must(!setsockopt(sock, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof(yes)), "a socket");
	must(!setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), "a socket");
	must(!bind(sock, (struct sockaddr *)&at, sizeof(at)), name);
	return sock;
}

static const char rules[] =
	"table inet oracle { chain tell { type filter hook forward priority 0; "
	"ct state invalid ip dscp set 1; ct state invalid ip6 dscp set 1; "
	"ct state new ip dscp set 2; ct state new ip6 dscp set 2; "
	"ct state established ip dscp set 3; ct state established ip6 dscp set 3; }; }";

/* remote -- (far | near) router (inner | vm) -- VM; far and vm are ours to send and to hear. */
void kernel_open(struct kernel *kernel)
{
	static const char *const devices[] = { "far", "near", "inner", "vm" };
	char command[1024];
	cpu_set_t one;

	/* What we send is forwarded before send() returns: on one CPU there is nobody else to. */
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	must(!sched_setaffinity(0, sizeof(one), &one), "one CPU");
	must(!unshare(CLONE_NEWNET | CLONE_NEWNS), "a namespace");
	must(!mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private mounts");
	must(!mount("sys", "/sys", "sysfs", 0, NULL), "sysfs");
	run("ip link set lo up");
	run("ip link add far type veth peer name near address 02:00:00:00:00:01");
	run("ip link add vm type veth peer name inner address 02:00:00:00:00:01");
	for (int i = 0; i < 4; i++) {
		snprintf(command, sizeof(command), "ip link set %s up arp off addrgenmode none",
			 devices[i]);
		run(command);
	}
	set("ipv4/ip_forward", "1");
	set("ipv6/conf/all/forwarding", "1");
	set("ipv4/conf/all/rp_filter", "0");
	set("ipv4/conf/near/rp_filter", "0");
	set("ipv4/conf/inner/rp_filter", "0");
	run("ip route add 10.0.0.10 dev inner && ip route add 192.0.2.7 dev near");
	run("ip -6 route add fd00::10 dev inner && ip -6 route add 2001:db8::7 dev near");
	snprintf(command, sizeof(command), "nft '%s'", rules);
	run(command);
	kernel->socks[ROAM_DIR_IN] = open_device("far");
	kernel->socks[ROAM_DIR_OUT] = open_device("vm");
}

void kernel_close(struct kernel *kernel)
{
	close(kernel->socks[ROAM_DIR_IN]);
	close(kernel->socks[ROAM_DIR_OUT]);
}

void kernel_set_loose(bool loose)
{
	set("netfilter/nf_conntrack_tcp_loose", loose ? "1" : "0");
}

/* Flushing by taking the rules away, and with them the hooks, would keep the entries. */
void kernel_forget(void)
{
	run("conntrack -F 2>/dev/null");
}

static int dscp(const uint8_t *frame)
{
	const uint8_t *ip = frame + ETH_HLEN;

	return ip[0] >> 4 == 4 ? ip[1] >> 2 : ((ip[0] & 15) << 4 | ip[1] >> 4) >> 2;
}

/* Whether that is what we sent: the transport's header is the same. */
static bool is_same(const struct packet *packet, const uint8_t *frame, ssize_t len)
{
	uint32_t off = ETH_HLEN + (packet->bytes[ETH_HLEN] >> 4 == 4 ? IPV4_LEN : IPV6_LEN);

	return len == packet->len && !memcmp(frame + off, packet->bytes + off, 20);
}

enum kernel_state kernel_run(struct kernel *kernel, enum roam_dir dir, const struct packet *packet)
{
	static const uint8_t mac[] = ROUTER_MAC;
	uint8_t frame[PACKET_MAX];
	ssize_t len;

	memcpy(frame, packet->bytes, packet->len);
	memcpy(frame, mac, sizeof(mac));
	must(send(kernel->socks[dir], frame, packet->len, 0) == packet->len, "sending");
	do {
		len = recv(kernel->socks[!dir], frame, sizeof(frame), 0);
		must(len > 0, "a packet that was to be forwarded");
	} while (!is_same(packet, frame, len));
	return dscp(frame);
}
