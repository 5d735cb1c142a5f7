// SPDX-License-Identifier: GPL-2.0
/*
 * A VM's life, in which each call fails once: every ioctl, mapping, allocation,
 * file descriptor and thread that it asks for. The linker puts the functions
 * below between the modules and the libraries (unit_fault_LDFLAGS in Makefile).
 *
 * A fault is the n-th call of its kind, and all of that kind after it: what is
 * tried again has to fail in the end. First a life without faults is recorded.
 */
#include <errno.h>
#include <linux/kernel.h>
#include <linux/kvm.h>
#include <linux/sizes.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "fault_wrap.h"
#include "held.h"
#include "host.h"
#include "kselftest_harness.h"
#include "ktstr_vmm.h"
#include "tiny_guest.h"

#define MAX_KINDS	128

/* Of a kind with more calls than this, the first ones, one in the middle, the last */
#define EACH		4

asm("	.pushsection .rodata\n"
"spin:	jmp spin\n"
"spin_end:\n"
"	.popsection\n"
);

#define GUEST(name)	extern const u8 name[]
GUEST(spin);
GUEST(spin_end);

/* Calls with the same name and, for an ioctl, the same request */
struct kind {
	const char *name;
	unsigned long request;
	unsigned long arg;	/* of KVM_CHECK_EXTENSION */
	unsigned int calls;
};

static struct {
	pthread_mutex_t lock;
	bool on;
	struct kind kinds[MAX_KINDS];
	unsigned int nr_kinds;
	struct kind fault;	/* calls: the one from which on they fail */
	int error;		/* with this errno; 0: none fails */
	bool struck;
} faults = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool same_kind(const struct kind *a, const struct kind *b)
{
	return !strcmp(a->name, b->name) && a->request == b->request && a->arg == b->arg;
}

/* Return: whether this call is to fail; errno says how */
static bool fails(const char *name, unsigned long request, unsigned long arg)
{
	const struct kind this = { .name = name, .request = request, .arg = arg };
	unsigned int i;
	bool strike;

	if (!faults.on)
		return false;
	pthread_mutex_lock(&faults.lock);
	for (i = 0; i < faults.nr_kinds && !same_kind(&faults.kinds[i], &this); i++)
		;
	if (i == faults.nr_kinds && i < MAX_KINDS)
		faults.kinds[faults.nr_kinds++] = this;
	strike = i < MAX_KINDS && ++faults.kinds[i].calls >= faults.fault.calls &&
		 faults.error && same_kind(&this, &faults.fault);
	faults.struck |= strike;
	pthread_mutex_unlock(&faults.lock);
	if (strike)
		errno = faults.error;
	return strike;
}

int __wrap_open(const char *path, int flags, mode_t mode)
{
	if (fails("open", 0, 0))
		return -1;
	return __real_open(path, flags, mode);
}

void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	if (fails("mmap", 0, 0))
		return MAP_FAILED;
	return __real_mmap(addr, len, prot, flags, fd, offset);
}

int __wrap_madvise(void *addr, size_t len, int advice)
{
	if (fails("madvise", 0, 0))
		return -1;
	return __real_madvise(addr, len, advice);
}

int __wrap_eventfd(unsigned int value, int flags)
{
	if (fails("eventfd", 0, 0))
		return -1;
	return __real_eventfd(value, flags);
}

int __wrap_fstat(int fd, struct stat *st)
{
	if (fails("fstat", 0, 0))
		return -1;
	return __real_fstat(fd, st);
}

ssize_t __wrap_pread(int fd, void *buf, size_t len, off_t offset)
{
	if (fails("pread", 0, 0))
		return -1;
	return __real_pread(fd, buf, len, offset);
}

void *__wrap_malloc(size_t size)
{
	if (fails("malloc", 0, 0))
		return NULL;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t nr, size_t size)
{
	if (fails("calloc", 0, 0))
		return NULL;
	return __real_calloc(nr, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	if (fails("realloc", 0, 0))
		return NULL;
	return __real_realloc(p, size);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *arg),
			  void *arg)
{
	if (fails("pthread_create", 0, 0))
		return faults.error;
	return __real_pthread_create(thread, attr, fn, arg);
}

int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
	if (fails("sched_getaffinity", 0, 0))
		return -1;
	return __real_sched_getaffinity(pid, size, set);
}

int __wrap_sigaction(int sig, const struct sigaction *action, struct sigaction *old)
{
	if (fails("sigaction", 0, 0))
		return -1;
	return __real_sigaction(sig, action, old);
}

Elf *__wrap_elf_begin(int fd, Elf_Cmd cmd, Elf *ref)
{
	if (fails("elf_begin", 0, 0))
		return NULL;
	return __real_elf_begin(fd, cmd, ref);
}

GElf_Ehdr *__wrap_gelf_getehdr(Elf *elf, GElf_Ehdr *ehdr)
{
	if (fails("gelf_getehdr", 0, 0))
		return NULL;
	return __real_gelf_getehdr(elf, ehdr);
}

int __wrap_elf_getphdrnum(Elf *elf, size_t *nr)
{
	if (fails("elf_getphdrnum", 0, 0))
		return -1;
	return __real_elf_getphdrnum(elf, nr);
}

GElf_Phdr *__wrap_gelf_getphdr(Elf *elf, int i, GElf_Phdr *phdr)
{
	if (fails("gelf_getphdr", 0, 0))
		return NULL;
	return __real_gelf_getphdr(elf, i, phdr);
}

int __wrap_ioctl(int fd, unsigned long request, void *arg)
{
	if (fails("ioctl", request, request == KVM_CHECK_EXTENSION ? (unsigned long)arg : 0))
		return -1;
	return __real_ioctl(fd, request, arg);
}

int __wrap_asprintf(char **text, const char *fmt, ...)
{
	va_list ap;
	int ret;

	if (fails("asprintf", 0, 0))
		return -1;
	va_start(ap, fmt);
	ret = vasprintf(text, fmt, ap);
	va_end(ap);
	return ret;
}

FIXTURE(fault) {
	struct ktstr_vm_config cfg;
	struct tiny_guest guest;
	char path[64];
	int fd;
	/* How the last life ended */
	int ret;
	struct errmsg err;
	enum ktstr_vm_state state;
	char reason[VCPU_END_TEXT_SIZE];
	bool registers;
	bool waits;
	bool tsc_jumps;
	bool warned;
	/* ... and what it should not have left */
	struct held before;
	unsigned int lives;
};

FIXTURE_VARIANT(fault) {
	const char *topology;
	enum ktstr_irqchip irqchip;
	int error;
};

FIXTURE_VARIANT_ADD(fault, contention) {
	.topology = "1n1l2c1t",
	.error = ENOMEM,
};

FIXTURE_VARIANT_ADD(fault, contention_split) {
	.topology = "2n2l1c1t",
	.irqchip = KTSTR_IRQCHIP_SPLIT,
	.error = EMFILE,
};

FIXTURE_VARIANT_ADD(fault, broken) {
	.topology = "1n1l2c1t",
	.error = EIO,
};

/* Enough CPUs for threads that create them */
FIXTURE_VARIANT_ADD(fault, threads) {
	.topology = "1n1l64c1t",
	.error = EAGAIN,
};

/* Room for all that is allocated, so that what is mapped later and stays is a leak */
static void fix_heap(void)
{
	void *room[64];
	size_t i;

	mallopt(M_MMAP_THRESHOLD, SZ_64K);
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TRIM_THRESHOLD, SZ_1G);
	for (i = 0; i < ARRAY_SIZE(room); i++)
		room[i] = malloc(SZ_32K);
	for (i = 0; i < ARRAY_SIZE(room); i++)
		free(room[i]);
}

static int prepare(struct _test_data_fault *self, const char *topology,
		   enum ktstr_irqchip irqchip)
{
	fix_heap();
	memset(self, 0, sizeof(*self));
	self->fd = tiny_guest_open(self->path, sizeof(self->path));
	tiny_guest_init(&self->guest);
	tiny_guest_set(&self->guest, spin, spin_end);
	if (pwrite(self->fd, &self->guest, sizeof(self->guest), 0) != sizeof(self->guest))
		return -errno;
	self->cfg = (struct ktstr_vm_config) {
		.memory = SZ_16M,
		.kernel = self->path,
		.irqchip = irqchip,
	};
	return topology_parse(topology, &self->cfg.topo, &self->err);
}

FIXTURE_SETUP(fault)
{
	if (access(HOST_KVM, R_OK | W_OK))
		SKIP(return, HOST_KVM ": %s", strerror(errno));
	ASSERT_EQ(0, prepare(self, variant->topology, variant->irqchip));
}

FIXTURE_TEARDOWN(fault)
{
	close(self->fd);
}

static void live(struct _test_data_fault *self)
{
	struct ktstr_vm_frozen frozen;
	struct ktstr_vm *vm = NULL;
	unsigned int i;

	memset(&self->err, 0, sizeof(self->err));
	faults.nr_kinds = 0;
	faults.struck = false;
	faults.on = true;
	self->state = KTSTR_VM_CREATED;
	self->ret = ktstr_vm_create(&vm, &self->cfg, &self->err) ?:
		    ktstr_vm_load(vm, &self->err) ?:
		    ktstr_vm_start(vm, &self->err) ?:
		    ktstr_vm_freeze(vm, &frozen, &self->err) ?:
		    ktstr_vm_thaw(vm, &self->err);
	if (vm) {
		const struct ktstr_vm_result *result = ktstr_vm_result(vm);

		ktstr_vm_stop(vm, KTSTR_VM_STOPPED, "enough");
		self->state = result->state;
		snprintf(self->reason, sizeof(self->reason), "%s", result->reason);
		self->registers = true;
		self->waits = true;
		for (i = 0; i < result->nr_vcpus; i++) {
			self->registers &= result->vcpus[i].valid;
			self->waits &= result->vcpus[i].waits;
		}
		self->tsc_jumps = result->tsc_jumps;
		self->warned = result->warnings && *result->warnings;
	}
	ktstr_vm_destroy(vm);
	faults.on = false;
}

/* Return: whether it can be done without, or was told otherwise than by an error */
static bool expect_lived(struct __test_metadata *_metadata, struct _test_data_fault *self,
			 const struct kind *kind, int error)
{
	if (!strcmp(kind->name, "madvise") || !strcmp(kind->name, "sched_getaffinity"))
		return true;
	/* The image's version, which comes last */
	if (!strcmp(kind->name, "gelf_getphdr"))
		return true;
	switch (kind->request) {
	case KVM_CHECK_EXTENSION:
		return kind->arg == KVM_CAP_TSC_DEADLINE_TIMER || kind->arg == KVM_CAP_MAX_VCPU_ID;
	case KVM_RUN:
		/* That asks for one more try. */
		if (error == EAGAIN)
			return self->state == KTSTR_VM_STOPPED;
		EXPECT_EQ(KTSTR_VM_KVM_ERROR, self->state);
		EXPECT_NE(NULL, strstr(self->reason, "KVM_RUN: "));
		return true;
	case KVM_GET_REGS:
	case KVM_GET_SREGS:
		return !self->registers;
	case KVM_GET_LAPIC:
	case KVM_GET_MP_STATE:
	case KVM_GET_VCPU_EVENTS:
		return !self->waits;
	case KVM_ENABLE_CAP:
		return self->warned;
	case KVM_GET_MSRS:
		return self->tsc_jumps || !self->waits;
	case KVM_GET_DEVICE_ATTR:
	case KVM_SET_DEVICE_ATTR:
		return self->tsc_jumps;
	}
	return false;
}

static void expect_error(struct __test_metadata *_metadata, struct _test_data_fault *self,
			 const struct kind *kind, int error)
{
	EXPECT_GT(0, self->ret);
	EXPECT_STRNE("", self->err.text);
	if (kind->request == KVM_CHECK_EXTENSION) {
		/* It has no errno: what is absent is named, and is the host's. */
		EXPECT_NE(NULL, strstr(self->err.text, "KVM_CAP_"));
		EXPECT_EQ(ERRMSG_HOST, self->err.kind);
	} else if (strstr(kind->name, "elf_") && error == EIO) {
		/* libelf has words of its own. */
		EXPECT_EQ(-ENOEXEC, self->ret);
	} else {
		if (strstr("malloc calloc realloc asprintf", kind->name))
			error = ENOMEM;
		EXPECT_NE(NULL, strstr(self->err.text, strerrorname_np(error)));
		if (error != EIO)
			EXPECT_EQ(ERRMSG_HOST, self->err.kind);
	}
}

static void strike(struct __test_metadata *_metadata, struct _test_data_fault *self,
		   const struct kind *kind, unsigned int call, int error)
{
	struct held now;
	bool lived;

	faults.fault = *kind;
	faults.fault.calls = call;
	faults.error = error;
	live(self);
	faults.error = 0;

	/* A vCPU that fails ends the guest, whatever was asked of it meanwhile. */
	lived = !self->ret || kind->request == KVM_RUN;
	if (faults.struck && !(lived && expect_lived(_metadata, self, kind, error)))
		expect_error(_metadata, self, kind, error);
	/* The first one leaves what the C library keeps. */
	now = held();
	if (self->lives++) {
		EXPECT_EQ(self->before.fds, now.fds);
		EXPECT_EQ(self->before.threads, now.threads);
		EXPECT_EQ(self->before.pages, now.pages);
	}
	self->before = now;
	if (_metadata->exit_code)
		TH_LOG("%s %#lx %lu, call %u: %s: %d %s", kind->name, kind->request, kind->arg,
		       call, strerrorname_np(error), self->ret, self->err.text);
	ASSERT_EQ(0, _metadata->exit_code);
}

TEST_F_TIMEOUT(fault, every_call, 120)
{
	struct kind kinds[MAX_KINDS];
	unsigned int nr, i, call, faults_done = 0;

	live(self);
	ASSERT_EQ(0, self->ret) {
		TH_LOG("%s", self->err.text);
	}
	ASSERT_EQ(KTSTR_VM_STOPPED, self->state);
	nr = faults.nr_kinds;
	ASSERT_GT(MAX_KINDS, nr);
	memcpy(kinds, faults.kinds, sizeof(kinds));

	for (i = 0; i < nr; i++) {
		/* How often a vCPU leaves the guest depends on the host. */
		const unsigned int calls = kinds[i].request == KVM_RUN ? 1 : kinds[i].calls;

		/* One handler serves all vCPUs. */
		if (!strcmp(kinds[i].name, "sigaction"))
			EXPECT_EQ(1, calls);
		for (call = 1; call <= calls; call++) {
			if (call > EACH && call != calls / 2 && call < calls - 1)
				continue;
			strike(_metadata, self, &kinds[i], call, variant->error);
			faults_done++;
		}
	}
	/* All of it was seen: vCPUs, memory, devices, kernel, threads, clocks. */
	EXPECT_LT(40, nr);
	TH_LOG("%u kinds of calls, %u of them failed", nr, faults_done);
	EXPECT_EQ(false, leaks());
}

/*
 * For strace_test.sh, which makes the system calls fail that the second life makes
 * between the two calls of access(): how did it end?
 */
static int one_life(void)
{
	static const char * const kinds[] = {
		[ERRMSG_FAILED] = "FAILED",
		[ERRMSG_INPUT] = "INPUT",
		[ERRMSG_HOST] = "HOST",
	};
	static struct _test_data_fault data;
	struct held before, after;

	if (prepare(&data, "1n1l2c1t", KTSTR_IRQCHIP_AUTO))
		return KSFT_FAIL;
	live(&data);
	if (data.ret) {
		printf("%s\n", data.err.text);
		return KSFT_FAIL;
	}
	before = held();
	access("life", F_OK);
	live(&data);
	access("death", F_OK);
	after = held();

	if (data.ret)
		printf("%s %s\n", kinds[data.err.kind], data.err.text);
	else
		printf("LIVED %s %s\n", ktstr_vm_state_name(data.state), data.reason);
	if (before.fds == after.fds && before.threads == after.threads &&
	    before.pages == after.pages)
		return KSFT_PASS;
	printf("before: %u files, %u threads, %lu pages; after: %u, %u, %lu\n", before.fds,
	       before.threads, before.pages, after.fds, after.threads, after.pages);
	return KSFT_FAIL;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--life"))
		return one_life();
	return test_harness_run(argc, argv);
}
