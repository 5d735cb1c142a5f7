// SPDX-License-Identifier: GPL-2.0
/*
 * boot-N: cold boot with N vCPUs, from the start of a program until the agent
 * in the guest is ready (its WIRE_HELLO has arrived), compared with QEMU's
 * microvm. Both are started by fork() and exec, with the same kernel, initramfs,
 * memory, number of CPUs, command line and a serial console. Ours looks in that
 * time for what goes into its initramfs, as every test does, and finds it
 * compressed; QEMU is given it.
 *
 * A comment adds how ours compares with the leanest microvm that boots this
 * kernel: one without a console, among others.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/compiler.h>
#include <linux/kernel.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "clock.h"
#include "control.h"
#include "env.h"
#include "host.h"
#include "session.h"

#define QEMU			"qemu-system-x86_64"
#define GUEST_OPTION		"--guest"	/* TOPOLOGY FD: be our side */
#define TIMEOUT_NS		(60 * NSEC_PER_SEC)
#define TIMEOUT_CPU_NS		(6 * NSEC_PER_SEC)

struct size {
	const char *topology;
	double target;
};

static const struct size sizes[] = {
	{ "1n1l1c1t", 0.5 },
	{ "1n1l8c1t", 0.5 },
	{ "1n1l32c1t", 0.6 },
};

/**
 * struct boot - what both sides boot
 * @topology: of ours
 * @nr_cpus: of both
 * @memory: bytes of guest RAM
 * @kernel: path, for QEMU; ours finds the same
 * @initramfs: for QEMU; ours finds the same
 */
struct boot {
	const char *topology;
	unsigned int nr_cpus;
	u64 memory;
	char kernel[PATH_MAX];
	struct initramfs_segment initramfs;
};

typedef void (*exec_fn)(const struct boot *boot, int fd);

/* -- our side, a program of its own ---------------------------------------- */

/* The parent gets what the agent said, and ends this process. */
static int guest_main(const char *topology, int fd)
{
	const struct session_config cfg = { .topology = topology };
	u8 frame[WIRE_HEADER_SIZE + 512];
	struct wire_hello hello = { .version = WIRE_VERSION };
	static struct session s;
	struct wire_writer w;
	struct errmsg err;

	if (session_start(&s, &cfg, &err)) {
		fprintf(stderr, "# ktstr: %s\n", err.text);
		return EXIT_FAILURE;
	}
	hello.release = s.control.hello.release;
	hello.nr_cpus = s.control.hello.nr_cpus;
	wire_begin(&w, frame, sizeof(frame), WIRE_HELLO, 0);
	wire_put_hello(&w, &hello);
	if (write(fd, frame, wire_end(&w)) < 0)
		return EXIT_FAILURE;
	pause();
	return EXIT_SUCCESS;
}

static void exec_ours(const struct boot *boot, int fd)
{
	char fd_text[16];

	snprintf(fd_text, sizeof(fd_text), "%d", fd);
	execl("/proc/self/exe", "bench_boot", GUEST_OPTION, boot->topology, fd_text, NULL);
}

/* -- QEMU -------------------------------------------------------------------- */

/* As ktstr_vmm.c has it, but for what depends on the host */
#define QEMU_CMDLINE \
	"quiet panic=-1 pci=off iommu=off 8250.nr_uarts=1 tsc=reliable noreplace-smp " \
	"retain_initrd"

static void exec_qemu(const struct boot *boot, int fd, const char *machine, const char *console)
{
	char smp[16], memory[32], initrd[32], chardev[64], append[4096];
	const char * const argv[] = {
		QEMU, "-M", machine, "-accel", "kvm", "-cpu", "host", "-smp", smp, "-m", memory,
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-serial", "null",
		"-kernel", boot->kernel, "-initrd", initrd, "-append", append,
		"-chardev", chardev, "-device", "virtio-serial-device",
		"-device", "virtserialport,chardev=wire,name=" WIRE_PORT_NAME,
		NULL,
	};

	snprintf(smp, sizeof(smp), "%u", boot->nr_cpus);
	snprintf(memory, sizeof(memory), "%lluM", (unsigned long long)boot->memory >> 20);
	snprintf(initrd, sizeof(initrd), "/proc/self/fd/%d", boot->initramfs.fd);
	snprintf(chardev, sizeof(chardev), "socket,id=wire,fd=%d", fd);
	snprintf(append, sizeof(append), "%s %s %s", console, QEMU_CMDLINE,
		 env_get(ENV_CMDLINE) ?: "");
	fcntl(boot->initramfs.fd, F_SETFD, 0);
	execvp(QEMU, (char **)argv);
}

static void exec_microvm(const struct boot *boot, int fd)
{
	exec_qemu(boot, fd, "microvm", "console=ttyS0");
}

/*
 * The fastest of what was tried, with 1 vCPU on the emulated host, in time of
 * the CPU: without UART, PIT, PIC and option ROMs 2.8 s, with PIT and PIC 3.2,
 * with option ROMs 2.9, bzImage 3.2. Without ACPI, or with all of the irqchip
 * in the kernel, this kernel does not come up.
 */
static void exec_lean(const struct boot *boot, int fd)
{
	exec_qemu(boot, fd, "microvm,rtc=off,isa-serial=off,pit=off,pic=off,x-option-roms=off", "");
}

static bool have_qemu(void)
{
	return !system("command -v " QEMU " >/dev/null");
}

/* -- both ------------------------------------------------------------------- */

static int send_to_socket(void *ctx, const void *data, size_t len)
{
	return send(*(int *)ctx, data, len, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -EPIPE;
}

static ssize_t recv_from_socket(void *ctx, void *data, size_t len, u64 timeout_ns)
{
	struct pollfd fd = { .fd = *(int *)ctx, .events = POLLIN };
	ssize_t n = poll(&fd, 1, timeout_ns / NSEC_PER_MSEC + 1);

	if (!n)
		return -ETIMEDOUT;
	if (n > 0)
		n = read(fd.fd, data, len);
	return n < 0 ? -errno : n;
}

static const struct control_ops socket_ops = {
	.send = send_to_socket,
	.recv = recv_from_socket,
};

static void __noreturn run_child(const struct boot *boot, exec_fn exec_side, int fd)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* What either of them tells is for people. */
	dup2(STDERR_FILENO, STDOUT_FILENO);
	fcntl(fd, F_SETFD, 0);
	exec_side(boot, fd);
	fprintf(stderr, "# exec: %s\n", strerror(errno));
	_exit(EXIT_FAILURE);
}

static int wait_ready(const struct boot *boot, int fd, struct errmsg *err)
{
	static struct control control;
	int ret;

	control_init(&control, &socket_ops, &fd, 0);
	ret = control_wait_hello(&control, TIMEOUT_NS + boot->nr_cpus * TIMEOUT_CPU_NS, err);
	if (!ret && control.hello.nr_cpus != boot->nr_cpus)
		ret = errmsg_set(err, ERRMSG_FAILED, EPROTO, "a guest with %u CPUs, not %u",
				 control.hello.nr_cpus, boot->nr_cpus);
	control_destroy(&control);
	return ret;
}

/* Milliseconds, or negative */
static double measure_boot(const struct boot *boot, const char *name, exec_fn exec_side)
{
	struct errmsg err = {};
	u64 start, end;
	int fds[2], ret;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return -1;
	start = clock_ns();
	pid = fork();
	if (!pid)
		run_child(boot, exec_side, fds[1]);
	close(fds[1]);
	ret = pid < 0 ? -errno : wait_ready(boot, fds[0], &err);
	end = clock_ns();
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	close(fds[0]);
	if (!ret)
		return (end - start) / 1e6;
	fprintf(stderr, "# boot-%u: %s: %s\n", boot->nr_cpus, name, err.text);
	return -1;
}

/* The agent and nothing else, as ours has it */
static int make_initramfs(struct initramfs_segment *seg, struct errmsg *err)
{
	const struct session_config cfg = {};
	struct initramfs ir;
	int ret;

	ret = session_initramfs(&ir, &cfg, err);
	if (ret)
		return ret;
	ret = initramfs_cache_get(seg, NULL, &ir, err);
	initramfs_destroy(&ir);
	return ret;
}

static int prepare(struct boot *boot, struct errmsg *err)
{
	return session_kernel(boot->kernel, err) ?:
	       make_initramfs(&boot->initramfs, err);
}

static int set_size(struct boot *boot, const char *spec, struct errmsg *err)
{
	struct topology topo;
	int ret = topology_parse(spec, &topo, err);

	if (ret)
		return ret;
	boot->topology = spec;
	boot->nr_cpus = topology_cpus(&topo);
	boot->memory = session_memory(&topo, 0);
	return 0;
}

/*
 * QEMU enters a vmlinux by PVH, which not every kernel is built with: without
 * it, QEMU gets the bzImage of the same build.
 */
static void find_qemu_kernel(struct boot *boot)
{
	char tree[PATH_MAX];

	if (measure_boot(boot, QEMU, exec_lean) >= 0)
		return;
	memcpy(tree, boot->kernel, sizeof(tree));
	if (snprintf(boot->kernel, sizeof(boot->kernel), "%s/arch/x86/boot/bzImage",
		     dirname(tree)) < (int)sizeof(boot->kernel))
		fprintf(stderr, "# boot: QEMU gets %s\n", boot->kernel);
}

static int measure(struct boot *boot, const struct size *size)
{
	static const struct {
		const char *name;
		exec_fn exec;
	} sides[] = {
		{ "ktstr", exec_ours },
		{ "microvm", exec_microvm },
		{ "lean microvm", exec_lean },
	};
	double ms[ARRAY_SIZE(sides)][BENCH_MAX_RUNS];
	unsigned int i, side, runs = bench_runs();
	struct errmsg err;

	if (set_size(boot, size->topology, &err)) {
		fprintf(stderr, "# boot: %s\n", err.text);
		return EXIT_FAILURE;
	}
	for (i = 0; i < runs; i++) {
		for (side = 0; side < ARRAY_SIZE(sides); side++) {
			ms[side][i] = measure_boot(boot, sides[side].name, sides[side].exec);
			if (ms[side][i] < 0)
				return EXIT_FAILURE;
		}
		fprintf(stderr, "# boot-%u run %u of %u: %s %.0f ms, %s %.0f ms, %s %.0f ms\n",
			boot->nr_cpus, i + 1, runs, sides[0].name, ms[0][i],
			sides[1].name, ms[1][i], sides[2].name, ms[2][i]);
	}
	fprintf(stderr, "# boot-%u: %.3f of a lean microvm's\n", boot->nr_cpus,
		bench_median(ms[0], runs) / bench_median(ms[2], runs));
	bench_report("boot", boot->nr_cpus, bench_median(ms[0], runs), "ms",
		     bench_median(ms[1], runs), "qemu-microvm", size->target);
	return EXIT_SUCCESS;
}

static int measure_all(void)
{
	int status = EXIT_SUCCESS;
	struct boot boot;
	struct errmsg err;
	size_t i;

	if (prepare(&boot, &err) || set_size(&boot, sizes[0].topology, &err)) {
		fprintf(stderr, "# boot: %s\n", err.text);
		return EXIT_FAILURE;
	}
	find_qemu_kernel(&boot);
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		status |= measure(&boot, &sizes[i]);
	initramfs_cache_put(&boot.initramfs);
	return status;
}

int main(int argc, char **argv)
{
	struct errmsg why;
	int kind;

	if (argc == 4 && !strcmp(argv[1], GUEST_OPTION))
		return guest_main(argv[2], atoi(argv[3]));

	kind = host_classify(HOST_KVM, &why);
	if (kind == HOST_EMULATE)
		return bench_elsewhere(argc, argv, why.text);
	if (kind < 0) {
		fprintf(stderr, "# boot: %s\n", why.text);
		return EXIT_FAILURE;
	}
	if (!have_qemu()) {
		fprintf(stderr,
			"# boot: not measured: no %s in PATH to compare with: install qemu-system-x86 (Debian) or qemu-system-x86-core (Fedora)\n",
			QEMU);
		return EXIT_FAILURE;
	}
	return measure_all();
}
