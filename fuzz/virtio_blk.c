// SPDX-License-Identifier: GPL-2.0
/* A guest's disk requests, virtqueues and registers: see unit/virtio_fuzz.h. */
#include "fuzz.h"
#include "unit/virtio_fuzz.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	fuzz_assert(virtio_blk_fuzz(data, size));
	return 0;
}
