// SPDX-License-Identifier: GPL-2.0
/*
 * setup-N: how long ktstr_vm_create() takes for N vCPUs, compared with the
 * system calls that it has to make and nothing else, one after the other: opening
 * /dev/kvm, the KVM ioctls, the mappings of guest RAM and of the run areas, the
 * eventfds.
 *
 * Both sides issue the same ioctls equally often, KVM_SET_CPUID2 with equally
 * many entries: strace -f -e trace=ioctl shows it. For N vCPUs these are 17
 * KVM_CHECK_EXTENSION (19 with a split irqchip), 3 N for vCPUs, 2 for the LAPICs,
 * 3 for devices, and 11 others (with a split irqchip 2 and 10). The VMM has one
 * mmap() and one madvise() more, to reserve and to advise on guest RAM, and threads,
 * which are how it can take less time. Teardown is not measured.
 *
 * The curve at the end is the time that the vCPUs took, by their number. KVM looks
 * at all that there are to create one more, among others for its map of APIC ids
 * (kvm_recalculate_apic_map()): that is in both columns.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kernel.h>
#include <linux/kvm.h>
#include <linux/sizes.h>
#include <linux/virtio_mmio.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "clock.h"
#include "cpuid.h"
#include "host.h"
#include "ioapic.h"
#include "ktstr_vmm.h"
#include "memory_map.h"
#include "virtio_mmio.h"

#define MIN_PAIRS	5	/* of each run */
#define PAIRED_VCPUS	160	/* small VMs are paired more often: luck matters more */
#define MAX_PAIRS	20
#define MEMORY		((u64)SZ_512M)
#define MAX_VCPUS	1024
#define MAX_CPUID	256

/* Highest APIC id with all of the irqchip in KVM */
#define MAX_XAPIC_ID	254

/* Below 1 where it takes threads; 0 if it is only a point of the curve */
static const struct size {
	const char *topology;
	double target;
} sizes[] = {
	{ "1n1l1c1t", 1.1 },
	{ "1n1l8c1t", 1.1 },
	{ "1n2l4c2t", 0 },
	{ "1n4l4c2t", 0 },
	{ "1n8l4c2t", 1.1 },
	{ "1n16l4c2t", 0 },
	{ "1n63l4c1t", 0.8 },
	{ "1n32l16c1t", 0 },
	{ "1n64l16c1t", 0.8 },
};

union cpuid_table {
	struct kvm_cpuid2 cpuid;
	char room[sizeof(struct kvm_cpuid2) + MAX_CPUID * sizeof(struct kvm_cpuid_entry2)];
};

enum { UART_IRQ, CONSOLE_IRQ, CONSOLE_NOTIFY, STOP, NR_EVENTS };

struct bare_vm {
	int kvm_fd;
	int vm_fd;
	void *ram;
	int run_size;
	unsigned int nr_vcpus;
	int vcpu_fds[MAX_VCPUS];
	void *runs[MAX_VCPUS];
	int events[NR_EVENTS];
	u64 vcpus_ns;
};

/* Which call failed does not matter much: ktstr_vm_create() made the same. */
static int failed(const char *what)
{
	fprintf(stderr, "# bare ioctls: %s: %s\n", what, strerror(errno));
	return -errno;
}

/* The same checks as kvm_check_caps() and ktstr_vm_create() make */
static void bare_check(int kvm_fd, bool split)
{
	static const int caps[] = {
		KVM_CAP_IRQCHIP, KVM_CAP_IOEVENTFD, KVM_CAP_IRQFD, KVM_CAP_USER_MEMORY,
		KVM_CAP_SET_TSS_ADDR, KVM_CAP_PIT2, KVM_CAP_PIT_STATE2,
		KVM_CAP_ADJUST_CLOCK, KVM_CAP_DEBUGREGS, KVM_CAP_MP_STATE,
		KVM_CAP_VCPU_EVENTS, KVM_CAP_XCRS, KVM_CAP_XSAVE, KVM_CAP_EXT_CPUID,
		KVM_CAP_MAX_VCPUS, KVM_CAP_MAX_VCPU_ID, KVM_CAP_TSC_DEADLINE_TIMER,
	};
	static const int split_caps[] = { KVM_CAP_X2APIC_API, KVM_CAP_SPLIT_IRQCHIP };
	size_t i;

	ioctl(kvm_fd, KVM_GET_API_VERSION, 0);
	for (i = 0; i < ARRAY_SIZE(caps); i++)
		ioctl(kvm_fd, KVM_CHECK_EXTENSION, caps[i]);
	for (i = 0; split && i < ARRAY_SIZE(split_caps); i++)
		ioctl(kvm_fd, KVM_CHECK_EXTENSION, split_caps[i]);
}

static int bare_create_irqchip(int vm_fd, bool split)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	struct kvm_enable_cap quirks = {
		.cap = KVM_CAP_DISABLE_QUIRKS,
		.args[0] = KVM_X86_QUIRK_LINT0_REENABLED,
	};
	struct kvm_enable_cap irqchip = {
		.cap = KVM_CAP_SPLIT_IRQCHIP,
		.args[0] = IOAPIC_PINS,
	};
	struct kvm_enable_cap x2apic = {
		.cap = KVM_CAP_X2APIC_API,
		.args[0] = KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK,
	};

	if (split)
		return ioctl(vm_fd, KVM_ENABLE_CAP, &irqchip) ?:
		       ioctl(vm_fd, KVM_ENABLE_CAP, &x2apic);
	return ioctl(vm_fd, KVM_ENABLE_CAP, &quirks) ?: ioctl(vm_fd, KVM_CREATE_IRQCHIP, 0) ?:
	       ioctl(vm_fd, KVM_CREATE_PIT2, &pit);
}

static int bare_create_vm(struct bare_vm *vm, bool split)
{
	struct kvm_userspace_memory_region slot = { .memory_size = MEMORY };
	struct kvm_enable_cap poll = { .cap = KVM_CAP_HALT_POLL, .args[0] = 200000 };
	u64 identity_map = MAP_KVM_IDENTITY;
	union cpuid_table table;

	vm->kvm_fd = open(HOST_KVM, O_RDWR | O_CLOEXEC);
	if (vm->kvm_fd < 0)
		return failed("open " HOST_KVM);
	bare_check(vm->kvm_fd, split);
	vm->vm_fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	if (vm->vm_fd < 0)
		return failed("KVM_CREATE_VM");
	table.cpuid.nent = MAX_CPUID;
	if (ioctl(vm->vm_fd, KVM_SET_TSS_ADDR, MAP_KVM_TSS) ||
	    ioctl(vm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) ||
	    bare_create_irqchip(vm->vm_fd, split) ||
	    ioctl(vm->vm_fd, KVM_ENABLE_CAP, &poll) ||
	    ioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, &table))
		return failed("VM ioctls");

	vm->ram = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (vm->ram == MAP_FAILED) {
		vm->ram = NULL;
		return failed("mmap");
	}
	slot.userspace_addr = (u64)vm->ram;
	if (ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &slot))
		return failed("KVM_SET_USER_MEMORY_REGION");
	vm->run_size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	return 0;
}

static int bare_create_vcpu(struct bare_vm *vm, u32 id, union cpuid_table *cpuid)
{
	static const struct kvm_msr_entry entries[] = {
		{ .index = 0x1a0, .data = 0x1 },	/* IA32_MISC_ENABLE */
		{ .index = 0x2ff, .data = 0x806 },	/* IA32_MTRR_DEF_TYPE */
	};
	union {
		struct kvm_msrs msrs;
		char room[sizeof(struct kvm_msrs) + sizeof(entries)];
	} arg = { .msrs.nmsrs = ARRAY_SIZE(entries) };
	unsigned int cpu = vm->nr_vcpus;
	void *run;
	int fd;

	fd = ioctl(vm->vm_fd, KVM_CREATE_VCPU, id);
	if (fd < 0)
		return failed("KVM_CREATE_VCPU");
	run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (run == MAP_FAILED) {
		close(fd);
		return failed("mmap of a run area");
	}
	vm->vcpu_fds[cpu] = fd;
	vm->runs[cpu] = run;
	vm->nr_vcpus++;
	memcpy(arg.msrs.entries, entries, sizeof(entries));
	if (ioctl(fd, KVM_SET_CPUID2, cpuid) ||
	    ioctl(fd, KVM_SET_MSRS, &arg) != ARRAY_SIZE(entries))
		return failed("vCPU ioctls");
	return 0;
}

/* As complete_apic_map() in ktstr_vmm.c, without which IPIs may get lost */
static int bare_set_lapic(struct bare_vm *vm)
{
	struct kvm_lapic_state lapic;

	if (ioctl(vm->vcpu_fds[0], KVM_GET_LAPIC, &lapic) ||
	    ioctl(vm->vcpu_fds[0], KVM_SET_LAPIC, &lapic))
		return failed("LAPIC ioctls");
	return 0;
}

static int bare_create_devices(struct bare_vm *vm, bool split)
{
	struct kvm_irqfd uart = { .gsi = PORT_COM1_GSI };
	struct kvm_irqfd console = { .gsi = MAP_VIRTIO_GSI(VIRTIO_SLOT_CONSOLE) };
	struct kvm_ioeventfd notify = {
		.addr = MAP_VIRTIO(VIRTIO_SLOT_CONSOLE) + VIRTIO_MMIO_QUEUE_NOTIFY,
		.len = sizeof(u32),
	};
	int i;

	for (i = split ? CONSOLE_IRQ : UART_IRQ; i < NR_EVENTS; i++) {
		vm->events[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (vm->events[i] < 0)
			return failed("eventfd");
	}
	uart.fd = vm->events[UART_IRQ];
	console.fd = vm->events[CONSOLE_IRQ];
	notify.fd = vm->events[CONSOLE_NOTIFY];
	if ((!split && ioctl(vm->vm_fd, KVM_IRQFD, &uart)) ||
	    ioctl(vm->vm_fd, KVM_IRQFD, &console) || ioctl(vm->vm_fd, KVM_IOEVENTFD, &notify))
		return failed("device ioctls");
	return 0;
}

static int bare_create(struct bare_vm *vm, const struct topology *topo,
		       union cpuid_table *cpuid)
{
	unsigned int cpu, nr = topology_cpus(topo);
	const bool split = topology_max_apic_id(topo) > MAX_XAPIC_ID;
	int ret = bare_create_vm(vm, split);
	u64 start = clock_ns();

	for (cpu = 0; cpu < nr && !ret; cpu++)
		ret = bare_create_vcpu(vm, topology_apic_id(topo, cpu), cpuid);
	ret = ret ?: bare_set_lapic(vm);
	vm->vcpus_ns = clock_ns() - start;
	return ret ?: bare_create_devices(vm, split);
}

static void bare_destroy(struct bare_vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->nr_vcpus; i++) {
		munmap(vm->runs[i], vm->run_size);
		close(vm->vcpu_fds[i]);
	}
	if (vm->vm_fd >= 0)
		close(vm->vm_fd);
	for (i = 0; i < NR_EVENTS; i++)
		if (vm->events[i] >= 0)
			close(vm->events[i]);
	if (vm->ram)
		munmap(vm->ram, MEMORY);
	if (vm->kvm_fd >= 0)
		close(vm->kvm_fd);
}

/* As many entries as the VMM has, made before time is taken */
static int prepare_cpuid(union cpuid_table *table, const struct topology *topo)
{
	const struct cpuid_config cfg = { .topo = topo, .tsc_deadline = true };
	struct errmsg err;
	int fd, ret;

	fd = open(HOST_KVM, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return failed("open " HOST_KVM);
	table->cpuid.nent = MAX_CPUID;
	ret = ioctl(fd, KVM_GET_SUPPORTED_CPUID, table);
	close(fd);
	if (ret)
		return failed("KVM_GET_SUPPORTED_CPUID");
	ret = cpuid_prepare(&table->cpuid, MAX_CPUID, &cfg, &err);
	if (ret)
		fprintf(stderr, "# %s\n", err.text);
	return ret;
}

/* Microseconds */
struct cost {
	double vm;
	double vcpus;
};

static struct cost best(const struct cost *a, const struct cost *b)
{
	return (struct cost) { min(a->vm, b->vm), min(a->vcpus, b->vcpus) };
}

static int measure_bare(const struct topology *topo, union cpuid_table *cpuid, struct cost *cost)
{
	struct bare_vm vm = { .kvm_fd = -1, .vm_fd = -1, .events = { -1, -1, -1, -1 } };
	u64 start = clock_ns(), end;
	int ret;

	ret = bare_create(&vm, topo, cpuid);
	end = clock_ns();
	bare_destroy(&vm);
	*cost = (struct cost) { (end - start) / 1e3, vm.vcpus_ns / 1e3 };
	return ret;
}

static int measure_ours(const struct topology *topo, struct cost *cost)
{
	const struct ktstr_vm_config cfg = { .topo = *topo, .memory = MEMORY };
	struct ktstr_vm *vm;
	struct errmsg err;
	u64 start = clock_ns(), end;
	int ret;

	ret = ktstr_vm_create(&vm, &cfg, &err);
	end = clock_ns();
	if (ret) {
		fprintf(stderr, "# ktstr_vm_create(): %s\n", err.text);
		return ret;
	}
	*cost = (struct cost) {
		.vm = (end - start) / 1e3,
		.vcpus = ktstr_vm_result(vm)->vcpus_ns / 1e3,
	};
	ktstr_vm_destroy(vm);
	return 0;
}

/* Both sides, in turn; the best of each, as whatever else runs only adds to it */
static int measure_run(const struct topology *topo, union cpuid_table *cpuid,
		       struct cost *ours, struct cost *bare)
{
	unsigned int pairs = PAIRED_VCPUS / topology_cpus(topo), i;
	struct cost o, b;
	int ret;

	pairs = min_t(unsigned int, max_t(unsigned int, pairs, MIN_PAIRS), MAX_PAIRS);
	for (i = 0; i < pairs; i++) {
		ret = measure_ours(topo, &o) ?: measure_bare(topo, cpuid, &b);
		if (ret)
			return ret;
		*ours = i ? best(ours, &o) : o;
		*bare = i ? best(bare, &b) : b;
	}
	return 0;
}

/* Medians of all runs */
struct point {
	unsigned int vcpus;
	struct cost ours;
	struct cost bare;
};

static struct cost median(const struct cost *costs, unsigned int nr)
{
	double vm[BENCH_MAX_RUNS], vcpus[BENCH_MAX_RUNS];
	unsigned int i;

	for (i = 0; i < nr; i++) {
		vm[i] = costs[i].vm;
		vcpus[i] = costs[i].vcpus;
	}
	return (struct cost) { bench_median(vm, nr), bench_median(vcpus, nr) };
}

static int measure(const struct size *size, struct point *point)
{
	struct cost ours[BENCH_MAX_RUNS], bare[BENCH_MAX_RUNS];
	unsigned int i, runs = bench_runs();
	union cpuid_table cpuid;
	struct topology topo;
	struct errmsg err;
	int ret;

	ret = topology_parse(size->topology, &topo, &err);
	if (ret) {
		fprintf(stderr, "# %s\n", err.text);
		return ret;
	}
	ret = prepare_cpuid(&cpuid, &topo);
	for (i = 0; i < runs && !ret; i++) {
		ret = measure_run(&topo, &cpuid, &ours[i], &bare[i]);
		if (!ret)
			fprintf(stderr,
				"# %s run %u: ktstr_vm_create() %.0f us, bare ioctls %.0f us\n",
				size->topology, i + 1, ours[i].vm, bare[i].vm);
	}
	if (ret)
		return ret;
	*point = (struct point) {
		.vcpus = topology_cpus(&topo),
		.ours = median(ours, runs),
		.bare = median(bare, runs),
	};
	if (size->target)
		bench_report("setup", point->vcpus, point->ours.vm, "us", point->bare.vm,
			     "bare-ioctls", size->target);
	return 0;
}

static void print_curve(const struct point *points, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		fprintf(stderr, "# %4u vCPUs: %.1f us each, by bare ioctls %.1f us\n",
			points[i].vcpus, points[i].ours.vcpus / points[i].vcpus,
			points[i].bare.vcpus / points[i].vcpus);
}

int main(int argc, char **argv)
{
	struct point points[ARRAY_SIZE(sizes)];
	size_t i;

	/* Creating VMs works wherever KVM is, whether it can run Linux or not. */
	if (access(HOST_KVM, R_OK | W_OK))
		return bench_elsewhere(argc, argv, "no access to " HOST_KVM);
	ktstr_vm_raise_limits();
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		if (measure(&sizes[i], &points[i]))
			return EXIT_FAILURE;
	print_curve(points, ARRAY_SIZE(points));
	return EXIT_SUCCESS;
}
