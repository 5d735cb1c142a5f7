// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/kernel.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "contention.h"
#include "kvm_caps.h"

#define FIRST_DELAY_NS	((u64)(10 * NSEC_PER_MSEC))
#define MAX_DELAY_NS	((u64)NSEC_PER_SEC)

bool contention_wait(struct contention *c, u64 patience_ns, int ret, struct errmsg *err)
{
	struct timespec until;
	u64 waited;
	size_t len;

	if (!patience_ns || err->kind != ERRMSG_HOST || kvm_errno_kind(-ret) != ERRMSG_HOST)
		return false;
	if (!c->tries++)
		c->start = clock_ns();
	waited = clock_ns() - c->start;
	if (waited < patience_ns) {
		c->delay_ns = c->delay_ns ? min(2 * c->delay_ns, MAX_DELAY_NS) : FIRST_DELAY_NS;
		until = clock_deadline(min(c->delay_ns, patience_ns - waited));
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
			;
		return true;
	}
	len = strlen(err->text);
	snprintf(err->text + len, sizeof(err->text) - len, "; tried %u times in %llu ms",
		 c->tries, (unsigned long long)(waited / NSEC_PER_MSEC));
	return false;
}
