/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What went wrong, said once, by the function that knows.
 *
 * A fallible function takes a struct errmsg as its last argument, fills it
 * and returns a negative errno. Callers on the way up add what they were doing
 * (errmsg_prefix()) or pass it through. The kind decides the verdict: a host
 * that cannot run a test is a SKIP, everything else a FAIL.
 */
#ifndef KTSTR_ERRMSG_H
#define KTSTR_ERRMSG_H

#include <linux/compiler.h>

/**
 * enum errmsg_kind - what an error means for the verdict
 * @ERRMSG_FAILED: something that should have worked did not
 * @ERRMSG_INPUT: the user asked for something wrong (a topology, a file)
 * @ERRMSG_HOST: this host cannot do it, or not now: the test is skipped
 */
enum errmsg_kind {
	ERRMSG_FAILED,
	ERRMSG_INPUT,
	ERRMSG_HOST,
};

#define ERRMSG_SIZE	1024

/**
 * struct errmsg - an error for a person
 * @kind: what it means for the verdict
 * @text: one or more lines, without a final newline; empty if none was set
 */
struct errmsg {
	enum errmsg_kind kind;
	char text[ERRMSG_SIZE];
};

/**
 * errmsg_set() - fill in an error
 * @err: filled in
 * @kind: what it means for the verdict
 * @errnum: a positive errno, whose name and meaning are appended, as in
 *	": ENOENT (No such file or directory)"; or 0
 * @fmt: what was being done, to what, and what the user can do about it; its
 *	arguments must not point into @err
 *
 * Return: -@errnum, or -EINVAL if @errnum is 0, to be returned by the caller.
 */
int errmsg_set(struct errmsg *err, enum errmsg_kind kind, int errnum,
	       const char *fmt, ...) __printf(4, 5);

/**
 * errmsg_prefix() - say what the caller was doing when @err happened
 * @err: an error that was set; its text becomes "prefix: text"
 * @fmt: the prefix; its arguments must not point into @err
 */
void errmsg_prefix(struct errmsg *err, const char *fmt, ...)
	__printf(2, 3);

#endif /* KTSTR_ERRMSG_H */
