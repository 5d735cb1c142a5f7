// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/bits.h>
#include <linux/kvm.h>
#include <linux/types.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "env.h"
#include "host.h"
#include "memory_map.h"

#define PROBE_TIMEOUT_NS	(990 * NSEC_PER_MSEC)

/*
 * The probe's guest is one page, with code in 64-bit mode: real mode would be
 * interpreted on every Intel CPU that has no unrestricted guest. Entry 0 of
 * that page points back to it, which makes it the page table of all four
 * levels and maps it at 0.
 */
#define PROBE_RAM		4096
#define PROBE_CODE		0x100
#define PROBE_PTE		0x63	/* present, writable, accessed, dirty */

#define CR0_PROTECTED		0x80000033	/* PG, NE, ET, MP, PE */
#define CR4_PAE			BIT(5)
#define CR4_OSFXSR		BIT(9)
#define CR4_OSXSAVE		BIT(18)
#define EFER_64BIT		(BIT(8) | BIT(10))	/* LME, LMA */
#define XCR0_X87_SSE_AVX	7

#define CPUID_1_ECX_XSAVE	BIT(26)
#define CPUID_1_ECX_AVX		BIT(28)

static const u8 probe_sse[] = {
	0x66, 0x0f, 0x76, 0xc0,		/* pcmpeqd %xmm0, %xmm0 */
	0x66, 0x0f, 0xfe, 0xc0,		/* paddd %xmm0, %xmm0 */
	0x66, 0x0f, 0x7e, 0xc0,		/* movd %xmm0, %eax */
	0xf4,				/* hlt */
};

static const u8 probe_avx[] = {
	0x66, 0x0f, 0x76, 0xc0,		/* pcmpeqd %xmm0, %xmm0 */
	0x66, 0x0f, 0xfe, 0xc0,		/* paddd %xmm0, %xmm0 */
	0xc5, 0xf9, 0xfe, 0xc0,		/* vpaddd %xmm0, %xmm0, %xmm0 */
	0xc5, 0xf9, 0x7e, 0xc0,		/* vmovd %xmm0, %eax */
	0xf4,				/* hlt */
};

struct probe {
	int kvm, vm, vcpu;
	u8 *ram;
	struct kvm_run *run;
	size_t run_size;
	bool avx;
};

static void probe_destroy(struct probe *p)
{
	if (p->run)
		munmap(p->run, p->run_size);
	if (p->vcpu >= 0)
		close(p->vcpu);
	if (p->vm >= 0)
		close(p->vm);
	if (p->ram)
		munmap(p->ram, PROBE_RAM);
	if (p->kvm >= 0)
		close(p->kvm);
}

static void *probe_mmap(size_t size, int flags, int fd)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

static int probe_create(struct probe *p, struct errmsg *why)
{
	struct kvm_userspace_memory_region region = { .memory_size = PROBE_RAM };
	int size;

	if (ioctl(p->kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return errmsg_set(why, ERRMSG_HOST, errno, "KVM_GET_API_VERSION");

	p->vm = ioctl(p->kvm, KVM_CREATE_VM, 0);
	if (p->vm < 0)
		return errmsg_set(why, ERRMSG_HOST, errno, "KVM_CREATE_VM");
	if (ioctl(p->vm, KVM_SET_TSS_ADDR, MAP_KVM_TSS))
		return errmsg_set(why, ERRMSG_HOST, errno, "KVM_SET_TSS_ADDR");

	p->ram = probe_mmap(PROBE_RAM, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	if (!p->ram)
		return errmsg_set(why, ERRMSG_HOST, errno, "guest RAM: mmap");
	region.userspace_addr = (uintptr_t)p->ram;
	if (ioctl(p->vm, KVM_SET_USER_MEMORY_REGION, &region))
		return errmsg_set(why, ERRMSG_HOST, errno, "KVM_SET_USER_MEMORY_REGION");

	p->vcpu = ioctl(p->vm, KVM_CREATE_VCPU, 0);
	if (p->vcpu < 0)
		return errmsg_set(why, ERRMSG_HOST, errno, "KVM_CREATE_VCPU");
	size = ioctl(p->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(*p->run))
		return errmsg_set(why, ERRMSG_HOST, errno, "KVM_GET_VCPU_MMAP_SIZE");
	p->run_size = size;
	p->run = probe_mmap(p->run_size, MAP_SHARED, p->vcpu);
	if (!p->run)
		return errmsg_set(why, ERRMSG_HOST, errno, "struct kvm_run: mmap");
	return 0;
}

/* The guest gets all that KVM offers; whether that includes AVX is noted. */
static int probe_set_cpuid(struct probe *p, struct errmsg *why)
{
	enum { NR_ENTRIES = 256 };
	const u32 need = CPUID_1_ECX_XSAVE | CPUID_1_ECX_AVX;
	struct kvm_cpuid2 *cpuid;
	unsigned int i;
	int ret = 0;

	cpuid = calloc(1, sizeof(*cpuid) + NR_ENTRIES * sizeof(cpuid->entries[0]));
	if (!cpuid)
		return errmsg_set(why, ERRMSG_HOST, ENOMEM, "CPUID table");
	cpuid->nent = NR_ENTRIES;
	if (ioctl(p->kvm, KVM_GET_SUPPORTED_CPUID, cpuid)) {
		ret = errmsg_set(why, ERRMSG_HOST, errno, "KVM_GET_SUPPORTED_CPUID");
		goto out;
	}
	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 1)
			p->avx = (cpuid->entries[i].ecx & need) == need;
	if (ioctl(p->vcpu, KVM_SET_CPUID2, cpuid))
		ret = errmsg_set(why, ERRMSG_HOST, errno, "KVM_SET_CPUID2");
out:
	free(cpuid);
	return ret;
}

static int probe_set_registers(struct probe *p, struct errmsg *why)
{
	const struct kvm_segment flat = {
		.limit = 0xffffffff, .selector = 0x10, .type = 3,
		.present = 1, .db = 1, .s = 1, .g = 1,
	};
	struct kvm_regs regs = { .rip = PROBE_CODE, .rflags = 2 };
	struct kvm_xcrs xcrs = { .nr_xcrs = 1 };
	struct kvm_sregs sregs;

	if (ioctl(p->vcpu, KVM_GET_SREGS, &sregs))
		return errmsg_set(why, ERRMSG_HOST, errno, "KVM_GET_SREGS");
	sregs.cs = flat;
	sregs.cs.selector = 0x8;
	sregs.cs.type = 0xb;
	sregs.cs.l = 1;
	sregs.cs.db = 0;
	sregs.ds = flat;
	sregs.es = flat;
	sregs.fs = flat;
	sregs.gs = flat;
	sregs.ss = flat;
	sregs.cr0 = CR0_PROTECTED;
	sregs.cr3 = 0;
	sregs.cr4 = CR4_PAE | CR4_OSFXSR | (p->avx ? CR4_OSXSAVE : 0);
	sregs.efer = EFER_64BIT;
	if (ioctl(p->vcpu, KVM_SET_SREGS, &sregs))
		return errmsg_set(why, ERRMSG_HOST, errno, "KVM_SET_SREGS");
	if (ioctl(p->vcpu, KVM_SET_REGS, &regs))
		return errmsg_set(why, ERRMSG_HOST, errno, "KVM_SET_REGS");

	xcrs.xcrs[0].value = XCR0_X87_SSE_AVX;
	if (p->avx && ioctl(p->vcpu, KVM_SET_XCRS, &xcrs))
		return errmsg_set(why, ERRMSG_HOST, errno, "KVM_SET_XCRS");
	return 0;
}

static void probe_load(struct probe *p)
{
	const u64 pte = PROBE_PTE;

	memcpy(p->ram, &pte, sizeof(pte));
	if (p->avx)
		memcpy(p->ram + PROBE_CODE, probe_avx, sizeof(probe_avx));
	else
		memcpy(p->ram + PROBE_CODE, probe_sse, sizeof(probe_sse));
}

/*
 * Run until an exit or until @timeout arrives. That signal is blocked but in
 * KVM_RUN, which then returns EINTR: no handler, and none is lost in between.
 */
static int probe_run(struct probe *p, int timeout, struct errmsg *why)
{
	const size_t len = sizeof(u64);		/* of the kernel's sigset_t */
	u64 buf[2] = { 0 };
	struct kvm_signal_mask *mask = (void *)buf;
	sigset_t set, pending;

	pthread_sigmask(SIG_SETMASK, NULL, &set);
	sigdelset(&set, timeout);
	mask->len = len;
	memcpy(mask->sigset, &set, len);
	if (ioctl(p->vcpu, KVM_SET_SIGNAL_MASK, mask))
		return errmsg_set(why, ERRMSG_HOST, errno, "KVM_SET_SIGNAL_MASK");

	while (ioctl(p->vcpu, KVM_RUN, 0)) {
		if (errno != EINTR && errno != EAGAIN)
			return errmsg_set(why, ERRMSG_HOST, errno, "KVM_RUN");
		sigpending(&pending);
		if (sigismember(&pending, timeout))
			return errmsg_set(why, ERRMSG_HOST, ETIMEDOUT,
					  "a guest of five instructions does not end");
	}
	return 0;
}

static int probe_run_timed(struct probe *p, struct errmsg *why)
{
	const struct itimerspec when = { .it_value.tv_nsec = PROBE_TIMEOUT_NS };
	const struct timespec now = { 0 };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID };
	sigset_t set, old;
	timer_t timer;
	int ret;

	event.sigev_signo = SIGRTMAX;
	event._sigev_un._tid = gettid();
	if (timer_create(CLOCK_MONOTONIC, &event, &timer))
		return errmsg_set(why, ERRMSG_HOST, errno, "timer_create");
	sigemptyset(&set);
	sigaddset(&set, event.sigev_signo);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	timer_settime(timer, 0, &when, NULL);

	ret = probe_run(p, event.sigev_signo, why);

	timer_delete(timer);
	sigtimedwait(&set, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}

static int probe_verdict(struct probe *p, struct errmsg *why)
{
	const u32 expected = p->avx ? -4 : -2;
	struct kvm_regs regs;

	if (p->run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		return errmsg_set(why, ERRMSG_HOST, 0,
				  "this KVM interprets guest code and does not know SSE or AVX (KVM_EXIT_INTERNAL_ERROR, suberror %u)",
				  p->run->internal.suberror);
	if (p->run->exit_reason != KVM_EXIT_HLT)
		return errmsg_set(why, ERRMSG_HOST, 0,
				  "a guest of five instructions ends with KVM exit %u instead of HLT",
				  p->run->exit_reason);
	if (ioctl(p->vcpu, KVM_GET_REGS, &regs))
		return errmsg_set(why, ERRMSG_HOST, errno, "KVM_GET_REGS");
	if ((u32)regs.rax != expected)
		return errmsg_set(why, ERRMSG_HOST, 0,
				  "a guest computed %#x with SSE or AVX, %#x is right",
				  (u32)regs.rax, expected);
	return 0;
}

static int probe_kvm(const char *kvm, struct errmsg *why)
{
	struct probe p = { .vm = -1, .vcpu = -1 };
	int ret;

	p.kvm = open(kvm, O_RDWR | O_CLOEXEC);
	if (p.kvm < 0 && errno == EACCES)
		return errmsg_set(why, ERRMSG_HOST, errno,
				  "open for reading and writing (add yourself to the group kvm: usermod -aG kvm NAME)");
	if (p.kvm < 0)
		return errmsg_set(why, ERRMSG_HOST, errno,
				  "open (is the module kvm_intel or kvm_amd loaded, virtualization enabled in the firmware?)");

	ret = probe_create(&p, why);
	if (!ret)
		ret = probe_set_cpuid(&p, why);
	if (!ret)
		ret = probe_set_registers(&p, why);
	if (ret)
		goto out;
	probe_load(&p);
	ret = probe_run_timed(&p, why);
	if (!ret)
		ret = probe_verdict(&p, why);
out:
	probe_destroy(&p);
	return ret;
}

int host_classify(const char *kvm, struct errmsg *why)
{
	const char *by_hand = env_get("KTSTR_HOST");

	why->kind = ERRMSG_HOST;
	why->text[0] = '\0';
	if (by_hand && !strcmp(by_hand, "native"))
		return HOST_NATIVE;
	if (by_hand && !strcmp(by_hand, "emulated")) {
		errmsg_set(why, ERRMSG_HOST, 0, "KTSTR_HOST=emulated");
		return HOST_EMULATE;
	}
	if (by_hand)
		return errmsg_set(why, ERRMSG_INPUT, 0,
				  "KTSTR_HOST=%s: must be native or emulated", by_hand);

	if (!probe_kvm(kvm, why))
		return HOST_NATIVE;
	errmsg_prefix(why, "%s", kvm);
	return HOST_EMULATE;
}
