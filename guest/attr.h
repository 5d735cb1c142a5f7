/* SPDX-License-Identifier: GPL-2.0 */
/* A task's scheduling attributes: policy, nice, priority, affinity */
#ifndef KTSTR_ATTR_H
#define KTSTR_ATTR_H

#include <stdbool.h>
#include <sys/types.h>

#include "wire.h"

/* Is it something that a worker may have? */
bool attr_valid(const struct wire_attr *attr);

/* Is it a CPU list that names a CPU? */
bool attr_cpus_valid(const char *cpus);

/* Set them for a task, or for this one if @pid is 0; 0 or a negative errno */
int attr_set(pid_t pid, const struct wire_attr *attr);
int attr_set_cpus(pid_t pid, const char *cpus);

#endif /* KTSTR_ATTR_H */
