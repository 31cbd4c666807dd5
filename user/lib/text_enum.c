// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The names of the enums of include/roam, from the lists that define them: see text.h. */
#include <string.h>
#include "text.h"

static const char *const dir_text[] = {
#define X(id, text) [ROAM_DIR_##id] = text,
	ROAM_DIRS(X)
#undef X
};
static const char *const action_text[] = {
#define X(id, text) [ROAM_ACTION_##id] = text,
	ROAM_ACTIONS(X)
#undef X
};
static const char *const life_text[] = {
#define X(id, text) [ROAM_LIFE_##id] = text,
	ROAM_LIVES(X)
#undef X
};
static const char *const gate_text[] = {
#define X(id, text) [ROAM_GATE_##id] = text,
	ROAM_GATES(X)
#undef X
};
static const char *const midstream_text[] = {
#define X(id, text) [ROAM_MIDSTREAM_##id] = text,
	ROAM_MIDSTREAMS(X)
#undef X
};
static const char *const reason_text[] = {
#define X(id, name, verdict, text) [ROAM_REASON_##id] = name,
	ROAM_REASONS(X)
#undef X
};
static const char *const ct_state_text[] = {
#define X(id, name, timeout, kind) [ROAM_CT_##id] = name,
	ROAM_CT_STATES(X)
#undef X
};
static const char *const lb_role_text[] = {
#define X(id, text) [ROAM_LB_ROLE_##id] = text,
	ROAM_LB_ROLES(X)
#undef X
};
static const char *const lb_state_text[] = {
#define X(id, text) [ROAM_LB_##id] = text,
	ROAM_LB_STATES(X)
#undef X
};

static const char *const set_kind_text[] = {
#define X(id, text) [ROAM_SET_##id] = text,
	ROAM_SET_KINDS(X)
#undef X
};

_Static_assert(ARRAY_SIZE(lb_role_text) == ROAM_LB_ROLE_COUNT, "a role without a name");
_Static_assert(ARRAY_SIZE(lb_state_text) == ROAM_LB_STATE_COUNT, "a state without a name");
_Static_assert(ARRAY_SIZE(dir_text) == ROAM_DIR_COUNT, "a direction without a name");
_Static_assert(ARRAY_SIZE(action_text) == ROAM_ACTION_COUNT, "an action without a name");
_Static_assert(ARRAY_SIZE(life_text) == ROAM_LIFE_COUNT, "a life without a name");
_Static_assert(ARRAY_SIZE(gate_text) == ROAM_GATE_COUNT, "a state without a name");
_Static_assert(ARRAY_SIZE(midstream_text) == ROAM_MIDSTREAM_COUNT, "a setting without a name");
_Static_assert(ARRAY_SIZE(reason_text) == ROAM_REASON_COUNT, "a reason without a name");
_Static_assert(ARRAY_SIZE(ct_state_text) == ROAM_CT_STATE_COUNT, "a state without a name");

static const char *const stage_text[] = {
#define X(id, text) [ROAM_STAGE_##id] = text,
	ROAM_STAGES(X)
#undef X
};
static const char *const verdict_text[] = {
	[ROAM_CONTINUE] = "continue",
	[ROAM_PASS] = "pass",
	[ROAM_DROP] = "drop",
};

static const char *const event_text[] = {
#define X(id, text) [ROAM_EVENT_##id] = text,
	ROAM_EVENTS(X)
#undef X
};

const struct text_enum text_dir = { "direction", dir_text, ROAM_DIR_COUNT };
const struct text_enum text_action = { "action", action_text, ROAM_ACTION_COUNT };
const struct text_enum text_life = { "life", life_text, ROAM_LIFE_COUNT };
const struct text_enum text_gate = { "gate", gate_text, ROAM_GATE_COUNT };
const struct text_enum text_midstream = { "midstream", midstream_text, ROAM_MIDSTREAM_COUNT };
const struct text_enum text_reason = { "reason", reason_text, ROAM_REASON_COUNT };
const struct text_enum text_ct_state = { "state", ct_state_text, ROAM_CT_STATE_COUNT };
const struct text_enum text_stage = { "stage", stage_text, ROAM_STAGE_COUNT };
const struct text_enum text_verdict = { "verdict", verdict_text, ARRAY_SIZE(verdict_text) };
const struct text_enum text_lb_role = { "role", lb_role_text, ROAM_LB_ROLE_COUNT };
const struct text_enum text_lb_state = { "state", lb_state_text, ROAM_LB_STATE_COUNT };
const struct text_enum text_event = { "event", event_text, ROAM_EVENT_COUNT };
const struct text_enum text_set_kind = { "kind of set", set_kind_text, ROAM_SET_KIND_COUNT };

static const struct {
	const char *name;
	const struct text_enum *table;
} by_name[] = {
	{ "DIR", &text_dir },           { "ACTION", &text_action },
	{ "LIFE", &text_life },         { "REASON", &text_reason },
	{ "CT_STATE", &text_ct_state }, { "MIDSTREAM", &text_midstream },
	{ "LB_ROLE", &text_lb_role },   { "SET_KIND", &text_set_kind },
};

const struct text_enum *text_enum_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(by_name); i++) {
		if (!strcmp(by_name[i].name, name))
			return by_name[i].table;
	}
	return NULL;
}

const char *text_enum_name(const struct text_enum *table, unsigned int value)
{
	return value < table->count ? table->text[value] : "?";
}

int text_enum_parse(const struct text_enum *table, const char *text, uint8_t *ret_value)
{
	for (unsigned int i = 0; i < table->count; i++) {
		if (!strcmp(table->text[i], text)) {
			*ret_value = i;
			return 0;
		}
	}
	return fail(-EINVAL, "'%.80s' is no %s (%s, ...)", text, table->what, table->text[0]);
}
