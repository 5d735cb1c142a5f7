/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The emulated host: a machine in QEMU whose CPU has SVM in software, for
 * hosts whose KVM cannot run Linux. A program runs there as it would here, only
 * slower:
 *
 *  - it sees the files of this host at the same paths, read-only, but for
 *    /proc, /sys and /dev; it can write to /dev/shm, which is its TMPDIR, and
 *    to the directory KTSTR_RESULTS, which is that of this host;
 *  - it is root, has one CPU, KTSTR_HOST_MEMORY MiB of memory (4096), the same
 *    arguments and working directory, nothing on standard input, and of the
 *    environment what emulated.c lists; KTSTR_HOST is native, and KTSTR_HOST_AGAIN
 *    is what KTSTR_HOST has to be for a run to get there;
 *  - its output is relayed as it comes, its exit status in the end.
 *
 * The kernel is what tools/emulated-host.sh has put into KTSTR_EMULATED_HOST or
 * $KTSTR_CACHE/host (~/.cache/ktstr/host); ktstr_host_init, PID 1, is beside the
 * calling program. No files are made here, and QEMU dies with its caller.
 */
#ifndef KTSTR_EMULATED_H
#define KTSTR_EMULATED_H

#include <linux/types.h>
#include <stdbool.h>

#include "errmsg.h"

#define ENV_HOST_AGAIN	"KTSTR_HOST_AGAIN"

/**
 * emulated_exec() - run a program on the emulated host and wait for its end
 * @program: absolute path
 * @argv: its arguments, NULL-terminated, the first being its name
 * @err: what failed; ERRMSG_HOST if something is missing on this host
 *
 * SIGINT, SIGQUIT, SIGTERM and SIGHUP end the emulated host and then do what
 * they are set to do. To be called by the thread that lives longest: QEMU
 * dies with it (PR_SET_PDEATHSIG).
 *
 * Return: the program's exit status, 128 plus the signal that killed it, or a
 * negative errno.
 */
int emulated_exec(const char *program, char *const argv[], struct errmsg *err);

/**
 * emulated_run() - run this very program on the emulated host
 * @argc: as given to main()
 * @argv: as given to main()
 * @err: what failed
 *
 * Return: see emulated_exec().
 */
int emulated_run(int argc, char *const argv[], struct errmsg *err);

/**
 * emulated_needed() - run this program where its guests can run
 * @argc: as given to main()
 * @argv: as given to main()
 * @status: set if true is returned: this program's exit status
 *
 * To be called first thing by a kselftest_harness.h program that boots guests.
 * What prevents it is told in KTAP: as a SKIP if this host lacks something.
 *
 * Return: whether the program has run on the emulated host, or could not, so
 * that all is done; false if it is to go on here.
 */
bool emulated_needed(int argc, char *const argv[], int *status);

/**
 * emulated_denied_ns() - how long this host has been denied the CPU so far
 *
 * An emulated host has no steal time: others on the machine that emulates it are not
 * seen in any clock of its own. Exact to a tenth of a second.
 *
 * Return: ns, of which only differences mean something; 0 on a host that is real, or if
 * the machine that emulates this one does not tell (CONFIG_SCHED_INFO).
 */
u64 emulated_denied_ns(void);

#endif /* KTSTR_EMULATED_H */
