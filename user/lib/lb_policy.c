// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* All services of a host as a value: see lb_policy.h. How they are changed: lb_rows.c. */
#include <string.h>
#include <arpa/inet.h>
#include "lb_policy.h"
#include "lb_rows.h"
#include "text.h"

#define BACKENDS_MAX (ROAM_LB_BACKENDS - 1)

void lb_policy_free(struct lb_policy *policy)
{
	for (uint32_t i = 0; i < policy->count; i++)
		free(policy->services[i].backends);
	free(policy->services);
	*policy = (struct lb_policy){};
}

int lb_policy_add(struct lb_policy *policy, struct lb_policy_service **ret_service)
{
	uint32_t room = policy->room ? policy->room * 2 : 16;
	struct lb_policy_service *services = policy->services;

	if (policy->count == ROAM_LB_SERVICES)
		return fail(-E2BIG, "lb: more than %d services", ROAM_LB_SERVICES);
	if (policy->count == policy->room) {
		services = reallocarray(services, room, sizeof(*services));
		if (!services)
			return fail(-ENOMEM, "lb: out of memory");
		policy->services = services;
		policy->room = room;
	}
	services[policy->count] = (struct lb_policy_service){ .all = policy };
	*ret_service = &services[policy->count++];
	return 0;
}

int lb_policy_add_backend(struct lb_policy_service *service, struct lb_policy_backend **ret_backend)
{
	uint32_t room = service->room ? service->room * 2 : 8;
	struct lb_policy_backend *rows = service->backends;

	if (service->all->backends == BACKENDS_MAX)
		return fail(-E2BIG, "lb: more than %d backends", BACKENDS_MAX);
	if (service->count == service->room) {
		rows = reallocarray(rows, room, sizeof(*rows));
		if (!rows)
			return fail(-ENOMEM, "lb: out of memory");
		service->backends = rows;
		service->room = room;
	}
	rows[service->count] = (struct lb_policy_backend){ .of = service };
	*ret_backend = &rows[service->count++];
	service->all->backends++;
	return 0;
}

int lb_policy_check(const struct lb_policy_service *service)
{
	const struct roam_lb_key *key = &service->service.key;
	const char *name = service->service.row.name;

	for (const struct lb_policy_service *other = service->all->services; other < service;
	     other++) {
		if (!memcmp(&other->service.key, key, sizeof(*key)))
			return fail(-EEXIST, "lb '%s': service '%s' has that address and port",
				    name, other->service.row.name);
	}
	return lb_service_validate(name, key);
}

static int compare_services(const void *a, const void *b)
{
	const struct lb_policy_service *x = a, *y = b;

	return strcmp(x->service.row.name, y->service.row.name);
}

static int compare_backends(const void *a, const void *b)
{
	const struct lb_policy_backend *x = a, *y = b;

	return memcmp(&x->row.addr, &y->row.addr, sizeof(x->row.addr));
}

void lb_policy_sort(struct lb_policy *policy)
{
	if (policy->count)
		qsort(policy->services, policy->count, sizeof(*policy->services), compare_services);
	for (uint32_t i = 0; i < policy->count; i++) {
		struct lb_policy_service *service = &policy->services[i];

		if (service->count)
			qsort(service->backends, service->count, sizeof(*service->backends),
			      compare_backends);
	}
}

/* ---- from a host ---- */

static int get_backends(const struct lb_rows *rows, struct lb_policy_service *service, uint32_t id)
{
	struct lb_policy_backend *backend;
	int err = 0;

	for (uint32_t number = 1; number < ROAM_LB_BACKENDS && !err; number++) {
		if (rows->backends[number].state == ROAM_LB_FREE ||
		    rows->backends[number].service != id)
			continue;
		err = lb_policy_add_backend(service, &backend);
		if (err)
			break;
		backend->row = rows->backends[number];
		backend->row.service = 0;
		backend->row.host = backend->row.from = (struct roam_addr){};
		backend->row.tag = 0;
	}
	return err;
}

int lb_policy_get(struct host *host, struct lb_policy *ret_policy)
{
	_cleanup_lb_policy_ struct lb_policy policy = {};
	_cleanup_free_ struct lb_rows *rows = NULL;
	struct lb_policy_service *service;
	int err = lb_rows_get(host, &rows);

	for (uint32_t i = 0; i < ROAM_LB_SERVICES && !err; i++) {
		if (!rows->services[i].row.id)
			continue;
		err = lb_policy_add(&policy, &service);
		if (err)
			break;
		service->service = rows->services[i];
		service->service.row.id = service->service.row.no = 0;
		err = get_backends(rows, service, rows->services[i].row.id);
	}
	if (err)
		return err;
	lb_policy_sort(&policy);
	*ret_policy = policy;
	for (uint32_t i = 0; i < policy.count; i++)
		ret_policy->services[i].all = ret_policy;
	policy = (struct lb_policy){};
	return 0;
}

/* ---- onto a host ---- */

/* From the rows that there are and the policy to the rows that are to be. */
struct plan {
	const struct lb_rows *was;
	struct lb_rows *is;
	uint32_t services;              /* rows of `is` that are used */
	uint32_t next_number;           /* below it no number is free in both */
	bool no_used[ROAM_LB_SERVICES]; /* by services that were or will be */
};

static const struct lb_service *find_name(const struct lb_rows *rows, const char *name)
{
	for (uint32_t i = 0; i < ROAM_LB_SERVICES; i++) {
		if (rows->services[i].row.id && !strcmp(rows->services[i].row.name, name))
			return &rows->services[i];
	}
	return NULL;
}

static int choose_no(struct plan *plan, uint32_t *ret_no)
{
	for (uint32_t no = 0; no < ROAM_LB_SERVICES; no++) {
		if (plan->no_used[no])
			continue;
		plan->no_used[no] = true;
		*ret_no = no;
		return 0;
	}
	return fail(-ENOSPC, "lb: more than %d services, with those that would go",
		    ROAM_LB_SERVICES);
}

/* Keeps id and number of the service of that name; what is new has others than all there were. */
static int plan_service(struct plan *plan, const struct lb_service *wanted,
			struct lb_service **ret_service)
{
	const struct lb_service *was = find_name(plan->was, wanted->row.name);
	struct lb_service service = *wanted;
	int err = 0;

	if (was) {
		service.row = was->row;
	} else {
		err = choose_no(plan, &service.row.no);
		if (!err)
			err = lb_random_id(plan->was->services, ROAM_LB_SERVICES, &service.row.id);
	}
	if (err)
		return err;
	*ret_service = &plan->is->services[plan->services++];
	**ret_service = service;
	return 0;
}

/* The backend's number, if the service has it already. */
static uint32_t find_number(const struct plan *plan, const struct roam_lb_backend *row)
{
	for (uint32_t number = 1; number < ROAM_LB_BACKENDS; number++) {
		const struct roam_lb_backend *was = &plan->was->backends[number];

		if (was->state != ROAM_LB_FREE && was->service == row->service &&
		    !memcmp(&was->addr, &row->addr, sizeof(row->addr)))
			return number;
	}
	return 0;
}

static uint32_t free_number(struct plan *plan)
{
	while (plan->next_number < ROAM_LB_BACKENDS &&
	       (plan->was->backends[plan->next_number].state != ROAM_LB_FREE ||
		plan->is->backends[plan->next_number].state != ROAM_LB_FREE))
		plan->next_number++;
	return plan->next_number < ROAM_LB_BACKENDS ? plan->next_number : 0;
}

/* Where the backend is (`lb backend move`) is not for the file to say: it stays. */
static int complete_row(struct plan *plan, uint32_t number, struct roam_lb_backend *row)
{
	const struct roam_lb_backend *was = &plan->was->backends[number];
	uint32_t same = 0;

	if (was->state != ROAM_LB_FREE) {
		row->host = was->host;
		row->from = was->from;
	}
	row->tag = lb_tag_of(&row->addr);
	for (uint32_t other = 1; other < ROAM_LB_BACKENDS; other++)
		same += plan->is->backends[other].service == row->service &&
			plan->is->backends[other].tag == row->tag;
	if (same >= ROAM_LB_TAGGED)
		return fail(-ENOSPC, "lb: more than %d backends of a service have tag %04x",
			    ROAM_LB_TAGGED, ntohs(row->tag));
	return 0;
}

static int plan_backends(struct plan *plan, const struct lb_policy_service *wanted,
			 const struct lb_service *service)
{
	for (uint32_t i = 0; i < wanted->count; i++) {
		struct roam_lb_backend row = wanted->backends[i].row;
		uint32_t number;
		int err = lb_backend_validate(service, &row);

		if (err)
			return err;
		row.service = service->row.id;
		number = find_number(plan, &row);
		if (!number)
			number = free_number(plan);
		if (!number)
			return fail(-ENOSPC, "lb: more than %d backends, with those that would go",
				    BACKENDS_MAX);
		err = complete_row(plan, number, &row);
		if (err)
			return err;
		plan->is->backends[number] = row;
	}
	return 0;
}

static int plan_all(struct host *host, const struct lb_policy *policy, struct plan *plan)
{
	int err = 0;

	for (uint32_t i = 0; i < ROAM_LB_SERVICES; i++) {
		if (plan->was->services[i].row.id)
			plan->no_used[plan->was->services[i].row.no] = true;
	}
	for (uint32_t i = 0; i < policy->count && !err; i++) {
		const struct lb_policy_service *wanted = &policy->services[i];
		struct lb_service *service = NULL;

		err = lb_check_vip(host, wanted->service.row.name, &wanted->service.key.vip);
		if (!err)
			err = plan_service(plan, &wanted->service, &service);
		if (!err)
			err = plan_backends(plan, wanted, service);
	}
	return err;
}

static bool has_key(const struct lb_policy *policy, const struct roam_lb_key *key)
{
	for (uint32_t i = 0; i < policy->count; i++) {
		if (!memcmp(&policy->services[i].service.key, key, sizeof(*key)))
			return true;
	}
	return false;
}

/* For a moment, VIPs that go are there beside those that come. */
static int check_room(const struct lb_rows *was, const struct lb_policy *policy)
{
	uint32_t count = policy->count;

	for (uint32_t i = 0; i < ROAM_LB_SERVICES; i++)
		count += was->services[i].row.id && !has_key(policy, &was->services[i].key);
	return count <= ROAM_LB_SERVICES
		       ? 0
		       : fail(-ENOSPC, "lb: more than %d services, with those that would go",
			      ROAM_LB_SERVICES);
}

static int apply_locked(struct host *host, const struct lb_policy *policy)
{
	_cleanup_free_ struct lb_rows *was = NULL, *is = calloc(1, sizeof(*is));
	struct plan plan = { .is = is, .next_number = 1 };
	int err = is ? lb_rows_get(host, &was) : fail(-ENOMEM, "lb: out of memory");

	plan.was = was;
	if (!err)
		err = check_room(was, policy);
	if (!err)
		err = plan_all(host, policy, &plan);
	return err ? err : lb_rows_apply(host, is);
}

int lb_policy_apply(struct host *host, const struct lb_policy *policy)
{
	int err = host_lock(host);

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	return apply_locked(locked, policy);
}
