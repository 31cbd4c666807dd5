// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* A connection to a peer: see link.h. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/listener.h>
#include <openssl/err.h>
#include "engine.h"
#include "frame.h"
#include "link.h"
#include "say.h"
#include "tls.h"

#define GREETING_NS (5 * NS_PER_S) /* handshake and HELLO */
#define PING_NS     (2 * NS_PER_S)
#define SILENT_NS   (10 * NS_PER_S)
#define OFFER_NS    (8 * NS_PER_S) /* an OFFER waits for another handover to end */
/* Past this, a peer that does not read what it is told is not read either. */
#define OUT_ENOUGH        (8U << 20)
#define OUT_ENOUGH_NOBODY (64U << 10) /* of no handover yet */
/* Connections of one peer: two for each handover that there may be, and some that only ask. */
#define PEER_LINKS(config) (2 * (config)->handovers + 32)

struct link {
	struct agent *agent;
	struct bufferevent *bev;
	struct entry *entry;
	bool outgoing;
	bool greeted; /* the peer is known, and has said HELLO */
	bool counted; /* as a handshake */
	bool ending;
	bool dead;
	bool paused;
	char peer[ROAM_NAME_LEN];
	uint32_t in_number;
	uint32_t out_number;
	uint64_t begun_ns;
	uint64_t heard_ns;
	uint64_t ping_ns;
	struct message offer; /* that waits */
	bool has_offer;
	struct link *next;
};

static void take_out(struct link *link)
{
	struct link **at = &link->agent->links;

	while (*at && *at != link)
		at = &(*at)->next;
	if (*at)
		*at = link->next;
}

/* Others may hold it yet: it is freed by links_tick(). */
void link_free(struct link *link)
{
	if (link->entry && link->entry->link == link) {
		link->entry->link = NULL;
		engine_link_changed(link->entry);
	}
	link->entry = NULL;
	link->dead = link->ending = true;
	link->agent->handshakes -= link->counted;
	link->counted = false;
	bufferevent_setcb(link->bev, NULL, NULL, NULL, NULL);
	bufferevent_disable(link->bev, EV_READ | EV_WRITE);
}

/*
 * Who was refused has sent its HELLO by then: closed with bytes unread, a socket ends in a reset,
 * and that may overtake the alert which says why.
 */
static void drain(struct link *link)
{
	char rest[4096];

	for (int i = 0; i < 4; i++) {
		if (recv(bufferevent_getfd(link->bev), rest, sizeof(rest), MSG_DONTWAIT) <= 0)
			return;
	}
}

static void bury(struct link *link)
{
	take_out(link);
	if (!link->greeted && !link->outgoing)
		drain(link);
	bufferevent_free(link->bev);
	free(link);
}

void links_close(struct agent *agent)
{
	while (agent->links) {
		link_free(agent->links);
		bury(agent->links);
	}
	if (agent->listener)
		evconnlistener_free(agent->listener);
	agent->listener = NULL;
}

/* The machine learns that the connection is gone. */
static void drop(struct link *link, enum handover_reason reason, const char *why)
{
	struct entry *entry = link->entry;
	char text[300];

	(void)snprintf(text, sizeof(text), "%s", why);
	if (!link->greeted && !link->outgoing)
		link->agent->refused_connections++;
	link->entry = NULL;
	if (entry && entry->link == link) {
		entry->link = NULL;
		engine_link_changed(entry);
		entry->h.lost_reason = reason;
		if (entry->h.connected)
			say(SAY_INFO, "vm %s: the connection is gone: %s: %s", entry->h.vm.name,
			    text_enum_name(&text_handover_reason, reason), text);
		fail_set(0, "%s", text);
		handover_disconnected(&entry->h, now_ns());
	} else if (!link->ending) {
		say(SAY_INFO, "connection of %s: %s", link->peer[0] ? link->peer : "nobody known",
		    text);
	}
	link_free(link);
}

void link_end(struct link *link)
{
	if (link->entry && link->entry->link == link)
		link->entry->link = NULL;
	link->entry = NULL;
	link->ending = true;
	link->heard_ns = now_ns();
	bufferevent_disable(link->bev, EV_READ);
}

/* ---- sending ---- */

static void send_frame(struct link *link, uint16_t type, const void *body, size_t size)
{
	const struct frame frame = { .size = size, .type = type, .number = ++link->out_number };
	uint8_t header[FRAME_HEADER_LEN];

	frame_write(&frame, header);
	bufferevent_write(link->bev, header, sizeof(header));
	if (body)
		bufferevent_write(link->bev, body, size);
}

void link_send(struct link *link, const struct message *message)
{
	char *body = message_write(message);

	if (!body)
		abort();
	if (!link->ending)
		send_frame(link, message->type, body, strlen(body));
	free(body);
}

static void data_sent(const void *bytes, size_t size, void *arg)
{
	engine_sent(arg, (void *)bytes, size);
}

void link_send_data(struct link *link, void *bytes, size_t size)
{
	send_frame(link, MESSAGE_DATA, NULL, size);
	/* The buffer gives it back when it has been sent, or the connection is gone. */
	if (evbuffer_add_reference(bufferevent_get_output(link->bev), bytes, size, data_sent,
				   link->entry))
		abort();
}

static void say_hello(struct link *link)
{
	struct message hello = {
		.type = MESSAGE_HELLO,
		.version = MESSAGE_VERSION,
		.oldest = MESSAGE_VERSION_OLDEST,
	};

	memcpy(hello.host, link->agent->config.name, sizeof(hello.host));
	link_send(link, &hello);
}

/* ---- whose it is ---- */

struct entry *link_entry(const struct link *link)
{
	return link->entry;
}

const char *link_peer(const struct link *link)
{
	return link->peer;
}

void link_bind(struct link *link, struct entry *entry)
{
	struct link *before = entry->link;

	if (before == link && link->entry == entry && entry->h.connected)
		return;
	if (before && before != link) {
		before->entry = NULL;
		entry->link = NULL;
		engine_link_changed(entry);
		if (entry->h.connected) {
			fail_set(0, "the peer has begun a new connection");
			handover_disconnected(&entry->h, now_ns());
		}
		link_free(before);
	}
	link->entry = entry;
	entry->link = link;
	link->has_offer = false;
}

/* ---- what comes ---- */

/* Who has connected reads this host's HELLO, and knows by it, too: that is sent before the end. */
static int other_version(struct link *link, const struct message *hello)
{
	(void)fail(-EPROTO, "versions %u to %u of the peer's protocol are not known here",
		   hello->oldest, hello->version);
	if (link->entry) {
		link->entry->h.lost_reason = HANDOVER_REASON_VERSION;
		return -EPROTO;
	}
	say(SAY_WARNING, "connection of %s: %s", link->peer, fail_line());
	link->agent->refused_connections++;
	link_end(link);
	return 0;
}

static int got_hello(struct link *link, const struct message *hello)
{
	if (link->greeted)
		return fail(-EBADMSG, "a second hello");
	link->greeted = true;
	link->agent->handshakes -= link->counted;
	link->counted = false;
	if (!link->outgoing)
		say_hello(link);
	if (hello->oldest > MESSAGE_VERSION || hello->version < MESSAGE_VERSION_OLDEST)
		return other_version(link, hello);
	if (link->entry)
		handover_connected(&link->entry->h, now_ns());
	return 0;
}

/* The first message that says which handover this is about. */
static int first_message(struct link *link, const struct message *message)
{
	struct entry *entry = agent_find_id(link->agent, message->id);
	struct message stale = { .type = MESSAGE_STALE };

	if (entry && strcmp(entry->h.peer, link->peer) != 0)
		return fail(-EPERM, "the handover is another peer's");
	if (entry) {
		link_bind(link, entry);
		handover_connected(&entry->h, now_ns());
		return 0;
	}
	if (message->type == MESSAGE_OFFER) {
		int err = agent_offered(link->agent, link, message);

		if (err != -EAGAIN)
			return 0;
		link->offer = *message;
		link->has_offer = true;
		link->begun_ns = now_ns();
		return 0;
	}
	memcpy(stale.id, message->id, sizeof(stale.id));
	if (message->type != MESSAGE_STALE && message->type != MESSAGE_DONE)
		link_send(link, &stale);
	return 0;
}

static int got_message(struct link *link, const struct message *message)
{
	if (message->type == MESSAGE_PING)
		return 0;
	if (message->type == MESSAGE_HELLO)
		return got_hello(link, message);
	if (!link->greeted)
		return fail(-EBADMSG, "%s before hello", message_type_name(message->type));
	if (link->entry && memcmp(link->entry->h.id, message->id, sizeof(message->id)) != 0)
		return fail(-EBADMSG, "a message of another handover");
	if (!link->entry) {
		int err = first_message(link, message);

		if (err || !link->entry || message->type == MESSAGE_OFFER)
			return err;
	}
	return handover_message(&link->entry->h, message, now_ns());
}

static int got_frame(struct link *link, const struct frame *frame, const uint8_t *body)
{
	struct message message;
	int err;

	if (frame->type == MESSAGE_DATA)
		return handover_data(&link->entry->h, body, frame->size, now_ns());
	err = message_read(frame->type, (const char *)body, frame->size, &message);
	return err ? err : got_message(link, &message);
}

/* One frame, if it is there whole: 1; 0: there is none. */
static int read_one(struct link *link, struct evbuffer *in)
{
	uint8_t header[FRAME_HEADER_LEN];
	struct frame frame;
	int err;

	if (evbuffer_copyout(in, header, sizeof(header)) < (ssize_t)sizeof(header))
		return 0;
	err = frame_read(header, link->in_number, &frame);
	if (err)
		return err;
	/* Before it has said who it is, a peer needs no more than a HELLO. */
	if (!link->greeted && frame.type != MESSAGE_HELLO)
		return fail(-EBADMSG, "%s before hello", message_type_name(frame.type));
	if (frame.type == MESSAGE_DATA && !link->entry)
		return fail(-EBADMSG, "data that belong to nothing");
	if (evbuffer_get_length(in) < FRAME_HEADER_LEN + frame.size)
		return 0;
	link->in_number = frame.number;
	evbuffer_drain(in, FRAME_HEADER_LEN);
	err = got_frame(link, &frame, evbuffer_pullup(in, frame.size));
	if (!err)
		evbuffer_drain(in, frame.size);
	return err ? err : 1;
}

/* The network is to wait for the worker. */
static bool worker_is_full(const struct link *link)
{
	return link->entry && engine_is_full(link->entry, link->paused);
}

static bool is_full(const struct link *link)
{
	const size_t most = link->entry ? OUT_ENOUGH : OUT_ENOUGH_NOBODY;

	return worker_is_full(link) ||
	       evbuffer_get_length(bufferevent_get_output(link->bev)) >= most;
}

static void pause_if_full(struct link *link)
{
	if (link->paused || !is_full(link))
		return;
	link->paused = true;
	bufferevent_disable(link->bev, EV_READ);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct link *link = arg;
	int got = 1;

	link->heard_ns = now_ns();
	while (got > 0 && !link->ending && !link->paused) {
		got = read_one(link, bufferevent_get_input(bev));
		/* After each one: what is there may be thousands. */
		if (got > 0 && !link->ending)
			pause_if_full(link);
	}
	if (got < 0)
		drop(link,
		     link->entry && link->entry->h.lost_reason == HANDOVER_REASON_VERSION
			     ? HANDOVER_REASON_VERSION
			     : HANDOVER_REASON_CORRUPT,
		     fail_line());
}

static void on_write(struct bufferevent *bev, void *arg)
{
	struct link *link = arg;

	if (link->ending && !evbuffer_get_length(bufferevent_get_output(bev)))
		link_free(link);
}

static void failed(struct link *link)
{
	unsigned long error = bufferevent_get_openssl_error(link->bev);
	SSL *ssl = bufferevent_openssl_get_ssl(link->bev);
	char buf[256];

	/* libevent puts what SSL_get_error() says among the errors: those are of no library. */
	if (ERR_GET_LIB(error) && link->greeted) /* who the peer is was settled before */
		drop(link, HANDOVER_REASON_CORRUPT, tls_error(ssl, error, buf, sizeof(buf)));
	else if (ERR_GET_LIB(error))
		drop(link, HANDOVER_REASON_NOT_AUTHORISED, tls_error(ssl, error, buf, sizeof(buf)));
	else if (SSL_get_verify_result(ssl) != X509_V_OK)
		drop(link, HANDOVER_REASON_NOT_AUTHORISED, tls_error(ssl, 0, buf, sizeof(buf)));
	else
		drop(link, HANDOVER_REASON_PEER_LOST,
		     evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
}

static bool too_many(const struct link *link, const char *peer)
{
	const struct agent *agent = link->agent;
	uint32_t count = 0;

	for (const struct link *one = agent->links; one && !link->outgoing; one = one->next)
		count += !one->dead && !one->outgoing && !strcmp(one->peer, peer);
	return count >= PEER_LINKS(&agent->config);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct link *link = arg;
	const char *peer;
	const int on = 1;

	if (what & BEV_EVENT_CONNECTED) {
		peer = tls_peer(link->agent, bufferevent_openssl_get_ssl(bev));
		/* A small message behind a delta is not to wait for the network's answer to it. */
		(void)setsockopt(bufferevent_getfd(bev), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (!peer) {
			drop(link, HANDOVER_REASON_NOT_AUTHORISED, "not on the list of peers");
			return;
		}
		if (too_many(link, peer)) {
			drop(link, HANDOVER_REASON_BUSY, "too many connections of one peer");
			return;
		}
		memcpy(link->peer, peer, strlen(peer) + 1);
		if (link->outgoing)
			say_hello(link);
	} else if (what & BEV_EVENT_ERROR) {
		failed(link);
	} else if (what & BEV_EVENT_EOF) {
		drop(link, HANDOVER_REASON_PEER_LOST, "the peer has closed the connection");
	}
}

/* ---- beginning ---- */

static struct link *new_link(struct agent *agent, int fd, const char *peer)
{
	struct link *link = calloc(1, sizeof(*link));
	SSL *ssl = link ? tls_new(agent, peer) : NULL;

	if (!ssl) {
		free(link);
		return NULL;
	}
	link->bev = bufferevent_openssl_socket_new(
		agent->base, fd, ssl, peer ? BUFFEREVENT_SSL_CONNECTING : BUFFEREVENT_SSL_ACCEPTING,
		BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (!link->bev) {
		SSL_free(ssl);
		free(link);
		return NULL;
	}
	link->agent = agent;
	link->outgoing = peer != NULL;
	link->begun_ns = link->heard_ns = now_ns();
	link->next = agent->links;
	agent->links = link;
	bufferevent_setcb(link->bev, on_read, on_write, on_event, link);
	bufferevent_setwatermark(link->bev, EV_READ, 0, FRAME_DATA_MAX + 4096);
	bufferevent_enable(link->bev, EV_READ | EV_WRITE);
	return link;
}

void link_connect(struct entry *entry)
{
	struct agent *agent = entry->agent;
	const struct config_peer *peer = config_peer(&agent->config, entry->h.peer);
	struct link *link;

	if (!peer || entry->link)
		return;
	link = new_link(agent, -1, entry->h.peer); /* which outlives the connection */
	if (!link)
		return;
	link->entry = entry;
	entry->link = link;
	entry->h.lost_reason = HANDOVER_REASON_NONE;
	if (bufferevent_socket_connect(link->bev, (const struct sockaddr *)&peer->address.addr,
				       peer->address.len))
		drop(link, HANDOVER_REASON_PEER_LOST, "cannot connect");
}

void link_accept(struct agent *agent, int fd)
{
	struct link *link;

	/* Who has not shown a certificate may hold no more than this. */
	if (agent->handshakes >= agent->config.handshakes) {
		agent->refused_connections++;
		close(fd);
		return;
	}
	link = new_link(agent, fd, NULL);
	if (!link) {
		close(fd);
		return;
	}
	link->counted = true;
	agent->handshakes++;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *addr,
		      int len, void *arg)
{
	(void)listener;
	(void)addr;
	(void)len;
	link_accept(arg, fd);
}

int link_listen(struct agent *agent)
{
	const struct config_addr *at = &agent->config.listen;

	agent->listener = evconnlistener_new_bind(agent->base, on_accept, agent,
						  LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC |
							  LEV_OPT_REUSEABLE,
						  64, (const struct sockaddr *)&at->addr, at->len);
	return agent->listener ? 0 : fail_errno(-errno, "roamd: cannot listen");
}

/* ---- time ---- */

static void tick_one(struct link *link, uint64_t now)
{
	const struct message ping = { .type = MESSAGE_PING };

	if (link->paused && !is_full(link)) {
		link->paused = false;
		link->heard_ns = now;
		bufferevent_enable(link->bev, EV_READ);
		bufferevent_trigger(link->bev, EV_READ, BEV_TRIG_IGNORE_WATERMARKS);
	}
	if (link->has_offer) {
		int err = agent_offered(link->agent, link, &link->offer);

		if (err == -EAGAIN && now >= link->begun_ns + OFFER_NS)
			agent_refuse(link, &link->offer, HANDOVER_REASON_BUSY,
				     "another handover of the VM is under way");
		link->has_offer = err == -EAGAIN && now < link->begun_ns + OFFER_NS;
	}
	if (link->ending) {
		if (!evbuffer_get_length(bufferevent_get_output(link->bev)) ||
		    now >= link->heard_ns + GREETING_NS)
			link_free(link);
	} else if (!link->greeted && now >= link->begun_ns + GREETING_NS) {
		drop(link, HANDOVER_REASON_PEER_TIMEOUT, "no greeting in time");
	} else if (!(link->paused && worker_is_full(link)) && now >= link->heard_ns + SILENT_NS) {
		drop(link, HANDOVER_REASON_PEER_TIMEOUT, "the peer is silent");
	} else if (link->greeted && now >= link->ping_ns + PING_NS) {
		link->ping_ns = now;
		link_send(link, &ping);
	}
}

void links_tick(struct agent *agent, uint64_t now)
{
	for (struct link *link = agent->links; link; link = link->next) {
		if (!link->dead)
			tick_one(link, now);
	}
	for (struct link *link = agent->links, *next; link; link = next) {
		next = link->next;
		if (link->dead)
			bury(link);
	}
}
