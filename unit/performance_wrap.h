/* SPDX-License-Identifier: GPL-2.0 */
/* What the linker's --wrap makes of the calls that unit_performance_LDFLAGS names. */
#ifndef KTSTR_PERFORMANCE_WRAP_H
#define KTSTR_PERFORMANCE_WRAP_H

#include "numa_mem.h"
#include "warnings.h"

u64 __wrap_numa_mem_free_huge_pages(void);
int __real_numa_mem_map(struct numa_mem *mem, const struct numa_mem_config *cfg,
			struct warnings *w, struct errmsg *err);
int __wrap_numa_mem_map(struct numa_mem *mem, const struct numa_mem_config *cfg,
			struct warnings *w, struct errmsg *err);

#endif /* KTSTR_PERFORMANCE_WRAP_H */
