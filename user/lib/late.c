// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Rows of late packets' ways: see late.h. Which device a way begins with, the host's routes say. */
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <bpf/bpf.h>
#include "late.h"
#include "port.h"
#include "text.h"
#include "vm.h"

/* ---- the host's routes ---- */

struct any_addr {
	struct sockaddr_storage addr;
	socklen_t len;
};

static struct any_addr sock_addr(const struct roam_addr *addr, uint16_t port)
{
	struct any_addr any = {};
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&any.addr;
	struct sockaddr_in *in4 = (struct sockaddr_in *)&any.addr;

	if (addr_is_ipv4(addr)) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(port);
		memcpy(&in4->sin_addr, &addr->words[3], sizeof(in4->sin_addr));
		any.len = sizeof(*in4);
	} else {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		memcpy(&in6->sin6_addr, addr, sizeof(in6->sin6_addr));
		any.len = sizeof(*in6);
	}
	return any;
}

/* As far as it is known; it also finds out whether `from` is this host's. */
static int find_mtu(const struct late_way *way, uint32_t *ret_mtu)
{
	const bool ipv4 = addr_is_ipv4(&way->to);
	struct any_addr from = sock_addr(&way->from, 0);
	struct any_addr to = sock_addr(&way->to, ROAM_LATE_PORT);
	_cleanup_close_ int fd = socket(ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[TEXT_ADDR_LEN];
	socklen_t size = sizeof(int);
	int mtu = 0;

	if (fd < 0)
		return fail_errno(-errno, "late: no socket");
	if (bind(fd, (struct sockaddr *)&from.addr, from.len))
		return fail_errno(-errno, "late: %s is no address of this host",
				  text_addr(&way->from, text));
	if (connect(fd, (struct sockaddr *)&to.addr, to.len) ||
	    getsockopt(fd, ipv4 ? IPPROTO_IP : IPPROTO_IPV6, ipv4 ? IP_MTU : IPV6_MTU, &mtu, &size))
		return fail_errno(-errno, "late: no way to %s", text_addr(&way->to, text));
	*ret_mtu = mtu;
	return 0;
}

struct route_request {
	struct nlmsghdr header;
	struct rtmsg route;
	struct rtattr attr; /* RTA_DST, with the address behind it */
	uint8_t addr[16];
};

static struct route_request ask_for(const struct roam_addr *to)
{
	const bool ipv4 = addr_is_ipv4(to);
	const size_t size = ipv4 ? 4 : 16;
	struct route_request request = {
		.header = { .nlmsg_type = RTM_GETROUTE, .nlmsg_flags = NLM_F_REQUEST },
		.route = { .rtm_family = ipv4 ? AF_INET : AF_INET6, .rtm_dst_len = size * 8 },
		.attr = { .rta_type = RTA_DST, .rta_len = RTA_LENGTH(size) },
	};

	memcpy(request.addr, ipv4 ? (const void *)&to->words[3] : to, size);
	request.header.nlmsg_len = NLMSG_LENGTH(sizeof(request.route)) +
				   RTA_ALIGN(RTA_LENGTH(size));
	return request;
}

/* RTA_OIF of the answer, or 0. */
static uint32_t device_in(const struct nlmsghdr *answer, size_t size)
{
	const struct rtmsg *route = NLMSG_DATA(answer);
	const struct rtattr *attr = RTM_RTA(route);
	uint32_t ifindex = 0;
	int left;

	if (!NLMSG_OK(answer, size) || answer->nlmsg_type != RTM_NEWROUTE ||
	    route->rtm_type != RTN_UNICAST)
		return 0;
	left = RTM_PAYLOAD(answer);
	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		if (attr->rta_type == RTA_OIF)
			memcpy(&ifindex, RTA_DATA(attr), sizeof(ifindex));
	}
	return ifindex;
}

static int find_device(const struct roam_addr *to, uint32_t *ret_ifindex)
{
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct route_request request = ask_for(to);
	union {
		struct nlmsghdr header;
		char bytes[4096];
	} answer;
	char text[TEXT_ADDR_LEN];
	ssize_t got;

	if (fd < 0 || send(fd, &request, request.header.nlmsg_len, 0) < 0)
		return fail_errno(-errno, "late: cannot ask for routes");
	got = recv(fd, &answer, sizeof(answer), 0);
	*ret_ifindex = got < (ssize_t)sizeof(answer.header) ? 0 : device_in(&answer.header, got);
	return *ret_ifindex ? 0
			    : fail(-ENETUNREACH, "late: no route to %s goes out of a device",
				   text_addr(to, text));
}

/* ---- rows ---- */

static int check_way(const struct late_way *way)
{
	char from[TEXT_ADDR_LEN], to[TEXT_ADDR_LEN];

	text_addr(&way->from, from);
	text_addr(&way->to, to);
	if (!addr_is_unicast(&way->from) || !addr_is_unicast(&way->to))
		return fail(-EINVAL, "late: %s and %s are not two hosts' addresses", from, to);
	if (addr_family(&way->from) != addr_family(&way->to))
		return fail(-EINVAL, "late: %s and %s are of two families", from, to);
	return 0;
}

int late_to_put(struct host *host, uint32_t slot, const struct late_way *way)
{
	struct roam_late_to row = { .from = way->from, .to = way->to, .epoch = way->epoch };
	int err = check_way(way);

	memcpy(row.id, way->id, sizeof(row.id));
	if (!err)
		err = find_mtu(way, &row.mtu);
	if (!err)
		err = find_device(&way->to, &row.ifindex);
	return err ? err : host_put(host, HOST_MAP_late_to, &slot, &row);
}

uint32_t late_mtu(const struct late_way *way)
{
	uint32_t mtu;

	return check_way(way) || find_mtu(way, &mtu) ? 0 : mtu;
}

/* 0: there is no such device. */
static uint32_t device_mtu(const char *dev)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {};

	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", dev);
	return fd < 0 || ioctl(fd, SIOCGIFMTU, &request) ? 0 : request.ifr_mtu;
}

uint32_t late_need(struct host *host, const char *vm, const struct roam_addr *from)
{
	struct roam_port ports[ROAM_VM_PORTS] = {};
	uint32_t slot, largest = 0;
	int count = vm_find(host, vm, &slot);

	if (!count)
		count = port_list(host, slot, ports);
	for (int i = 0; i < count; i++) {
		const uint32_t mtu = ports[i].ifindex ? device_mtu(ports[i].dev) : 0;

		if (mtu > largest)
			largest = mtu;
	}
	if (!largest)
		return 0;
	return largest + (addr_is_ipv4(from) ? ROAM_LATE_ROOM_IPV4 : ROAM_LATE_ROOM_IPV6);
}

int late_from_put(struct host *host, uint32_t slot, const struct late_way *way)
{
	struct roam_late_from row = {
		.from = way->from, .to = way->to, .epoch = way->epoch, .vm = slot
	};
	struct roam_port ports[ROAM_VM_PORTS];
	struct roam_late_key key;
	int err = check_way(way), count;

	if (err)
		return err;
	count = port_list(host, slot, ports);
	if (count < 0)
		return count;
	for (; row.mac_count < (uint32_t)count; row.mac_count++)
		memcpy(row.mac[row.mac_count].bytes, ports[row.mac_count].mac, ROAM_MAC_LEN);
	memcpy(key.id, way->id, sizeof(key.id));
	late_purge(host, now_ns());
	return host_put(host, HOST_MAP_late_from, &key, &row);
}

bool late_sent(struct host *host, const char *vm, const uint8_t id[16],
	       struct roam_late_count *ret_count)
{
	struct roam_late_to row;
	uint32_t slot;

	if (vm_find(host, vm, &slot) ||
	    bpf_map_lookup_elem(host_map(host, HOST_MAP_late_to), &slot, &row) ||
	    memcmp(row.id, id, sizeof(row.id)) != 0)
		return false;
	*ret_count = row.count;
	return true;
}

bool late_taken(struct host *host, const uint8_t id[16], struct roam_late_count *ret_count)
{
	struct roam_late_from row;
	struct roam_late_key key;

	memcpy(key.id, id, sizeof(key.id));
	if (bpf_map_lookup_elem(host_map(host, HOST_MAP_late_from), &key, &row))
		return false;
	*ret_count = row.count;
	return true;
}

void late_to_del(struct host *host, uint32_t slot)
{
	(void)bpf_map_delete_elem(host_map(host, HOST_MAP_late_to), &slot);
}

/* Rows of which `what` says so go. There are as many as handovers: few. */
static void each_from(struct host *host, bool (*what)(struct roam_late_from *row, uint64_t arg),
		      uint64_t arg)
{
	int fd = host_map(host, HOST_MAP_late_from);
	struct roam_late_key key, next;
	struct roam_late_from row;
	bool more = !bpf_map_get_next_key(fd, NULL, &next);

	while (more) {
		key = next;
		more = !bpf_map_get_next_key(fd, &key, &next);
		if (!bpf_map_lookup_elem(fd, &key, &row) && what(&row, arg))
			(void)bpf_map_delete_elem(fd, &key);
	}
}

static bool is_of_vm(struct roam_late_from *row, uint64_t slot)
{
	return row->vm == slot;
}

static bool is_over(struct roam_late_from *row, uint64_t now)
{
	return row->until_ns && now >= row->until_ns;
}

void late_from_del(struct host *host, uint32_t slot)
{
	each_from(host, is_of_vm, slot);
}

void late_purge(struct host *host, uint64_t now_ns)
{
	each_from(host, is_over, now_ns);
}

/* What is counted between reading and writing is lost: nothing but the count. */
void late_from_end(struct host *host, uint32_t slot)
{
	int fd = host_map(host, HOST_MAP_late_from);
	struct roam_late_key key, *at = NULL;
	struct roam_late_from row;

	for (; !bpf_map_get_next_key(fd, at, &key); at = &key) {
		if (bpf_map_lookup_elem(fd, &key, &row) || row.vm != slot || row.until_ns)
			continue;
		row.until_ns = now_ns() + ROAM_LATE_MOST_S * NS_PER_S;
		(void)bpf_map_update_elem(fd, &key, &row, BPF_EXIST);
	}
}
