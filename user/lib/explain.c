// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* What would become of a packet: see explain.h. */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <bpf/bpf.h>
#include "explain.h"
#include "vm.h"

/*
 * One at a time on a host, since there is one row for it. A lock of its own: explaining waits for
 * no writer of policy, and none for it.
 */
static int lock_row(struct host *host, int *ret_fd)
{
	_cleanup_close_ int fd = openat(host_dir_fd(host), "progs",
					O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || flock(fd, LOCK_EX))
		return fail_errno(-errno, "host %s: cannot lock progs", host_dir(host));
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int run(struct host *host, enum host_prog prog, struct bpf_test_run_opts *opts,
	       struct roam_explain *run)
{
	_cleanup_close_ int lock = -1;
	uint32_t row = 0;
	int err = lock_row(host, &lock);

	if (!err)
		err = host_put(host, HOST_MAP_explain_run, &row, run);
	if (!err && bpf_prog_test_run_opts(host_prog(host, prog), opts))
		err = fail_errno(-errno, "explain: cannot run the packet");
	return err ? err : host_get(host, HOST_MAP_explain_run, &row, run);
}

int explain_port(struct host *host, uint32_t ifindex, enum roam_dir dir,
		 const struct packet *packet, struct roam_explain *ret_run)
{
	struct __sk_buff skb = { .ifindex = ifindex, .gso_size = packet->gso_size };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet->bytes, .data_size_in = packet->len,
		    .ctx_in = &skb, .ctx_size_in = sizeof(skb));
	struct roam_explain asked = { .dir = dir };
	int err = run(host, HOST_PROG_explain_port, &opts, &asked);

	if (!err)
		*ret_run = asked;
	return err;
}

int explain_uplink(struct host *host, uint32_t ifindex, const struct packet *packet,
		   struct roam_explain *ret_run)
{
	struct xdp_md xdp = { .ingress_ifindex = ifindex, .data_end = packet->len };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet->bytes, .data_size_in = packet->len,
		    .ctx_in = &xdp, .ctx_size_in = sizeof(xdp));
	struct roam_explain asked = { .dir = ROAM_DIR_IN };
	int err = run(host, HOST_PROG_explain_uplink, &opts, &asked);

	if (!err)
		*ret_run = asked;
	return err;
}

int explain_flow(struct host *host, const struct roam_explain *run, struct roam_flow *ret_flow)
{
	for (uint32_t i = 0; i < ROAM_CT_TABLES; i++) {
		uint32_t table = ROAM_CT_TABLE(run->pkt.vm, 0, 0) + i;
		_cleanup_close_ int fd = -1;

		if (!host_has_inner(host, HOST_MAP_ct_table, table))
			continue;
		fd = host_inner(host, HOST_MAP_ct_table, table);
		if (fd >= 0 && !bpf_map_lookup_elem(fd, &run->pkt.key, ret_flow))
			return 0;
	}
	return -ENOENT;
}
