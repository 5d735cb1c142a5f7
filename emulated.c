// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <linux/kernel.h>
#include <linux/sizes.h>
#include <linux/types.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "emulated.h"
#include "emulated_proto.h"
#include "env.h"
#include "host.h"
#include "initramfs.h"
#include "own_path.h"
#include "results_dir.h"

#define QEMU			"qemu-system-x86_64"
#define START_TIMEOUT_NS	(180 * NSEC_PER_SEC)
#define EXIT_NO_QEMU		127

/*
 * No ERMS and FSRM: with them Linux copies and clears by "rep movsb" and "rep
 * stosb", which TCG does byte by byte; a boot takes half the time without. No
 * LA57: one level less to walk for each page that is touched.
 */
#define CPU			"max,+svm,+npt,-erms,-fsrm,-la57"

/*
 * QEMU's CPU thread changes its flags of pending interrupts at each VMRUN and
 * VMEXIT without the lock that other threads set them under (helper_vmexit() in
 * QEMU 7.2). A timer interrupt that is lost so is never followed by another one,
 * and a guest that only computes runs forever. Any other interrupt brings both:
 * one of the serial port, which is told every so often what the host is denied.
 *
 * Without event_idx (VIRTIO 1.2, 2.7.7) the port interrupts for each of these. With it,
 * only for the first that nobody has read, and while vCPUs keep PID 1 from reading
 * that one, a timer interrupt that is lost is lost for good.
 */
#define NUDGE_MS		100
#define PORT_DEVICE		"virtio-serial-pci,event_idx=off"

/*
 * The port takes 128 nudges, the socket a few more, that PID 1 does not read. Then so
 * many in a row are refused before the host is given up.
 */
#define MAX_REFUSED		200

#define DEFAULT_MEMORY_MIB	4096
#define MIN_MEMORY_MIB		256
#define MAX_MEMORY_MIB		SZ_1M
#define QEMU_OVERHEAD_MIB	256	/* its own, and code that it has translated */

#define CONSOLE_LINES		30
#define CONSOLE_MAX		SZ_16K

#define EXIT_SKIPPED		4	/* KSFT_SKIP */

/*
 * What goes along of the environment: what says how to test, what is needed to
 * find and to start programs, and the language.
 */
static const char * const env_prefixes[] = {
	"KTSTR_", "KSFT_", "KSELFTEST_", "kselftest_",
	"PATH=", "HOME=", "LD_LIBRARY_PATH=", "TERM=", "LANG=", "LC_",
	"ASAN_OPTIONS=", "UBSAN_OPTIONS=",
};

static const char * const env_fixed[] = {
	"KTSTR_HOST=native",
	ENV_HOST_AGAIN "=emulated",
	"TMPDIR=/dev/shm",
};

/*
 * No time is lost on mitigations, which nobody needs in there, nor on lockup
 * reports, which say only that emulation is slow, nor on whether the timer works,
 * which is a panic where the emulator gets no CPU for some ticks. A bug ends it at
 * once.
 */
#define CMDLINE	"console=ttyS0 quiet panic=-1 oops=panic mitigations=off nowatchdog " \
		"no_timer_check rdinit=" EMULATED_INIT

/* The files and numbers that a start needs, found and checked */
struct emulated_config {
	char image[PATH_MAX - 256];	/* directory of kernel and modules */
	char init[PATH_MAX];
	char results[PATH_MAX];		/* or empty */
	unsigned long memory_mib;
};

/**
 * struct emulated - an emulated host
 * @qemu: its process, or 0
 * @initramfs: memfd
 * @port: our end of the virtio-serial port
 * @console: our end of QEMU's output, kernel console included
 * @signals: signalfd for what would end this process
 * @old: this thread's signal mask before that
 * @caught: the signal that came, or 0
 * @greeted: the program was started
 * @spoke: the program has said something
 * @told_ns: when the host was last told what it is denied
 * @denied_ns: what it was told
 * @refused: nudges in a row that found no place
 * @log: the end of the console
 * @log_len: bytes in @log
 * @in: received from @port, not yet a whole frame
 * @in_len: bytes in @in
 */
struct emulated {
	pid_t qemu;
	int initramfs;
	int port;
	int console;
	int signals;
	sigset_t old;
	int caught;
	bool greeted;
	bool spoke;
	u64 told_ns;
	u64 denied_ns;
	unsigned int refused;
	char log[CONSOLE_MAX];
	size_t log_len;
	u8 in[sizeof(struct emulated_frame) + EMULATED_MAX_PAYLOAD];
	size_t in_len;
};

/* -- what is needed -------------------------------------------------------- */

static int find_image(struct emulated_config *cfg, struct errmsg *err)
{
	const char *dir = env_get("KTSTR_EMULATED_HOST");
	const char *cache = env_get("KTSTR_CACHE");
	const char *home = env_get("HOME");
	char path[PATH_MAX], script[PATH_MAX];
	int n, ret;

	if (dir)
		n = snprintf(cfg->image, sizeof(cfg->image), "%s", dir);
	else if (cache)
		n = snprintf(cfg->image, sizeof(cfg->image), "%s/host", cache);
	else
		n = snprintf(cfg->image, sizeof(cfg->image), "%s/.cache/ktstr/host",
			     home ?: "/root");
	if (n >= (int)sizeof(cfg->image))
		return errmsg_set(err, ERRMSG_INPUT, ENAMETOOLONG, "%s", cfg->image);

	/* The list of modules is the last that the script makes. */
	snprintf(path, sizeof(path), "%s/modules", cfg->image);
	if (!access(path, R_OK))
		return 0;
	ret = errno;
	if (own_path_beside(script, "emulated-host.sh", err) ||
	    access(script, X_OK))
		snprintf(script, sizeof(script), "tools/emulated-host.sh");
	return errmsg_set(err, ERRMSG_HOST, ret,
			  "no kernel for the emulated host, run %s to get one: %s",
			  script, path);
}

static int find_init(struct emulated_config *cfg, struct errmsg *err)
{
	int ret = own_path_beside(cfg->init, "ktstr_host_init", err);

	if (!ret && access(cfg->init, R_OK))
		return errmsg_set(err, ERRMSG_HOST, errno,
				  "the emulated host's PID 1 must be beside this program: %s",
				  cfg->init);
	return ret;
}

static unsigned long available_mib(void)
{
	unsigned long kib = ULONG_MAX;
	FILE *f = fopen("/proc/meminfo", "re");
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %lu", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib / 1024;
}

static int choose_memory(struct emulated_config *cfg, struct errmsg *err)
{
	const char *text = env_get("KTSTR_HOST_MEMORY");
	unsigned long available = available_mib();
	char *end;

	cfg->memory_mib = DEFAULT_MEMORY_MIB;
	if (text) {
		cfg->memory_mib = strtoul(text, &end, 10);
		if (*text < '0' || *text > '9' || *end ||
		    cfg->memory_mib < MIN_MEMORY_MIB || cfg->memory_mib > MAX_MEMORY_MIB)
			return errmsg_set(err, ERRMSG_INPUT, 0,
					  "KTSTR_HOST_MEMORY=%s: must be MiB from %u to %u",
					  text, MIN_MEMORY_MIB, MAX_MEMORY_MIB);
	}
	if (cfg->memory_mib + QEMU_OVERHEAD_MIB > available)
		return errmsg_set(err, ERRMSG_HOST, ENOMEM,
				  "the emulated host needs %lu + %u MiB of memory, %lu are available (KTSTR_HOST_MEMORY=MiB makes it smaller)",
				  cfg->memory_mib, QEMU_OVERHEAD_MIB, available);
	return 0;
}

/* -- the initramfs ----------------------------------------------------------- */

static bool env_goes_along(const char *var)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(env_fixed); i++)
		if (!strncmp(var, env_fixed[i], strcspn(env_fixed[i], "=") + 1))
			return false;
	for (i = 0; i < ARRAY_SIZE(env_prefixes); i++)
		if (!strncmp(var, env_prefixes[i], strlen(env_prefixes[i])))
			return true;
	return false;
}

static void put_string(FILE *f, const char *s)
{
	fwrite(s, 1, strlen(s) + 1, f);
}

static int add_job(struct initramfs *ir, const struct emulated_config *cfg,
		   const char *program, char *const argv[], struct errmsg *err)
{
	char *cwd = getcwd(NULL, 0);
	char *text = NULL;
	size_t size, argc, i;
	int ret;
	FILE *f;

	f = open_memstream(&text, &size);
	if (!f || !cwd) {
		ret = errmsg_set(err, ERRMSG_FAILED, errno, "working directory");
		goto out;
	}
	for (argc = 0; argv[argc];)
		argc++;
	put_string(f, program);
	put_string(f, cwd);
	put_string(f, cfg->results);
	fprintf(f, "%zu%c", argc, '\0');
	for (i = 0; i < argc; i++)
		put_string(f, argv[i]);
	for (i = 0; environ[i]; i++)
		if (env_goes_along(environ[i]))
			put_string(f, environ[i]);
	for (i = 0; i < ARRAY_SIZE(env_fixed); i++)
		put_string(f, env_fixed[i]);
	if (fflush(f)) {
		ret = errmsg_set(err, ERRMSG_FAILED, errno, "the emulated host's job");
		goto out;
	}
	ret = initramfs_add_file(ir, EMULATED_JOB, 0600, text, size, err);
out:
	if (f)
		fclose(f);
	free(text);
	free(cwd);
	return ret;
}

static int add_modules(struct initramfs *ir, const struct emulated_config *cfg,
		       struct errmsg *err)
{
	char path[PATH_MAX], to[160], name[128];
	FILE *list;
	int ret;

	snprintf(path, sizeof(path), "%s/modules", cfg->image);
	list = fopen(path, "re");
	if (!list)
		return errmsg_set(err, ERRMSG_HOST, errno, "%s", path);
	ret = initramfs_add_host_file(ir, EMULATED_MODULES, path, 0600, err);
	while (!ret && fscanf(list, "%127s", name) == 1) {
		snprintf(path, sizeof(path), "%s/%s", cfg->image, name);
		snprintf(to, sizeof(to), "/%s", name);
		ret = initramfs_add_host_file(ir, to, path, 0600, err);
	}
	fclose(list);
	return ret;
}

static int write_memfd(int fd, const char *data, size_t size)
{
	ssize_t n;

	for (; size; data += n, size -= n) {
		n = write(fd, data, size);
		if (n < 0)
			return -errno;
	}
	return 0;
}

static int make_initramfs(struct emulated *emu, const struct emulated_config *cfg,
			  const char *program, char *const argv[], struct errmsg *err)
{
	struct initramfs ir;
	const void *image;
	size_t size;
	int ret;

	initramfs_init(&ir);
	ret = initramfs_add_host_file(&ir, EMULATED_INIT, cfg->init, 0700, err);
	if (!ret)
		ret = add_modules(&ir, cfg, err);
	if (!ret)
		ret = add_job(&ir, cfg, program, argv, err);
	if (!ret)
		ret = initramfs_finish(&ir, &image, &size, err);
	if (ret)
		goto out;

	emu->initramfs = memfd_create("ktstr-initramfs", MFD_CLOEXEC);
	if (emu->initramfs < 0) {
		ret = errmsg_set(err, ERRMSG_FAILED, errno, "memfd_create");
		goto out;
	}
	ret = write_memfd(emu->initramfs, image, size);
	if (ret)
		errmsg_set(err, ERRMSG_FAILED, -ret, "write the initramfs to memory");
out:
	initramfs_destroy(&ir);
	return ret;
}

/* -- QEMU -------------------------------------------------------------------- */

/* In a list of options a comma is written twice. */
static void append_path(char *to, const char *path)
{
	to += strlen(to);
	while (*path) {
		if (*path == ',')
			*to++ = ',';
		*to++ = *path++;
	}
	*to = '\0';
}

#define FSDEV_OPTIONS	"security_model=none,multidevs=remap"

static void keep_over_exec(int fd)
{
	fcntl(fd, F_SETFD, 0);
}

/*
 * In the child. One CPU: with two, emulated in parallel, the kernel dies when
 * it patches its own code (seen with QEMU 7.2 and 10.0).
 */
static void __noreturn exec_qemu(const struct emulated *emu,
				 const struct emulated_config *cfg,
				 int port, int console)
{
	char kernel[PATH_MAX], initrd[32], memory[32], chardev[64];
	char fsdev[2 * PATH_MAX + 128] = "local,id=results," FSDEV_OPTIONS ",path=";
	const char *argv[64] = {
		QEMU, "-name", "ktstr-emulated-host",
		"-accel", "tcg,thread=multi", "-cpu", CPU,
		"-M", "q35", "-smp", "1", "-m", memory,
		"-display", "none", "-nodefaults", "-no-user-config", "-no-reboot",
		"-serial", "stdio",
		"-kernel", kernel, "-initrd", initrd, "-append", CMDLINE,
		"-chardev", chardev,
		"-device", PORT_DEVICE,
		"-device", "virtserialport,chardev=port,nr=1",
		"-fsdev", "local,id=root," FSDEV_OPTIONS ",readonly=on,path=/",
		"-device", "virtio-9p-pci,fsdev=root,mount_tag=" EMULATED_TAG_ROOT,
		*cfg->results ? "-fsdev" : NULL, fsdev,
		"-device", "virtio-9p-pci,fsdev=results,mount_tag=" EMULATED_TAG_RESULTS,
		NULL,
	};
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	snprintf(kernel, sizeof(kernel), "%s/kernel", cfg->image);
	snprintf(initrd, sizeof(initrd), "/proc/self/fd/%d", emu->initramfs);
	snprintf(memory, sizeof(memory), "%lu", cfg->memory_mib);
	snprintf(chardev, sizeof(chardev), "socket,id=port,fd=%d", port);
	append_path(fsdev, cfg->results);

	keep_over_exec(emu->initramfs);
	keep_over_exec(port);
	dup2(null, STDIN_FILENO);
	dup2(console, STDOUT_FILENO);
	dup2(console, STDERR_FILENO);
	pthread_sigmask(SIG_SETMASK, &emu->old, NULL);
	execvp(QEMU, (char **)argv);
	if (errno == ENOENT)
		_exit(EXIT_NO_QEMU);
	dprintf(STDERR_FILENO, "cannot run " QEMU ": %s\n", strerror(errno));
	_exit(EXIT_FAILURE);
}

static int start_qemu(struct emulated *emu, const struct emulated_config *cfg,
		      struct errmsg *err)
{
	int port[2] = { -1, -1 }, console[2] = { -1, -1 };
	pid_t parent = getpid();
	int ret = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, port) ||
	    pipe2(console, O_CLOEXEC)) {
		ret = errmsg_set(err, ERRMSG_FAILED, errno, "pipes to the emulated host");
		goto out;
	}
	/* The least there is: nudges that wait in there nudge nobody. */
	setsockopt(port[0], SOL_SOCKET, SO_SNDBUF, &(int){ 0 }, sizeof(int));
	emu->qemu = fork();
	if (emu->qemu < 0) {
		emu->qemu = 0;
		ret = errmsg_set(err, ERRMSG_FAILED, errno, "fork");
		goto out;
	}
	if (!emu->qemu) {
		/* If the parent has died before this, no signal will come. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(EXIT_FAILURE);
		exec_qemu(emu, cfg, port[1], console[1]);
	}
	emu->port = port[0];
	emu->console = console[0];
	port[0] = -1;
	console[0] = -1;
out:
	if (port[0] >= 0)
		close(port[0]);
	if (port[1] >= 0)
		close(port[1]);
	if (console[0] >= 0)
		close(console[0]);
	if (console[1] >= 0)
		close(console[1]);
	return ret;
}

/* Returns its wait status. */
static int stop_qemu(struct emulated *emu)
{
	int wstatus = 0;

	if (!emu->qemu)
		return 0;
	kill(emu->qemu, SIGKILL);
	while (waitpid(emu->qemu, &wstatus, 0) < 0 && errno == EINTR)
		;
	emu->qemu = 0;
	return wstatus;
}

/* -- signals ------------------------------------------------------------------- */

/* From here on they are read from @emu->signals; ignored ones stay ignored. */
static int catch_signals(struct emulated *emu, struct errmsg *err)
{
	static const int fatal[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP };
	struct sigaction action;
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < ARRAY_SIZE(fatal); i++)
		if (!sigaction(fatal[i], NULL, &action) && action.sa_handler != SIG_IGN)
			sigaddset(&set, fatal[i]);
	pthread_sigmask(SIG_BLOCK, &set, &emu->old);
	emu->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (emu->signals < 0)
		return errmsg_set(err, ERRMSG_FAILED, errno, "signalfd");
	return 0;
}

static bool signal_came(struct emulated *emu)
{
	struct signalfd_siginfo info;

	if (!emu->caught && read(emu->signals, &info, sizeof(info)) > 0)
		emu->caught = info.ssi_signo;
	return emu->caught;
}

/* -- output -------------------------------------------------------------------- */

/*
 * Never blocks where a signal would not be seen: a pipe or terminal that
 * polls as writable takes this much.
 */
static int relay(struct emulated *emu, int fd, const u8 *data, size_t len,
		 struct errmsg *err)
{
	struct pollfd fds[] = {
		{ .fd = emu->signals, .events = POLLIN },
		{ .fd = fd, .events = POLLOUT },
	};
	ssize_t n;

	while (len) {
		poll(fds, ARRAY_SIZE(fds), -1);
		if (signal_came(emu))
			return -EINTR;
		n = write(fd, data, min_t(size_t, len, PIPE_BUF));
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return errmsg_set(err, ERRMSG_FAILED, errno,
					  "write the output of the emulated host");
		if (n > 0) {
			data += n;
			len -= n;
		}
	}
	return 0;
}

/* The console's last bytes are kept; a full buffer loses its older half. */
static void read_console(struct emulated *emu)
{
	const size_t half = sizeof(emu->log) / 2;
	ssize_t n;

	if (emu->log_len > half) {
		memmove(emu->log, emu->log + emu->log_len - half, half);
		emu->log_len = half;
	}
	n = read(emu->console, emu->log + emu->log_len, half);
	if (n > 0) {
		emu->log_len += n;
		return;
	}
	close(emu->console);
	emu->console = -1;
}

/* As KTAP diagnostics; what a terminal would act on is left out. */
static void show_console(const struct emulated *emu)
{
	const char *start = emu->log + emu->log_len;
	const char *end = start;
	unsigned int lines = 0;
	bool bol = true;

	while (start > emu->log && (start[-1] != '\n' || lines++ < CONSOLE_LINES + 1))
		start--;
	for (; start < end; start++) {
		if (bol)
			fputs("# emulated host: ", stderr);
		if (*start == '\n' || (*start >= ' ' && *start < 0x7f))
			fputc(*start, stderr);
		bol = *start == '\n';
	}
	if (!bol)
		fputc('\n', stderr);
}

/* -- the run ------------------------------------------------------------------- */

/*
 * Returns 1 and sets @status at the program's end, 0 if there is more to come,
 * or a negative errno.
 */
static int handle_frame(struct emulated *emu, const struct emulated_frame *frame,
			const u8 *payload, int *status, struct errmsg *err)
{
	u32 code;

	switch (frame->type) {
	case EMULATED_HELLO:
		emu->greeted = true;
		return 0;
	case EMULATED_STDOUT:
	case EMULATED_STDERR:
		emu->spoke = true;
		return relay(emu, frame->type == EMULATED_STDOUT ? STDOUT_FILENO : STDERR_FILENO,
			     payload, frame->len, err);
	case EMULATED_EXIT:
		if (frame->len != sizeof(code))
			break;
		memcpy(&code, payload, sizeof(code));
		*status = code & 0xff;
		return 1;
	}
	return errmsg_set(err, ERRMSG_FAILED, EPROTO,
			  "the emulated host sent a frame of type %u with %u bytes",
			  frame->type, frame->len);
}

/* Returns as handle_frame() does, -EPIPE if QEMU has ended. */
static int read_port(struct emulated *emu, int *status, struct errmsg *err)
{
	struct emulated_frame frame;
	ssize_t n;
	int ret;

	n = read(emu->port, emu->in + emu->in_len, sizeof(emu->in) - emu->in_len);
	if (n <= 0)
		return errmsg_set(err, ERRMSG_FAILED, EPIPE, "the emulated host has ended");
	emu->in_len += n;

	while (emu->in_len >= sizeof(frame)) {
		memcpy(&frame, emu->in, sizeof(frame));
		if (frame.len > EMULATED_MAX_PAYLOAD)
			return errmsg_set(err, ERRMSG_FAILED, EPROTO,
					  "the emulated host sent a frame of %u bytes",
					  frame.len);
		if (emu->in_len < sizeof(frame) + frame.len)
			return 0;
		ret = handle_frame(emu, &frame, emu->in + sizeof(frame), status, err);
		if (ret)
			return ret;
		emu->in_len -= sizeof(frame) + frame.len;
		memmove(emu->in, emu->in + sizeof(frame) + frame.len, emu->in_len);
	}
	return 0;
}

/* How long to wait for something to happen; 0 if it took too long to come up */
static int wait_ms(const struct emulated *emu, u64 deadline)
{
	u64 now = clock_ns();

	if (emu->greeted)
		return NUDGE_MS;
	return now < deadline ? (int)((deadline - now) / NSEC_PER_MSEC) + 1 : 0;
}

/*
 * How long QEMU's CPU thread, which is the one that has run most, has waited for a CPU
 * (Documentation/scheduler/sched-stats.rst); 0 if that is not known
 */
static u64 denied_ns(pid_t qemu)
{
	unsigned long long ran, waited, most = 0, denied = 0;
	char pattern[64];
	glob_t threads;
	size_t i;
	FILE *f;

	snprintf(pattern, sizeof(pattern), "/proc/%d/task/*/schedstat", qemu);
	if (glob(pattern, GLOB_NOSORT, NULL, &threads))
		return 0;
	for (i = 0; i < threads.gl_pathc; i++) {
		f = fopen(threads.gl_pathv[i], "re");
		if (!f)
			continue;
		if (fscanf(f, "%llu %llu", &ran, &waited) == 2 && ran > most) {
			most = ran;
			denied = waited;
		}
		fclose(f);
	}
	globfree(&threads);
	return denied;
}

static void tell_denied(struct emulated *emu)
{
	u64 now = clock_ns();

	if (!emu->greeted || now - emu->told_ns < NUDGE_MS * NSEC_PER_MSEC)
		return;
	emu->told_ns = now;
	/* Another thread may have run most before; readers subtract. */
	emu->denied_ns = max(emu->denied_ns, denied_ns(emu->qemu));
	if (send(emu->port, &emu->denied_ns, sizeof(emu->denied_ns),
		 MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EAGAIN)
		emu->refused++;
	else
		emu->refused = 0;
}

u64 emulated_denied_ns(void)
{
	u64 denied = 0;
	int fd;

	fd = open(EMULATED_DENIED, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, &denied, sizeof(denied)) != sizeof(denied))
		denied = 0;
	close(fd);
	return denied;
}

/* Returns the program's exit status or a negative errno. */
static int relay_all(struct emulated *emu, struct errmsg *err)
{
	u64 deadline = clock_ns() + START_TIMEOUT_NS;
	int ret, timeout, status = 0;
	struct pollfd fds[3];

	for (;;) {
		timeout = wait_ms(emu, deadline);
		if (!timeout)
			return errmsg_set(err, ERRMSG_FAILED, ETIMEDOUT,
					  "the emulated host did not come up in %llu s",
					  START_TIMEOUT_NS / NSEC_PER_SEC);
		fds[0] = (struct pollfd) { .fd = emu->signals, .events = POLLIN };
		fds[1] = (struct pollfd) { .fd = emu->console, .events = POLLIN };
		fds[2] = (struct pollfd) { .fd = emu->port, .events = POLLIN };
		if (poll(fds, ARRAY_SIZE(fds), timeout) < 0 && errno != EINTR)
			return errmsg_set(err, ERRMSG_FAILED, errno, "poll");
		if (signal_came(emu))
			return -EINTR;
		tell_denied(emu);
		if (emu->refused > MAX_REFUSED)
			return errmsg_set(err, ERRMSG_FAILED, ETIMEDOUT,
					  "the emulated host hangs: it has read nothing for more than %llu s; run this again",
					  MAX_REFUSED * NUDGE_MS * NSEC_PER_MSEC / NSEC_PER_SEC);
		if (fds[1].revents)
			read_console(emu);
		ret = fds[2].revents ? read_port(emu, &status, err) : 0;
		if (ret)
			return ret < 0 ? ret : status;
	}
}

/* QEMU has been stopped with @wstatus; what it said last is in the pipe. */
static int explain(struct emulated *emu, int wstatus, int ret, struct errmsg *err)
{
	if (WIFEXITED(wstatus) && WEXITSTATUS(wstatus) == EXIT_NO_QEMU)
		return errmsg_set(err, ERRMSG_HOST, ENOENT,
				  "%s is needed for the emulated host; install %s",
				  QEMU, "qemu-system-x86 (Fedora: qemu-system-x86-core)");
	while (emu->console >= 0)
		read_console(emu);
	show_console(emu);
	return ret;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

static int run(struct emulated *emu, const struct emulated_config *cfg,
	       const char *program, char *const argv[], struct errmsg *err)
{
	int ret, wstatus;
	bool started;

	ret = make_initramfs(emu, cfg, program, argv, err);
	if (ret)
		return ret;
	ret = catch_signals(emu, err);
	if (!ret)
		ret = start_qemu(emu, cfg, err);
	started = emu->qemu;
	if (!ret)
		ret = relay_all(emu, err);
	wstatus = stop_qemu(emu);
	if (ret < 0 && started && !emu->caught)
		ret = explain(emu, wstatus, ret, err);
	if (emu->caught) {
		raise(emu->caught);
		ret = errmsg_set(err, ERRMSG_FAILED, EINTR, "signal %d", emu->caught);
	}
	pthread_sigmask(SIG_SETMASK, &emu->old, NULL);
	return ret;
}

static int run_once(const struct emulated_config *cfg, const char *program,
		    char *const argv[], bool *spoke, struct errmsg *err)
{
	struct emulated *emu = calloc(1, sizeof(*emu));
	int ret;

	if (!emu)
		return errmsg_set(err, ERRMSG_FAILED, ENOMEM, "memory");
	emu->initramfs = -1;
	emu->port = -1;
	emu->console = -1;
	emu->signals = -1;
	ret = run(emu, cfg, program, argv, err);
	*spoke = emu->spoke;
	close_if_open(emu->initramfs);
	close_if_open(emu->port);
	close_if_open(emu->console);
	close_if_open(emu->signals);
	free(emu);
	return ret;
}

/*
 * In one of some thousands of boots the host's own kernel dies of an exception that
 * no such CPU would raise. Nobody has lost anything by that if the program has not
 * said anything yet.
 */
static int run_for_sure(const struct emulated_config *cfg, const char *program,
			char *const argv[], struct errmsg *err)
{
	bool spoke;
	int ret;

	ret = run_once(cfg, program, argv, &spoke, err);
	if (ret != -EPIPE || spoke)
		return ret;
	fprintf(stderr, "# %s: once more\n", err->text);
	return run_once(cfg, program, argv, &spoke, err);
}

int emulated_exec(const char *program, char *const argv[], struct errmsg *err)
{
	struct emulated_config cfg = { 0 };
	int ret;

	ret = find_image(&cfg, err);
	if (!ret)
		ret = find_init(&cfg, err);
	if (!ret)
		ret = results_dir(cfg.results, err);
	if (!ret)
		ret = choose_memory(&cfg, err);
	if (ret)
		return ret;

	return run_for_sure(&cfg, program, argv, err);
}

int emulated_run(int argc __maybe_unused, char *const argv[], struct errmsg *err)
{
	char program[PATH_MAX];
	int ret;

	ret = own_path(program, err);
	return ret ?: emulated_exec(program, argv, err);
}

/* Options of kselftest_harness.h that run nothing */
static bool only_asks(char *const argv[])
{
	int i;

	for (i = 1; argv[i]; i++)
		if (!strcmp(argv[i], "-l") || !strcmp(argv[i], "-h") ||
		    !strcmp(argv[i], "--help"))
			return true;
	return false;
}

bool emulated_needed(int argc, char *const argv[], int *status)
{
	struct errmsg err;
	int ret;

	if (only_asks(argv))
		return false;
	ret = host_classify(HOST_KVM, &err);
	if (ret == HOST_NATIVE)
		return false;
	if (ret == HOST_EMULATE) {
		fprintf(stderr, "# %s: running on an emulated host\n", err.text);
		ret = emulated_run(argc, argv, &err);
	}
	*status = ret;
	if (ret >= 0)
		return true;

	printf("TAP version 13\n");
	if (err.kind == ERRMSG_HOST) {
		printf("1..0 # SKIP %s\n", err.text);
		*status = EXIT_SKIPPED;
	} else {
		printf("Bail out! %s\n", err.text);
		*status = EXIT_FAILURE;
	}
	return true;
}
