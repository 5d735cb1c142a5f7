/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a boot loader does: the kernel image and the initramfs into guest RAM,
 * the zero page, and the state in which the first CPU enters the kernel
 * (Documentation/arch/x86/boot.rst, "64-bit Boot Protocol").
 */
#ifndef KTSTR_BOOT_H
#define KTSTR_BOOT_H

#include <asm/bootparam.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <linux/types.h>

#include "errmsg.h"
#include "initramfs.h"
#include "numa_mem.h"

/**
 * struct boot_image - a kernel in guest RAM
 * @kind: "vmlinux" or "bzImage"
 * @version: release and build from the image; empty if it has none
 * @loaded: bytes read into guest RAM
 * @entry: guest physical address of the 64-bit entry point
 * @end: first guest physical address that the kernel does not use at start
 * @initramfs_max: the highest address that the initramfs may occupy
 * @hdr: the setup header for the zero page
 */
struct boot_image {
	const char *kind;
	char version[256];
	u64 loaded;
	u64 entry;
	u64 end;
	u64 initramfs_max;
	struct setup_header hdr;
};

/**
 * boot_load_kernel() - read a kernel image into guest RAM
 * @mem: mapped guest RAM
 * @path: a vmlinux (ELF, x86-64) or a bzImage of protocol 2.12 or later
 * @image: filled in
 * @err: what is wrong with the file, and what would be right
 *
 * Return: 0 or a negative errno: ENOENT and the like from opening, ENOEXEC if
 * it is no x86-64 kernel, ENOMEM if guest RAM is too small for it.
 */
int boot_load_kernel(const struct numa_mem *mem, const char *path,
		     struct boot_image *image, struct errmsg *err);

/**
 * struct boot_config - what the zero page says besides the kernel's own header
 * @image: the loaded kernel
 * @cmdline: the whole kernel command line
 * @initramfs: what to unpack as the root file system
 * @rsdp: guest physical address of the RSDP
 */
struct boot_config {
	const struct boot_image *image;
	const char *cmdline;
	struct initramfs_image initramfs;
	u64 rsdp;
};

/**
 * boot_setup() - initramfs, command line, zero page, GDT and page tables
 * @mem: mapped guest RAM
 * @cfg: see struct boot_config
 * @err: what did not fit, and how much memory would be enough
 *
 * The initramfs goes to the top of the first region's RAM below 4 GiB. Its base
 * is mapped there; where that is impossible, it is copied.
 *
 * Return: 0, -E2BIG for the command line, -ENOMEM for the initramfs, or what
 * reading its base failed with.
 */
int boot_setup(const struct numa_mem *mem, const struct boot_config *cfg,
	       struct errmsg *err);

/**
 * boot_regs() - registers for the 64-bit entry
 * @image: the loaded kernel
 * @regs: filled in
 * @sregs: from KVM_GET_SREGS, changed in place
 *
 * Long mode, flat segments, the identity mapping that boot_setup() made.
 */
void boot_regs(const struct boot_image *image, struct kvm_regs *regs,
	       struct kvm_sregs *sregs);

#endif /* KTSTR_BOOT_H */
