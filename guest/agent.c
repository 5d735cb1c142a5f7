// SPDX-License-Identifier: GPL-2.0
/*
 * The agent's life: what PID 1 has to set up, and the loop. The host waits for
 * the first frame with a stopwatch, and each system call and page fault is slow
 * in an emulated guest, so that only what the first frame needs comes before it.
 *
 * "ktstr_agent --fd N" does the same over a socket, as an ordinary process that
 * sets nothing up. "ktstr_agent --bulk FILE" is what the agent runs to send a
 * file of any size.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/kernel.h>

#include "agent.h"
#include "clock.h"
#include "kthreads.h"
#include "worker.h"

struct agent_options agent_options = {
	.scx_dir = "/sys/kernel/sched_ext",
	.kmsg = "/dev/kmsg",
};

bool is_init;

static void complain(const char *fmt, va_list ap)
{
	char text[512];
	int n;

	vsnprintf(text, sizeof(text), fmt, ap);
	n = dprintf(STDERR_FILENO, "ktstr_agent: %s\n", text);
	(void)n;
}

void warn_user(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(fmt, ap);
	va_end(ap);
}

static void kill_children(void)
{
	program_kill();
	sched_kill();
	group_kill();
}

/* The end of PID 1 is a panic, which the VMM sees, with this on the console. */
void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(fmt, ap);
	va_end(ap);
	kill_children();
	exit(1);
}

struct mount {
	const char *type;
	const char *dir;
};

static const struct mount first_mounts[] = {
	{ "sysfs", "/sys" },		/* says which port is ours */
	{ "devtmpfs", "/dev" },		/* has it */
};

static const struct mount other_mounts[] = {
	{ "proc", "/proc" },
	{ "cgroup2", WIRE_CGROUPS },
	{ "tmpfs", "/tmp" },
	{ "tmpfs", "/run" },
	{ "debugfs", "/sys/kernel/debug" },
};

static void mount_all(const struct mount *mounts, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		mkdir(mounts[i].dir, 0755);
		/* EBUSY: the kernel has mounted it already. */
		if (mount(mounts[i].type, mounts[i].dir, mounts[i].type, 0, NULL) &&
		    errno != EBUSY)
			warn_user("mount %s: %s", mounts[i].dir, strerror(errno));
	}
}

/* Without a console in the initramfs, init begins with no open files. */
static void open_console(void)
{
	int fd;

	if (fcntl(STDERR_FILENO, F_GETFD) >= 0)
		return;
	do {
		fd = open("/dev/console", O_RDWR | O_NOCTTY);
		if (fd < 0)
			fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd < STDERR_FILENO);
}

static u64 uptime_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* The monitor has the kernel start with one CPU where the host is short of them. */
void online_cpus(void)
{
	char path[PATH_MAX];
	int cpu, fd;

	for (cpu = 1;; cpu++) {
		snprintf(path, sizeof(path), "%s/sys/devices/system/cpu/cpu%d",
			 agent_options.root, cpu);
		if (access(path, F_OK))
			return;
		strcat(path, "/online");
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (write(fd, "1", 1) < 0)
			fprintf(stderr, "ktstr_agent: CPU %d: %s\n", cpu, strerror(errno));
		close(fd);
	}
}

static void say_hello(void)
{
	struct wire_hello hello = { .version = WIRE_VERSION };
	struct utsname uts;

	uname(&uts);
	hello.release = uts.release;
	hello.nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	/* In this order: it is never up for less than its clock says. */
	hello.monotonic_ns = clock_ns();
	hello.uptime_ns = uptime_ns();
	wire_put_hello(out_begin(WIRE_HELLO, 0), &hello);
	out_end();
	out_flush();
}

static void enable_controllers(void)
{
	static const char want[] = "+cpuset +cpu";
	int fd = open(WIRE_CGROUPS "/cgroup.subtree_control", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, want, strlen(want)) < 0)
		warn_user("enable the cpuset and cpu controllers: %s",
			  strerror(errno));
	if (fd >= 0)
		close(fd);
}

/*
 * A BPF scheduler is given all tasks of SCHED_OTHER, and a bad one may never run
 * some of them. The agent has to run to say so, hence it is of a class above
 * sched_ext, and above all workers of that class, too. What it starts is not:
 * that is what the scheduler is tested with.
 */
void leave_sched_ext(void)
{
	struct sched_param param = { .sched_priority = WIRE_MAX_PRIORITY + 1 };

	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param))
		warn_user("become SCHED_FIFO: %s", strerror(errno));
}

/* Maps of BPF schedulers count as locked memory in older kernels. */
static void raise_memlock(void)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };

	if (setrlimit(RLIMIT_MEMLOCK, &unlimited))
		warn_user("raise RLIMIT_MEMLOCK: %s", strerror(errno));
}

static void power_off(u32 seq)
{
	out_done(seq, 0, "ok");
	out_flush();
	kill_children();
	if (!is_init)
		exit(0);
	/* Nothing is worth a sync(2): what the guest writes is in its memory. */
	reboot(RB_POWER_OFF);
	die("power off: %s", strerror(errno));
}

static void dispatch(const struct wire_frame *frame)
{
	if (!frame->seq)
		die("a request of type %u has no sequence number", frame->type);

	switch (frame->type) {
	case WIRE_READ:
	case WIRE_WRITE:
	case WIRE_MKDIR:
	case WIRE_RMDIR:
		files_request(frame);
		break;
	case WIRE_PROGRAM_START:
		if (is_init)
			kthreads_note();
		program_request(frame);
		break;
	case WIRE_PROGRAM_WAIT:
	case WIRE_PROGRAM_KILL:
		program_request(frame);
		break;
	case WIRE_SCHED_START:
	case WIRE_SCHED_STATUS:
	case WIRE_SCHED_STOP:
		sched_request(frame);
		break;
	case WIRE_SPAWN:
	case WIRE_START:
	case WIRE_STOP:
	case WIRE_MOVE:
	case WIRE_AFFINITY:
	case WIRE_ATTR:
		group_request(frame);
		break;
	case WIRE_CLEAN:
		clean_request(frame);
		break;
	case WIRE_KMSG:
		kmsg_request(frame);
		break;
	case WIRE_POWEROFF:
		power_off(frame->seq);
		break;
	default:
		out_done(frame->seq, EOPNOTSUPP, "request of type %u", frame->type);
	}
}

static void receive(int fd)
{
	static struct wire_receiver rx;
	static u8 buf[16 * 1024];
	struct wire_frame frame;
	enum wire_status status;
	const u8 *pos = buf;
	size_t left;
	ssize_t n;

	n = read(fd, buf, sizeof(buf));
	if (n < 0 && errno == EINTR)
		return;
	if (n < 0)
		die("read from the host: %s", strerror(errno));
	if (n == 0)
		die("the host has closed the connection");

	left = n;
	while ((status = wire_receive(&rx, &pos, &left, &frame)) == WIRE_OK)
		dispatch(&frame);
	if (status != WIRE_MORE)
		die("bad frame from the host: %s", wire_status_name(status));
}

static void reap(int signal_fd)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	/* One signal may stand for many children. */
	if (read(signal_fd, &info, sizeof(info)) < 0 && errno != EAGAIN)
		die("read signals: %s", strerror(errno));
	/* Orphans, which have no other parent here, only have to be reaped. */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (program_reaped(pid, status) || sched_reaped(pid, status))
			continue;
		group_reaped(pid);
	}
}

static int open_signals(void)
{
	sigset_t mask;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	/* Workers that are late must not die of it before they can be told. */
	signal(WORKER_SIGNAL, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, READY_SIGNAL);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		die("signalfd: %s", strerror(errno));
	return fd;
}

/* What is due is done; returns when something is next. */
static u64 tick(void)
{
	u64 now = clock_ns();
	u64 next = program_tick(now);

	next = min(next, sched_tick(now));
	next = min(next, group_tick(now));
	return min(next, clean_tick(now));
}

static void wait_until(u64 when, struct pollfd *fds, int n)
{
	u64 now = clock_ns(), ns = when > now ? when - now : 0;
	struct timespec ts = {
		.tv_sec = ns / NSEC_PER_SEC,
		.tv_nsec = ns % NSEC_PER_SEC,
	};

	if (ppoll(fds, n, when == NEVER ? NULL : &ts, NULL) < 0 && errno != EINTR)
		die("poll: %s", strerror(errno));
}

static void loop(int wire_fd)
{
	int signal_fd = open_signals();
	struct pollfd fds[3 + WIRE_MAX_PROGRAMS] = {
		{ .fd = wire_fd, .events = POLLIN },
		{ .fd = signal_fd, .events = POLLIN },
		{ .events = POLLIN },
	};
	u64 next;

	for (;;) {
		next = tick();
		out_flush();
		fds[2].fd = sched_fd();
		program_poll(fds + 3);
		wait_until(next, fds, ARRAY_SIZE(fds));
		if (fds[2].revents)
			sched_output();
		program_output(fds + 3);
		if (fds[1].revents)
			reap(signal_fd);
		if (fds[0].revents)
			receive(wire_fd);
	}
}

static int set_up_guest(void)
{
	int fd;

	agent_options.root = "";
	mount_all(first_mounts, ARRAY_SIZE(first_mounts));
	online_cpus();
	open_console();
	fd = port_open(WIRE_PORT_NAME);
	out_init(fd);
	say_hello();

	leave_sched_ext();
	mount_all(other_mounts, ARRAY_SIZE(other_mounts));
	enable_controllers();
	raise_memlock();
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	       0);
	return fd;
}

static int parse_options(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "fd", required_argument, NULL, 'f' },
		{ "scx", required_argument, NULL, 's' },
		{ "kmsg", required_argument, NULL, 'k' },
		{ "root", required_argument, NULL, 'r' },
		{ "bulk", required_argument, NULL, 'b' },
		{ }
	};
	int opt, fd = -1;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'f')
			fd = atoi(optarg);
		else if (opt == 's')
			agent_options.scx_dir = optarg;
		else if (opt == 'k')
			agent_options.kmsg = optarg;
		else if (opt == 'r')
			agent_options.root = optarg;
		else if (opt == 'b')
			exit(bulk_send(optarg));
		else
			exit(2);
	}
	if (fd < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC)) {
		fprintf(stderr,
			"usage: %s --fd N [--scx DIR] [--kmsg FILE] [--root DIR]\n"
			"       %s --bulk FILE\n"
			"PID 1 of a ktstr guest; elsewhere it is served over the open socket N.\n"
			"With --bulk, in a guest: send FILE to the host.\n",
			argv[0], argv[0]);
		exit(2);
	}
	return fd;
}

int main(int argc, char *argv[])
{
	int fd;

	/* What WIRE_WORK_EXEC executes */
	if (argc == 2 && !strcmp(argv[1], WORKER_EXEC_ARG))
		return 0;
	is_init = getpid() == 1;
	if (is_init) {
		fd = set_up_guest();
	} else {
		fd = parse_options(argc, argv);
		/* Orphans come here, as they come to PID 1. */
		prctl(PR_SET_CHILD_SUBREAPER, 1);
		out_init(fd);
		say_hello();
	}
	loop(fd);
	return 0;
}
