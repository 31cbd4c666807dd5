// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The qos stage: the VM's rate in this direction, and the mark that its packets get. Last of the
 * list, so that only what everybody else lets pass takes tokens. Owns the profiles and buckets.
 */
#include "qos_take.h"

__noinline enum roam_verdict qos_check(struct roam_pkt *pkt)
{
	return pkt ? qos_take(pkt) : ROAM_DROP;
}
