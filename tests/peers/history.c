// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Random histories of TCP connections: see history.h. */
#include <stdlib.h>
#include <string.h>
#include <roam/pkt.h>
#include "history.h"

#define FLIGHT_MAX 64
#define STEPS_MAX  600
#define MSS        1000

enum { SYN = ROAM_TCP_SYN, ACK = ROAM_TCP_ACK, FIN = ROAM_TCP_FIN, RST = ROAM_TCP_RST };

enum phase { CLOSED, LISTENING, SENT, RECEIVED, OPEN };

struct end {
	enum phase phase;
	uint32_t iss, next, unacked; /* of what it sends */
	uint32_t expected;           /* of what it receives */
	uint32_t ooo[2];             /* received beyond that */
	uint32_t peer_room;          /* up to where it may send */
	uint32_t capacity;           /* of its buffer */
	uint32_t to_send;            /* bytes that its application still has */
	int8_t scale;
	bool sack_ok;
	int8_t peer_scale;
	bool peer_sack;
	bool fin_sent, fin_seen;
	bool stalled; /* its application does not read */
	int timer;
};

/* A segment on its way: we see it at `seen`, the other end gets it at `arrives`; -1: never. */
struct flight {
	struct segment segment;
	int seen, arrives;
};

struct world {
	struct history *history;
	struct end ends[2]; /* [1] is the opener */
	struct flight flights[FLIGHT_MAX];
	int now;
	int loss, trouble, foes; /* of 1000 */
};

static uint32_t pick(uint32_t below)
{
	return (uint32_t)random() % below;
}

static bool chance(int of_1000)
{
	return (int)pick(1000) < of_1000;
}

static bool after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static uint32_t random_number(void)
{
	return chance(400) ? 0u - pick(4000) : (uint32_t)random() << 1 ^ (uint32_t)random();
}

static void see(struct world *world, const struct segment *segment)
{
	if (world->history->count < HISTORY_MAX)
		world->history->segments[world->history->count++] = *segment;
}

static struct flight *free_flight(struct world *world)
{
	for (int i = 0; i < FLIGHT_MAX; i++) {
		if (world->flights[i].seen < 0 && world->flights[i].arrives < 0)
			return &world->flights[i];
	}
	return NULL;
}

static int delay(const struct world *world)
{
	return 1 + (chance(world->trouble) ? pick(30) : 0);
}

static void transmit(struct world *world, const struct segment *segment)
{
	int copies = chance(world->trouble / 4) ? 2 : 1;

	while (copies--) {
		struct flight *flight = free_flight(world);

		if (!flight || chance(world->loss))
			continue;
		flight->segment = *segment;
		flight->seen = world->now + delay(world);
		flight->arrives = chance(world->loss) ? -1 : flight->seen + delay(world);
	}
}

static uint16_t offered(const struct end *end, bool syn)
{
	int shift = !syn && end->scale >= 0 && end->peer_scale >= 0 ? end->scale : 0;
	uint32_t window = end->stalled ? 0 : end->capacity >> shift;

	return window > 0xffff ? 0xffff : window;
}

static struct segment make(const struct world *world, bool opener, uint8_t flags)
{
	const struct end *end = &world->ends[opener];
	struct segment segment = {
		.flags = flags,
		.seq = end->next,
		.ack = flags & ACK ? end->expected : 0,
		.window = offered(end, flags & SYN),
		.scale = -1,
		.of_opener = opener,
	};

	if (flags & SYN) {
		segment.seq = end->iss;
		segment.scale = end->scale;
		segment.sack_ok = end->sack_ok;
		if (flags & ACK) { /* only what the other one has offered */
			segment.scale = end->peer_scale < 0 ? -1 : end->scale;
			segment.sack_ok = end->sack_ok && end->peer_sack;
		}
	} else if (end->sack_ok && end->peer_sack && after(end->ooo[1], end->ooo[0])) {
		segment.sack[0] = end->ooo[0];
		segment.sack[1] = end->ooo[1];
	}
	return segment;
}

static void say(struct world *world, bool opener, uint8_t flags)
{
	struct segment segment = make(world, opener, flags);

	transmit(world, &segment);
}

static void reset(struct world *world, bool opener, uint32_t seq, uint32_t ack)
{
	struct segment segment = {
		.flags = ack ? RST | ACK : RST,
		.seq = seq,
		.ack = ack,
		.scale = -1,
		.of_opener = opener,
	};

	transmit(world, &segment);
}

static void make_end(struct end *end)
{
	static const int8_t scales[] = { -1, 0, 2, 7, 14 };

	memset(end, 0, sizeof(*end));
	end->iss = random_number();
	end->next = end->unacked = end->iss;
	end->capacity = 1000 + pick(chance(500) ? 6000 : 500000);
	end->to_send = chance(800) ? pick(30000) : 0;
	end->scale = scales[pick(5)];
	end->peer_scale = -1;
	end->sack_ok = chance(600);
}

static void begin(struct world *world, bool opener)
{
	struct end *end = &world->ends[opener];

	make_end(end);
	end->phase = SENT;
	end->next = end->iss + 1;
	say(world, opener, SYN);
}

static void learn_syn(struct end *end, const struct segment *segment)
{
	end->expected = segment->seq + 1;
	end->peer_scale = segment->scale;
	end->peer_sack = segment->sack_ok;
	end->peer_room = segment->ack + segment->window;
}

static void take_syn(struct world *world, struct end *end, const struct segment *segment)
{
	bool opener = !segment->of_opener;

	switch (end->phase) {
	case LISTENING:
		make_end(end);
		end->phase = RECEIVED;
		end->next = end->iss + 1;
		learn_syn(end, segment);
		end->peer_room = end->next + segment->window;
		say(world, opener, SYN | ACK);
		return;
	case SENT:
		if (segment->flags & ACK && segment->ack != end->next) {
			reset(world, opener, segment->ack, 0);
			return;
		}
		learn_syn(end, segment);
		if (!(segment->flags & ACK)) { /* both at once */
			end->phase = RECEIVED;
			end->peer_room = end->next + segment->window;
			say(world, opener, SYN | ACK);
			return;
		}
		end->unacked = segment->ack;
		end->phase = OPEN;
		say(world, opener, ACK);
		return;
	case RECEIVED:
		if (segment->flags & ACK && segment->ack == end->next)
			end->phase = OPEN;
		say(world, opener, end->phase == OPEN ? ACK : SYN | ACK);
		return;
	default:
		say(world, opener, ACK); /* a challenge */
	}
}

static void take_data(struct world *world, struct end *end, const struct segment *segment)
{
	uint32_t last = segment->seq + segment->len;

	if (!segment->len && !(segment->flags & FIN)) {
		if (after(end->expected, segment->seq)) /* a keep-alive */
			say(world, !segment->of_opener, ACK);
		return;
	}
	if (!after(segment->seq, end->expected)) {
		if (after(last, end->expected))
			end->expected = last;
		if (segment->flags & FIN && last == end->expected && !end->fin_seen) {
			end->fin_seen = true;
			end->expected++;
		}
		if (!after(end->ooo[0], end->expected) && after(end->ooo[1], end->expected))
			end->expected = end->ooo[1];
		if (!after(end->ooo[1], end->expected))
			end->ooo[0] = end->ooo[1] = end->expected;
	} else if (segment->len && !after(last, end->expected + end->capacity)) {
		if (!after(end->ooo[1], end->ooo[0]) || !after(end->ooo[1], end->expected)) {
			end->ooo[0] = segment->seq;
			end->ooo[1] = last;
		} else if (segment->seq == end->ooo[1]) {
			end->ooo[1] = last;
		}
	}
	if (!chance(300)) /* delayed */
		say(world, !segment->of_opener, ACK);
}

static void take_ack(struct end *end, const struct segment *segment)
{
	int shift = end->scale >= 0 && end->peer_scale >= 0 ? end->peer_scale : 0;

	if (after(segment->ack, end->next) || after(end->unacked, segment->ack))
		return;
	if (segment->ack != end->unacked)
		end->timer = 0;
	end->unacked = segment->ack;
	end->peer_room = segment->ack + ((uint32_t)segment->window << shift);
}

static void take(struct world *world, const struct segment *segment)
{
	bool opener = !segment->of_opener;
	struct end *end = &world->ends[opener];

	if (segment->flags & RST) {
		bool exact = end->phase == SENT ? segment->flags & ACK && segment->ack == end->next
						: segment->seq == end->expected;

		if (exact && end->phase != LISTENING)
			end->phase = CLOSED;
		else if (end->phase == OPEN && after(segment->seq, end->expected))
			say(world, opener, ACK);
		return;
	}
	if (end->phase == CLOSED || (end->phase == LISTENING && !(segment->flags & SYN))) {
		if (segment->flags & ACK)
			reset(world, opener, segment->ack, 0);
		else
			reset(world, opener, 0, segment->seq + segment->len + 1);
		return;
	}
	if (segment->flags & SYN) {
		take_syn(world, end, segment);
		return;
	}
	if (end->phase == SENT) { /* of an older connection */
		reset(world, opener, segment->ack, 0);
		return;
	}
	if (end->phase == RECEIVED && segment->ack == end->next)
		end->phase = OPEN;
	take_ack(end, segment);
	take_data(world, end, segment);
}

static void send_data(struct world *world, bool opener)
{
	struct end *end = &world->ends[opener];
	uint32_t room = end->peer_room - end->next, len = 1 + pick(MSS);
	struct segment segment;

	if (chance(10))
		room += pick(3000); /* some send more than they may */
	if (len > end->to_send)
		len = end->to_send;
	if ((int32_t)room < (int32_t)len || !len)
		return;
	segment = make(world, opener, chance(300) ? ACK | ROAM_TCP_PSH : ACK);
	segment.len = len;
	end->next += len;
	end->to_send -= len;
	transmit(world, &segment);
}

/* From the first byte that is not acknowledged on. */
static void send_again(struct world *world, bool opener)
{
	struct end *end = &world->ends[opener];
	struct segment segment = make(world, opener, ACK);
	uint32_t len = end->next - end->unacked;

	if (end->phase == SENT || end->phase == RECEIVED) {
		say(world, opener, end->phase == SENT ? SYN : SYN | ACK);
		return;
	}
	if (!len) {
		if (chance(300)) { /* a keep-alive */
			segment.seq = end->next - 1;
			transmit(world, &segment);
		}
		return;
	}
	segment.seq = end->unacked;
	segment.len = len - end->fin_sent;
	if (end->fin_sent && len <= MSS)
		segment.flags |= FIN;
	if (segment.len > MSS)
		segment.len = 1 + pick(MSS);
	transmit(world, &segment);
}

static void act(struct world *world, bool opener)
{
	struct end *end = &world->ends[opener];

	if (end->phase == CLOSED || end->phase == LISTENING)
		return;
	if (++end->timer > 40) {
		end->timer = 0;
		send_again(world, opener);
	}
	if (end->phase != OPEN)
		return;
	if (chance(5))
		end->stalled = !end->stalled;
	if (!end->fin_sent && chance(350))
		send_data(world, opener);
	if (chance(2)) { /* the application gives up */
		reset(world, opener, end->next, end->expected);
		end->phase = CLOSED;
	}
	if (!end->to_send && !end->fin_sent && chance(40)) {
		say(world, opener, FIN | ACK);
		end->fin_sent = true;
		end->next++;
	}
	if (end->fin_sent && end->fin_seen && end->unacked == end->next && chance(200))
		end->phase = CLOSED;
}

/* What somebody who sees nothing, or something, may send. */
static void forge(struct world *world)
{
	static const uint8_t kinds[] = { RST, RST, RST | ACK, SYN, SYN, SYN | ACK, ACK, FIN | ACK };
	bool opener = pick(2);
	const struct end *from = &world->ends[opener], *to = &world->ends[!opener];
	struct segment segment = {
		.flags = kinds[pick(sizeof(kinds))],
		.window = random(),
		.len = chance(500) ? pick(200) : 0,
		.scale = chance(500) ? (int8_t)pick(15) : -1,
		.sack_ok = chance(500),
		.of_opener = opener,
		.forged = true,
	};
	uint32_t base = chance(500) ? from->next : to->expected;

	segment.seq = chance(500) ? random_number() : base - 2000 + pick(4000);
	if (chance(100))
		segment.seq = base;
	segment.ack = chance(500) ? random_number() : to->next - 2000 + pick(4000);
	if (segment.flags & (SYN | RST))
		segment.len = 0;
	if (segment.flags & RST)
		segment.window = 0;
	see(world, &segment);
}

static void move_flights(struct world *world)
{
	for (int i = 0; i < FLIGHT_MAX; i++) {
		struct flight *flight = &world->flights[i];

		if (flight->seen == world->now) {
			flight->seen = -1;
			see(world, &flight->segment);
		}
		if (flight->arrives == world->now) {
			struct segment segment = flight->segment;

			flight->arrives = -1;
			take(world, &segment);
		}
	}
}

/* What happens to whole connections: they are opened again, or an end has forgotten everything. */
static void turn(struct world *world)
{
	struct end *server = &world->ends[0], *client = &world->ends[1];

	if (client->phase == CLOSED && chance(30)) {
		begin(world, true);
		if (server->phase == CLOSED)
			server->phase = LISTENING;
	}
	if (client->phase == OPEN && chance(2)) {
		if (chance(300))
			server->phase = LISTENING;
		begin(world, true);
	}
	if (server->phase == LISTENING && client->phase == SENT && chance(2))
		begin(world, false); /* both at once */
	if (server->phase == LISTENING && chance(1))
		server->phase = CLOSED; /* refuses */
}

void history_make(struct history *history)
{
	struct world world = { .history = history };

	history->count = 0;
	for (int i = 0; i < FLIGHT_MAX; i++)
		world.flights[i].seen = world.flights[i].arrives = -1;
	world.loss = chance(500) ? 0 : pick(100);
	world.trouble = chance(300) ? 0 : pick(300);
	world.foes = chance(600) ? 0 : pick(100);
	world.ends[0].phase = chance(950) ? LISTENING : CLOSED;
	begin(&world, true);
	for (world.now = 1; world.now < STEPS_MAX && history->count < HISTORY_MAX; world.now++) {
		move_flights(&world);
		act(&world, true);
		act(&world, false);
		turn(&world);
		if (chance(world.foes))
			forge(&world);
	}
}
