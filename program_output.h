/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Finds named numbers in what a program has printed: in JSON, or in lines of text.
 * Pure computation; the output may be anything.
 */
#ifndef KTSTR_PROGRAM_OUTPUT_H
#define KTSTR_PROGRAM_OUTPUT_H

#include "errmsg.h"

#define PROGRAM_OUTPUT_MAX	(4UL << 20)	/* bytes that are looked at */
#define PROGRAM_UNIT_SIZE	24

/**
 * struct program_number - a number that a program has printed
 * @value: finite
 * @unit: the word that follows it, without brackets, or precedes it as its name;
 *	"" if there is none, and in JSON
 */
struct program_number {
	double value;
	char unit[PROGRAM_UNIT_SIZE];
};

/**
 * program_output_find() - find a number by its name
 * @text: what a program has printed, stderr included
 * @name: which number
 * @number: filled in
 * @err: why there is none
 *
 * If a line begins with "{" and JSON is what follows, the number is in there, and
 * @name is the path to it: keys, and indices into arrays, separated by dots, as in
 * "jobs.0.read.iops". Keys may have dots in them; the longest that fits counts.
 *
 * Otherwise @name is what precedes the number in its line, with blanks, ":" or "="
 * between them ("Total time" in "Total time: 0.123 [sec]"); or, where there is no
 * such line, what follows it ("ops/sec" in "182235 ops/sec"). The first such number
 * in the output counts. "#" and a digit at the end of the name mean another column:
 * "cpu#5" is the fifth of the numbers that follow "cpu". A "|" in it separates a
 * heading, after whose last line the number is looked for: "Request Latencies|99.0th".
 *
 * Return: 0; -ENOENT if there is no such number; -E2BIG if there is more output than
 * PROGRAM_OUTPUT_MAX.
 */
int program_output_find(const char *text, const char *name, struct program_number *number,
			struct errmsg *err);

/**
 * program_output_last_line() - the last line that is not blank
 * @text: what a program has printed
 * @buf: filled in; all that is not printable ASCII becomes "?"
 * @size: of @buf; a longer line is cut
 *
 * Return: @buf.
 */
char *program_output_last_line(const char *text, char *buf, size_t size);

#endif /* KTSTR_PROGRAM_OUTPUT_H */
