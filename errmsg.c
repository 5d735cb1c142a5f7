// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "errmsg.h"

int errmsg_set(struct errmsg *err, enum errmsg_kind kind, int errnum,
	       const char *fmt, ...)
{
	const char *name = strerrorname_np(errnum);
	size_t len;
	va_list ap;

	err->kind = kind;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	if (!errnum)
		return -EINVAL;

	len = strlen(err->text);
	snprintf(err->text + len, sizeof(err->text) - len, ": %s (%s)",
		 name ? name : "unknown errno", strerrordesc_np(errnum) ?: "?");
	return -errnum;
}

void errmsg_prefix(struct errmsg *err, const char *fmt, ...)
{
	char text[sizeof(err->text)];
	size_t len;
	va_list ap;

	memcpy(text, err->text, sizeof(text));
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	len = strlen(err->text);
	snprintf(err->text + len, sizeof(err->text) - len, ": %s", text);
}
