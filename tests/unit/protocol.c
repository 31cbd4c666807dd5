// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Frames and messages of the handover's protocol: there and back, and what is refused. */
#include <stdio.h>
#include <string.h>
#include "frame.h"
#include "harness.h"
#include "message.h"

static void full(enum message_type type, struct message *ret_message)
{
	*ret_message = (struct message){
		.type = type,
		.vm = {
			.name = "web-1",
			.incarnation = 0xfedcba9876543210ULL,
			.epoch = 1ULL << 53,
			.digest = ~0ULL,
			.flows = UINT32_MAX,
			.half = 4096,
			.rules = 7,
			.midstream = ROAM_MIDSTREAM_PICKUP,
			.fence = HANDOVER_FENCE_FREE,
			.mtu = 1500,
			.late_from = "192.0.2.1",
		},
		.check = true,
		.host = "host-a.example",
		.version = MESSAGE_VERSION,
		.oldest = MESSAGE_VERSION_OLDEST,
		.sequence = 42,
		.epoch = 3,
		.reason = HANDOVER_REASON_MTU,
		.state = HANDOVER_FROZEN,
		.late = "fd00::1",
		.late_mtu = 1600,
		.text = "one line of text, with \"quotes\"",
	};
	memset(ret_message->id, 0xa5, sizeof(ret_message->id));
	memset(ret_message->vm.uuid, 0x5a, sizeof(ret_message->vm.uuid));
}

/* What a type has is written, and read as it was; all else is 0. */
TEST(there_and_back)
{
	for (int type = MESSAGE_HELLO; type < MESSAGE_TYPE_COUNT; type++) {
		struct message message, once, twice;
		char *body, *again;

		if (type == MESSAGE_DATA)
			continue;
		full(type, &message);
		body = message_write(&message);
		CHECK(body != NULL);
		if (!body)
			return;
		memset(&once, 0xee, sizeof(once));
		CHECK_OK(message_read(type, body, strlen(body), &once));
		again = message_write(&once);
		CHECK(again != NULL);
		if (!again)
			return;
		CHECK_STR(again, body);
		CHECK_OK(message_read(type, again, strlen(again), &twice));
		CHECK_MEM(&once, &twice, sizeof(once));
		free(again);
		free(body);
	}
}

TEST(offer_has_all_of_the_vm)
{
	struct message message, got;
	char *body;

	full(MESSAGE_OFFER, &message);
	body = message_write(&message);
	CHECK_OK(message_read(MESSAGE_OFFER, body, strlen(body), &got));
	CHECK_MEM(&got.vm, &message.vm, sizeof(got.vm));
	CHECK_MEM(got.id, message.id, sizeof(got.id));
	CHECK(got.check);
	free(body);
}

/* It does not say where late packets come from: then none do. */
TEST(offer_of_an_older_peer)
{
	static const char part[] = "\"late_from\":\"192.0.2.1\",";
	struct message message, got;
	char *body, *at;

	full(MESSAGE_OFFER, &message);
	body = message_write(&message);
	at = body ? strstr(body, part) : NULL;
	CHECK(at != NULL);
	if (body && at) {
		memmove(at, at + strlen(part), strlen(at + strlen(part)) + 1);
		CHECK_OK(message_read(MESSAGE_OFFER, body, strlen(body), &got));
		CHECK_STR(got.vm.late_from, "");
		CHECK_EQ(got.vm.mtu, message.vm.mtu);
	}
	free(body);
}

TEST(accept_of_an_older_peer)
{
	static const char body[] = "{\"id\":\"00000000000000000000000000000001\",\"late\":\"\"}";
	struct message got;

	CHECK_OK(message_read(MESSAGE_ACCEPT, body, strlen(body), &got));
	CHECK_EQ(got.late_mtu, 0);
}

static const struct refused {
	const char *name;
	enum message_type type;
	const char *body;
	const char *line;
} refused[] = {
	{ "empty", MESSAGE_ACK, "", "ack: the body is no object" },
	{ "array", MESSAGE_ACK, "[]", "ack: the body is no object" },
	{ "cut", MESSAGE_ACK, "{\"id\": \"00", "ack: the body is no object" },
	{ "twice", MESSAGE_DONE,
	  "{\"id\":\"00000000000000000000000000000000\",\"id\":\"00000000000000000000000000000000\"}",
	  "done: the body is no object" },
	{ "no id", MESSAGE_DONE, "{}", "done: 'id' is missing" },
	{ "short id", MESSAGE_DONE, "{\"id\":\"00\"}", "done: 'id' is not" },
	{ "id in capitals", MESSAGE_DONE, "{\"id\":\"A0000000000000000000000000000000\"}",
	  "done: 'id' is not" },
	{ "id with a nul", MESSAGE_DONE, "{\"id\":\"0000000000000000000000000000000\\u0000\"}",
	  "done: the body is no object" },
	{ "id is a number", MESSAGE_DONE, "{\"id\":7}", "done: 'id' is not" },
	{ "negative", MESSAGE_ACK, "{\"id\":\"00000000000000000000000000000000\",\"sequence\":-1}",
	  "ack: 'sequence' is not" },
	{ "too large", MESSAGE_ACK,
	  "{\"id\":\"00000000000000000000000000000000\",\"sequence\":9007199254740993}",
	  "ack: 'sequence' is not" },
	{ "real", MESSAGE_ACK, "{\"id\":\"00000000000000000000000000000000\",\"sequence\":1.0}",
	  "ack: 'sequence' is not" },
	{ "version too large", MESSAGE_HELLO,
	  "{\"version\":4294967296,\"oldest\":1,\"host\":\"a\"}", "hello: 'version' is not" },
	{ "name", MESSAGE_HELLO, "{\"version\":1,\"oldest\":1,\"host\":\"../a\"}",
	  "hello: 'host' is not" },
	{ "address", MESSAGE_ACCEPT,
	  "{\"id\":\"00000000000000000000000000000000\",\"late\":\"10.0.0\"}",
	  "accept: 'late' is not" },
	{ "mtu", MESSAGE_ACCEPT,
	  "{\"id\":\"00000000000000000000000000000000\",\"late\":\"\",\"late_mtu\":4294967296}",
	  "accept: 'late_mtu' is not" },
	{ "state", MESSAGE_RESUME,
	  "{\"id\":\"00000000000000000000000000000000\",\"sequence\":1,\"state\":\"asleep\"}",
	  "resume: 'state' is not" },
};

TEST_EACH(refused_in_one_line, refused)
{
	struct message got = { .sequence = 99 };

	CHECK_NE(message_read(row->type, row->body, strlen(row->body), &got), 0);
	CHECK_HAS(fail_line(), row->line);
	CHECK_EQ(got.sequence, 99);
}

/* A newer peer may know more reasons and fields. */
TEST(what_a_newer_peer_says)
{
	static const char body[] =
		"{\"id\":\"00000000000000000000000000000001\",\"reason\":\"tired\","
		"\"text\":\"caf\\u00e9\",\"mood\":{\"a\":[1]}}";
	struct message got;

	CHECK_OK(message_read(MESSAGE_REFUSE, body, strlen(body), &got));
	CHECK_EQ(got.reason, HANDOVER_REASON_INTERNAL);
	CHECK_STR(got.text, "caf??");
}

TEST(frames)
{
	struct frame frame = { .size = 1000, .type = MESSAGE_DATA, .number = 8 }, got = {};
	uint8_t header[FRAME_HEADER_LEN];

	frame_write(&frame, header);
	CHECK_EQ(header[3] | header[2] << 8, 1000);
	CHECK_OK(frame_read(header, 7, &got));
	CHECK_EQ(got.size, frame.size);
	CHECK_EQ(got.type, frame.type);
	CHECK_EQ(got.number, frame.number);
	CHECK_NE(frame_read(header, 8, &got), 0);
	CHECK_HAS(fail_line(), "number 8 where 9 should be");
	CHECK_NE(frame_read(header, 6, &got), 0);
	header[7] = 1;
	CHECK_NE(frame_read(header, 7, &got), 0);
}

TEST(frames_have_bounds)
{
	for (unsigned type = 0; type < MESSAGE_TYPE_COUNT + 2; type++) {
		const uint32_t most = type == MESSAGE_DATA ? FRAME_DATA_MAX : FRAME_JSON_MAX;
		const bool is_one = type && type < MESSAGE_TYPE_COUNT;
		uint8_t header[FRAME_HEADER_LEN];
		struct frame got;

		frame_write(&(struct frame){ .size = most, .type = type, .number = 1 }, header);
		CHECK_EQ(!frame_read(header, 0, &got), is_one);
		frame_write(&(struct frame){ .size = most + 1, .type = type, .number = 1 }, header);
		CHECK_NE(frame_read(header, 0, &got), 0);
	}
}
