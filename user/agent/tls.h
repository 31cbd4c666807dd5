/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Who is a peer: TLS 1.3 alone, certificates on both sides, and a DNS name in the peer's that is on
 * the list. Sessions are not resumed, so each connection is looked at anew.
 */
#ifndef ROAM_AGENT_TLS_H
#define ROAM_AGENT_TLS_H

#include <openssl/ssl.h>
#include "agent.h"

/* Reads certificate, key and authorities; nothing changes if one cannot be used. */
int tls_load(struct agent *agent);
void tls_close(struct agent *agent);

/* For a connection; `peer` is who it must be, or NULL: anybody of the list. */
SSL *tls_new(struct agent *agent, const char *peer);
/* The peer's name on the list, once the handshake is done; NULL: none. */
const char *tls_peer(struct agent *agent, SSL *ssl);
/* Why a handshake failed, for people. */
const char *tls_error(SSL *ssl, unsigned long error, char *buf, size_t size);

#endif
