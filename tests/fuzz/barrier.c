// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What QEMU's stream has for a barrier, as bytes of anybody's: as they are, and with the checksum
 * put right, which no guess would find. What is understood is written as it was.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "barrier.h"

static void read_one(const uint8_t *data, size_t size)
{
	uint8_t again[BARRIER_MOST];
	struct barrier_here here = { .is_dest = true, .state = "ready" };
	struct barrier barrier;

	if (barrier_read(data, size, &barrier))
		return;
	if (barrier_write(&barrier, again) != size || memcmp(again, data, size) != 0)
		abort();
	here.at = barrier;
	if (barrier_judge(&barrier, &here))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t bytes[256];
	uint32_t crc;

	read_one(data, size);
	if (size < 4 || size > sizeof(bytes))
		return 0;
	memcpy(bytes, data, size);
	crc = htobe32(crc32(0, bytes, size - 4));
	memcpy(bytes + size - 4, &crc, 4);
	read_one(bytes, size);
	return 0;
}
