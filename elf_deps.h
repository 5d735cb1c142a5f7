/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The files that a program needs at run time: its interpreter and the shared
 * objects that the dynamic loader would map, found as ld.so(8) finds them.
 *
 * A program may have another path in the guest than on the host, and there is
 * no ld.so.cache in the guest. So every file has two paths: where it is here,
 * and where the loader in the guest will look for it:
 *
 *  - the interpreter, and names with a slash: at that very path;
 *  - found by DT_RPATH or DT_RUNPATH: in that directory, with $ORIGIN standing
 *    for the directory of whoever asks, in the guest;
 *  - found by the host's cache or in a default directory: beside the file that
 *    the interpreter really is. glibc and musl install the loader among the
 *    libraries that belong to it, in a directory that it searches by default,
 *    whichever of the default directories of the distributions that is.
 *
 * Directories in the guest are real ones. Where /lib is a symlink on the host,
 * a path through it still has the same meaning in the guest.
 *
 * A program that calls pthread_exit() or pthread_cancel() gets libgcc_s.so.1 as well,
 * which glibc opens for them.
 *
 * Not followed, because files do not tell: other dlopen(), NSS modules, LD_PRELOAD.
 * LD_LIBRARY_PATH is ignored: it belongs to the environment of this process,
 * and the guest has another one. glibc-hwcaps variants are passed over, since
 * the guest's CPU may lack what the host's has; the baseline always works.
 * Relative directories in a search path are passed over too: the working
 * directory is not the same.
 */
#ifndef KTSTR_ELF_DEPS_H
#define KTSTR_ELF_DEPS_H

#include <stddef.h>

#include "errmsg.h"

/**
 * struct elf_dep - a file that a program needs
 * @host: where it is on this machine
 * @guest: where the guest's kernel or dynamic loader will look for it; may
 *	contain ".." where a search path does
 */
struct elf_dep {
	char *host;
	char *guest;
};

/**
 * struct elf_deps - all files that a program needs, without the program
 * @nr: entries in @dep
 * @dep: the interpreter first, then breadth first, as the loader does
 */
struct elf_deps {
	size_t nr;
	struct elf_dep *dep;
};

/**
 * elf_deps_find() - find what a program needs at run time
 * @deps: filled in on success, empty on failure; see elf_deps_free()
 * @host: path of an x86-64 executable, or of a script
 * @guest: absolute path that it will have in the guest
 * @err: names what is missing, who needs it, and where it was looked for
 *
 * A static (also static-pie) executable needs nothing. A script needs the
 * interpreter of its "#!" line, and what that needs; what "#!/usr/bin/env foo"
 * would start is not followed.
 *
 * Return: 0, or a negative errno (ERRMSG_INPUT): -ENOEXEC for a file that is
 * no program for the guest, -ENOENT for a missing file or library.
 */
int elf_deps_find(struct elf_deps *deps, const char *host, const char *guest,
		  struct errmsg *err);

/**
 * elf_deps_free() - give back what elf_deps_find() allocated
 * @deps: from elf_deps_find(), or zeroed
 */
void elf_deps_free(struct elf_deps *deps);

/**
 * ld_cache_lookup() - look a library up in an ld.so.cache
 * @cache: the file's contents, format "glibc-ld.so.cache1.1", not trusted
 * @size: bytes at @cache
 * @name: what DT_NEEDED says
 *
 * Return: the path of the first x86-64 entry that suits every CPU, inside
 * @cache and terminated there; NULL if there is none.
 */
const char *ld_cache_lookup(const void *cache, size_t size, const char *name);

#endif /* KTSTR_ELF_DEPS_H */
