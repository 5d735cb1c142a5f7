// SPDX-License-Identifier: GPL-2.0
#include <asm/bootparam.h>
#include <asm/processor-flags.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/sizes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot.h"
#include "kvm_caps.h"
#include "memory_map.h"

#define PAGE_SIZE		4096UL

/* boot.rst, "The Real-Mode Kernel Header" */
#define SETUP_HEADER		0x1f1
#define SETUP_HEADER_LEN	0x201		/* a byte: from 0x202 on */
#define SETUP_MAGIC_OFFSET	0x202
#define SETUP_HEADER_END	0x268		/* with protocol 2.12 */
#define SETUP_MAGIC		0x53726448	/* "HdrS" */
#define SETUP_BOOT_FLAG		0xaa55
#define SETUP_VERSION_MIN	0x020c		/* 2.12: xloadflags */
#define SETUP_SECT_SIZE		512
#define SETUP_SECTS_DEFAULT	4		/* what setup_sects of 0 means */
#define ENTRY_64		0x200		/* from code32_start */
#define LOADER_UNDEFINED	0xff

/* What a bzImage's header would say of the same kernel (COMMAND_LINE_SIZE - 1) */
#define CMDLINE_MAX_ELF		2047
#define INITRAMFS_MAX_ELF	0xffffffffUL

/* arm64's Image and RISC-V's carry a magic at a fixed place */
#define ARM64_MAGIC_OFFSET	0x38
#define ARM64_MAGIC		"ARM\x64"
#define RISCV_MAGIC		"RSC\x05"

/* Kernel text is mapped in the top 2 GiB, which tells it from a program. */
#define KERNEL_MAP		0xffffffff80000000ULL

/* APM vol. 2, 3.1.7 */
#define EFER_LME		BIT_ULL(8)
#define EFER_LMA		BIT_ULL(10)

#define E820_RAM		1
#define E820_ACPI		3

/* The GDT's entries, at the selectors that the boot protocol demands */
#define BOOT_CS			0x10
#define BOOT_DS			0x18
#define BOOT_TR			0x20

#define PTE_PRESENT_WRITE	0x3ULL
#define PDE_2M			0x80ULL

/* What RAM to ask for, in MiB: it is dealt to nodes in huge pages. */
static u64 enough_mib(u64 bytes)
{
	return (bytes + SZ_2M - 1) / SZ_2M * 2;
}

static int image_error(struct errmsg *err, int errnum, const char *path,
		       const char *what)
{
	return errmsg_set(err, ERRMSG_INPUT, errnum,
			  "kernel image %s: %s; KTSTR_KERNEL takes an x86-64 vmlinux or bzImage",
			  path, what);
}

/* If libelf could not read, errno says why; it was 0 before the first call. */
static int elf_error(struct errmsg *err, const char *path, const char *what)
{
	if (kvm_errno_kind(errno) == ERRMSG_HOST)
		return errmsg_set(err, ERRMSG_HOST, errno, "reading kernel image %s", path);
	return image_error(err, ENOEXEC, path, what);
}

/* All of the kernel is to lie in the first node's RAM below the gap. */
static int check_room(const struct numa_mem *mem, const char *path, u64 end,
		      struct errmsg *err)
{
	if (numa_mem_ptr(mem, MAP_HIGH_RAM, end - MAP_HIGH_RAM))
		return 0;
	return errmsg_set(err, ERRMSG_INPUT, ENOMEM,
			  "kernel image %s: needs %llu MiB in the first node, which has %llu MiB; give the guest more memory",
			  path, (unsigned long long)enough_mib(end),
			  (unsigned long long)(mem->regions[0].size >> 20));
}

/* Exactly @len bytes, or -ENODATA */
static int read_all(int fd, char *dst, u64 len, u64 offset)
{
	u64 done = 0;

	while (done < len) {
		ssize_t n = pread(fd, dst + done, len - done, offset + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENODATA;
		done += n;
	}
	return 0;
}

/* To @gpa, which check_room() has checked */
static int read_to_guest(const struct numa_mem *mem, int fd, const char *path,
			 u64 offset, u64 gpa, u64 len, struct errmsg *err)
{
	int ret = read_all(fd, numa_mem_ptr(mem, gpa, len), len, offset);

	if (ret == -ENODATA)
		return image_error(err, ENOEXEC, path, "the file is truncated");
	if (ret)
		return errmsg_set(err, kvm_errno_kind(-ret), -ret, "reading kernel image %s", path);
	return 0;
}

/*
 * The release and the build, from the banner that /proc/version shows: the last
 * one. One before that is replaced when the kernel is linked, and lacks the build.
 */
static void banner_version(const char *text, size_t len, char *version, size_t size)
{
	static const char banner[] = "Linux version ";
	const char *start, *limit = text + len, *end;

	while ((start = memmem(text, limit - text, banner, sizeof(banner) - 1))) {
		start += sizeof(banner) - 1;
		text = start;
		end = memchr(start, '\n', limit - start);
		if (!end || (size_t)(end - start) >= size)
			continue;
		memcpy(version, start, end - start);
		version[end - start] = '\0';
	}
}

/* linux_banner lies in .rodata; the rest of the image need not be searched. */
static void find_version(const struct numa_mem *mem, Elf *elf, const GElf_Phdr *text,
			 struct boot_image *image)
{
	Elf_Scn *scn = NULL;
	size_t strndx;
	GElf_Shdr shdr;

	if (elf_getshdrstrndx(elf, &strndx))
		return;

	while ((scn = elf_nextscn(elf, scn))) {
		const char *name, *data;
		u64 gpa;

		if (!gelf_getshdr(scn, &shdr))
			return;
		name = elf_strptr(elf, strndx, shdr.sh_name);
		if (!name || strcmp(name, ".rodata"))
			continue;
		gpa = shdr.sh_addr - text->p_vaddr + text->p_paddr;
		data = numa_mem_ptr(mem, gpa, shdr.sh_size);
		if (data)
			banner_version(data, shdr.sh_size, image->version,
				       sizeof(image->version));
		return;
	}
}

static int check_elf_header(const GElf_Ehdr *ehdr, u64 size, const char *path,
			    struct errmsg *err)
{
	u64 sections = (u64)ehdr->e_shnum * ehdr->e_shentsize;
	char what[64];

	if (ehdr->e_machine != EM_X86_64 || ehdr->e_ident[EI_CLASS] != ELFCLASS64) {
		snprintf(what, sizeof(what), "built for another architecture (ELF machine %u)",
			 ehdr->e_machine);
		return image_error(err, ENOEXEC, path, what);
	}
	if (ehdr->e_type != ET_EXEC)
		return image_error(err, ENOEXEC, path,
				   "an ELF file, but no kernel (not ET_EXEC)");
	/* The linker writes the section headers last: without them, it is a torn copy. */
	if (ehdr->e_shoff > size || sections > size - ehdr->e_shoff)
		return image_error(err, ENOEXEC, path, "the file is truncated");
	return 0;
}

/* Look at all segments before the first byte is loaded: image->end, and the text. */
static int check_segments(const char *path, u64 size, Elf *elf, size_t nr, u64 entry,
			  struct boot_image *image, GElf_Phdr *text, struct errmsg *err)
{
	GElf_Phdr phdr;
	size_t i;

	for (i = 0; i < nr; i++) {
		if (!gelf_getphdr(elf, i, &phdr))
			return elf_error(err, path, elf_errmsg(-1));
		if (phdr.p_type != PT_LOAD)
			continue;
		/* The percpu segment has a small virtual address; the first has not. */
		if (!image->end && phdr.p_vaddr < KERNEL_MAP)
			return image_error(err, ENOEXEC, path,
					   "an ELF program, but no kernel");
		if (phdr.p_filesz > phdr.p_memsz ||
		    phdr.p_paddr + phdr.p_memsz < phdr.p_paddr)
			return image_error(err, ENOEXEC, path, "a malformed ELF segment");
		if (phdr.p_offset > size || phdr.p_filesz > size - phdr.p_offset)
			return image_error(err, ENOEXEC, path, "the file is truncated");
		if (phdr.p_paddr < MAP_HIGH_RAM)
			return image_error(err, ENOEXEC, path, "an ELF segment below 1 MiB");
		image->end = max_t(u64, image->end, phdr.p_paddr + phdr.p_memsz);
		if (entry >= phdr.p_paddr && entry - phdr.p_paddr < phdr.p_filesz)
			*text = phdr;
	}
	if (!text->p_filesz)
		return image_error(err, ENOEXEC, path, "its entry point is in no segment");
	return 0;
}

static int load_segments(const struct numa_mem *mem, int fd, const char *path,
			 u64 size, Elf *elf, u64 entry, struct boot_image *image,
			 struct errmsg *err)
{
	GElf_Phdr phdr, text = {};
	size_t i, nr;
	int ret;

	if (elf_getphdrnum(elf, &nr))
		return elf_error(err, path, elf_errmsg(-1));
	ret = check_segments(path, size, elf, nr, entry, image, &text, err) ?:
	      check_room(mem, path, image->end, err);
	for (i = 0; i < nr && !ret; i++) {
		if (!gelf_getphdr(elf, i, &phdr))
			return elf_error(err, path, elf_errmsg(-1));
		if (phdr.p_type != PT_LOAD)
			continue;
		ret = read_to_guest(mem, fd, path, phdr.p_offset, phdr.p_paddr,
				    phdr.p_filesz, err);
		image->loaded += phdr.p_filesz;
	}
	if (ret)
		return ret;

	image->entry = entry;
	find_version(mem, elf, &text, image);
	return 0;
}

/* vmlinux, entered at startup_64 with a zero page of our own making */
static int load_elf(const struct numa_mem *mem, int fd, const char *path, u64 size,
		    struct boot_image *image, struct errmsg *err)
{
	GElf_Ehdr ehdr;
	Elf *elf;
	int ret;

	image->kind = "vmlinux";
	image->initramfs_max = INITRAMFS_MAX_ELF;
	image->hdr.boot_flag = SETUP_BOOT_FLAG;
	image->hdr.header = SETUP_MAGIC;
	image->hdr.version = SETUP_VERSION_MIN;
	image->hdr.cmdline_size = CMDLINE_MAX_ELF;

	elf_version(EV_CURRENT);
	errno = 0;
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf)
		return elf_error(err, path, elf_errmsg(-1));
	if (!gelf_getehdr(elf, &ehdr))
		ret = elf_error(err, path, "the file is truncated");
	else
		ret = check_elf_header(&ehdr, size, path, err);
	if (!ret)
		ret = load_segments(mem, fd, path, size, elf, ehdr.e_entry, image, err);
	elf_end(elf);
	return ret;
}

/*
 * bzImage: the protected-mode part goes where the boot protocol wants it, and
 * decompresses itself to the preferred address from there.
 */
static int load_bzimage(const struct numa_mem *mem, int fd, const char *path,
			u64 size, const u8 *head, size_t head_len,
			struct boot_image *image, struct errmsg *err)
{
	size_t hdr_len = SETUP_HEADER_LEN + 1 + head[SETUP_HEADER_LEN] - SETUP_HEADER;
	struct setup_header *hdr = &image->hdr;
	u64 setup, start;
	char what[96];
	int ret;

	image->kind = "bzImage";
	/* Older headers are shorter: code follows. */
	memcpy(hdr, head + SETUP_HEADER, min(hdr_len, sizeof(*hdr)));
	if (hdr->version < SETUP_VERSION_MIN || !(hdr->xloadflags & XLF_KERNEL_64)) {
		snprintf(what, sizeof(what),
			 "boot protocol %u.%02u without a 64-bit entry point (2.12 or later is needed)",
			 hdr->version >> 8, hdr->version & 0xff);
		return image_error(err, ENOEXEC, path, what);
	}
	setup = ((hdr->setup_sects ?: SETUP_SECTS_DEFAULT) + 1) * SETUP_SECT_SIZE;
	/* syssize, in 16-byte units, is what the build wrote: less is a torn copy. */
	if (size < setup + hdr->syssize * 16ULL || hdr->syssize * 16ULL <= ENTRY_64)
		return image_error(err, ENOEXEC, path, "the file is truncated");

	start = max_t(u64, hdr->pref_address, MAP_HIGH_RAM);
	if (start + hdr->init_size < start)
		return image_error(err, ENOEXEC, path, "a malformed setup header");
	image->loaded = size - setup;
	image->end = max_t(u64, start + hdr->init_size, MAP_HIGH_RAM + image->loaded);
	ret = check_room(mem, path, image->end, err) ?:
	      read_to_guest(mem, fd, path, setup, MAP_HIGH_RAM, image->loaded, err);
	if (ret)
		return ret;

	image->entry = MAP_HIGH_RAM + ENTRY_64;
	image->initramfs_max = hdr->initrd_addr_max;
	/* kernel_version points 0x200 bytes short of the string, in the setup part. */
	if (hdr->kernel_version && hdr->kernel_version + 0x200UL < head_len)
		snprintf(image->version, sizeof(image->version), "%.*s",
			 (int)(head_len - hdr->kernel_version - 0x200),
			 (const char *)head + hdr->kernel_version + 0x200);
	return 0;
}

static int identify(const struct numa_mem *mem, int fd, const char *path,
		    struct boot_image *image, struct errmsg *err)
{
	/* The longest setup part there can be: 64 sectors and the boot sector */
	u8 head[65 * SETUP_SECT_SIZE] = {};
	struct stat st;
	ssize_t len;

	if (fstat(fd, &st))
		return errmsg_set(err, kvm_errno_kind(errno), errno,
				  "stat of kernel image %s", path);
	if (!S_ISREG(st.st_mode))
		return image_error(err, ENOEXEC, path, "not a regular file");
	len = pread(fd, head, sizeof(head), 0);
	if (len < 0)
		return errmsg_set(err, kvm_errno_kind(errno), errno,
				  "reading kernel image %s", path);

	if (len >= SELFMAG && !memcmp(head, ELFMAG, SELFMAG))
		return load_elf(mem, fd, path, st.st_size, image, err);
	if (len >= SETUP_HEADER_END && !memcmp(head + SETUP_MAGIC_OFFSET, "HdrS", 4))
		return load_bzimage(mem, fd, path, st.st_size, head, len, image, err);
	if (!memcmp(head + ARM64_MAGIC_OFFSET, ARM64_MAGIC, 4))
		return image_error(err, ENOEXEC, path, "built for another architecture (arm64)");
	if (!memcmp(head + ARM64_MAGIC_OFFSET, RISCV_MAGIC, 4))
		return image_error(err, ENOEXEC, path, "built for another architecture (riscv)");
	if (!len)
		return image_error(err, ENOEXEC, path, "the file is empty");
	return image_error(err, ENOEXEC, path,
			   len < SETUP_HEADER_END ? "not a kernel image, or a truncated one" :
						    "not a kernel image");
}

int boot_load_kernel(const struct numa_mem *mem, const char *path,
		     struct boot_image *image, struct errmsg *err)
{
	int fd, ret;

	memset(image, 0, sizeof(*image));
	/* O_NONBLOCK: a FIFO would wait for its writer. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && kvm_errno_kind(errno) == ERRMSG_HOST)
		return errmsg_set(err, ERRMSG_HOST, errno, "opening kernel image %s", path);
	if (fd < 0)
		return errmsg_set(err, ERRMSG_INPUT, errno,
				  "opening kernel image %s (build it, or set KTSTR_KERNEL)", path);
	ret = identify(mem, fd, path, image, err);
	close(fd);
	return ret;
}

/* Nodes lie end to end: only the device gap parts RAM. The SRAT tells them apart. */
static void e820_add(struct boot_params *params, u64 start, u64 end, u32 type)
{
	if (end > start)
		params->e820_table[params->e820_entries++] = (struct boot_e820_entry) {
			.addr = start,
			.size = end - start,
			.type = type,
		};
}

static void e820_fill(struct boot_params *params, u64 top)
{
	e820_add(params, 0, MAP_EBDA, E820_RAM);
	e820_add(params, MAP_ACPI, MAP_ACPI + MAP_ACPI_SIZE, E820_ACPI);
	e820_add(params, MAP_HIGH_RAM, min_t(u64, top, MAP_GAP_START), E820_RAM);
	e820_add(params, MAP_GAP_END, top, E820_RAM);
}

/* Mapped, the base costs nothing now, and is there once for all guests. */
static int place_base(const struct numa_mem *mem, const struct initramfs_image *initramfs,
		      u64 gpa, struct errmsg *err)
{
	const size_t size = initramfs->base_size;
	int ret;

	if (!size || !numa_mem_map_file(mem, gpa, initramfs->base_fd, size))
		return 0;
	ret = read_all(initramfs->base_fd, numa_mem_ptr(mem, gpa, size), size, 0);
	if (ret)
		return errmsg_set(err, kvm_errno_kind(-ret), -ret, "reading the initramfs");
	return 0;
}

static int place_initramfs(const struct numa_mem *mem, const struct boot_config *cfg,
			   struct boot_params *params, struct errmsg *err)
{
	const struct initramfs_image *initramfs = &cfg->initramfs;
	const struct mem_region *low = &mem->regions[0];
	u64 top, start, room, size;
	int ret;

	top = min_t(u64, low->gpa + low->size, cfg->image->initramfs_max + 1) & ~(PAGE_SIZE - 1);
	room = top > cfg->image->end ? top - cfg->image->end : 0;
	if (__builtin_add_overflow(initramfs->base_size, initramfs->suffix_size, &size))
		size = UINT64_MAX;
	if (room < PAGE_SIZE || size > room - PAGE_SIZE)
		return errmsg_set(err, ERRMSG_INPUT, ENOMEM,
				  "initramfs of %llu KiB: only %llu KiB of the first node's %llu MiB are free beside the kernel; %llu MiB would be enough",
				  (unsigned long long)size >> 10, (unsigned long long)room >> 10,
				  (unsigned long long)low->size >> 20,
				  (unsigned long long)enough_mib(cfg->image->end + PAGE_SIZE +
								 size));

	start = (top - size) & ~(PAGE_SIZE - 1);
	ret = place_base(mem, initramfs, start, err);
	if (ret)
		return ret;
	if (initramfs->suffix_size)
		memcpy(numa_mem_ptr(mem, start + initramfs->base_size, initramfs->suffix_size),
		       initramfs->suffix, initramfs->suffix_size);
	params->hdr.ramdisk_image = start;
	params->hdr.ramdisk_size = size;
	return 0;
}

/* The first 4 GiB, mapped to themselves by 2 MiB pages (SDM vol. 3A, 4.5) */
static void fill_page_tables(const struct numa_mem *mem)
{
	u64 *table = numa_mem_ptr(mem, MAP_BOOT_PAGE_TABLES, 6 * PAGE_SIZE);
	u64 *pml4 = table, *pdpt = table + 512, *pd = table + 1024;
	u64 i;

	memset(table, 0, 2 * PAGE_SIZE);
	pml4[0] = (MAP_BOOT_PAGE_TABLES + PAGE_SIZE) | PTE_PRESENT_WRITE;
	for (i = 0; i < 4; i++)
		pdpt[i] = (MAP_BOOT_PAGE_TABLES + (2 + i) * PAGE_SIZE) | PTE_PRESENT_WRITE;
	for (i = 0; i < 4 * 512; i++)
		pd[i] = i << 21 | PTE_PRESENT_WRITE | PDE_2M;
}

static void fill_gdt(const struct numa_mem *mem)
{
	u64 *gdt = numa_mem_ptr(mem, MAP_BOOT_GDT, BOOT_TR + 16);

	memset(gdt, 0, BOOT_TR + 16);
	gdt[BOOT_CS / 8] = 0x00af9b000000ffffULL;	/* 64-bit code */
	gdt[BOOT_DS / 8] = 0x00cf93000000ffffULL;	/* flat data */
	gdt[BOOT_TR / 8] = 0x00008b000000ffffULL;	/* busy TSS, never used */
}

int boot_setup(const struct numa_mem *mem, const struct boot_config *cfg,
	       struct errmsg *err)
{
	size_t cmdline_max = min_t(size_t, cfg->image->hdr.cmdline_size, MAP_CMDLINE_SIZE - 1);
	struct boot_params *params;
	int ret;

	if (strlen(cfg->cmdline) > cmdline_max)
		return errmsg_set(err, ERRMSG_INPUT, E2BIG,
				  "kernel command line of %zu bytes: the kernel takes %zu; shorten KTSTR_CMDLINE",
				  strlen(cfg->cmdline), cmdline_max);

	params = numa_mem_ptr(mem, MAP_BOOT_PARAMS, sizeof(*params));
	memset(params, 0, sizeof(*params));
	params->hdr = cfg->image->hdr;
	params->hdr.type_of_loader = LOADER_UNDEFINED;
	params->hdr.cmd_line_ptr = MAP_CMDLINE;
	params->acpi_rsdp_addr = cfg->rsdp;
	e820_fill(params, numa_mem_top(mem));
	if (cfg->initramfs.base_size || cfg->initramfs.suffix_size) {
		ret = place_initramfs(mem, cfg, params, err);
		if (ret)
			return ret;
	}
	memcpy(numa_mem_ptr(mem, MAP_CMDLINE, MAP_CMDLINE_SIZE), cfg->cmdline,
	       strlen(cfg->cmdline) + 1);
	fill_page_tables(mem);
	fill_gdt(mem);
	return 0;
}

void boot_regs(const struct boot_image *image, struct kvm_regs *regs,
	       struct kvm_sregs *sregs)
{
	const struct kvm_segment data = {
		.limit = 0xffffffff, .selector = BOOT_DS,
		.type = 3, .present = 1, .s = 1, .db = 1, .g = 1,
	};

	*regs = (struct kvm_regs) {
		.rip = image->entry,
		.rsi = MAP_BOOT_PARAMS,
		.rflags = X86_EFLAGS_FIXED,
	};
	sregs->cs = (struct kvm_segment) {
		.limit = 0xffffffff, .selector = BOOT_CS,
		.type = 11, .present = 1, .s = 1, .l = 1, .g = 1,
	};
	sregs->ds = data;
	sregs->es = data;
	sregs->fs = data;
	sregs->gs = data;
	sregs->ss = data;
	sregs->tr = (struct kvm_segment) {
		.limit = 0xffff, .selector = BOOT_TR, .type = 11, .present = 1,
	};
	sregs->gdt.base = MAP_BOOT_GDT;
	sregs->gdt.limit = BOOT_TR + 16 - 1;
	sregs->cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | X86_CR0_PG;
	sregs->cr3 = MAP_BOOT_PAGE_TABLES;
	sregs->cr4 = X86_CR4_PAE;
	sregs->efer = EFER_LME | EFER_LMA;
}
