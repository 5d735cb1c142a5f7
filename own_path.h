/* SPDX-License-Identifier: GPL-2.0 */
/* Where this program is; the suite's other files are beside it. */
#ifndef KTSTR_OWN_PATH_H
#define KTSTR_OWN_PATH_H

#include "errmsg.h"

/**
 * own_path() - the path of this program
 * @path: PATH_MAX bytes
 * @err: what failed
 *
 * Return: 0 or a negative errno.
 */
int own_path(char *path, struct errmsg *err);

/**
 * own_path_beside() - the path of a file in this program's directory
 * @path: PATH_MAX bytes
 * @name: the file's name; "" for the directory, with a slash at its end
 * @err: what failed
 *
 * Return: 0 or a negative errno. Whether there is such a file is not checked.
 */
int own_path_beside(char *path, const char *name, struct errmsg *err);

#endif /* KTSTR_OWN_PATH_H */
