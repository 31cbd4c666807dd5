// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Messages of the protocol: see message.h. One table says which fields a type has. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <jansson.h>
#include "message.h"

static const char *const type_text[] = {
#define X(id, text) text,
	MESSAGE_TYPES(X)
#undef X
};

static const char *const reason_text[] = {
#define X(id, text) text,
	HANDOVER_REASONS(X)
#undef X
};

static const char *const state_text[] = {
#define X(id, text) text,
	HANDOVER_STATES(X)
#undef X
};

static const char *const fence_text[] = { "held", "free" };

const struct text_enum text_handover_reason = { "reason", reason_text, HANDOVER_REASON_COUNT };
const struct text_enum text_handover_state = { "state", state_text, HANDOVER_STATE_COUNT };
const struct text_enum text_handover_fence = { "fence", fence_text, HANDOVER_FENCE_COUNT };

enum kind {
	KIND_ID, /* 16 bytes as 32 digits */
	KIND_UUID,
	KIND_NAME,         /* text_name_valid() */
	KIND_NUMBER,       /* of 4 or 8 bytes, up to 2^53: all readers of JSON have those */
	KIND_LATER_NUMBER, /* the same; peers of older versions do not say */
	KIND_HEX,          /* of 8 bytes, as text */
	KIND_SWITCH,
	KIND_ENUM,       /* of 1 byte */
	KIND_ADDR,       /* a numeric address, or empty */
	KIND_LATER_ADDR, /* the same, as a later number */
	KIND_TEXT,       /* for people; never fails */
};

struct field {
	const char *name;
	uint32_t types; /* bits: the messages that have it */
	enum kind kind;
	size_t at;
	size_t size;
	const struct text_enum *table;
};

#define T(id) (1u << MESSAGE_##id)
#define WITH_ID                                                                                    \
	(T(OFFER) | T(ACCEPT) | T(REFUSE) | T(BEGIN) | T(END) | T(ACK) | T(LAST) | T(READY) |      \
	 T(CLAIM) | T(RELEASE) | T(DONE) | T(ABORT) | T(ABORTED) | T(RESUME) | T(STALE))
#define M(member) offsetof(struct message, member), sizeof(((struct message *)0)->member)

static const struct field fields[] = {
	{ "id", WITH_ID, KIND_ID, M(id), NULL },
	{ "version", T(HELLO), KIND_NUMBER, M(version), NULL },
	{ "oldest", T(HELLO), KIND_NUMBER, M(oldest), NULL },
	{ "host", T(HELLO), KIND_NAME, M(host), NULL },
	{ "vm", T(OFFER), KIND_NAME, M(vm.name), NULL },
	{ "uuid", T(OFFER), KIND_UUID, M(vm.uuid), NULL },
	{ "incarnation", T(OFFER), KIND_HEX, M(vm.incarnation), NULL },
	{ "vm_epoch", T(OFFER), KIND_NUMBER, M(vm.epoch), NULL },
	{ "digest", T(OFFER), KIND_HEX, M(vm.digest), NULL },
	{ "flows", T(OFFER), KIND_NUMBER, M(vm.flows), NULL },
	{ "half", T(OFFER), KIND_NUMBER, M(vm.half), NULL },
	{ "rules", T(OFFER), KIND_NUMBER, M(vm.rules), NULL },
	{ "midstream", T(OFFER), KIND_ENUM, M(vm.midstream), &text_midstream },
	{ "fence", T(OFFER), KIND_ENUM, M(vm.fence), &text_handover_fence },
	{ "mtu", T(OFFER), KIND_NUMBER, M(vm.mtu), NULL },
	{ "late_from", T(OFFER), KIND_LATER_ADDR, M(vm.late_from), NULL },
	{ "check", T(OFFER), KIND_SWITCH, M(check), NULL },
	{ "late", T(ACCEPT), KIND_ADDR, M(late), NULL },
	{ "late_mtu", T(ACCEPT), KIND_LATER_NUMBER, M(late_mtu), NULL },
	{ "sequence", T(BEGIN) | T(END) | T(ACK) | T(LAST) | T(RESUME), KIND_NUMBER, M(sequence),
	  NULL },
	{ "epoch", T(CLAIM) | T(RELEASE), KIND_NUMBER, M(epoch), NULL },
	{ "state", T(RESUME), KIND_ENUM, M(state), &text_handover_state },
	{ "reason", T(REFUSE) | T(ABORT) | T(ABORTED), KIND_ENUM, M(reason),
	  &text_handover_reason },
	{ "text", T(REFUSE) | T(ABORT) | T(ABORTED), KIND_TEXT, M(text), NULL },
};

const char *message_type_name(unsigned int type)
{
	return type < MESSAGE_TYPE_COUNT ? type_text[type] : "?";
}

void handover_text_set(char to[HANDOVER_TEXT_LEN], const char *text)
{
	size_t i = 0;

	for (; text[i] && i + 1 < HANDOVER_TEXT_LEN; i++)
		to[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	to[i] = '\0';
}

/* ---- writing ---- */

static json_t *number_out(const struct field *field, const void *at)
{
	uint64_t wide = 0;
	uint32_t narrow;

	if (field->size == sizeof(narrow)) {
		memcpy(&narrow, at, sizeof(narrow));
		wide = narrow;
	} else {
		memcpy(&wide, at, sizeof(wide));
	}
	return json_integer((json_int_t)wide);
}

static json_t *field_out(const struct field *field, const void *at)
{
	char buf[64];
	uint64_t wide;

	switch (field->kind) {
	case KIND_ID:
		return json_string(handover_id_text(at, buf));
	case KIND_UUID:
		return json_string(text_uuid(at, buf));
	case KIND_NAME:
	case KIND_ADDR:
	case KIND_LATER_ADDR:
	case KIND_TEXT:
		return json_string(at);
	case KIND_NUMBER:
	case KIND_LATER_NUMBER:
		return number_out(field, at);
	case KIND_HEX:
		memcpy(&wide, at, sizeof(wide));
		snprintf(buf, sizeof(buf), "%016llx", (unsigned long long)wide);
		return json_string(buf);
	case KIND_SWITCH:
		return json_boolean(*(const bool *)at);
	case KIND_ENUM:
		return json_string(text_enum_name(field->table, *(const uint8_t *)at));
	}
	return NULL;
}

char *message_write(const struct message *message)
{
	json_t *body = json_object();
	char *text;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (fields[i].types & 1u << message->type)
			json_object_set_new(
				body, fields[i].name,
				field_out(&fields[i], (const char *)message + fields[i].at));
	}
	text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	return text;
}

/* ---- reading ---- */

static int number_in(const struct field *field, const json_t *value, void *at)
{
	const json_int_t most = field->size == sizeof(uint32_t) ? UINT32_MAX : 1LL << 53;
	json_int_t number = json_integer_value(value);
	uint32_t narrow;
	uint64_t wide;

	if (!json_is_integer(value) || number < 0 || number > most)
		return -EINVAL;
	narrow = wide = number;
	memcpy(at, field->size == sizeof(narrow) ? (void *)&narrow : (void *)&wide, field->size);
	return 0;
}

static int hex_in(const char *text, void *at)
{
	uint64_t wide;

	if (strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
		return -EINVAL;
	wide = strtoull(text, NULL, 16);
	memcpy(at, &wide, sizeof(wide));
	return 0;
}

static int addr_in(const char *text, void *at)
{
	struct roam_addr addr;

	if (text[0] && (strlen(text) >= TEXT_ADDR_LEN || text_addr_parse(text, &addr)))
		return -EINVAL;
	memcpy(at, text, strlen(text) + 1);
	return 0;
}

static int field_in(const struct field *field, const json_t *value, void *at)
{
	const char *text = json_string_value(value);

	if (field->kind == KIND_NUMBER || field->kind == KIND_LATER_NUMBER)
		return number_in(field, value, at);
	if (field->kind == KIND_SWITCH) {
		*(bool *)at = json_is_true(value);
		return json_is_boolean(value) ? 0 : -EINVAL;
	}
	/* A NUL within is none of what a text here can mean. */
	if (!text || strlen(text) != json_string_length(value))
		return -EINVAL;
	switch (field->kind) {
	case KIND_ID:
		return handover_id_parse(text, at);
	case KIND_UUID:
		return text_uuid_parse(text, at);
	case KIND_NAME:
		return text_name_parse(field->name, text, at);
	case KIND_HEX:
		return hex_in(text, at);
	case KIND_ADDR:
	case KIND_LATER_ADDR:
		return addr_in(text, at);
	case KIND_ENUM:
		return text_enum_parse(field->table, text, at);
	default:
		handover_text_set(at, text);
		return 0;
	}
}

/* A reason that a newer peer has is not known here: it says so, but it is a refusal all the same.
 */
static bool unknown_reason(const struct field *field, const json_t *value, void *at)
{
	if (field->table != &text_handover_reason || !json_is_string(value))
		return false;
	*(uint8_t *)at = HANDOVER_REASON_INTERNAL;
	return true;
}

static bool may_be_missing(const struct field *field)
{
	return field->kind == KIND_LATER_ADDR || field->kind == KIND_LATER_NUMBER;
}

static int fields_in(const json_t *body, struct message *message)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const struct field *field = &fields[i];
		const json_t *value = json_object_get(body, field->name);
		void *at = (char *)message + field->at;

		if (!(field->types & 1u << message->type) || (!value && may_be_missing(field)))
			continue;
		if (!value)
			return fail(-EBADMSG, "%s: '%s' is missing",
				    message_type_name(message->type), field->name);
		if (field_in(field, value, at) && !unknown_reason(field, value, at))
			return fail(-EBADMSG, "%s: '%s' is not what it should be",
				    message_type_name(message->type), field->name);
	}
	return 0;
}

int message_read(enum message_type type, const char *body, size_t size, struct message *ret_message)
{
	struct message message = { .type = type };
	json_error_t error;
	json_t *json;
	int err;

	json = json_loadb(body, size, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(json)) {
		json_decref(json);
		return fail(-EBADMSG, "%s: the body is no object of JSON", message_type_name(type));
	}
	err = fields_in(json, &message);
	json_decref(json);
	if (!err)
		*ret_message = message;
	return err;
}
