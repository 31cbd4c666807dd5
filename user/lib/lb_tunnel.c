// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Tunnels to backends on hosts elsewhere, and the balancers whose tunnels end here: see lb.h. Each
 * change is the write of one row.
 */
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <xxhash.h>
#include <sys/socket.h>
#include <bpf/bpf.h>
#include "lb.h"
#include "lb_compile.h"
#include "text.h"

static const struct roam_addr nowhere;

bool lb_is_elsewhere(const struct roam_lb_backend *row)
{
	return memcmp(&row->host, &nowhere, sizeof(nowhere)) != 0;
}

__be16 lb_tag_of(const struct roam_addr *addr)
{
	return htons(XXH3_64bits(addr, sizeof(*addr)) & UINT16_MAX);
}

int lb_check_tag(struct host *host, const struct lb_service *service, __be16 tag)
{
	struct roam_lb_tag_key key = { .service = service->row.id, .tag = tag };
	struct roam_lb_tagged row;

	if (bpf_map_lookup_elem(host_map(host, HOST_MAP_lb_tag), &key, &row) ||
	    !row.backend[ROAM_LB_TAGGED - 1])
		return 0;
	return fail(-ENOSPC, "lb '%s': %d backends have tag %04x, the most that can",
		    service->row.name, ROAM_LB_TAGGED, ntohs(tag));
}

/* An address that another host can know one by. */
static int check_end(struct host *host, const struct roam_addr *addr)
{
	char text[TEXT_ADDR_LEN];
	uint32_t slot;

	if (!addr_is_unicast(addr) || (!addr_is_ipv4(addr) && IN6_IS_ADDR_LINKLOCAL(addr->bytes)))
		return fail(-EINVAL, "lb: %s is no host's address", text_addr(addr, text));
	if (!bpf_map_lookup_elem(host_map(host, HOST_MAP_port_addr), addr, &slot))
		return fail(-EINVAL, "lb: %s is the address of a VM; a tunnel ends at a host",
			    text_addr(addr, text));
	return 0;
}

/* `own` is this host's. */
static int check_ends(struct host *host, const struct roam_addr *other, const struct roam_addr *own)
{
	char text[TEXT_ADDR_LEN], own_text[TEXT_ADDR_LEN];
	int err = check_end(host, other);

	if (!err)
		err = check_end(host, own);
	if (err)
		return err;
	if (addr_family(other) != addr_family(own))
		return fail(-EINVAL, "lb: %s and %s are of two families", text_addr(other, text),
			    text_addr(own, own_text));
	if (!memcmp(other, own, sizeof(*own)))
		return fail(-EINVAL, "lb: %s cannot be both ends of a tunnel",
			    text_addr(other, text));
	return 0;
}

/* At the far end, the tag alone says who is meant. */
static int check_told_apart(struct host *host, const struct lb_service *service,
			    const struct lb_backend *moved, const struct lb_place *to)
{
	_cleanup_lb_backends_ struct lb_backends backends = {};
	char text[TEXT_ADDR_LEN], other_text[TEXT_ADDR_LEN];
	int err = lb_list_backends(host, service, &backends);

	for (uint32_t i = 0; i < backends.count && !err; i++) {
		const struct roam_lb_backend *other = &backends.list[i].row;

		if (backends.list[i].number == moved->number ||
		    memcmp(&other->host, &to->host, sizeof(to->host)) != 0 ||
		    other->tag != moved->row.tag)
			continue;
		err = fail(-EEXIST, "lb '%s': %s has the tag of %s, which is at that address",
			   service->row.name, text_addr(&moved->row.addr, text),
			   text_addr(&other->addr, other_text));
	}
	return err;
}

static int move_locked(struct host *host, const char *name, const struct roam_addr *addr,
		       const struct lb_place *to)
{
	struct lb_service service;
	struct lb_backend backend;
	int err = lb_find(host, name, &service);

	if (!err)
		err = lb_find_backend(host, &service, addr, &backend);
	if (err)
		return err;
	backend.row.host = to->host;
	backend.row.from = to->from;
	if (lb_is_elsewhere(&backend.row)) {
		err = check_ends(host, &to->host, &to->from);
		if (!err)
			err = check_told_apart(host, &service, &backend, to);
	}
	return err ? err : lb_put_backend(host, &service, backend.number, &backend.row);
}

int lb_backend_move(struct host *host, const char *name, const struct roam_addr *addr,
		    const struct lb_place *to)
{
	int err = host_lock(host);

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	return move_locked(locked, name, addr, to);
}

/* Without a row: of no peers. */
static void get_peers(struct host *host, const struct roam_addr *at, struct roam_lb_peers *ret_row)
{
	struct roam_lb_peers row = {};

	if (bpf_map_lookup_elem(host_map(host, HOST_MAP_lb_peers), at, &row))
		row.count = 0;
	*ret_row = row;
}

static uint32_t peer_at(const struct roam_lb_peers *row, const struct roam_addr *addr)
{
	uint32_t at = 0;

	while (at < row->count && memcmp(&row->addr[at], addr, sizeof(*addr)) != 0)
		at++;
	return at;
}

static int add_locked(struct host *host, const struct lb_peer *peer)
{
	char text[TEXT_ADDR_LEN], at_text[TEXT_ADDR_LEN];
	struct roam_lb_peers row;
	int err = check_ends(host, &peer->addr, &peer->at);

	if (err)
		return err;
	text_addr(&peer->addr, text);
	text_addr(&peer->at, at_text);
	get_peers(host, &peer->at, &row);
	if (peer_at(&row, &peer->addr) < row.count)
		return fail(-EEXIST, "lb: %s is a peer at %s already", text, at_text);
	if (row.count == ROAM_LB_PEERS)
		return fail(-ENOSPC, "lb: %s has %d peers, the most there can be", at_text,
			    ROAM_LB_PEERS);
	row.addr[row.count++] = peer->addr;
	if (bpf_map_update_elem(host_map(host, HOST_MAP_lb_peers), &peer->at, &row, BPF_ANY)) {
		if (errno == E2BIG)
			return fail(-ENOSPC, "lb: peers are at %d addresses, the most there can be",
				    ROAM_LB_ENDS);
		return fail_errno(-errno, "lb: cannot write lb_peers");
	}
	return 0;
}

int lb_peer_add(struct host *host, const struct lb_peer *peer)
{
	int err = host_lock(host);

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	return add_locked(locked, peer);
}

int lb_peer_del(struct host *host, const struct lb_peer *peer)
{
	char text[TEXT_ADDR_LEN], at_text[TEXT_ADDR_LEN];
	struct roam_lb_peers row;
	int err = host_lock(host);
	uint32_t at;

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	get_peers(locked, &peer->at, &row);
	at = peer_at(&row, &peer->addr);
	if (at == row.count)
		return fail(-ENOENT, "lb: %s is no peer at %s", text_addr(&peer->addr, text),
			    text_addr(&peer->at, at_text));
	row.addr[at] = row.addr[--row.count];
	row.addr[row.count] = nowhere;
	return row.count ? host_put(host, HOST_MAP_lb_peers, &peer->at, &row)
			 : host_delete(host, HOST_MAP_lb_peers, &peer->at);
}

static int compare_peers(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lb_peer));
}

int lb_peer_each(struct host *host, int (*fn)(const struct lb_peer *peer, void *arg), void *arg)
{
	_cleanup_free_ struct lb_peer *list = calloc(ROAM_LB_ENDS * ROAM_LB_PEERS, sizeof(*list));
	int fd = host_map(host, HOST_MAP_lb_peers), err = 0;
	struct roam_addr key, *at = NULL;
	uint32_t count = 0, ends = 0;

	if (!list)
		return fail(-ENOMEM, "lb: out of memory");
	for (; ends < ROAM_LB_ENDS && !bpf_map_get_next_key(fd, at, &key); ends++) {
		struct roam_lb_peers row;

		at = &key;
		get_peers(host, &key, &row);
		for (uint32_t i = 0; i < row.count; i++)
			list[count++] = (struct lb_peer){ row.addr[i], key };
	}
	qsort(list, count, sizeof(*list), compare_peers);
	for (uint32_t i = 0; i < count && !err; i++)
		err = fn(&list[i], arg);
	return err;
}

/* The port of a socket that never sends is as good as any. */
#define ANY_PORT 9

int lb_own_addr(const struct roam_addr *toward, struct roam_addr *ret_addr)
{
	bool ipv4 = addr_is_ipv4(toward);
	_cleanup_close_ int fd = socket(ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(ANY_PORT) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(ANY_PORT) };
	struct sockaddr *sa = ipv4 ? (struct sockaddr *)&in4 : (struct sockaddr *)&in6;
	socklen_t len = ipv4 ? sizeof(in4) : sizeof(in6);
	char text[TEXT_ADDR_LEN];

	in4.sin_addr.s_addr = toward->words[3];
	memcpy(&in6.sin6_addr, toward, sizeof(in6.sin6_addr));
	if (fd < 0 || connect(fd, sa, len) || getsockname(fd, sa, &len))
		return fail_errno(-errno, "lb: the host has no address toward %s",
				  text_addr(toward, text));
	*ret_addr = (struct roam_addr){ .words = { 0, 0, htonl(0xffff), in4.sin_addr.s_addr } };
	if (!ipv4)
		memcpy(ret_addr, &in6.sin6_addr, sizeof(*ret_addr));
	return 0;
}
