// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* See lb_show.h. */
#include <arpa/inet.h>
#include "lb_show.h"
#include "text.h"

static void show_key(struct out *out, const struct roam_addr *vip, __be16 port, uint8_t proto)
{
	char text[TEXT_ADDR_LEN], number[4];

	out_text(out, "vip", text_addr(vip, text));
	out_number(out, "port", ntohs(port));
	out_bare(out, "proto", text_proto(proto, number));
}

void lb_show_service(struct out *out, const struct lb_service *service)
{
	out_text(out, "service", service->row.name);
	show_key(out, &service->key.vip, service->key.port, service->key.proto);
}

void lb_show_backend(struct out *out, const struct lb_backend *backend)
{
	char text[TEXT_ADDR_LEN];

	out_text(out, "addr", text_addr(&backend->row.addr, text));
	out_number(out, "port", ntohs(backend->row.port));
	out_number(out, "weight", backend->row.weight);
	out_bare(out, "state", text_enum_name(&text_lb_state, backend->row.state));
	if (lb_is_elsewhere(&backend->row)) {
		out_text(out, "host", text_addr(&backend->row.host, text));
		out_text(out, "from", text_addr(&backend->row.from, text));
	}
	out_number(out, "sessions", backend->stats.sessions);
	out_number(out, "packets_in", backend->stats.packets[ROAM_DIR_IN]);
	out_number(out, "bytes_in", backend->stats.bytes[ROAM_DIR_IN]);
	out_number(out, "packets_out", backend->stats.packets[ROAM_DIR_OUT]);
	out_number(out, "bytes_out", backend->stats.bytes[ROAM_DIR_OUT]);
}

int lb_show_peer(const struct lb_peer *peer, void *out)
{
	char text[TEXT_ADDR_LEN];

	out_item(out);
	out_text(out, "peer", text_addr(&peer->addr, text));
	out_text(out, "at", text_addr(&peer->at, text));
	out_item_end(out);
	return 0;
}

void lb_show_rec(struct out *out, const struct roam_lb_rec *rec)
{
	out_text(out, "service", rec->name);
	show_key(out, &rec->vip, rec->port, rec->proto);
}
