/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A port's fields, for `port show` and `state show`, into an item that the caller has begun. */
#ifndef ROAM_PORT_SHOW_H
#define ROAM_PORT_SHOW_H

#include <roam/port.h>
#include "out.h"

/* All but the device, which an image does not have. */
void port_show(struct out *out, const struct roam_port *port);

#endif
