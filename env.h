/* SPDX-License-Identifier: GPL-2.0 */
/* Variables of the environment. */
#ifndef KTSTR_ENV_H
#define KTSTR_ENV_H

#include <stdlib.h>

/**
 * env_get() - what the user has set
 * @name: a variable's
 *
 * Return: its value; or NULL if it is empty, as if it were not set: that is how a
 * shell or a CI leaves out what it would set otherwise.
 */
static inline const char *env_get(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

#endif /* KTSTR_ENV_H */
