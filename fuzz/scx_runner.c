// SPDX-License-Identifier: GPL-2.0
/* What the runner of the tree's sched_ext selftests prints in the guest */
#include "fuzz.h"
#include "scx_runner.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_input in = { data, size };
	const char *pos, *name;
	size_t len, total = 0;
	char *text;

	text = fuzz_bytes(&in, size, &size);
	pos = text;
	while ((len = scx_runner_next_test(&pos, &name))) {
		char *test = strndup(name, len);

		fuzz_assert(test && strlen(test) == len && !strchr(test, '\n'));
		fuzz_assert(scx_runner_result(text, test) <= SCX_RUNNER_FAIL);
		free(test);
		total += len;
	}
	fuzz_assert(!*pos && total <= strlen(text));
	free(text);
	return 0;
}
