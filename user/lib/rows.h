/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Rows of one kind that wait, in an array that grows. */
#ifndef ROAM_ROWS_H
#define ROAM_ROWS_H

#include <stddef.h>
#include <stdint.h>

/* Zero is one without rows. Room that has been touched once is cheaper than new room. */
struct rows {
	void *rows;
	uint32_t count;
	uint32_t room;
};

/* Where one more is to be written; NULL: no memory. */
void *rows_add(struct rows *rows, size_t size);
void rows_free(struct rows *rows);

#endif
