// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* A host as text: see audit.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <roam/acl_index.h>
#include "acl.h"
#include "audit.h"
#include "ct.h"
#include "ips.h"
#include "lb.h"
#include "port.h"
#include "qos.h"
#include "text.h"
#include "vm.h"

struct audit {
	struct host *host;
	FILE *to;
	bool named[AUDIT_SLOTS];
	uint64_t flows;
};

static const char *owner(struct audit *audit, uint32_t slot, struct roam_vm *vm)
{
	if (slot < AUDIT_SLOTS && audit->named[slot] && !vm_get(audit->host, slot, vm))
		return vm->name;
	return "NOBODY";
}

static void print_rules(struct audit *audit, uint32_t slot, const char *name)
{
	_cleanup_close_ int hits = host_inner(audit->host, HOST_MAP_acl_hits, slot);
	_cleanup_acl_list_ struct acl_list list = {};
	uint32_t id, *at = NULL, rows = 0;

	if (acl_list(audit->host, slot, &list))
		fprintf(audit->to, "%s: NO RULES: %s\n", name, fail_line());
	for (uint32_t i = 0; i < list.count; i++)
		fprintf(audit->to, "%s: rule %s, %s, prio %u\n", name, list.recs[i].rule.name,
			text_enum_name(&text_dir, list.recs[i].rule.dir), list.recs[i].rule.prio);
	while (!bpf_map_get_next_key(hits, at, &id)) {
		at = &id;
		rows++;
	}
	fprintf(audit->to, "%s: %u rows of hits\n", name, rows);
}

/* What the acl stage walks, by the ids of its rules, counted from the oldest. */
static void print_matches(struct audit *audit, uint32_t slot, enum roam_dir dir, const char *name)
{
	_cleanup_close_ int fd = host_inner(audit->host, HOST_MAP_acl_match,
					    slot * ROAM_DIR_COUNT + dir);
	struct roam_acl_row row = {};
	uint32_t i = 0, rules = 0;

	if (!bpf_map_lookup_elem(fd, &i, &row))
		rules = row.head.rules;
	for (; i < rules; i++) {
		uint32_t at = ROAM_ACL_RULE_ROW + i / ROAM_ACL_ROW_RULES;
		const struct roam_acl_match *match = &row.rules[i % ROAM_ACL_ROW_RULES];

		bpf_map_lookup_elem(fd, &at, &row);
		fprintf(audit->to, "%s: %s list has at %u port %u, %s\n", name,
			text_enum_name(&text_dir, dir), i, match->lport.first,
			text_enum_name(&text_action, match->action));
	}
	fprintf(audit->to, "%s: %s list of %u\n", name, text_enum_name(&text_dir, dir), i);
}

static int count_flows(const struct roam_flow_rec *rows, uint32_t count, void *arg)
{
	(void)rows;
	*(uint64_t *)arg += count;
	return 0;
}

static void print_flows(struct audit *audit, uint32_t slot, const struct roam_vm *vm)
{
	uint32_t used[ROAM_CT_KINDS] = {};
	uint64_t flows = 0;
	int err = ct_dump(audit->host, slot, count_flows, &flows);

	ct_used(audit->host, slot, used);
	fprintf(audit->to, "%s: %llu flows (%s), gauges %u and %u\n", vm->name,
		(unsigned long long)flows, err ? fail_line() : "all", used[0], used[1]);
	if (vm->ct_moving)
		fprintf(audit->to, "%s: STILL MOVING\n", vm->name);
	for (uint32_t kind = 0; kind < ROAM_CT_KINDS; kind++) {
		_cleanup_close_ int fd = host_inner(audit->host, HOST_MAP_ct_table,
						    ROAM_CT_TABLE(slot, !vm->ct_bank, kind));

		if (fd >= 0)
			fprintf(audit->to, "%s: A TABLE IN THE IDLE BANK\n", vm->name);
	}
}

static uint32_t count_rows(struct audit *audit, enum host_map outer, uint32_t index)
{
	_cleanup_close_ int fd = host_inner(audit->host, outer, index);
	uint8_t key[64], *at = NULL;
	uint32_t count = 0;

	for (; fd >= 0 && !bpf_map_get_next_key(fd, at, key); at = key)
		count++;
	return count;
}

static void print_wire(struct audit *audit, uint32_t slot, const struct roam_vm *vm)
{
	uint32_t used = ROAM_CT_WIRE(slot, vm->ct_bank), idle = ROAM_CT_WIRE(slot, !vm->ct_bank);

	fprintf(audit->to, "%s: lb %u, features %u, %s, %u second keys\n", vm->name, vm->lb,
		vm->features,
		host_has_inner(audit->host, HOST_MAP_ct_wire, used) ? "a table" : "no table",
		count_rows(audit, HOST_MAP_ct_wire, used));
	if (host_has_inner(audit->host, HOST_MAP_ct_wire, idle))
		fprintf(audit->to, "%s: SECOND KEYS IN THE IDLE BANK\n", vm->name);
}

static void print_slots(struct audit *audit, const struct lb_service *service,
			const struct lb_backends *backends)
{
	static struct roam_lb_table table;
	_cleanup_close_ int fd = host_inner(audit->host, HOST_MAP_lb_table, service->row.no);
	uint32_t zero = 0, others = ROAM_LB_SLOTS;

	if (fd < 0 || bpf_map_lookup_elem(fd, &zero, &table)) {
		fprintf(audit->to, "lb %s: NO TABLE\n", service->row.name);
		return;
	}
	for (uint32_t i = 0; i < backends->count; i++) {
		const struct lb_backend *backend = &backends->list[i];
		uint32_t slots = 0;
		char text[TEXT_ADDR_LEN];

		for (uint32_t slot = 0; slot < ROAM_LB_SLOTS; slot++)
			slots += table.slot[slot] == backend->number;
		others -= slots;
		fprintf(audit->to,
			"lb %s: backend %s port %u, %s, %s, member %d, %u slots, %llu sessions\n",
			service->row.name, text_addr(&backend->row.addr, text),
			ntohs(backend->row.port),
			text_enum_name(&text_lb_state, backend->row.state),
			lb_is_elsewhere(&backend->row) ? "elsewhere" : "here",
			lb_member(audit->host, service->row.id, &backend->row.addr,
				  backend->row.port) == backend->number,
			slots, (unsigned long long)backend->stats.sessions);
	}
	fprintf(audit->to, "lb %s: %u slots of nobody\n", service->row.name, others);
}

static int count_peer(const struct lb_peer *peer, void *arg)
{
	(void)peer;
	++*(uint32_t *)arg;
	return 0;
}

/* What is there, and how many rows in all: none may belong to no service. */
static void print_services(struct audit *audit)
{
	_cleanup_lb_services_ struct lb_services services = {};
	struct roam_lb_member_key key, *at = NULL;
	uint32_t backends = 0, members = 0, tables = 0, tags = 0, peers = 0, vips = 0;
	struct roam_lb_tag_key tag, *tag_at = NULL;
	struct roam_addr vip, *vip_at = NULL;
	_cleanup_free_ struct roam_lb_backend *rows = NULL;
	char text[TEXT_ADDR_LEN];

	if (lb_list(audit->host, &services))
		fprintf(audit->to, "NO SERVICES: %s\n", fail_line());
	for (uint32_t i = 0; i < services.count; i++) {
		_cleanup_lb_backends_ struct lb_backends list = {};

		fprintf(audit->to, "lb %s: %s port %u\n", services.list[i].row.name,
			text_addr(&services.list[i].key.vip, text),
			ntohs(services.list[i].key.port));
		if (!lb_list_backends(audit->host, &services.list[i], &list))
			print_slots(audit, &services.list[i], &list);
	}
	if (lb_backend_rows(audit->host, &rows))
		fprintf(audit->to, "NO BACKENDS: %s\n", fail_line());
	for (uint32_t number = 1; rows && number < ROAM_LB_BACKENDS; number++)
		backends += rows[number].state != ROAM_LB_FREE;
	for (; !bpf_map_get_next_key(host_map(audit->host, HOST_MAP_lb_member), at, &key);
	     at = &key)
		members++;
	for (; !bpf_map_get_next_key(host_map(audit->host, HOST_MAP_lb_vip), vip_at, &vip);
	     vip_at = &vip)
		vips++;
	for (uint32_t no = 0; no < AUDIT_SLOTS; no++)
		tables += host_has_inner(audit->host, HOST_MAP_lb_table, no);
	for (; !bpf_map_get_next_key(host_map(audit->host, HOST_MAP_lb_tag), tag_at, &tag);
	     tag_at = &tag)
		tags++;
	lb_peer_each(audit->host, count_peer, &peers);
	fprintf(audit->to, "lb: %u backends, %u members, %u tables, %u tags, %u peers, %u vips\n",
		backends, members, tables, tags, peers, vips);
}

static int count_block(const struct roam_ips_block_rec *rec, void *arg)
{
	(void)rec;
	++*(uint32_t *)arg;
	return 0;
}

static void print_features(struct audit *audit, uint32_t slot, const struct roam_vm *vm)
{
	struct roam_qos_rec qos;
	struct roam_ips ips;
	uint32_t blocks = 0;

	for (int dir = 0; dir < ROAM_DIR_COUNT; dir++) {
		if (!qos_get(audit->host, slot, dir, &qos) && qos.conf.is_set)
			fprintf(audit->to, "%s: %s rate %llu\n", vm->name,
				text_enum_name(&text_dir, dir),
				(unsigned long long)qos.conf.rate_Bps);
	}
	ips_each_block(audit->host, slot, count_block, &blocks);
	if (!ips_get(audit->host, slot, &ips) && ips.is_set)
		fprintf(audit->to, "%s: ips rate %u, %u blocks of %u\n", vm->name, ips.rate, blocks,
			ips.blocks);
	else if (host_has_inner(audit->host, HOST_MAP_ips_block, slot))
		fprintf(audit->to, "%s: TABLES WITHOUT A PROFILE\n", vm->name);
	fprintf(audit->to, "%s: features %#x\n", vm->name, vm->features);
}

/* With what is left of one that is over. */
static void print_gate(struct audit *audit, uint32_t slot, const struct roam_vm *vm)
{
	struct roam_gate gate = {};
	bool log = host_has_inner(audit->host, HOST_MAP_move_log, slot);

	host_get(audit->host, HOST_MAP_move_gate, &slot, &gate);
	if (vm->life == ROAM_LIFE_GATED)
		fprintf(audit->to, "%s: gate %s, %s\n", vm->name,
			text_enum_name(&text_gate, gate.state), log ? "a log" : "no log");
	else if (gate.state != ROAM_GATE_NONE || log)
		fprintf(audit->to, "%s: A GATE OR A LOG OF NO HANDOVER\n", vm->name);
}

static int print_vm(struct host *host, uint32_t slot, void *arg)
{
	struct roam_port ports[ROAM_VM_PORTS];
	int count = port_list(host, slot, ports);
	struct audit *audit = arg;
	char mac[TEXT_MAC_LEN];
	struct roam_vm vm;

	if (slot >= AUDIT_SLOTS || vm_get(host, slot, &vm))
		return fprintf(audit->to, "A SLOT OUT OF BOUNDS\n");
	audit->named[slot] = true;
	fprintf(audit->to, "%s: %s, in %u, out %u, midstream %u, quotas %u and %u\n", vm.name,
		text_enum_name(&text_life, vm.life), vm.default_action[ROAM_DIR_IN],
		vm.default_action[ROAM_DIR_OUT], vm.midstream, vm.quota_flows, vm.quota_half);
	for (int i = 0; i < count; i++)
		fprintf(audit->to, "%s: port %s on %s (%u), zone %s, %u addresses, %u vlans\n",
			vm.name, text_mac(ports[i].mac, mac), ports[i].dev, ports[i].ifindex,
			ports[i].zone_name, ports[i].addr_count, ports[i].vlan_count);
	if (vm.staged)
		fprintf(audit->to, "%s: A POLICY STILL STAGED\n", vm.name);
	print_gate(audit, slot, &vm);
	print_features(audit, slot, &vm);
	print_rules(audit, slot, vm.name);
	print_matches(audit, slot, ROAM_DIR_IN, vm.name);
	print_matches(audit, slot, ROAM_DIR_OUT, vm.name);
	print_flows(audit, slot, &vm);
	print_wire(audit, slot, &vm);
	return 0;
}

static void print_shared(struct audit *audit)
{
	struct roam_port_key conf, *conf_at = NULL;
	uint8_t mac[8], *mac_at = NULL;
	struct roam_addr addr, *addr_at = NULL;
	char text[TEXT_ADDR_LEN];
	struct roam_vm vm;
	uint32_t slot;

	for (; !bpf_map_get_next_key(host_map(audit->host, HOST_MAP_port_conf), conf_at, &conf);
	     conf_at = &conf)
		fprintf(audit->to, "port_conf: of %s\n", owner(audit, conf.vm, &vm));
	for (; !bpf_map_get_next_key(host_map(audit->host, HOST_MAP_port_mac), mac_at, mac);
	     mac_at = mac) {
		host_get(audit->host, HOST_MAP_port_mac, mac, &slot);
		fprintf(audit->to, "port_mac: %s is of %s\n", text_mac(mac, text),
			owner(audit, slot, &vm));
	}
	for (; !bpf_map_get_next_key(host_map(audit->host, HOST_MAP_port_addr), addr_at, &addr);
	     addr_at = &addr) {
		host_get(audit->host, HOST_MAP_port_addr, &addr, &slot);
		fprintf(audit->to, "port_addr: %s is of %s\n", text_addr(&addr, text),
			owner(audit, slot, &vm));
	}
}

static void print_devices(struct audit *audit)
{
	uint32_t ifindex, *at = NULL;
	struct roam_port row;
	struct roam_vm vm;

	for (; !bpf_map_get_next_key(host_map(audit->host, HOST_MAP_port_dev), at, &ifindex);
	     at = &ifindex) {
		host_get(audit->host, HOST_MAP_port_dev, &ifindex, &row);
		fprintf(audit->to, "port_dev: %u is of %s, %u addresses\n", ifindex,
			owner(audit, row.vm, &vm), row.addr_count);
	}
}

static void print_folder(struct audit *audit, const char *folder)
{
	char path[512];
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;

	snprintf(path, sizeof(path), "%s/%s", host_dir(audit->host), folder);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			fprintf(audit->to, "%s/%s\n", folder, entry->d_name);
	}
}

static void print_leftovers(struct audit *audit, uint32_t slot)
{
	struct roam_vm vm;
	bool tables = host_has_inner(audit->host, HOST_MAP_acl_policy, slot) ||
		      host_has_inner(audit->host, HOST_MAP_acl_hits, slot) ||
		      host_has_inner(audit->host, HOST_MAP_frag_table, slot) ||
		      host_has_inner(audit->host, HOST_MAP_frag_clock, slot) ||
		      host_has_inner(audit->host, HOST_MAP_ips_source, slot) ||
		      host_has_inner(audit->host, HOST_MAP_ips_block, slot) ||
		      host_has_inner(audit->host, HOST_MAP_move_log, slot) ||
		      host_has_inner(audit->host, HOST_MAP_stats, slot);

	for (uint32_t dir = 0; dir < ROAM_DIR_COUNT; dir++)
		tables |= host_has_inner(audit->host, HOST_MAP_acl_match,
					 slot * ROAM_DIR_COUNT + dir);
	for (uint32_t i = 0; i < ROAM_CT_TABLES; i++)
		tables |= host_has_inner(audit->host, HOST_MAP_ct_table,
					 slot * ROAM_CT_TABLES + i) ||
			  host_has_inner(audit->host, HOST_MAP_ct_clock, slot * ROAM_CT_TABLES + i);
	for (uint32_t bank = 0; bank < ROAM_CT_BANKS; bank++)
		tables |= host_has_inner(audit->host, HOST_MAP_ct_wire, ROAM_CT_WIRE(slot, bank));
	if (tables)
		fprintf(audit->to, "TABLES OF NOBODY in slot %u\n", slot);
	if (qos_is_used(audit->host, slot) || ips_is_used(audit->host, slot))
		fprintf(audit->to, "A PROFILE OF NOBODY in slot %u\n", slot);
	if (!vm_get(audit->host, slot, &vm) && vm.life != ROAM_LIFE_FREE)
		fprintf(audit->to, "A ROW OF NOBODY in slot %u: '%s', %s\n", slot, vm.name,
			text_enum_name(&text_life, vm.life));
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Maps have no order of their own. */
static char *sort_lines(char *text)
{
	char *line[512], *rest, *sorted = calloc(1, strlen(text) + 1);
	int count = 0;

	for (char *at = strtok_r(text, "\n", &rest); at && count < 512;
	     at = strtok_r(NULL, "\n", &rest))
		line[count++] = at;
	qsort(line, count, sizeof(line[0]), compare_lines);
	for (int i = 0; i < count && sorted; i++) {
		strcat(sorted, line[i]);
		strcat(sorted, "\n");
	}
	free(text);
	return sorted;
}

char *audit(struct host *host)
{
	struct audit state = { .host = host };
	size_t size;
	char *text;

	state.to = open_memstream(&text, &size);
	if (!state.to)
		return NULL;
	vm_each(host, print_vm, &state);
	print_services(&state);
	print_shared(&state);
	print_devices(&state);
	print_folder(&state, "links");
	print_folder(&state, "journal");
	for (uint32_t slot = ROAM_VM_NONE + 1; slot < AUDIT_SLOTS; slot++) {
		if (!state.named[slot])
			print_leftovers(&state, slot);
	}
	fclose(state.to);
	return sort_lines(text);
}
