// SPDX-License-Identifier: GPL-2.0
/*
 * rss-1: resident memory of the VMM's process while a guest with 1 vCPU and
 * 128 MiB runs, without the guest's RAM: what smaps says of all mappings but
 * that one, shared libraries' pages included. There is no peer but the limit.
 */
#include <errno.h>
#include <linux/sizes.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "host.h"
#include "session.h"

#define MEMORY		((u64)SZ_128M)
#define LIMIT_KIB	(5 * 1024)

/*
 * In KiB, or 0. Guest RAM is the mapping of its size: what surrounds it is
 * reserved with other permissions, so that it is not merged with anything.
 */
static unsigned long resident_kib(void)
{
	unsigned long start, end, kib, sum = 0;
	FILE *f = fopen("/proc/self/smaps", "re");
	unsigned int guests = 0;
	bool guest = false;
	char line[4608];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
			guest = end - start == MEMORY;
			guests += guest;
		} else if (!guest && sscanf(line, "Rss: %lu kB", &kib) == 1) {
			sum += kib;
		}
	}
	if (f)
		fclose(f);
	if (guests == 1)
		return sum;
	fprintf(stderr, "# rss: %u mappings of the guest RAM's size in /proc/self/smaps\n", guests);
	return 0;
}

static unsigned long measure(void)
{
	const struct session_config cfg = { .topology = "1n1l1c1t", .memory = MEMORY };
	static struct session s;
	struct errmsg err;
	unsigned long kib;

	if (session_start(&s, &cfg, &err)) {
		fprintf(stderr, "# rss: %s\n", err.text);
		return 0;
	}
	kib = resident_kib();
	session_end(&s);
	return kib;
}

int main(int argc, char **argv)
{
	unsigned long kib;
	struct errmsg why;
	int kind;

	kind = host_classify(HOST_KVM, &why);
	if (kind == HOST_EMULATE)
		return bench_elsewhere(argc, argv, why.text);
	if (kind < 0) {
		fprintf(stderr, "# %s\n", why.text);
		return EXIT_FAILURE;
	}

	kib = measure();
	if (!kib)
		return EXIT_FAILURE;
	bench_report("rss", 1, kib, "KiB", LIMIT_KIB, "5-MiB", 1);
	return EXIT_SUCCESS;
}
