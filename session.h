/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest for one test: the kernel that was built, the agent, a scheduler and
 * other programs in an initramfs, a VM, and the conversation with the agent.
 */
#ifndef KTSTR_SESSION_H
#define KTSTR_SESSION_H

#include <linux/types.h>
#include <limits.h>
#include <stddef.h>

#include "control.h"
#include "errmsg.h"
#include "initramfs_cache.h"
#include "host_share.h"
#include "initramfs.h"
#include "ktstr_vmm.h"
#include "topology.h"

#define SESSION_MAX_PROGRAMS	24
#define SESSION_MAX_FILES	4

/* Environment: what anybody may set to try their own */
#define ENV_TOPOLOGY	"KTSTR_TOPOLOGY"
#define ENV_SCHEDULER	"KTSTR_SCHEDULER"
#define ENV_KERNEL	"KTSTR_KERNEL"
#define ENV_CMDLINE	"KTSTR_CMDLINE"
#define ENV_PERFORMANCE	"KTSTR_PERFORMANCE"

/**
 * struct session_file - a file for the guest of one test
 * @path: in the guest; NULL for none
 * @text: what it contains
 */
struct session_file {
	const char *path;
	const char *text;
};

/**
 * struct session_config - what a test needs
 * @topology: as topology_parse() reads it
 * @vendor: whose CPUID leaves
 * @irqchip: where the interrupt controllers are
 * @memory: guest RAM in bytes, if @topology does not say; 0 for what the topology's
 *	size suggests
 * @scheduler: a BPF scheduler that is started before the test: the name of one
 *	that was built with the suite, or a path; arguments may follow, separated
 *	by blanks, which the path thus cannot have; NULL for the kernel's own
 * @load_later: @scheduler is only taken along, for session_load()
 * @programs: programs to take along, as /bin/NAME: the suite's own, or the host's,
 *	searched in PATH
 * @files: this test's own, such as a scheduler's configuration: unlike programs
 *	they are no part of what guests share
 * @cmdline: appended to the kernel command line, before $KTSTR_CMDLINE; or NULL
 * @boot_timeout_ns: how long the boot may take; 0 for what is long enough
 * @disk: see struct ktstr_vm_config
 * @net: likewise
 * @performance: in performance mode, for tests that judge times; so is every
 *	test with KTSTR_PERFORMANCE=1
 */
struct session_config {
	const char *topology;
	enum cpuid_vendor vendor;
	enum ktstr_irqchip irqchip;
	u64 memory;
	const char *scheduler;
	bool load_later;
	const char *programs[SESSION_MAX_PROGRAMS];
	struct session_file files[SESSION_MAX_FILES];
	const char *cmdline;
	u64 boot_timeout_ns;
	const struct disk_config *disk;
	const struct net_config *net;
	bool performance;
};

/**
 * struct session - a guest for one test
 * @topo: its topology
 * @scheduler: name of the scheduler's program and its arguments, or "EEVDF"
 * @control: the conversation with its agent
 * @share: its share of this host; NULL if that is not known
 * @vm: the VM
 * @initramfs: what it shares with others
 * @ready_ns: time that it took to make the guest and have its agent ready
 */
struct session {
	struct topology topo;
	char scheduler[NAME_MAX + 1];
	struct control control;
	struct host_share *share;
	struct ktstr_vm *vm;
	struct initramfs_segment initramfs;
	u64 ready_ns;
};

/**
 * session_start() - build and boot the guest, start the scheduler
 * @s: the session; to be given to session_end() if this succeeded
 * @cfg: see struct session_config
 * @err: what failed; unless it is a reason to SKIP, it has been printed
 *
 * Prints diagnostic lines about topology, scheduler and kernel.
 *
 * Return: 0 or a negative errno. ERRMSG_HOST means that this host cannot run
 * the test, or that the guest's kernel was built without what it needs.
 */
int session_start(struct session *s, const struct session_config *cfg,
		  struct errmsg *err);

/**
 * session_start_scheduler() - start the session's scheduler once more, or another
 * @s: a started session, whose scheduler has left
 * @scheduler: one of the guest's programs, and arguments; NULL for the session's own
 * @err: what failed
 *
 * Return: 0 or a negative errno; ERRMSG_HOST as with session_start().
 */
int session_start_scheduler(struct session *s, const char *scheduler, struct errmsg *err);

/**
 * session_load() - go on with another scheduler, in the same guest
 * @s: a started session
 * @scheduler: as &session_config.scheduler, and in the guest as one of its programs;
 *	NULL for the kernel's own
 * @err: what failed
 *
 * The one before is stopped if it has not left; that it had is forgotten.
 *
 * Return: 0 or a negative errno; ERRMSG_HOST as with session_start().
 */
int session_load(struct session *s, const char *scheduler, struct errmsg *err);

/**
 * session_end() - end the guest and give everything back
 * @s: a started session
 */
void session_end(struct session *s);

/**
 * session_print() - show what failed, as diagnostic lines
 * @s: a session
 * @ret: what the failing call returned
 * @err: what it said
 *
 * If the guest has ended, or does not answer: how it is, its console and its
 * registers, too; it is stopped for that.
 */
void session_print(struct session *s, int ret, const struct errmsg *err);

/**
 * session_print_lines() - show a text, which may be the guest's, as diagnostic lines
 * @prefix: what each of its lines begins with
 * @text: none of its lines can be taken for a result
 */
void session_print_lines(const char *prefix, const char *text);

/**
 * session_initramfs() - what the guest of a test gets as its root: the base
 * @ir: initialised here; to be given to initramfs_destroy()
 * @cfg: see struct session_config
 * @err: what failed
 *
 * Return: 0 or a negative errno.
 */
int session_initramfs(struct initramfs *ir, const struct session_config *cfg,
		      struct errmsg *err);

/**
 * session_find_scheduler() - find the program of a scheduler
 * @command: as in struct session_config: a path is taken as it is, a name without a
 *	slash is that of one of the suite's own schedulers; arguments may follow
 * @path: PATH_MAX bytes
 * @err: that there is no such program (ERRMSG_INPUT), or that the suite was built
 *	without this one of its own (ERRMSG_HOST)
 *
 * Return: 0 or a negative errno.
 */
int session_find_scheduler(const char *command, char *path, struct errmsg *err);

/**
 * session_cmdline() - what is appended to the command line that a guest's kernel needs
 * @cmdline: filled in
 * @size: bytes at @cmdline
 * @topo: the guest's topology
 * @more: &session_config.cmdline; may be NULL
 *
 * What is later in it, $KTSTR_CMDLINE at last, has the last word.
 */
void session_cmdline(char *cmdline, size_t size, const struct topology *topo,
		     const char *more);

/**
 * session_find_program() - find a program of the host's in $PATH
 * @name: its file name
 * @path: PATH_MAX bytes
 * @err: that it is not installed (ERRMSG_HOST)
 *
 * For what a test takes along if it is there, and can do without.
 *
 * Return: 0 or -ENOENT.
 */
int session_find_program(const char *name, char *path, struct errmsg *err);

/**
 * session_kernel() - find the kernel to boot
 * @path: PATH_MAX bytes
 * @err: where it was looked for
 *
 * $KTSTR_KERNEL, or the vmlinux or bzImage of the tree that this program was
 * built in: the nearest directory above the program that has one.
 *
 * Return: 0 or -ENOENT.
 */
int session_kernel(char *path, struct errmsg *err);

/**
 * session_memory() - guest RAM for a topology, in bytes
 * @topo: a topology; where it gives the nodes' sizes, these count
 * @initramfs_size: bytes of the image that the guest will unpack
 */
u64 session_memory(const struct topology *topo, size_t initramfs_size);

#endif /* KTSTR_SESSION_H */
