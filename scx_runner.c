// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "scx_runner.h"

/* If a text begins with a prefix: what follows, else NULL */
static const char *after(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(text, prefix, len) ? NULL : text + len;
}

/* "1 name # SKIP", which follows "ok " or "not ok " */
static enum scx_runner_result read_result(const char *text, const char *test, bool not_ok)
{
	size_t digits = strspn(text, "0123456789");

	if (!digits || text[digits] != ' ')
		return SCX_RUNNER_NONE;
	text = after(text + digits + 1, test);
	if (!text || !after(text, " # ") || !strchr(text, '\n'))
		return SCX_RUNNER_NONE;
	if (not_ok)
		return SCX_RUNNER_FAIL;
	return after(text, " # SKIP") ? SCX_RUNNER_SKIP : SCX_RUNNER_PASS;
}

enum scx_runner_result scx_runner_result(const char *output, const char *test)
{
	enum scx_runner_result found = SCX_RUNNER_NONE, result;
	const char *pos = output;
	bool not_ok;

	/* Not only where a line begins: some tests do not end theirs. */
	while ((pos = strstr(pos, "ok "))) {
		not_ok = pos - output >= 4 && after(pos - 4, "not ");
		pos += 3;
		result = read_result(pos, test, not_ok);
		if (result != SCX_RUNNER_NONE)
			found = result;
	}
	return found;
}

size_t scx_runner_next_test(const char **output, const char **name)
{
	const char *line = *output;
	size_t len = 0;

	while (*line && !len) {
		*name = after(line, "TEST: ");
		len = *name ? strcspn(*name, "\n") : 0;
		line += strcspn(line, "\n");
		line += !!*line;
	}
	*output = line;
	return len;
}
