// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What a VM of tests/vm/migrate.py does for its clients: echoes on TCP 443 and UDP 5300, IPv4 and
 * IPv6, and keeps connections of its own to the addresses that it is given, port 8443, on which it
 * echoes as well; it tries again if there is nobody. One thread, one epoll; a connection holds at
 * most what it has read and not yet sent.
 *
 *   server [ADDR COUNT]…
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TCP_PORT  443
#define UDP_PORT  5300
#define BACK_PORT 8443
#define BUF_SIZE  16384
#define RETRY_MS  500
#define BACK_MAX  64

enum kind {
	LISTENER,
	DATAGRAMS,
	CONNECTION,
};

struct one {
	enum kind kind;
	int fd;
	const char *back; /* whom it was made to; NULL: it was accepted */
	size_t at;        /* what of the buffer is sent */
	size_t len;
	char buf[BUF_SIZE];
};

static int epoll_fd;
/* Whom connections are to be made to. */
static const char *missing[BACK_MAX];
static int missing_count;

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "server: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void watch(struct one *one, int operation, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = one };

	must(epoll_ctl(epoll_fd, operation, one->fd, &event), "epoll_ctl");
}

static struct one *add(enum kind kind, int fd, uint32_t events)
{
	struct one *one = calloc(1, sizeof(*one));

	must(one ? 0 : -1, "memory");
	one->kind = kind;
	one->fd = fd;
	watch(one, EPOLL_CTL_ADD, events);
	return one;
}

static void miss(const char *back)
{
	must(missing_count < BACK_MAX ? 0 : -1, "too many connections of its own");
	missing[missing_count++] = back;
}

static void end(struct one *one)
{
	if (one->back)
		miss(one->back);
	close(one->fd);
	free(one);
}

static void serve(int type, uint16_t port, enum kind kind)
{
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK, 0), on = 1;

	must(fd, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	must(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), "bind");
	if (type == SOCK_STREAM)
		must(listen(fd, 512), "listen");
	add(kind, fd, EPOLLIN);
}

static void connect_to(const char *text)
{
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6, .sin6_port = htons(BACK_PORT) };
	char mapped[INET6_ADDRSTRLEN + 8];
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);

	must(fd, "socket");
	snprintf(mapped, sizeof(mapped), "%s%s", strchr(text, ':') ? "" : "::ffff:", text);
	must(inet_pton(AF_INET6, mapped, &addr.sin6_addr) == 1 ? 0 : -1, text);
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)) || errno == EINPROGRESS) {
		add(CONNECTION, fd, EPOLLIN)->back = text;
	} else {
		close(fd);
		miss(text);
	}
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void connect_missing(void)
{
	const char *some[BACK_MAX];
	int count = missing_count;

	memcpy(some, missing, sizeof(some));
	missing_count = 0;
	for (int i = 0; i < count; i++)
		connect_to(some[i]);
}

static void accept_one(const struct one *listener)
{
	int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK);

	if (fd >= 0)
		add(CONNECTION, fd, EPOLLIN);
}

static void answer(const struct one *one)
{
	struct sockaddr_in6 from;
	socklen_t size = sizeof(from);
	char buf[2048];
	ssize_t got = recvfrom(one->fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &size);

	if (got >= 0 && sendto(one->fd, buf, got, 0, (struct sockaddr *)&from, size) < 0)
		perror("server: sendto");
}

/* Reads only once all is sent: whoever sends and does not read is stopped by TCP itself. */
static void echo(struct one *one)
{
	ssize_t got;

	if (one->at == one->len) {
		got = read(one->fd, one->buf, sizeof(one->buf));
		if (got < 0 && errno == EAGAIN)
			return;
		if (got <= 0) {
			end(one);
			return;
		}
		one->at = 0;
		one->len = got;
	}
	got = write(one->fd, one->buf + one->at, one->len - one->at);
	if (got < 0 && errno != EAGAIN) {
		end(one);
		return;
	}
	one->at += got > 0 ? got : 0;
	watch(one, EPOLL_CTL_MOD, one->at == one->len ? EPOLLIN : EPOLLOUT);
}

int main(int argc, char **argv)
{
	struct epoll_event events[64];
	long next_ms = 0;

	epoll_fd = epoll_create1(0);
	must(epoll_fd, "epoll_create1");
	serve(SOCK_STREAM, TCP_PORT, LISTENER);
	serve(SOCK_DGRAM, UDP_PORT, DATAGRAMS);
	for (int i = 1; i + 1 < argc; i += 2) {
		for (int n = 0; n < atoi(argv[i + 1]); n++)
			miss(argv[i]);
	}
	for (;;) {
		int count = epoll_wait(epoll_fd, events, 64, missing_count ? RETRY_MS : -1);

		if (missing_count && now_ms() >= next_ms) {
			connect_missing();
			next_ms = now_ms() + RETRY_MS;
		}
		for (int i = 0; i < count; i++) {
			struct one *one = events[i].data.ptr;

			if (one->kind == LISTENER)
				accept_one(one);
			else if (one->kind == DATAGRAMS)
				answer(one);
			else
				echo(one);
		}
	}
}
