/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The fields of a port, each from its text: for `port add` and for files of policy. They refuse
 * what a field cannot be by itself; port_validate() looks at the port as a whole.
 */
#ifndef ROAM_PORT_FIELDS_H
#define ROAM_PORT_FIELDS_H

#include <stdbool.h>
#include <roam/port.h>

int port_set_dev(struct roam_port *port, const char *text);
int port_set_mac(struct roam_port *port, const char *text);
bool port_has_mac(const struct roam_port *port);
int port_add_addr(struct roam_port *port, const char *text);
int port_add_vlan(struct roam_port *port, const char *text);
int port_set_zone(struct roam_port *port, const char *text);
/* "on" or "off" */
int port_set_dhcp(struct roam_port *port, const char *text);
int port_set_ra(struct roam_port *port, const char *text);

/* The zone of a port for which none was given: its own. */
void port_fill_zone(struct roam_port *port);

#endif
