// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <linux/kernel.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "program_output.h"

/* -- JSON ------------------------------------------------------------------- */

/* Programs may say something before it, and after it. */
static const char *json_begin(const char *text)
{
	while (*text && *text != '{') {
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return *text ? text : NULL;
}

/* The member that the path begins with; the path is advanced past it. */
static const json_t *member(const json_t *object, const char **path)
{
	const json_t *found = NULL;
	size_t best = 0, len;
	const char *key;
	json_t *value;

	/* (the macro takes a pointer that is not const) */
	json_object_foreach((json_t *)object, key, value) {
		len = strlen(key);
		if (len > best && !strncmp(*path, key, len) &&
		    ((*path)[len] == '.' || !(*path)[len])) {
			best = len;
			found = value;
		}
	}
	*path += best;
	return found;
}

static const json_t *element(const json_t *array, const char **path)
{
	unsigned long index;
	char *end;

	if (!isdigit((unsigned char)**path))
		return NULL;
	index = strtoul(*path, &end, 10);
	*path = end;
	return json_array_get(array, index);
}

static bool json_number_at(const json_t *at, const char *path, double *value)
{
	while (at && *path) {
		if (json_is_object(at))
			at = member(at, &path);
		else
			at = element(at, &path);
		if (*path && *path++ != '.')
			return false;
	}
	*value = json_number_value(at);
	return json_is_number(at) && isfinite(*value);
}

/* -- Text ------------------------------------------------------------------- */

/* What words consist of, units among them: "99.9th", "usecs/op", "real-time" */
static bool in_word(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("_.-/%", c));
}

static const char *skip_blanks(const char *s)
{
	return s + strspn(s, " \t");
}

/* Decimal ones only: neither "nan" nor "0x10". */
static const char *take_number(const char *s, double *value)
{
	const char *digits = s + (*s == '-' || *s == '+');
	char *end;

	digits += *digits == '.';
	if (!isdigit((unsigned char)*digits) || (digits[0] == '0' && (digits[1] | 0x20) == 'x'))
		return NULL;
	*value = strtod(s, &end);
	return isfinite(*value) ? end : NULL;
}

static void take_unit(const char *s, char unit[PROGRAM_UNIT_SIZE])
{
	size_t n = 0;

	s = skip_blanks(s);
	s += *s == '[' || *s == '(';
	if (isalpha((unsigned char)*s) || *s == '%')
		while (n < PROGRAM_UNIT_SIZE - 1 && in_word(s[n]))
			n++;
	/* That is the name of the next number. */
	if (s[n] == ':' || s[n] == '=')
		n = 0;
	memcpy(unit, s, n);
	unit[n] = '\0';
}

/* The @column-th of the numbers after a name */
static bool number_after(const char *s, unsigned int column, struct program_number *number)
{
	s = skip_blanks(s);
	if (*s == ':' || *s == '=')
		s = skip_blanks(s + 1);
	while (s && column--)
		s = take_number(skip_blanks(s), &number->value);
	if (!s)
		return false;
	take_unit(s, number->unit);
	return true;
}

/* The number that is before a name, in the text from @begin on */
static bool number_before(const char *begin, const char *s, struct program_number *number)
{
	const char *end;

	while (s > begin && (s[-1] == ' ' || s[-1] == '\t'))
		s--;
	end = s;
	while (s > begin && in_word(s[-1]))
		s--;
	return s < end && take_number(s, &number->value) == end;
}

/* The next place where a name stands alone, from @s on */
static const char *next_place(const char *begin, const char *s, const char *name, size_t len)
{
	for (; (s = strstr(s, name)); s++) {
		if (s > begin && in_word(s[-1]) && in_word(*name))
			continue;
		if (!in_word(s[len]) || !in_word(name[len - 1]))
			return s;
	}
	return NULL;
}

/* Behind the line in which the heading is last */
static const char *after_heading(const char *text, const char *heading)
{
	size_t len = strlen(heading);
	const char *s = text, *last = NULL;

	while (len && (s = next_place(text, s, heading, len)))
		last = s++;
	return last ? last + strcspn(last, "\n") : NULL;
}

static bool find_in_text(const char *text, const char *name, unsigned int column,
			 struct program_number *number)
{
	size_t len = strlen(name);
	const char *s;

	if (!len)
		return false;
	for (s = text; (s = next_place(text, s, name, len)); s++)
		if (number_after(s + len, column, number))
			return true;
	for (s = text; column == 1 && (s = next_place(text, s, name, len)); s++) {
		if (!number_before(text, s, number))
			continue;
		take_unit(name, number->unit);
		return true;
	}
	return false;
}

static bool text_number(const char *text, const char *spec, struct program_number *number)
{
	char *name = strdup(spec), *bar = name ? strchr(name, '|') : NULL;
	size_t len = name ? strlen(name) : 0;
	unsigned int column = 1;
	const char *rest = name;
	bool found = false;

	if (bar) {
		*bar = '\0';
		rest = bar + 1;
		text = after_heading(text, name);
	}
	if (len > 2 && name[len - 2] == '#' && name[len - 1] >= '1' && name[len - 1] <= '9') {
		column = name[len - 1] - '0';
		name[len - 2] = '\0';
	}
	if (name && text)
		found = find_in_text(text, rest, column, number);
	free(name);
	return found;
}

/* -- Both ------------------------------------------------------------------- */

int program_output_find(const char *text, const char *name, struct program_number *number,
			struct errmsg *err)
{
	const char *begin = json_begin(text);
	json_t *json = NULL;
	bool found;

	memset(number, 0, sizeof(*number));
	if (strnlen(text, PROGRAM_OUTPUT_MAX + 1) > PROGRAM_OUTPUT_MAX)
		return errmsg_set(err, ERRMSG_FAILED, E2BIG,
				  "looking for \"%s\" in more than %lu bytes of output", name,
				  PROGRAM_OUTPUT_MAX);
	if (begin)
		json = json_loads(begin, JSON_DISABLE_EOF_CHECK, NULL);
	if (json)
		found = json_number_at(json, name, &number->value);
	else
		found = text_number(text, name, number);
	json_decref(json);
	if (found)
		return 0;
	errmsg_set(err, ERRMSG_FAILED, 0, "there is no number \"%s\" in its output%s", name,
		   begin && !json ? ", which begins like JSON but is none" : "");
	return -ENOENT;
}

char *program_output_last_line(const char *text, char *buf, size_t size)
{
	const char *end = text + strlen(text), *line;
	size_t i;

	while (end > text && isspace((unsigned char)end[-1]))
		end--;
	for (line = end; line > text && line[-1] != '\n'; line--)
		;
	for (i = 0; i + 1 < size && line + i < end; i++)
		buf[i] = isprint((unsigned char)line[i]) ? line[i] : '?';
	buf[i] = '\0';
	return buf;
}
