// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <libgen.h>
#include <linux/kernel.h>
#include <linux/sizes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "contention.h"
#include "env.h"
#include "kselftest.h"
#include "load.h"
#include "memory_map.h"
#include "own_path.h"
#include "schedulers.h"
#include "session.h"
#include "vcpu_state.h"

/*
 * Deadlines for a guest on an emulated host: a boot takes 5 s with 1 CPU and
 * 40 s with 32 there, a fraction of a second on hardware.
 */
#define BOOT_TIMEOUT_NS		(60 * NSEC_PER_SEC)
#define BOOT_TIMEOUT_CPU_NS	(6 * NSEC_PER_SEC)
#define ANSWER_TIMEOUT_NS	(60 * NSEC_PER_SEC)
#define SCHED_TIMEOUT_NS	(120 * NSEC_PER_SEC)

/* After which the kernel complains by default */
#define RCU_STALL_SECONDS	21U
#define HUNG_TASK_SECONDS	120U

/*
 * arch/x86/include/asm/irq_vectors.h: its handler does nothing. What is to be done is
 * done by the way out of any interrupt, if another CPU has said so in memory before.
 */
#define RESCHEDULE_VECTOR	0xfd

/* What a session's scheduler is called that is the kernel's own */
#define EEVDF			"EEVDF"
#define NOT_LOADED		"(not loaded yet)"

/* How often each CPU is tried for a scheduler that can be initialised on one only */
#define LOAD_ROUNDS		4

/* The kernel, its page tables and the initramfs; per-CPU areas and stacks */
#define MEMORY_PER_NODE		((u64)SZ_256M)
#define MEMORY_PER_CPU		((u64)SZ_16M)

/*
 * An initramfs that is not small adds to what a node has: itself, and the files in
 * it, which LZ4 makes half or a third of. All of it lies in the first node at first.
 */
#define SMALL_INITRAMFS		SZ_32M
#define LZ4_ROOM		4

/*
 * How long to wait for what the host is short of, and for CPUs that others have:
 * long enough for a guest at its end to be gone, not for one that begins.
 */
#define HOST_PATIENCE_NS	(2 * NSEC_PER_SEC)
#define CPUS_PATIENCE_NS	(20 * NSEC_PER_SEC)

#define CONSOLE_TAIL_LINES	40

u64 session_memory(const struct topology *topo, size_t initramfs_size)
{
	u64 node = MEMORY_PER_NODE;

	if (initramfs_size > SMALL_INITRAMFS)
		node += LZ4_ROOM * initramfs_size;
	return topology_memory(topo) ?:
	       topo->nodes * node + topology_cpus(topo) * MEMORY_PER_CPU;
}

int session_kernel(char *path, struct errmsg *err)
{
	static const char * const images[] = { "vmlinux", "arch/x86/boot/bzImage" };
	const char *env = env_get(ENV_KERNEL);
	char dir[PATH_MAX];
	size_t i;
	int ret;

	if (env) {
		snprintf(path, PATH_MAX, "%s", env);
		return 0;
	}
	ret = own_path(dir, err);
	if (ret)
		return ret;
	while (dir[0]) {
		*strrchr(dir, '/') = '\0';
		for (i = 0; i < ARRAY_SIZE(images); i++) {
			if (snprintf(path, PATH_MAX, "%s/%s", dir, images[i]) < PATH_MAX &&
			    !access(path, R_OK))
				return 0;
		}
	}
	return errmsg_set(err, ERRMSG_INPUT, ENOENT,
			  "no vmlinux or bzImage above this program; build the kernel, or set %s",
			  ENV_KERNEL);
}

/* Is it a file that may be executed? If not, errno says why. */
static bool is_program(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return false;
	if (S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		return false;
	}
	return !access(path, X_OK);
}

int session_find_scheduler(const char *command, char *path, struct errmsg *err)
{
	char scheduler[PATH_MAX];
	int ret = 0;

	snprintf(scheduler, sizeof(scheduler), "%.*s", (int)strcspn(command, " "), command);
	if (strchr(scheduler, '/'))
		snprintf(path, PATH_MAX, "%s", scheduler);
	else
		ret = own_path_beside(path, scheduler, err);
	if (ret)
		return ret;
	if (is_program(path))
		return 0;
	/* Some machines cannot build them. */
	if (schedulers_is_built(scheduler))
		return errmsg_set(err, ERRMSG_HOST, errno,
				  "%s was not built with the suite: that takes clang 16 or later, and the kernel's vmlinux with BTF",
				  scheduler);
	return errmsg_set(err, ERRMSG_INPUT, errno,
			  "scheduler %s cannot be executed; %s takes a program's path, or the name of one of the suite's own",
			  path, ENV_SCHEDULER);
}

int session_find_program(const char *name, char *path, struct errmsg *err)
{
	const char *dirs = env_get("PATH") ?: "/usr/bin:/bin";
	size_t len;

	if (!own_path_beside(path, name, err) && !access(path, X_OK))
		return 0;
	for (; *dirs; dirs += len + !!dirs[len]) {
		len = strcspn(dirs, ":");
		if (snprintf(path, PATH_MAX, "%.*s/%s", (int)len, dirs, name) < PATH_MAX &&
		    !access(path, X_OK))
			return 0;
	}
	return errmsg_set(err, ERRMSG_HOST, ENOENT, "%s is not installed on this host", name);
}

static int add_program(struct initramfs *ir, const char *host, struct errmsg *err)
{
	char copy[PATH_MAX], path[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", host);
	snprintf(path, sizeof(path), "/bin/%s", basename(copy));
	return initramfs_add_program(ir, path, host, err);
}

static int add_programs(struct initramfs *ir, const struct session_config *cfg,
			struct errmsg *err)
{
	char path[PATH_MAX];
	int i, ret;

	if (cfg->scheduler) {
		ret = session_find_scheduler(cfg->scheduler, path, err) ?:
		      add_program(ir, path, err);
		if (ret)
			return ret;
	}
	for (i = 0; i < SESSION_MAX_PROGRAMS && cfg->programs[i]; i++) {
		ret = session_find_program(cfg->programs[i], path, err) ?:
		      add_program(ir, path, err);
		if (ret)
			return ret;
	}
	return 0;
}

int session_initramfs(struct initramfs *ir, const struct session_config *cfg,
		      struct errmsg *err)
{
	char agent[PATH_MAX];
	int ret;

	initramfs_init(ir);
	ret = own_path_beside(agent, "ktstr_agent", err);
	if (ret)
		return ret;

	/* The kernel gives /dev/console to its first process. */
	ret = initramfs_add_host_file(ir, "/init", agent, 0755, err) ?:
	      initramfs_add_chardev(ir, "/dev/console", 0600, 5, 1, err) ?:
	      add_programs(ir, cfg, err);
	if (ret)
		initramfs_destroy(ir);
	return ret;
}

static int send_to_vm(void *ctx, const void *data, size_t len)
{
	return ktstr_vm_send(ctx, data, len);
}

static ssize_t recv_from_vm(void *ctx, void *data, size_t len, u64 timeout_ns)
{
	return ktstr_vm_recv(ctx, data, len, timeout_ns);
}

static const struct control_ops control_ops = {
	.send = send_to_vm,
	.recv = recv_from_vm,
};

/* The part of the initramfs that is this test's alone */
static int make_suffix(struct initramfs *ir, const struct session_config *cfg,
		       struct initramfs_image *image, struct errmsg *err)
{
	const struct session_file *file;
	int ret = 0;

	initramfs_init(ir);
	if (!cfg->files[0].path)
		return 0;
	for (file = cfg->files; file < cfg->files + SESSION_MAX_FILES && file->path && !ret; file++)
		ret = initramfs_add_file(ir, file->path, 0644, file->text, strlen(file->text),
					 err);
	return ret ?: initramfs_finish(ir, &image->suffix, &image->suffix_size, err);
}

static int get_base(struct session *s, const struct session_config *cfg,
		    struct initramfs_image *image, struct errmsg *err)
{
	struct initramfs ir;
	int ret;

	ret = session_initramfs(&ir, cfg, err);
	if (ret)
		return ret;
	ret = initramfs_cache_get(&s->initramfs, NULL, &ir, err);
	initramfs_destroy(&ir);
	if (ret)
		return ret;
	if (s->initramfs.note.text[0])
		ksft_print_msg("%s\n", s->initramfs.note.text);
	image->base_fd = s->initramfs.fd;
	image->base_size = s->initramfs.size;
	return 0;
}

/* On failure nothing is left of either. */
static int get_initramfs(struct session *s, const struct session_config *cfg,
			 struct initramfs *suffix, struct initramfs_image *image,
			 struct errmsg *err)
{
	int ret;

	ret = get_base(s, cfg, image, err);
	if (ret)
		return ret;
	ret = make_suffix(suffix, cfg, image, err);
	if (ret) {
		initramfs_destroy(suffix);
		initramfs_cache_put(&s->initramfs);
	}
	return ret;
}

static int boot(struct session *s, const struct session_config *cfg,
		struct ktstr_vm_config *vm_cfg, struct errmsg *err)
{
	struct contention contention = {};
	struct initramfs suffix;
	int ret;

	do {
		ret = get_initramfs(s, cfg, &suffix, &vm_cfg->initramfs, err);
	} while (ret && contention_wait(&contention, HOST_PATIENCE_NS, ret, err));
	if (ret)
		return ret;
	if (!vm_cfg->memory)
		vm_cfg->memory = session_memory(&s->topo, vm_cfg->initramfs.base_size +
						vm_cfg->initramfs.suffix_size);
	vm_cfg->share = s->share;
	ret = ktstr_vm_launch(&s->vm, vm_cfg, HOST_PATIENCE_NS, err);
	initramfs_destroy(&suffix);
	if (ret)
		initramfs_cache_put(&s->initramfs);
	return ret;
}

static int want_performance(const struct session_config *cfg, bool *performance,
			    struct errmsg *err)
{
	const char *env = env_get(ENV_PERFORMANCE);

	*performance = cfg->performance;
	if (!env || !strcmp(env, "0"))
		return 0;
	*performance = true;
	if (!strcmp(env, "1"))
		return 0;
	return errmsg_set(err, ERRMSG_INPUT, 0, "%s=%s: must be 0 or 1", ENV_PERFORMANCE, env);
}

/*
 * A test that does not ask for performance mode runs on a host that does not
 * tell its topology, too; but not on CPUs that others have for themselves.
 */
static int share_host(struct session *s, const struct session_config *cfg, struct errmsg *err)
{
	struct host_share_config share_cfg = {
		.root = "",
		.topo = &s->topo,
		.patience_ns = CPUS_PATIENCE_NS,
	};
	int ret;

	ret = want_performance(cfg, &share_cfg.performance, err);
	if (ret)
		return ret;
	ret = host_share_take(&s->share, &share_cfg, err);
	if (ret != -ENODATA || share_cfg.performance)
		return ret;
	ksft_print_msg("warning: the guest runs anywhere on this host: %s\n", err->text);
	return 0;
}

/*
 * What the guest's kernel lacks is for whoever configured it: not a failure.
 *
 * @args: after those of the command, or ""
 */
static int start_with(struct session *s, const char *scheduler, const char *args,
		      struct errmsg *err)
{
	const char *argv[WIRE_MAX_ARGS + 1] = {};
	char command[sizeof(s->scheduler) + 64], *word, *rest = command;
	struct control_reply reply;
	int argc = 0, ret;

	snprintf(command, sizeof(command), "/bin/%s %s", scheduler, args);
	while (argc < WIRE_MAX_ARGS && (word = strsep(&rest, " ")))
		if (*word)
			argv[argc++] = word;
	ret = control_sched_start(&s->control, argv, SCHED_TIMEOUT_NS, &reply, err);
	control_reply_free(&reply);
	if (ret == -EOPNOTSUPP) {
		err->kind = ERRMSG_HOST;
		errmsg_prefix(err, "the guest's kernel needs %s (see the suite's config)",
			      "CONFIG_SCHED_CLASS_EXT=y and CONFIG_DEBUG_INFO_BTF=y");
	}
	return ret;
}

/*
 * Nothing tells which CPU the kernel's thread is on, and it moves: scx_central says
 * "init from non-central CPU" then, and ends.
 */
static int start_on_any_cpu(struct session *s, const char *scheduler, const char *option,
			    struct errmsg *err)
{
	unsigned int i, nr = topology_cpus(&s->topo);
	int ret = -ECHILD;
	char args[64];

	for (i = 0; i < nr * LOAD_ROUNDS && ret == -ECHILD; i++) {
		snprintf(args, sizeof(args), "%s %u", option, i % nr);
		ret = start_with(s, scheduler, args, err);
	}
	return ret;
}

int session_start_scheduler(struct session *s, const char *scheduler, struct errmsg *err)
{
	struct scheduler sched;

	scheduler = scheduler ?: s->scheduler;
	if (!strcmp(scheduler, EEVDF))
		return 0;
	schedulers_find(scheduler, &sched);
	return sched.cpu_option ? start_on_any_cpu(s, scheduler, sched.cpu_option, err)
				: start_with(s, scheduler, "", err);
}

/* The command without the program's directory, which the guest has not got; or NULL */
static void set_scheduler(struct session *s, const char *command)
{
	const char *name;

	if (!command)
		command = EEVDF;
	name = command + strcspn(command, " ");
	while (name > command && name[-1] != '/')
		name--;
	snprintf(s->scheduler, sizeof(s->scheduler), "%s", name);
}

static int stop_scheduler(struct session *s, struct errmsg *err)
{
	struct control_reply reply;
	int ret;

	ret = control_sched_stop(&s->control, SCHED_TIMEOUT_NS, &reply, err);
	control_reply_free(&reply);
	/* None was started, or it is forgotten. */
	return ret == -ESRCH ? 0 : ret;
}

int session_load(struct session *s, const char *scheduler, struct errmsg *err)
{
	int ret;

	ret = strcmp(s->scheduler, NOT_LOADED) ? stop_scheduler(s, err) : 0;
	if (ret)
		return ret;
	s->control.sched_exit.valid = false;
	set_scheduler(s, scheduler);
	ksft_print_msg("scheduler %s\n", s->scheduler);
	return session_start_scheduler(s, NULL, err);
}

void session_print_lines(const char *prefix, const char *text)
{
	int len;

	for (; *text; text += len + !!text[len]) {
		len = strcspn(text, "\n");
		ksft_print_msg("%s%.*s\n", prefix, len, text);
	}
}

static void print_share(const struct session *s)
{
	char cpus[128];

	if (!s->share)
		return;
	if (s->share->placement.pinned)
		ksft_print_msg("performance mode, the VMM on CPU %s\n",
			       cpu_set_format(&s->share->placement.service, cpus, sizeof(cpus)));
	session_print_lines("warning: ", s->share->warnings.text);
}

static void print_kernel(const struct session *s, const char *path)
{
	const struct ktstr_vm_result *result = ktstr_vm_result(s->vm);
	char spec[TOPOLOGY_STR_SIZE];

	ksft_print_msg("topology %s, scheduler %s, kernel %s, ready after %llu ms\n",
		       topology_format(&s->topo, spec), s->scheduler,
		       s->control.hello.release,
		       (unsigned long long)s->ready_ns / NSEC_PER_MSEC);
	ksft_print_msg("%s %s, %llu KiB: %s\n", result->image, path,
		       (unsigned long long)result->image_size >> 10, result->image_version);
	session_print_lines("warning: ", result->warnings);
}

static void print_console(const struct ktstr_vm_result *result)
{
	const char *end = result->console + result->console_len, *start = end;
	int lines = 0;

	while (start > result->console && lines <= CONSOLE_TAIL_LINES)
		lines += *--start == '\n';
	if (*start == '\n')
		start++;
	ksft_print_msg("console, last lines of %zu bytes:\n", result->console_len);
	while (start < end) {
		int len = strcspn(start, "\n");

		ksft_print_msg("| %.*s\n", len, start);
		start += len + 1;
	}
}

static void print_vcpus(const struct ktstr_vm_result *result)
{
	unsigned int i;

	for (i = 0; i < result->nr_vcpus; i++) {
		const struct vcpu_state *v = &result->vcpus[i];
		char wait[VCPU_STATE_TEXT_SIZE];

		if (!v->valid)
			continue;
		ksft_print_msg("CPU %u: rip %llx rsp %llx rflags %llx", i, v->regs.rip,
			       v->regs.rsp, v->regs.rflags);
		printf(" rax %llx rbx %llx rcx %llx rdx %llx rsi %llx rdi %llx", v->regs.rax,
		       v->regs.rbx, v->regs.rcx, v->regs.rdx, v->regs.rsi, v->regs.rdi);
		printf(" cr0 %llx cr2 %llx cr3 %llx cr4 %llx efer %llx\n", v->sregs.cr0,
		       v->sregs.cr2, v->sregs.cr3, v->sregs.cr4, v->sregs.efer);
		if (!v->waits)
			continue;
		vcpu_state_wait(v, wait, sizeof(wait));
		ksft_print_msg("CPU %u %s\n", i, wait);
	}
}

static void print_guest(struct session *s)
{
	const struct ktstr_vm_result *result = ktstr_vm_result(s->vm);

	ktstr_vm_stop(s->vm, KTSTR_VM_TIMEOUT, "the guest did not end by itself");
	ksft_print_msg("guest: %s: %s\n", ktstr_vm_state_name(result->state), result->reason);
	if (result->irq_failures)
		ksft_print_msg("guest: KVM refused its interrupt routes %llu times\n",
			       (unsigned long long)result->irq_failures);
	if (result->broken[0])
		ksft_print_msg("guest: its driver has stopped a device: %s\n", result->broken);
	print_console(result);
	print_vcpus(result);
}

void session_print(struct session *s, int ret, const struct errmsg *err)
{
	session_print_lines("", err->text);
	/* A guest that still answers is not what is wrong. */
	if (s->vm && (ret == -ETIMEDOUT || ret == -EPIPE))
		print_guest(s);
}

static u64 boot_timeout(const struct session *s, const struct session_config *cfg)
{
	if (cfg->boot_timeout_ns)
		return cfg->boot_timeout_ns;
	return BOOT_TIMEOUT_NS + topology_cpus(&s->topo) * BOOT_TIMEOUT_CPU_NS;
}

/* Return: 0; -ETIMEDOUT and such with the guest left for session_print(); or without one */
static int start_guest(struct session *s, const struct session_config *cfg,
		       struct ktstr_vm_config *vm_cfg, struct errmsg *err)
{
	u64 start = clock_ns();
	int ret;

	ret = boot(s, cfg, vm_cfg, err);
	if (ret)
		return ret;
	control_init(&s->control, &control_ops, s->vm, ANSWER_TIMEOUT_NS);
	ret = control_wait_hello(&s->control, boot_timeout(s, cfg), err);
	if (ret) {
		ktstr_vm_stop(s->vm, KTSTR_VM_TIMEOUT, "the agent was not ready in time");
		errmsg_prefix(err, "booting %s: %s", vm_cfg->kernel,
			      ktstr_vm_state_name(ktstr_vm_result(s->vm)->state));
	}
	s->ready_ns = clock_ns() - start;
	return ret;
}

static void end_guest(struct session *s)
{
	if (!s->vm)
		return;
	/* An orderly shutdown would tell nothing more, and takes seconds. */
	control_destroy(&s->control);
	ktstr_vm_destroy(s->vm);
	s->vm = NULL;
	initramfs_cache_put(&s->initramfs);
}

/*
 * In about one boot of some thousands on an emulated host, no CPU of the guest had
 * anything to do while its agent was not ready yet. That was before vCPUs were nudged,
 * which may be all that it takes (nudge.h); too few boots have shown it so far.
 */
static bool host_hung(const struct session *s)
{
	const struct ktstr_vm_result *result = s->vm ? ktstr_vm_result(s->vm) : NULL;
	unsigned int i;

	if (!result || !s->control.silent || !cpuid_host_is_tcg() ||
	    result->state != KTSTR_VM_TIMEOUT)
		return false;
	for (i = 0; i < result->nr_vcpus; i++)
		if (!vcpu_state_rests(&result->vcpus[i]))
			return false;
	return true;
}

/*
 * By default the kernel is patient for longer than plays of 3 s to 10 s take: 20 s until
 * a soft lockup, which is twice watchdog_thresh, RCU_STALL_SECONDS, HUNG_TASK_SECONDS.
 * RCU takes no less than 3 s. Where vCPUs share CPUs, all takes longer by as much, and
 * one that is away looks like one that is stuck: soft lockups are left alone there.
 */
void session_cmdline(char *cmdline, size_t size, const struct topology *topo, const char *more)
{
	unsigned int overcommit = load_overcommit(topo);
	bool patient = overcommit > 1 || cpuid_host_is_tcg();

	snprintf(cmdline, size,
		 "%srcupdate.rcu_cpu_stall_timeout=%u sysctl.kernel.hung_task_timeout_secs=%u %s %s",
		 patient ? "" : "watchdog_thresh=2 ",
		 min(3 * overcommit, RCU_STALL_SECONDS), min(2 * overcommit, HUNG_TASK_SECONDS),
		 more ?: "", env_get(ENV_CMDLINE) ?: "");
}

/* A kernel that is to blame for it does it again. */
static int start_guest_for_sure(struct session *s, const struct session_config *cfg,
				struct ktstr_vm_config *vm_cfg, struct errmsg *err)
{
	int ret;

	ret = start_guest(s, cfg, vm_cfg, err);
	if (ret != -ETIMEDOUT || !host_hung(s))
		return ret;
	session_print(s, ret, err);
	ksft_print_msg("warning: this emulated host may have lost an interrupt: once more\n");
	end_guest(s);
	return start_guest(s, cfg, vm_cfg, err);
}

int session_start(struct session *s, const struct session_config *cfg, struct errmsg *err)
{
	char kernel[PATH_MAX], cmdline[MAP_CMDLINE_SIZE];
	struct ktstr_vm_config vm_cfg = {
		.memory = cfg->memory,
		.vendor = cfg->vendor,
		.irqchip = cfg->irqchip,
		.cmdline = cmdline,
		.disk = cfg->disk,
		.net = cfg->net,
		.nudge_vector = cpuid_host_is_tcg() ? RESCHEDULE_VECTOR : 0,
	};
	int ret;

	memset(s, 0, sizeof(*s));
	set_scheduler(s, cfg->load_later ? NOT_LOADED : cfg->scheduler);
	ret = topology_parse(cfg->topology, &s->topo, err) ?:
	      schedulers_check_lacks(err) ?:
	      session_kernel(kernel, err) ?:
	      share_host(s, cfg, err);
	if (ret)
		goto failed;

	session_cmdline(cmdline, sizeof(cmdline), &s->topo, cfg->cmdline);
	vm_cfg.topo = s->topo;
	vm_cfg.kernel = kernel;
	ret = start_guest_for_sure(s, cfg, &vm_cfg, err);
	if (ret)
		goto failed;
	print_kernel(s, kernel);
	print_share(s);
	if (s->control.hello.nr_cpus != topology_cpus(&s->topo))
		ret = errmsg_set(err, ERRMSG_FAILED, 0,
				 "the guest has %u of its %u CPUs online (see NR_CPUS, HOTPLUG_CPU)",
				 s->control.hello.nr_cpus, topology_cpus(&s->topo));
	else if (cfg->scheduler && !cfg->load_later)
		ret = session_start_scheduler(s, NULL, err);
	if (!ret)
		return 0;

failed:
	if (err->kind != ERRMSG_HOST)
		session_print(s, ret, err);
	session_end(s);
	return ret;
}

void session_end(struct session *s)
{
	end_guest(s);
	host_share_release(s->share);
	s->share = NULL;
}
