// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* QEMU's dbus-vmstate from a helper's side, by sd-bus: see vmstate.h. */
#include <poll.h>
#include <systemd/sd-bus.h>
#include "vmstate.h"

#define NAME     "org.qemu.VMState1" /* of the interface, too */
#define PATH     "/org/qemu/VMState1"
#define START_US 5000000

struct vmstate {
	struct vmstate_open open;
	sd_bus *bus;
};

/* ---- what QEMU calls ---- */

static int get_id(sd_bus *bus, const char *path, const char *interface, const char *property,
		  sd_bus_message *reply, void *arg, sd_bus_error *error)
{
	const struct vmstate *vmstate = arg;

	(void)bus;
	(void)path;
	(void)interface;
	(void)property;
	(void)error;
	return sd_bus_message_append(reply, "s", vmstate->open.id);
}

static int refuse(sd_bus_error *error)
{
	return sd_bus_error_set(error, SD_BUS_ERROR_FAILED, fail_line());
}

static int on_save(sd_bus_message *call, void *arg, sd_bus_error *error)
{
	const struct vmstate *vmstate = arg;
	_cleanup_free_ uint8_t *bytes = malloc(VMSTATE_MOST);
	sd_bus_message *reply = NULL;
	size_t size;
	int err;

	if (!bytes)
		return -ENOMEM;
	if (vmstate->open.hooks->save(vmstate->open.arg, bytes, VMSTATE_MOST, &size))
		return refuse(error);
	err = sd_bus_message_new_method_return(call, &reply);
	if (err >= 0)
		err = sd_bus_message_append_array(reply, 'y', bytes, size);
	if (err >= 0)
		err = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return err;
}

static int on_load(sd_bus_message *call, void *arg, sd_bus_error *error)
{
	const struct vmstate *vmstate = arg;
	const void *bytes;
	size_t size;
	int err = sd_bus_message_read_array(call, 'y', &bytes, &size);

	if (err < 0)
		return err;
	if (vmstate->open.hooks->load(vmstate->open.arg, bytes, size))
		return refuse(error);
	return sd_bus_reply_method_return(call, NULL);
}

/* UNPRIVILEGED: QEMU is not root, and whoever may be on this bus the bus decides. */
static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Id", "s", get_id, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_METHOD("Save", "", "ay", on_save, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Load", "ay", "", on_load, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

/* ---- the bus ---- */

static int connect_to(struct vmstate *vmstate)
{
	int err = sd_bus_new(&vmstate->bus);

	if (err >= 0)
		err = sd_bus_set_address(vmstate->bus, vmstate->open.address);
	if (err >= 0)
		err = sd_bus_set_bus_client(vmstate->bus, 1);
	if (err >= 0)
		err = sd_bus_set_method_call_timeout(vmstate->bus, START_US);
	if (err >= 0)
		err = sd_bus_start(vmstate->bus);
	if (err >= 0)
		err = sd_bus_add_object_vtable(vmstate->bus, NULL, PATH, NAME, vtable, vmstate);
	/* Helpers stand in the name's queue, where QEMU finds all of them. */
	if (err >= 0)
		err = sd_bus_request_name(vmstate->bus, NAME, SD_BUS_NAME_QUEUE);
	return err;
}

int vmstate_open(const struct vmstate_open *open, struct vmstate **ret_vmstate)
{
	_cleanup_vmstate_ struct vmstate *vmstate = calloc(1, sizeof(*vmstate));
	int err;

	if (!vmstate)
		return fail(-ENOMEM, "vmstate: out of memory");
	vmstate->open = *open;
	err = connect_to(vmstate);
	if (err < 0)
		return fail_errno(err, "vmstate: no D-Bus at '%.200s'", open->address);
	*ret_vmstate = TAKE_PTR(vmstate);
	return 0;
}

static int wait_ms(sd_bus *bus)
{
	const uint64_t now_us = now_ns() / 1000;
	uint64_t until_us;

	if (sd_bus_get_timeout(bus, &until_us) < 0 || until_us == UINT64_MAX)
		return -1;
	return until_us <= now_us ? 0 : (until_us - now_us + 999) / 1000;
}

int vmstate_serve(struct vmstate *vmstate, int stop_fd)
{
	struct pollfd fds[2] = { {}, { .fd = stop_fd, .events = POLLIN } };

	for (;;) {
		int did = sd_bus_process(vmstate->bus, NULL), events;

		if (did > 0)
			continue;
		events = did < 0 ? did : sd_bus_get_events(vmstate->bus);
		if (events < 0)
			return fail(-EPIPE, "vmstate: the D-Bus at '%.200s' is gone",
				    vmstate->open.address);
		fds[0].fd = sd_bus_get_fd(vmstate->bus);
		fds[0].events = events;
		if (poll(fds, ARRAY_SIZE(fds), wait_ms(vmstate->bus)) < 0 && errno != EINTR)
			return fail_errno(-errno, "vmstate: poll");
		if (fds[1].revents)
			return 0;
	}
}

void vmstate_close(struct vmstate *vmstate)
{
	if (!vmstate)
		return;
	if (vmstate->bus)
		sd_bus_flush_close_unref(vmstate->bus);
	free(vmstate);
}
