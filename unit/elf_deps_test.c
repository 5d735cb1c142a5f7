// SPDX-License-Identifier: GPL-2.0
/*
 * What the search finds is compared with what the dynamic loader itself says
 * (LD_TRACE_LOADED_OBJECTS, ld.so(8)), for programs of the system and for ones
 * that are compiled here.
 */
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "elf_deps.h"
#include "harness.h"
#include "testutil.h"

static void *read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "re");
	struct stat st;
	void *data;

	if (!f || fstat(fileno(f), &st))
		return NULL;
	data = malloc(st.st_size);
	*len = fread(data, 1, st.st_size, f);
	fclose(f);
	return data;
}

static void write_file(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "we");

	if (!f || fwrite(data, 1, len, f) != len || fclose(f)) {
		perror(path);
		abort();
	}
}

static const struct elf_dep *find_guest(const struct elf_deps *deps, const char *guest)
{
	size_t i;

	for (i = 0; i < deps->nr; i++)
		if (!strcmp(deps->dep[i].guest, guest))
			return &deps->dep[i];
	return NULL;
}

static bool has_host(const struct elf_deps *deps, const char *host)
{
	char path[PATH_MAX];
	size_t i;

	for (i = 0; i < deps->nr; i++)
		if (realpath(deps->dep[i].host, path) && !strcmp(path, host))
			return true;
	return false;
}

static size_t count_unwinders(const struct elf_deps *deps)
{
	size_t nr = 0, i;

	for (i = 0; i < deps->nr; i++)
		nr += !!strstr(deps->dep[i].guest, "/libgcc_s.so.1");
	return nr;
}

/*
 * Are these the files that the loader would map for @program? An unwinder may be there
 * that is only opened later. kselftest's runner has stdbuf(1) preload a library.
 */
static bool same_as_loader(const struct elf_deps *deps, const char *program)
{
	char line[PATH_MAX * 2], path[PATH_MAX];
	size_t nr = count_unwinders(deps);
	bool same = true;
	FILE *trace;

	snprintf(line, sizeof(line),
		 "timeout 20 env -u LD_LIBRARY_PATH -u LD_PRELOAD LD_TRACE_LOADED_OBJECTS=1 %s",
		 program);
	trace = popen(line, "re");
	while (trace && fgets(line, sizeof(line), trace)) {
		char *file = strchr(line, '/');

		if (!file)	/* the vDSO */
			continue;
		file = strstr(line, "=> ") ? strstr(line, "=> ") + 3 : file;
		file[strcspn(file, "\n ")] = '\0';
		if (!realpath(file, path) || !has_host(deps, path)) {
			ksft_print_msg("%s: the loader finds %s\n", program, file);
			same = false;
		}
		nr += !strstr(path, "/libgcc_s.so.1");
	}
	if (!trace || pclose(trace) || nr != deps->nr) {
		ksft_print_msg("%s: found %zu files, the loader %zu\n", program,
			       deps->nr, nr);
		same = false;
	}
	return same;
}

FIXTURE(installed) { };

FIXTURE_VARIANT(installed) {
	const char *path;
};

FIXTURE_VARIANT_ADD(installed, lscpu) { .path = "/usr/bin/lscpu" };
FIXTURE_VARIANT_ADD(installed, numactl) { .path = "/usr/bin/numactl" };
FIXTURE_VARIANT_ADD(installed, bash) { .path = "/bin/bash" };
FIXTURE_VARIANT_ADD(installed, git) { .path = "/usr/bin/git" };
FIXTURE_VARIANT_ADD(installed, perf) { .path = "/usr/bin/perf" };
FIXTURE_VARIANT_ADD(installed, gdb) { .path = "/usr/bin/gdb" };
FIXTURE_VARIANT_ADD(installed, clang) { .path = "/usr/bin/clang-19" };

FIXTURE_SETUP(installed)
{
	if (access(variant->path, X_OK))
		SKIP(return, "%s is not installed", variant->path);
}

FIXTURE_TEARDOWN(installed) { }

TEST_F(installed, as_loader)
{
	struct elf_deps deps;
	struct errmsg err;

	ASSERT_EQ(0, elf_deps_find(&deps, variant->path, variant->path, &err))
		TH_LOG("%s", err.text);
	EXPECT_TRUE(same_as_loader(&deps, variant->path));
	EXPECT_EQ(0, strncmp(deps.dep[0].guest, "/lib", 4));
	elf_deps_free(&deps);
}

/* Links lib/libNAME.so with more linker options. */
static int link_lib(const char *name, const char *options)
{
	return sh("cc -shared -fPIC -o lib/lib%s.so -Wl,-h,lib%s.so,--no-as-needed %s.c %s",
		  name, name, name, options);
}

/* Links prog against libone.so with more linker options. */
static int link_prog(const char *options)
{
	return sh("cc -o prog main.c lib/libone.so -Wl,--allow-shlib-undefined %s", options);
}

/*
 * A directory with programs and libraries made as wanted. libone.so needs
 * libtwo.so, which needs libone.so again.
 */
FIXTURE(compiled) {
	struct elf_deps deps;
	struct errmsg err;
	int open_files;
	char dir[PATH_MAX / 4];
};

FIXTURE_SETUP(compiled)
{
	if (sh("command -v cc >/dev/null"))
		SKIP(return, "needs a C compiler as cc (package gcc)");
	self->open_files = open_files();
	snprintf(self->dir, sizeof(self->dir), "/tmp/elf_deps_test.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	ASSERT_EQ(0, chdir(self->dir));
	ASSERT_EQ(0, sh("mkdir lib sub"));
	ASSERT_EQ(0, sh("echo 'int one(void) { return 1; }' >one.c"));
	ASSERT_EQ(0, sh("echo 'int two(void) { return 2; }' >two.c"));
	ASSERT_EQ(0, sh("echo 'int one(void); int main(void) { return one() - 1; }' >main.c"));
	ASSERT_EQ(0, link_lib("one", ""));
	ASSERT_EQ(0, link_lib("two", "lib/libone.so"));
	ASSERT_EQ(0, link_lib("one", "lib/libtwo.so"));
}

FIXTURE_TEARDOWN(compiled)
{
	elf_deps_free(&self->deps);
	EXPECT_EQ(self->open_files, open_files());
	EXPECT_FALSE(leaks());
	EXPECT_EQ(0, chdir("/"));
	EXPECT_EQ(0, sh("rm -rf %s", self->dir));
}

/* $ORIGIN in a DT_RPATH, which also counts for libraries of libraries */
TEST_F(compiled, rpath)
{
	char guest[] = "/bin/prog", host[PATH_MAX];
	const struct elf_dep *dep;

	ASSERT_EQ(0, link_prog("-Wl,--disable-new-dtags,-rpath,'${ORIGIN}/lib'"));
	ASSERT_EQ(0, elf_deps_find(&self->deps, "./prog", guest, &self->err))
		TH_LOG("%s", self->err.text);
	EXPECT_TRUE(same_as_loader(&self->deps, "./prog"));

	/* In the guest $ORIGIN is where the program will be. */
	snprintf(host, sizeof(host), "%s/lib/libone.so", self->dir);
	dep = find_guest(&self->deps, "/bin/lib/libone.so");
	ASSERT_NE(NULL, dep);
	EXPECT_STREQ(host, dep->host);
	EXPECT_NE(NULL, find_guest(&self->deps, "/bin/lib/libtwo.so"));
	EXPECT_EQ(0, strncmp(self->deps.dep[0].guest, "/lib", 4));
}

/* DT_RUNPATH counts for the one that has it, not for its libraries. */
TEST_F(compiled, runpath)
{
	ASSERT_EQ(0, link_prog("-Wl,--enable-new-dtags,-rpath,'$ORIGIN/lib'"));
	EXPECT_EQ(-ENOENT, elf_deps_find(&self->deps, "prog", "/prog", &self->err));
	EXPECT_EQ(ERRMSG_INPUT, self->err.kind);
	EXPECT_NE(NULL, strstr(self->err.text, "libtwo.so, needed by /"));
	EXPECT_NE(NULL, strstr(self->err.text, "lib/libone.so"));
	EXPECT_NE(NULL, strstr(self->err.text, "/etc/ld.so.cache"));
	EXPECT_EQ(0, self->deps.nr);

	ASSERT_EQ(0, link_lib("one",
			      "lib/libtwo.so -Wl,--enable-new-dtags,-rpath,/nowhere:'$ORIGIN'"));
	ASSERT_EQ(0, elf_deps_find(&self->deps, "prog", "/prog", &self->err))
		TH_LOG("%s", self->err.text);
	EXPECT_TRUE(same_as_loader(&self->deps, "./prog"));
	EXPECT_NE(NULL, find_guest(&self->deps, "/lib/libone.so"));
	EXPECT_NE(NULL, find_guest(&self->deps, "/lib/libtwo.so"));
}

/* A library's DT_RUNPATH puts the program's DT_RPATH out of force. */
TEST_F(compiled, runpath_over_rpath)
{
	ASSERT_EQ(0, link_lib("one", "lib/libtwo.so -Wl,--enable-new-dtags,-rpath,/nowhere"));
	ASSERT_EQ(0, link_prog("-Wl,--disable-new-dtags,-rpath,'$ORIGIN/lib'"));
	EXPECT_EQ(-ENOENT, elf_deps_find(&self->deps, "prog", "/prog", &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "libtwo.so"));
	EXPECT_NE(NULL, strstr(self->err.text, "RUNPATH \"/nowhere\""));
	EXPECT_NE(0, sh("./prog 2>/dev/null"));
}

/* With both in one file, DT_RPATH is nothing. No linker makes that today. */
TEST_F(compiled, runpath_and_rpath)
{
	Elf64_Dyn *dyn = NULL;
	Elf64_Ehdr *eh;
	Elf64_Phdr *ph;
	Elf64_Xword rpath = 0;
	size_t len = 0;

	ASSERT_EQ(0, link_prog("-Wl,--disable-new-dtags,-rpath,'$ORIGIN/lib'"));
	eh = read_file("prog", &len);
	ASSERT_NE(NULL, eh);
	for (ph = (void *)eh + eh->e_phoff; ph->p_type != PT_DYNAMIC; ph++)
		;
	for (dyn = (void *)eh + ph->p_offset; dyn->d_tag != DT_NULL; dyn++)
		if (dyn->d_tag == DT_RPATH)
			rpath = dyn->d_un.d_val;
	/* The linker leaves spare entries, so that there is another DT_NULL. */
	dyn->d_tag = DT_RUNPATH;
	dyn->d_un.d_val = rpath;
	write_file("prog", eh, len);
	free(eh);
	EXPECT_EQ(-ENOENT, elf_deps_find(&self->deps, "prog", "/prog", &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "libtwo.so, needed by"));
	EXPECT_NE(0, sh("./prog 2>/dev/null"));
}

/* Without sonames, libraries are known by what they were asked for. */
TEST_F(compiled, no_soname)
{
	ASSERT_EQ(0, sh("cc -shared -fPIC -Wl,--no-as-needed -o lib/libtwo.so two.c -Llib -lone"));
	ASSERT_EQ(0, sh("cc -shared -fPIC -Wl,--no-as-needed -o lib/libone.so one.c -Llib -ltwo"));
	ASSERT_EQ(0, sh("cc -o prog main.c -Llib -lone -Wl,--disable-new-dtags,-rpath,$PWD/lib"));
	ASSERT_EQ(0, elf_deps_find(&self->deps, "prog", "/prog", &self->err))
		TH_LOG("%s", self->err.text);
	EXPECT_TRUE(same_as_loader(&self->deps, "./prog"));
}

/* Through a symlink, $ORIGIN is the real program's directory, here as there. */
TEST_F(compiled, origin_behind_symlink)
{
	ASSERT_EQ(0, link_prog("-Wl,--disable-new-dtags,-rpath,'$ORIGIN/lib'"));
	ASSERT_EQ(0, symlink("../prog", "sub/link"));
	ASSERT_EQ(0, elf_deps_find(&self->deps, "sub/link", "/a/link", &self->err))
		TH_LOG("%s", self->err.text);
	EXPECT_TRUE(same_as_loader(&self->deps, "sub/link"));
	EXPECT_NE(NULL, find_guest(&self->deps, "/a/lib/libone.so"));
}

/* $LIB is the name that this distribution has for it: the loader knows. */
TEST_F(compiled, lib_token)
{
	char options[PATH_MAX];

	snprintf(options, sizeof(options),
		 "-Wl,--disable-new-dtags,-rpath,'%s/$LIBRARY:%s/$LIB:%s/${LIB'",
		 self->dir, self->dir, self->dir);
	ASSERT_EQ(0, link_prog(options));
	ASSERT_EQ(0, sh("mkdir -p lib/x86_64-linux-gnu lib64 '$LIBRARY'"));
	ASSERT_EQ(0, sh("for d in lib/x86_64-linux-gnu lib64; do cp lib/libtwo.so $d; done"));
	ASSERT_EQ(0, sh("cp lib/libone.so '$LIBRARY'; rm -f lib/*.so; ./prog"));
	ASSERT_EQ(0, elf_deps_find(&self->deps, "prog", "/prog", &self->err))
		TH_LOG("%s", self->err.text);
	EXPECT_TRUE(same_as_loader(&self->deps, "./prog"));
}

/* Candidates that the loader could not use are passed over. */
TEST_F(compiled, wrong_candidates)
{
	static const char options[] =
		"-Wl,--disable-new-dtags,-rpath,'$ORIGIN/a:$ORIGIN/b:$ORIGIN/lib'";
	const struct elf_dep *dep;
	char host[PATH_MAX];
	Elf64_Ehdr *eh;
	size_t len = 0;

	ASSERT_EQ(0, link_prog(options));
	ASSERT_EQ(0, sh("mkdir a b"));
	eh = read_file("lib/libone.so", &len);
	ASSERT_NE(NULL, eh);
	eh->e_machine = EM_AARCH64;
	write_file("a/libone.so", eh, len);
	eh->e_machine = EM_X86_64;
	eh->e_ident[EI_CLASS] = ELFCLASS32;
	write_file("b/libone.so", eh, len);
	free(eh);
	ASSERT_EQ(0, mkdir("a/libtwo.so", 0755));
	write_file("b/libtwo.so", "junk", 4);
	ASSERT_EQ(0, elf_deps_find(&self->deps, "prog", "/prog", &self->err))
		TH_LOG("%s", self->err.text);
	snprintf(host, sizeof(host), "%s/lib/libone.so", self->dir);
	dep = find_guest(&self->deps, "/lib/libone.so");
	ASSERT_NE(NULL, dep);
	EXPECT_STREQ(host, dep->host);
	EXPECT_NE(NULL, find_guest(&self->deps, "/lib/libtwo.so"));
}

/* The environment of whoever builds the image is not that of the guest. */
TEST_F(compiled, ld_library_path)
{
	char libs[PATH_MAX];

	ASSERT_EQ(0, link_prog(""));
	snprintf(libs, sizeof(libs), "%s/lib", self->dir);
	setenv("LD_LIBRARY_PATH", libs, 1);
	EXPECT_EQ(0, sh("./prog"));
	EXPECT_EQ(-ENOENT, elf_deps_find(&self->deps, "prog", "/prog", &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "libone.so"));
	EXPECT_NE(NULL, strstr(self->err.text, "prog"));
}

/* A library without a soname is asked for by the path that it was linked by. */
TEST_F(compiled, needed_path)
{
	const struct elf_dep *dep;
	char path[PATH_MAX];

	ASSERT_EQ(0, sh("cc -shared -fPIC -o lib/libone.so one.c"));
	ASSERT_EQ(0, sh("cc -o prog main.c $PWD/lib/libone.so"));
	ASSERT_EQ(0, elf_deps_find(&self->deps, "prog", "/prog", &self->err))
		TH_LOG("%s", self->err.text);
	EXPECT_TRUE(same_as_loader(&self->deps, "./prog"));
	snprintf(path, sizeof(path), "%s/lib/libone.so", self->dir);
	dep = find_guest(&self->deps, path);
	ASSERT_NE(NULL, dep);
	EXPECT_STREQ(path, dep->host);
	elf_deps_free(&self->deps);

	ASSERT_EQ(0, sh("cc -o prog main.c ./lib/libone.so"));
	EXPECT_EQ(-ENOENT, elf_deps_find(&self->deps, "prog", "/prog", &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "\"./lib/libone.so\""));
}

/*
 * The guest has no ld.so.cache, so what only the cache knows has to be where
 * its loader looks by default: beside libc. The cache is replaced in a mount
 * namespace of this process.
 */
TEST_F(compiled, only_in_cache)
{
	const struct elf_dep *dep;
	char path[PATH_MAX], *name;
	int status;
	pid_t pid;
	size_t i;

	if (sh("PATH=$PATH:/sbin:/usr/sbin command -v ldconfig >/dev/null"))
		SKIP(return, "needs ldconfig (package libc-bin)");
	ASSERT_EQ(0, link_prog(""));
	ASSERT_EQ(0, sh("echo $PWD/lib >conf"));
	ASSERT_EQ(0, sh("PATH=$PATH:/sbin:/usr/sbin ldconfig -X -f conf -C cache"));
	if (unshare(CLONE_NEWNS) && unshare(CLONE_NEWUSER | CLONE_NEWNS))
		SKIP(return, "needs a mount namespace: root, or unprivileged user namespaces");
	ASSERT_EQ(0, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	ASSERT_EQ(0, mount("cache", "/etc/ld.so.cache", NULL, MS_BIND, NULL));

	ASSERT_EQ(0, elf_deps_find(&self->deps, "prog", "/prog", &self->err))
		TH_LOG("%s", self->err.text);
	EXPECT_TRUE(same_as_loader(&self->deps, "./prog"));
	for (i = 0; i < self->deps.nr; i++)
		if (strstr(self->deps.dep[i].guest, "/libc.so.6"))
			break;
	ASSERT_LT(i, self->deps.nr);
	snprintf(path, sizeof(path), "%s", self->deps.dep[i].guest);
	name = strrchr(path, '/');
	snprintf(name, path + sizeof(path) - name, "/libone.so");
	dep = find_guest(&self->deps, path);
	ASSERT_NE(NULL, dep);
	EXPECT_NE(NULL, strstr(dep->host, "/lib/libone.so"));

	/* A tree with just these files, and no cache, starts. */
	ASSERT_EQ(0, sh("mkdir root && cp prog root"));
	for (i = 0; i < self->deps.nr; i++) {
		dep = &self->deps.dep[i];
		ASSERT_EQ(0, sh("mkdir -p $(dirname root%s) && cp %s root%s",
				dep->guest, dep->host, dep->guest));
	}
	pid = fork();
	if (!pid) {
		alarm(20);
		if (!chroot("root") && !chdir("/"))
			execl("/prog", "prog", NULL);
		_exit(127);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* glibc aborts a thread's end if it cannot open what unwinds its stack. */
TEST_F(compiled, unwinder)
{
	if (access("/lib/x86_64-linux-gnu/libgcc_s.so.1", R_OK) &&
	    access("/lib64/libgcc_s.so.1", R_OK))
		SKIP(return, "needs libgcc_s.so.1 (package libgcc-s1)");
	ASSERT_EQ(0, link_prog("-Wl,--disable-new-dtags,-rpath,$PWD/lib"));
	ASSERT_EQ(0, elf_deps_find(&self->deps, "prog", "/prog", &self->err));
	EXPECT_EQ(0, count_unwinders(&self->deps));
	elf_deps_free(&self->deps);

	ASSERT_EQ(0, sh("echo '#include <pthread.h>' >one.c"));
	ASSERT_EQ(0, sh("echo 'int one(void) { pthread_exit(0); }' >>one.c"));
	ASSERT_EQ(0, link_lib("one", "-pthread"));
	ASSERT_EQ(0, elf_deps_find(&self->deps, "prog", "/prog", &self->err));
	EXPECT_EQ(1, count_unwinders(&self->deps));
}

TEST_F(compiled, static_programs)
{
	ASSERT_EQ(0, sh("echo 'void _start(void) { for (;;); }' >start.c"));
	ASSERT_EQ(0, sh("cc -nostdlib -static -o st start.c"));
	ASSERT_EQ(0, sh("cc -nostdlib -static-pie -fPIE -o pie start.c"));
	ASSERT_EQ(0, elf_deps_find(&self->deps, "st", "/st", &self->err));
	EXPECT_EQ(0, self->deps.nr);
	ASSERT_EQ(0, elf_deps_find(&self->deps, "pie", "/pie", &self->err));
	EXPECT_EQ(0, self->deps.nr);
}

TEST_F(compiled, scripts)
{
	static const char * const bad[] = { "#!", "#!\n", "#! \t\n", "#!bin/sh\n" };
	struct elf_deps sh_deps;
	char text[400] = "#!";
	size_t i;

	ASSERT_EQ(0, link_prog("-Wl,--disable-new-dtags,-rpath,'$ORIGIN/lib'"));
	ASSERT_EQ(0, sh("echo '#! /bin/sh -e' >s; echo \"#!$PWD/s\" >t; echo \"#!$PWD/u\" >u"));
	ASSERT_EQ(0, elf_deps_find(&sh_deps, "/bin/sh", "/bin/sh", &self->err));
	ASSERT_EQ(0, elf_deps_find(&self->deps, "t", "/t", &self->err))
		TH_LOG("%s", self->err.text);
	EXPECT_EQ(sh_deps.nr + 2, self->deps.nr);
	EXPECT_STREQ("/bin/sh", self->deps.dep[1].guest);
	EXPECT_STREQ(sh_deps.dep[0].guest, self->deps.dep[2].guest);
	elf_deps_free(&sh_deps);
	elf_deps_free(&self->deps);

	/* The kernel goes through five of them (exec_binprm()). */
	ASSERT_EQ(0, sh("i=0; while [ $i -lt 5 ]; do echo \"#!$PWD/$i\" >$((i += 1)); done"));
	ASSERT_EQ(0, sh("cp s 0; chmod +x [0-5]; ./4 && ! ./5 2>/dev/null"));
	EXPECT_EQ(0, elf_deps_find(&self->deps, "4", "/4", &self->err));
	elf_deps_free(&self->deps);
	EXPECT_EQ(-ELOOP, elf_deps_find(&self->deps, "5", "/5", &self->err));
	EXPECT_EQ(-ELOOP, elf_deps_find(&self->deps, "u", "/u", &self->err));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		write_file("bad", bad[i], strlen(bad[i]));
		EXPECT_EQ(-ENOEXEC, elf_deps_find(&self->deps, "bad", "/bad", &self->err))
			TH_LOG("%s", bad[i]);
	}
	/* The kernel reads 256 bytes (BINPRM_BUF_SIZE). */
	memset(text + 2, '/', sizeof(text) - 2);
	memcpy(text + 248, "/bin/sh\n", 8);
	write_file("fits", text, 256);
	ASSERT_EQ(0, sh("chmod +x fits; ./fits"));
	EXPECT_EQ(0, elf_deps_find(&self->deps, "fits", "/fits", &self->err));
	elf_deps_free(&self->deps);
	memcpy(text + 248, "//bin/sh\n", 9);
	write_file("bad", text, sizeof(text));
	EXPECT_EQ(-ENOEXEC, elf_deps_find(&self->deps, "bad", "/bad", &self->err));
	/* A file may end before its line does. */
	write_file("ends", "#!/bin/sh", 9);
	EXPECT_EQ(0, elf_deps_find(&self->deps, "ends", "/ends", &self->err));
}

TEST_F(compiled, no_programs)
{
	Elf64_Ehdr *eh;
	size_t len = 0;

	EXPECT_EQ(-ENOENT, elf_deps_find(&self->deps, "none", "/none", &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "none"));
	EXPECT_EQ(-EISDIR, elf_deps_find(&self->deps, "lib", "/lib", &self->err));
	EXPECT_EQ(-EINVAL, elf_deps_find(&self->deps, "/bin/sh", "sh", &self->err));
	write_file("f", "", 0);
	EXPECT_EQ(-ENOEXEC, elf_deps_find(&self->deps, "f", "/f", &self->err));
	ASSERT_EQ(0, sh("cc -c -o f main.c"));
	EXPECT_EQ(-ENOEXEC, elf_deps_find(&self->deps, "f", "/f", &self->err));
	ASSERT_EQ(0, link_prog("-Wl,--dynamic-linker=/no/such/ld.so"));
	EXPECT_EQ(-ENOENT, elf_deps_find(&self->deps, "prog", "/f", &self->err));
	EXPECT_NE(NULL, strstr(self->err.text, "/no/such/ld.so"));
	eh = read_file("prog", &len);
	ASSERT_NE(NULL, eh);
	eh->e_machine = EM_AARCH64;
	write_file("f", eh, len);
	EXPECT_EQ(-ENOEXEC, elf_deps_find(&self->deps, "f", "/f", &self->err));
	free(eh);
}

static unsigned int next_random(unsigned int *state)
{
	*state = *state * 1103515245 + 12345;
	return *state >> 8;
}

/* Damaged files give an answer or an error, and nothing else. */
TEST_F(compiled, damaged)
{
	unsigned int seed = 1, i, j, bad = 0;
	size_t len = 0, size;
	char *good, *data;
	int ret;

	ASSERT_EQ(0, link_prog("-s -Wl,--disable-new-dtags,-rpath,'$ORIGIN/lib'"));
	good = read_file("prog", &len);
	ASSERT_NE(NULL, good);
	data = malloc(len);
	for (i = 0; i < 4000; i++) {
		memcpy(data, good, len);
		size = i % 4 ? len : next_random(&seed) % len;
		for (j = next_random(&seed) % 8 + 1; j; j--) {
			/* Headers are in the first KiB, names soon after. */
			size_t range = j % 2 ? 1024 : j % 4 ? 4096 : len;

			data[next_random(&seed) % range] = next_random(&seed);
		}
		/* A new file: some file systems flush one that is truncated. */
		unlink("damaged");
		write_file("damaged", data, size);
		self->err.text[0] = '\0';
		ret = elf_deps_find(&self->deps, "damaged", "/damaged", &self->err);
		bad += ret < 0;
		ASSERT_EQ(ret < 0, self->err.text[0] != '\0');
		elf_deps_free(&self->deps);
	}
	/* The dynamic section and its strings, where they matter most */
	for (i = 0; i + 16 <= len; i += 8) {
		Elf64_Dyn dyn;

		memcpy(&dyn, good + i, sizeof(dyn));
		if (dyn.d_tag != DT_STRTAB && dyn.d_tag != DT_STRSZ &&
		    dyn.d_tag != DT_NEEDED && dyn.d_tag != DT_RPATH)
			continue;
		for (j = 0; j < 64; j++) {
			memcpy(data, good, len);
			dyn.d_un.d_val = (1ULL << j) - next_random(&seed) % 2;
			memcpy(data + i, &dyn, sizeof(dyn));
			unlink("damaged");
			write_file("damaged", data, len);
			bad += elf_deps_find(&self->deps, "damaged", "/damaged",
					     &self->err) < 0;
			elf_deps_free(&self->deps);
		}
	}
	EXPECT_GT(bad, 1000);
	free(data);
	free(good);
}

/* An ld.so.cache made by hand, in the format of glibc's dl-cache.h */
struct cache {
	struct {
		char magic[20];
		__u32 nlibs;
		__u32 len_strings;
		__u8 flags;
		__u8 pad[3];
		__u32 extension;
		__u32 unused[3];
	} header;
	struct {
		__u32 flags;
		__u32 key;
		__u32 value;
		__u32 osversion;
		__u64 hwcap;
	} lib[4];
	char strings[64];
};

#define STRING(offset)	(offsetof(struct cache, strings) + (offset))

static const struct cache good_cache = {
	.header = {
		.magic = "glibc-ld.so.cache1.1",
		.nlibs = 4,
		.len_strings = 64,
		.flags = 2,
	},
	.lib = {
		{ .flags = 0x0003, .key = STRING(0), .value = STRING(16) },
		{ .flags = 0x0303, .key = STRING(0), .value = STRING(24),
		  .hwcap = 1ULL << 62 },
		{ .flags = 0x0303, .key = STRING(0), .value = STRING(32) },
		{ .flags = 0x0303, .key = STRING(8), .value = STRING(40) },
	},
	.strings = "liba.so\0libb.so\0/32/a\0\0\0/v3/a\0\0\0/64/a\0\0\0/64/b",
};

TEST(cache_lookup)
{
	struct cache c = good_cache;

	EXPECT_STREQ("/64/a", ld_cache_lookup(&c, sizeof(c), "liba.so"));
	EXPECT_STREQ("/64/b", ld_cache_lookup(&c, sizeof(c), "libb.so"));
	EXPECT_EQ(NULL, ld_cache_lookup(&c, sizeof(c), "libc.so"));
	EXPECT_EQ(NULL, ld_cache_lookup(&c, sizeof(c), ""));
	EXPECT_EQ(NULL, ld_cache_lookup(NULL, 0, "liba.so"));

	c.lib[2].key = sizeof(c);
	EXPECT_EQ(NULL, ld_cache_lookup(&c, sizeof(c), "liba.so"));
	c = good_cache;
	c.lib[2].value = UINT_MAX;
	EXPECT_EQ(NULL, ld_cache_lookup(&c, sizeof(c), "liba.so"));
	c = good_cache;
	c.header.flags = 3;
	EXPECT_EQ(NULL, ld_cache_lookup(&c, sizeof(c), "liba.so"));
	c = good_cache;
	c.header.nlibs = UINT_MAX;
	EXPECT_EQ(NULL, ld_cache_lookup(&c, sizeof(c), "liba.so"));
	c = good_cache;
	c.header.magic[19] = '2';
	EXPECT_EQ(NULL, ld_cache_lookup(&c, sizeof(c), "liba.so"));
	c = good_cache;
	memset(c.strings + 40, 'x', sizeof(c.strings) - 40);
	EXPECT_EQ(NULL, ld_cache_lookup(&c, sizeof(c), "libb.so"));
}

/* Each allocation ends where the cache does, for ASan to see a step beyond. */
TEST(cache_damaged)
{
	unsigned int seed = 1, i, j, found = 0;

	for (i = 0; i < 20000; i++) {
		size_t size = i % 2 ? sizeof(good_cache) :
			      next_random(&seed) % (sizeof(good_cache) + 1);
		char *c = malloc(size ?: 1);
		const char *path;

		memcpy(c, &good_cache, size);
		for (j = next_random(&seed) % 8; size && j; j--)
			c[next_random(&seed) % size] = next_random(&seed);
		path = ld_cache_lookup(c, size, i % 3 ? "liba.so" : "libb.so");
		if (path) {
			ASSERT_GE(path, c);
			ASSERT_LT(path + strlen(path), c + size);
			found++;
		}
		free(c);
	}
	EXPECT_GT(found, 1000);
}

/* The system's own cache, as ldconfig(8) prints it */
TEST(cache_as_ldconfig)
{
	char line[PATH_MAX], last[PATH_MAX] = "", name[256], path[PATH_MAX];
	size_t size = 0;
	unsigned int nr = 0;
	FILE *list;
	void *cache;

	cache = read_file("/etc/ld.so.cache", &size);
	if (!cache)
		SKIP(return, "no /etc/ld.so.cache on this host");
	list = popen("PATH=$PATH:/sbin:/usr/sbin ldconfig -p", "re");
	ASSERT_NE(NULL, list);
	while (fgets(line, sizeof(line), list)) {
		/* Variants for some CPUs only have a "hwcap:" in the brackets. */
		if (sscanf(line, " %255s (libc6,x86-64) => %4095s", name, path) != 2 ||
		    !strcmp(name, last))
			continue;
		EXPECT_STREQ(path, ld_cache_lookup(cache, size, name));
		snprintf(last, sizeof(last), "%s", name);
		nr++;
	}
	pclose(list);
	EXPECT_GT(nr, 10);
	free(cache);
}

TEST_HARNESS_MAIN
