/* SPDX-License-Identifier: GPL-2.0 */
/* How much of a file's mappings is in memory, and with how many it is shared. */
#ifndef KTSTR_SMAPS_H
#define KTSTR_SMAPS_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/**
 * struct smaps_usage - of all mappings of a file in this process, in KiB
 * @rss: resident pages
 * @pss: each of them divided by the number of processes that have it
 * @written: those that this process has changed, and has copies of its own of
 */
struct smaps_usage {
	unsigned long rss;
	unsigned long pss;
	unsigned long written;
};

/**
 * smaps_of() - read /proc/self/smaps (Documentation/filesystems/proc.rst)
 * @path: end of the file's path
 *
 * Return: all 0 if the file is not mapped.
 */
static inline struct smaps_usage smaps_of(const char *path)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	struct smaps_usage usage = {};
	size_t len, want = strlen(path);
	unsigned long start, end, kib;
	bool ours = false;
	char line[4608];

	while (f && fgets(line, sizeof(line), f)) {
		len = strcspn(line, "\n");
		line[len] = '\0';
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			ours = len > want && !strcmp(line + len - want, path);
		else if (ours && sscanf(line, "Rss: %lu kB", &kib) == 1)
			usage.rss += kib;
		else if (ours && sscanf(line, "Pss: %lu kB", &kib) == 1)
			usage.pss += kib;
		else if (ours && sscanf(line, "Private_Dirty: %lu kB", &kib) == 1)
			usage.written += kib;
	}
	if (f)
		fclose(f);
	return usage;
}

#endif /* KTSTR_SMAPS_H */
