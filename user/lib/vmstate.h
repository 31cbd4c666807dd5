/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A helper of QEMU's dbus-vmstate (docs/interop/dbus-vmstate.rst in its sources): an object on a
 * D-Bus bus whose Save is called on the source when the VM's devices are saved, and whose Load on
 * the destination before the VM goes on there. QEMU waits for both; a Load that fails makes the
 * migration fail, and so does a Save, at the destination.
 */
#ifndef ROAM_VMSTATE_H
#define ROAM_VMSTATE_H

#include "util.h"

#define VMSTATE_MOST (64 * 1024) /* QEMU takes 1 MiB; nothing here needs that much */

struct vmstate;

/* 0, or -errno with a line, which is what QEMU writes down. */
struct vmstate_hooks {
	/* As many bytes as there is room for, at most. */
	int (*save)(void *arg, void *bytes, size_t room, size_t *ret_size);
	int (*load)(void *arg, const void *bytes, size_t size);
};

struct vmstate_open {
	const char *address; /* of the bus */
	const char *id;      /* the same at both hosts */
	const struct vmstate_hooks *hooks;
	void *arg;
};

/* Once it returns QEMU finds the helper. What `open` points to must stay. */
int vmstate_open(const struct vmstate_open *open, struct vmstate **ret_vmstate);
/* Until stop_fd can be read: 0; -EPIPE: the bus is gone. */
int vmstate_serve(struct vmstate *vmstate, int stop_fd);
void vmstate_close(struct vmstate *vmstate);

static inline void cleanup_vmstate(struct vmstate **vmstate)
{
	vmstate_close(*vmstate);
}

#define _cleanup_vmstate_ __attribute__((cleanup(cleanup_vmstate)))

#endif
