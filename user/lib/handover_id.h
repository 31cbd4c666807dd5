/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What a handover is called: 16 random bytes, as text 32 hex digits. */
#ifndef ROAM_HANDOVER_ID_H
#define ROAM_HANDOVER_ID_H

#include <stdint.h>

#define HANDOVER_ID_LEN  16
#define HANDOVER_ID_TEXT (2 * HANDOVER_ID_LEN + 1)

const char *handover_id_text(const uint8_t id[HANDOVER_ID_LEN], char buf[HANDOVER_ID_TEXT]);
int handover_id_parse(const char *text, uint8_t ret_id[HANDOVER_ID_LEN]);

#endif
