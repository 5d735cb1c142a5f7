// SPDX-License-Identifier: GPL-2.0
/*
 * Performance mode on this host, with a guest of two instructions: what KVM is
 * asked for, where threads run and how, and what is left afterwards. The calls
 * of interest go through functions of this program, which can let them fail.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <linux/sizes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "clock.h"
#include "held.h"
#include "host.h"
#include "host_lock.h"
#include "harness.h"
#include "ktstr_vmm.h"
#include "memory_map.h"
#include "performance.h"
#include "performance_wrap.h"
#include "testutil.h"

#define MAX_CALLS	64

/* -- the calls, and what they are made to return ---------------------------------- */

struct call {
	unsigned long request;
	u64 cap, arg;		/* of KVM_ENABLE_CAP */
	u32 flags;		/* of KVM_SET_CLOCK */
};

static struct call calls[MAX_CALLS];
static unsigned int nr_calls;
static bool seen_realtime;

static struct {
	u64 exits;		/* KVM_X86_DISABLE_EXITS_... that fail */
	bool halt_poll;
	unsigned long clock;	/* KVM_GET_CLOCK or KVM_SET_CLOCK */
	bool unstable;
} refuse;

static void note(unsigned long request, void *arg)
{
	struct call *call = &calls[nr_calls];
	struct kvm_enable_cap *cap = arg;
	struct kvm_clock_data *clock = arg;

	if (nr_calls == MAX_CALLS)
		return;
	if (request != KVM_ENABLE_CAP && request != KVM_GET_CLOCK && request != KVM_SET_CLOCK)
		return;
	nr_calls++;
	*call = (struct call) { .request = request };
	if (request == KVM_ENABLE_CAP) {
		call->cap = cap->cap;
		call->arg = cap->args[0];
	} else {
		call->flags = clock->flags;
	}
}

static bool refused(unsigned long request, void *arg)
{
	struct kvm_enable_cap *cap = arg;

	if (request == KVM_ENABLE_CAP && cap->cap == KVM_CAP_X86_DISABLE_EXITS)
		return cap->args[0] & refuse.exits;
	if (request == KVM_ENABLE_CAP && cap->cap == KVM_CAP_HALT_POLL)
		return refuse.halt_poll;
	return refuse.clock && request == refuse.clock;
}

static void see_cpuid(const struct kvm_cpuid2 *cpuid)
{
	u32 i;

	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == KVM_CPUID_FEATURES)
			seen_realtime = cpuid->entries[i].edx & BIT(KVM_HINTS_REALTIME);
}

int ioctl(int fd, unsigned long request, ...)
{
	struct kvm_clock_data *clock;
	va_list ap;
	void *arg;
	int ret;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	note(request, arg);
	if (request == KVM_SET_CPUID2)
		see_cpuid(arg);
	if (refused(request, arg)) {
		errno = EINVAL;
		return -1;
	}
	ret = syscall(SYS_ioctl, fd, request, arg);
	clock = arg;
	if (!ret && request == KVM_GET_CLOCK && refuse.unstable)
		clock->flags &= ~KVM_CLOCK_TSC_STABLE;
	else if (!ret && request == KVM_GET_CLOCK)
		clock->flags |= KVM_CLOCK_TSC_STABLE;
	return ret;
}

/* The memory that is asked for; all that tests get is the plain one. */
static u64 free_huge_pages;
static struct numa_mem_config asked;

u64 __wrap_numa_mem_free_huge_pages(void)
{
	return free_huge_pages;
}

int __wrap_numa_mem_map(struct numa_mem *mem, const struct numa_mem_config *cfg,
			struct warnings *w, struct errmsg *err)
{
	asked = *cfg;
	return __real_numa_mem_map(mem, NULL, w, err);
}

/*
 * So slow that the thread of a guest which ends at once would have ended: with one
 * that has, glibc (2.36) does this to the calling thread, or fails.
 */
static bool slow;

int pthread_setaffinity_np(pthread_t thread, size_t size, const cpu_set_t *cpus)
{
	int (*real)(pthread_t thread, size_t size, const cpu_set_t *cpus) =
		dlsym(RTLD_NEXT, "pthread_setaffinity_np");

	if (slow)
		usleep(200 * 1000);
	return real(thread, size, cpus);
}

int pthread_setschedparam(pthread_t thread, int policy, const struct sched_param *param)
{
	int (*real)(pthread_t thread, int policy, const struct sched_param *param) =
		dlsym(RTLD_NEXT, "pthread_setschedparam");

	if (slow)
		usleep(200 * 1000);
	return real(thread, policy, param);
}

FIXTURE(quirks) {
	struct warnings w;
};

FIXTURE_SETUP(quirks)
{
	memset(self, 0, sizeof(*self));
	memset(&refuse, 0, sizeof(refuse));
	nr_calls = 0;
}

FIXTURE_TEARDOWN(quirks)
{
}

/* A VM without anything; -1 if this host has none */
static int bare_vm(void)
{
	int kvm = open(HOST_KVM, O_RDWR | O_CLOEXEC), vm = -1;

	if (kvm >= 0) {
		vm = ioctl(kvm, KVM_CREATE_VM, 0);
		close(kvm);
	}
	return vm;
}

static unsigned int lines(const struct warnings *w)
{
	const char *text = w->text;
	unsigned int n = 0;

	while ((text = strchr(text, '\n'))) {
		text++;
		n++;
	}
	return n;
}

/* Each by a call of its own, so that the one is had without the other */
TEST_F(quirks, disable_exits)
{
	int vm = bare_vm();

	performance_disable_exits(vm, &self->w);
	ASSERT_EQ(2, nr_calls);
	EXPECT_EQ(KVM_CAP_X86_DISABLE_EXITS, calls[0].cap);
	EXPECT_EQ(KVM_X86_DISABLE_EXITS_PAUSE, calls[0].arg);
	EXPECT_EQ(KVM_CAP_X86_DISABLE_EXITS, calls[1].cap);
	EXPECT_EQ(KVM_X86_DISABLE_EXITS_HLT, calls[1].arg);
	/* KVM does what it says that it can. */
	if (vm >= 0)
		EXPECT_EQ(!(ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_X86_DISABLE_EXITS) &
			    KVM_X86_DISABLE_EXITS_HLT), !!strstr(self->w.text, "HLT"));

	memset(&self->w, 0, sizeof(self->w));
	refuse.exits = KVM_X86_DISABLE_EXITS_HLT;
	performance_disable_exits(vm, &self->w);
	EXPECT_EQ(4, nr_calls);
	EXPECT_NE(NULL, strstr(self->w.text, "KVM intercepts HLT"));
	EXPECT_NE(NULL, strstr(self->w.text, "EINVAL"));
	EXPECT_NE(NULL, strstr(self->w.text, "waking up an idle CPU takes longer"));
	EXPECT_EQ(vm < 0, !!strstr(self->w.text, "PAUSE"));

	memset(&self->w, 0, sizeof(self->w));
	refuse.exits = KVM_X86_DISABLE_EXITS_HLT | KVM_X86_DISABLE_EXITS_PAUSE;
	performance_disable_exits(vm, &self->w);
	EXPECT_EQ(2, lines(&self->w));
	EXPECT_NE(NULL, strstr(self->w.text, "spinning on a lock takes longer"));
	close(vm);
}

TEST_F(quirks, halt_poll)
{
	int vm = bare_vm();

	performance_halt_poll(vm, false, &self->w);
	performance_halt_poll(vm, true, &self->w);
	ASSERT_EQ(2, nr_calls);
	EXPECT_EQ(KVM_CAP_HALT_POLL, calls[0].cap);
	EXPECT_EQ(200000, calls[0].arg);
	EXPECT_EQ(KVM_CAP_HALT_POLL, calls[1].cap);
	EXPECT_EQ(0, calls[1].arg);
	if (vm >= 0 && ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_HALT_POLL))
		EXPECT_STREQ("", self->w.text);
	memset(&self->w, 0, sizeof(self->w));
	refuse.halt_poll = true;
	performance_halt_poll(vm, false, &self->w);
	EXPECT_NE(NULL, strstr(self->w.text, "KVM_CAP_HALT_POLL: EINVAL"));
	EXPECT_NE(NULL, strstr(self->w.text, "how fast idle CPUs wake up"));
	close(vm);
}

/* Get, set without flags, get; no step can be left out. */
TEST_F(quirks, tsc)
{
	static const unsigned long steps[] = { KVM_GET_CLOCK, KVM_SET_CLOCK };
	int vm = bare_vm();
	size_t i;

	if (vm < 0)
		SKIP(return, "no VM on " HOST_KVM ": the clock cannot be tried");
	performance_check_tsc(vm, &self->w);
	ASSERT_EQ(3, nr_calls);
	EXPECT_EQ(KVM_GET_CLOCK, calls[0].request);
	EXPECT_EQ(KVM_SET_CLOCK, calls[1].request);
	EXPECT_EQ(0, calls[1].flags);
	EXPECT_EQ(KVM_GET_CLOCK, calls[2].request);
	EXPECT_STREQ("", self->w.text);

	refuse.unstable = true;
	performance_check_tsc(vm, &self->w);
	EXPECT_NE(NULL, strstr(self->w.text, "TSC is not stable"));
	EXPECT_NE(NULL, strstr(self->w.text, "reading the clock takes longer"));
	EXPECT_EQ(1, lines(&self->w));

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		memset(&self->w, 0, sizeof(self->w));
		refuse.clock = steps[i];
		performance_check_tsc(vm, &self->w);
		EXPECT_NE(NULL, strstr(self->w.text, i ? "KVM_SET_CLOCK: EINVAL" :
							"KVM_GET_CLOCK: EINVAL"));
		EXPECT_NE(NULL, strstr(self->w.text, "is not known"));
	}
	close(vm);
}

/* -- threads ------------------------------------------------------------------------- */

static unsigned int some_cpu(void)
{
	unsigned int cpu = 0;
	cpu_set_t mine;

	sched_getaffinity(0, sizeof(mine), &mine);
	while (!CPU_ISSET(cpu, &mine))
		cpu++;
	return cpu;
}

/* Who may not have real-time priority is pinned all the same. */
TEST(no_real_time)
{
	const struct rlimit none = {};
	struct host_share *share = calloc(1, sizeof(*share));
	struct warnings w = {};
	struct errmsg err;
	cpu_set_t mine;

	ASSERT_NE(NULL, share);
	share->placement.pinned = true;
	share->placement.cpus[0] = some_cpu();
	share->placement.cpus[1] = some_cpu();
	ASSERT_EQ(0, setrlimit(RLIMIT_RTPRIO, &none));
	if (!getuid())
		ASSERT_EQ(0, setuid(65534));

	ASSERT_EQ(0, performance_place_vcpu(share, 0, pthread_self(), &w, &err));
	EXPECT_EQ(SCHED_OTHER, sched_getscheduler(0));
	ASSERT_EQ(0, sched_getaffinity(0, sizeof(mine), &mine));
	EXPECT_EQ(1, CPU_COUNT(&mine));
	EXPECT_TRUE(CPU_ISSET(share->placement.cpus[0], &mine));
	EXPECT_NE(NULL, strstr(w.text, "SCHED_FIFO: EPERM"));
	EXPECT_NE(NULL, strstr(w.text, "other tasks of the host take their CPUs"));
	/* Said once, not for each vCPU */
	ASSERT_EQ(0, performance_place_vcpu(share, 1, pthread_self(), &w, &err));
	EXPECT_EQ(1, lines(&w));
	free(share);
}

TEST(cpu_that_is_gone)
{
	struct host_share *share = calloc(1, sizeof(*share));
	struct warnings w = {};
	struct errmsg err;

	ASSERT_NE(NULL, share);
	share->placement.pinned = true;
	share->placement.cpus[3] = TOPOLOGY_MAX_CPUS - 1;
	EXPECT_EQ(-EINVAL, performance_place_vcpu(share, 3, pthread_self(), &w, &err));
	EXPECT_EQ(ERRMSG_HOST, err.kind);
	EXPECT_NE(NULL, strstr(err.text, "vCPU 3 to CPU 4095"));
	EXPECT_EQ(-EINVAL, performance_place_service(share, pthread_self(), &err));
	EXPECT_EQ(ERRMSG_HOST, err.kind);
	EXPECT_EQ(SCHED_OTHER, sched_getscheduler(0));
	free(share);
}

/* -- a VM ------------------------------------------------------------------------------ */

/* A vmlinux with one segment, whose code is "pause; jmp" back to itself, then UD2 */
struct kernel {
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdr;
	u8 text[4096];
};

static const struct kernel spin = {
	.ehdr = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_entry = MAP_HIGH_RAM,
		.e_phoff = offsetof(struct kernel, phdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 1,
	},
	.phdr = {
		.p_type = PT_LOAD,
		.p_offset = offsetof(struct kernel, text),
		.p_vaddr = 0xffffffff80000000ULL + MAP_HIGH_RAM,
		.p_paddr = MAP_HIGH_RAM,
		.p_filesz = sizeof(spin.text),
		.p_memsz = sizeof(spin.text),
	},
	.text = { 0xf3, 0x90, 0xeb, 0xfc, 0x0f, 0x0b },
};

FIXTURE(mode) {
	struct topology topo;
	struct host_share *share;
	struct ktstr_vm_config cfg;
	struct ktstr_vm *vm;
	char dir[64];
	char path[PATH_MAX];
	int locks;
	int kernel;
	struct errmsg err;
};

FIXTURE_SETUP(mode)
{
	memset(self, 0, sizeof(*self));
	memset(&refuse, 0, sizeof(refuse));
	nr_calls = 0;
	slow = false;
	if (access(HOST_KVM, R_OK | W_OK))
		SKIP(return, HOST_KVM ": %s", strerror(errno));
	snprintf(self->dir, sizeof(self->dir), "/tmp/ktstr_perf_XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	snprintf(self->path, sizeof(self->path), "%s/locks", self->dir);
	setenv(ENV_LOCK_DIR, self->path, 1);
	self->locks = host_lock_dir(self->path, &self->err);
	ASSERT_LE(0, self->locks);
	self->kernel = memfd_create("kernel", MFD_CLOEXEC);
	ASSERT_EQ(sizeof(spin), write(self->kernel, &spin, sizeof(spin)));
	snprintf(self->path, sizeof(self->path), "/proc/self/fd/%d", self->kernel);
	self->cfg = (struct ktstr_vm_config) { .memory = SZ_16M, .kernel = self->path };
}

FIXTURE_TEARDOWN(mode)
{
	ktstr_vm_destroy(self->vm);
	host_share_release(self->share);
	close(self->kernel);
	close(self->locks);
	sh("rm -rf %s", self->dir);
}

static int take(struct _test_data_mode *self, struct host_share **share, unsigned int cores,
		bool performance)
{
	const struct host_share_config cfg = {
		.root = "",
		.topo = &self->topo,
		.performance = performance,
	};

	self->topo = (struct topology){ .nodes = 1, .llcs = 1, .cores = cores, .threads = 1 };
	return host_share_take(share, &cfg, &self->err);
}

/*
 * As many vCPUs as fit; self->share is NULL if there are none, which is a reason to
 * skip: SKIP() would hide what an EXPECT_ has found.
 */
static void take_most(struct __test_metadata *_metadata, struct _test_data_mode *self)
{
	unsigned int cores = 8;

	while (cores && take(self, &self->share, cores, true)) {
		/* One too many: the reason says what is missing. */
		ASSERT_EQ(ERRMSG_HOST, self->err.kind);
		ASSERT_NE(NULL, strstr(self->err.text, "use a smaller topology")) {
			TH_LOG("%s", self->err.text);
		}
		cores--;
	}
	self->cfg.topo = self->topo;
	self->cfg.share = self->share;
}

static void launch(struct __test_metadata *_metadata, struct _test_data_mode *self)
{
	ASSERT_EQ(0, ktstr_vm_launch(&self->vm, &self->cfg, 0, &self->err)) {
		TH_LOG("%s", self->err.text);
	}
}

/* A thread of this process, as /proc describes it */
struct thread {
	pid_t tid;
	int policy;
	char cpus[64];
};

static unsigned int list_threads(struct __test_metadata *_metadata, struct thread *threads,
				 unsigned int max)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned int n = 0;
	char path[300], line[256];
	struct dirent *entry;
	bool kvm;
	FILE *f;

	while (dir && (entry = readdir(dir)) && n < max) {
		threads[n].tid = atoi(entry->d_name);
		if (!threads[n].tid || threads[n].tid == getpid() || held_exits(entry->d_name))
			continue;
		threads[n].policy = sched_getscheduler(threads[n].tid) & ~SCHED_RESET_ON_FORK;
		kvm = false;
		snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f)) {
			if (sscanf(line, "Cpus_allowed_list: %63s", threads[n].cpus) == 1)
				continue;
			kvm |= !strncmp(line, "Name:\tkvm-", 10);
		}
		if (f)
			fclose(f);
		if (kvm)	/* one of KVM's own, which never keeps a CPU busy */
			EXPECT_EQ(SCHED_OTHER, threads[n].policy);
		n += !kvm;
	}
	closedir(dir);
	return n;
}

/* How many threads are allowed these CPUs, with this policy */
static unsigned int count_threads(struct __test_metadata *_metadata, const struct cpu_set *cpus,
				  int policy)
{
	struct thread threads[64] = {};
	unsigned int i, n, found = 0;
	char list[64];

	n = list_threads(_metadata, threads, ARRAY_SIZE(threads));
	cpu_set_format(cpus, list, sizeof(list));
	for (i = 0; i < n; i++)
		found += threads[i].policy == policy && !strcmp(threads[i].cpus, list);
	return found;
}

static bool has_cap(u64 cap)
{
	unsigned int i;

	for (i = 0; i < nr_calls; i++)
		if (calls[i].request == KVM_ENABLE_CAP && calls[i].cap == cap)
			return true;
	return false;
}

static bool has_clock_calls(void)
{
	unsigned int i;

	for (i = 0; i < nr_calls; i++)
		if (calls[i].request == KVM_GET_CLOCK || calls[i].request == KVM_SET_CLOCK)
			return true;
	return false;
}

/* Root may not, either, in a cgroup (v1) that has no real-time bandwidth. */
static bool may_be_fifo(void)
{
	const struct sched_param fifo = { .sched_priority = 1 }, other = { };
	bool may = !sched_setscheduler(0, SCHED_FIFO, &fifo);

	sched_setscheduler(0, SCHED_OTHER, &other);
	return may;
}

TEST_F(mode, performance)
{
	struct lock_holder holder = {};
	const struct placement *p;
	struct thread threads[64];
	struct cpu_set before, own;
	unsigned int cpu, llc, nr;
	int policy;
	cpu_set_t mine;

	take_most(_metadata, self);
	if (!self->share)
		SKIP(return, "%s", self->err.text);
	p = &self->share->placement;
	nr = topology_cpus(&self->topo);
	memset(&before, 0, sizeof(before));
	ASSERT_EQ(0, sched_getaffinity(0, sizeof(before), (cpu_set_t *)&before));
	launch(_metadata, self);

	/* One with privileges has real-time priority, all others are told. */
	policy = strstr(ktstr_vm_result(self->vm)->warnings, "SCHED_FIFO") ? SCHED_OTHER :
									   SCHED_FIFO;
	if (may_be_fifo())
		EXPECT_EQ(SCHED_FIFO, policy);
	for (cpu = 0; cpu < nr; cpu++) {
		memset(&own, 0, sizeof(own));
		cpu_set_add(&own, p->cpus[cpu]);
		EXPECT_EQ(1, count_threads(_metadata, &own, policy)) {
			TH_LOG("vCPU %u, CPU %u", cpu, p->cpus[cpu]);
		}
	}
	/* The I/O thread and this one, which stays as it was */
	EXPECT_EQ(1, count_threads(_metadata, &p->service, SCHED_OTHER));
	EXPECT_EQ(nr + 1, list_threads(_metadata, threads, ARRAY_SIZE(threads)));
	memset(&mine, 0, sizeof(mine));
	ASSERT_EQ(0, sched_getaffinity(0, sizeof(mine), &mine));
	EXPECT_EQ(0, memcmp(&mine, &before, sizeof(mine)));

	EXPECT_TRUE(has_cap(KVM_CAP_X86_DISABLE_EXITS));
	EXPECT_FALSE(has_cap(KVM_CAP_HALT_POLL));
	EXPECT_TRUE(seen_realtime);
	EXPECT_EQ(KVM_GET_CLOCK, calls[nr_calls - 1].request);

	llc = self->share->ht->llcs[self->share->ht->cpus[p->cpus[0]].llc].first;
	ASSERT_EQ(1, host_lock_holders(self->locks, llc, &holder, 1));
	EXPECT_EQ(getpid(), holder.pid);
	EXPECT_TRUE(holder.exclusive);

	ktstr_vm_destroy(self->vm);
	self->vm = NULL;
	EXPECT_EQ(1, host_lock_holders(self->locks, llc, &holder, 1));
	host_share_release(self->share);
	self->share = NULL;
	EXPECT_EQ(0, host_lock_holders(self->locks, llc, &holder, 1));
	EXPECT_EQ(0, list_threads(_metadata, threads, ARRAY_SIZE(threads)));
}

TEST_F(mode, shared)
{
	struct thread threads[64];
	struct host_share *other;

	ASSERT_EQ(0, take(self, &self->share, 2, false)) {
		TH_LOG("%s", self->err.text);
	}
	self->cfg.topo = self->topo;
	self->cfg.share = self->share;
	launch(_metadata, self);
	EXPECT_EQ(3, count_threads(_metadata, &self->share->placement.service, SCHED_OTHER));
	EXPECT_EQ(3, list_threads(_metadata, threads, ARRAY_SIZE(threads)));
	EXPECT_TRUE(has_cap(KVM_CAP_HALT_POLL));
	EXPECT_FALSE(has_cap(KVM_CAP_X86_DISABLE_EXITS));
	EXPECT_FALSE(seen_realtime);
	EXPECT_FALSE(has_clock_calls());

	/* Others share, too. */
	ASSERT_EQ(0, take(self, &other, 1, false)) {
		TH_LOG("%s", self->err.text);
	}
	host_share_release(other);
}

/* Where the guest has no IDT, UD2 is a triple fault. */
static void end_at_once(struct __test_metadata *_metadata, struct _test_data_mode *self)
{
	const u64 entry = MAP_HIGH_RAM + 4;

	ASSERT_EQ(sizeof(entry), pwrite(self->kernel, &entry, sizeof(entry),
					offsetof(struct kernel, ehdr.e_entry)));
	slow = true;
}

/* Threads are placed before the guest can end; this one stays where it was. */
TEST_F(mode, guest_that_ends_at_once)
{
	cpu_set_t before, after;

	if (take(self, &self->share, 1, true))
		SKIP(return, "%s", self->err.text);
	self->cfg.topo = self->topo;
	self->cfg.share = self->share;
	end_at_once(_metadata, self);
	ASSERT_EQ(0, sched_getaffinity(0, sizeof(before), &before));
	launch(_metadata, self);
	EXPECT_EQ(0, ktstr_vm_wait(self->vm, PATIENCE_NS));
	EXPECT_EQ(KTSTR_VM_TRIPLE_FAULT, ktstr_vm_result(self->vm)->state);
	ASSERT_EQ(0, sched_getaffinity(0, sizeof(after), &after));
	EXPECT_NE(0, CPU_EQUAL(&before, &after));
	EXPECT_EQ(SCHED_OTHER, sched_getscheduler(0));
	if (may_be_fifo())
		EXPECT_EQ(NULL, strstr(ktstr_vm_result(self->vm)->warnings, "SCHED_FIFO"));
}

/* No warning about a policy that it would have had */
TEST_F(mode, overcommitted_guest_that_ends_at_once)
{
	cpu_set_t mine;

	ASSERT_EQ(0, sched_getaffinity(0, sizeof(mine), &mine));
	self->cfg.topo = (struct topology) {
		.nodes = 1, .llcs = 1, .cores = CPU_COUNT(&mine) + 1, .threads = 1,
	};
	end_at_once(_metadata, self);
	launch(_metadata, self);
	EXPECT_EQ(0, ktstr_vm_wait(self->vm, PATIENCE_NS));
	EXPECT_EQ(KTSTR_VM_TRIPLE_FAULT, ktstr_vm_result(self->vm)->state);
	EXPECT_EQ(NULL, strstr(ktstr_vm_result(self->vm)->warnings, "SCHED_BATCH"));
	EXPECT_EQ(SCHED_OTHER, sched_getscheduler(0));
}

static void create_with(struct __test_metadata *_metadata, struct _test_data_mode *self,
			u64 pages)
{
	ktstr_vm_destroy(self->vm);
	self->vm = NULL;
	free_huge_pages = pages;
	ASSERT_EQ(0, ktstr_vm_create(&self->vm, &self->cfg, &self->err)) {
		TH_LOG("%s", self->err.text);
	}
}

/* Huge pages if they suffice, of the node whose CPUs the guest has */
TEST_F(mode, memory)
{
	if (take(self, &self->share, 1, true))
		SKIP(return, "%s", self->err.text);
	self->cfg.topo = self->topo;
	self->cfg.share = self->share;
	self->cfg.memory = SZ_16M;
	create_with(_metadata, self, 8);
	EXPECT_EQ(NUMA_MEM_HUGETLB, asked.pages);
	EXPECT_TRUE(asked.bind);
	EXPECT_LE(0, asked.host_node[0]);
	EXPECT_EQ(placement_host_node(&self->share->placement, &self->topo, self->share->ht, 0),
		  asked.host_node[0]);
	create_with(_metadata, self, 7);
	EXPECT_EQ(NUMA_MEM_THP, asked.pages);

	/* Memory that comes later is no other. */
	self->cfg.memory = 0;
	create_with(_metadata, self, 8);
	memset(&asked, 0, sizeof(asked));
	ASSERT_EQ(0, ktstr_vm_allocate(self->vm, SZ_16M, &self->err));
	EXPECT_EQ(NUMA_MEM_HUGETLB, asked.pages);
	EXPECT_TRUE(asked.bind);

	/* What is asked for is asked for. */
	self->cfg.memory = SZ_16M;
	self->cfg.backing = (struct numa_mem_config){
		.pages = NUMA_MEM_SMALL, .bind = true, .host_node = { 3 },
	};
	create_with(_metadata, self, 8);
	EXPECT_EQ(NUMA_MEM_SMALL, asked.pages);
	EXPECT_EQ(3, asked.host_node[0]);

	/* Shared CPUs: nothing of it */
	ktstr_vm_destroy(self->vm);
	self->vm = NULL;
	host_share_release(self->share);
	ASSERT_EQ(0, take(self, &self->share, 1, false));
	self->cfg.share = self->share;
	memset(&self->cfg.backing, 0, sizeof(self->cfg.backing));
	create_with(_metadata, self, 8);
	EXPECT_EQ(NUMA_MEM_THP, asked.pages);
	EXPECT_FALSE(asked.bind);
}

/* Without a share: as the host's scheduler likes; polling as in shared mode */
TEST_F(mode, none)
{
	unsigned int i, cpus, polls = 0;
	cpu_set_t mine;

	ASSERT_EQ(0, sched_getaffinity(0, sizeof(mine), &mine));
	cpus = CPU_COUNT(&mine);
	self->cfg.topo = (struct topology){ .nodes = 1, .llcs = 1, .cores = cpus, .threads = 1 };
	ASSERT_EQ(0, ktstr_vm_create(&self->vm, &self->cfg, &self->err));
	ktstr_vm_destroy(self->vm);
	self->cfg.topo.cores++;
	ASSERT_EQ(0, ktstr_vm_create(&self->vm, &self->cfg, &self->err));
	for (i = 0; i < nr_calls; i++) {
		if (calls[i].cap != KVM_CAP_HALT_POLL)
			continue;
		EXPECT_EQ(polls++ ? 0 : HALT_POLL_NS, calls[i].arg);
	}
	EXPECT_EQ(2, polls);
	EXPECT_FALSE(has_clock_calls());
}

/* What KVM refuses is in the result, and the VM runs. */
TEST_F(mode, warnings)
{
	const char *text;

	if (take(self, &self->share, 1, true))
		SKIP(return, "%s", self->err.text);
	self->cfg.topo = self->topo;
	self->cfg.share = self->share;
	refuse.exits = KVM_X86_DISABLE_EXITS_HLT;
	refuse.unstable = true;
	launch(_metadata, self);
	text = ktstr_vm_result(self->vm)->warnings;
	EXPECT_NE(NULL, strstr(text, "KVM intercepts HLT"));
	EXPECT_EQ(NULL, strstr(text, "PAUSE"));
	EXPECT_NE(NULL, strstr(text, "TSC is not stable"));
	EXPECT_EQ(KTSTR_VM_RUNNING, ktstr_vm_result(self->vm)->state);
}

/* A killed run leaves no lock, whatever its threads were doing. */
TEST_F(mode, killed)
{
	int said[2], status;
	const struct placement *p;
	unsigned int llc;
	char c = 1;
	pid_t pid;

	if (take(self, &self->share, 1, true))
		SKIP(return, "%s", self->err.text);
	p = &self->share->placement;
	llc = self->share->ht->llcs[self->share->ht->cpus[p->cpus[0]].llc].first;
	host_share_release(self->share);
	self->share = NULL;

	ASSERT_EQ(0, pipe2(said, O_CLOEXEC));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		take_most(_metadata, self);
		launch(_metadata, self);
		if (write(said[1], &c, 1) == 1)
			pause();
		_exit(1);
	}
	close(said[1]);
	EXPECT_EQ(1, read(said[0], &c, 1));
	close(said[0]);
	EXPECT_EQ(1, host_lock_holders(self->locks, llc, NULL, 0));
	EXPECT_EQ(-EBUSY, take(self, &self->share, 1, true));
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(0, host_lock_holders(self->locks, llc, NULL, 0));
	EXPECT_EQ(0, take(self, &self->share, 1, true)) {
		TH_LOG("%s", self->err.text);
	}
}

/* -- a host that is short of something -------------------------------------------------- */

static struct rlimit old_files;

static void few_files(struct __test_metadata *_metadata)
{
	struct rlimit few;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &old_files));
	few = old_files;
	few.rlim_cur = open_files();
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &few));
}

static void *many_files_later(void *arg)
{
	usleep(100 * 1000);
	setrlimit(RLIMIT_NOFILE, &old_files);
	return arg;
}

TEST_F(mode, contention_that_passes)
{
	pthread_t thread;
	int ret;

	self->cfg.topo = (struct topology){ .nodes = 1, .llcs = 1, .cores = 2, .threads = 1 };
	few_files(_metadata);
	ASSERT_EQ(0, pthread_create(&thread, NULL, many_files_later, NULL));
	ret = ktstr_vm_launch(&self->vm, &self->cfg, PATIENCE_NS, &self->err);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, ret) {
		TH_LOG("%s", self->err.text);
	}
	EXPECT_NE(NULL, self->vm);
}

TEST_F(mode, contention_that_stays)
{
	int fds = open_files(), ret;

	self->cfg.topo = (struct topology){ .nodes = 1, .llcs = 1, .cores = 2, .threads = 1 };
	few_files(_metadata);
	ret = ktstr_vm_launch(&self->vm, &self->cfg, 50 * NSEC_PER_MSEC, &self->err);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &old_files));
	EXPECT_EQ(-EMFILE, ret);
	EXPECT_EQ(NULL, self->vm);
	EXPECT_EQ(ERRMSG_HOST, self->err.kind);
	EXPECT_NE(NULL, strstr(self->err.text, "EMFILE"));
	EXPECT_NE(NULL, strstr(self->err.text, "; tried "));
	EXPECT_EQ(fds, open_files());
	EXPECT_FALSE(leaks());
}

/* What waiting does not help fails at once. */
TEST_F(mode, no_contention)
{
	u64 start = clock_ns();

	self->cfg.topo = (struct topology){ .nodes = 1, .llcs = 1, .cores = 1, .threads = 1 };
	self->cfg.kernel = "/nonexistent/vmlinux";
	EXPECT_EQ(-ENOENT, ktstr_vm_launch(&self->vm, &self->cfg, PATIENCE_NS, &self->err));
	EXPECT_EQ(NULL, self->vm);
	EXPECT_EQ(NULL, strstr(self->err.text, "tried"));
	EXPECT_GT(PATIENCE_NS, clock_ns() - start);
}

TEST_HARNESS_MAIN
