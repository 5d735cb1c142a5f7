// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel images, good and bad, all made here; the zero page, the page tables
 * and the GDT, read back as Documentation/arch/x86/boot.rst describes them.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kernel.h>
#include <linux/sizes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot.h"
#include "harness.h"
#include "memory_map.h"
#include "session.h"

#define MIB		((u64)SZ_1M)
#define RAM		(32 * MIB)
#define KERNEL_BASE	0xffffffff80000000ULL
#define TEXT_GPA	(16 * MIB)
#define DATA_GPA	MIB
#define ENTRY		(TEXT_GPA + 0x40)
#define BSS		0x5000
#define BANNER		"6.12.0-test (me@here) (gcc 12, ld 2.40) #1 SMP"

/* A vmlinux that has all there is to one, in the order in which ld writes it */
struct tiny_elf {
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdr[3];
	char text[256];
	char rodata[160];
	char data[64];
	char strtab[32];
	Elf64_Shdr shdr[3];
};

/* bzImage: boot sector, one sector of setup code, the protected-mode part */
#define BZ_SETUP	1024
#define BZ_KERNEL	2048

struct tiny_bzimage {
	u8 setup[BZ_SETUP];
	u8 kernel[BZ_KERNEL];
};

FIXTURE(image) {
	struct numa_mem mem;
	struct boot_image image;
	struct errmsg err;
	char path[64];
	int fd;
};

static void map_ram(struct __test_metadata *_metadata, struct numa_mem *mem,
		    unsigned int nodes, u64 size)
{
	const struct topology topo = {
		.nodes = nodes, .llcs = nodes, .cores = 1, .threads = 1,
	};
	struct errmsg err;

	ASSERT_EQ(0, numa_mem_layout(mem, &topo, size, &err));
	ASSERT_EQ(0, numa_mem_map(mem, NULL, NULL, &err))
		TH_LOG("%s", err.text);
}

FIXTURE_SETUP(image)
{
	map_ram(_metadata, &self->mem, 1, RAM);
	self->fd = memfd_create("kernel", MFD_CLOEXEC);
	ASSERT_LE(0, self->fd);
	snprintf(self->path, sizeof(self->path), "/proc/self/fd/%d", self->fd);
}

FIXTURE_TEARDOWN(image)
{
	close(self->fd);
	numa_mem_unmap(&self->mem);
}

static int load_file(struct _test_data_image *self, const void *file, size_t len)
{
	if (ftruncate(self->fd, 0) || pwrite(self->fd, file, len, 0) != (ssize_t)len)
		return -EIO;
	return boot_load_kernel(&self->mem, self->path, &self->image, &self->err);
}

/* Refused for the right reason, by a text that names the file and helps. */
static void expect_text(struct __test_metadata *_metadata, struct _test_data_image *self,
			int ret, const char *why)
{
	const char *help = ret == -ENOMEM ? "give the guest more memory" : "KTSTR_KERNEL";

	EXPECT_EQ(ERRMSG_INPUT, self->err.kind);
	EXPECT_NE(NULL, strstr(self->err.text, self->path));
	EXPECT_NE(NULL, strstr(self->err.text, why)) {
		TH_LOG("\"%s\" is not in \"%s\"", why, self->err.text);
	}
	EXPECT_NE(NULL, strstr(self->err.text, help)) {
		TH_LOG("\"%s\" is not in \"%s\"", help, self->err.text);
	}
}

static void expect_refused(struct __test_metadata *_metadata, struct _test_data_image *self,
			   int ret, const void *file, size_t len, const char *why)
{
	EXPECT_EQ(ret, load_file(self, file, len)) {
		TH_LOG("expected: %s", why);
	}
	expect_text(_metadata, self, ret, why);
}

static struct tiny_elf tiny_elf(void)
{
	struct tiny_elf e = {
		.ehdr = {
			.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
				     ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_EXEC,
			.e_machine = EM_X86_64,
			.e_version = EV_CURRENT,
			.e_entry = ENTRY,
			.e_phoff = offsetof(struct tiny_elf, phdr),
			.e_shoff = offsetof(struct tiny_elf, shdr),
			.e_ehsize = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = ARRAY_SIZE(e.phdr),
			.e_shentsize = sizeof(Elf64_Shdr),
			.e_shnum = ARRAY_SIZE(e.shdr),
			.e_shstrndx = 2,
		},
		.phdr = {
			{
				.p_type = PT_LOAD,
				.p_offset = offsetof(struct tiny_elf, text),
				.p_vaddr = KERNEL_BASE + TEXT_GPA,
				.p_paddr = TEXT_GPA,
				.p_filesz = sizeof(e.text) + sizeof(e.rodata),
				.p_memsz = sizeof(e.text) + sizeof(e.rodata) + BSS,
			}, {
				/* As the percpu segment: its virtual address says nothing. */
				.p_type = PT_LOAD,
				.p_offset = offsetof(struct tiny_elf, data),
				.p_paddr = DATA_GPA,
				.p_filesz = sizeof(e.data),
				.p_memsz = sizeof(e.data),
			}, {
				.p_type = PT_NOTE,
				.p_paddr = 0,
				.p_filesz = 4,
				.p_memsz = 4,
			},
		},
		.rodata = "Linux version 6.12.0-test # SMP\nLinux version " BANNER "\nno",
		.strtab = "\0.rodata\0.shstrtab",
		.shdr = {
			[1] = {
				.sh_name = 1,
				.sh_type = SHT_PROGBITS,
				.sh_flags = SHF_ALLOC,
				.sh_addr = KERNEL_BASE + TEXT_GPA + sizeof(e.text),
				.sh_offset = offsetof(struct tiny_elf, rodata),
				.sh_size = sizeof(e.rodata),
			},
			[2] = {
				.sh_name = 9,
				.sh_type = SHT_STRTAB,
				.sh_offset = offsetof(struct tiny_elf, strtab),
				.sh_size = sizeof(e.strtab),
			},
		},
	};

	memset(e.text, 0xf4, sizeof(e.text));
	memset(e.data, 'd', sizeof(e.data));
	return e;
}

static void put(u8 *at, u64 val, size_t len)
{
	memcpy(at, &val, len);
}

/* Field by field at the offsets of boot.rst, not by the code's own struct */
static struct tiny_bzimage tiny_bzimage(void)
{
	struct tiny_bzimage b = {};

	b.setup[0x1f1] = BZ_SETUP / 512 - 1;	/* setup_sects */
	put(b.setup + 0x1f4, BZ_KERNEL / 16, 4);/* syssize */
	put(b.setup + 0x1fe, 0xaa55, 2);	/* boot_flag */
	b.setup[0x200] = 0xeb;			/* jump, over what the header has left */
	b.setup[0x201] = 0x6a;
	memcpy(b.setup + 0x202, "HdrS", 4);
	put(b.setup + 0x206, 0x020f, 2);	/* version */
	put(b.setup + 0x20e, 0x280 - 0x200, 2);	/* kernel_version */
	b.setup[0x211] = 1;			/* loadflags: LOADED_HIGH */
	put(b.setup + 0x214, 0x100000, 4);	/* code32_start */
	put(b.setup + 0x22c, 0x7fffffff, 4);	/* initrd_addr_max */
	put(b.setup + 0x230, 0x200000, 4);	/* kernel_alignment */
	b.setup[0x234] = 1;			/* relocatable_kernel */
	put(b.setup + 0x236, 0x3f, 2);		/* xloadflags */
	put(b.setup + 0x238, 2047, 4);		/* cmdline_size */
	put(b.setup + 0x258, 16 * MIB, 8);	/* pref_address */
	put(b.setup + 0x260, 4 * MIB, 4);	/* init_size */
	memcpy(b.setup + 0x280, BANNER, sizeof(BANNER));
	memset(b.kernel, 'k', sizeof(b.kernel));
	return b;
}

static const void *ram(const struct numa_mem *mem, u64 gpa)
{
	return numa_mem_ptr(mem, gpa, 1);
}

TEST_F(image, vmlinux)
{
	const struct tiny_elf e = tiny_elf();

	ASSERT_EQ(0, load_file(self, &e, sizeof(e)))
		TH_LOG("%s", self->err.text);
	EXPECT_STREQ("vmlinux", self->image.kind);
	EXPECT_STREQ(BANNER, self->image.version);
	EXPECT_EQ(ENTRY, self->image.entry);
	EXPECT_EQ(TEXT_GPA + sizeof(e.text) + sizeof(e.rodata) + BSS, self->image.end);
	EXPECT_EQ(sizeof(e.text) + sizeof(e.rodata) + sizeof(e.data), self->image.loaded);
	EXPECT_EQ(0, memcmp(e.text, ram(&self->mem, TEXT_GPA), sizeof(e.text)));
	EXPECT_EQ(0, memcmp(e.rodata, ram(&self->mem, TEXT_GPA + sizeof(e.text)),
			    sizeof(e.rodata)));
	EXPECT_EQ(0, memcmp(e.data, ram(&self->mem, DATA_GPA), sizeof(e.data)));
}

TEST_F(image, vmlinux_without_sections)
{
	struct tiny_elf e = tiny_elf();

	e.ehdr.e_shoff = 0;
	e.ehdr.e_shnum = 0;
	e.ehdr.e_shstrndx = 0;
	ASSERT_EQ(0, load_file(self, &e, offsetof(struct tiny_elf, strtab)))
		TH_LOG("%s", self->err.text);
	EXPECT_STREQ("", self->image.version);
	EXPECT_EQ(ENTRY, self->image.entry);
}

TEST_F(image, bzimage)
{
	const struct tiny_bzimage b = tiny_bzimage();

	ASSERT_EQ(0, load_file(self, &b, sizeof(b)))
		TH_LOG("%s", self->err.text);
	EXPECT_STREQ("bzImage", self->image.kind);
	EXPECT_STREQ(BANNER, self->image.version);
	EXPECT_EQ(MIB + 0x200, self->image.entry);
	EXPECT_EQ(20 * MIB, self->image.end);
	EXPECT_EQ(BZ_KERNEL, self->image.loaded);
	EXPECT_EQ(0x7fffffff, self->image.initramfs_max);
	EXPECT_EQ(0, memcmp(b.kernel, ram(&self->mem, MIB), sizeof(b.kernel)));
}

/* Signatures, for one, are appended to a bzImage. */
TEST_F(image, bzimage_with_a_tail)
{
	struct {
		struct tiny_bzimage b;
		char tail[100];
	} f = { .b = tiny_bzimage() };

	ASSERT_EQ(0, load_file(self, &f, sizeof(f)));
	EXPECT_EQ(BZ_KERNEL + sizeof(f.tail), self->image.loaded);
}

/* A header says how long it is: what follows is code. */
TEST_F(image, bzimage_with_a_shorter_header)
{
	struct tiny_bzimage b = tiny_bzimage();

	put(b.setup + 0x206, 0x020c, 2);
	b.setup[0x201] = 0x268 - 0x202;
	put(b.setup + 0x268, 0xcccccccc, 4);
	ASSERT_EQ(0, load_file(self, &b, sizeof(b)));
	EXPECT_EQ(0x020c, self->image.hdr.version);
	EXPECT_EQ(4 * MIB, self->image.hdr.init_size);
	EXPECT_EQ(0, self->image.hdr.kernel_info_offset);
}

/* A torn copy is never taken for a whole kernel, wherever it was torn. */
TEST_F(image, truncated_vmlinux)
{
	const struct tiny_elf e = tiny_elf();
	size_t len;

	for (len = 0; len < sizeof(e); len++) {
		ASSERT_EQ(-ENOEXEC, load_file(self, &e, len))
			TH_LOG("%zu of %zu bytes were taken for a kernel", len, sizeof(e));
		expect_text(_metadata, self, -ENOEXEC, len ? "truncated" : "empty");
		ASSERT_TRUE(__test_passed(_metadata))
			TH_LOG("%zu bytes", len);
	}
}

TEST_F(image, truncated_bzimage)
{
	const struct tiny_bzimage b = tiny_bzimage();
	size_t len;

	for (len = 0; len < sizeof(b); len++) {
		ASSERT_EQ(-ENOEXEC, load_file(self, &b, len))
			TH_LOG("%zu of %zu bytes were taken for a kernel", len, sizeof(b));
		expect_text(_metadata, self, -ENOEXEC, len ? "truncated" : "empty");
		ASSERT_TRUE(__test_passed(_metadata))
			TH_LOG("%zu bytes", len);
	}
}

static int load_path(struct _test_data_image *self, const char *path)
{
	snprintf(self->path, sizeof(self->path), "%s", path);
	return boot_load_kernel(&self->mem, path, &self->image, &self->err);
}

TEST_F(image, no_file)
{
	EXPECT_EQ(-ENOENT, load_path(self, "/nonexistent/vmlinux"));
	expect_text(_metadata, self, -ENOENT, "opening kernel image");
	EXPECT_NE(NULL, strstr(self->err.text, "build it"));
	EXPECT_EQ(-ENOTDIR, load_path(self, "/proc/self/exe/vmlinux"));
	expect_text(_metadata, self, -ENOTDIR, "opening kernel image");
}

TEST_F(image, no_regular_file)
{
	char fifo[] = "/tmp/boot_test.XXXXXX";

	EXPECT_EQ(-ENOEXEC, load_path(self, "/tmp"));
	expect_text(_metadata, self, -ENOEXEC, "not a regular file");
	EXPECT_EQ(-ENOEXEC, load_path(self, "/dev/zero"));
	expect_text(_metadata, self, -ENOEXEC, "not a regular file");

	/* Nobody writes to it, and nobody must wait for that. */
	ASSERT_NE(NULL, mkdtemp(fifo));
	snprintf(self->path, sizeof(self->path), "%s/fifo", fifo);
	ASSERT_EQ(0, mkfifo(self->path, 0600));
	EXPECT_EQ(-ENOEXEC, boot_load_kernel(&self->mem, self->path, &self->image, &self->err));
	expect_text(_metadata, self, -ENOEXEC, "not a regular file");
	unlink(self->path);
	rmdir(fifo);
}

TEST_F(image, no_kernel)
{
	char text[4096];
	struct tiny_elf e = tiny_elf();

	memset(text, 'a', sizeof(text));
	expect_refused(_metadata, self, -ENOEXEC, text, sizeof(text), "not a kernel image");
	expect_refused(_metadata, self, -ENOEXEC, "hello\n", 6, "not a kernel image");
	EXPECT_EQ(-ENOEXEC, load_path(self, "/bin/true"));
	expect_text(_metadata, self, -ENOEXEC, "no kernel");

	snprintf(self->path, sizeof(self->path), "/proc/self/fd/%d", self->fd);
	e.phdr[0].p_vaddr = 0x400000;	/* a program that is linked statically */
	expect_refused(_metadata, self, -ENOEXEC, &e, sizeof(e), "an ELF program, but no kernel");
	e = tiny_elf();
	e.ehdr.e_type = ET_REL;		/* a module */
	expect_refused(_metadata, self, -ENOEXEC, &e, sizeof(e), "not ET_EXEC");
	e.ehdr.e_type = ET_CORE;
	expect_refused(_metadata, self, -ENOEXEC, &e, sizeof(e), "not ET_EXEC");
	e = tiny_elf();
	e.ehdr.e_phnum = 0;
	expect_refused(_metadata, self, -ENOEXEC, &e, sizeof(e), "entry point");
}

TEST_F(image, other_architectures)
{
	Elf32_Ehdr i386 = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32,
			     ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = EM_386,
		.e_version = EV_CURRENT,
		.e_ehsize = sizeof(i386),
	};
	struct tiny_elf e = tiny_elf();
	char image[4096] = {};

	e.ehdr.e_machine = EM_AARCH64;
	expect_refused(_metadata, self, -ENOEXEC, &e, sizeof(e),
		       "another architecture (ELF machine 183)");
	e.ehdr.e_machine = EM_RISCV;
	expect_refused(_metadata, self, -ENOEXEC, &e, sizeof(e),
		       "another architecture (ELF machine 243)");
	expect_refused(_metadata, self, -ENOEXEC, &i386, sizeof(i386),
		       "another architecture (ELF machine 3)");

	memcpy(image + 0x38, "ARM\x64", 4);
	expect_refused(_metadata, self, -ENOEXEC, image, sizeof(image),
		       "another architecture (arm64)");
	memcpy(image + 0x38, "RSC\x05", 4);
	expect_refused(_metadata, self, -ENOEXEC, image, sizeof(image),
		       "another architecture (riscv)");
}

TEST_F(image, bzimage_that_cannot_be_entered)
{
	struct tiny_bzimage b = tiny_bzimage();

	put(b.setup + 0x236, 0, 2);		/* a 32-bit kernel */
	expect_refused(_metadata, self, -ENOEXEC, &b, sizeof(b), "without a 64-bit entry point");
	b = tiny_bzimage();
	put(b.setup + 0x206, 0x020b, 2);
	expect_refused(_metadata, self, -ENOEXEC, &b, sizeof(b), "boot protocol 2.11");
	b = tiny_bzimage();
	b.setup[0x201] = 0x06;			/* a header that ends too early */
	expect_refused(_metadata, self, -ENOEXEC, &b, sizeof(b), "without a 64-bit entry point");
	b = tiny_bzimage();
	b.setup[0x1f1] = 0;			/* which means 4 */
	expect_refused(_metadata, self, -ENOEXEC, &b, sizeof(b), "truncated");
	b = tiny_bzimage();
	b.setup[0x1f1] = 0xff;
	expect_refused(_metadata, self, -ENOEXEC, &b, sizeof(b), "truncated");
	b = tiny_bzimage();
	put(b.setup + 0x1f4, 0xffffffff, 4);
	expect_refused(_metadata, self, -ENOEXEC, &b, sizeof(b), "truncated");
	b = tiny_bzimage();
	put(b.setup + 0x1f4, 0, 4);
	expect_refused(_metadata, self, -ENOEXEC, &b, sizeof(b), "truncated");
	b = tiny_bzimage();
	put(b.setup + 0x1f4, 0x200 / 16, 4);	/* ends where its entry point is */
	put(b.setup + 0x260, 0, 4);
	expect_refused(_metadata, self, -ENOEXEC, &b, sizeof(b), "truncated");
	b = tiny_bzimage();
	put(b.setup + 0x258, -(u64)MIB, 8);	/* and init_size beyond that wraps */
	expect_refused(_metadata, self, -ENOEXEC, &b, sizeof(b), "malformed setup header");
}

/* A version that is not there, or reaches to the end, is harmless. */
TEST_F(image, bzimage_version)
{
	struct tiny_bzimage b = tiny_bzimage();

	put(b.setup + 0x20e, 0xffff, 2);
	ASSERT_EQ(0, load_file(self, &b, sizeof(b)));
	EXPECT_STREQ("", self->image.version);
	put(b.setup + 0x20e, sizeof(b) - 0x200 - 3, 2);
	ASSERT_EQ(0, load_file(self, &b, sizeof(b)));
	EXPECT_STREQ("kkk", self->image.version);
	put(b.setup + 0x20e, 0, 2);
	ASSERT_EQ(0, load_file(self, &b, sizeof(b)));
	EXPECT_STREQ("", self->image.version);
	put(b.setup + 0x20e, 0x400 - 0x200, 2);
	ASSERT_EQ(0, load_file(self, &b, sizeof(b)));
	EXPECT_EQ(sizeof(self->image.version) - 1, strlen(self->image.version));
}

TEST_F(image, malformed_segments)
{
	struct tiny_elf e = tiny_elf();

	e.phdr[1].p_paddr = MAP_HIGH_RAM - 1;
	expect_refused(_metadata, self, -ENOEXEC, &e, sizeof(e), "below 1 MiB");
	e.phdr[1].p_paddr = 0;
	expect_refused(_metadata, self, -ENOEXEC, &e, sizeof(e), "below 1 MiB");
	e = tiny_elf();
	e.phdr[0].p_memsz = e.phdr[0].p_filesz - 1;
	expect_refused(_metadata, self, -ENOEXEC, &e, sizeof(e), "malformed ELF segment");
	e = tiny_elf();
	e.phdr[1].p_paddr = -16ULL;
	expect_refused(_metadata, self, -ENOEXEC, &e, sizeof(e), "malformed ELF segment");
	e.phdr[1].p_paddr = -64ULL;
	expect_refused(_metadata, self, -ENOEXEC, &e, sizeof(e), "malformed ELF segment");
	e = tiny_elf();
	e.phdr[1].p_memsz = -1ULL;
	expect_refused(_metadata, self, -ENOEXEC, &e, sizeof(e), "malformed ELF segment");
	e = tiny_elf();
	e.phdr[1].p_offset = -1ULL;
	expect_refused(_metadata, self, -ENOEXEC, &e, sizeof(e), "truncated");
	e.phdr[1].p_offset = sizeof(e) - sizeof(e.data) + 1;
	expect_refused(_metadata, self, -ENOEXEC, &e, sizeof(e), "truncated");
	e = tiny_elf();
	e.ehdr.e_entry = TEXT_GPA - 1;
	expect_refused(_metadata, self, -ENOEXEC, &e, sizeof(e), "entry point is in no segment");
	e.ehdr.e_entry = TEXT_GPA + e.phdr[0].p_filesz;
	expect_refused(_metadata, self, -ENOEXEC, &e, sizeof(e), "entry point is in no segment");
}

/* Follow the advice of the message, and the kernel fits. */
static void expect_advice(struct __test_metadata *_metadata, struct _test_data_image *self,
			  const void *file, size_t len, u64 need)
{
	const u64 enough = roundup(need, 2 * MIB);
	char advice[64];

	numa_mem_unmap(&self->mem);
	map_ram(_metadata, &self->mem, 1, enough - 2 * MIB);
	snprintf(advice, sizeof(advice), "needs %llu MiB in the first node",
		 (unsigned long long)(enough / MIB));
	expect_refused(_metadata, self, -ENOMEM, file, len, advice);

	/* What other nodes have does not help. */
	numa_mem_unmap(&self->mem);
	map_ram(_metadata, &self->mem, 2, 2 * (enough - 2 * MIB));
	expect_refused(_metadata, self, -ENOMEM, file, len, advice);

	numa_mem_unmap(&self->mem);
	map_ram(_metadata, &self->mem, 1, enough);
	EXPECT_EQ(0, load_file(self, file, len))
		TH_LOG("%s", self->err.text);
	EXPECT_EQ(need, self->image.end);
}

TEST_F(image, memory_too_small)
{
	struct tiny_bzimage b = tiny_bzimage();
	struct tiny_elf e = tiny_elf();

	expect_advice(_metadata, self, &e, sizeof(e),
		      TEXT_GPA + sizeof(e.text) + sizeof(e.rodata) + BSS);
	e.phdr[0].p_memsz = 8 * MIB;		/* .bss counts */
	expect_advice(_metadata, self, &e, sizeof(e), 24 * MIB);
	e.phdr[0].p_memsz = 8 * MIB + 1;
	expect_advice(_metadata, self, &e, sizeof(e), 24 * MIB + 1);
	expect_advice(_metadata, self, &b, sizeof(b), 20 * MIB);
	put(b.setup + 0x260, 40 * MIB, 4);
	expect_advice(_metadata, self, &b, sizeof(b), 56 * MIB);

	/* Only the first node's RAM below the gap counts, and there is no more. */
	e.phdr[1].p_paddr = 1ULL << 62;
	expect_refused(_metadata, self, -ENOMEM, &e, sizeof(e), "in the first node");
	numa_mem_unmap(&self->mem);
	map_ram(_metadata, &self->mem, 1, 8ULL * SZ_1G);
	e.phdr[1].p_paddr = 6ULL * SZ_1G;
	expect_refused(_metadata, self, -ENOMEM, &e, sizeof(e),
		       "in the first node, which has 3072 MiB");
	e.phdr[1].p_paddr = MAP_GAP_START - sizeof(e.data);
	EXPECT_EQ(0, load_file(self, &e, sizeof(e)));
	e.phdr[1].p_paddr++;
	EXPECT_EQ(-ENOMEM, load_file(self, &e, sizeof(e)));
}

/*
 * What is loaded is read out, too: no message, no address and no string may
 * lead out of bounds, whatever a header says. The seed is fixed.
 */
static u32 random_u32(void)
{
	static u64 state = 0x9e3779b97f4a7c15ULL;

	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return state >> 33;
}

static void mutate(u8 *file, size_t len)
{
	static const u64 values[] = {
		0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
		0x7fffffffffffffff, 0x8000000000000000, -1ULL, -0x1000ULL, RAM, RAM - 1,
		MAP_HIGH_RAM, MAP_HIGH_RAM - 1, TEXT_GPA, KERNEL_BASE, MAP_GAP_START,
	};
	unsigned int nr = 1 + random_u32() % 4;

	while (nr--) {
		size_t size = 1 << random_u32() % 4;
		size_t at = random_u32() % (len - size);
		u64 val = values[random_u32() % ARRAY_SIZE(values)];

		if (random_u32() % 4 == 0)
			val = random_u32();
		put(file + at / size * size, val, size);
	}
}

static unsigned int try_mutations(struct __test_metadata *_metadata,
				  struct _test_data_image *self, const void *file,
				  size_t len, size_t first, size_t nr_bytes)
{
	const u64 top = numa_mem_top(&self->mem);
	unsigned int i, taken = 0;
	u8 copy[8192];

	for (i = 0; i < 4000; i++) {
		const struct boot_config cfg = {
			.image = &self->image, .cmdline = "quiet",
			.initramfs = { .suffix = file, .suffix_size = len },
		};

		memcpy(copy, file, len);
		mutate(copy + first, nr_bytes);
		if (load_file(self, copy, len)) {
			ASSERT_NE(NULL, strstr(self->err.text, self->path));
			continue;
		}
		taken++;
		ASSERT_LE(self->image.end, top);
		ASSERT_LT(strnlen(self->image.version, sizeof(self->image.version)),
			  sizeof(self->image.version));
		ASSERT_GE(self->image.entry, MAP_HIGH_RAM);
		ASSERT_LT(self->image.entry, self->image.end);
		ASSERT_LE(self->image.loaded, len * ARRAY_SIZE(((struct tiny_elf *)0)->phdr));
		(void)boot_setup(&self->mem, &cfg, &self->err);
	}
	return taken;
}

TEST_F(image, mutated_headers)
{
	const struct tiny_elf e = tiny_elf();
	const struct tiny_bzimage b = tiny_bzimage();
	unsigned int taken;

	taken = try_mutations(_metadata, self, &e, sizeof(e), 0, offsetof(struct tiny_elf, text));
	taken += try_mutations(_metadata, self, &e, sizeof(e),
			       offsetof(struct tiny_elf, strtab),
			       sizeof(e.strtab) + sizeof(e.shdr));
	taken += try_mutations(_metadata, self, &b, sizeof(b), 0x1f1, 0x280 - 0x1f1);
	/* Both ways out were tried. */
	EXPECT_GT(taken, 500);
	EXPECT_LT(taken, 3 * 4000 - 500);
}

static u64 get(const void *at, size_t len)
{
	u64 val = 0;

	memcpy(&val, at, len);
	return val;
}

/* boot.rst, "The Real-Mode Kernel Header"; zero-page.rst */
TEST_F(image, zero_page)
{
	static const char initramfs[5000] = "070701";
	struct boot_config cfg = {
		.image = &self->image, .cmdline = "console=ttyS0 quiet",
		.initramfs = { .suffix = initramfs, .suffix_size = sizeof(initramfs) },
		.rsdp = MAP_ACPI,
	};
	const struct tiny_bzimage b = tiny_bzimage();
	const u8 *zero_page = ram(&self->mem, 0x7000);
	u64 initramfs_gpa;

	/* What is there from before must not shine through. */
	memset((u8 *)zero_page, 0xff, 4096);
	ASSERT_EQ(0, load_file(self, &b, sizeof(b)));
	ASSERT_EQ(0, boot_setup(&self->mem, &cfg, &self->err))
		TH_LOG("%s", self->err.text);

	EXPECT_EQ(0, zero_page[0x1ef]);				/* sentinel */
	EXPECT_EQ(MAP_ACPI, get(zero_page + 0x070, 8));		/* acpi_rsdp_addr */
	EXPECT_EQ(0xaa55, get(zero_page + 0x1fe, 2));
	EXPECT_EQ(0, memcmp(zero_page + 0x202, "HdrS", 4));
	EXPECT_EQ(0x020f, get(zero_page + 0x206, 2));
	EXPECT_EQ(0xff, zero_page[0x210]);			/* type_of_loader */
	EXPECT_EQ(1, zero_page[0x211]);				/* loadflags, as in the file */
	EXPECT_EQ(0x20000, get(zero_page + 0x228, 4));		/* cmd_line_ptr */
	EXPECT_STREQ("console=ttyS0 quiet", ram(&self->mem, 0x20000));
	EXPECT_EQ(4 * MIB, get(zero_page + 0x260, 4));		/* init_size */
	EXPECT_EQ(0, get(zero_page + 0x250, 8));		/* setup_data */

	initramfs_gpa = get(zero_page + 0x218, 4);
	EXPECT_EQ(sizeof(initramfs), get(zero_page + 0x21c, 4));
	EXPECT_EQ(0, initramfs_gpa % 4096);
	EXPECT_EQ(RAM - 8192, initramfs_gpa);
	EXPECT_EQ(0, memcmp(initramfs, ram(&self->mem, initramfs_gpa), sizeof(initramfs)));
}

TEST_F(image, zero_page_of_a_vmlinux)
{
	const struct boot_config cfg = { .image = &self->image, .cmdline = "" };
	const u8 *zero_page = ram(&self->mem, 0x7000);
	const struct tiny_elf e = tiny_elf();

	ASSERT_EQ(0, load_file(self, &e, sizeof(e)));
	ASSERT_EQ(0, boot_setup(&self->mem, &cfg, &self->err));
	EXPECT_EQ(0xaa55, get(zero_page + 0x1fe, 2));
	EXPECT_EQ(0, memcmp(zero_page + 0x202, "HdrS", 4));
	EXPECT_EQ(0xff, zero_page[0x210]);
	EXPECT_EQ(0, get(zero_page + 0x218, 8));	/* no initramfs */
	EXPECT_STREQ("", ram(&self->mem, get(zero_page + 0x228, 4)));
}

struct e820 {
	u64 addr;
	u64 size;
	u32 type;
} __packed;

/* The map has all RAM of the layout, and nothing of the device gap. */
static void expect_e820(struct __test_metadata *_metadata, struct _test_data_image *self, u64 size)
{
	const struct boot_config cfg = { .image = &self->image, .cmdline = "" };
	const u64 below = min_t(u64, size, MAP_GAP_START);
	const struct e820 expected[] = {
		{ 0, 0x9fc00, 1 },
		{ 0xe0000, 0x20000, 3 },
		{ MIB, below - MIB, 1 },
		{ MAP_GAP_END, size - below, 1 },
	};
	const size_t nr = size > below ? 4 : 3;
	const struct tiny_elf e = tiny_elf();
	const u8 *zero_page;

	numa_mem_unmap(&self->mem);
	map_ram(_metadata, &self->mem, 2, size);
	zero_page = ram(&self->mem, 0x7000);
	ASSERT_EQ(0, load_file(self, &e, sizeof(e)));
	ASSERT_EQ(0, boot_setup(&self->mem, &cfg, &self->err));
	EXPECT_EQ(nr, zero_page[0x1e8]);
	EXPECT_EQ(0, memcmp(zero_page + 0x2d0, expected, nr * sizeof(expected[0])));
}

TEST_F(image, e820)
{
	expect_e820(_metadata, self, 128 * MIB);
	expect_e820(_metadata, self, MAP_GAP_START - 2 * MIB);
	expect_e820(_metadata, self, MAP_GAP_START);
	expect_e820(_metadata, self, MAP_GAP_START + 2 * MIB);
	expect_e820(_metadata, self, 16ULL * SZ_1G);
}

TEST_F(image, command_line_length)
{
	char cmdline[8192];
	struct boot_config cfg = { .image = &self->image, .cmdline = cmdline };
	struct tiny_bzimage b = tiny_bzimage();
	const struct tiny_elf e = tiny_elf();

	memset(cmdline, 'c', sizeof(cmdline));
	cmdline[2048] = '\0';
	ASSERT_EQ(0, load_file(self, &b, sizeof(b)));
	EXPECT_EQ(-E2BIG, boot_setup(&self->mem, &cfg, &self->err));
	EXPECT_EQ(ERRMSG_INPUT, self->err.kind);
	EXPECT_NE(NULL, strstr(self->err.text, "2048 bytes"));
	EXPECT_NE(NULL, strstr(self->err.text, "takes 2047"));
	EXPECT_NE(NULL, strstr(self->err.text, "KTSTR_CMDLINE"));
	cmdline[2047] = '\0';
	EXPECT_EQ(0, boot_setup(&self->mem, &cfg, &self->err));
	EXPECT_STREQ(cmdline, ram(&self->mem, 0x20000));

	/* The same kernel takes no more when it is entered as a vmlinux. */
	ASSERT_EQ(0, load_file(self, &e, sizeof(e)));
	EXPECT_EQ(0, boot_setup(&self->mem, &cfg, &self->err));
	cmdline[2047] = 'c';
	EXPECT_EQ(-E2BIG, boot_setup(&self->mem, &cfg, &self->err));

	/* A kernel that takes more gets what there is room for. */
	put(b.setup + 0x238, 65536, 4);
	ASSERT_EQ(0, load_file(self, &b, sizeof(b)));
	cmdline[2048] = 'c';
	cmdline[4096] = '\0';
	EXPECT_EQ(-E2BIG, boot_setup(&self->mem, &cfg, &self->err));
	cmdline[4095] = '\0';
	EXPECT_EQ(0, boot_setup(&self->mem, &cfg, &self->err));
}

static void expect_initramfs(struct __test_metadata *_metadata, struct _test_data_image *self,
			     const char *base, const char *suffix)
{
	const u8 *zero_page = ram(&self->mem, 0x7000);
	u64 gpa = get(zero_page + 0x218, 4);

	EXPECT_EQ(0, gpa % 4096);
	EXPECT_EQ(RAM - 3 * 4096, gpa);
	EXPECT_EQ(2 * 4096 + 5, get(zero_page + 0x21c, 4));
	EXPECT_STREQ(base, ram(&self->mem, gpa));
	EXPECT_STREQ("end", ram(&self->mem, gpa + 2 * 4096 - 4));
	EXPECT_STREQ(suffix, ram(&self->mem, gpa + 2 * 4096));
}

/* The base's pages are the file's, until the guest writes to them. */
TEST_F(image, initramfs_in_two_parts)
{
	struct boot_config cfg = {
		.image = &self->image, .cmdline = "",
		.initramfs = { .base_size = 2 * 4096, .suffix = "more", .suffix_size = 5 },
	};
	const struct tiny_elf e = tiny_elf();
	char text[16] = {};
	int fd;

	fd = memfd_create("base", MFD_CLOEXEC);
	ASSERT_LE(0, fd);
	cfg.initramfs.base_fd = fd;
	ASSERT_EQ(5, pwrite(fd, "first", 5, 0));
	ASSERT_EQ(4, pwrite(fd, "end", 4, 2 * 4096 - 4));
	ASSERT_EQ(0, load_file(self, &e, sizeof(e)));
	ASSERT_EQ(0, boot_setup(&self->mem, &cfg, &self->err)) {
		TH_LOG("%s", self->err.text);
	}
	expect_initramfs(_metadata, self, "first", "more");
	/* A change shows that it is not a copy. */
	ASSERT_EQ(1, pwrite(fd, "F", 1, 0));
	expect_initramfs(_metadata, self, "First", "more");

	*(char *)ram(&self->mem, RAM - 3 * 4096) = 'W';
	expect_initramfs(_metadata, self, "Wirst", "more");
	ASSERT_EQ(5, pread(fd, text, 5, 0));
	EXPECT_STREQ("First", text);

	/* Without a suffix it ends with the RAM. */
	cfg.initramfs.suffix_size = 0;
	ASSERT_EQ(0, boot_setup(&self->mem, &cfg, &self->err));
	EXPECT_EQ(RAM - 2 * 4096, get((u8 *)ram(&self->mem, 0x7000) + 0x218, 4));
	EXPECT_EQ(2 * 4096, get((u8 *)ram(&self->mem, 0x7000) + 0x21c, 4));
	close(fd);
}

/* As with huge pages, into which no small one can be put */
TEST_F(image, initramfs_that_cannot_be_mapped)
{
	struct boot_config cfg = {
		.image = &self->image, .cmdline = "",
		.initramfs = { .base_size = 2 * 4096, .suffix = "more", .suffix_size = 5 },
	};
	const struct tiny_elf e = tiny_elf();
	int fd;

	fd = memfd_create("base", MFD_CLOEXEC);
	ASSERT_LE(0, fd);
	cfg.initramfs.base_fd = fd;
	ASSERT_EQ(5, pwrite(fd, "first", 5, 0));
	ASSERT_EQ(4, pwrite(fd, "end", 4, 2 * 4096 - 4));
	ASSERT_EQ(0, load_file(self, &e, sizeof(e)));
	/* There is reserved address space behind it. */
	self->mem.regions[0].hva = (char *)self->mem.regions[0].hva + 64;
	self->mem.regions[0].size -= 4096;
	ASSERT_EQ(0, boot_setup(&self->mem, &cfg, &self->err)) {
		TH_LOG("%s", self->err.text);
	}
	EXPECT_STREQ("first", ram(&self->mem, RAM - 4 * 4096));
	EXPECT_STREQ("end", ram(&self->mem, RAM - 2 * 4096 - 4));
	EXPECT_STREQ("more", ram(&self->mem, RAM - 2 * 4096));
	ASSERT_EQ(1, pwrite(fd, "F", 1, 0));
	EXPECT_STREQ("first", ram(&self->mem, RAM - 4 * 4096));

	ASSERT_EQ(0, ftruncate(fd, 4096));
	EXPECT_EQ(-ENODATA, boot_setup(&self->mem, &cfg, &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "reading the initramfs: ENODATA"));
	close(fd);
}

TEST_F(image, initramfs_does_not_fit)
{
	const size_t size = 11 * MIB;
	struct boot_config cfg = { .image = &self->image, .cmdline = "" };
	const struct tiny_bzimage b = tiny_bzimage();
	const u8 *zero_page = ram(&self->mem, 0x7000);
	char *initramfs = calloc(1, 2 * size);

	ASSERT_NE(NULL, initramfs);
	cfg.initramfs.suffix = initramfs;
	cfg.initramfs.suffix_size = size;
	ASSERT_EQ(0, load_file(self, &b, sizeof(b)));	/* ends at 20 MiB of 32 */
	EXPECT_EQ(0, boot_setup(&self->mem, &cfg, &self->err));
	EXPECT_EQ(RAM - size, get(zero_page + 0x218, 4));

	/* A page between the kernel and its initramfs, and not a byte less */
	cfg.initramfs.suffix_size = 12 * MIB - 4096;
	EXPECT_EQ(0, boot_setup(&self->mem, &cfg, &self->err));
	EXPECT_LE(20 * MIB, get(zero_page + 0x218, 4));
	cfg.initramfs.suffix_size++;
	EXPECT_EQ(-ENOMEM, boot_setup(&self->mem, &cfg, &self->err));
	EXPECT_EQ(ERRMSG_INPUT, self->err.kind);
	EXPECT_NE(NULL, strstr(self->err.text, "12288 KiB of the first node's 32 MiB are free"))
		TH_LOG("%s", self->err.text);
	EXPECT_NE(NULL, strstr(self->err.text, "34 MiB would be enough"))
		TH_LOG("%s", self->err.text);
	cfg.initramfs.suffix_size = -1ULL;
	EXPECT_EQ(-ENOMEM, boot_setup(&self->mem, &cfg, &self->err));
	cfg.initramfs.base_size = 4096;
	EXPECT_EQ(-ENOMEM, boot_setup(&self->mem, &cfg, &self->err));
	cfg.initramfs.base_size = 0;

	numa_mem_unmap(&self->mem);
	map_ram(_metadata, &self->mem, 1, 34 * MIB);
	cfg.initramfs.suffix_size = 12 * MIB - 4095;
	ASSERT_EQ(0, load_file(self, &b, sizeof(b)));
	EXPECT_EQ(0, boot_setup(&self->mem, &cfg, &self->err));
	free(initramfs);
}

/* The kernel says how high it can read an initramfs. */
TEST_F(image, initramfs_below_the_kernels_limit)
{
	struct boot_config cfg = {
		.image = &self->image, .cmdline = "",
		.initramfs = { .suffix = "x", .suffix_size = 1 },
	};
	struct tiny_bzimage b = tiny_bzimage();
	const u8 *zero_page = ram(&self->mem, 0x7000);

	put(b.setup + 0x22c, 24 * MIB - 1, 4);
	ASSERT_EQ(0, load_file(self, &b, sizeof(b)));
	EXPECT_EQ(0, boot_setup(&self->mem, &cfg, &self->err));
	EXPECT_EQ(24 * MIB - 4096, get(zero_page + 0x218, 4));
	put(b.setup + 0x22c, 20 * MIB - 1, 4);
	ASSERT_EQ(0, load_file(self, &b, sizeof(b)));
	EXPECT_EQ(-ENOMEM, boot_setup(&self->mem, &cfg, &self->err));
}

/* Walk the page tables as the processor does (SDM vol. 3A, 4.5). */
static u64 translate(const struct numa_mem *mem, u64 cr3, u64 addr)
{
	const u64 frame = 0x000ffffffffff000ULL;
	u64 entry = cr3;
	int shift;

	for (shift = 39; shift >= 21; shift -= 9) {
		const u64 *table = numa_mem_ptr(mem, entry & frame, 4096);

		entry = table ? table[addr >> shift & 511] : 0;
		if ((entry & 3) != 3)
			return -1;
		if (shift < 39 && entry & 0x80)
			return (entry & frame & ~((1ULL << shift) - 1)) |
			       (addr & ((1ULL << shift) - 1));
	}
	return -2;
}

TEST_F(image, page_tables)
{
	const struct boot_config cfg = { .image = &self->image, .cmdline = "" };
	const struct tiny_elf e = tiny_elf();
	struct kvm_sregs sregs = {};
	struct kvm_regs regs;
	u64 addr;

	memset(numa_mem_ptr(&self->mem, 0x9000, 0x6000), 0xff, 0x6000);
	ASSERT_EQ(0, load_file(self, &e, sizeof(e)));
	ASSERT_EQ(0, boot_setup(&self->mem, &cfg, &self->err));
	boot_regs(&self->image, &regs, &sregs);
	for (addr = 0x1234; addr < MAP_GAP_END; addr += SZ_2M)
		ASSERT_EQ(addr, translate(&self->mem, sregs.cr3, addr));
	EXPECT_EQ(-1ULL, translate(&self->mem, sregs.cr3, MAP_GAP_END));
	EXPECT_EQ(-1ULL, translate(&self->mem, sregs.cr3, 1ULL << 39));
	EXPECT_EQ(-1ULL, translate(&self->mem, sregs.cr3, KERNEL_BASE & ((1ULL << 48) - 1)));
}

/* What the hidden part of a segment register would be loaded with (APM vol. 2, 4.7) */
static void expect_segment(struct __test_metadata *_metadata, const struct numa_mem *mem,
			   const struct kvm_sregs *sregs, const struct kvm_segment *s)
{
	const u64 *d = numa_mem_ptr(mem, sregs->gdt.base + s->selector, 8);
	u64 limit;

	ASSERT_NE(NULL, d);
	ASSERT_LE(s->selector + 7, sregs->gdt.limit);
	limit = (*d & 0xffff) | (*d >> 32 & 0xf0000);
	if (*d >> 55 & 1)
		limit = limit << 12 | 0xfff;
	EXPECT_EQ(limit, s->limit);
	EXPECT_EQ((*d >> 16 & 0xffffff) | (*d >> 56 << 24), s->base);
	EXPECT_EQ(*d >> 40 & 15, s->type);
	EXPECT_EQ(*d >> 44 & 1, s->s);
	EXPECT_EQ(*d >> 45 & 3, s->dpl);
	EXPECT_EQ(*d >> 47 & 1, s->present);
	EXPECT_EQ(*d >> 53 & 1, s->l);
	EXPECT_EQ(*d >> 54 & 1, s->db);
	EXPECT_EQ(*d >> 55 & 1, s->g);
}

/* boot.rst, "64-bit Boot Protocol" */
TEST_F(image, entry_state)
{
	const struct boot_config cfg = { .image = &self->image, .cmdline = "" };
	const struct tiny_elf e = tiny_elf();
	struct kvm_sregs sregs = { .apic_base = 0xfee00900 };
	struct kvm_regs regs;

	ASSERT_EQ(0, load_file(self, &e, sizeof(e)));
	ASSERT_EQ(0, boot_setup(&self->mem, &cfg, &self->err));
	boot_regs(&self->image, &regs, &sregs);

	EXPECT_EQ(ENTRY, regs.rip);
	EXPECT_EQ(MAP_BOOT_PARAMS, regs.rsi);
	EXPECT_EQ(2, regs.rflags);			/* no interrupts */
	EXPECT_EQ(0x10, sregs.cs.selector);		/* __BOOT_CS, read and execute */
	EXPECT_EQ(0xb, sregs.cs.type);
	EXPECT_EQ(1, sregs.cs.l);
	EXPECT_EQ(0x18, sregs.ds.selector);		/* __BOOT_DS, read and write */
	EXPECT_EQ(0x18, sregs.es.selector);
	EXPECT_EQ(0x18, sregs.ss.selector);
	EXPECT_EQ(0, sregs.ds.base);
	EXPECT_EQ(0xffffffff, sregs.ds.limit);
	EXPECT_EQ(3, sregs.ds.type);
	expect_segment(_metadata, &self->mem, &sregs, &sregs.cs);
	expect_segment(_metadata, &self->mem, &sregs, &sregs.ds);
	expect_segment(_metadata, &self->mem, &sregs, &sregs.es);
	expect_segment(_metadata, &self->mem, &sregs, &sregs.fs);
	expect_segment(_metadata, &self->mem, &sregs, &sregs.gs);
	expect_segment(_metadata, &self->mem, &sregs, &sregs.ss);
	expect_segment(_metadata, &self->mem, &sregs, &sregs.tr);
	EXPECT_EQ(0x80000001, sregs.cr0 & 0x80000001);	/* paging, protection */
	EXPECT_EQ(0x20, sregs.cr4 & 0x20);		/* PAE */
	EXPECT_EQ(0x500, sregs.efer & 0x500);		/* long mode, active */
	EXPECT_EQ(0xfee00900, sregs.apic_base);		/* KVM's own */
}

/* The kernel that the suite would boot */
TEST_F(image, real_kernel)
{
	char path[PATH_MAX];

	if (session_kernel(path, &self->err))
		SKIP(return, "%s", self->err.text);
	numa_mem_unmap(&self->mem);
	map_ram(_metadata, &self->mem, 1, 512 * MIB);
	ASSERT_EQ(0, boot_load_kernel(&self->mem, path, &self->image, &self->err))
		TH_LOG("%s", self->err.text);
	TH_LOG("%s: %s, version %s", path, self->image.kind, self->image.version);
	EXPECT_GE(self->image.loaded, MIB);
	EXPECT_GT(self->image.end, MAP_HIGH_RAM + MIB);
	EXPECT_GE(self->image.entry, MAP_HIGH_RAM);
	EXPECT_LT(self->image.entry, self->image.end);
	/* "6.12.48 (who@where) ... #1 SMP PREEMPT ..." */
	EXPECT_GE(self->image.version[0], '3');
	EXPECT_LE(self->image.version[0], '9');
	EXPECT_NE(NULL, strstr(self->image.version, "SMP"));
}

TEST_HARNESS_MAIN
