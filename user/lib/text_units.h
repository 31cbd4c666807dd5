/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Between text and quantities: rates and sizes as tc(8) writes them, durations as systemd does, and
 * the names of DSCPs. Like text.h's, parsers take the whole text or refuse it with one line that
 * names it, and what is printed can be read.
 */
#ifndef ROAM_TEXT_UNITS_H
#define ROAM_TEXT_UNITS_H

#include <stdint.h>

#define TEXT_RATE_LEN     28
#define TEXT_DURATION_LEN 24
#define TEXT_DSCP_LEN     5

/* "10mbit": bit, kbit, mbit, gbit or tbit a second, in steps of 1000; whole bytes a second. */
int text_rate_parse(const char *text, uint64_t *ret_rate_Bps);
const char *text_rate(uint64_t rate_Bps, char buf[TEXT_RATE_LEN]);

/* "128k": bytes, or with b, k or m behind in steps of 1024. */
int text_size_parse(const char *what, const char *text, uint32_t *ret_bytes);

/* "90s", "10m", "1h", "2d"; a bare number is seconds. */
int text_duration_parse(const char *what, const char *text, uint32_t *ret_s);
/* In the largest unit that needs no fraction. */
const char *text_duration(uint32_t seconds, char buf[TEXT_DURATION_LEN]);

/* A number from 0 to 63, or a name: cs0 to cs7, af11 to af43, ef, va, le. */
int text_dscp_parse(const char *text, uint8_t *ret_dscp);
const char *text_dscp(uint8_t dscp, char buf[TEXT_DSCP_LEN]);

#endif
