// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Every struct of include/roam in one object, never loaded: its BTF is what tools/schema.c makes
 * the image's schema from, and what the ABI test compares with its golden file. The programs' own
 * BTF will not do: clang leaves out what only an inner map's definition refers to.
 */
#include <roam/acl.h>
#include <roam/acl_index.h>
#include <roam/ask.h>
#include <roam/carry.h>
#include <roam/ct.h>
#include <roam/elder.h>
#include <roam/explain.h>
#include <roam/frag.h>
#include <roam/ips.h>
#include <roam/late.h>
#include <roam/lb.h>
#include <roam/limit.h>
#include <roam/monitor.h>
#include <roam/move.h>
#include <roam/pkt.h>
#include <roam/port.h>
#include <roam/qos.h>
#include <roam/set.h>
#include <roam/stats.h>
#include <roam/vm.h>

struct roam_acl_match acl_match;
struct roam_acl_rec acl_rec;
struct roam_acl_reject acl_reject;
struct roam_acl_row acl_row;
struct roam_ask_run ask_run;
struct roam_carry_run carry_run;
struct roam_carry_sums carry_sums;
struct roam_ct_fill ct_fill;
struct roam_ct_load ct_load;
struct roam_ct_tick ct_tick;
struct roam_ct_wire ct_wire;
struct roam_elder_run elder_run;
struct roam_flow_rec flow_rec;
struct roam_frag_rec frag_rec;
struct roam_frag_tick frag_tick;
struct roam_ips ips;
struct roam_ips_block_rec ips_block_rec;
struct roam_ips_source_rec ips_source_rec;
struct roam_ips_tick ips_tick;
struct roam_late_from late_from;
struct roam_late_header late_header;
struct roam_late_key late_key;
struct roam_late_to late_to;
struct roam_lb_affinity lb_affinity;
struct roam_lb_affinity_key lb_affinity_key;
struct roam_lb_backend lb_backend;
struct roam_lb_frag lb_frag;
struct roam_lb_frag_key lb_frag_key;
struct roam_lb_key lb_key;
struct roam_lb_member lb_member;
struct roam_lb_member_key lb_member_key;
struct roam_lb_peers lb_peers;
struct roam_lb_rec lb_rec;
struct roam_lb_service lb_service;
struct roam_lb_stats lb_stats;
struct roam_lb_table lb_table;
struct roam_lb_tag_key lb_tag_key;
struct roam_lb_tagged lb_tagged;
struct roam_limit limit;
struct roam_limit_key limit_key;
struct roam_limit_sync limit_sync;
struct roam_event event;
struct roam_explain explain;
struct roam_flight flight;
struct roam_gate gate;
struct roam_gone_flow gone_flow;
struct roam_gone_ips gone_ips;
struct roam_hits_rec hits_rec;
struct roam_log_rec log_rec;
struct roam_monitor monitor;
struct roam_move_rec move_rec;
struct roam_move_run move_run;
struct roam_stats_add stats_add;
struct roam_pkt pkt;
struct roam_port port;
struct roam_port_key port_key;
struct roam_qos_rec qos_rec;
struct roam_set set;
struct roam_set_entry set_entry;
struct roam_stats stats;
struct roam_stats_rec stats_rec;
struct roam_vm vm;

/* Lists: their numbers stand in rows of pinned maps, which another version may read. */
enum roam_carry_rows carry_rows;
enum roam_elder_mode elder_mode;
enum roam_acl_end acl_end;
enum roam_acl_track acl_track;
enum roam_action action;
enum roam_ct_kind ct_kind;
enum roam_ct_state ct_state;
enum roam_dir dir;
enum roam_flow_flags flow_flags;
enum roam_gate_state gate_state;
enum roam_ips_kind ips_kind;
enum roam_lb_role lb_role;
enum roam_lb_state lb_state;
enum roam_event_type event_type;
enum roam_life life;
enum roam_limit_kind limit_kind;
enum roam_log_table log_table;
enum roam_link_msg link_msg;
enum roam_local_kind local_kind;
enum roam_midstream midstream;
enum roam_set_kind set_kind;
enum roam_pkt_ct pkt_ct;
enum roam_pkt_fact pkt_fact;
enum roam_pkt_frag pkt_frag;
enum roam_pkt_gate pkt_gate;
enum roam_port_switch port_switch;
enum roam_reason reason;
enum roam_stage stage;
enum roam_sctp_chunk sctp_chunk;
enum roam_tcp_end_flags tcp_end_flags;
enum roam_tcp_flag tcp_flag;
enum roam_tcp_note_flags tcp_note_flags;
enum roam_verdict verdict;
enum roam_vm_feature vm_feature;
