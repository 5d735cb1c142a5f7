// SPDX-License-Identifier: GPL-2.0
/*
 * The calls by which a VM is built and torn down: which, with what, in which order;
 * and hosts that are smaller than this one. They go through functions of this
 * program, which can answer instead of KVM.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kernel.h>
#include <linux/kvm.h>
#include <linux/sizes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "host.h"
#include "ioapic.h"
#include "harness.h"
#include "ktstr_vmm.h"
#include "memory_map.h"
#include "session.h"
#include "tiny_guest.h"

#define MAX_CALLS	1024

/* What stands in a list of calls for close() and munmap() */
#define CALL_CLOSE	1
#define CALL_MUNMAP	2

struct call {
	unsigned long request;
	u64 arg;		/* the number or address that it takes, or the fd */
	u64 arg0;		/* of KVM_ENABLE_CAP */
	u64 len;		/* of munmap() */
	int ret;
};

static struct call calls[MAX_CALLS];
static unsigned int nr_calls;

/* A host that is not this one; 0: as this one */
static struct {
	int max_vcpus;
	int max_vcpu_id;
	bool no_vcpu_id;
	bool no_split;
	int x2apic_api;
	u32 phys_bits;
	bool no_phys_bits;
	bool no_routes;		/* KVM refuses them */
	unsigned int interrupted;	/* calls of KVM_CREATE_VM that a signal interrupts */
} host;

/*
 * How the first KVM_RUN of the last vCPU ends, if @fake. If @old, it does not know
 * immediate_exit, and the first is called just after a request to leave it.
 */
static struct {
	bool fake;
	bool old;
	bool entered;
	unsigned int calls;
	int error;
	void (*fill)(struct kvm_run *run);
	int vcpu_fd;
	struct kvm_run *run;
} vcpu_run;

/*
 * A KVM whose vCPUs have the TSC offsets here, if @fake: by file descriptor, as a
 * vCPU's file is new. The call for vCPU @cpu fails in one of these ways.
 */
enum tsc_fault {
	TSC_FINE,
	TSC_NO_GET,	/* for once */
	TSC_NO_SET,
	TSC_SET_BUT_NOT_SAID,
	TSC_IGNORED,
	TSC_OTHER_VALUE,
	TSC_NO_SECOND_GET,
	TSC_FAULTS,
};

static struct {
	bool fake;
	enum tsc_fault fault;
	unsigned int cpu;
	unsigned int gets, sets;	/* of that CPU */
	u64 offsets[MAX_CALLS];
} tsc;

/* How the calls end by which a guest goes on after a freeze: an errno, or 0 */
static struct {
	int set_clock;
	int ctrl[8];
} thaw;

static int fail(int error)
{
	errno = error;
	return error ? -1 : 0;
}

static int get_tsc_offset(u64 *offset, u64 *to, bool faulty)
{
	const unsigned int get = faulty ? ++tsc.gets : 0;

	if ((get == 1 && tsc.fault == TSC_NO_GET) ||
	    (get == 2 && tsc.fault == TSC_NO_SECOND_GET))
		return fail(EIO);
	*to = *offset;
	return 0;
}

static int set_tsc_offset(u64 *offset, u64 value, bool faulty)
{
	const enum tsc_fault fault = faulty && !tsc.sets++ ? tsc.fault : TSC_FINE;

	if (fault == TSC_NO_SET)
		return fail(EIO);
	if (fault == TSC_IGNORED)
		return 0;
	*offset = value + (fault == TSC_OTHER_VALUE);
	return fail(fault == TSC_SET_BUT_NOT_SAID ? EIO : 0);
}

static struct call *note(unsigned long request, u64 arg)
{
	static struct call lost;
	struct call *call = nr_calls < MAX_CALLS ? &calls[nr_calls++] : &lost;

	*call = (struct call){ .request = request, .arg = arg };
	return call;
}

static int answer(long cap, int real)
{
	switch (cap) {
	case KVM_CAP_MAX_VCPUS:
		return host.max_vcpus ?: real;
	case KVM_CAP_MAX_VCPU_ID:
		return host.no_vcpu_id ? 0 : host.max_vcpu_id ?: real;
	case KVM_CAP_SPLIT_IRQCHIP:
		return host.no_split ? 0 : real;
	case KVM_CAP_X2APIC_API:
		return host.x2apic_api ?: real;
	}
	return real;
}

static void change_phys_bits(struct kvm_cpuid2 *cpuid)
{
	struct kvm_cpuid_entry2 *e = cpuid->entries;

	for (; e < cpuid->entries + cpuid->nent; e++) {
		if (e->function != 0x80000008)
			continue;
		if (host.phys_bits)
			e->eax = (e->eax & ~0xffU) | host.phys_bits;
		if (host.no_phys_bits)
			*e = cpuid->entries[--cpuid->nent];
		return;
	}
}

static unsigned int cpu_of(int fd)
{
	unsigned int cpu = 0, i;

	for (i = 0; i < nr_calls; i++) {
		if (calls[i].request != KVM_CREATE_VCPU)
			continue;
		if (calls[i].ret == fd)
			break;
		cpu++;
	}
	return cpu;
}

static int fake_tsc(int fd, unsigned long request, const struct kvm_device_attr *attr)
{
	const bool faulty = cpu_of(fd) == tsc.cpu;

	if (request == KVM_GET_DEVICE_ATTR)
		return get_tsc_offset(&tsc.offsets[fd], (u64 *)attr->addr, faulty);
	return set_tsc_offset(&tsc.offsets[fd], *(u64 *)attr->addr, faulty);
}

static int fake_run(void)
{
	vcpu_run.fill(vcpu_run.run);
	errno = vcpu_run.error;
	return errno ? -1 : 0;
}

static void run_as_old(struct kvm_run *run)
{
	__atomic_store_n(&vcpu_run.entered, true, __ATOMIC_SEQ_CST);
	while (!vcpu_run.calls && !__atomic_load_n(&run->immediate_exit, __ATOMIC_SEQ_CST))
		usleep(100);
	vcpu_run.calls++;
	__atomic_store_n(&run->immediate_exit, 0, __ATOMIC_SEQ_CST);
}

int ioctl(int fd, unsigned long request, ...)
{
	struct call *call;
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (request == KVM_RUN && vcpu_run.fake)
		return fake_run();
	if (request == KVM_RUN && vcpu_run.old)
		run_as_old(vcpu_run.run);
	call = note(request, (u64)arg);
	if (request == KVM_ENABLE_CAP) {
		call->arg = ((struct kvm_enable_cap *)arg)->cap;
		call->arg0 = ((struct kvm_enable_cap *)arg)->args[0];
	} else if (request == KVM_SET_IDENTITY_MAP_ADDR) {
		call->arg = *(u64 *)arg;
	} else if (request == KVM_CREATE_PIT2) {
		call->arg = ((struct kvm_pit_config *)arg)->flags;
	}
	if (request == KVM_SET_GSI_ROUTING && host.no_routes)
		return fail(EINVAL);
	if (request == KVM_CREATE_VM && host.interrupted) {
		host.interrupted--;
		return fail(EINTR);
	}
	if ((request == KVM_GET_DEVICE_ATTR || request == KVM_SET_DEVICE_ATTR) && tsc.fake)
		return fake_tsc(fd, request, arg);
	if (request == KVM_SET_CLOCK && thaw.set_clock)
		return fail(thaw.set_clock);
	if (request == KVM_KVMCLOCK_CTRL) {
		call->arg = cpu_of(fd);
		return fail(thaw.ctrl[call->arg]);
	}
	call->ret = syscall(SYS_ioctl, fd, request, arg);
	if (request == KVM_CHECK_EXTENSION)
		call->ret = answer((long)arg, call->ret);
	else if (request == KVM_GET_SUPPORTED_CPUID && !call->ret)
		change_phys_bits(arg);
	else if (request == KVM_CREATE_VCPU)
		vcpu_run.vcpu_fd = call->ret;
	return call->ret;
}

int close(int fd)
{
	note(CALL_CLOSE, fd);
	return syscall(SYS_close, fd);
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t at)
{
	void *p = (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, at);

	if (fd >= 0 && fd == vcpu_run.vcpu_fd)
		vcpu_run.run = p;
	return p;
}

int munmap(void *addr, size_t len)
{
	note(CALL_MUNMAP, (u64)addr)->len = len;
	return syscall(SYS_munmap, addr, len);
}

/* The first call of a kind, from @after on; nr_calls if there is none */
static unsigned int find(unsigned long request, unsigned int after)
{
	while (after < nr_calls && calls[after].request != request)
		after++;
	return after;
}

static unsigned int count(unsigned long request)
{
	unsigned int n = 0, i;

	for (i = 0; i < nr_calls; i++)
		n += calls[i].request == request;
	return n;
}

static const struct call *enabled(u32 cap)
{
	unsigned int i;

	for (i = 0; i < nr_calls; i++)
		if (calls[i].request == KVM_ENABLE_CAP && calls[i].arg == cap)
			return &calls[i];
	return NULL;
}

/* Guests that do not end, and that program the IOAPIC's pin 4 and power off */
asm("	.pushsection .rodata\n"
"guest_spin:\n"
"	jmp guest_spin\n"
"guest_ioapic:\n"
"	mov $0xfec00000, %ebp\n"
"	movl $0x18, (%rbp)\n"
"	movl $0x41, 0x10(%rbp)\n"
"	mov $0x600, %edx\n"
"	mov $0x34, %al\n"
"	out %al, %dx\n"
"1:	hlt\n"
"	jmp 1b\n"
"guest_end:\n"
"	.popsection\n"
);

#define GUEST(name)	extern const u8 guest_##name[]
GUEST(spin);
GUEST(ioapic);
GUEST(end);

FIXTURE(calls) {
	struct ktstr_vm_config cfg;
	struct ktstr_vm *vm;
	struct errmsg err;
	char path[64];
	int kernel_fd;
};

FIXTURE_SETUP(calls)
{
	memset(self, 0, sizeof(*self));
	self->kernel_fd = tiny_guest_open(self->path, sizeof(self->path));
	ASSERT_LE(0, self->kernel_fd);
	self->cfg.kernel = self->path;
	memset(&host, 0, sizeof(host));
	memset(&vcpu_run, 0, sizeof(vcpu_run));
	memset(&tsc, 0, sizeof(tsc));
	memset(&thaw, 0, sizeof(thaw));
	vcpu_run.vcpu_fd = -1;
	if (access(HOST_KVM, R_OK | W_OK))
		SKIP(return, HOST_KVM ": %s", strerror(errno));
}

FIXTURE_TEARDOWN(calls)
{
	ktstr_vm_destroy(self->vm);
	close(self->kernel_fd);
}

static int create(struct _test_data_calls *self, const char *spec, u64 memory)
{
	ktstr_vm_destroy(self->vm);
	self->vm = NULL;
	if (topology_parse(spec, &self->cfg.topo, &self->err))
		return -EINVAL;
	self->cfg.memory = memory;
	nr_calls = 0;
	return ktstr_vm_create(&self->vm, &self->cfg, &self->err);
}

static void create_ok(struct __test_metadata *_metadata, struct _test_data_calls *self,
		      const char *spec)
{
	ASSERT_EQ(0, create(self, spec, 64 * SZ_1M)) {
		TH_LOG("%s: %s", spec, self->err.text);
	}
	ASSERT_GT(MAX_CALLS, nr_calls);
}

static void start(struct __test_metadata *_metadata, struct _test_data_calls *self,
		  const char *spec, const u8 *guest)
{
	struct tiny_guest kernel;

	tiny_guest_init(&kernel);
	tiny_guest_set(&kernel, guest, guest_end);
	ASSERT_EQ(sizeof(kernel), pwrite(self->kernel_fd, &kernel, sizeof(kernel), 0));
	create_ok(_metadata, self, spec);
	ASSERT_EQ(0, ktstr_vm_load(self->vm, &self->err));
	ASSERT_EQ(0, ktstr_vm_start(self->vm, &self->err));
}

/* What KVM wants to know before there are vCPUs, it is told by then. */
TEST_F(calls, before_vcpus)
{
	unsigned int vcpu, tss, map;

	create_ok(_metadata, self, "1n1l2c1t");
	vcpu = find(KVM_CREATE_VCPU, 0);
	tss = find(KVM_SET_TSS_ADDR, 0);
	map = find(KVM_SET_IDENTITY_MAP_ADDR, 0);
	EXPECT_GT(vcpu, tss);
	EXPECT_EQ(0xfffbd000, calls[tss].arg);
	EXPECT_GT(vcpu, map);
	/* behind the three pages of the TSS */
	EXPECT_EQ(0xfffc0000, calls[map].arg);
	EXPECT_GT(vcpu, find(KVM_CREATE_IRQCHIP, 0));
	EXPECT_GT(vcpu, find(KVM_CREATE_PIT2, 0));
	EXPECT_GT(vcpu, find(KVM_ENABLE_CAP, 0));
	EXPECT_GT(vcpu, find(KVM_SET_USER_MEMORY_REGION, 0));
	EXPECT_EQ(2, count(KVM_CREATE_VCPU));
}

/* A signal is no reason to give up, as often as it comes. */
TEST_F(calls, interrupted)
{
	host.interrupted = 3;
	create_ok(_metadata, self, "1n1l1c1t");
	EXPECT_EQ(0, host.interrupted);
	EXPECT_EQ(4, count(KVM_CREATE_VM));
}

/* 254 is the last id for which KVM has all of the irqchip. */
TEST_F(calls, irqchip)
{
	static const struct {
		const char *spec;
		enum ktstr_irqchip irqchip;
		bool split;
	} guests[] = {
		{ "1n2l4c2t", KTSTR_IRQCHIP_AUTO, false },
		{ "1n2l4c2t", KTSTR_IRQCHIP_SPLIT, true },
		{ "1n1l255c1t", KTSTR_IRQCHIP_AUTO, false },
		{ "1n15l8c2t", KTSTR_IRQCHIP_AUTO, false },
		{ "1n1l256c1t", KTSTR_IRQCHIP_AUTO, true },
		{ "1n14l9c2t", KTSTR_IRQCHIP_AUTO, true },
	};
	const struct call *split, *x2apic;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(guests); i++) {
		self->cfg.irqchip = guests[i].irqchip;
		create_ok(_metadata, self, guests[i].spec);
		split = enabled(KVM_CAP_SPLIT_IRQCHIP);
		x2apic = enabled(KVM_CAP_X2APIC_API);
		EXPECT_EQ(guests[i].split, !!split) {
			TH_LOG("%s", guests[i].spec);
		}
		EXPECT_EQ(guests[i].split, !!x2apic);
		EXPECT_EQ(!guests[i].split, count(KVM_CREATE_IRQCHIP));
		EXPECT_EQ(!guests[i].split, count(KVM_CREATE_PIT2));
		if (!guests[i].split) {
			EXPECT_EQ(KVM_PIT_SPEAKER_DUMMY, calls[find(KVM_CREATE_PIT2, 0)].arg);
			continue;
		}
		ASSERT_NE(NULL, split);
		ASSERT_NE(NULL, x2apic);
		EXPECT_EQ(24, split->arg0);
		EXPECT_EQ(KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK,
			  x2apic->arg0);
	}
}

/* KVM's ids of vCPUs are their APIC ids; what CPUs it can be is asked once. */
TEST_F(calls, vcpus)
{
	unsigned int cpu, at = 0;

	create_ok(_metadata, self, "1n3l3c1t");
	for (cpu = 0; cpu < 9; cpu++) {
		at = find(KVM_CREATE_VCPU, at);
		ASSERT_GT(nr_calls, at);
		EXPECT_EQ(topology_apic_id(&self->cfg.topo, cpu), calls[at].arg);
		at++;
	}
	EXPECT_EQ(nr_calls, find(KVM_CREATE_VCPU, at));
	EXPECT_EQ(10, calls[at - 1].arg);
	EXPECT_EQ(1, count(KVM_GET_SUPPORTED_CPUID));
	EXPECT_EQ(9, count(KVM_SET_CPUID2));
}

static void expect_limit(struct __test_metadata *_metadata, struct _test_data_calls *self,
			 const char *spec, const char *text)
{
	EXPECT_GT(0, create(self, spec, 64 * SZ_1M));
	EXPECT_EQ(NULL, self->vm);
	EXPECT_EQ(ERRMSG_HOST, self->err.kind);
	EXPECT_NE(NULL, strstr(self->err.text, text)) {
		TH_LOG("%s", self->err.text);
	}
	EXPECT_EQ(0, count(KVM_CREATE_VM));
}

/* Reasons to skip, with both numbers, before anything is made */
TEST_F(calls, smaller_hosts)
{
	host.max_vcpus = 8;
	create_ok(_metadata, self, "1n2l4c1t");
	expect_limit(_metadata, self, "1n3l3c1t", "1n3l3c1t has 9 CPUs, this host's KVM takes 8");

	/* ids, of which there are 0 to 10 here */
	memset(&host, 0, sizeof(host));
	host.max_vcpu_id = 11;
	create_ok(_metadata, self, "1n3l3c1t");
	host.max_vcpu_id = 10;
	expect_limit(_metadata, self, "1n3l3c1t",
		     "needs vcpu id 10, this host's KVM takes ids below 10");
	/* without KVM_CAP_MAX_VCPU_ID: as many as vCPUs */
	host.no_vcpu_id = true;
	host.max_vcpus = 10;
	expect_limit(_metadata, self, "1n3l3c1t",
		     "needs vcpu id 10, this host's KVM takes ids below 10");
	host.max_vcpus = 11;
	create_ok(_metadata, self, "1n3l3c1t");

	memset(&host, 0, sizeof(host));
	host.no_split = true;
	create_ok(_metadata, self, "1n2l2c1t");
	expect_limit(_metadata, self, "1n2l2c1t,llcshift=8", "needs KVM_CAP_SPLIT_IRQCHIP");
	host.no_split = false;
	host.x2apic_api = KVM_X2APIC_API_USE_32BIT_IDS;
	expect_limit(_metadata, self, "1n2l2c1t,llcshift=8", "this host's KVM has flags 0x1");
}

/* With as few files as CPUs it cannot work; with one more it is worth a try. */
TEST_F(calls, file_limit)
{
	struct rlimit files = { .rlim_cur = 40, .rlim_max = 64 };

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	create_ok(_metadata, self, "1n1l8c1t");
	expect_limit(_metadata, self, "1n1l40c1t",
		     "1n1l40c1t has 40 CPUs, each an open file, this process may have 40 in all");
	EXPECT_EQ(-EMFILE, create(self, "1n1l39c1t", 64 * SZ_1M));
	EXPECT_EQ(ERRMSG_HOST, self->err.kind);

	/* The soft limit is the program's own. */
	ktstr_vm_raise_limits();
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &files));
	EXPECT_EQ(64, files.rlim_cur);
	EXPECT_EQ(64, files.rlim_max);
	create_ok(_metadata, self, "1n1l40c1t");
	expect_limit(_metadata, self, "1n1l64c1t", "this process may have 64 in all");
}

/* RAM up to the last address that the CPU has, and not one page above */
TEST_F(calls, physical_addresses)
{
	const u64 gap = MAP_GAP_END - MAP_GAP_START;

	host.phys_bits = 33;
	EXPECT_EQ(0, create(self, "1n1l1c1t", (1ULL << 33) - gap)) {
		TH_LOG("%s", self->err.text);
	}
	EXPECT_EQ(-ERANGE, create(self, "1n1l1c1t", (1ULL << 33) - gap + SZ_2M));
	EXPECT_EQ(ERRMSG_HOST, self->err.kind);
	EXPECT_NE(NULL, strstr(self->err.text, "would end at 0x200200000")) {
		TH_LOG("%s", self->err.text);
	}
	EXPECT_NE(NULL, strstr(self->err.text, "addresses have 33 bits"));

	/* A CPU that does not say has 36 bits. */
	host.no_phys_bits = true;
	EXPECT_EQ(0, create(self, "1n1l1c1t", (1ULL << 36) - gap)) {
		TH_LOG("%s", self->err.text);
	}
	EXPECT_EQ(-ERANGE, create(self, "1n1l1c1t", (1ULL << 36) - gap + SZ_2M));
	EXPECT_NE(NULL, strstr(self->err.text, "addresses have 36 bits"));
}

static void fill_crash(struct kvm_run *run)
{
	run->exit_reason = KVM_EXIT_SYSTEM_EVENT;
	run->system_event.type = KVM_SYSTEM_EVENT_CRASH;
}

static void fill_suspend(struct kvm_run *run)
{
	run->exit_reason = KVM_EXIT_SYSTEM_EVENT;
	run->system_event.type = KVM_SYSTEM_EVENT_SUSPEND;
}

static void fill_reset(struct kvm_run *run)
{
	run->exit_reason = KVM_EXIT_SYSTEM_EVENT;
	run->system_event.type = KVM_SYSTEM_EVENT_RESET;
}

static void fill_poweroff(struct kvm_run *run)
{
	run->exit_reason = KVM_EXIT_SYSTEM_EVENT;
	run->system_event.type = KVM_SYSTEM_EVENT_SHUTDOWN;
}

static void fill_unknown(struct kvm_run *run)
{
	run->exit_reason = KVM_EXIT_UNKNOWN;
	run->hw.hardware_exit_reason = 77;
}

static void fill_delivery(struct kvm_run *run)
{
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
	run->internal.ndata = 1;
	run->internal.data[0] = 0x80000b0e;
}

static void fill_memory_fault(struct kvm_run *run)
{
	run->exit_reason = KVM_EXIT_MEMORY_FAULT;
	run->memory_fault.gpa = 0xdead000;
	run->memory_fault.flags = 0;
}

/* Ends that no guest here comes to by itself: what KVM says is in the result. */
TEST_F(calls, ends_of_a_vcpu)
{
	static const struct {
		void (*fill)(struct kvm_run *run);
		int error;
		enum ktstr_vm_state state;
		const char *reason;
	} ends[] = {
		{ fill_crash, 0, KTSTR_VM_PANIC, "CPU 0: system event 3: crash" },
		{ fill_suspend, 0, KTSTR_VM_KVM_ERROR, "CPU 0: system event 5: suspend" },
		{ fill_reset, 0, KTSTR_VM_RESET, "CPU 0: system event 2: reset" },
		{ fill_poweroff, 0, KTSTR_VM_POWEROFF, "CPU 0: system event 1: shutdown" },
		{ fill_unknown, 0, KTSTR_VM_KVM_ERROR, "hardware reason 0x4d" },
		{ fill_delivery, 0, KTSTR_VM_INTERNAL_ERROR, "event 0x80000b0e" },
		{ fill_memory_fault, EFAULT, KTSTR_VM_KVM_ERROR, "MEMORY_FAULT at 0xdead000" },
		{ fill_memory_fault, EIO, KTSTR_VM_KVM_ERROR, "CPU 0: KVM_RUN: EIO" },
	};
	const struct ktstr_vm_result *r;
	size_t i;

	vcpu_run.fake = true;
	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		vcpu_run.fill = ends[i].fill;
		vcpu_run.error = ends[i].error;
		start(_metadata, self, "1n1l1c1t", guest_spin);
		EXPECT_EQ(0, ktstr_vm_wait(self->vm, PATIENCE_NS));
		r = ktstr_vm_result(self->vm);
		EXPECT_EQ(ends[i].state, r->state);
		EXPECT_NE(NULL, strstr(r->reason, ends[i].reason)) {
			TH_LOG("%s", r->reason);
		}
	}
}

/* Start a guest, whose vCPU is about to call KVM_RUN for the first time then. */
static void start_old(struct __test_metadata *_metadata, struct _test_data_calls *self)
{
	const u64 deadline = clock_ns() + PATIENCE_NS;

	vcpu_run.old = true;
	vcpu_run.entered = false;
	vcpu_run.calls = 0;
	start(_metadata, self, "1n1l1c1t", guest_spin);
	while (!__atomic_load_n(&vcpu_run.entered, __ATOMIC_SEQ_CST) && clock_ns() < deadline)
		usleep(100);
}

/*
 * A KVM without KVM_CAP_IMMEDIATE_EXIT misses the signal that comes before KVM_RUN:
 * it is sent again until the vCPU has stopped, or stands still.
 */
TEST_F(calls, without_immediate_exit)
{
	struct ktstr_vm_frozen frozen;

	start_old(_metadata, self);
	EXPECT_EQ(0, ktstr_vm_freeze(self->vm, &frozen, &self->err)) {
		TH_LOG("%s", self->err.text);
	}
	EXPECT_LE(1, vcpu_run.calls);
	EXPECT_EQ(0, ktstr_vm_thaw(self->vm, &self->err));

	start_old(_metadata, self);
	ktstr_vm_stop(self->vm, KTSTR_VM_STOPPED, "enough");
	EXPECT_LE(1, vcpu_run.calls);
	EXPECT_EQ(KTSTR_VM_STOPPED, ktstr_vm_result(self->vm)->state);
}

static void freeze_and_thaw(struct __test_metadata *_metadata, struct _test_data_calls *self,
			    int ret)
{
	struct ktstr_vm_frozen frozen;

	ASSERT_EQ(0, ktstr_vm_freeze(self->vm, &frozen, &self->err)) {
		TH_LOG("%s", self->err.text);
	}
	EXPECT_EQ(ret, ktstr_vm_thaw(self->vm, &self->err)) {
		TH_LOG("%s", self->err.text);
	}
}

/* By how much CPU @cpu's TSC was set back; they had different offsets before. */
static u64 set_back(unsigned int cpu)
{
	unsigned int i = 0;
	u64 n;

	for (n = 0; n <= cpu; n++)
		i = find(KVM_CREATE_VCPU, n ? i + 1 : 0);
	return (cpu + 1) * 1000000 - tsc.offsets[calls[i].ret];
}

static void set_offsets(void)
{
	unsigned int i, cpu = 0;

	for (i = 0; i < nr_calls; i++)
		if (calls[i].request == KVM_CREATE_VCPU)
			tsc.offsets[calls[i].ret] = ++cpu * 1000000;
}

/* All TSCs are set back by the same, or, if one cannot be, none is. */
TEST_F(calls, tscs_stay_synchronous)
{
	unsigned int cpu;

	tsc.fake = true;
	start(_metadata, self, "1n1l4c1t", guest_spin);
	set_offsets();
	freeze_and_thaw(_metadata, self, 0);
	EXPECT_FALSE(ktstr_vm_result(self->vm)->tsc_jumps);
	EXPECT_LT(0, set_back(0));
	for (cpu = 1; cpu < 4; cpu++)
		EXPECT_EQ(set_back(0), set_back(cpu));

	for (tsc.fault = TSC_FINE + 1; tsc.fault < TSC_FAULTS; tsc.fault++) {
		for (tsc.cpu = 0; tsc.cpu < 4; tsc.cpu++) {
			set_offsets();
			tsc.gets = 0;
			tsc.sets = 0;
			freeze_and_thaw(_metadata, self, 0);
			EXPECT_TRUE(ktstr_vm_result(self->vm)->tsc_jumps);
			for (cpu = 0; cpu < 4; cpu++) {
				EXPECT_EQ(0, set_back(cpu)) {
					TH_LOG("fault %u of CPU %u: CPU %u", tsc.fault, tsc.cpu,
					       cpu);
				}
			}
		}
	}
}

static void expect_all_told(struct __test_metadata *_metadata)
{
	unsigned int at = 0, cpu;

	ASSERT_EQ(4, count(KVM_KVMCLOCK_CTRL));
	for (cpu = 0; cpu < 4; cpu++, at++) {
		at = find(KVM_KVMCLOCK_CTRL, at);
		EXPECT_EQ(cpu, calls[at].arg);
		calls[at].request = 0;
	}
}

/* Every vCPU is told, whatever fails; what failed first is said. */
TEST_F(calls, all_are_told_of_a_freeze)
{
	start(_metadata, self, "1n1l4c1t", guest_spin);
	freeze_and_thaw(_metadata, self, 0);
	expect_all_told(_metadata);

	/* no kvmclock */
	thaw.ctrl[1] = EINVAL;
	freeze_and_thaw(_metadata, self, 0);
	expect_all_told(_metadata);

	thaw.ctrl[2] = EIO;
	thaw.ctrl[3] = ENOMEM;
	freeze_and_thaw(_metadata, self, -EIO);
	expect_all_told(_metadata);
	EXPECT_NE(NULL, strstr(self->err.text, "KVM_KVMCLOCK_CTRL of CPU 2: EIO")) {
		TH_LOG("%s", self->err.text);
	}
	EXPECT_EQ(ERRMSG_FAILED, self->err.kind);

	thaw.set_clock = EPERM;
	freeze_and_thaw(_metadata, self, -EPERM);
	expect_all_told(_metadata);
	EXPECT_NE(NULL, strstr(self->err.text, "KVM_SET_CLOCK: EPERM")) {
		TH_LOG("%s", self->err.text);
	}
	EXPECT_EQ(NULL, strstr(self->err.text, "KVM_KVMCLOCK_CTRL"));
}

/* What a person is shown of a guest that has ended, as text */
static void show(struct __test_metadata *_metadata, struct ktstr_vm *vm, char *text, size_t size)
{
	struct session session = { .vm = vm };
	struct errmsg err = {};
	int fd = memfd_create("stdout", MFD_CLOEXEC), saved = dup(STDOUT_FILENO);

	ASSERT_LE(0, fd);
	fflush(stdout);
	ASSERT_LE(0, dup2(fd, STDOUT_FILENO));
	session_print(&session, -EPIPE, &err);
	fflush(stdout);
	ASSERT_LE(0, dup2(saved, STDOUT_FILENO));
	text[max_t(ssize_t, 0, pread(fd, text, size - 1, 0))] = '\0';
	close(saved);
	close(fd);
}

/* A guest that has ended may have waited for interrupts that KVM knows no route for. */
TEST_F(calls, refused_routes)
{
	char text[4096];

	self->cfg.irqchip = KTSTR_IRQCHIP_SPLIT;
	start(_metadata, self, "1n1l1c1t", guest_ioapic);
	EXPECT_EQ(0, ktstr_vm_wait(self->vm, PATIENCE_NS));
	show(_metadata, self->vm, text, sizeof(text));
	EXPECT_EQ(0, ktstr_vm_result(self->vm)->irq_failures);
	EXPECT_NE(NULL, strstr(text, "the guest powered off"));
	EXPECT_EQ(NULL, strstr(text, "interrupt routes"));

	host.no_routes = true;
	start(_metadata, self, "1n1l1c1t", guest_ioapic);
	EXPECT_EQ(0, ktstr_vm_wait(self->vm, PATIENCE_NS));
	show(_metadata, self->vm, text, sizeof(text));
	EXPECT_EQ(1, ktstr_vm_result(self->vm)->irq_failures);
	EXPECT_NE(NULL, strstr(text, "KVM refused its interrupt routes 1 times")) {
		TH_LOG("%s", text);
	}
}

/* vCPUs, VM, memory, /dev/kvm: memory goes when KVM has no more use for it. */
TEST_F(calls, end_of_a_vm)
{
	unsigned int i, vcpu, vm, ram, end = 0;
	int vcpu_fd, vm_fd;

	create_ok(_metadata, self, "1n1l1c1t");
	vcpu_fd = calls[find(KVM_CREATE_VCPU, 0)].ret;
	vm_fd = calls[find(KVM_CREATE_VM, 0)].ret;
	nr_calls = 0;
	ktstr_vm_destroy(self->vm);
	self->vm = NULL;
	vcpu = nr_calls;
	vm = nr_calls;
	ram = nr_calls;
	for (i = 0; i < nr_calls; i++) {
		if (calls[i].request == CALL_CLOSE && calls[i].arg == (u64)vcpu_fd)
			vcpu = i;
		if (calls[i].request == CALL_CLOSE && calls[i].arg == (u64)vm_fd)
			vm = i;
		if (calls[i].request == CALL_MUNMAP && calls[i].len >= 64 * SZ_1M)
			ram = i;
		if (calls[i].request == CALL_CLOSE)
			end = i;
	}
	EXPECT_LT(vcpu, vm);
	EXPECT_LT(vm, ram);
	EXPECT_LT(ram, end);
	EXPECT_LT(end, nr_calls);
}

TEST_HARNESS_MAIN
