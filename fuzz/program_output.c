// SPDX-License-Identifier: GPL-2.0
/* What a program in the guest prints, in which numbers are looked for */
#include <math.h>

#include "fuzz.h"
#include "program_output.h"

static const char * const names[] = {
	"Total time", "ops/sec", "cpu#5", "Max", "Request Latencies|99.0th", "average rps",
	"jobs.0.read.iops", "jobs.0.read.clat_ns.percentile.99.000000", "thread.0.max", "1", "a|",
};

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct program_number number;
	char line[32], *text;
	struct errmsg err;
	size_t i, len;

	text = fuzz_bytes(&in, size, &len);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		memset(&err, 0, sizeof(err));
		if (program_output_find(text, names[i], &number, &err)) {
			fuzz_assert(err.text[0]);
			continue;
		}
		fuzz_assert(isfinite(number.value));
		fuzz_assert(strlen(number.unit) < sizeof(number.unit));
	}
	program_output_last_line(text, line, sizeof(line));
	fuzz_assert(strlen(line) < sizeof(line) && !strchr(line, '\n'));
	free(text);
	return 0;
}
