// SPDX-License-Identifier: GPL-2.0
#include <asm/msr-index.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/sizes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "acpi.h"
#include "boot.h"
#include "clock.h"
#include "contention.h"
#include "devices.h"
#include "freeze.h"
#include "ktstr_vmm.h"
#include "kvm_caps.h"
#include "memory_map.h"
#include "nudge.h"
#include "numa_mem.h"
#include "parallel.h"
#include "performance.h"
#include "vcpu.h"
#include "warnings.h"

#define KVM_DEVICE	"/dev/kvm"

/* KVM_MAX_CPUID_ENTRIES in the kernel; user space has no name for it. */
#define MAX_CPUID_ENTRIES	256

/* Highest id that an xAPIC can name: 255 is its broadcast (SDM vol. 3A, 11.6.2) */
#define MAX_XAPIC_ID	254

/* Ids in messages and registers have 32 bits, and 255 is a CPU like any other. */
#define X2APIC_API	(KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)

/* Bits of IA32_APIC_BASE and IA32_MTRR_DEF_TYPE (SDM vol. 4, table 2-2) */
#define APIC_BASE_ENABLE_X2APIC		(MSR_IA32_APICBASE_ENABLE | BIT_ULL(10))
#define MTRR_DEF_TYPE_ENABLE_WB		(BIT_ULL(11) | 6)

/*
 * What every guest is told. The console is for trouble, so that nobody waits
 * for a UART when there is none; a panic resets at once; there is no PCI bus
 * to probe, one UART, and no DMA that would need 64 MiB of bounce buffers;
 * KVM's clock needs no second opinion on the TSC; locks that are compiled for
 * many CPUs are not patched for one while there is one; the initramfs, which
 * would be overwritten as it is freed, stays shared with other guests.
 */
#define CMDLINE	"console=ttyS0 quiet panic=-1 pci=off iommu=off 8250.nr_uarts=1 tsc=reliable " \
		"noreplace-smp retain_initrd"

/*
 * Until late in its boot each CPU of a guest has a tick of its own, and where
 * many of them share a CPU of the host, these ticks are most of what that does.
 * There the kernel starts with one CPU, and the agent brings up the others.
 */
#define CMDLINE_OVERCOMMIT	" maxcpus=1"

/* An emulated host of one CPU has to get round to each vCPU's thread. */
#define FREEZE_TIMEOUT_NS	(10 * NSEC_PER_SEC)

struct ktstr_vm {
	struct ktstr_vm_config cfg;
	int kvm_fd;
	int vm_fd;
	bool devices_created;
	unsigned int nr_vcpus;
	struct vcpu *vcpus;
	int run_size;
	struct kvm_cpuid2 *cpuid;
	struct cpuid_config cpuid_cfg;
	struct numa_mem mem;
	struct devices devices;
	struct boot_image image;
	struct freeze freeze;
	struct nudge nudge;
	struct warnings warnings;
	pthread_mutex_t lock;		/* of all below */
	pthread_cond_t ended;
	struct ktstr_vm_result result;
};

/* The first to say how the VM ended is right; what follows is its echo. */
static void vm_end(struct ktstr_vm *vm, enum ktstr_vm_state state, const char *reason)
{
	bool first;

	pthread_mutex_lock(&vm->lock);
	first = vm->result.state <= KTSTR_VM_RUNNING;
	if (first) {
		vm->result.state = state;
		snprintf(vm->result.reason, sizeof(vm->result.reason), "%s", reason);
		pthread_cond_broadcast(&vm->ended);
	}
	pthread_mutex_unlock(&vm->lock);
	if (first)
		devices_finish(&vm->devices);
}

static void on_power(void *ctx, enum power_request request)
{
	if (request == POWER_OFF)
		vm_end(ctx, KTSTR_VM_POWEROFF, "the guest powered off");
	else
		vm_end(ctx, KTSTR_VM_RESET, "the guest reset itself");
}

static const struct devices_ops devices_ops = {
	.power = on_power,
};

static void on_pio(void *ctx, u16 port, bool write, void *data, u8 size)
{
	struct ktstr_vm *vm = ctx;

	devices_pio(&vm->devices, port, write, data, size);
}

static void on_mmio(void *ctx, u64 addr, bool write, void *data, u32 len)
{
	struct ktstr_vm *vm = ctx;

	devices_mmio(&vm->devices, addr, write, data, len);
}

static void on_eoi(void *ctx, u8 vector)
{
	struct ktstr_vm *vm = ctx;

	devices_eoi(&vm->devices, vector);
}

static void on_vcpu_end(void *ctx, enum vcpu_end why, const char *text)
{
	static const enum ktstr_vm_state states[] = {
		[VCPU_END_SHUTDOWN] = KTSTR_VM_TRIPLE_FAULT,
		[VCPU_END_INTERNAL_ERROR] = KTSTR_VM_INTERNAL_ERROR,
		[VCPU_END_KVM_ERROR] = KTSTR_VM_KVM_ERROR,
		[VCPU_END_SYSTEM_RESET] = KTSTR_VM_RESET,
		[VCPU_END_SYSTEM_POWEROFF] = KTSTR_VM_POWEROFF,
		[VCPU_END_SYSTEM_CRASH] = KTSTR_VM_PANIC,
	};

	vm_end(ctx, states[why], text);
}

static const struct vcpu_ops vcpu_ops = {
	.pio = on_pio,
	.mmio = on_mmio,
	.eoi = on_eoi,
	.end = on_vcpu_end,
};

static int vm_ioctl(struct ktstr_vm *vm, unsigned long request, void *arg,
		    const char *what, struct errmsg *err)
{
	if (ioctl(vm->vm_fd, request, arg) < 0)
		return errmsg_set(err, kvm_errno_kind(errno), errno, "%s", what);
	return 0;
}

static int create_vm_fd(struct ktstr_vm *vm, struct errmsg *err)
{
	/* A signal that comes while KVM allocates makes it give up. */
	do {
		vm->vm_fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	} while (vm->vm_fd < 0 && errno == EINTR);

	if (vm->vm_fd < 0)
		return errmsg_set(err, kvm_errno_kind(errno), errno, "KVM_CREATE_VM");
	return 0;
}

static bool needs_x2apic(const struct ktstr_vm *vm)
{
	return topology_max_apic_id(&vm->cfg.topo) > MAX_XAPIC_ID;
}

/* In performance mode each vCPU has a CPU of this host for itself. */
static bool is_performance(const struct ktstr_vm *vm)
{
	return vm->cfg.share && vm->cfg.share->placement.pinned;
}

static bool is_overcommitted(const struct ktstr_vm *vm)
{
	return parallel_cpus() < topology_cpus(&vm->cfg.topo);
}

/* Before there are vCPUs: none of it can fail, it can only be missing. */
static int set_exits(struct ktstr_vm *vm)
{
	if (is_performance(vm))
		performance_disable_exits(vm->vm_fd, &vm->warnings);
	else
		performance_halt_poll(vm->vm_fd, is_overcommitted(vm), &vm->warnings);
	return 0;
}

static int check_clock(struct ktstr_vm *vm)
{
	if (is_performance(vm))
		performance_check_tsc(vm->vm_fd, &vm->warnings);
	return 0;
}

static bool is_split(const struct ktstr_vm *vm)
{
	return vm->cfg.irqchip == KTSTR_IRQCHIP_SPLIT || needs_x2apic(vm);
}

/*
 * KVM has an 8259 of which our tables say nothing, and leaves the BSP's LINT0 open
 * for it: interrupts below 16 would come a second time, as vectors of a chip that
 * nobody has set up. A KVM without this call (before Linux 4.2) leaves it to the
 * guest to close the pin; Linux does, by disabling its LAPIC for a moment.
 */
static void close_lint0(struct ktstr_vm *vm)
{
	struct kvm_enable_cap quirks = {
		.cap = KVM_CAP_DISABLE_QUIRKS,
		.args[0] = KVM_X86_QUIRK_LINT0_REENABLED,
	};

	ioctl(vm->vm_fd, KVM_ENABLE_CAP, &quirks);
}

static int create_kernel_irqchip(struct ktstr_vm *vm, struct errmsg *err)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	close_lint0(vm);
	return vm_ioctl(vm, KVM_CREATE_IRQCHIP, NULL, "KVM_CREATE_IRQCHIP", err) ?:
	       vm_ioctl(vm, KVM_CREATE_PIT2, &pit, "KVM_CREATE_PIT2", err);
}

/* No PIT: it would raise the pin of an IOAPIC that KVM does not have. */
static int create_split_irqchip(struct ktstr_vm *vm, struct errmsg *err)
{
	struct kvm_enable_cap split = {
		.cap = KVM_CAP_SPLIT_IRQCHIP,
		.args[0] = IOAPIC_PINS,
	};
	struct kvm_enable_cap x2apic = {
		.cap = KVM_CAP_X2APIC_API,
		.args[0] = X2APIC_API,
	};

	return vm_ioctl(vm, KVM_ENABLE_CAP, &split, "KVM_CAP_SPLIT_IRQCHIP", err) ?:
	       vm_ioctl(vm, KVM_ENABLE_CAP, &x2apic, "KVM_CAP_X2APIC_API", err);
}

static int create_irqchip(struct ktstr_vm *vm, struct errmsg *err)
{
	u64 identity_map = MAP_KVM_IDENTITY;

	/* Both addresses must be known before the first vCPU exists. */
	return vm_ioctl(vm, KVM_SET_TSS_ADDR, (void *)MAP_KVM_TSS, "KVM_SET_TSS_ADDR", err) ?:
	       vm_ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &identity_map,
			"KVM_SET_IDENTITY_MAP_ADDR", err) ?:
	       (is_split(vm) ? create_split_irqchip(vm, err) : create_kernel_irqchip(vm, err));
}

static int prepare_cpuid(struct ktstr_vm *vm, struct errmsg *err)
{
	vm->cpuid = calloc(1, sizeof(*vm->cpuid) +
			   MAX_CPUID_ENTRIES * sizeof(vm->cpuid->entries[0]));
	if (!vm->cpuid)
		return errmsg_set(err, ERRMSG_HOST, ENOMEM, "allocating CPUID entries");
	vm->cpuid->nent = MAX_CPUID_ENTRIES;
	if (ioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, vm->cpuid))
		return errmsg_set(err, kvm_errno_kind(errno), errno, "KVM_GET_SUPPORTED_CPUID");

	vm->cpuid_cfg = (struct cpuid_config) {
		.topo = &vm->cfg.topo,
		.vendor = vm->cfg.vendor,
		.tsc_deadline = kvm_check_extension(vm->kvm_fd, KVM_CAP_TSC_DEADLINE_TIMER),
		.realtime = is_performance(vm),
		.ext_dest_id = is_split(vm),
		.no_xsave = cpuid_host_is_tcg(),
	};
	return cpuid_prepare(vm->cpuid, MAX_CPUID_ENTRIES, &vm->cpuid_cfg, err);
}

/* RAM above the guest's physical address width would silently not exist. */
static int check_phys_bits(const struct ktstr_vm *vm, struct errmsg *err)
{
	u32 bits = 0;	/* cpuid_prepare() has made the leaf */
	u32 i;

	for (i = 0; i < vm->cpuid->nent; i++)
		if (vm->cpuid->entries[i].function == 0x80000008)
			bits = vm->cpuid->entries[i].eax & 0xff;
	if (bits >= 64 || numa_mem_top(&vm->mem) <= 1ULL << bits)
		return 0;
	errmsg_set(err, ERRMSG_HOST, 0,
		   "guest RAM would end at %#llx, but this host's physical addresses have %u bits",
		   (unsigned long long)numa_mem_top(&vm->mem), bits);
	return -ERANGE;
}

void ktstr_vm_raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

/*
 * Where a VM of this size does not fit at all, there is no use in waiting until
 * other files are closed (contention.h): the numbers are told before one is open.
 */
static int check_file_limit(const struct ktstr_vm *vm, const char *spec, struct errmsg *err)
{
	unsigned int cpus = topology_cpus(&vm->cfg.topo);
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur > cpus)
		return 0;
	errmsg_set(err, ERRMSG_HOST, 0,
		   "%s has %u CPUs, each an open file, this process may have %llu in all (see ulimit -n)",
		   spec, cpus, (unsigned long long)files.rlim_cur);
	return -ERANGE;
}

/* What the host's KVM is too small for is a reason to skip, with both numbers. */
static int check_limits(const struct ktstr_vm *vm, struct errmsg *err)
{
	unsigned int max_vcpus = kvm_check_extension(vm->kvm_fd, KVM_CAP_MAX_VCPUS);
	u32 max_id = kvm_check_extension(vm->kvm_fd, KVM_CAP_MAX_VCPU_ID);
	u32 apic_id = topology_max_apic_id(&vm->cfg.topo);
	char spec[TOPOLOGY_STR_SIZE];
	unsigned int x2apic_api;

	topology_format(&vm->cfg.topo, spec);
	if (topology_cpus(&vm->cfg.topo) > max_vcpus) {
		errmsg_set(err, ERRMSG_HOST, 0,
			   "%s has %u CPUs, this host's KVM takes %u (KVM_CAP_MAX_VCPUS)",
			   spec, topology_cpus(&vm->cfg.topo), max_vcpus);
		return -ERANGE;
	}
	/* api.rst, KVM_CREATE_VCPU: without the capability the ids are as many. */
	if (!max_id)
		max_id = max_vcpus;
	if (apic_id >= max_id) {
		errmsg_set(err, ERRMSG_HOST, 0,
			   "%s needs vcpu id %u, this host's KVM takes ids below %u (KVM_CAP_MAX_VCPU_ID)",
			   spec, apic_id, max_id);
		return -ERANGE;
	}
	if (check_file_limit(vm, spec, err))
		return -ERANGE;
	if (!is_split(vm))
		return 0;
	x2apic_api = kvm_check_extension(vm->kvm_fd, KVM_CAP_X2APIC_API);
	if (kvm_check_extension(vm->kvm_fd, KVM_CAP_SPLIT_IRQCHIP) &&
	    (x2apic_api & X2APIC_API) == X2APIC_API)
		return 0;
	errmsg_set(err, ERRMSG_HOST, 0,
		   "%s, highest APIC id %u, needs KVM_CAP_SPLIT_IRQCHIP and KVM_CAP_X2APIC_API with flags %#x, this host's KVM has flags %#x",
		   spec, apic_id, (unsigned int)X2APIC_API, x2apic_api);
	return -EOPNOTSUPP;
}

/*
 * As firmware leaves them: string moves are fast, all memory is write-back, and if
 * there are ids that an xAPIC does not have, all LAPICs are x2APICs (SDM vol. 3A,
 * 11.12.8.1): Linux ignores such CPUs if it has to make this change itself.
 */
static int set_msrs(const struct ktstr_vm *vm, const struct vcpu *vcpu, struct errmsg *err)
{
	const struct kvm_msr_entry entries[] = {
		{ .index = MSR_IA32_MISC_ENABLE, .data = MSR_IA32_MISC_ENABLE_FAST_STRING },
		{ .index = MSR_MTRRdefType, .data = MTRR_DEF_TYPE_ENABLE_WB },
		{
			.index = MSR_IA32_APICBASE,
			.data = MAP_LAPIC | APIC_BASE_ENABLE_X2APIC |
				(vcpu->index ? 0 : MSR_IA32_APICBASE_BSP),
		},
	};
	union {
		struct kvm_msrs msrs;
		char room[sizeof(struct kvm_msrs) + sizeof(entries)];
	} arg = { .msrs.nmsrs = ARRAY_SIZE(entries) - !needs_x2apic(vm) };
	int done;

	memcpy(arg.msrs.entries, entries, sizeof(entries));
	done = ioctl(vcpu->fd, KVM_SET_MSRS, &arg);
	if (done < 0)
		return errmsg_set(err, kvm_errno_kind(errno), errno,
				  "KVM_SET_MSRS of CPU %u", vcpu->index);
	/* It stops at the first that it cannot set, without an errno. */
	if (done < (int)arg.msrs.nmsrs)
		return errmsg_set(err, ERRMSG_FAILED, EINVAL, "KVM_SET_MSRS of CPU %u: MSR %#x",
				  vcpu->index, entries[done].index);
	return 0;
}

static int create_vcpu(struct ktstr_vm *vm, unsigned int cpu, struct kvm_cpuid2 *cpuid,
		       struct errmsg *err)
{
	struct vcpu *vcpu = &vm->vcpus[cpu];
	int ret;

	ret = vcpu_create(vcpu, vm->vm_fd, cpu, topology_apic_id(&vm->cfg.topo, cpu),
			  vm->run_size, err);
	if (ret)
		return ret;

	cpuid_set_cpu(cpuid, &vm->cpuid_cfg, cpu);
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid))
		return errmsg_set(err, kvm_errno_kind(errno), errno,
				  "KVM_SET_CPUID2 of CPU %u", cpu);
	return set_msrs(vm, vcpu, err);
}

/* Each thread puts its CPUs' APIC ids into a table of its own. */
static int create_vcpu_share(void *ctx, unsigned int first, unsigned int end,
			     struct errmsg *err)
{
	struct ktstr_vm *vm = ctx;
	size_t size = sizeof(*vm->cpuid) + vm->cpuid->nent * sizeof(vm->cpuid->entries[0]);
	struct kvm_cpuid2 *cpuid = malloc(size);
	unsigned int cpu;
	int ret = 0;

	if (!cpuid)
		return errmsg_set(err, ERRMSG_HOST, ENOMEM, "copying CPUID entries");
	memcpy(cpuid, vm->cpuid, size);
	for (cpu = first; cpu < end && !ret; cpu++)
		ret = create_vcpu(vm, cpu, cpuid, err);
	free(cpuid);
	return ret;
}

/*
 * Of KVM_CREATE_VCPU a small part happens under the VM's lock, KVM_SET_CPUID2
 * (the longest, where CPUID traps) under the vCPU's own. A thread costs about
 * as much as a vCPU or two; with fewer than this, little is won.
 */
static const struct parallel_work vcpu_work = {
	.share = create_vcpu_share,
	.min_share = 32,
};

/*
 * KVM finds the target of an IPI in a map that it makes anew before it adds a vCPU:
 * those that were added last are not in it, until some LAPIC changes. Setting one
 * to what it is counts as a change.
 */
static int complete_apic_map(struct ktstr_vm *vm, struct errmsg *err)
{
	const int fd = vm->vcpus[0].fd;
	struct kvm_lapic_state lapic;

	if (ioctl(fd, KVM_GET_LAPIC, &lapic))
		return errmsg_set(err, kvm_errno_kind(errno), errno, "KVM_GET_LAPIC of CPU 0");
	if (ioctl(fd, KVM_SET_LAPIC, &lapic))
		return errmsg_set(err, kvm_errno_kind(errno), errno, "KVM_SET_LAPIC of CPU 0");
	return 0;
}

static int create_vcpus(struct ktstr_vm *vm, struct errmsg *err)
{
	unsigned int nr = topology_cpus(&vm->cfg.topo);
	u64 start = clock_ns();
	int ret;

	vm->run_size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (vm->run_size < (int)sizeof(struct kvm_run))
		return errmsg_set(err, kvm_errno_kind(errno), errno, "KVM_GET_VCPU_MMAP_SIZE");
	vm->vcpus = calloc(nr, sizeof(*vm->vcpus));
	vm->result.vcpus = calloc(nr, sizeof(*vm->result.vcpus));
	if (!vm->vcpus || !vm->result.vcpus)
		return errmsg_set(err, ERRMSG_HOST, ENOMEM, "allocating %u CPUs", nr);

	for (; vm->nr_vcpus < nr; vm->nr_vcpus++)
		vm->vcpus[vm->nr_vcpus].fd = -1;
	ret = parallel_run(&vcpu_work, vm, nr, err) ?: complete_apic_map(vm, err);
	vm->result.vcpus_ns = clock_ns() - start;
	return ret;
}

/* In performance mode near its CPUs, and in huge pages if the host has enough to give. */
static void prefer_fast_memory(const struct ktstr_vm *vm, struct numa_mem_config *backing)
{
	const struct host_share *share = vm->cfg.share;
	unsigned int node;

	if (backing->pages == NUMA_MEM_THP &&
	    numa_mem_free_huge_pages() >= DIV_ROUND_UP(vm->mem.size, (u64)SZ_2M))
		backing->pages = NUMA_MEM_HUGETLB;
	if (backing->bind)
		return;
	backing->bind = true;
	for (node = 0; node < vm->cfg.topo.nodes; node++)
		backing->host_node[node] = placement_host_node(&share->placement, &vm->cfg.topo,
							       share->ht, node);
}

/* Once its size is known, which may be after everything else. */
static int map_memory(struct ktstr_vm *vm, struct errmsg *err)
{
	struct numa_mem_config backing = vm->cfg.backing;

	if (is_performance(vm))
		prefer_fast_memory(vm, &backing);
	return numa_mem_map(&vm->mem, &backing, &vm->warnings, err);
}

int ktstr_vm_allocate(struct ktstr_vm *vm, u64 memory, struct errmsg *err)
{
	if (vm->mem.reservation)
		return errmsg_set(err, ERRMSG_FAILED, EINVAL, "allocating guest memory twice");
	return numa_mem_layout(&vm->mem, &vm->cfg.topo, memory, err) ?:
	       check_phys_bits(vm, err) ?:
	       map_memory(vm, err) ?:
	       numa_mem_register(&vm->mem, vm->vm_fd, err);
}

static int build(struct ktstr_vm *vm, struct errmsg *err)
{
	bool deferred;
	int ret;

	vm->kvm_fd = kvm_open(KVM_DEVICE, err);
	if (vm->kvm_fd < 0)
		return vm->kvm_fd;
	deferred = !vm->cfg.memory && !topology_memory(&vm->cfg.topo);
	ret = kvm_check_caps(vm->kvm_fd, kvm_check_extension, err) ?:
	      check_limits(vm, err) ?:
	      create_vm_fd(vm, err) ?:
	      create_irqchip(vm, err) ?:
	      set_exits(vm) ?:
	      prepare_cpuid(vm, err) ?:
	      (deferred ? 0 : ktstr_vm_allocate(vm, vm->cfg.memory, err)) ?:
	      create_vcpus(vm, err) ?:
	      check_clock(vm);
	if (ret)
		return ret;

	ret = devices_create(&vm->devices, vm->vm_fd, &(struct devices_config) {
		.mem = &vm->mem,
		.split_irqchip = is_split(vm),
		.disk = vm->cfg.disk,
		.net = vm->cfg.net,
	}, &devices_ops, vm, err);
	vm->devices_created = !ret;
	return ret;
}

int ktstr_vm_create(struct ktstr_vm **vmp, const struct ktstr_vm_config *cfg,
		    struct errmsg *err)
{
	u64 start = clock_ns();
	pthread_condattr_t attr;
	struct ktstr_vm *vm;
	int ret;

	*vmp = NULL;
	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return errmsg_set(err, ERRMSG_HOST, ENOMEM, "allocating a VM");
	vm->cfg = *cfg;
	vm->result.warnings = vm->warnings.text;
	vm->kvm_fd = -1;
	vm->vm_fd = -1;
	pthread_mutex_init(&vm->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&vm->ended, &attr);
	pthread_condattr_destroy(&attr);
	freeze_init(&vm->freeze);

	ret = build(vm, err);
	if (ret) {
		ktstr_vm_destroy(vm);
		return ret;
	}
	vm->result.create_ns = clock_ns() - start;
	*vmp = vm;
	return 0;
}

static int load_tables(struct ktstr_vm *vm, struct errmsg *err)
{
	const struct acpi_config cfg = {
		.topo = &vm->cfg.topo,
		.mem = &vm->mem,
		.virtio_slots = devices_slots(&vm->devices),
	};
	long len;

	len = acpi_build(numa_mem_ptr(&vm->mem, MAP_ACPI, MAP_ACPI_SIZE), MAP_ACPI_SIZE,
			 MAP_ACPI, &cfg, err);
	return len < 0 ? len : 0;
}

static int set_boot_regs(struct ktstr_vm *vm, struct errmsg *err)
{
	struct vcpu *bsp = &vm->vcpus[0];
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (ioctl(bsp->fd, KVM_GET_SREGS, &sregs))
		return errmsg_set(err, kvm_errno_kind(errno), errno, "KVM_GET_SREGS of CPU 0");
	boot_regs(&vm->image, &regs, &sregs);
	if (ioctl(bsp->fd, KVM_SET_SREGS, &sregs))
		return errmsg_set(err, kvm_errno_kind(errno), errno, "KVM_SET_SREGS of CPU 0");
	if (ioctl(bsp->fd, KVM_SET_REGS, &regs))
		return errmsg_set(err, kvm_errno_kind(errno), errno, "KVM_SET_REGS of CPU 0");
	return 0;
}

/*
 * Not with an HMAT: a node none of whose CPUs is up when the kernel reads that is
 * a node without CPUs to it, and gets into a memory tier of its own.
 */
static bool boots_one_cpu(const struct ktstr_vm *vm)
{
	return !topology_has_hmat(&vm->cfg.topo) && is_overcommitted(vm);
}

int ktstr_vm_load(struct ktstr_vm *vm, struct errmsg *err)
{
	const char *overcommit = boots_one_cpu(vm) ? CMDLINE_OVERCOMMIT : "";
	const char *extra = vm->cfg.cmdline ?: "";
	struct ktstr_vm_result *result = &vm->result;
	u64 start = clock_ns();
	char *cmdline = NULL;
	int ret;

	if (!vm->mem.reservation)
		return errmsg_set(err, ERRMSG_FAILED, EINVAL,
				  "loading a kernel before ktstr_vm_allocate()");
	ret = boot_load_kernel(&vm->mem, vm->cfg.kernel, &vm->image, err);
	if (ret)
		return ret;
	snprintf(result->image, sizeof(result->image), "%s", vm->image.kind);
	snprintf(result->image_version, sizeof(result->image_version), "%s", vm->image.version);
	result->image_size = vm->image.loaded;

	ret = load_tables(vm, err);
	if (ret)
		return ret;
	if (asprintf(&cmdline, "%s%s %s", CMDLINE, overcommit, extra) < 0)
		return errmsg_set(err, ERRMSG_HOST, ENOMEM, "composing the command line");
	ret = boot_setup(&vm->mem, &(struct boot_config) {
		.image = &vm->image,
		.cmdline = cmdline,
		.initramfs = vm->cfg.initramfs,
		.rsdp = MAP_ACPI,
	}, err);
	free(cmdline);
	if (!ret)
		ret = set_boot_regs(vm, err);
	result->load_ns = clock_ns() - start;
	return ret;
}

/*
 * Where vCPUs share a CPU, one that is woken must not push aside the one that
 * wakes it: that often holds the lock which the woken one then spins for, until
 * its slice is over. Tasks of SCHED_BATCH wait for their turn (sched(7)).
 */
static void share_cpu(struct ktstr_vm *vm, unsigned int cpu)
{
	const struct sched_param param = {};

	if (is_overcommitted(vm) && !is_performance(vm) &&
	    pthread_setschedparam(vm->vcpus[cpu].thread, SCHED_BATCH, &param))
		warnings_add(&vm->warnings,
			     "CPU %u is not of SCHED_BATCH: the guest spins longer for its locks",
			     cpu);
}

/* While it waits at the gate: one that runs may have ended already. */
static int place_vcpu(struct ktstr_vm *vm, unsigned int cpu, struct errmsg *err)
{
	share_cpu(vm, cpu);
	if (!vm->cfg.share)
		return 0;
	return performance_place_vcpu(vm->cfg.share, cpu, vm->vcpus[cpu].thread, &vm->warnings,
				      err);
}

static int wait_for_end(void *ctx, u64 timeout_ns)
{
	return ktstr_vm_wait(ctx, timeout_ns);
}

static int start_nudge(struct ktstr_vm *vm, struct errmsg *err)
{
	struct nudge *n = &vm->nudge;

	if (!vm->cfg.nudge_vector)
		return 0;
	n->vm_fd = vm->vm_fd;
	n->topo = &vm->cfg.topo;
	n->vcpus = vm->vcpus;
	n->vector = vm->cfg.nudge_vector;
	n->wait = wait_for_end;
	n->ctx = vm;
	return nudge_start(n, err) ?:
	       (vm->cfg.share ? performance_place_service(vm->cfg.share, n->thread, err) : 0);
}

static int place_devices(struct ktstr_vm *vm, struct errmsg *err)
{
	const struct virtio_slot *slots = vm->devices.slots;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < VIRTIO_NR_SLOTS && vm->cfg.share && !ret; i++)
		if (slots[i].started)
			ret = performance_place_service(vm->cfg.share, slots[i].thread, err);
	return ret;
}

int ktstr_vm_start(struct ktstr_vm *vm, struct errmsg *err)
{
	unsigned int cpu;
	int ret;

	vm->result.state = KTSTR_VM_RUNNING;
	ret = vcpu_handle_kicks(err) ?:
	      devices_start(&vm->devices, err) ?:
	      place_devices(vm, err);
	for (cpu = 0; cpu < vm->nr_vcpus && !ret; cpu++)
		ret = vcpu_start(&vm->vcpus[cpu], &vcpu_ops, vm, &vm->freeze.gate, err) ?:
		      place_vcpu(vm, cpu, err);
	ret = ret ?: start_nudge(vm, err);
	if (ret)
		ktstr_vm_stop(vm, KTSTR_VM_STOPPED, err->text);
	else
		vcpu_gate_open(&vm->freeze.gate);
	return ret;
}

int ktstr_vm_launch(struct ktstr_vm **vmp, const struct ktstr_vm_config *cfg, u64 patience_ns,
		    struct errmsg *err)
{
	struct contention contention = {};
	int ret;

	do {
		ret = ktstr_vm_create(vmp, cfg, err) ?:
		      ktstr_vm_load(*vmp, err) ?:
		      ktstr_vm_start(*vmp, err);
		if (!ret)
			return 0;
		ktstr_vm_destroy(*vmp);
		*vmp = NULL;
	} while (contention_wait(&contention, patience_ns, ret, err));
	return ret;
}

static bool vm_running(struct ktstr_vm *vm)
{
	bool running;

	pthread_mutex_lock(&vm->lock);
	running = vm->result.state == KTSTR_VM_RUNNING;
	pthread_mutex_unlock(&vm->lock);
	return running;
}

int ktstr_vm_send(struct ktstr_vm *vm, const void *data, size_t len)
{
	if (!vm_running(vm))
		return -EPIPE;
	return virtio_console_send(&vm->devices.console, CONSOLE_PORT_WIRE, data, len);
}

ssize_t ktstr_vm_recv(struct ktstr_vm *vm, void *data, size_t len, u64 timeout_ns)
{
	return devices_recv(&vm->devices, CONSOLE_PORT_WIRE, data, len, timeout_ns);
}

ssize_t ktstr_vm_bulk_recv(struct ktstr_vm *vm, void *data, size_t len, u64 timeout_ns)
{
	return devices_recv(&vm->devices, CONSOLE_PORT_BULK, data, len, timeout_ns);
}

struct net_stats ktstr_vm_net_stats(struct ktstr_vm *vm)
{
	return virtio_net_stats(&vm->devices.net);
}

int ktstr_vm_wait(struct ktstr_vm *vm, u64 timeout_ns)
{
	struct timespec until = clock_deadline(timeout_ns);
	int ret = 0;

	pthread_mutex_lock(&vm->lock);
	while (vm->result.state == KTSTR_VM_RUNNING && !ret)
		ret = -pthread_cond_timedwait(&vm->ended, &vm->lock, &until);
	pthread_mutex_unlock(&vm->lock);
	return ret;
}

int ktstr_vm_freeze(struct ktstr_vm *vm, struct ktstr_vm_frozen *frozen, struct errmsg *err)
{
	unsigned int i;
	int ret;

	if (vm->freeze.frozen)
		return errmsg_set(err, ERRMSG_FAILED, EALREADY, "freezing the guest");
	if (vm_running(vm)) {
		ret = freeze_begin(&vm->freeze, vm->vm_fd, vm->vcpus, vm->nr_vcpus,
				   vm->cfg.freeze_timeout_ns ?: FREEZE_TIMEOUT_NS, err);
		if (ret)
			return ret;
	}
	/* It may have ended meanwhile. */
	if (!vm_running(vm)) {
		freeze_cancel(&vm->freeze);
		return errmsg_set(err, ERRMSG_FAILED, EPIPE, "freezing a guest that does not run");
	}
	for (i = 0; i < vm->nr_vcpus; i++)
		vcpu_state_read(vm->vcpus[i].fd, &vm->result.vcpus[i]);
	*frozen = (struct ktstr_vm_frozen) {
		.clock_ns = vm->freeze.clock_ns,
		.tsc = vm->freeze.tsc,
		.nr_vcpus = vm->nr_vcpus,
		.vcpus = vm->result.vcpus,
	};
	return 0;
}

int ktstr_vm_thaw(struct ktstr_vm *vm, struct errmsg *err)
{
	int ret;

	if (!vm->freeze.frozen)
		return errmsg_set(err, ERRMSG_FAILED, EINVAL, "thawing a guest that is not frozen");
	ret = freeze_end(&vm->freeze, vm->vm_fd, vm->vcpus, vm->nr_vcpus, err);
	vm->result.freezes = vm->freeze.count;
	vm->result.longest_freeze_ns = vm->freeze.longest_ns;
	vm->result.tsc_jumps = vm->freeze.tsc_jumps;
	return ret;
}

const void *ktstr_vm_memory(const struct ktstr_vm *vm, u64 gpa, u64 len)
{
	return numa_mem_ptr(&vm->mem, gpa, len);
}

/*
 * A panic resets the machine (panic=-1), or hangs it if the user's command line
 * says so: only the console tells it apart.
 */
static void classify_reset(struct ktstr_vm_result *result, const char *console)
{
	static const char panic[] = "Kernel panic - not syncing: ";
	const char *text = strstr(console, panic);
	int len;

	if (!text || (result->state != KTSTR_VM_RESET && result->state != KTSTR_VM_TIMEOUT &&
		      result->state != KTSTR_VM_PANIC && result->state != KTSTR_VM_TRIPLE_FAULT))
		return;
	text += sizeof(panic) - 1;
	len = strcspn(text, "\n");
	result->state = KTSTR_VM_PANIC;
	if (!strncmp(text, "Attempted to kill init!", 23))
		result->state = KTSTR_VM_AGENT_EXIT;
	snprintf(result->reason, sizeof(result->reason), "the guest's kernel panicked: %.*s",
		 len, text);
}

void ktstr_vm_stop(struct ktstr_vm *vm, enum ktstr_vm_state state, const char *reason)
{
	struct ktstr_vm_result *result = &vm->result;
	const bool started = result->state != KTSTR_VM_CREATED;
	unsigned int i;

	if (!vm->devices_created || result->nr_vcpus)
		return;
	vm_end(vm, state, reason);
	for (i = 0; i < vm->nr_vcpus; i++)
		vcpu_kick(&vm->vcpus[i]);
	freeze_cancel(&vm->freeze);
	for (i = 0; i < vm->nr_vcpus; i++)
		vcpu_join(&vm->vcpus[i]);
	nudge_join(&vm->nudge);
	devices_stop(&vm->devices);

	for (i = 0; i < vm->nr_vcpus && started; i++)
		vcpu_state_read(vm->vcpus[i].fd, &result->vcpus[i]);
	result->nr_vcpus = vm->nr_vcpus;
	result->console = vm->devices.log.text;
	result->console_len = vm->devices.log.len;
	result->irq_failures = devices_irq_failures(&vm->devices);
	devices_broken(&vm->devices, result->broken, sizeof(result->broken));
	classify_reset(result, result->console);
}

const struct ktstr_vm_result *ktstr_vm_result(const struct ktstr_vm *vm)
{
	return &vm->result;
}

const char *ktstr_vm_state_name(enum ktstr_vm_state state)
{
	static const char * const names[] = {
		[KTSTR_VM_CREATED] = "created",
		[KTSTR_VM_RUNNING] = "running",
		[KTSTR_VM_POWEROFF] = "power-off",
		[KTSTR_VM_RESET] = "reset",
		[KTSTR_VM_PANIC] = "kernel panic",
		[KTSTR_VM_AGENT_EXIT] = "agent exit",
		[KTSTR_VM_TRIPLE_FAULT] = "triple fault",
		[KTSTR_VM_INTERNAL_ERROR] = "KVM internal error",
		[KTSTR_VM_KVM_ERROR] = "KVM error",
		[KTSTR_VM_TIMEOUT] = "timeout",
		[KTSTR_VM_STOPPED] = "stopped",
	};

	return names[state];
}

void ktstr_vm_destroy(struct ktstr_vm *vm)
{
	unsigned int i;

	if (!vm)
		return;
	ktstr_vm_stop(vm, KTSTR_VM_STOPPED, "not needed any more");
	for (i = 0; i < vm->nr_vcpus; i++)
		vcpu_destroy(&vm->vcpus[i]);
	if (vm->vm_fd >= 0)
		close(vm->vm_fd);
	if (vm->devices_created)
		devices_destroy(&vm->devices);
	numa_mem_unmap(&vm->mem);
	if (vm->kvm_fd >= 0)
		close(vm->kvm_fd);
	freeze_destroy(&vm->freeze);
	pthread_cond_destroy(&vm->ended);
	pthread_mutex_destroy(&vm->lock);
	free(vm->cpuid);
	free(vm->vcpus);
	free(vm->result.vcpus);
	free(vm);
}
