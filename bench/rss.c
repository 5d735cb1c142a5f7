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
#define MAX_MAPPINGS	1000

struct mapping {
	unsigned long start;
	unsigned long end;
	unsigned long rss_kib;
};

static size_t read_mappings(struct mapping *mappings)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	struct mapping m = {};
	char line[4608];
	size_t nr = 0;

	while (f && nr < MAX_MAPPINGS && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &m.start, &m.end) == 2)
			mappings[nr++] = m;
		else if (nr)
			sscanf(line, "Rss: %lu kB", &mappings[nr - 1].rss_kib);
	}
	if (f)
		fclose(f);
	return nr;
}

/* How many mappings from @m on, end to end, are as long as guest RAM; or 0 */
static size_t guest_ram(const struct mapping *m, const struct mapping *end)
{
	const struct mapping *first = m;

	for (; m < end && m->end - first->start <= MEMORY; m++) {
		if (m > first && m->start != m[-1].end)
			break;
		if (m->end - first->start == MEMORY)
			return m + 1 - first;
	}
	return 0;
}

/* In KiB, or 0. Guest RAM is in parts: the initramfs in it is a mapping of its own. */
static unsigned long resident_kib(void)
{
	static struct mapping mappings[MAX_MAPPINGS];
	const struct mapping *m, *end = mappings + read_mappings(mappings);
	unsigned int guests = 0;
	unsigned long sum = 0;

	for (m = mappings; m < end;) {
		size_t nr = guest_ram(m, end);

		guests += !!nr;
		if (!nr)
			sum += m->rss_kib;
		m += nr ?: 1;
	}
	if (guests == 1)
		return sum;
	fprintf(stderr, "# rss: %u times the guest RAM's size in /proc/self/smaps\n", guests);
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
