// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_log.h"

#define NSEC_PER_USEC	1000ULL
#define USEC_PER_SEC	1000000ULL

#define BLOCKED		"blocked for more than"

/*
 * @first: the line begins with it. Drivers and mitigations warn in prose, too:
 * "Spectre V2 : WARNING: ...", which is no bug.
 * @slow: see struct kernel_log_trouble; these come first, as they are BUGs by name
 * @trace: it is part of what a line above it has said, if there was one
 */
static const struct sign {
	const char *text;
	bool first;
	bool slow;
	bool trace;
} signs[] = {
	{ "BUG: soft lockup", .slow = true },
	{ "BUG: workqueue lockup", .slow = true },
	{ "hard LOCKUP", .slow = true },
	{ "rcu: INFO: ", .first = true, .slow = true },
	{ "self-detected stall", .slow = true },
	{ "detected stalls on CPUs", .slow = true },
	{ BLOCKED, .slow = true },
	{ "BUG:", .first = true },
	{ .text = "kernel BUG at" },
	{ "WARNING:", .first = true },
	{ .text = "Oops:" },
	{ "general protection fault", .first = true },
	{ "Call Trace:", .first = true, .trace = true },
};

/* The text after "[    1.234567] ", which is @line itself where there is none */
static const char *after_stamp(const char *line, const char *end, u64 *at_ns)
{
	const char *close;
	u64 sec, usec;
	char *next;

	*at_ns = 0;
	close = *line == '[' ? memchr(line, ']', end - line) : NULL;
	if (!close)
		return line;
	sec = strtoull(line + 1, &next, 10);
	if (*next != '.' || next > close)
		return line;
	usec = strtoull(next + 1, &next, 10);
	if (next != close)
		return line;
	*at_ns = (sec * USEC_PER_SEC + usec) * NSEC_PER_USEC;
	for (line = close + 1; line < end && *line == ' '; line++)
		;
	return line;
}

static const struct sign *sign_in(const char *text, const char *end)
{
	const char *at;
	size_t i, len;

	for (i = 0; i < ARRAY_SIZE(signs); i++) {
		len = strlen(signs[i].text);
		at = memmem(text, end - text, signs[i].text, len);
		if (!at || (signs[i].first && at != text))
			continue;
		return &signs[i];
	}
	return NULL;
}

/*
 * Since when is it like that, at the latest? Of a hung task ("INFO: task NAME:PID blocked
 * for more than 2 seconds.") the kernel tells so much later, and a task that was blocked
 * before says nothing about what came after.
 */
static u64 began_at(const struct sign *sign, const char *said, const char *end, u64 at_ns)
{
	const char *at = memmem(said, end - said, BLOCKED, strlen(BLOCKED));
	u64 blocked_ns = 0;

	if (sign->slow && at)
		blocked_ns = strtoul(at + strlen(BLOCKED), NULL, 10) * USEC_PER_SEC *
			     NSEC_PER_USEC;
	return at_ns - min(at_ns, blocked_ns);
}

static bool find(const char *text, u64 since_ns, bool faults_only,
		 struct kernel_log_trouble *found)
{
	const char *line, *end, *said;
	const struct sign *sign;
	bool passed = false;
	u64 at_ns;

	for (line = text; *line; line = end + (*end == '\n')) {
		end = line + strcspn(line, "\n");
		said = after_stamp(line, end, &at_ns);
		sign = at_ns < since_ns ? NULL : sign_in(said, end);
		if (!sign || began_at(sign, said, end, at_ns) < since_ns)
			continue;
		if (faults_only && (sign->slow || (sign->trace && passed))) {
			passed = true;
			continue;
		}
		*found = (struct kernel_log_trouble){
			.line = line,
			.len = end - line,
			.at_ns = at_ns,
			.slow = sign->slow,
		};
		return true;
	}
	return false;
}

bool kernel_log_find(const char *text, u64 since_ns, struct kernel_log_trouble *found)
{
	return find(text, since_ns, false, found);
}

bool kernel_log_find_fault(const char *text, u64 since_ns, struct kernel_log_trouble *found)
{
	return find(text, since_ns, true, found);
}

const char *kernel_log_since(const char *text, u64 since_ns)
{
	const char *end;
	u64 at_ns;

	for (; *text; text = end + (*end == '\n')) {
		end = text + strcspn(text, "\n");
		after_stamp(text, end, &at_ns);
		if (at_ns >= since_ns)
			break;
	}
	return text;
}
