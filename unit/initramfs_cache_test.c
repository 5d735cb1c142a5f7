// SPDX-License-Identifier: GPL-2.0
/*
 * Segments: found again by content, never used half-written, dropped when old;
 * and mapped by guests on /dev/kvm, in two processes that share their pages.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/sizes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "host.h"
#include "initramfs_cache.h"
#include "harness.h"
#include "ktstr_vmm.h"
#include "memory_map.h"
#include "smaps.h"
#include "testutil.h"

FIXTURE(cache) {
	struct initramfs_segment seg;
	struct errmsg err;
	int open_files;
	char root[64];
	char dir[96];
};

FIXTURE_SETUP(cache)
{
	memset(self, 0, sizeof(*self));
	self->open_files = open_files();
	snprintf(self->root, sizeof(self->root), "%s/initramfs_cache_test.XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	ASSERT_NE(NULL, mkdtemp(self->root));
	snprintf(self->dir, sizeof(self->dir), "%s/ktstr-%u", self->root, geteuid());
}

FIXTURE_TEARDOWN(cache)
{
	initramfs_cache_put(&self->seg);
	EXPECT_EQ(self->open_files, open_files());
	EXPECT_FALSE(leaks());
	EXPECT_EQ(0, sh("rm -rf %s", self->root));
}

/* A segment of an archive that holds @text */
static int get(struct _test_data_cache *self, struct initramfs_segment *seg, const char *text)
{
	struct initramfs ir;
	int ret;

	initramfs_init(&ir);
	ret = initramfs_add_file(&ir, "/f", 0644, text, strlen(text), &self->err) ?:
	      initramfs_cache_get(seg, self->root, &ir, &self->err);
	initramfs_destroy(&ir);
	return ret;
}

static void get_and_put(struct __test_metadata *_metadata, struct _test_data_cache *self,
			const char *text, bool found)
{
	struct initramfs_segment seg;

	ASSERT_EQ(0, get(self, &seg, text)) {
		TH_LOG("%s", self->err.text);
	}
	EXPECT_STREQ("", seg.note.text);
	EXPECT_EQ(found, seg.found) {
		TH_LOG("\"%s\"", text);
	}
	initramfs_cache_put(&seg);
}

/* Of the only one */
static void segment_path(const struct _test_data_cache *self, char *path)
{
	FILE *f;

	snprintf(path, PATH_MAX, "echo %s/initramfs-*", self->dir);
	f = popen(path, "re");
	if (!f || !fgets(path, PATH_MAX, f))
		abort();
	pclose(f);
	path[strcspn(path, "\n")] = '\0';
}

static int nr_segments(const struct _test_data_cache *self)
{
	return WEXITSTATUS(sh("exit $(ls %s | wc -l)", self->dir));
}

/* What the kernel would unpack: read back by what compresses it here */
static bool holds(const struct initramfs_segment *seg, const char *text)
{
	struct initramfs ir;
	struct errmsg err;
	const void *image;
	size_t size;
	char *seen;
	bool same;

	initramfs_init(&ir);
	same = !initramfs_add_file(&ir, "/f", 0644, text, strlen(text), &err) &&
	       !initramfs_finish(&ir, &image, &size, &err) &&
	       !initramfs_compress(&ir, &image, &size, &err) && size == seg->size;
	seen = malloc(seg->size);
	same = same && pread(seg->fd, seen, size, 0) == (ssize_t)size &&
	       !memcmp(seen, image, size);
	free(seen);
	initramfs_destroy(&ir);
	return same;
}

TEST_F(cache, found_by_content)
{
	struct initramfs_segment again;
	struct stat a, b;

	ASSERT_EQ(0, get(self, &self->seg, "one")) {
		TH_LOG("%s", self->err.text);
	}
	EXPECT_STREQ("", self->seg.note.text);
	EXPECT_FALSE(self->seg.found);
	EXPECT_TRUE(holds(&self->seg, "one"));
	ASSERT_EQ(0, get(self, &again, "one"));
	EXPECT_TRUE(again.found);
	EXPECT_TRUE(holds(&again, "one"));
	ASSERT_EQ(0, fstat(self->seg.fd, &a));
	ASSERT_EQ(0, fstat(again.fd, &b));
	EXPECT_EQ(a.st_ino, b.st_ino);
	initramfs_cache_put(&again);

	/* As long, and made of a file with the same name and mode */
	ASSERT_EQ(0, get(self, &again, "two"));
	EXPECT_FALSE(again.found);
	EXPECT_TRUE(holds(&again, "two"));
	initramfs_cache_put(&again);
	EXPECT_EQ(2, nr_segments(self));

	/* Nobody else may read or change it. */
	EXPECT_EQ(0, sh("test $(stat -c %%a %s) = 700", self->dir));
	EXPECT_EQ(0, sh("test \"$(stat -c %%a %s/* | uniq)\" = 400", self->dir));
}

/* What a killed writer has left is not used, and not in the way. */
TEST_F(cache, half_written)
{
	ASSERT_EQ(0, get(self, &self->seg, "one"));
	initramfs_cache_put(&self->seg);
	ASSERT_EQ(0, sh("chmod 600 %s/*", self->dir));
	get_and_put(_metadata, self, "one", false);
	get_and_put(_metadata, self, "one", true);

	/* Longer and shorter than it should be */
	ASSERT_EQ(0, sh("chmod 600 %s/* && head -c 20000 /dev/zero >$(echo %s/*)", self->dir,
			self->dir));
	ASSERT_EQ(0, get(self, &self->seg, "one"));
	EXPECT_FALSE(self->seg.found);
	EXPECT_TRUE(holds(&self->seg, "one"));
	initramfs_cache_put(&self->seg);
	ASSERT_EQ(0, sh("chmod 600 %s/* && : >$(echo %s/*) && chmod 400 %s/*", self->dir, self->dir,
			self->dir));
	ASSERT_EQ(0, get(self, &self->seg, "one"));
	EXPECT_FALSE(self->seg.found);
	EXPECT_TRUE(holds(&self->seg, "one"));
	EXPECT_EQ(1, nr_segments(self));
}

/* What takes a while to compress */
static const char *long_text(void)
{
	static char text[1 << 22];
	unsigned int x = 1;
	size_t i;

	for (i = 0; i < sizeof(text) - 1; i++) {
		x = x * 1103515245 + 12345;
		text[i] = "abcd"[x >> 16 & 3];
	}
	return text;
}

/* Many at once, from nothing: one compresses, all have the same. */
TEST_F(cache, raced_for)
{
	const char *text = long_text();
	int i, status, made = 0, fds[2];
	char go;

	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
	for (i = 0; i < 8; i++) {
		if (fork())
			continue;
		close(fds[1]);
		if (read(fds[0], &go, 1) || get(self, &self->seg, text) ||
		    self->seg.note.text[0] || !holds(&self->seg, text))
			_exit(2);
		_exit(self->seg.found);
	}
	close(fds[0]);
	close(fds[1]);
	for (i = 0; i < 8; i++) {
		ASSERT_LT(0, wait(&status));
		ASSERT_TRUE(WIFEXITED(status));
		ASSERT_GT(2, WEXITSTATUS(status));
		made += !WEXITSTATUS(status);
	}
	EXPECT_EQ(1, made);
	EXPECT_EQ(1, nr_segments(self));
}

/* Writers killed at any moment: the next one has a whole segment at once. */
TEST_F(cache, writer_killed)
{
	const char *text = long_text();
	unsigned int i, unfinished = 0;
	pid_t pid;

	for (i = 0; i < 40; i++) {
		pid = fork();
		if (!pid) {
			get(self, &self->seg, text);
			pause();
		}
		usleep(i * 1000);
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
		unfinished += !sh("test \"$(stat -c %%a %s/* 2>/dev/null)\" = 600", self->dir);

		/* Who has waited in vain for the writer notes that. */
		ASSERT_EQ(0, get(self, &self->seg, text));
		EXPECT_STREQ("", self->seg.note.text);
		EXPECT_TRUE(holds(&self->seg, text));
		initramfs_cache_put(&self->seg);
		ASSERT_EQ(0, sh("rm %s/*", self->dir));
	}
	TH_LOG("%u of %u were killed while writing", unfinished, i);
}

TEST_F(cache, too_many)
{
	struct initramfs_segment used;
	char text[16];
	int i;

	ASSERT_EQ(0, get(self, &used, "used"));
	for (i = 0; i < INITRAMFS_CACHE_MAX_SEGMENTS + 3; i++) {
		/* Time stamps are as coarse as the kernel's tick. */
		usleep(10000);
		snprintf(text, sizeof(text), "%d", i);
		get_and_put(_metadata, self, text, false);
		/* The first is used by every other, and so never the oldest. */
		get_and_put(_metadata, self, "0", true);
	}
	EXPECT_EQ(INITRAMFS_CACHE_MAX_SEGMENTS + 1, nr_segments(self));
	get_and_put(_metadata, self, "used", true);
	get_and_put(_metadata, self, "0", true);
	get_and_put(_metadata, self, text, true);
	get_and_put(_metadata, self, "1", false);
	initramfs_cache_put(&used);
	usleep(10000);
	get_and_put(_metadata, self, "another", false);
	EXPECT_EQ(INITRAMFS_CACHE_MAX_SEGMENTS, nr_segments(self));
}

TEST_F(cache, too_old_or_too_large)
{
	const struct timespec old[2] = {
		{ .tv_sec = time(NULL) - INITRAMFS_CACHE_MAX_AGE - 1 },
		{ .tv_sec = time(NULL) - INITRAMFS_CACHE_MAX_AGE - 1 },
	};

	ASSERT_EQ(0, get(self, &self->seg, "old"));
	ASSERT_EQ(0, futimens(self->seg.fd, old));
	get_and_put(_metadata, self, "young", false);
	EXPECT_EQ(2, nr_segments(self));
	initramfs_cache_put(&self->seg);
	get_and_put(_metadata, self, "younger", false);
	EXPECT_EQ(2, nr_segments(self));
	get_and_put(_metadata, self, "young", true);

	/* Something else's names are left alone. */
	ASSERT_EQ(0, sh("touch -d @1 %s/else", self->dir));
	ASSERT_EQ(0, sh("truncate -s %zu %s/initramfs-large", INITRAMFS_CACHE_MAX_BYTES,
			self->dir));
	ASSERT_EQ(0, sh("ln -s initramfs-large %s/initramfs-link", self->dir));
	get_and_put(_metadata, self, "youngest", false);
	EXPECT_EQ(0, sh("test ! -e %s/initramfs-large", self->dir));
	EXPECT_EQ(0, sh("test -e %s/else", self->dir));
	get_and_put(_metadata, self, "youngest", true);
}

static void expect_private(struct __test_metadata *_metadata, struct _test_data_cache *self,
			   const char *why)
{
	ASSERT_EQ(0, get(self, &self->seg, "one")) {
		TH_LOG("%s", self->err.text);
	}
	EXPECT_NE(NULL, strstr(self->seg.note.text, "not shared"));
	EXPECT_NE(NULL, strstr(self->seg.note.text, self->dir));
	EXPECT_NE(NULL, strstr(self->seg.note.text, why)) {
		TH_LOG("%s", self->seg.note.text);
	}
	EXPECT_FALSE(self->seg.found);
	EXPECT_TRUE(holds(&self->seg, "one"));
	initramfs_cache_put(&self->seg);
}

TEST_F(cache, no_directory_of_ours)
{
	char elsewhere[128];

	/* Somebody else could have put anything there. */
	ASSERT_EQ(0, mkdir(self->dir, 0700));
	ASSERT_EQ(0, chmod(self->dir, 0770));
	expect_private(_metadata, self, "remove it");
	EXPECT_EQ(0, nr_segments(self));
	ASSERT_EQ(0, chmod(self->dir, 0700));
	if (!geteuid()) {
		ASSERT_EQ(0, chown(self->dir, 1, 1));
		expect_private(_metadata, self, "remove it");
	}
	ASSERT_EQ(0, rmdir(self->dir));

	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", self->root);
	ASSERT_EQ(0, mkdir(elsewhere, 0700));
	ASSERT_EQ(0, symlink(elsewhere, self->dir));
	expect_private(_metadata, self, "opening it: ");
	ASSERT_EQ(0, unlink(self->dir));

	ASSERT_EQ(0, sh(": >%s", self->dir));
	expect_private(_metadata, self, "ENOTDIR");
	ASSERT_EQ(0, unlink(self->dir));
	ASSERT_EQ(0, sh("rm -r %s", self->root));
	expect_private(_metadata, self, "making it: ENOENT");
}

TEST_F(cache, link_for_a_segment)
{
	char path[PATH_MAX];

	get_and_put(_metadata, self, "one", false);
	segment_path(self, path);
	ASSERT_EQ(0, sh("mv %s %s/moved && ln -s ../moved %s", path, self->root, path));
	expect_private(_metadata, self, "opening it: ELOOP");
	ASSERT_EQ(0, sh("rm %s && mkdir %s", path, path));
	expect_private(_metadata, self, "opening it: EISDIR");
	ASSERT_EQ(0, sh("rmdir %s && mkfifo %s", path, path));
	expect_private(_metadata, self, "writing 4 KiB: EINVAL");
	/* A segment like any other, but for a guest that was built elsewhere. */
	ASSERT_EQ(0, sh("mv %s/moved %s", self->root, path));
	get_and_put(_metadata, self, "one", true);
	ASSERT_EQ(0, sh("chmod 444 %s", path));
	get_and_put(_metadata, self, "one", false);
}

TEST_F(cache, no_room)
{
	struct initramfs_segment seg;
	char text[200000];
	unsigned int x = 1;
	size_t i;

	if (unshare(CLONE_NEWNS) || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", self->root, "tmpfs", 0, "size=64k"))
		SKIP(return, "mounting a small tmpfs takes root: %s", strerror(errno));
	/* Incompressible */
	for (i = 0; i < sizeof(text) - 1; i++) {
		x = x * 1103515245 + 12345;
		text[i] = (x >> 16 & 0xff) ?: 1;
	}
	text[i] = '\0';
	EXPECT_EQ(0, get(self, &seg, text)) {
		TH_LOG("%s", self->err.text);
	}
	EXPECT_NE(NULL, strstr(seg.note.text, "ENOSPC")) {
		TH_LOG("%s", seg.note.text);
	}
	EXPECT_TRUE(holds(&seg, text));
	initramfs_cache_put(&seg);
	EXPECT_EQ(0, nr_segments(self));
	/* What fits is shared as ever. */
	get_and_put(_metadata, self, "small", false);
	get_and_put(_metadata, self, "small", true);
	EXPECT_EQ(0, umount(self->root));
}

/* Neither shared nor private, and nobody's fault */
TEST_F(cache, out_of_files)
{
	rlim_t old = allow_files(0);
	int ret = get(self, &self->seg, "text");

	allow_files(old);
	EXPECT_EQ(-EMFILE, ret);
	EXPECT_EQ(ERRMSG_HOST, self->err.kind);
	EXPECT_NE(NULL, strstr(self->err.text, "memfd_create for the initramfs: EMFILE"));
	get_and_put(_metadata, self, "text", false);
}

/* A writer is waited for, but not for ever. */
TEST_F(cache, writer_stopped)
{
	char path[PATH_MAX];
	u64 start;
	pid_t pid;
	int fd;

	get_and_put(_metadata, self, "one", false);
	segment_path(self, path);
	ASSERT_EQ(0, chmod(path, 0600));
	fd = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, flock(fd, LOCK_EX));
	start = clock_ns();
	expect_private(_metadata, self, "waiting for its writer: ETIMEDOUT");
	EXPECT_LT(4 * NSEC_PER_SEC, clock_ns() - start);
	EXPECT_GT(PATIENCE_NS, clock_ns() - start);

	pid = fork();
	if (!pid) {
		usleep(300000);
		fchmod(fd, 0400);
		_exit(0);
	}
	close(fd);
	get_and_put(_metadata, self, "one", true);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
}

/* -- guests ------------------------------------------------------------------- */

/*
 * A guest that reads all pages of its initramfs, prints the strings at the
 * beginnings of base and suffix, changes the first, and powers off. Entered in
 * 64-bit mode with memory mapped one to one, and %rsi at the zero page; it has
 * only instructions that every KVM can interpret.
 */
asm("	.pushsection .rodata\n"
"guest_start:\n"
"	mov 0x218(%rsi), %ebx\n"		/* ramdisk_image */
"	mov 0x21c(%rsi), %ecx\n"		/* ramdisk_size */
"	mov %ecx, %ebp\n"
"	and $~4095, %ebp\n"
"	add %ebx, %ebp\n"
"	mov %ebx, %edi\n"
"1:	mov (%rdi), %al\n"
"	add $4096, %edi\n"
"	sub $4096, %ecx\n"
"	ja 1b\n"
"	mov $0x3f8, %edx\n"
"	mov %ebx, %edi\n"
"2:	mov (%rdi), %al\n"
"	inc %edi\n"
"	test %al, %al\n"
"	jz 3f\n"
"	out %al, %dx\n"
"	jmp 2b\n"
"3:	mov %ebp, %edi\n"
"4:	mov (%rdi), %al\n"
"	inc %edi\n"
"	test %al, %al\n"
"	jz 5f\n"
"	out %al, %dx\n"
"	jmp 4b\n"
"5:	movb $'W', (%rbx)\n"
"	mov (%rbx), %al\n"
"	out %al, %dx\n"
"	mov $0x600, %edx\n"
"	mov $0x34, %al\n"
"	out %al, %dx\n"
"6:	hlt\n"
"	jmp 6b\n"
"guest_end:\n"
"	.popsection\n");

#define GUEST(name)	extern const u8 guest_##name[]
GUEST(start);
GUEST(end);

#define KERNEL_BASE	0xffffffff80000000ULL
#define BASE_PAGES	100

/* A vmlinux that consists of one segment */
static int make_kernel(void)
{
	struct {
		Elf64_Ehdr ehdr;
		Elf64_Phdr phdr;
		u8 text[512];
	} k = {
		.ehdr = {
			.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
				     ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_EXEC,
			.e_machine = EM_X86_64,
			.e_version = EV_CURRENT,
			.e_entry = MAP_HIGH_RAM,
			.e_phoff = sizeof(Elf64_Ehdr),
			.e_ehsize = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 1,
		},
		.phdr = {
			.p_type = PT_LOAD,
			.p_offset = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr),
			.p_vaddr = KERNEL_BASE + MAP_HIGH_RAM,
			.p_paddr = MAP_HIGH_RAM,
			.p_filesz = sizeof(k.text),
			.p_memsz = sizeof(k.text),
		},
	};
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	memcpy(k.text, guest_start, guest_end - guest_start);
	if (fd < 0 || write(fd, &k, sizeof(k)) != sizeof(k))
		abort();
	return fd;
}

/* A guest that has run to its end, and has not been destroyed yet */
static struct ktstr_vm *run_guest(struct _test_data_cache *self, const char *suffix)
{
	char kernel[64];
	const struct ktstr_vm_config cfg = {
		.topo = { .nodes = 1, .llcs = 1, .cores = 1, .threads = 1 },
		.memory = SZ_16M,
		.kernel = kernel,
		.initramfs = {
			.base_fd = self->seg.fd,
			.base_size = self->seg.size,
			.suffix = suffix,
			.suffix_size = strlen(suffix) + 1,
		},
	};
	struct ktstr_vm *vm;
	int fd = make_kernel();

	snprintf(kernel, sizeof(kernel), "/proc/self/fd/%d", fd);
	if (!ktstr_vm_create(&vm, &cfg, &self->err) && !ktstr_vm_load(vm, &self->err) &&
	    !ktstr_vm_start(vm, &self->err))
		ktstr_vm_wait(vm, PATIENCE_NS);
	close(fd);
	return vm;
}

static bool has_printed(struct ktstr_vm *vm, const char *text)
{
	ktstr_vm_stop(vm, KTSTR_VM_TIMEOUT, "did not end");
	return ktstr_vm_result(vm)->state == KTSTR_VM_POWEROFF &&
	       !strcmp(ktstr_vm_result(vm)->console, text);
}

/* The other guest, in a process of its own; it stays until @fd is closed. */
static void __noreturn other_main(struct _test_data_cache *self, int fd)
{
	struct ktstr_vm *vm = run_guest(self, " and B");
	char done = vm && has_printed(vm, "base and BW");

	if (write(fd, &done, 1) < 0)
		_exit(1);
	while (read(fd, &done, 1) > 0)
		;
	ktstr_vm_destroy(vm);
	_exit(0);
}

/* Two guests in two processes: what they have not written to is there once. */
TEST_F(cache, shared_by_guests)
{
	char path[PATH_MAX], done = 0;
	struct ktstr_vm *vm;
	struct smaps_usage usage;
	int fds[2], fd;
	pid_t pid;

	if (access(HOST_KVM, R_OK | W_OK))
		SKIP(return, HOST_KVM ": %s", strerror(errno));
	get_and_put(_metadata, self, "one", false);
	segment_path(self, path);
	/* What the guests read is not for them to unpack. */
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 && errno == EACCES) {
		ASSERT_EQ(0, chmod(path, 0600));
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, BASE_PAGES * 4096));
	ASSERT_EQ(5, pwrite(fd, "base", 5, 0));
	self->seg.fd = fd;
	self->seg.size = BASE_PAGES * 4096;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	pid = fork();
	if (!pid) {
		close(fds[0]);
		other_main(self, fds[1]);
	}
	close(fds[1]);
	ASSERT_EQ(1, read(fds[0], &done, 1));
	EXPECT_EQ(1, done);
	vm = run_guest(self, " and A");
	ASSERT_NE(NULL, vm) {
		TH_LOG("%s", self->err.text);
	}
	EXPECT_TRUE(has_printed(vm, "base and AW")) {
		TH_LOG("%s: %s", ktstr_vm_result(vm)->reason, ktstr_vm_result(vm)->console);
	}

	usage = smaps_of(path);
	EXPECT_EQ(4 * BASE_PAGES, usage.rss);
	EXPECT_EQ(4, usage.written);
	EXPECT_EQ((usage.rss - usage.written) / 2, usage.pss - usage.written);

	/* The last one has them for itself. */
	close(fds[0]);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_EQ(4 * BASE_PAGES, smaps_of(path).pss);
	ktstr_vm_destroy(vm);
	EXPECT_EQ(0, smaps_of(path).rss);
}

TEST_HARNESS_MAIN
