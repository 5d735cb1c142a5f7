// SPDX-License-Identifier: GPL-2.0
/*
 * What kind of host this is, and programs that really run on the emulated one,
 * through ktstr_emulated, which is beside this program.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kernel.h>
#include <linux/sizes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "emulated.h"
#include "host.h"
#include "harness.h"

/* Seconds. Idle machines need 5 for a start. */
#define RUN_TIMEOUT	180

#define WRAPPER_PREVENTED	125

static unsigned int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

/* -- host_classify() --------------------------------------------------------- */

TEST(by_hand)
{
	struct errmsg why;

	setenv("KTSTR_HOST", "native", 1);
	EXPECT_EQ(HOST_NATIVE, host_classify("/nonexistent", &why));
	EXPECT_STREQ("", why.text);

	setenv("KTSTR_HOST", "emulated", 1);
	EXPECT_EQ(HOST_EMULATE, host_classify("/nonexistent", &why));
	EXPECT_NE(NULL, strstr(why.text, "KTSTR_HOST=emulated"));

	setenv("KTSTR_HOST", "qemu", 1);
	EXPECT_EQ(-EINVAL, host_classify("/nonexistent", &why));
	EXPECT_EQ(ERRMSG_INPUT, why.kind);
	EXPECT_NE(NULL, strstr(why.text, "KTSTR_HOST=qemu"));
	EXPECT_NE(NULL, strstr(why.text, "native or emulated"));

	/* Empty is as good as unset. */
	setenv("KTSTR_HOST", "", 1);
	EXPECT_EQ(HOST_EMULATE, host_classify("/nonexistent", &why));
	EXPECT_NE(NULL, strstr(why.text, "/nonexistent"));
}

TEST(no_device)
{
	struct errmsg why;

	unsetenv("KTSTR_HOST");
	EXPECT_EQ(HOST_EMULATE, host_classify("/nonexistent/kvm", &why));
	EXPECT_EQ(ERRMSG_HOST, why.kind);
	EXPECT_NE(NULL, strstr(why.text, "/nonexistent/kvm: "));
	EXPECT_NE(NULL, strstr(why.text, "ENOENT"));
}

TEST(no_permission)
{
	char path[] = "/tmp/ktstr_host_XXXXXX";
	struct errmsg why;
	int fd;

	unsetenv("KTSTR_HOST");
	fd = mkstemp(path);
	ASSERT_LE(0, fd);
	close(fd);
	EXPECT_EQ(0, chmod(path, 0));
	/* root may open anything */
	if (!geteuid())
		EXPECT_EQ(0, seteuid(65534));
	EXPECT_EQ(HOST_EMULATE, host_classify(path, &why));
	EXPECT_EQ(ERRMSG_HOST, why.kind);
	EXPECT_NE(NULL, strstr(why.text, "EACCES"));
	EXPECT_NE(NULL, strstr(why.text, "group kvm"));
	if (!getuid())
		EXPECT_EQ(0, seteuid(0));
	unlink(path);
}

TEST(no_kvm_device)
{
	char path[] = "/tmp/ktstr_host_XXXXXX";
	struct errmsg why;
	unsigned int fds;
	int fd;

	unsetenv("KTSTR_HOST");
	fd = mkstemp(path);
	ASSERT_LE(0, fd);
	close(fd);
	fds = count_fds();
	EXPECT_EQ(HOST_EMULATE, host_classify(path, &why));
	EXPECT_EQ(fds, count_fds());
	EXPECT_NE(NULL, strstr(why.text, "ENOTTY"));
	unlink(path);
}

/* What KVM needs to run guest code directly */
static bool cpu_has_vmx_or_svm(void)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	bool found = false;
	char line[8192];

	while (f && !found && fgets(line, sizeof(line), f))
		found = !strncmp(line, "flags", 5) &&
			(strstr(line, " vmx") || strstr(line, " svm"));
	if (f)
		fclose(f);
	return found;
}

/* Runs on the emulated host, too, where the answer is known. */
TEST(probe)
{
	const char *expected = getenv("KTSTR_TEST_EXPECTED_HOST");
	u64 start = clock_ns();
	sigset_t before, after;
	struct errmsg why;
	unsigned int fds;
	int ret, sig;

	unsetenv("KTSTR_HOST");
	fds = count_fds();
	sigprocmask(SIG_SETMASK, NULL, &before);
	ret = host_classify(HOST_KVM, &why);
	EXPECT_GT(PATIENCE_NS, clock_ns() - start);

	if (expected) {
		EXPECT_STREQ("native", expected);
		EXPECT_EQ(HOST_NATIVE, ret);
	}
	if (ret == HOST_NATIVE) {
		EXPECT_STREQ("", why.text);
		EXPECT_TRUE(cpu_has_vmx_or_svm());
	} else {
		EXPECT_EQ(HOST_EMULATE, ret);
		EXPECT_EQ(0, strncmp(HOST_KVM ": ", why.text, strlen(HOST_KVM ": ")));
		EXPECT_LT(strlen(HOST_KVM ": "), strlen(why.text));
	}
	EXPECT_EQ(NULL, strstr(why.text, "does not end")) {
		TH_LOG("%s", why.text);
	}

	EXPECT_EQ(fds, count_fds());
	sigprocmask(SIG_SETMASK, NULL, &after);
	for (sig = 1; sig <= SIGRTMAX; sig++)
		EXPECT_EQ(sigismember(&before, sig), sigismember(&after, sig));
	sigpending(&after);
	EXPECT_TRUE(sigisemptyset(&after));
}

/* -- the emulated host -------------------------------------------------------- */

/* A run of ktstr_emulated; its output goes into files in memory or to a pipe. */
struct emulated_process {
	pid_t pid;
	int out;
	int err;
};

FIXTURE(emulated) {
	char beside[PATH_MAX - 64];	/* directory of this program */
	char dir[64];			/* for this test's files */
	bool missing;			/* something is, so there is nothing to test */
	struct emulated_process p;
	char *out;
	size_t out_len;
	char err[SZ_16K];
};

static void start_in(struct emulated_process *p, const char *beside, int out,
		     const char *const argv[])
{
	const char *args[16] = { "ktstr_emulated" };
	char path[PATH_MAX];
	size_t i;

	for (i = 0; argv[i] && i < ARRAY_SIZE(args) - 2; i++)
		args[i + 1] = argv[i];
	snprintf(path, sizeof(path), "%s/ktstr_emulated", beside);
	p->out = out < 0 ? memfd_create("out", MFD_CLOEXEC) : -1;
	p->err = memfd_create("err", MFD_CLOEXEC);
	p->pid = fork();
	if (p->pid)
		return;
	dup2(out < 0 ? p->out : out, STDOUT_FILENO);
	dup2(p->err, STDERR_FILENO);
	execv(path, (char **)args);
	_exit(WRAPPER_PREVENTED);
}

/* The wait status; what was written is in @self->out and @self->err. */
static int finish(struct _test_data_emulated *self, struct emulated_process *p)
{
	struct stat st = { 0 };
	int wstatus = -1;
	char *again;
	ssize_t n;

	waitpid(p->pid, &wstatus, 0);
	n = pread(p->err, self->err, sizeof(self->err) - 1, 0);
	self->err[n < 0 ? 0 : n] = '\0';
	/* A start that was tried again has said so, after the host's console. */
	again = strstr(self->err, ": once more\n");
	if (again)
		memmove(self->err, again + strlen(": once more\n"),
			strlen(again) - strlen(": once more\n") + 1);
	free(self->out);
	self->out = NULL;
	self->out_len = 0;
	if (p->out >= 0 && !fstat(p->out, &st)) {
		self->out = calloc(1, st.st_size + 1);
		n = pread(p->out, self->out, st.st_size, 0);
		self->out_len = n < 0 ? 0 : n;
		close(p->out);
	}
	close(p->err);
	p->pid = 0;
	return wstatus;
}

static int run(struct _test_data_emulated *self, const char *const argv[])
{
	int wstatus;

	start_in(&self->p, self->beside, -1, argv);
	wstatus = finish(self, &self->p);
	return WIFEXITED(wstatus) ? WEXITSTATUS(wstatus) : -1;
}

#define RUN(...) run(self, (const char *const []) { __VA_ARGS__, NULL })

/*
 * After status 4, which no program here has itself: what this host lacks, as
 * the wrapper says in one line.
 */
static const char *lacking(struct _test_data_emulated *self)
{
	self->err[strcspn(self->err, "\n")] = '\0';
	return self->err;
}

FIXTURE_SETUP(emulated)
{
	static const char * const programs[] = { "ktstr_emulated", "ktstr_host_init" };
	char path[PATH_MAX];
	size_t i;

	ASSERT_LT(0, readlink("/proc/self/exe", self->beside, sizeof(self->beside) - 1));
	*strrchr(self->beside, '/') = '\0';
	for (i = 0; i < ARRAY_SIZE(programs); i++) {
		snprintf(path, sizeof(path), "%s/%s", self->beside, programs[i]);
		ASSERT_EQ(0, access(path, X_OK)) {
			TH_LOG("%s was not built", path);
		}
	}
	unsetenv("KTSTR_RESULTS");
	setenv("KTSTR_HOST_MEMORY", "1024", 1);
	/* The comma is special to QEMU. */
	snprintf(self->dir, sizeof(self->dir), "/tmp/ktstr_host,XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
}

FIXTURE_TEARDOWN(emulated)
{
	pid_t pid = fork();

	if (!pid) {
		execl("/bin/rm", "rm", "-rf", self->dir, NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	free(self->out);
}

TEST_F_TIMEOUT(emulated, streams_and_status, RUN_TIMEOUT)
{
	static const char script[] =
		"printf '<%s>' \"$@\" \"$KTSTR_FOO\" \"$OTHER_FOO\" \"$KTSTR_HOST\";"
		"echo \"$" ENV_HOST_AGAIN "\"; pwd; echo err >/dev/stderr; cat; exit 7";
	int status;

	setenv("KTSTR_FOO", "foo", 1);
	setenv("OTHER_FOO", "foo", 1);
	ASSERT_EQ(0, chdir(self->dir));
	status = RUN("sh", "-c", script, "sh", "", "a  b", "x\ny");
	if (status == KSFT_SKIP)
		SKIP(return, "%.900s", lacking(self));
	EXPECT_EQ(7, status);
	EXPECT_STREQ("err\n", self->err);
	ASSERT_NE(NULL, strstr(self->out, self->dir));
	*strstr(self->out, self->dir) = '\0';
	EXPECT_STREQ("<><a  b><x\ny><foo><><native>emulated\n", self->out);
}

TEST_F_TIMEOUT(emulated, binary_output_and_signal, RUN_TIMEOUT)
{
	u32 seed = 1, data[SZ_1M / sizeof(u32)];
	char path[PATH_MAX];
	int fd, status;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(data); i++) {
		data[i] = seed;
		seed = seed * 1664525 + 1013904223;
	}
	snprintf(path, sizeof(path), "%s/data", self->dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ASSERT_EQ(SZ_1M, write(fd, data, SZ_1M));
	close(fd);

	status = RUN("sh", "-c", "cat \"$0\"; kill -SEGV $$", path);
	if (status == KSFT_SKIP)
		SKIP(return, "%.900s", lacking(self));
	EXPECT_EQ(128 + SIGSEGV, status);
	ASSERT_EQ(SZ_1M, self->out_len);
	EXPECT_EQ(0, memcmp(data, self->out, SZ_1M));
	EXPECT_STREQ("", self->err);
}

/* Of the files of this host only the directory for results can be changed. */
TEST_F_TIMEOUT(emulated, results, RUN_TIMEOUT)
{
	char path[PATH_MAX], text[16] = "";
	int fd, status;

	setenv("KTSTR_RESULTS", self->dir, 1);
	status = RUN("sh", "-c",
		     "echo result >\"$KTSTR_RESULTS/file\" || exit 1;"
		     "echo x >\"$TMPDIR/file\" || exit 2;"
		     "touch \"$0\" 2>/dev/null && exit 3; exit 0", self->beside);
	if (status == KSFT_SKIP)
		SKIP(return, "%.900s", lacking(self));
	EXPECT_EQ(0, status) {
		TH_LOG("%s", self->err);
	}
	snprintf(path, sizeof(path), "%s/file", self->dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	EXPECT_EQ(7, read(fd, text, sizeof(text) - 1));
	EXPECT_STREQ("result\n", text);
	close(fd);
}

/* The emulated host's KVM runs guests directly: this program's probe says so. */
TEST_F_TIMEOUT(emulated, probe_inside, RUN_TIMEOUT)
{
	char path[PATH_MAX];
	int status;

	setenv("KTSTR_TEST_EXPECTED_HOST", "native", 1);
	ASSERT_NE(NULL, realpath("/proc/self/exe", path));
	status = RUN(path, "-t", "probe");
	if (status == KSFT_SKIP)
		SKIP(return, "%.900s", lacking(self));
	EXPECT_EQ(0, status) {
		TH_LOG("%s%s", self->out, self->err);
	}
	EXPECT_NE(NULL, strstr(self->out, "pass:1 "));
}

TEST_F_TIMEOUT(emulated, two_at_once, RUN_TIMEOUT)
{
	const char *const argv[][4] = {
		{ "sh", "-c", "echo 1; exit 1" }, { "sh", "-c", "echo 2; exit 2" },
	};
	struct emulated_process p[2];
	int wstatus[2];

	start_in(&p[0], self->beside, -1, argv[0]);
	start_in(&p[1], self->beside, -1, argv[1]);
	wstatus[0] = finish(self, &p[0]);
	EXPECT_TRUE(WIFEXITED(wstatus[0]));
	if (WEXITSTATUS(wstatus[0]) != KSFT_SKIP)
		EXPECT_STREQ("1\n", self->out);
	wstatus[1] = finish(self, &p[1]);
	if (WEXITSTATUS(wstatus[1]) == KSFT_SKIP)
		SKIP(return, "%.900s", lacking(self));
	EXPECT_STREQ("2\n", self->out);
	EXPECT_EQ(1, WEXITSTATUS(wstatus[0]));
	EXPECT_EQ(2, WEXITSTATUS(wstatus[1]));
}

/* -- ends before the end --------------------------------------------------------- */

/* The only child of a process, or 0 */
static pid_t child_of(pid_t parent)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char path[300], text[256];
	pid_t found = 0, ppid;
	ssize_t n;
	int fd;

	while (proc && !found && (entry = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
		text[n < 0 ? 0 : n] = '\0';
		/* proc_pid_stat(5): the name in parentheses may have any character */
		if (strrchr(text, ')') &&
		    sscanf(strrchr(text, ')'), ") %*c %d", &ppid) == 1 && ppid == parent)
			found = atoi(entry->d_name);
	}
	if (proc)
		closedir(proc);
	return found;
}

static bool gone_soon(pid_t pid)
{
	return wait_until(kill(pid, 0)) && errno == ESRCH;
}

/* Nothing is left, whether the wrapper can see the signal or not. */
static void kill_midway(struct __test_metadata *_metadata,
			struct _test_data_emulated *self, int sig)
{
	const char *const argv[] = { "sh", "-c", "echo ready; exec sleep 1000", NULL };
	char ready[8] = "";
	int wstatus, out[2];
	pid_t qemu;

	signal(sig, SIG_DFL);
	ASSERT_EQ(0, pipe2(out, O_CLOEXEC));
	start_in(&self->p, self->beside, out[1], argv);
	close(out[1]);
	if (read(out[0], ready, sizeof(ready)) <= 0) {
		wstatus = finish(self, &self->p);
		if (WEXITSTATUS(wstatus) == KSFT_SKIP)
			SKIP(return, "%.900s", lacking(self));
	}
	ASSERT_STREQ("ready\n", ready) {
		TH_LOG("%s", self->err);
	}
	qemu = child_of(self->p.pid);
	ASSERT_LT(0, qemu);

	kill(self->p.pid, sig);
	wstatus = finish(self, &self->p);
	EXPECT_TRUE(WIFSIGNALED(wstatus));
	EXPECT_EQ(sig, WTERMSIG(wstatus));
	EXPECT_TRUE(gone_soon(qemu));
	EXPECT_STREQ("", self->err);
	close(out[0]);
}

TEST_F_TIMEOUT(emulated, sigterm, RUN_TIMEOUT)
{
	kill_midway(_metadata, self, SIGTERM);
}

TEST_F_TIMEOUT(emulated, sigint, RUN_TIMEOUT)
{
	kill_midway(_metadata, self, SIGINT);
}

TEST_F_TIMEOUT(emulated, sigkill, RUN_TIMEOUT)
{
	kill_midway(_metadata, self, SIGKILL);
}

/* -- what may be missing or wrong ---------------------------------------------------- */

TEST_F(emulated, no_image)
{
	setenv("KTSTR_EMULATED_HOST", self->dir, 1);
	EXPECT_EQ(KSFT_SKIP, RUN("true"));
	EXPECT_NE(NULL, strstr(self->err, "emulated-host.sh"));
	EXPECT_NE(NULL, strstr(self->err, self->dir));
	EXPECT_NE(NULL, strstr(self->err, "ENOENT"));
}

TEST_F(emulated, empty_is_as_good_as_unset)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/.cache/ktstr/host/modules", self->dir);
	setenv("KTSTR_EMULATED_HOST", "", 1);
	setenv("KTSTR_CACHE", "", 1);
	setenv("HOME", self->dir, 1);
	EXPECT_EQ(KSFT_SKIP, RUN("true"));
	EXPECT_NE(NULL, strstr(self->err, path)) {
		TH_LOG("%s", self->err);
	}
}

/* Neither QEMU nor a kernel is started for these, so an empty list will do. */
static void make_image(struct _test_data_emulated *self)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/modules", self->dir);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	setenv("KTSTR_EMULATED_HOST", self->dir, 1);
}

TEST_F(emulated, no_qemu)
{
	make_image(self);
	setenv("PATH", self->dir, 1);
	setenv("KTSTR_HOST_MEMORY", "", 1);
	EXPECT_EQ(KSFT_SKIP, RUN("/bin/true"));
	EXPECT_NE(NULL, strstr(self->err, "qemu-system-x86_64"));
	EXPECT_NE(NULL, strstr(self->err, "install"));
}

TEST_F(emulated, bad_settings)
{
	static const char * const sizes[] = {
		"0", "lots", "-4096", "4096M", "99999999", "99999999999999999999",
	};
	size_t i;

	make_image(self);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		setenv("KTSTR_HOST_MEMORY", sizes[i], 1);
		EXPECT_EQ(WRAPPER_PREVENTED, RUN("true"));
		EXPECT_NE(NULL, strstr(self->err, "KTSTR_HOST_MEMORY="));
	}
	unsetenv("KTSTR_HOST_MEMORY");

	setenv("KTSTR_RESULTS", "/nonexistent/dir", 1);
	EXPECT_EQ(WRAPPER_PREVENTED, RUN("true"));
	EXPECT_NE(NULL, strstr(self->err, "KTSTR_RESULTS=/nonexistent/dir"));
	setenv("KTSTR_RESULTS", "/proc/self/exe", 1);
	EXPECT_EQ(WRAPPER_PREVENTED, RUN("true"));
	EXPECT_NE(NULL, strstr(self->err, "ENOTDIR"));

	EXPECT_EQ(WRAPPER_PREVENTED, RUN("/nonexistent/program"));
	EXPECT_NE(NULL, strstr(self->err, "/nonexistent/program"));
}

/*
 * Gets all of the CPU there, and keeps it: real-time tasks have to leave some to others
 * by default, and so does the kernel's fair server, where there is one (6.12).
 */
#define HOG \
	"echo -1 >/proc/sys/kernel/sched_rt_runtime_us;" \
	"mount -t debugfs none /sys/kernel/debug;" \
	"for f in /sys/kernel/debug/sched/fair_server/cpu*/runtime; do" \
	"	[ ! -f $f ] || echo 0 >$f;" \
	"done;" \
	"chrt -p -f 1 $$ || exit 9;"

#define HOG_SECONDS	4

/* QEMU may lose an interrupt; that there is another one must not depend on PID 1. */
TEST_F_TIMEOUT(emulated, nudged_while_nobody_reads, RUN_TIMEOUT)
{
	static const char script[] = HOG
		"count() {"
		"	while read irq n rest; do\n"
		"		case $rest in *virtio0-virtqueues) nudges=$n;; esac;"
		"	done </proc/interrupts;"
		"};"
		"seconds() { read now rest </proc/uptime; now=${now%.*}; };"
		"count; before=$nudges; seconds; end=$((now + $1 + 1));"
		"while [ $now -lt $end ]; do seconds; done;"
		"count; echo $((nudges - before))";
	char seconds[16];
	int status;

	snprintf(seconds, sizeof(seconds), "%d", HOG_SECONDS);
	status = RUN("sh", "-c", script, "sh", seconds);
	if (status == KSFT_SKIP)
		SKIP(return, "%.900s", lacking(self));
	ASSERT_EQ(0, status) {
		TH_LOG("%s", self->err);
	}
	/* Ten a second, if this host lets us send as many */
	EXPECT_LE(HOG_SECONDS * 6, atoi(self->out));
}

/* Whatever makes it hang, it is not waited for until somebody loses patience. */
TEST_F_TIMEOUT(emulated, hangs, RUN_TIMEOUT)
{
	int status = RUN("sh", "-c", HOG "while :; do :; done");

	if (status == KSFT_SKIP)
		SKIP(return, "%.900s", lacking(self));
	EXPECT_EQ(WRAPPER_PREVENTED, status);
	EXPECT_NE(NULL, strstr(self->err, "the emulated host hangs")) {
		TH_LOG("%s", self->err);
	}
}

/* One that does not come up: what its PID 1 said is shown. */
TEST_F_TIMEOUT(emulated, console_is_shown, RUN_TIMEOUT)
{
	const char *image = getenv("KTSTR_EMULATED_HOST");
	const char *cache = getenv("KTSTR_CACHE");
	char from[PATH_MAX], to[PATH_MAX];
	int status;

	if (image)
		snprintf(from, sizeof(from), "%s/kernel", image);
	else if (cache)
		snprintf(from, sizeof(from), "%s/host/kernel", cache);
	else
		snprintf(from, sizeof(from), "%s/.cache/ktstr/host/kernel", getenv("HOME"));
	if (access(from, R_OK))
		SKIP(return, "no kernel for the emulated host: %.900s", from);

	make_image(self);
	snprintf(to, sizeof(to), "%s/kernel", self->dir);
	ASSERT_EQ(0, symlink(from, to));
	status = RUN("true");
	if (status == KSFT_SKIP)
		SKIP(return, "%.900s", lacking(self));
	EXPECT_EQ(WRAPPER_PREVENTED, status);
	EXPECT_NE(NULL, strstr(self->err, "# emulated host: ktstr_host_init: mount 9p")) {
		TH_LOG("%s", self->err);
	}
}

TEST_HARNESS_MAIN
