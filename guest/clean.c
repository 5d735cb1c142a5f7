// SPDX-License-Identifier: GPL-2.0
/*
 * WIRE_CLEAN: the guest as it was after its boot, for the next scenario. What
 * there is gets ended and undone without asking where it came from; then the
 * kernel is asked what there is. Both until nothing is left or the time is over.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/kernel.h>

#include "agent.h"
#include "clock.h"
#include "cpulist.h"
#include "kthreads.h"
#include "task.h"

#define LOOK_NS		(10 * NSEC_PER_MSEC)

#define CPUS		"/sys/devices/system/cpu"

static enum {
	IDLE,
	UNLOADING,		/* until the scheduler has left */
	CLEANING,
} phase;

static u32 clean_seq;
static u64 deadline;
static u64 next_look;

/* What is left, in words; of many things the first */
static struct {
	unsigned int nr;
	unsigned int named;
	char text[200];
} left;

static void __printf(1, 2) tell(const char *fmt, ...)
{
	size_t used = strlen(left.text), room = sizeof(left.text) - used;
	va_list ap;
	int n;

	left.nr++;
	if (left.named < left.nr - 1)
		return;
	n = snprintf(left.text + used, room, "%s", used ? ", " : "");
	va_start(ap, fmt);
	n += vsnprintf(left.text + used + n, room > (size_t)n ? room - n : 0, fmt, ap);
	va_end(ap);
	/* One that is cut counts if it is the first. */
	if ((size_t)n < room || !used)
		left.named++;
	else
		left.text[used] = '\0';
}

static const char *in_root(const char *path)
{
	static char full[PATH_MAX];

	snprintf(full, sizeof(full), "%s%s", agent_options.root, path);
	return full;
}

/* -- tasks ------------------------------------------------------------------ */

/* In a guest, all but the kernel's; elsewhere, what descends from the agent. */
static bool has_to_go(struct task task)
{
	pid_t self = getpid();

	if (task.pid == self)
		return false;
	if (is_init)
		return !(task.flags & PF_KTHREAD);
	while (task.parent > 1 && task.parent != self)
		if (!task_read(task.parent, &task))
			return false;
	return task.parent == self;
}

/* The next one that has to go; false after the last */
static bool next_task(DIR *proc, struct task *task)
{
	while (task_next(proc, task))
		if (has_to_go(*task))
			return true;
	return false;
}

static DIR *open_proc(void)
{
	DIR *proc = opendir("/proc");

	if (!proc)
		tell("/proc, which cannot be read (%s)", strerrorname_np(errno) ?: "?");
	return proc;
}

/*
 * To die, a task has to run, which a bad scheduler may never let it do, or its
 * cgroup's quota not soon. In another class it is out of their hands.
 */
static void rescue(pid_t pid)
{
	struct sched_param param = { .sched_priority = 1 };
	struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (atoi(entry->d_name) > 0)
			sched_setscheduler(atoi(entry->d_name), SCHED_FIFO, &param);
	if (dir)
		closedir(dir);
}

/* End them, frozen or not; those of the process group @spared are only rescued. */
static bool end_tasks(pid_t spared)
{
	DIR *proc = open_proc();
	struct task task;
	bool any = false;

	while (next_task(proc, &task)) {
		any = true;
		rescue(task.pid);
		if (!spared || getpgid(task.pid) != spared)
			kill(task.pid, SIGKILL);
	}
	if (proc)
		closedir(proc);
	return any;
}

static void tell_tasks(void)
{
	DIR *proc = open_proc();
	struct task task;

	while (next_task(proc, &task))
		tell("task %d (%s, state %c)", task.pid, task.comm, task.state);
	if (proc)
		closedir(proc);
}

static void tell_kthread(const struct task *task)
{
	tell("other attributes of the kernel's thread %d (%s)", task->pid, task->comm);
}

/* -- the agent itself ------------------------------------------------------- */

static void reset_self(void)
{
	struct cpu_set all;

	memset(&all, 0xff, sizeof(all));
	syscall(SYS_sched_setaffinity, 0, sizeof(all.bits), all.bits);
	if (!is_init)
		return;
	setpriority(PRIO_PROCESS, 0, 0);
	leave_sched_ext();
}

/* What it starts would inherit it. */
static void tell_self(const struct cpu_set *online)
{
	int policy = sched_getscheduler(0), nice = getpriority(PRIO_PROCESS, 0);
	struct cpu_set cpus = { };
	char list[64];

	syscall(SYS_sched_getaffinity, 0, sizeof(cpus.bits), cpus.bits);
	if (!cpu_set_equal(&cpus, online))
		tell("the agent's affinity to CPUs %s",
		     cpu_set_format(&cpus, list, sizeof(list)));
	if (is_init && (policy != (SCHED_FIFO | SCHED_RESET_ON_FORK) || nice))
		tell("the agent's policy %#x and nice value %d", policy, nice);
}

/* -- CPUs ------------------------------------------------------------------- */

static void read_cpus(const char *path, struct cpu_set *set)
{
	char list[4096];
	int ret;

	memset(set, 0, sizeof(*set));
	ret = read_text(in_root(path), list, sizeof(list)) ?: cpu_set_parse(set, list);
	if (ret)
		tell("%s, which cannot be read (%s)", path, strerrorname_np(-ret) ?: "?");
}

static void tell_cpus(const struct cpu_set *online)
{
	struct cpu_set present;
	unsigned int cpu;

	read_cpus(CPUS "/present", &present);
	for (cpu = 0; cpu < TOPOLOGY_MAX_CPUS; cpu++)
		if (cpu_set_has(&present, cpu) && !cpu_set_has(online, cpu))
			tell("CPU %u, which is offline", cpu);
}

/* -- directories: cgroups, and those for files ------------------------------ */

static const char *const scratch[] = { "/tmp", "/run", "/dev/shm" };

/* The next directory, or file if asked for those */
static struct dirent *next_entry(DIR *dir, bool files)
{
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR && files)
			return entry;
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") &&
		    strcmp(entry->d_name, ".."))
			return entry;
	}
	return NULL;
}

/* Remove what is in a directory: its directories, and if asked for its files. */
static void empty_dir(int parent, const char *name, bool files)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = next_entry(dir, files))) {
		bool is_dir = entry->d_type == DT_DIR;

		if (is_dir)
			empty_dir(fd, entry->d_name, files);
		unlinkat(fd, entry->d_name, is_dir ? AT_REMOVEDIR : 0);
	}
	closedir(dir);
}

/* Tell what is in a directory @path, which is @len bytes long, at any depth. */
static void tell_dir(char *path, size_t len, bool files)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while ((entry = next_entry(dir, files))) {
		size_t n = strlen(entry->d_name);

		if (len + 1 + n >= PATH_MAX)
			continue;
		path[len] = '/';
		memcpy(path + len + 1, entry->d_name, n + 1);
		tell("%s", path);
		if (entry->d_type == DT_DIR)
			tell_dir(path, len + 1 + n, files);
		path[len] = '\0';
	}
	if (dir)
		closedir(dir);
}

static void empty_dirs(void)
{
	size_t i;

	empty_dir(AT_FDCWD, in_root(WIRE_CGROUPS), false);
	for (i = 0; i < ARRAY_SIZE(scratch); i++)
		empty_dir(AT_FDCWD, in_root(scratch[i]), true);
}

static void tell_dirs(void)
{
	static char path[PATH_MAX];
	size_t i;

	tell_dir(path, snprintf(path, sizeof(path), "%s", in_root(WIRE_CGROUPS)), false);
	for (i = 0; i < ARRAY_SIZE(scratch); i++)
		tell_dir(path, snprintf(path, sizeof(path), "%s", in_root(scratch[i])), true);
}

/* -- what cgroups get ------------------------------------------------------- */

#define NR_CONTROLLERS	16

static bool is_ours(const char *controller)
{
	return !strcmp(controller, "cpu") || !strcmp(controller, "cpuset");
}

/* The words of a file in the root cgroup; returns how many */
static size_t read_words(const char *file, char text[256], char *words[NR_CONTROLLERS])
{
	char *rest = text, *word;
	size_t n = 0;

	read_text(in_root(file), text, 256);
	while (n < NR_CONTROLLERS && (word = strsep(&rest, " ")))
		if (*word)
			words[n++] = word;
	return n;
}

static void write_controller(char how, const char *controller)
{
	int fd = open(in_root(WIRE_CGROUPS "/cgroup.subtree_control"), O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		dprintf(fd, "%c%s", how, controller);
	if (fd >= 0)
		close(fd);
}

/* Those that cgroups get and should not, or should and do not, as the boot had it */
static void each_wrong_controller(void (*wrong)(char how, const char *controller))
{
	char all_text[256], on_text[256], *all[NR_CONTROLLERS], *on[NR_CONTROLLERS];
	size_t nr_all, nr_on, i, j;
	bool is_on;

	nr_all = read_words(WIRE_CGROUPS "/cgroup.controllers", all_text, all);
	nr_on = read_words(WIRE_CGROUPS "/cgroup.subtree_control", on_text, on);
	for (i = 0; i < nr_all; i++) {
		for (j = 0; j < nr_on && strcmp(all[i], on[j]); j++)
			;
		is_on = j < nr_on;
		if (is_on != is_ours(all[i]))
			wrong(is_on ? '-' : '+', all[i]);
	}
}

static void tell_controller(char how, const char *controller)
{
	tell("the %s controller %s", controller, how == '-' ? "on" : "off");
}

/* -- all of it -------------------------------------------------------------- */

static void tell_scheduler(void)
{
	char path[PATH_MAX], state[32];

	/* A kernel without sched_ext has no such file. */
	snprintf(path, sizeof(path), "%s/state", agent_options.scx_dir);
	if (read_text(path, state, sizeof(state)) != -ENOENT && strcmp(state, "disabled"))
		tell("sched_ext, which is %s", state);
}

static void clean(void)
{
	empty_dirs();
	each_wrong_controller(write_controller);
	online_cpus();
	/* Where all the CPUs are that they had */
	kthreads_restore();
	reset_self();
}

static void look(void)
{
	struct cpu_set online;

	memset(&left, 0, sizeof(left));
	tell_scheduler();
	tell_tasks();
	kthreads_changed(tell_kthread);
	tell_dirs();
	each_wrong_controller(tell_controller);
	read_cpus(CPUS "/online", &online);
	tell_cpus(&online);
	tell_self(&online);
}

void clean_request(const struct wire_frame *frame)
{
	struct wire_reader r;
	u64 timeout_ns;

	wire_read(&r, frame);
	timeout_ns = wire_get_u64(&r);
	if (!wire_read_done(&r)) {
		out_done(frame->seq, EBADMSG, "malformed request to clean");
		return;
	}
	if (phase != IDLE) {
		out_done(frame->seq, EBUSY, "it is just being cleaned");
		return;
	}
	if (!agent_options.root) {
		out_done(frame->seq, EOPNOTSUPP, "this is no guest");
		return;
	}
	group_end();
	program_end();
	/* The other tasks before it has left: it may be them that it forgets. */
	end_tasks(sched_end(timeout_ns / 2));
	clean_seq = frame->seq;
	deadline = clock_add(clock_ns(), timeout_ns);
	next_look = 0;
	phase = UNLOADING;
}

/* Is there nothing more to wait for? */
static bool is_over(u64 now)
{
	if (phase == UNLOADING && !sched_idle() && now < deadline)
		return false;
	phase = CLEANING;
	/* They hold on to the rest. */
	if (end_tasks(0) && now < deadline)
		return false;
	clean();
	look();
	return !left.nr || now >= deadline;
}

u64 clean_tick(u64 now)
{
	if (phase == IDLE)
		return NEVER;
	if (now < next_look)
		return next_look;
	if (!is_over(now)) {
		next_look = now + LOOK_NS;
		return next_look;
	}
	sched_forget(clean_seq);
	if (left.nr > left.named)
		out_done(clean_seq, EBUSY, "left behind: %s, and %u more", left.text,
			 left.nr - left.named);
	else
		out_done(clean_seq, left.nr ? EBUSY : 0, "left behind: %s", left.text);
	phase = IDLE;
	return NEVER;
}
