// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Collects what a VM has become, and compares it, for tests/prog/move.c.
 */
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include "final.h"
#include "harness.h"
#include "limit.h"
#include "vm.h"

static int collect_flows(const struct roam_flow_rec *rows, uint32_t count, void *arg)
{
	struct final *final = arg;

	for (uint32_t i = 0; i < count && final->count < FLOWS_MAX; i++)
		final->flows[final->count++] = rows[i];
	return 0;
}

static int compare_flows(const void *a, const void *b)
{
	const struct roam_flow_rec *x = a, *y = b;

	return memcmp(&x->key, &y->key, sizeof(x->key));
}

static int collect_source(const struct roam_ips_source_rec *rec, void *arg)
{
	struct final *final = arg;

	if (CHECK_OP(final->source_count, <, 4))
		final->sources[final->source_count++] = *rec;
	return 0;
}

static int collect_block(const struct roam_ips_block_rec *rec, void *arg)
{
	struct final *final = arg;

	if (CHECK_OP(final->block_count, <, 4))
		final->blocks[final->block_count++] = *rec;
	return 0;
}

static int collect_train(const struct roam_frag_rec *rec, void *arg)
{
	struct final *final = arg;

	if (CHECK_OP(final->train_count, <, TRAINS_MAX))
		final->trains[final->train_count++] = *rec;
	return 0;
}

static int compare_trains(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct roam_frag_key));
}

static int compare_addrs(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct roam_addr));
}

static void age(__u64 *time_ns, uint64_t now_ns)
{
	if (*time_ns)
		*time_ns = now_ns - *time_ns;
}

static void normalize_ips(struct final *final, uint64_t now_ns)
{
	for (uint32_t i = 0; i < final->source_count; i++)
		age(&final->sources[i].source.paid_ns, now_ns);
	for (uint32_t i = 0; i < final->block_count; i++) {
		age(&final->blocks[i].block.since_ns, now_ns);
		age(&final->blocks[i].block.until_ns, now_ns);
		age(&final->blocks[i].block.last_ns, now_ns);
		final->blocks[i].block.logged = 0;
	}
	qsort(final->sources, final->source_count, sizeof(final->sources[0]), compare_addrs);
	qsort(final->blocks, final->block_count, sizeof(final->blocks[0]), compare_addrs);
}

/* A rule's number on this host becomes its place in the order of matching. */
static uint32_t rule_place(const struct final *final, uint32_t id)
{
	for (uint32_t i = 0; i < final->rule_count; i++) {
		if (final->rules[i].rule.id == id)
			return i + 1;
	}
	return 0;
}

/* A service's number on this host becomes its place by name, from 1; a backend's, whether it is. */
static void normalize_session(struct roam_flow *flow, const struct lb_services *services)
{
	uint32_t i = 0;

	while (i < services->count && services->list[i].row.id != flow->lb_service)
		i++;
	if (flow->lb_service)
		flow->lb_service = i + 1;
	flow->lb_backend = !!flow->lb_backend;
}

static void normalize(struct final *final, const struct roam_vm *vm, uint64_t now_ns)
{
	for (uint32_t i = 0; i < final->count; i++) {
		struct roam_flow *flow = &final->flows[i].flow;

		normalize_session(flow, &final->services);

		flow->side[0].tcp.logged = flow->side[1].tcp.logged = 0;
		flow->created_ns = now_ns - flow->created_ns;
		flow->seen_ns = now_ns - flow->seen_ns;
		flow->gen = flow->gen == vm->gen;
		flow->rule = rule_place(final, flow->rule);
		flow->counted = !!flow->counted;
	}
	for (uint32_t i = 0; i < final->rule_count; i++) {
		final->rules[i].rule.id = 0;
		age(&final->rules[i].hits.last_ns, now_ns);
		age(&final->rules[i].hits.log_paid_ns, now_ns);
	}
	for (int dir = 0; dir < ROAM_DIR_COUNT; dir++)
		age(&final->qos[dir].state.paid_ns, now_ns);
	age(&final->reject_paid_ns, now_ns);
	normalize_ips(final, now_ns);
	for (uint32_t i = 0; i < final->train_count; i++)
		age(&final->trains[i].frag.since_ns, now_ns);
	qsort(final->trains, final->train_count, sizeof(final->trains[0]), compare_trains);
	qsort(final->flows, final->count, sizeof(final->flows[0]), compare_flows);
}

static bool is_over(const struct roam_flow *flow)
{
	return flow->state == ROAM_CT_TIME_WAIT || flow->state == ROAM_CT_CLOSE ||
	       flow->state == ROAM_CT_SCTP_CLOSED;
}

struct tally {
	struct host *host;
	uint32_t slot;
	struct roam_limit_key keys[FLOWS_MAX];
	uint32_t counts[FLOWS_MAX];
	uint32_t count;
};

static void tally_one(struct tally *tally, const struct roam_limit_key *key)
{
	uint32_t i = 0;

	while (i < tally->count && memcmp(&tally->keys[i], key, sizeof(*key)) != 0)
		i++;
	if (i == FLOWS_MAX)
		return;
	tally->keys[i] = *key;
	tally->counts[i]++;
	tally->count += i == tally->count;
}

static __u64 expected_word(const struct tally *tally, const struct roam_flow *flow)
{
	_cleanup_close_ int rules = host_inner(tally->host, HOST_MAP_limit_rule, tally->slot);
	struct roam_limit limit;

	if (rules < 0 || is_over(flow) || bpf_map_lookup_elem(rules, &flow->rule, &limit))
		return 0;
	return flow->rule | (limit.perremote ? ROAM_COUNTED_REMOTE : 0);
}

static int tally_rows(const struct roam_flow_rec *rows, uint32_t count, void *arg)
{
	struct tally *tally = arg;

	for (uint32_t i = 0; i < count; i++) {
		const struct roam_flow *flow = &rows[i].flow;
		struct roam_limit_key key = { .rule = flow->rule };

		CHECK_EQ(flow->counted, expected_word(tally, flow));
		if (!flow->counted)
			continue;
		tally_one(tally, &key);
		if (!(flow->counted & ROAM_COUNTED_REMOTE))
			continue;
		key.kind = ROAM_LIMIT_REMOTE;
		memcpy(&key.remote, &rows[i].key.remote, rows[i].key.family == 4 ? 16 : 8);
		tally_one(tally, &key);
	}
	return 0;
}

void final_check_counts(struct host *host, uint32_t slot)
{
	static struct tally tally;
	struct roam_limit_key key, *at = NULL;
	uint32_t rows = 0, count;

	tally = (struct tally){ .host = host, .slot = slot };
	CHECK_OK(ct_dump(host, slot, tally_rows, &tally));
	if (!host_has_inner(host, HOST_MAP_limit_count, slot)) {
		CHECK_EQ(tally.count, 0);
		return;
	}
	_cleanup_close_ int fd = host_inner(host, HOST_MAP_limit_count, slot);

	for (uint32_t i = 0; i < tally.count; i++) {
		if (CHECK(!bpf_map_lookup_elem(fd, &tally.keys[i], &count)))
			CHECK_EQ(count, tally.counts[i]);
	}
	for (; !bpf_map_get_next_key(fd, at, &key); at = &key)
		rows++;
	CHECK_EQ(rows, tally.count);
}

bool final_collect(struct test_host *host, struct final *final)
{
	struct acl_list list;
	struct roam_vm vm;
	uint32_t slot;

	memset(final, 0, sizeof(*final));
	if (!CHECK_OK(vm_find(host->host, "vm", &slot)) ||
	    !CHECK_OK(vm_get(host->host, slot, &vm)) ||
	    !CHECK_OK(acl_list(host->host, slot, &list)) ||
	    !CHECK_OK(ct_dump(host->host, slot, collect_flows, final)) ||
	    !CHECK_OK(stats_fold(host->host, slot, &final->stats)))
		return false;
	final_check_counts(host->host, slot);
	for (int dir = 0; dir < ROAM_DIR_COUNT; dir++)
		CHECK_OK(qos_get(host->host, slot, dir, &final->qos[dir]));
	CHECK_OK(acl_reject_get(host->host, slot, &final->reject_paid_ns));
	CHECK_OK(lb_list(host->host, &final->services));
	final->wire_rows = hosts_wire_rows(host, slot);
	CHECK_OK(ips_get(host->host, slot, &final->ips));
	CHECK_OK(ips_each_source(host->host, slot, collect_source, final));
	CHECK_OK(ips_each_block(host->host, slot, collect_block, final));
	CHECK_OK(frag_each(host->host, slot, collect_train, final));
	final->rule_count = list.count;
	memcpy(final->rules, list.recs, list.count * sizeof(*list.recs));
	free(list.recs);
	normalize(final, &vm, host->now_ns);
	cleanup_lb_services(&final->services);
	return true;
}

void final_compare(const struct final *here, const struct final *there)
{
	CHECK_EQ(there->count, here->count);
	for (uint32_t i = 0; i < here->count && i < there->count; i++) {
		CHECK_MEM(&there->flows[i].key, &here->flows[i].key, sizeof(here->flows[i].key));
		CHECK_MEM(&there->flows[i].flow, &here->flows[i].flow, sizeof(here->flows[i].flow));
	}
	CHECK_MEM(&there->stats, &here->stats, sizeof(here->stats));
	CHECK_EQ(there->reject_paid_ns, here->reject_paid_ns);
	CHECK_EQ(there->rule_count, here->rule_count);
	CHECK_MEM(there->rules, here->rules, sizeof(here->rules));
	CHECK_MEM(there->qos, here->qos, sizeof(here->qos));
	CHECK_EQ(there->wire_rows, here->wire_rows);
	CHECK_MEM(&there->ips, &here->ips, sizeof(here->ips));
	CHECK_EQ(there->source_count, here->source_count);
	CHECK_MEM(there->sources, here->sources, sizeof(here->sources));
	CHECK_EQ(there->block_count, here->block_count);
	CHECK_MEM(there->blocks, here->blocks, sizeof(here->blocks));
	CHECK_EQ(there->train_count, here->train_count);
	CHECK_MEM(there->trains, here->trains, sizeof(here->trains));
}
