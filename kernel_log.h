/* SPDX-License-Identifier: GPL-2.0 */
/* What a kernel says about itself when something is wrong with it. */
#ifndef KTSTR_KERNEL_LOG_H
#define KTSTR_KERNEL_LOG_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

/**
 * struct kernel_log_trouble - a line that a healthy kernel does not write
 * @line: where it begins, in the text that was searched; not NUL-terminated
 * @len: its length, without the newline
 * @at_ns: its time stamp
 * @slow: what it says is that something took too long, as it also does on a host
 *	that does not run the guest
 */
struct kernel_log_trouble {
	const char *line;
	size_t len;
	u64 at_ns;
	bool slow;
};

/**
 * kernel_log_find() - find the first sign of trouble
 * @text: lines as dmesg(1) writes them, "[    1.234567] text"
 * @since_ns: older lines are not looked at; 0 for all
 * @found: filled in if there is one
 *
 * Looked for are BUG, WARNING (of WARN() and lockdep, not of whoever else uses
 * the word), Oops, general protection faults, RCU stalls, soft and hard lockups,
 * workqueue lockups, hung tasks and call traces. A hung task that was blocked before
 * @since_ns is as old as that.
 *
 * Return: whether there is one.
 */
bool kernel_log_find(const char *text, u64 since_ns, struct kernel_log_trouble *found);

/**
 * kernel_log_find_fault() - find the first sign of what no slow host explains
 * @text: see kernel_log_find()
 * @since_ns: see there
 * @found: filled in if there is one; it is not slow
 *
 * As kernel_log_find(), but what is slow is passed over, and so are call traces after
 * it: they belong to it. What is a fault by itself says so above its own trace.
 *
 * Return: whether there is one.
 */
bool kernel_log_find_fault(const char *text, u64 since_ns, struct kernel_log_trouble *found);

/**
 * kernel_log_since() - the part of a log that is not older
 * @text: as above
 * @since_ns: see there
 *
 * Return: the first line that is not older, in @text; its end if there is none.
 */
const char *kernel_log_since(const char *text, u64 since_ns);

#endif /* KTSTR_KERNEL_LOG_H */
