/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A host: the pinned programs, maps and links under one folder of a bpffs, and the lock that its
 * writers hold. Everything else of libroam works through an open host.
 *
 *   DIR/maps/NAME   DIR/progs/NAME   DIR/links/…   DIR/journal/SLOT (see journal.h)
 *   DIR/monitor/PLACE (see monitor.h)
 *
 * Opening one also mends what a killed process left half done (recover.h), if nobody else is
 * writing.
 */
#ifndef ROAM_HOST_H
#define ROAM_HOST_H

#include <roam/ct.h>
#include <roam/types.h>
#include "util.h"

#define HOST_DIR_DEFAULT "/sys/fs/bpf/roam"

/* Every map, by the name under which it is pinned. */
#define HOST_MAPS(X)                                                                               \
	X(vm_conf)                                                                                 \
	X(vm_slot)                                                                                 \
	X(port_conf)                                                                               \
	X(port_dev)                                                                                \
	X(port_mac)                                                                                \
	X(port_addr)                                                                               \
	X(acl_policy)                                                                              \
	X(acl_match)                                                                               \
	X(acl_hits)                                                                                \
	X(acl_reject)                                                                              \
	X(ct_table)                                                                                \
	X(ct_clock)                                                                                \
	X(ct_fill)                                                                                 \
	X(ct_timeouts)                                                                             \
	X(ct_xfer)                                                                                 \
	X(ct_wire)                                                                                 \
	X(limit_rule)                                                                              \
	X(limit_count)                                                                             \
	X(limit_clock)                                                                             \
	X(frag_table)                                                                              \
	X(frag_clock)                                                                              \
	X(lb_service)                                                                              \
	X(lb_backend)                                                                              \
	X(lb_table)                                                                                \
	X(lb_member)                                                                               \
	X(lb_vip)                                                                                  \
	X(lb_stats)                                                                                \
	X(lb_tag)                                                                                  \
	X(lb_peers)                                                                                \
	X(ips_conf)                                                                                \
	X(ips_source)                                                                              \
	X(ips_block)                                                                               \
	X(ips_clock)                                                                               \
	X(late_from)                                                                               \
	X(late_to)                                                                                 \
	X(monitor_conf)                                                                            \
	X(monitor_lost)                                                                            \
	X(monitor_ring)                                                                            \
	X(move_gate)                                                                               \
	X(move_log)                                                                                \
	X(move_flight)                                                                             \
	X(qos_conf)                                                                                \
	X(explain_run)                                                                             \
	X(ask_run)                                                                                 \
	X(qos_state)                                                                               \
	X(set_all)                                                                                 \
	X(set_rows)                                                                                \
	X(stats)                                                                                   \
	X(stats_xfer)

enum host_map {
#define X(name) HOST_MAP_##name,
	HOST_MAPS(X)
#undef X
		HOST_MAP_COUNT
};

/* Every program that user space runs or attaches. */
#define HOST_PROGS(X)                                                                              \
	X(tc_in)                                                                                   \
	X(tc_out)                                                                                  \
	X(xdp_uplink)                                                                              \
	X(explain_port)                                                                            \
	X(explain_uplink)                                                                          \
	X(ask_flows)                                                                               \
	X(ct_load)                                                                                 \
	X(ct_drop)                                                                                 \
	X(limit_sync)                                                                              \
	X(elder_merge)                                                                             \
	X(monitor_say)                                                                             \
	X(move_fetch)                                                                              \
	X(move_apply)                                                                              \
	X(stats_add)

enum host_prog {
#define X(name) HOST_PROG_##name,
	HOST_PROGS(X)
#undef X
		HOST_PROG_COUNT
};

struct host;

int host_open(const char *dir, struct host **ret_host);
void host_close(struct host *host);

static inline void cleanup_host(struct host **host)
{
	host_close(*host);
}
#define _cleanup_host_ __attribute__((cleanup(cleanup_host)))

/* Descriptors that the host owns. */
int host_map(const struct host *host, enum host_map map);
int host_prog(const struct host *host, enum host_prog prog);
/* The bulk loader's rows (ROAM_CT_XFER_ROWS), for who has the host's lock; NULL if they cannot be
 * mapped. */
struct roam_flow_rec *host_xfer(struct host *host);
int host_dir_fd(const struct host *host);
const char *host_dir(const struct host *host);

/*
 * The writers' lock; waits. May be taken again by who holds it: the last unlock releases it. Who
 * gets it finds the host whole: recover() has run.
 */
int host_lock(struct host *host);
bool host_try_lock(struct host *host);
void host_unlock(struct host *host);

/* int err = host_lock(host); if (err) …; _cleanup_unlock_ struct host *locked = host; */
static inline void cleanup_unlock(struct host **host)
{
	if (*host)
		host_unlock(*host);
}
#define _cleanup_unlock_ __attribute__((cleanup(cleanup_unlock)))

/*
 * For who reads for long without the lock: -EOPNOTSUPP once another version has upgraded the host
 * to a layout of its own. What is open here is of no host any more then.
 */
int host_check(const struct host *host);

/*
 * Inner maps of an ARRAY_OF_MAPS. host_inner returns a descriptor that the caller closes, -ENOENT
 * if the place is empty. Setting and clearing wait for programs that still use the old one (RCU).
 */
int host_inner(const struct host *host, enum host_map outer, uint32_t index);
/* Whether there is one; leaves fail_line() as it is. */
bool host_has_inner(const struct host *host, enum host_map outer, uint32_t index);
int host_set_inner(const struct host *host, enum host_map outer, uint32_t index, int fd);
void host_clear_inner(const struct host *host, enum host_map outer, uint32_t index);

/* One row of a map; fail() names the map. */
int host_get(const struct host *host, enum host_map map, const void *key, void *ret_value);
/* The first `count` rows of an ARRAY, in one call of the kernel. */
int host_get_all(const struct host *host, enum host_map map, uint32_t count, void *ret_values);
int host_put(const struct host *host, enum host_map map, const void *key, const void *value);
int host_delete(const struct host *host, enum host_map map, const void *key);

#endif
