// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * flows BPFFS VM COUNT: gives a VM so many established connections, by turns over IPv4 and IPv6,
 * between its addresses in world.py and made-up ones. For tools/bench/images.py.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include "ct.h"
#include "host.h"
#include "port.h"
#include "text.h"
#include "vm.h"

#define CHUNK 4096

static int die(const char *what)
{
	fprintf(stderr, "flows: %s: %s\n", what, fail_line());
	return 1;
}

static struct roam_flow_rec make_flow(uint32_t i, const struct roam_port *port)
{
	uint8_t family = i % 2 ? ROAM_FAMILY_IPV6 : ROAM_FAMILY_IPV4;
	struct roam_flow_rec rec = {
		.key = {
			.lport = htons(443),
			.rport = htons(1024 + i / 2 % 60000),
			.zone = ROAM_ZONE(port->zone, 0),
			.family = family,
			.proto = IPPROTO_TCP,
		},
		.flow = {
			.created_ns = now_ns() - i,
			.seen_ns = now_ns(),
			.gen = 1,
			.state = ROAM_CT_ESTABLISHED,
			.side = { { .packets = 10 + i % 7, .bytes = 1000 + i % 1000 },
				  { .packets = 9, .bytes = 90000 + i % 10007 } },
		},
	};
	char addr[TEXT_ADDR_LEN];

	rec.key.local = port->addr[family == ROAM_FAMILY_IPV6];
	snprintf(addr, sizeof(addr), family == ROAM_FAMILY_IPV6 ? "2001:db8::%x" : "198.18.0.%u",
		 i / 120000 + 1);
	text_addr_parse(addr, &rec.key.remote);
	return rec;
}

int main(int argc, char **argv)
{
	static struct roam_flow_rec rows[CHUNK];
	_cleanup_host_ struct host *host = NULL;
	struct roam_port ports[ROAM_VM_PORTS];
	uint32_t slot, count;
	struct roam_vm vm;

	if (argc != 4 || text_u32_parse("COUNT", argv[3], &count)) {
		fprintf(stderr, "usage: flows BPFFS VM COUNT\n");
		return 2;
	}
	if (host_open(argv[1], &host) || vm_find(host, argv[2], &slot) || vm_get(host, slot, &vm) ||
	    port_list(host, slot, ports) < 1)
		return die(argv[2]);
	for (uint32_t at = 0; at < count;) {
		uint32_t n = 0;

		for (; n < CHUNK && at < count; n++, at++)
			rows[n] = make_flow(at, &ports[0]);
		if (ct_load(host, ROAM_CT_TABLE(slot, vm.ct_bank, ROAM_CT_FLOWS), rows, n))
			return die("loading");
	}
	return 0;
}
