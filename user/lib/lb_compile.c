// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Tables and members of services: see lb_compile.h. */
#include <string.h>
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <bpf/bpf.h>
#include "lb_compile.h"
#include "lb_rows.h"
#include "lb_stats.h"
#include "maglev.h"

static int make_table(const struct lb_backends *backends, struct roam_lb_table *table)
{
	_cleanup_free_ struct maglev_backend *takers = calloc(backends->count + 1, sizeof(*takers));
	uint32_t count = 0;

	if (!takers)
		return fail(-ENOMEM, "lb: out of memory");
	for (uint32_t i = 0; i < backends->count; i++) {
		const struct lb_backend *backend = &backends->list[i];

		if (backend->row.state == ROAM_LB_ACTIVE)
			takers[count++] = (struct maglev_backend){
				.addr = backend->row.addr,
				.port = backend->row.port,
				.number = backend->number,
				.weight = backend->row.weight,
			};
	}
	return maglev_fill(takers, count, table);
}

/* As a whole: a connection is picked from the old table or from the new one. */
static int put_table(struct host *host, uint32_t no, const struct roam_lb_table *table)
{
	_cleanup_close_ int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "roam", sizeof(uint32_t),
						sizeof(*table), 1, NULL);
	uint32_t zero = 0;

	if (fd < 0 || bpf_map_update_elem(fd, &zero, table, BPF_ANY))
		return fail_errno(-errno, "lb: cannot make a table");
	return host_set_inner(host, HOST_MAP_lb_table, no, fd);
}

static bool is_backend(const struct lb_backends *backends, const struct roam_addr *addr)
{
	for (uint32_t i = 0; backends && i < backends->count; i++) {
		if (!memcmp(&backends->list[i].row.addr, addr, sizeof(*addr)))
			return true;
	}
	return false;
}

/* Members of this service that are no backends of it. */
static void drop_members(struct host *host, uint32_t id, const struct lb_backends *backends)
{
	int fd = host_map(host, HOST_MAP_lb_member);
	struct roam_lb_member_key key, *at = NULL;

	while (!bpf_map_get_next_key(fd, at, &key)) {
		at = &key;
		if (key.service != id || is_backend(backends, &key.addr))
			continue;
		bpf_map_delete_elem(fd, &key);
		at = NULL; /* there is no going on from a key that is gone */
	}
}

static int put_members(struct host *host, uint32_t id, const struct lb_backends *backends)
{
	int err = 0;

	for (uint32_t i = 0; i < backends->count && !err; i++) {
		const struct lb_backend *backend = &backends->list[i];
		struct roam_lb_member_key key = { .addr = backend->row.addr, .service = id };
		struct roam_lb_member member = { backend->row.port, backend->number };

		err = host_put(host, HOST_MAP_lb_member, &key, &member);
	}
	return err;
}

/* ---- tags: who is meant by a tunnel ---- */

#define TAGS (UINT16_MAX + 1)

/* By tag; the caller frees them. */
static int make_tags(const struct lb_backends *backends, struct roam_lb_tagged **ret_rows)
{
	struct roam_lb_tagged *rows = calloc(TAGS, sizeof(*rows));

	if (!rows)
		return fail(-ENOMEM, "lb: out of memory");
	for (uint32_t i = 0; i < backends->count; i++) {
		struct roam_lb_tagged *row = &rows[ntohs(backends->list[i].row.tag)];
		uint32_t at = 0;

		while (at < ROAM_LB_TAGGED && row->backend[at])
			at++;
		if (at < ROAM_LB_TAGGED)
			row->backend[at] = backends->list[i].number;
	}
	*ret_rows = rows;
	return 0;
}

static int put_tags(struct host *host, uint32_t id, const struct lb_backends *backends,
		    const struct roam_lb_tagged *rows)
{
	int err = 0;

	for (uint32_t i = 0; i < backends->count && !err; i++) {
		struct roam_lb_tag_key key = { .service = id, .tag = backends->list[i].row.tag };

		err = host_put(host, HOST_MAP_lb_tag, &key, &rows[ntohs(key.tag)]);
	}
	return err;
}

/* Those of this service that mean nobody. */
static void drop_tags(struct host *host, uint32_t id, const struct roam_lb_tagged *rows)
{
	int fd = host_map(host, HOST_MAP_lb_tag);
	struct roam_lb_tag_key key, *at = NULL;

	while (!bpf_map_get_next_key(fd, at, &key)) {
		at = &key;
		if (key.service != id || (rows && rows[ntohs(key.tag)].backend[0]))
			continue;
		bpf_map_delete_elem(fd, &key);
		at = NULL; /* there is no going on from a key that is gone */
	}
}

/* ---- VIPs ---- */

int lb_put_vip(struct host *host, const struct lb_service *service)
{
	uint32_t one = 1;

	return host_put(host, HOST_MAP_lb_vip, &service->key.vip, &one);
}

static bool is_vip(const struct lb_services *services, const struct roam_addr *addr)
{
	for (uint32_t i = 0; i < services->count; i++) {
		if (!memcmp(&services->list[i].key.vip, addr, sizeof(*addr)))
			return true;
	}
	return false;
}

static void drop_stray_vips(struct host *host, const struct lb_services *services)
{
	int fd = host_map(host, HOST_MAP_lb_vip);
	struct roam_addr key, *at = NULL;

	while (!bpf_map_get_next_key(fd, at, &key)) {
		at = &key;
		if (is_vip(services, &key))
			continue;
		bpf_map_delete_elem(fd, &key);
		at = NULL; /* there is no going on from a key that is gone */
	}
}

int lb_drop_vips(struct host *host)
{
	_cleanup_lb_services_ struct lb_services services = {};
	int err = lb_list(host, &services);

	if (!err)
		drop_stray_vips(host, &services);
	return err;
}

int lb_compile(struct host *host, const struct lb_service *service)
{
	_cleanup_free_ struct roam_lb_tagged *tagged = NULL;
	_cleanup_lb_backends_ struct lb_backends backends = {};
	_cleanup_free_ struct roam_lb_table *table = calloc(1, sizeof(*table));
	int err = lb_list_backends(host, service, &backends);

	if (!table)
		return fail(-ENOMEM, "lb: out of memory");
	if (!err)
		err = make_table(&backends, table);
	if (!err)
		err = put_members(host, service->row.id, &backends);
	if (!err)
		err = lb_put_vip(host, service);
	if (!err)
		err = make_tags(&backends, &tagged);
	if (!err)
		err = put_tags(host, service->row.id, &backends, tagged);
	if (!err)
		err = put_table(host, service->row.no, table);
	if (err)
		return err;
	drop_members(host, service->row.id, &backends);
	drop_tags(host, service->row.id, tagged);
	return 0;
}

int lb_drop_members(struct host *host, const struct lb_service *service)
{
	_cleanup_free_ struct roam_lb_tagged *tagged = NULL;
	_cleanup_lb_backends_ struct lb_backends backends = {};
	int err = lb_list_backends(host, service, &backends);

	if (!err)
		err = make_tags(&backends, &tagged);
	if (!err)
		err = put_tags(host, service->row.id, &backends, tagged);
	if (err)
		return err;
	drop_members(host, service->row.id, &backends);
	drop_tags(host, service->row.id, tagged);
	return 0;
}

int lb_forget(struct host *host, const struct lb_service *service)
{
	_cleanup_lb_backends_ struct lb_backends backends = {};
	struct roam_lb_backend none = {};
	_cleanup_lb_services_ struct lb_services services = {};
	int err = lb_list_backends(host, service, &backends);

	if (!err)
		err = lb_list(host, &services);
	if (!err)
		drop_stray_vips(host, &services);
	for (uint32_t i = 0; i < backends.count && !err; i++) {
		uint32_t number = backends.list[i].number;

		err = lb_stats_clear(host, number);
		if (!err)
			err = host_put(host, HOST_MAP_lb_backend, &number, &none);
	}
	drop_members(host, service->row.id, NULL);
	drop_tags(host, service->row.id, NULL);
	host_clear_inner(host, HOST_MAP_lb_table, service->row.no);
	return err;
}

static bool is_service(const struct lb_services *services, uint32_t id)
{
	for (uint32_t i = 0; i < services->count; i++) {
		if (services->list[i].row.id == id)
			return true;
	}
	return false;
}

static void drop_stray_members(struct host *host, const struct lb_services *services)
{
	int fd = host_map(host, HOST_MAP_lb_member);
	struct roam_lb_member_key key, *at = NULL;

	while (!bpf_map_get_next_key(fd, at, &key)) {
		at = &key;
		if (is_service(services, key.service))
			continue;
		bpf_map_delete_elem(fd, &key);
		at = NULL; /* there is no going on from a key that is gone */
	}
}

static void drop_stray_tags(struct host *host, const struct lb_services *services)
{
	int fd = host_map(host, HOST_MAP_lb_tag);
	struct roam_lb_tag_key key, *at = NULL;

	while (!bpf_map_get_next_key(fd, at, &key)) {
		at = &key;
		if (is_service(services, key.service))
			continue;
		bpf_map_delete_elem(fd, &key);
		at = NULL;
	}
}

/* Rows of a service that is no more, or was never there. */
static int forget_strays(struct host *host, const struct lb_services *services)
{
	_cleanup_free_ struct roam_lb_backend *rows = NULL;
	struct roam_lb_backend none = {};
	bool used[ROAM_LB_SERVICES] = {};
	int err = lb_backend_rows(host, &rows);

	for (uint32_t number = 1; number < ROAM_LB_BACKENDS && !err; number++) {
		if (rows[number].state == ROAM_LB_FREE ||
		    is_service(services, rows[number].service))
			continue;
		err = lb_stats_clear(host, number);
		if (!err)
			err = host_put(host, HOST_MAP_lb_backend, &number, &none);
	}
	drop_stray_members(host, services);
	drop_stray_tags(host, services);
	drop_stray_vips(host, services);
	for (uint32_t i = 0; i < services->count; i++)
		used[services->list[i].row.no] = true;
	/* Not blindly: the kernel waits for programs even if there is nothing to delete. */
	for (uint32_t no = 0; no < ROAM_LB_SERVICES; no++) {
		if (!used[no] && host_has_inner(host, HOST_MAP_lb_table, no))
			host_clear_inner(host, HOST_MAP_lb_table, no);
	}
	return err;
}

int lb_recover(struct host *host)
{
	_cleanup_lb_services_ struct lb_services services = {};
	int err = lb_rows_recover(host);

	if (!err)
		err = lb_list(host, &services);
	if (!err)
		err = forget_strays(host, &services);
	for (uint32_t i = 0; i < services.count && !err; i++)
		err = lb_compile(host, &services.list[i]);
	return err;
}
