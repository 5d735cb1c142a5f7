/* SPDX-License-Identifier: GPL-2.0 */
/* Waiting, within bounds, for what a host is short of at the moment. */
#ifndef KTSTR_CONTENTION_H
#define KTSTR_CONTENTION_H

#include <linux/types.h>
#include <stdbool.h>

#include "errmsg.h"

/**
 * struct contention - attempts at something that others may be in the way of
 * @start: when the first was made, in ns of clock_ns(); 0 before contention_wait()
 * @delay_ns: the last wait
 * @tries: how many attempts have failed
 */
struct contention {
	u64 start;
	u64 delay_ns;
	unsigned int tries;
};

/**
 * contention_wait() - after a failed attempt, wait if another makes sense
 * @c: all zero before the first attempt
 * @patience_ns: how long to go on
 * @ret: what the attempt returned
 * @err: what it said; when patience is over, how often and how long it was
 *	tried is added
 *
 * Waits 10 ms, then twice as long each time, up to 1 s. It makes sense after
 * errors of kind ERRMSG_HOST with an errno that kvm_errno_kind() says is the
 * host's state: ENOMEM, EMFILE, EBUSY, EAGAIN and their like.
 *
 * Return: whether to try again; if not, @ret and @err are the caller's result.
 */
bool contention_wait(struct contention *c, u64 patience_ns, int ret, struct errmsg *err);

#endif /* KTSTR_CONTENTION_H */
