/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * roamd's configuration: a file in YAML (roamd(8)). A key that is not known is refused, with its
 * place, as is a value that cannot be.
 */
#ifndef ROAM_AGENT_CONFIG_H
#define ROAM_AGENT_CONFIG_H

#include <sys/socket.h>
#include <roam/types.h>
#include "util.h"

#define CONFIG_PATH_LEN  108 /* as a socket's path may be, with NUL */
#define CONFIG_PEERS_MAX 1024
#define CONFIG_PORT      4790

struct config_addr {
	struct sockaddr_storage addr;
	int len; /* 0: none */
};

struct config_peer {
	char name[ROAM_NAME_LEN]; /* the DNS name in its certificate */
	struct config_addr address;
};

struct config {
	struct config_addr listen;
	struct config_addr metrics;
	char name[ROAM_NAME_LEN]; /* this host's, as its peers know it */
	char certificate[CONFIG_PATH_LEN];
	char key[CONFIG_PATH_LEN];
	char ca[CONFIG_PATH_LEN];
	char control[CONFIG_PATH_LEN];
	char state[CONFIG_PATH_LEN];
	char bpffs[CONFIG_PATH_LEN];
	char late[46]; /* the address where late packets are taken; empty: none are */
	bool log_json;
	uint32_t rate_mbps;
	uint32_t handovers;  /* at once */
	uint32_t handshakes; /* connections at once that have not shown who they are */
	struct config_peer *peers;
	uint32_t peer_count;
};

/* All of it, or nothing and a line that begins FILE:LINE:COLUMN. */
int config_read(const char *file, struct config *ret_config);
int config_read_text(const char *file, const char *text, size_t size, struct config *ret_config);
void config_free(struct config *config);

const struct config_peer *config_peer(const struct config *config, const char *name);

/* "10.0.0.1", "10.0.0.1:4790", "[fd00::1]:4790": numbers, so that no name server has a say. */
int config_addr_parse(const char *text, uint16_t port, struct config_addr *ret_addr);

#endif
