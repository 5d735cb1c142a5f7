/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What must happen at last is waited for, however busy the machine is: how soon it
 * happened proves nothing.
 */
#ifndef KTSTR_PATIENCE_H
#define KTSTR_PATIENCE_H

#include <stdbool.h>
#include <unistd.h>

#include "clock.h"

#define PATIENCE_NS	(60 * NSEC_PER_SEC)

/* Until @cond, like the kernel's wait_event_timeout(); false if it does not come to that */
#define wait_until(cond) ({						\
	const u64 wait_end = clock_ns() + PATIENCE_NS;			\
	bool wait_ok;							\
									\
	while (!(wait_ok = (cond)) && clock_ns() < wait_end)		\
		usleep(1000);						\
	wait_ok;							\
})

#endif /* KTSTR_PATIENCE_H */
