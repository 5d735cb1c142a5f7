/* SPDX-License-Identifier: GPL-2.0 */
/* A guest of a few instructions, as a vmlinux that consists of one segment. */
#ifndef KTSTR_TINY_GUEST_H
#define KTSTR_TINY_GUEST_H

#include <elf.h>
#include <linux/types.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory_map.h"

#define TINY_GUEST_GPA	MAP_HIGH_RAM
#define KERNEL_BASE	0xffffffff80000000ULL

struct tiny_guest {
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdr;
	u8 text[4096];
};

static inline void tiny_guest_init(struct tiny_guest *g)
{
	memset(g, 0, sizeof(*g));
	g->ehdr = (Elf64_Ehdr) {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_entry = TINY_GUEST_GPA,
		.e_phoff = offsetof(struct tiny_guest, phdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 1,
	};
	g->phdr = (Elf64_Phdr) {
		.p_type = PT_LOAD,
		.p_offset = offsetof(struct tiny_guest, text),
		.p_vaddr = KERNEL_BASE + TINY_GUEST_GPA,
		.p_paddr = TINY_GUEST_GPA,
		.p_filesz = sizeof(g->text),
		.p_memsz = sizeof(g->text),
	};
}

/* What lies behind @guest goes along, and is not run. */
static inline void tiny_guest_set(struct tiny_guest *g, const u8 *guest, const u8 *end)
{
	size_t len = end - guest;

	memcpy(g->text, guest, len < sizeof(g->text) ? len : sizeof(g->text));
}

/**
 * tiny_guest_open() - a file without a name, to be filled with a guest
 * @path: filled in; valid while the file is open
 * @size: room at @path
 *
 * Return: its file descriptor, or -1.
 */
static inline int tiny_guest_open(char *path, size_t size)
{
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	snprintf(path, size, "/proc/self/fd/%d", fd);
	return fd;
}

#endif /* KTSTR_TINY_GUEST_H */
