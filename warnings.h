/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a host could not give, and what that does to a result, in lines for a
 * person. Unlike an error (errmsg.h) a warning ends nothing.
 */
#ifndef KTSTR_WARNINGS_H
#define KTSTR_WARNINGS_H

#include <linux/compiler.h>

/* Lines, each with its newline; what does not fit is left out. */
struct warnings {
	char text[4096];
};

/**
 * warnings_add() - add a line
 * @w: warnings, all zero when there are none
 * @fmt: what is missing, why, and its effect; without a newline
 */
void warnings_add(struct warnings *w, const char *fmt, ...) __printf(2, 3);

#endif /* KTSTR_WARNINGS_H */
