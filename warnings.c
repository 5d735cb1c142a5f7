// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "warnings.h"

void warnings_add(struct warnings *w, const char *fmt, ...)
{
	size_t len = strlen(w->text), size = sizeof(w->text) - len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(w->text + len, size, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n + 2 <= size)
		memcpy(w->text + len + n, "\n", 2);
	else
		w->text[len] = '\0';
}
