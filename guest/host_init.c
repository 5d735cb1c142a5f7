// SPDX-License-Identifier: GPL-2.0
/*
 * PID 1 of the emulated host (emulated.h): loads modules, makes the files of
 * the real host its own, runs one program there and sends its output and exit
 * status home. See emulated_proto.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "emulated_proto.h"

/* The port appears once the device has been asked for its ports. */
#define PORT_TRIES	10000
#define PORT_TRY_US	1000

#define OPTIONS_9P	"trans=virtio,version=9p2000.L,msize=512000"

struct job {
	const char *program;
	const char *cwd;
	const char *results;
	char **argv;
	char **env;
};

static int port = -1;

/* Standard error is the kernel's console, whose end the real host shows. */
static void __noreturn __printf(1, 2) die(const char *fmt, ...)
{
	const char *why = strerror(errno);
	va_list ap;

	fprintf(stderr, "ktstr_host_init: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, ": %s\n", why);
	reboot(RB_POWER_OFF);
	_exit(EXIT_FAILURE);
}

static void mount_or_die(const char *source, const char *target,
			 const char *type, unsigned long flags, const char *options)
{
	if (mount(source, target, type, flags, options))
		die("mount %s at %s", type, target);
}

static void load_modules(void)
{
	FILE *list = fopen(EMULATED_MODULES, "re");
	char name[256];
	int fd;

	if (!list)
		die("open %s", EMULATED_MODULES);
	while (fscanf(list, "%255s", name) == 1) {
		fd = open(name, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			die("open module %s", name);
		if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)
			die("load module %s", name);
		close(fd);
	}
	fclose(list);
}

static void open_port(void)
{
	unsigned int i;

	for (i = 0; i < PORT_TRIES; i++) {
		port = open(EMULATED_PORT, O_RDWR | O_CLOEXEC);
		if (port >= 0)
			return;
		usleep(PORT_TRY_US);
	}
	die("open %s", EMULATED_PORT);
}

static void write_all(int fd, const void *data, size_t len)
{
	const char *p = data;
	ssize_t n;

	while (len) {
		n = write(fd, p, len);
		if (n < 0 && errno != EINTR)
			die("write to the real host");
		if (n > 0) {
			p += n;
			len -= n;
		}
	}
}

static void send_frame(enum emulated_frame_type type, const void *data, size_t len)
{
	char buf[sizeof(struct emulated_frame) + EMULATED_MAX_PAYLOAD];
	struct emulated_frame frame = { .type = type, .len = len };

	memcpy(buf, &frame, sizeof(frame));
	if (len)
		memcpy(buf + sizeof(frame), data, len);
	write_all(port, buf, sizeof(frame) + len);
}

/* The strings stay in memory to the end, as the initramfs does not. */
static char *read_job(char **end)
{
	struct stat st;
	char *text;
	FILE *f = fopen(EMULATED_JOB, "re");

	if (!f || fstat(fileno(f), &st))
		die("open %s", EMULATED_JOB);
	text = malloc(st.st_size + 1);
	if (!text)
		die("memory for %s", EMULATED_JOB);
	if (fread(text, 1, st.st_size, f) != (size_t)st.st_size)
		die("read %s", EMULATED_JOB);
	text[st.st_size] = '\0';
	*end = text + st.st_size;
	fclose(f);
	return text;
}

static char *next_string(char **at, char *end)
{
	char *s = *at;

	if (s >= end)
		return NULL;
	*at += strlen(s) + 1;
	return s;
}

static void parse_job(struct job *job)
{
	char *end, *s, *at = read_job(&end);
	size_t argc, nr = 0;
	char **strings;

	job->program = next_string(&at, end);
	job->cwd = next_string(&at, end);
	job->results = next_string(&at, end);
	s = next_string(&at, end);
	argc = s ? strtoul(s, NULL, 10) : 0;

	/* No more strings than bytes, and a NULL behind each of two arrays */
	strings = calloc(end - at + argc + 2, sizeof(*strings));
	if (!argc || !strings)
		die("parse %s", EMULATED_JOB);
	job->argv = strings;
	while (nr < argc)
		strings[nr++] = next_string(&at, end);
	job->env = strings + ++nr;
	while ((s = next_string(&at, end)))
		strings[nr++] = s;
}

/*
 * Nothing on the real host is expected to change while the program runs, and
 * nothing can be written: let the page cache keep all that was read.
 */
static void enter_real_root(void)
{
	static const char *const links[][2] = {
		{ "/proc/self/fd", "/root/dev/fd" },
		{ "/proc/self/fd/0", "/root/dev/stdin" },
		{ "/proc/self/fd/1", "/root/dev/stdout" },
		{ "/proc/self/fd/2", "/root/dev/stderr" },
	};
	size_t i;

	mkdir("/root", 0755);
	mount_or_die(EMULATED_TAG_ROOT, "/root", "9p", MS_RDONLY,
		     OPTIONS_9P ",cache=loose");
	mount_or_die("proc", "/root/proc", "proc", 0, NULL);
	mount_or_die("sysfs", "/root/sys", "sysfs", 0, NULL);
	mount_or_die("devtmpfs", "/root/dev", "devtmpfs", 0, NULL);
	mkdir("/root/dev/shm", 01777);
	mount_or_die("tmpfs", "/root/dev/shm", "tmpfs", 0, "mode=1777");
	mkdir("/root/dev/pts", 0755);
	mount_or_die("devpts", "/root/dev/pts", "devpts", 0, "ptmxmode=0666");
	for (i = 0; i < ARRAY_SIZE(links); i++)
		if (symlink(links[i][0], links[i][1]))
			die("symlink %s", links[i][1]);

	if (chdir("/root"))
		die("chdir /root");
	mount_or_die(".", "/", NULL, MS_MOVE, NULL);
	if (chroot("."))
		die("chroot");
}

static void mount_results(const char *dir)
{
	if (!*dir)
		return;
	mkdir(dir, 0755);
	mount_or_die(EMULATED_TAG_RESULTS, dir, "9p", 0, OPTIONS_9P ",cache=none");
}

static void __noreturn exec_job(const struct job *job, int out, int err)
{
	sigset_t none;
	int null = open("/dev/null", O_RDONLY);

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	if (null > STDERR_FILENO)
		close(null);
	if (chdir(job->cwd)) {
		fprintf(stderr, "ktstr: the emulated host has no directory %s: %s\n",
			job->cwd, strerror(errno));
		_exit(126);
	}
	execve(job->program, job->argv, job->env);
	fprintf(stderr, "ktstr: the emulated host cannot run %s: %s\n",
		job->program, strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* Returns false at the end of file. */
static bool relay(int fd, enum emulated_frame_type type)
{
	char buf[EMULATED_MAX_PAYLOAD];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n > 0)
		send_frame(type, buf, n);
	return n > 0;
}

/* Returns true once @pid has ended; all orphans are PID 1's to reap. */
static bool reap(pid_t pid, int *wstatus)
{
	bool ended = false;
	int status;
	pid_t p;

	while ((p = waitpid(-1, &status, WNOHANG)) > 0) {
		if (p != pid)
			continue;
		*wstatus = status;
		ended = true;
	}
	return ended;
}

/* Return: whether the port is still there. */
static bool note_denied(void)
{
	static char buf[sizeof(__u64)];
	static size_t len;
	static int fd = -1;
	ssize_t ret;

	ret = read(port, buf + len, sizeof(buf) - len);
	if (ret <= 0)
		return false;
	len += ret;
	if (len < sizeof(buf))
		return true;
	len = 0;
	if (fd < 0)
		fd = open(EMULATED_DENIED, O_WRONLY | O_CREAT | O_CLOEXEC, 0444);
	/* Who wants to know has to do without it. */
	if (fd >= 0 && pwrite(fd, buf, sizeof(buf), 0) < 0)
		perror("ktstr_host_init: " EMULATED_DENIED);
	return true;
}

static __u32 run_job(const struct job *job)
{
	struct signalfd_siginfo info;
	struct pollfd fds[4];
	int out[2], err[2], children, wstatus = 0;
	bool ended = false;
	sigset_t set;
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	children = signalfd(-1, &set, SFD_CLOEXEC);
	if (children < 0 || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		die("pipes");

	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid)
		exec_job(job, out[1], err[1]);
	close(out[1]);
	close(err[1]);

	fds[0] = (struct pollfd) { .fd = out[0], .events = POLLIN };
	fds[1] = (struct pollfd) { .fd = err[0], .events = POLLIN };
	fds[2] = (struct pollfd) { .fd = children, .events = POLLIN };
	fds[3] = (struct pollfd) { .fd = port, .events = POLLIN };
	while (!ended) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			die("poll");
		/* poll() passes over what was closed and set to -1 */
		if (fds[0].revents && !relay(fds[0].fd, EMULATED_STDOUT))
			fds[0].fd = -1;
		if (fds[1].revents && !relay(fds[1].fd, EMULATED_STDERR))
			fds[1].fd = -1;
		if (fds[2].revents && read(children, &info, sizeof(info)) > 0)
			ended = reap(pid, &wstatus);
		if (fds[3].revents && !note_denied())
			fds[3].fd = -1;
	}

	/* What it left running would end with this host anyway. */
	kill(-1, SIGKILL);
	while (relay(out[0], EMULATED_STDOUT))
		;
	while (relay(err[0], EMULATED_STDERR))
		;
	return WIFSIGNALED(wstatus) ? 128 + WTERMSIG(wstatus) : WEXITSTATUS(wstatus);
}

int main(void)
{
	struct job job = { 0 };
	__u32 status;

	mount_or_die("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	load_modules();
	open_port();
	parse_job(&job);
	enter_real_root();
	mount_results(job.results);

	send_frame(EMULATED_HELLO, NULL, 0);
	status = run_job(&job);
	send_frame(EMULATED_EXIT, &status, sizeof(status));
	reboot(RB_POWER_OFF);
	return EXIT_FAILURE;
}
