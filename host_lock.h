/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Claims on a host's last-level caches, so that guests of programs that do not
 * know each other keep off each other's CPUs.
 *
 * A claim is a flock(2) on a file of the cache: shared, or exclusive for
 * performance mode. The kernel drops it with its last holder, killed or not.
 * The files stay: they are empty, and who removed one could not know who is
 * about to lock it.
 */
#ifndef KTSTR_HOST_LOCK_H
#define KTSTR_HOST_LOCK_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "errmsg.h"

/* Where the locks are; for those who want a set of their own, as tests do */
#define ENV_LOCK_DIR	"KTSTR_LOCK_DIR"

/**
 * host_lock_dir() - find or make the directory of the locks
 * @path: PATH_MAX bytes
 * @err: what failed
 *
 * $KTSTR_LOCK_DIR, or "ktstr" in the first of /run/lock, /dev/shm and /tmp that
 * everybody may write to: not what this user may write to, as others would then
 * lock elsewhere. Containers that have these for themselves are not seen.
 *
 * Return: a file descriptor, or a negative errno (ERRMSG_HOST).
 */
int host_lock_dir(char *path, struct errmsg *err);

/**
 * host_lock_take() - claim a cache, without waiting
 * @dir: from host_lock_dir()
 * @llc: number of its lowest online CPU
 * @exclusive: against all others, or only against those who want it exclusively
 * @err: what failed
 *
 * The claim is this process's, and that of children until they call execve().
 *
 * Return: a file descriptor that holds the claim until it is closed; -EAGAIN if
 * others' claims are against it; or another negative errno (ERRMSG_HOST).
 */
int host_lock_take(int dir, unsigned int llc, bool exclusive, struct errmsg *err);

/**
 * struct lock_holder - who has claimed a cache
 * @pid: who made the claim; it may have ended, and left it to a child
 * @exclusive: which claim
 * @command: its command line, or "?" where that cannot be known
 */
struct lock_holder {
	pid_t pid;
	bool exclusive;
	char command[128];
};

/**
 * host_lock_holders() - list who has claimed a cache, as /proc/locks knows it
 * @dir: from host_lock_dir()
 * @llc: number of its lowest online CPU
 * @holders: filled in
 * @max: room at @holders
 *
 * Processes of other PID namespaces are not listed.
 *
 * Return: how many there are, which may be more than @max.
 */
unsigned int host_lock_holders(int dir, unsigned int llc, struct lock_holder *holders,
			       unsigned int max);

/**
 * host_lock_print() - say in a line who has claimed a cache
 * @dir: from host_lock_dir()
 * @llc: number of its lowest online CPU
 * @buf: filled in: "pid 12 (./basic) exclusively, pid 34 (...)"
 * @size: bytes at @buf
 *
 * Return: @buf; empty if nobody is known to have a claim.
 */
char *host_lock_print(int dir, unsigned int llc, char *buf, size_t size);

#endif /* KTSTR_HOST_LOCK_H */
