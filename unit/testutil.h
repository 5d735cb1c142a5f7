/* SPDX-License-Identifier: GPL-2.0 */
/* What tests of modules with files and programs share. */
#ifndef KTSTR_TESTUTIL_H
#define KTSTR_TESTUTIL_H

#include <dirent.h>
#include <fcntl.h>
#include <linux/compiler.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif

#ifdef WITH_ASAN
#include <sanitizer/lsan_interface.h>
#endif

/* It maps and keeps memory of its own, and needs address space for that. */
static inline bool with_asan(void)
{
#ifdef WITH_ASAN
	return true;
#else
	return false;
#endif
}

/* Lets this process open so many files, those that are open included; returns the old limit. */
static inline rlim_t allow_files(rlim_t nr)
{
	struct rlimit files = {};
	rlim_t old;

	getrlimit(RLIMIT_NOFILE, &files);
	old = files.rlim_cur;
	files.rlim_cur = nr;
	setrlimit(RLIMIT_NOFILE, &files);
	return old;
}

/* Reports leaks so far: tests end by _exit(), where nobody looks for them. */
static inline bool leaks(void)
{
#ifdef WITH_ASAN
	return __lsan_do_recoverable_leak_check();
#else
	return false;
#endif
}

static inline int open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (dir && readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/*
 * The host's huge pages are one pool for all programs: tests that take from it, or
 * count what is in it, take turns. Until this process ends.
 */
static inline void hold_huge_pages(void)
{
	int fd = open("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
		      O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		flock(fd, LOCK_EX);
}

/* The text of a file, as part of the program: it runs wherever that is put. */
#define EMBED(name, path)		\
extern const char name[];		\
asm("	.pushsection .rodata\n"		\
#name ":\n"				\
"	.incbin \"" path "\"\n"		\
"	.byte 0\n"			\
"	.popsection\n")

/* Runs a shell command; its exit status. */
static inline int __printf(1, 2) sh(const char *fmt, ...)
{
	char command[8192];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	return system(command);
}

#endif /* KTSTR_TESTUTIL_H */
