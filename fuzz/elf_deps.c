// SPDX-License-Identifier: GPL-2.0
/* Programs, scripts, and the dynamic loader's cache, as they are on the host */
#include "elf_deps.h"
#include "fuzz.h"

static void check_cache(struct fuzz_input *in)
{
	char *name = fuzz_string(in, 64), *cache;
	const char *path;
	size_t len;

	cache = fuzz_bytes(in, in->size, &len);
	/* Without the NUL that fuzz_bytes() adds, to see whoever relies on it */
	cache = realloc(cache, len ?: 1);
	path = ld_cache_lookup(cache, len, name);
	fuzz_assert(!path || (path >= cache && path + strlen(path) < cache + len));
	free(cache);
	free(name);
}

static void check_program(struct fuzz_input *in)
{
	const char *path = fuzz_file(in->data, in->size);
	struct errmsg err = {};
	struct elf_deps deps;
	size_t i;

	if (elf_deps_find(&deps, path, "/bin/program", &err)) {
		fuzz_assert(err.text[0]);
		return;
	}
	for (i = 0; i < deps.nr; i++) {
		fuzz_assert(deps.dep[i].guest[0] == '/');
		fuzz_assert(!access(deps.dep[i].host, F_OK));
	}
	elf_deps_free(&deps);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_input in = { data, size };

	if (fuzz_number(&in, 1) == 'c')
		check_cache(&in);
	else
		check_program(&in);
	return 0;
}
