// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Load-balancer sessions in an image: see state_lb.h. */
#include <string.h>
#include <netinet/in.h>
#include "lb.h"
#include "state_lb.h"
#include "text.h"

static void set_maps(const struct state_lb *lb, struct image_maps *maps)
{
	maps->service = lb->id;
	maps->service_count = lb->count + 1;
}

int state_lb_read(struct host *host, struct state_lb *lb, struct image_maps *maps)
{
	_cleanup_lb_services_ struct lb_services services = {};
	int err = lb_list(host, &services);

	for (uint32_t i = 0; i < services.count; i++) {
		const struct lb_service *service = &services.list[i];
		struct roam_lb_rec *rec = &lb->recs[++lb->count];

		*rec = (struct roam_lb_rec){
			.vip = service->key.vip,
			.port = service->key.port,
			.proto = service->key.proto,
		};
		memcpy(rec->name, service->row.name, sizeof(rec->name));
		lb->id[lb->count] = service->row.id;
	}
	set_maps(lb, maps);
	return err;
}

int state_lb_write(const struct state_lb *lb, struct image_writer *writer)
{
	int err = lb->count ? image_write_table(writer, TABLE_LB) : 0;

	return err || !lb->count ? err : image_write_rows(writer, lb->recs + 1, lb->count);
}

int state_lb_check_row(const struct roam_lb_rec *rec)
{
	if (!text_name_valid(rec->name))
		return fail(-EBADMSG, "image: a service whose name is not one");
	if ((rec->proto != IPPROTO_TCP && rec->proto != IPPROTO_UDP) || !rec->port)
		return fail(-EBADMSG, "image: service '%s' is absurd", rec->name);
	return 0;
}

int state_lb_row(struct state_lb *lb, const struct roam_lb_rec *rec, struct image_maps *maps)
{
	struct roam_lb_key key = { .vip = rec->vip, .port = rec->port, .proto = rec->proto };
	struct lb_service service;
	int err = state_lb_check_row(rec);

	if (err)
		return err;
	if (lb->count == ROAM_LB_SERVICES)
		return fail(-EBADMSG, "image: more than %d services", ROAM_LB_SERVICES);
	lb->recs[++lb->count] = *rec;
	lb->id[lb->count] = STATE_LB_MISSING;
	if (!lb_find(lb->host, rec->name, &service) && !memcmp(&service.key, &key, sizeof(key)))
		lb->id[lb->count] = service.row.id;
	set_maps(lb, maps);
	return 0;
}

/* What a flow takes for the service's address and port, and what for its backend's. */
struct session {
	const struct roam_addr *vip;
	__be16 vip_port;
	const struct roam_addr *backend;
	__be16 backend_port;
};

static struct session session_of(const struct roam_flow_rec *rec)
{
	const struct roam_flow_key *key = &rec->key;
	const struct roam_flow *flow = &rec->flow;

	switch (flow->lb_role) {
	case ROAM_LB_ROLE_BACKEND:
		return (struct session){ &flow->lb_addr, flow->lb_port, &key->local, key->lport };
	case ROAM_LB_ROLE_HAIRPIN_SERVER:
		return (struct session){ &key->remote, flow->lb_port, &key->local, key->lport };
	default: /* CLIENT, HAIRPIN_CLIENT */
		return (struct session){ &key->remote, key->rport, &flow->lb_addr, flow->lb_port };
	}
}

static const struct roam_lb_rec *find_rec(const struct state_lb *lb, uint32_t id)
{
	for (uint32_t i = 1; i <= lb->count; i++) {
		if (lb->id[i] == id)
			return &lb->recs[i];
	}
	return NULL;
}

static int refuse_missing(const struct state_lb *lb, const struct session *session, uint8_t proto)
{
	for (uint32_t i = 1; i <= lb->count; i++) {
		if (lb->id[i] == STATE_LB_MISSING && lb->recs[i].proto == proto &&
		    lb->recs[i].port == session->vip_port &&
		    !memcmp(&lb->recs[i].vip, session->vip, sizeof(*session->vip)))
			return fail(
				-ENOENT,
				"state: service '%s' of the sessions is another here, or missing",
				lb->recs[i].name);
	}
	return fail(-EBADMSG, "image: a session with an address that is not its service's");
}

int state_lb_session(const struct state_lb *lb, struct roam_flow_rec *rec, bool *ret_skip)
{
	struct session session = session_of(rec);
	const struct roam_lb_rec *service;

	*ret_skip = false;
	if (!rec->flow.lb_role)
		return 0;
	if (rec->flow.lb_service == STATE_LB_MISSING)
		return refuse_missing(lb, &session, rec->key.proto);
	service = rec->flow.lb_service ? find_rec(lb, rec->flow.lb_service) : NULL;
	if (service && (service->port != session.vip_port || service->proto != rec->key.proto ||
			memcmp(&service->vip, session.vip, sizeof(*session.vip)) != 0))
		return fail(-EBADMSG, "image: a session with an address that is not its service's");
	rec->flow.lb_backend = service ? lb_member(lb->host, rec->flow.lb_service, session.backend,
						   session.backend_port)
				       : 0;
	*ret_skip = !rec->flow.lb_backend;
	return 0;
}
