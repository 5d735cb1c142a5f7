// SPDX-License-Identifier: GPL-2.0
/* Kernel images, of both kinds, and what is then put beside them */
#include <linux/sizes.h>

#include "boot.h"
#include "fuzz.h"
#include "memory_map.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct numa_mem mem;
	static struct boot_image image;
	static const struct topology topo = { .nodes = 1, .llcs = 1, .cores = 1, .threads = 1 };
	struct boot_config cfg = {
		.image = &image, .cmdline = "quiet",
		.initramfs = { .suffix = data, .suffix_size = size },
	};
	struct errmsg err = {};
	const char *path;

	/* RAM is the same for all: what the kernel does not overwrite is not its own. */
	if (!mem.size) {
		fuzz_assert(!numa_mem_layout(&mem, &topo, SZ_8M, &err));
		fuzz_assert(!numa_mem_map(&mem, NULL, NULL, &err));
	}
	path = fuzz_file(data, size);
	if (boot_load_kernel(&mem, path, &image, &err)) {
		fuzz_assert(strstr(err.text, path));
		return 0;
	}
	fuzz_assert(image.end <= numa_mem_top(&mem));
	fuzz_assert(image.entry >= MAP_HIGH_RAM && image.entry < image.end);
	fuzz_assert(strnlen(image.version, sizeof(image.version)) < sizeof(image.version));
	err.text[0] = '\0';
	fuzz_assert(!boot_setup(&mem, &cfg, &err) || err.text[0]);
	return 0;
}
