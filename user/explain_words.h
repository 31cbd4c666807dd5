/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The words that describe a packet, of `roam explain`. */
#ifndef ROAM_EXPLAIN_WORDS_H
#define ROAM_EXPLAIN_WORDS_H

#include "cmd.h"
#include "packet.h"

struct explain_ask {
	struct packet_spec spec;  /* MACs only where they were given */
	struct packet_spec about; /* what it quotes a part of, if it is an error */
	const char *dev;          /* NULL: that of the port which has the address */
	bool has_smac;
	bool has_dmac;
	bool has_about;
};

#define EXPLAIN_ENDS_USAGE                                                                         \
	"tcp|udp|sctp SRC:PORT to DST:PORT | icmp|icmp6|proto N|arp|rarp SRC to DST\n       "
#define EXPLAIN_MORE_USAGE                                                                         \
	"[syn] [ack] [fin] [rst] [psh] [urg] [none] [seq N] [ackseq N] [window N]\n"               \
	"       [scale N] [chunk N] [type N] [code N] [id N] [target ADDR] [lladdr MAC] [op N]\n"  \
	"       [ttl N] [len N] [ext N] [frag N] [vlan VLAN] [smac MAC] [dmac MAC] [dev DEV]\n"    \
	"       [about PACKET]"

/* All the words that are left. `>` may stand for `to`, and one word for all of them. */
int explain_words_packet(struct words *words, struct explain_ask *ret_ask);

#endif
