/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What a VM's maps take of the kernel's memory. */
#ifndef ROAM_MEMORY_H
#define ROAM_MEMORY_H

#include "host.h"

/* As the kernel says itself (memlock of fdinfo), summed over the VM's inner maps. */
int memory_of_vm(struct host *host, uint32_t slot, uint64_t *ret_bytes);

#endif
