// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Services and backends as a whole: see lb_rows.h. */
#include <string.h>
#include <linux/bpf.h>
#include <bpf/bpf.h>
#include "journal.h"
#include "lb_compile.h"
#include "lb_rows.h"
#include "lb_stats.h"

static struct lb_rows *alloc_rows(void)
{
	struct lb_rows *rows = calloc(1, sizeof(*rows));

	if (!rows)
		fail_set(0, "lb: out of memory");
	return rows;
}

static int read_rows(struct host *host, struct lb_rows *rows)
{
	_cleanup_lb_services_ struct lb_services services = {};
	int err = lb_list(host, &services);

	memset(rows->services, 0, sizeof(rows->services));
	if (!err && services.count)
		memcpy(rows->services, services.list, services.count * sizeof(*services.list));
	return err ? err
		   : host_get_all(host, HOST_MAP_lb_backend, ROAM_LB_BACKENDS, rows->backends);
}

/* The rows that the journal keeps; -ENOENT: none. */
static int read_kept(const struct host *host, struct lb_rows *rows)
{
	_cleanup_close_ int fd = journal_kept(host, ROAM_VM_NONE);
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info), zero = 0;

	if (fd < 0)
		return fd;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) || info.value_size != sizeof(*rows) ||
	    bpf_map_lookup_elem(fd, &zero, rows))
		return fail(-EINVAL, "lb: the journal keeps what this program does not understand");
	return 0;
}

int lb_rows_get(struct host *host, struct lb_rows **ret_rows)
{
	_cleanup_free_ struct lb_rows *rows = alloc_rows();
	int err, kept;

	if (!rows)
		return -ENOMEM;
	err = read_rows(host, rows);
	kept = read_kept(host, rows); /* afterwards, for what was begun meanwhile */
	if (kept != -ENOENT)
		err = kept;
	if (!err)
		*ret_rows = TAKE_PTR(rows);
	return err;
}

static int keep(struct host *host, const struct lb_rows *rows)
{
	_cleanup_close_ int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "roam", sizeof(uint32_t),
						sizeof(*rows), 1, NULL);
	uint32_t zero = 0;

	if (fd < 0 || bpf_map_update_elem(fd, &zero, rows, BPF_ANY))
		return fail_errno(-errno, "lb: cannot keep the new services");
	return journal_keep(host, ROAM_VM_NONE, fd);
}

/* ---- from what is to what is to be ---- */

struct change {
	struct host *host;
	const struct lb_rows *was;
	const struct lb_rows *is;
	bool all; /* nobody knows which tables were made: all of them */
};

static bool is_gone(const struct change *change, uint32_t number)
{
	return change->was->backends[number].state != ROAM_LB_FREE &&
	       change->is->backends[number].state == ROAM_LB_FREE;
}

/* Backends that go are there until no table has them. */
static int put_backends(const struct change *change)
{
	int err = 0;

	for (uint32_t number = 1; number < ROAM_LB_BACKENDS && !err; number++) {
		const struct roam_lb_backend *was = &change->was->backends[number];
		struct roam_lb_backend row = change->is->backends[number];

		if (!memcmp(was, &row, sizeof(row)))
			continue;
		if (was->state == ROAM_LB_FREE)
			err = lb_stats_clear(change->host, number);
		if (is_gone(change, number)) {
			row = *was;
			row.state = ROAM_LB_DRAINING;
		}
		if (!err)
			err = host_put(change->host, HOST_MAP_lb_backend, &number, &row);
	}
	return err;
}

static int free_backends(const struct change *change)
{
	struct roam_lb_backend row = {};
	int err = 0;

	for (uint32_t number = 1; number < ROAM_LB_BACKENDS && !err; number++) {
		if (!is_gone(change, number))
			continue;
		err = host_put(change->host, HOST_MAP_lb_backend, &number, &row);
		if (!err)
			err = lb_stats_clear(change->host, number);
	}
	return err;
}

/* NULL: there is none of that id. */
static const struct lb_service *find_id(const struct lb_rows *rows, uint32_t id)
{
	for (uint32_t i = 0; i < ROAM_LB_SERVICES; i++) {
		if (id && rows->services[i].row.id == id)
			return &rows->services[i];
	}
	return NULL;
}

/* Whether its table is to be made: it is new, or a row of one of its backends is another one. */
static bool is_touched(const struct change *change, const struct lb_service *service)
{
	uint32_t id = service->row.id;

	if (change->all || !find_id(change->was, id))
		return true;
	for (uint32_t number = 1; number < ROAM_LB_BACKENDS; number++) {
		const struct roam_lb_backend *was = &change->was->backends[number];
		const struct roam_lb_backend *is = &change->is->backends[number];

		if ((was->service == id || is->service == id) && memcmp(was, is, sizeof(*is)) != 0)
			return true;
	}
	return false;
}

static int each_touched(const struct change *change,
			int (*fn)(struct host *host, const struct lb_service *service))
{
	int err = 0;

	for (uint32_t i = 0; i < ROAM_LB_SERVICES && !err; i++) {
		const struct lb_service *service = &change->is->services[i];

		if (service->row.id && is_touched(change, service))
			err = fn(change->host, service);
	}
	return err;
}

static bool has_key(const struct lb_rows *rows, const struct roam_lb_key *key)
{
	for (uint32_t i = 0; i < ROAM_LB_SERVICES; i++) {
		if (rows->services[i].row.id && !memcmp(&rows->services[i].key, key, sizeof(*key)))
			return true;
	}
	return false;
}

/* One that gets another VIP has both for a moment, never none. */
static int put_services(const struct change *change)
{
	int err = 0;

	for (uint32_t i = 0; i < ROAM_LB_SERVICES && !err; i++) {
		const struct lb_service *service = &change->is->services[i];

		if (!service->row.id)
			continue;
		err = lb_put_vip(change->host, service);
		if (!err)
			err = host_put(change->host, HOST_MAP_lb_service, &service->key,
				       &service->row);
	}
	for (uint32_t i = 0; i < ROAM_LB_SERVICES && !err; i++) {
		const struct lb_service *service = &change->was->services[i];

		if (service->row.id && !has_key(change->is, &service->key))
			err = host_delete(change->host, HOST_MAP_lb_service, &service->key);
	}
	return err;
}

static int forget_services(const struct change *change)
{
	int err = 0;

	for (uint32_t i = 0; i < ROAM_LB_SERVICES && !err; i++) {
		const struct lb_service *service = &change->was->services[i];

		if (service->row.id && !find_id(change->is, service->row.id))
			err = lb_forget(change->host, service);
	}
	return err;
}

/* Each step may be done again by who follows. */
static int carry_through(const struct change *change)
{
	int err = put_backends(change);

	if (!err)
		err = each_touched(change, lb_compile);
	if (!err)
		err = put_services(change);
	if (!err)
		err = free_backends(change);
	if (!err)
		err = each_touched(change, lb_drop_members);
	if (!err)
		err = forget_services(change);
	if (!err)
		err = lb_drop_vips(change->host);
	if (!err)
		journal_drop_kept(change->host, ROAM_VM_NONE);
	return err;
}

int lb_rows_apply(struct host *host, const struct lb_rows *rows)
{
	_cleanup_free_ struct lb_rows *was = alloc_rows();
	struct change change = { host, was, rows, false };
	int err = was ? read_rows(host, was) : -ENOMEM, entry;

	if (!err)
		err = journal_begin(host, ROAM_VM_NONE, &entry);
	if (err)
		return err;
	err = keep(host, rows);
	if (!err)
		err = carry_through(&change);
	journal_end(host, ROAM_VM_NONE, &entry);
	return err;
}

int lb_rows_recover(struct host *host)
{
	_cleanup_free_ struct lb_rows *was = alloc_rows(), *is = alloc_rows();
	struct change change = { host, was, is, true };
	int err = was && is ? read_kept(host, is) : -ENOMEM;

	if (err)
		return err == -ENOENT ? 0 : err;
	err = read_rows(host, was);
	return err ? err : carry_through(&change);
}
