/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A virtual machine's life: create, load, start, talk, wait, result, destroy.
 *
 * One thread owns a VM and calls these functions; the VM's own threads (one per
 * vCPU, one for devices) are not visible. Everything a VM holds is held by
 * this process, so that nothing survives it.
 */
#ifndef KTSTR_VMM_H
#define KTSTR_VMM_H

#include <linux/kvm.h>
#include <stddef.h>
#include <linux/types.h>
#include <sys/types.h>

#include "cpuid.h"
#include "errmsg.h"
#include "host_share.h"
#include "initramfs.h"
#include "numa_mem.h"
#include "topology.h"
#include "vcpu.h"
#include "vcpu_state.h"

struct disk_config;
struct ktstr_vm;
struct net_config;
struct net_stats;

/**
 * enum ktstr_irqchip - where the interrupt controllers are
 * @KTSTR_IRQCHIP_AUTO: PIC, IOAPIC, PIT and LAPICs in KVM; if there is an APIC
 *	id above 254, as KTSTR_IRQCHIP_SPLIT
 * @KTSTR_IRQCHIP_SPLIT: LAPICs in KVM, IOAPIC in user space, neither PIC nor
 *	PIT; a message's destination has 15 bits
 */
enum ktstr_irqchip {
	KTSTR_IRQCHIP_AUTO,
	KTSTR_IRQCHIP_SPLIT,
};

/**
 * struct ktstr_vm_config - what to build
 * @topo: the CPU topology
 * @memory: guest RAM in bytes, dealt to the nodes in equal shares; not used where
 *	@topo gives the nodes' sizes. 0: see ktstr_vm_allocate()
 * @backing: the host memory behind it; what it does not say is chosen for speed in
 *	performance mode: huge pages if there are enough, the nodes of the vCPUs
 * @kernel: path of a vmlinux or bzImage
 * @cmdline: appended to the kernel command line that the VMM needs; or NULL
 * @initramfs: what the kernel unpacks
 * @irqchip: see enum ktstr_irqchip
 * @vendor: whose CPUID leaves the guest sees
 * @freeze_timeout_ns: how long ktstr_vm_freeze() may wait for the last vCPU to
 *	stop; 0 for what is long enough
 * @disk: a disk (virtio_blk.h), as /dev/vda; or NULL
 * @net: a network card (virtio_net.h), as eth0; or NULL
 * @nudge_vector: an interrupt that means nothing to the guest's kernel, which vCPUs
 *	get that have not run for a while, on hosts where they need that (nudge.h); 0 for
 *	none
 * @share: where on this host the VM's threads run, and whether in performance
 *	mode; must stay valid until ktstr_vm_destroy(). NULL: wherever the host's
 *	scheduler puts them.
 */
struct ktstr_vm_config {
	struct topology topo;
	u64 memory;
	struct numa_mem_config backing;
	const char *kernel;
	const char *cmdline;
	struct initramfs_image initramfs;
	enum ktstr_irqchip irqchip;
	enum cpuid_vendor vendor;
	u64 freeze_timeout_ns;
	const struct disk_config *disk;
	const struct net_config *net;
	u8 nudge_vector;
	const struct host_share *share;
};

/**
 * enum ktstr_vm_state - how a VM is, or how it ended
 * @KTSTR_VM_CREATED: not started
 * @KTSTR_VM_RUNNING: vCPUs run
 * @KTSTR_VM_POWEROFF: the guest powered off, as the agent does at its end
 * @KTSTR_VM_RESET: the guest reset itself, for no reason seen on the console
 * @KTSTR_VM_PANIC: the guest's kernel panicked
 * @KTSTR_VM_AGENT_EXIT: the agent (PID 1) ended, which panics the kernel
 * @KTSTR_VM_TRIPLE_FAULT: KVM_EXIT_SHUTDOWN
 * @KTSTR_VM_INTERNAL_ERROR: KVM_EXIT_INTERNAL_ERROR or KVM_EXIT_FAIL_ENTRY:
 *	KVM cannot run this guest's code
 * @KTSTR_VM_KVM_ERROR: KVM_RUN failed, or an exit that has no handler
 * @KTSTR_VM_TIMEOUT: stopped by ktstr_vm_stop() because a deadline had passed
 * @KTSTR_VM_STOPPED: stopped by ktstr_vm_stop() because it was not needed
 */
enum ktstr_vm_state {
	KTSTR_VM_CREATED,
	KTSTR_VM_RUNNING,
	KTSTR_VM_POWEROFF,
	KTSTR_VM_RESET,
	KTSTR_VM_PANIC,
	KTSTR_VM_AGENT_EXIT,
	KTSTR_VM_TRIPLE_FAULT,
	KTSTR_VM_INTERNAL_ERROR,
	KTSTR_VM_KVM_ERROR,
	KTSTR_VM_TIMEOUT,
	KTSTR_VM_STOPPED,
};

/**
 * struct ktstr_vm_result - what is known about a VM, during and after its run
 * @state: see enum ktstr_vm_state
 * @reason: one line for a person: which vCPU, which exit, which numbers
 * @image: "vmlinux" or "bzImage"; empty before ktstr_vm_load()
 * @image_version: the kernel's release and version, from the image
 * @image_size: bytes loaded into guest RAM
 * @nr_vcpus: entries in @vcpus
 * @vcpus: registers of each vCPU when the VM ended
 * @console: what the guest wrote to its console, NUL-terminated; the oldest
 *	part is dropped when there is too much
 * @console_len: bytes in @console
 * @irq_failures: how often KVM refused the guest's interrupt routes; if at all,
 *	devices may have waited for interrupts in vain
 * @broken: a virtio device that has stopped, and what its driver did; or empty
 * @freezes: how often the guest was frozen and thawed
 * @longest_freeze_ns: the longest time from the first vCPU's stop to the last
 *	one's start
 * @tsc_jumps: this KVM cannot set TSCs back: a guest that takes its time from
 *	there has seen each freeze as a jump
 * @warnings: what this host could not give, and the effect; a line each
 * @create_ns: time that ktstr_vm_create() took
 * @vcpus_ns: how much of that the vCPUs took
 * @load_ns: time that ktstr_vm_load() took
 */
struct ktstr_vm_result {
	enum ktstr_vm_state state;
	char reason[VCPU_END_TEXT_SIZE];
	char image[16];
	char image_version[256];
	u64 image_size;
	unsigned int nr_vcpus;
	struct vcpu_state *vcpus;
	const char *console;
	size_t console_len;
	u64 irq_failures;
	char broken[128];
	u64 freezes;
	u64 longest_freeze_ns;
	bool tsc_jumps;
	const char *warnings;
	u64 create_ns;
	u64 vcpus_ns;
	u64 load_ns;
};

/**
 * ktstr_vm_raise_limits() - let this process have as many open files as it may
 *
 * Of a guest each vCPU is one, and the usual soft limit (RLIMIT_NOFILE) is less than
 * a large guest has. To be called once, by programs that make such guests.
 */
void ktstr_vm_raise_limits(void);

/**
 * ktstr_vm_create() - open KVM, make the VM, its RAM, devices and vCPUs
 * @vmp: the VM, to be given to ktstr_vm_destroy(); NULL on failure
 * @cfg: see struct ktstr_vm_config; what it points to must stay valid until
 *	ktstr_vm_load() has returned
 * @err: what failed
 *
 * Return: 0 or a negative errno.
 */
int ktstr_vm_create(struct ktstr_vm **vmp, const struct ktstr_vm_config *cfg,
		    struct errmsg *err);

/**
 * ktstr_vm_allocate() - give a VM its RAM that was created without
 * @vm: a created VM whose config had no memory
 * @memory: guest RAM in bytes, dealt to the nodes in equal shares
 * @err: what failed
 *
 * For RAM whose size depends on what ktstr_vm_load() will put there: a VM's CPUs
 * can be made while that is still being prepared.
 *
 * Return: 0 or a negative errno; EINVAL if the VM has RAM already.
 */
int ktstr_vm_allocate(struct ktstr_vm *vm, u64 memory, struct errmsg *err);

/**
 * ktstr_vm_load() - put kernel, initramfs, command line and tables into RAM
 * @vm: a created VM
 * @err: what failed
 *
 * Return: 0 or a negative errno.
 */
int ktstr_vm_load(struct ktstr_vm *vm, struct errmsg *err);

/**
 * ktstr_vm_start() - let the vCPUs run
 * @vm: a loaded VM
 * @err: what failed
 *
 * Return: 0 or a negative errno.
 */
int ktstr_vm_start(struct ktstr_vm *vm, struct errmsg *err);

/**
 * ktstr_vm_launch() - create, load and start, again while the host is short
 * @vmp: the VM, to be given to ktstr_vm_destroy(); NULL on failure
 * @cfg: see struct ktstr_vm_config
 * @patience_ns: how long to try if memory, descriptors, threads or the like are
 *	short, see contention_wait()
 * @err: what failed
 *
 * Return: 0 or a negative errno; ERRMSG_HOST if it was the host.
 */
int ktstr_vm_launch(struct ktstr_vm **vmp, const struct ktstr_vm_config *cfg, u64 patience_ns,
		    struct errmsg *err);

/**
 * ktstr_vm_send() - write to the control channel
 * @vm: a started VM
 * @data: bytes for the agent; copied, and delivered once it listens
 * @len: how many
 *
 * Return: 0, or -EPIPE if the VM has ended, or -ENOBUFS if the guest has
 * stopped reading.
 */
int ktstr_vm_send(struct ktstr_vm *vm, const void *data, size_t len);

/**
 * ktstr_vm_recv() - read from the control channel
 * @vm: a started VM
 * @data: filled in
 * @len: room at @data
 * @timeout_ns: how long to wait for the first byte; 0 does not wait
 *
 * Return: bytes read; 0 if the VM has ended and all was read; -ETIMEDOUT.
 */
ssize_t ktstr_vm_recv(struct ktstr_vm *vm, void *data, size_t len,
		      u64 timeout_ns);

/**
 * ktstr_vm_bulk_recv() - read from the bulk port, which is for large results
 * @vm: a started VM
 * @data: filled in
 * @len: room at @data
 * @timeout_ns: how long to wait for the first byte; 0 does not wait
 *
 * Unlike the other functions this one may be called by a thread of its own.
 * A guest that writes faster than this reads has to wait: nothing is lost.
 *
 * Return: bytes read; 0 at the end of a stream, which is where the guest closed
 * the port, or if the VM has ended and all was read; -ETIMEDOUT.
 */
ssize_t ktstr_vm_bulk_recv(struct ktstr_vm *vm, void *data, size_t len, u64 timeout_ns);

/**
 * ktstr_vm_net_stats() - what the network card did (virtio_net.h)
 * @vm: a VM with a network card
 */
struct net_stats ktstr_vm_net_stats(struct ktstr_vm *vm);

/**
 * ktstr_vm_wait() - wait for the guest to end by itself
 * @vm: a started VM
 * @timeout_ns: how long to wait
 *
 * Return: 0 or -ETIMEDOUT.
 */
int ktstr_vm_wait(struct ktstr_vm *vm, u64 timeout_ns);

/**
 * struct ktstr_vm_frozen - a guest between ktstr_vm_freeze() and ktstr_vm_thaw()
 * @clock_ns: its kvmclock
 * @tsc: CPU 0's time stamp counter
 * @nr_vcpus: entries in @vcpus
 * @vcpus: registers
 */
struct ktstr_vm_frozen {
	u64 clock_ns;
	u64 tsc;
	unsigned int nr_vcpus;
	const struct vcpu_state *vcpus;
};

/**
 * ktstr_vm_freeze() - let all vCPUs stand still
 * @vm: a started VM that is not frozen
 * @frozen: filled in; @frozen->vcpus is valid until ktstr_vm_thaw()
 * @err: what failed
 *
 * Devices go on: what they finish, the guest finds when it is thawed.
 *
 * Return: 0; -EPIPE if the VM has ended; -EALREADY; -ETIMEDOUT, see struct
 * ktstr_vm_config; or another negative errno. On failure the guest runs on.
 */
int ktstr_vm_freeze(struct ktstr_vm *vm, struct ktstr_vm_frozen *frozen,
		    struct errmsg *err);

/**
 * ktstr_vm_thaw() - let a frozen guest go on as if no time had passed
 * @vm: a frozen VM; it runs afterwards in any case
 * @err: what failed: the guest's clocks have jumped
 *
 * Return: 0, -EINVAL if it is not frozen, or another negative errno.
 */
int ktstr_vm_thaw(struct ktstr_vm *vm, struct errmsg *err);

/**
 * ktstr_vm_memory() - guest RAM, to be read
 * @vm: any VM; one that is not frozen may write to it at any moment
 * @gpa: guest physical address
 * @len: bytes
 *
 * Return: the bytes, valid until ktstr_vm_destroy(), or NULL if not all of them
 * are RAM of one node.
 */
const void *ktstr_vm_memory(const struct ktstr_vm *vm, u64 gpa, u64 len);

/**
 * ktstr_vm_stop() - stop the vCPUs, read their registers, end the threads
 * @vm: any VM; one that has ended by itself keeps its state and reason
 * @state: KTSTR_VM_TIMEOUT or KTSTR_VM_STOPPED
 * @reason: for the result, if the VM was still running
 */
void ktstr_vm_stop(struct ktstr_vm *vm, enum ktstr_vm_state state,
		   const char *reason);

/**
 * ktstr_vm_result() - what is known about the VM
 * @vm: any VM; stopped ones only have registers and a stable console
 */
const struct ktstr_vm_result *ktstr_vm_result(const struct ktstr_vm *vm);

/**
 * ktstr_vm_state_name() - the state as a word for reports
 * @state: any
 */
const char *ktstr_vm_state_name(enum ktstr_vm_state state);

/**
 * ktstr_vm_destroy() - stop the VM and give everything back
 * @vm: any VM, or NULL
 *
 * vCPUs, VM, guest memory, /dev/kvm, in this order: KVM drops its references
 * to this process's pages with the VM, so memory must not be unmapped before.
 */
void ktstr_vm_destroy(struct ktstr_vm *vm);

#endif /* KTSTR_VMM_H */
