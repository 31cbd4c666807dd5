// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Every struct of include/roam in one object, never loaded: its BTF is what tools/schema.c makes
 * the image's schema from, and what the ABI test compares with its golden file. The programs' own
 * BTF will not do: clang leaves out what only an inner map's definition refers to.
 */
#include <roam/acl.h>
#include <roam/ct.h>
#include <roam/pkt.h>
#include <roam/port.h>
#include <roam/stats.h>
#include <roam/vm.h>

struct roam_acl_match acl_match;
struct roam_acl_rec acl_rec;
struct roam_ct_fill ct_fill;
struct roam_ct_load ct_load;
struct roam_ct_tick ct_tick;
struct roam_flow_rec flow_rec;
struct roam_pkt pkt;
struct roam_port port;
struct roam_port_key port_key;
struct roam_stats stats;
struct roam_stats_rec stats_rec;
struct roam_vm vm;
