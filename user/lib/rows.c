// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Rows that wait: see rows.h. */
#include <stdlib.h>
#include "rows.h"

void *rows_add(struct rows *rows, size_t size)
{
	if (rows->count == rows->room) {
		uint32_t room = rows->room ? 2 * rows->room : 64;
		void *more = reallocarray(rows->rows, room, size);

		if (!more)
			return NULL;
		rows->rows = more;
		rows->room = room;
	}
	return (uint8_t *)rows->rows + size * rows->count++;
}

void rows_free(struct rows *rows)
{
	free(rows->rows);
	*rows = (struct rows){};
}
