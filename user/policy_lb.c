// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* A host's services in a policy file: see policy_keys.h. */
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include "lb_policy.h"
#include "policy_keys.h"
#include "text.h"

static int read_number(const char *keyword, const char *text, uint32_t most, uint32_t *ret_number)
{
	uint32_t number;
	int err = text_u32_parse(keyword, text, &number);

	if (!err && (!number || number > most))
		err = fail(-ERANGE, "lb: %s %u is not from 1 to %u", keyword, number, most);
	if (!err)
		*ret_number = number;
	return err;
}

static int read_l4_port(const char *text, __be16 *ret_port)
{
	uint32_t port = 0;
	int err = read_number("port", text, UINT16_MAX, &port);

	if (!err)
		*ret_port = htons(port);
	return err;
}

/* ---- a backend ---- */

static int read_backend_addr(void *object, const char *text)
{
	return text_addr_parse(text, &((struct lb_policy_backend *)object)->row.addr);
}

static bool show_backend_addr(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	char addr[TEXT_ADDR_LEN];

	(void)i;
	return policy_say(text,
			  text_addr(&((const struct lb_policy_backend *)object)->row.addr, addr));
}

static int read_backend_port(void *object, const char *text)
{
	return read_l4_port(text, &((struct lb_policy_backend *)object)->row.port);
}

static bool show_backend_port(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return policy_say_number(text, ntohs(((const struct lb_policy_backend *)object)->row.port));
}

static int read_weight(void *object, const char *text)
{
	uint32_t weight = 0;
	int err = read_number("weight", text, ROAM_LB_WEIGHT_MAX, &weight);

	if (!err)
		((struct lb_policy_backend *)object)->row.weight = weight;
	return err;
}

static bool show_weight(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return policy_say_number(text, ((const struct lb_policy_backend *)object)->row.weight);
}

/* `free` is no state that can be wished for. */
static int read_state(void *object, const char *text)
{
	if (strcmp(text, "active") != 0 && strcmp(text, "draining") != 0)
		return fail(-EINVAL, "state '%.80s' is neither active nor draining", text);
	return text_enum_parse(&text_lb_state, text,
			       &((struct lb_policy_backend *)object)->row.state);
}

static bool show_state(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct lb_policy_backend *backend = object;

	(void)i;
	return policy_say(text, text_enum_name(&text_lb_state, backend->row.state));
}

static const struct policy_key backend_keys[] = {
	{ "addr", POLICY_TEXT, .required = true, .unique = true, .read = read_backend_addr,
	  .show = show_backend_addr },
	{ "port", POLICY_VALUE, .read = read_backend_port, .show = show_backend_port },
	{ "weight", POLICY_VALUE, .read = read_weight, .show = show_weight },
	{ "state", POLICY_TEXT, .read = read_state, .show = show_state },
};

static int check_backend(void *object)
{
	const struct lb_policy_backend *backend = object;

	return lb_backend_validate(&backend->of->service, &backend->row);
}

static const struct policy_map backend_map = { "a backend", backend_keys, ARRAY_SIZE(backend_keys),
					       check_backend };

static void *backend_at(void *object, uint32_t i)
{
	struct lb_policy_service *service = object;

	return i < service->count ? &service->backends[i] : NULL;
}

/* The service's own keys have been read: they are before this one in the table. */
static int backend_add(void *object, void **ret_object)
{
	struct lb_policy_service *service = object;
	struct lb_policy_backend *backend;
	int err = lb_policy_add_backend(service, &backend);

	if (err)
		return err;
	backend->row.port = service->service.key.port;
	backend->row.weight = 1;
	backend->row.state = ROAM_LB_ACTIVE;
	*ret_object = backend;
	return 0;
}

/* ---- a service ---- */

static int read_name(void *object, const char *text)
{
	struct lb_policy_service *service = object;

	return text_name_parse("lb", text, service->service.row.name);
}

static bool show_name(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return policy_say(text, ((const struct lb_policy_service *)object)->service.row.name);
}

static int read_vip(void *object, const char *text)
{
	return text_addr_parse(text, &((struct lb_policy_service *)object)->service.key.vip);
}

static bool show_vip(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct lb_policy_service *service = object;
	char addr[TEXT_ADDR_LEN];

	(void)i;
	return policy_say(text, text_addr(&service->service.key.vip, addr));
}

static int read_port(void *object, const char *text)
{
	return read_l4_port(text, &((struct lb_policy_service *)object)->service.key.port);
}

static bool show_port(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct lb_policy_service *service = object;

	(void)i;
	return policy_say_number(text, ntohs(service->service.key.port));
}

static int read_proto(void *object, const char *text)
{
	struct lb_policy_service *service = object;

	if (strcmp(text, "tcp") != 0 && strcmp(text, "udp") != 0)
		return fail(-EINVAL, "proto '%.80s' is neither tcp nor udp", text);
	service->service.key.proto = !strcmp(text, "tcp") ? IPPROTO_TCP : IPPROTO_UDP;
	return 0;
}

static bool show_proto(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct lb_policy_service *service = object;
	char number[4];

	(void)i;
	return policy_say(text, text_proto(service->service.key.proto, number));
}

static const struct policy_key service_keys[] = {
	{ "name", POLICY_TEXT, .required = true, .unique = true, .read = read_name,
	  .show = show_name },
	{ "vip", POLICY_TEXT, .required = true, .read = read_vip, .show = show_vip },
	{ "port", POLICY_VALUE, .required = true, .read = read_port, .show = show_port },
	{ "proto", POLICY_TEXT, .required = true, .read = read_proto, .show = show_proto },
	{ "backends", POLICY_MAPS, .map = &backend_map, .at = backend_at, .add = backend_add },
};

static int check_service(void *object)
{
	return lb_policy_check(object);
}

static const struct policy_map service_map = { "a service", service_keys, ARRAY_SIZE(service_keys),
					       check_service };

static void *service_at(void *object, uint32_t i)
{
	struct lb_policy *policy = object;

	return i < policy->count ? &policy->services[i] : NULL;
}

static int service_add(void *object, void **ret_object)
{
	struct lb_policy_service *service;
	int err = lb_policy_add(object, &service);

	if (!err)
		*ret_object = service;
	return err;
}

static const struct policy_key services_keys[] = {
	{ "services", POLICY_MAPS, .required = true, .map = &service_map, .at = service_at,
	  .add = service_add },
};

const struct policy_map policy_services = { "services of the host", services_keys,
					    ARRAY_SIZE(services_keys), NULL };
