// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Services and backends as policy: see lb.h. What programs pick from is made in lb_compile.c. */
#include <string.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <bpf/bpf.h>
#include "journal.h"
#include "lb.h"
#include "lb_compile.h"
#include "lb_stats.h"
#include "text.h"

static int compare_services(const void *a, const void *b)
{
	return strcmp(((const struct lb_service *)a)->row.name,
		      ((const struct lb_service *)b)->row.name);
}

int lb_list(struct host *host, struct lb_services *ret_services)
{
	int fd = host_map(host, HOST_MAP_lb_service);
	struct roam_lb_key key, *at = NULL;
	_cleanup_lb_services_ struct lb_services services = {
		.list = calloc(ROAM_LB_SERVICES, sizeof(*services.list)),
	};

	if (!services.list)
		return fail(-ENOMEM, "lb: out of memory");
	for (; services.count < ROAM_LB_SERVICES && !bpf_map_get_next_key(fd, at, &key);
	     at = &key) {
		struct lb_service *service = &services.list[services.count];

		service->key = key;
		services.count += !bpf_map_lookup_elem(fd, &key, &service->row);
	}
	qsort(services.list, services.count, sizeof(*services.list), compare_services);
	*ret_services = services;
	services.list = NULL;
	return 0;
}

int lb_find(struct host *host, const char *name, struct lb_service *ret_service)
{
	_cleanup_lb_services_ struct lb_services services = {};
	int err = lb_list(host, &services);

	for (uint32_t i = 0; i < services.count; i++) {
		if (!strcmp(services.list[i].row.name, name)) {
			*ret_service = services.list[i];
			return 0;
		}
	}
	return err ? err : fail(-ENOENT, "lb '%.80s': the host has no service of that name", name);
}

static int compare_backends(const void *a, const void *b)
{
	const struct lb_backend *x = a, *y = b;

	return memcmp(&x->row.addr, &y->row.addr, sizeof(x->row.addr));
}

int lb_backend_rows(struct host *host, struct roam_lb_backend **ret_rows)
{
	_cleanup_free_ struct roam_lb_backend *rows = calloc(ROAM_LB_BACKENDS, sizeof(*rows));
	int err;

	if (!rows)
		return fail(-ENOMEM, "lb: out of memory");
	err = host_get_all(host, HOST_MAP_lb_backend, ROAM_LB_BACKENDS, rows);
	if (!err)
		*ret_rows = TAKE_PTR(rows);
	return err;
}

int lb_list_backends(struct host *host, const struct lb_service *service,
		     struct lb_backends *ret_backends)
{
	_cleanup_lb_backends_ struct lb_backends backends = {
		.list = calloc(ROAM_LB_BACKENDS, sizeof(*backends.list)),
	};
	_cleanup_free_ struct roam_lb_backend *rows = NULL;
	int err = backends.list ? lb_backend_rows(host, &rows) : fail(-ENOMEM, "lb: out of memory");

	for (uint32_t number = 1; number < ROAM_LB_BACKENDS && !err; number++) {
		struct lb_backend *backend = &backends.list[backends.count];

		if (rows[number].state == ROAM_LB_FREE || rows[number].service != service->row.id)
			continue;
		backend->row = rows[number];
		err = lb_stats_fold(host, number, &backend->stats);
		backend->number = number;
		backends.count++;
	}
	if (err)
		return err;
	qsort(backends.list, backends.count, sizeof(*backends.list), compare_backends);
	*ret_backends = backends;
	backends.list = NULL;
	return 0;
}

int lb_service_validate(const char *name, const struct roam_lb_key *key)
{
	char text[TEXT_ADDR_LEN];

	if (!addr_is_unicast(&key->vip))
		return fail(-EINVAL, "lb '%s': vip %s is not a host's address", name,
			    text_addr(&key->vip, text));
	if (key->proto != IPPROTO_TCP && key->proto != IPPROTO_UDP)
		return fail(-EINVAL, "lb '%s': a service is of tcp or udp", name);
	if (!key->port)
		return fail(-EINVAL, "lb '%s': port 0 is none", name);
	return 0;
}

int lb_check_vip(struct host *host, const char *name, const struct roam_addr *vip)
{
	char text[TEXT_ADDR_LEN];
	uint32_t slot;

	if (!bpf_map_lookup_elem(host_map(host, HOST_MAP_port_addr), vip, &slot))
		return fail(-EEXIST, "lb '%s': %s is the address of a VM", name,
			    text_addr(vip, text));
	return 0;
}

int lb_random_id(const struct lb_service *services, uint32_t count, uint32_t *ret_id)
{
	uint32_t id;

	do {
		if (getrandom(&id, sizeof(id), 0) != sizeof(id))
			return fail_errno(-errno, "lb: no random number");
		for (uint32_t i = 0; i < count; i++) {
			if (services[i].row.id == id)
				id = 0;
		}
	} while (!id || id == UINT32_MAX);
	*ret_id = id;
	return 0;
}

/* Number and id that no service has. */
static int choose_numbers(const struct lb_services *services, struct roam_lb_service *row)
{
	bool used[ROAM_LB_SERVICES] = {};

	if (services->count == ROAM_LB_SERVICES)
		return fail(-ENOSPC, "lb: the host has %d services, the most there can be",
			    ROAM_LB_SERVICES);
	for (uint32_t i = 0; i < services->count; i++)
		used[services->list[i].row.no] = true;
	while (used[row->no])
		row->no++;
	return lb_random_id(services->list, services->count, &row->id);
}

static int check_service(const struct lb_services *services, const char *name,
			 const struct roam_lb_key *key)
{
	for (uint32_t i = 0; i < services->count; i++) {
		if (!strcmp(services->list[i].row.name, name))
			return fail(-EEXIST, "lb '%s': the host has a service of that name already",
				    name);
		if (!memcmp(&services->list[i].key, key, sizeof(*key)))
			return fail(-EEXIST, "lb '%s': service '%s' has that address and port",
				    name, services->list[i].row.name);
	}
	return 0;
}

static int add_locked(struct host *host, const char *name, const struct roam_lb_key *key)
{
	_cleanup_lb_services_ struct lb_services services = {};
	struct lb_service service = { .key = *key };
	int err = text_name_parse("lb", name, service.row.name), entry;

	if (!err)
		err = lb_service_validate(name, key);
	if (!err)
		err = lb_check_vip(host, name, &key->vip);
	if (!err)
		err = lb_list(host, &services);
	if (!err)
		err = check_service(&services, name, key);
	if (!err)
		err = choose_numbers(&services, &service.row);
	if (!err)
		err = journal_begin(host, ROAM_VM_NONE, &entry);
	if (err)
		return err;
	err = lb_compile(host, &service);
	if (!err)
		err = host_put(host, HOST_MAP_lb_service, key, &service.row);
	journal_end(host, ROAM_VM_NONE, &entry);
	return err;
}

int lb_add(struct host *host, const char *name, const struct roam_lb_key *key)
{
	int err = host_lock(host);

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	return add_locked(locked, name, key);
}

int lb_del(struct host *host, const char *name)
{
	struct lb_service service;
	int err = host_lock(host), entry;

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	err = lb_find(locked, name, &service);
	if (!err)
		err = journal_begin(host, ROAM_VM_NONE, &entry);
	if (err)
		return err;
	err = host_delete(host, HOST_MAP_lb_service, &service.key);
	if (!err)
		err = lb_forget(host, &service);
	journal_end(host, ROAM_VM_NONE, &entry);
	return err;
}

/* The one write that is the change of a backend, and what follows. */
int lb_put_backend(struct host *host, const struct lb_service *service, uint32_t number,
		   const struct roam_lb_backend *row)
{
	int err, entry;

	err = journal_begin(host, ROAM_VM_NONE, &entry);
	if (err)
		return err;
	err = host_put(host, HOST_MAP_lb_backend, &number, row);
	if (!err)
		err = lb_compile(host, service);
	if (!err && row->state == ROAM_LB_FREE)
		err = lb_stats_clear(host, number);
	journal_end(host, ROAM_VM_NONE, &entry);
	return err;
}

int lb_find_backend(struct host *host, const struct lb_service *service,
		    const struct roam_addr *addr, struct lb_backend *ret_backend)
{
	_cleanup_lb_backends_ struct lb_backends backends = {};
	char text[TEXT_ADDR_LEN];
	int err = lb_list_backends(host, service, &backends);

	for (uint32_t i = 0; i < backends.count; i++) {
		if (!memcmp(&backends.list[i].row.addr, addr, sizeof(*addr))) {
			*ret_backend = backends.list[i];
			return 0;
		}
	}
	return err ? err
		   : fail(-ENOENT, "lb '%s': has no backend %s", service->row.name,
			  text_addr(addr, text));
}

static int free_number(struct host *host, uint32_t *ret_number)
{
	_cleanup_free_ struct roam_lb_backend *rows = NULL;
	int err = lb_backend_rows(host, &rows);

	for (uint32_t number = 1; number < ROAM_LB_BACKENDS && !err; number++) {
		if (rows[number].state == ROAM_LB_FREE) {
			*ret_number = number;
			return 0;
		}
	}
	return err ? err
		   : fail(-ENOSPC, "lb: the host has %d backends, the most there can be",
			  ROAM_LB_BACKENDS - 1);
}

int lb_backend_validate(const struct lb_service *service, const struct roam_lb_backend *row)
{
	const char *name = service->row.name;
	char text[TEXT_ADDR_LEN];

	if (!addr_is_unicast(&row->addr))
		return fail(-EINVAL, "lb '%s': backend %s is not a host's address", name,
			    text_addr(&row->addr, text));
	if (addr_family(&row->addr) != addr_family(&service->key.vip))
		return fail(-EINVAL, "lb '%s': a backend of another family than the VIP", name);
	if (!memcmp(&row->addr, &service->key.vip, sizeof(row->addr)))
		return fail(-EINVAL, "lb '%s': the VIP cannot be a backend", name);
	if (!row->port)
		return fail(-EINVAL, "lb '%s': port 0 is none", name);
	if (!row->weight || row->weight > ROAM_LB_WEIGHT_MAX)
		return fail(-ERANGE, "lb '%s': weight %u is not from 1 to %d", name, row->weight,
			    ROAM_LB_WEIGHT_MAX);
	return 0;
}

static int backend_add_locked(struct host *host, const char *name,
			      const struct roam_lb_backend *wanted)
{
	struct roam_lb_backend row = *wanted;
	struct lb_service service;
	struct lb_backend found;
	char text[TEXT_ADDR_LEN];
	uint32_t number;
	int err = lb_find(host, name, &service);

	if (!err)
		err = lb_backend_validate(&service, &row);
	if (err)
		return err;
	if (!lb_find_backend(host, &service, &row.addr, &found))
		return fail(-EEXIST, "lb '%s': has backend %s already", name,
			    text_addr(&row.addr, text));
	row.service = service.row.id;
	row.state = ROAM_LB_ACTIVE;
	row.tag = lb_tag_of(&row.addr);
	err = lb_check_tag(host, &service, row.tag);
	if (!err)
		err = free_number(host, &number);
	if (!err)
		err = lb_stats_clear(host, number);
	return err ? err : lb_put_backend(host, &service, number, &row);
}

int lb_backend_add(struct host *host, const char *name, const struct roam_lb_backend *row)
{
	int err = host_lock(host);

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	return backend_add_locked(locked, name, row);
}

/* FREE: it is no backend any more. */
int lb_backend_set(struct host *host, const char *name, const struct roam_addr *addr,
		   enum roam_lb_state state)
{
	struct lb_service service;
	struct lb_backend backend;
	int err = host_lock(host);

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	err = lb_find(locked, name, &service);
	if (!err)
		err = lb_find_backend(host, &service, addr, &backend);
	if (err)
		return err;
	backend.row.state = state;
	if (state == ROAM_LB_FREE)
		backend.row = (struct roam_lb_backend){};
	return lb_put_backend(host, &service, backend.number, &backend.row);
}

int lb_backend_del(struct host *host, const char *name, const struct roam_addr *addr)
{
	return lb_backend_set(host, name, addr, ROAM_LB_FREE);
}

uint16_t lb_member(struct host *host, uint32_t service, const struct roam_addr *addr, __be16 port)
{
	struct roam_lb_member_key key = { .addr = *addr, .service = service };
	struct roam_lb_member member;

	if (bpf_map_lookup_elem(host_map(host, HOST_MAP_lb_member), &key, &member) ||
	    member.port != port)
		return 0;
	return member.backend;
}
