// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The bucket of a VM's answers to what is rejected: see acl.h. */
#include "acl.h"

int acl_reject_get(struct host *host, uint32_t slot, __u64 *ret_paid_ns)
{
	struct roam_acl_reject row;
	int err = host_get(host, HOST_MAP_acl_reject, &slot, &row);

	if (!err)
		*ret_paid_ns = row.paid_ns;
	return err;
}

int acl_reject_put(struct host *host, uint32_t slot, uint64_t paid_ns)
{
	struct roam_acl_reject row = { .paid_ns = paid_ns };

	return host_put(host, HOST_MAP_acl_reject, &slot, &row);
}
