/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What programs can do to the kernel's own threads: renice(1), chrt(1), taskset(1).
 * Only a comparison with what they had before can tell.
 */
#ifndef KTSTR_KTHREADS_H
#define KTSTR_KTHREADS_H

#include "task.h"

/* Remember what the kernel's threads have, the first time; before any program */
void kthreads_note(void);

/* Give those that are still there what they had. */
void kthreads_restore(void);

/* Call a function for each that has something else now. */
void kthreads_changed(void (*changed)(const struct task *task));

#endif /* KTSTR_KTHREADS_H */
