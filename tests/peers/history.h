/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Random histories of TCP connections, as who stands between the two ends sees them: a model of
 * both ends and of a network that loses, delays, repeats and reorders, before us and behind us, and
 * of somebody who guesses. All of it follows from random(3).
 */
#ifndef ROAM_TESTS_HISTORY_H
#define ROAM_TESTS_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#define HISTORY_MAX 400

struct segment {
	uint32_t seq;
	uint32_t ack;
	uint32_t sack[2]; /* one block; [1] after [0], or there is none */
	uint16_t window;
	uint16_t len;
	uint8_t flags;
	int8_t scale; /* of a SYN; -1: none */
	bool sack_ok; /* of a SYN */
	bool of_opener;
	bool forged; /* by somebody who guesses: it does not arrive */
};

struct history {
	struct segment segments[HISTORY_MAX];
	int count;
};

void history_make(struct history *history);

#endif
