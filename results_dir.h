/* SPDX-License-Identifier: GPL-2.0 */
/* Where result files go. */
#ifndef KTSTR_RESULTS_DIR_H
#define KTSTR_RESULTS_DIR_H

#include "errmsg.h"

#define ENV_RESULTS	"KTSTR_RESULTS"

/**
 * results_dir() - the directory that KTSTR_RESULTS names
 * @path: PATH_MAX bytes; absolute, without symbolic links; empty if the variable is
 *	unset or empty
 * @err: what is wrong with it (ERRMSG_INPUT)
 *
 * Made if it does not exist, but the directory that it is to be in does.
 *
 * Return: 0 or a negative errno.
 */
int results_dir(char *path, struct errmsg *err);

#endif /* KTSTR_RESULTS_DIR_H */
