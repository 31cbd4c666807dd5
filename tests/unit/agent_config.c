// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* roamd's configuration: what is understood, and what is refused with its place. */
#include <arpa/inet.h>
#include <string.h>
#include "config.h"
#include "harness.h"

#define NEEDED                                                                                     \
	"name: host-a\n"                                                                           \
	"certificate: /etc/roam/a.pem\n"                                                           \
	"key: /etc/roam/a.key\n"                                                                   \
	"ca: /etc/roam/ca.pem\n"

static int read_text(const char *text, struct config *config)
{
	return config_read_text("roamd.yaml", text, strlen(text), config);
}

TEST(what_it_says)
{
	static const char text[] = NEEDED "listen: 192.0.2.1:4791\n"
					  "metrics: \"[::1]:9790\"\n"
					  "log: json\n"
					  "late: fd00::1\n"
					  "limits: {rate_mbps: 100, handovers: 3}\n"
					  "peers:\n"
					  "  - name: host-b\n"
					  "    address: 192.0.2.2\n"
					  "  - {name: host-c, address: \"[2001:db8::3]:5000\"}\n";
	struct config config;
	const struct sockaddr_in *in4;
	const struct sockaddr_in6 *in6;

	if (!CHECK_OK(read_text(text, &config)))
		return;
	CHECK_STR(config.name, "host-a");
	CHECK_STR(config.key, "/etc/roam/a.key");
	CHECK_STR(config.late, "fd00::1");
	CHECK_STR(config.state, "/var/lib/roam");
	CHECK(config.log_json);
	CHECK_EQ(config.rate_mbps, 100);
	CHECK_EQ(config.handovers, 3);
	CHECK_EQ(config.handshakes, 16);
	in4 = (const struct sockaddr_in *)&config.listen.addr;
	CHECK_EQ(ntohs(in4->sin_port), 4791);
	CHECK_EQ(config.peer_count, 2);
	in4 = (const struct sockaddr_in *)&config_peer(&config, "host-b")->address.addr;
	CHECK_EQ(ntohs(in4->sin_port), CONFIG_PORT);
	in6 = (const struct sockaddr_in6 *)&config_peer(&config, "host-c")->address.addr;
	CHECK_EQ(in6->sin6_family, AF_INET6);
	CHECK_EQ(ntohs(in6->sin6_port), 5000);
	CHECK(!config_peer(&config, "host-d"));
	config_free(&config);
}

static const struct refused {
	const char *name;
	const char *text;
	const char *line;
} refused[] = {
	{ "empty", "", "roamd.yaml: is empty" },
	{ "no YAML", "name: [", "roamd.yaml:2:1: " },
	{ "a list", "- name\n", "roamd.yaml:1:1: the file has keys" },
	{ "no name", "key: /k\n", "roamd.yaml: 'name' is missing" },
	{ "no ca", "name: a\ncertificate: /c\nkey: /k\n", "roamd.yaml: 'ca' is missing" },
	{ "unknown key", NEEDED "  listne: 1\n", "roamd.yaml:5:" },
	{ "unknown key at its place", NEEDED "listne: 1\n",
	  "roamd.yaml:5:1: 'listne' is no key here" },
	{ "twice", NEEDED "name: b\n", "roamd.yaml:5:1: this key is there twice" },
	{ "relative", NEEDED "state: var\n", "roamd.yaml:5:8: 'var' is no absolute path" },
	{ "a name for a number", NEEDED "listen: localhost\n",
	  "roamd.yaml:5:9: 'localhost' is no numeric address" },
	{ "port 0", NEEDED "listen: 10.0.0.1:0\n", "roamd.yaml:5:9: '10.0.0.1:0' has no port" },
	{ "log", NEEDED "log: xml\n", "roamd.yaml:5:6: log is 'plain' or 'json'" },
	{ "limit", NEEDED "limits:\n  handovers: 0\n", "roamd.yaml:6:14: handovers is not from 1" },
	{ "unknown limit", NEEDED "limits:\n  speed: 1\n",
	  "roamd.yaml:6:3: 'speed' is no key here" },
	{ "peer without address", NEEDED "peers:\n  - name: b\n",
	  "roamd.yaml:6:5: a peer has a name and an address" },
	{ "peer with more", NEEDED "peers:\n  - {name: b, address: 10.0.0.1, x: 1}\n",
	  "roamd.yaml:6:34: a peer has" },
	{ "peer twice",
	  NEEDED "peers: [{name: b, address: \"::1\"}, {name: b, address: \"::2\"}]\n",
	  "roamd.yaml:5:36: this peer is there twice" },
	{ "peer's name", NEEDED "peers: [{name: \"*.b\", address: \"::1\"}]\n",
	  "roamd.yaml:5:16: " },
};

TEST_EACH(refused_with_its_place, refused)
{
	struct config config = { .handovers = 99 };

	CHECK_NE(read_text(row->text, &config), 0);
	CHECK_HAS(fail_line(), row->line);
	CHECK_EQ(config.handovers, 99);
}

static const struct addr_row {
	const char *name;
	const char *text;
	int port; /* 0: refused */
} addrs[] = {
	{ "4", "10.0.0.1", 7 },
	{ "4 and port", "10.0.0.1:80", 80 },
	{ "6", "fd00::1", 7 },
	{ "6 in brackets", "[fd00::1]", 7 },
	{ "6 and port", "[fd00::1]:80", 80 },
	{ "nothing", "", 0 },
	{ "half a bracket", "[fd00::1", 0 },
	{ "[]", "[]", 0 },
	{ "[", "[", 0 },
	{ ":", ":", 0 },
	{ "]:1", "]:1", 0 },
	{ "port too large", "10.0.0.1:65536", 0 },
	{ "long", "11111111111111111111111111111111111111111111111111111111111111111111111", 0 },
};

TEST_EACH(addresses, addrs)
{
	struct config_addr addr = {};
	int err = config_addr_parse(row->text, 7, &addr);

	CHECK_EQ(!err, row->port != 0);
	if (!err)
		CHECK_EQ(ntohs(((struct sockaddr_in *)&addr.addr)->sin_port), row->port);
}
