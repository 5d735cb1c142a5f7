// SPDX-License-Identifier: GPL-2.0
/*
 * What sharing the initramfs saves:
 *
 * initramfs-handoff: to put a cached one into a guest's RAM, with all else that
 * boot_setup() does; the limit is 0.1 ms. Reading it there is shown beside it.
 *
 * vm-second: initramfs_cache_get() for the second VM of a run, which finds what
 * it did for the first, which compressed it.
 *
 * pss-shared: proportional set size of the initramfs in the process of each of
 * two guests that run, compared with its size: half of it if all is shared. It
 * is measured where guests can run.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kernel.h>
#include <linux/sizes.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "boot.h"
#include "clock.h"
#include "host.h"
#include "memory_map.h"
#include "session.h"
#include "unit/smaps.h"

#define HANDOFF_LIMIT_US	100
#define SECOND_TARGET		0.1
#define PSS_TARGET		0.55
#define NR_GUESTS		2
#define GUESTS_OPTION		"--guests"	/* measure with guests only */
#define REPEAT			9		/* of each run: the best one counts */

/* What every guest has, and a program with its libraries */
static const struct session_config config = { .programs = { "lscpu" } };

static int failed(const char *name, const struct errmsg *err)
{
	fprintf(stderr, "# %s: %s\n", name, err->text);
	return EXIT_FAILURE;
}

/* Microseconds, or negative */
static double get(struct initramfs_segment *seg, const char *root, struct errmsg *err)
{
	struct initramfs ir;
	u64 start = 0, end = 0;
	int ret;

	ret = session_initramfs(&ir, &config, err);
	if (ret)
		return -1;
	start = clock_ns();
	ret = initramfs_cache_get(seg, root, &ir, err);
	end = clock_ns();
	initramfs_destroy(&ir);
	if (!ret && seg->note.text[0])
		fprintf(stderr, "# %s\n", seg->note.text);
	return ret ? -1 : (end - start) / 1e3;
}

/* -- vm-second ---------------------------------------------------------------- */

static int measure_second(const char *root)
{
	double first[BENCH_MAX_RUNS], second[BENCH_MAX_RUNS];
	unsigned int i, runs = bench_runs();
	struct initramfs_segment a, b;
	char command[128];
	struct errmsg err;

	for (i = 0; i < runs; i++) {
		snprintf(command, sizeof(command), "rm -rf %s/*", root);
		if (system(command))
			return EXIT_FAILURE;
		first[i] = get(&a, root, &err);
		if (first[i] < 0)
			return failed("vm-second", &err);
		second[i] = get(&b, root, &err);
		initramfs_cache_put(&a);
		if (second[i] < 0)
			return failed("vm-second", &err);
		fprintf(stderr, "# vm-second run %u: %zu KiB, first %.0f us, second %.0f us\n",
			i + 1, b.size >> 10, first[i], second[i]);
		initramfs_cache_put(&b);
	}
	bench_line("vm-second", bench_median(second, runs), "us", bench_median(first, runs),
		   "first-vm", SECOND_TARGET);
	return EXIT_SUCCESS;
}

/* -- initramfs-handoff -------------------------------------------------------- */

/* In fresh guest RAM; @copy: as when it cannot be mapped. Microseconds, or negative */
static double hand_off(const struct initramfs_segment *seg, bool copy, struct errmsg *err)
{
	const struct boot_image image = {
		.end = MAP_HIGH_RAM, .initramfs_max = SZ_2G, .hdr.cmdline_size = 1,
	};
	const struct boot_config cfg = {
		.image = &image,
		.cmdline = "",
		.initramfs = { .base_fd = seg->fd, .base_size = copy ? 0 : seg->size },
	};
	static const struct topology topo = { .nodes = 1, .llcs = 1, .cores = 1, .threads = 1 };
	struct numa_mem mem;
	u64 start, end;
	int ret;

	ret = numa_mem_layout(&mem, &topo, SZ_256M, err) ?: numa_mem_map(&mem, NULL, NULL, err);
	if (ret)
		return -1;
	start = clock_ns();
	ret = boot_setup(&mem, &cfg, err);
	if (copy && pread(seg->fd, numa_mem_ptr(&mem, SZ_128M, seg->size), seg->size, 0) < 0)
		ret = errmsg_set(err, ERRMSG_FAILED, errno, "reading the initramfs");
	end = clock_ns();
	numa_mem_unmap(&mem);
	return ret ? -1 : (end - start) / 1e3;
}

static int measure_hand_off(const char *root)
{
	double mapped[BENCH_MAX_RUNS], copied[BENCH_MAX_RUNS];
	unsigned int i, j, runs = bench_runs();
	struct initramfs_segment seg;
	struct errmsg err;

	if (get(&seg, root, &err) < 0)
		return failed("initramfs-handoff", &err);
	for (i = 0; i < runs; i++) {
		for (j = 0; j < REPEAT; j++) {
			double m = hand_off(&seg, false, &err);
			double c = hand_off(&seg, true, &err);

			if (m < 0 || c < 0)
				return failed("initramfs-handoff", &err);
			mapped[i] = j ? min(mapped[i], m) : m;
			copied[i] = j ? min(copied[i], c) : c;
		}
		fprintf(stderr, "# initramfs-handoff run %u: mapping %.1f us, copying %.1f us\n",
			i + 1, mapped[i], copied[i]);
	}
	initramfs_cache_put(&seg);
	bench_line("initramfs-handoff", bench_median(mapped, runs), "us", HANDOFF_LIMIT_US,
		   "0.1-ms", 1);
	return EXIT_SUCCESS;
}

/* -- pss-shared --------------------------------------------------------------- */

/* What a guest's process tells: sent twice, when it is ready and when all are. */
struct report {
	bool ready;
	size_t size;
	struct smaps_usage usage;
};

static int guest_main(int fd)
{
	static struct session s;
	struct session_config cfg = config;
	struct report report = {};
	char link[64], path[PATH_MAX];
	struct errmsg err;
	ssize_t len;

	cfg.topology = "1n1l1c1t";
	if (session_start(&s, &cfg, &err))
		return failed("pss-shared", &err);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", s.initramfs.fd);
	len = readlink(link, path, sizeof(path) - 1);
	path[max_t(ssize_t, len, 0)] = '\0';
	report.ready = true;
	report.size = s.initramfs.size;
	if (write(fd, &report, sizeof(report)) < 0 || read(fd, &report.ready, 1) != 1)
		return EXIT_FAILURE;
	report.usage = smaps_of(path);
	if (write(fd, &report, sizeof(report)) < 0)
		return EXIT_FAILURE;
	/* Until the other one has looked, too. */
	while (read(fd, &report.ready, 1) > 0)
		;
	session_end(&s);
	return EXIT_SUCCESS;
}

static bool start_guest(int fds[2])
{
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		return false;
	pid = fork();
	if (!pid) {
		close(fds[0]);
		/* What it tells is for people. */
		dup2(STDERR_FILENO, STDOUT_FILENO);
		_exit(guest_main(fds[1]));
	}
	close(fds[1]);
	return pid > 0;
}

static bool receive(int fd, struct report *report)
{
	return read(fd, report, sizeof(*report)) == sizeof(*report);
}

static int measure_guests(void)
{
	struct report report[NR_GUESTS];
	double pss = 0;
	int fds[NR_GUESTS][2];
	bool ok = true;
	int i;

	fflush(stdout);
	for (i = 0; i < NR_GUESTS; i++)
		ok = start_guest(fds[i]) && receive(fds[i][0], &report[i]) && ok;
	for (i = 0; i < NR_GUESTS && ok; i++)
		ok = write(fds[i][0], "", 1) == 1 && receive(fds[i][0], &report[i]);
	for (i = 0; i < NR_GUESTS; i++)
		close(fds[i][0]);
	for (i = 0; i < NR_GUESTS; i++)
		wait(NULL);
	if (!ok)
		return EXIT_FAILURE;

	for (i = 0; i < NR_GUESTS; i++) {
		fprintf(stderr,
			"# pss-shared guest %d: of %zu KiB %lu are resident, PSS %lu KiB, copied on write %lu KiB\n",
			i + 1, report[i].size >> 10, report[i].usage.rss, report[i].usage.pss,
			report[i].usage.written);
		pss += report[i].usage.pss;
	}
	if (!pss)
		return EXIT_FAILURE;
	bench_line("pss-shared", pss / NR_GUESTS, "KiB", report[0].size >> 10, "its-size",
		   PSS_TARGET);
	return EXIT_SUCCESS;
}

/* Here, or on the emulated host */
static int measure_where_guests_run(const char *self)
{
	char *const argv[] = { (char *)self, GUESTS_OPTION, NULL };
	struct errmsg why;
	int kind;

	kind = host_classify(HOST_KVM, &why);
	if (kind == HOST_EMULATE)
		return bench_elsewhere(ARRAY_SIZE(argv) - 1, argv, why.text);
	if (kind < 0)
		return failed("pss-shared", &why);
	return measure_guests();
}

int main(int argc, char **argv)
{
	char root[] = "/dev/shm/bench_initramfs.XXXXXX", command[64];
	int status;

	if (argc == 2 && !strcmp(argv[1], GUESTS_OPTION))
		return measure_guests();

	if (!mkdtemp(root)) {
		perror("# /dev/shm");
		return EXIT_FAILURE;
	}
	status = measure_hand_off(root);
	status |= measure_second(root);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	status |= !!system(command);
	return status | measure_where_guests_run(argv[0]);
}
