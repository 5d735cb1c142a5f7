/* SPDX-License-Identifier: GPL-2.0 */
/* What a process holds, to compare: file descriptors, threads, mappings. */
#ifndef KTSTR_HELD_H
#define KTSTR_HELD_H

#include <dirent.h>
#include <fcntl.h>
#include <linux/sizes.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "testutil.h"

struct held {
	unsigned int fds;
	unsigned int threads;
	unsigned int mappings;	/* 0 with ASan, which makes its own; neighbours may merge */
	unsigned long pages;	/* of address space, but for the heap; 0 with ASan */
};

static inline unsigned int held_entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned int nr = 0;

	while (dir && readdir(dir))
		nr++;
	if (dir)
		closedir(dir);
	return nr;
}

#define HELD_PF_EXITING	0x4	/* include/linux/sched.h */

/* Is a thread about to end, or has it ended? Its stat is of proc_pid_stat(5). */
static inline bool held_exits(const char *tid)
{
	char path[300], text[512];
	const char *end;
	unsigned int flags;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%s/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return true;
	text[n] = '\0';
	end = strrchr(text, ')');
	return end && sscanf(end, ") %*c %*d %*d %*d %*d %*d %u", &flags) == 1 &&
	       flags & HELD_PF_EXITING;
}

/* Who has been joined may still be listed for as long as its CPU has something else to do. */
static inline unsigned int held_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned int nr = 0;

	while (dir && (entry = readdir(dir)))
		nr += entry->d_name[0] != '.' && !held_exits(entry->d_name);
	if (dir)
		closedir(dir);
	return nr;
}

static inline unsigned int held_lines(const char *path)
{
	static char text[SZ_64K];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned int nr = 0;
	ssize_t n;

	while ((n = read(fd, text, sizeof(text))) > 0)
		while (n--)
			nr += text[n] == '\n';
	close(fd);
	return nr;
}

/*
 * How far the heap reaches depends on what lies at its end, which threads may decide
 * that end sooner or later; what is lost in there, LeakSanitizer knows.
 */
static inline unsigned long held_pages(void)
{
	static char *start;
	char text[128] = "";
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	start = start ?: sbrk(0);
	return n > 0 ? strtoul(text, NULL, 10) - ((char *)sbrk(0) - start) / 4096 : 0;
}

static inline struct held held(void)
{
	/* Heap that is free, but was not given back, is nobody's. */
	malloc_trim(0);
	return (struct held) {
		.fds = held_entries("/proc/self/fd"),
		.threads = held_threads(),
		.mappings = with_asan() ? 0 : held_lines("/proc/self/maps"),
		.pages = with_asan() ? 0 : held_pages(),
	};
}

#endif /* KTSTR_HELD_H */
