// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* A handover's id, for roamd and for those who ask it: see handover_id.h. */
#include <stdio.h>
#include <string.h>
#include "handover_id.h"
#include "util.h"

const char *handover_id_text(const uint8_t id[HANDOVER_ID_LEN], char buf[HANDOVER_ID_TEXT])
{
	for (int i = 0; i < HANDOVER_ID_LEN; i++)
		snprintf(buf + 2 * i, 3, "%02x", id[i]);
	return buf;
}

int handover_id_parse(const char *text, uint8_t ret_id[HANDOVER_ID_LEN])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t id[HANDOVER_ID_LEN] = {};

	if (strlen(text) != 2 * HANDOVER_ID_LEN || strspn(text, digits) != 2 * HANDOVER_ID_LEN)
		return fail(-EINVAL, "'%.40s' is no id of a handover", text);
	for (int i = 0; i < 2 * HANDOVER_ID_LEN; i++)
		id[i / 2] = id[i / 2] << 4 | (strchr(digits, text[i]) - digits);
	memcpy(ret_id, id, sizeof(id));
	return 0;
}
