// SPDX-License-Identifier: GPL-2.0
#include <linux/types.h>
#include <stdlib.h>
#include <string.h>

#include "json_text.h"

#define REPLACEMENT	"\xef\xbf\xbd"		/* U+FFFD */

struct json_text *json_text_new(void)
{
	struct json_text *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->f = open_memstream(&j->buf, &j->size);
	if (j->f)
		j->w = jsonw_new(j->f);
	if (j->w) {
		jsonw_pretty(j->w, true);
		return j;
	}
	if (j->f)
		fclose(j->f);
	free(j->buf);
	free(j);
	return NULL;
}

char *json_text_end(struct json_text *j, size_t *size)
{
	char *buf;
	bool bad;

	if (!j)
		return NULL;
	jsonw_destroy(&j->w);
	bad = ferror(j->f);
	bad |= fclose(j->f) != 0;
	buf = j->buf;
	*size = j->size;
	free(j);
	if (!bad)
		return buf;
	free(buf);
	return NULL;
}

/* Bytes of the character at @s, which is not its string's end; 0 if it is none */
static size_t utf8_len(const unsigned char *s)
{
	static const u32 least[] = { [2] = 0x80, [3] = 0x800, [4] = 0x10000 };
	size_t len, i;
	u32 c;

	if (*s < 0x80)
		return *s >= ' ' || *s == '\n' || *s == '\t';
	if (*s < 0xc0 || *s > 0xf7)
		return 0;
	len = *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
	c = *s & (0x7f >> len);
	for (i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	return c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : len;
}

/* JSON_TEXT_MAX bytes at most; a character that would be cut is left out. */
static const char *clean(struct json_text *j, const char *str)
{
	const char *end = str + strnlen(str, JSON_TEXT_MAX);
	char *to = j->clean;
	size_t len;

	for (; str < end; str += len ?: 1) {
		len = utf8_len((const unsigned char *)str);
		if (len > (size_t)(end - str))
			break;
		to = len ? mempcpy(to, str, len) :
			   mempcpy(to, REPLACEMENT, sizeof(REPLACEMENT) - 1);
	}
	*to = '\0';
	return j->clean;
}

void json_text_name(struct json_text *j, const char *name)
{
	jsonw_name(j->w, clean(j, name));
}

void json_text_str(struct json_text *j, const char *name, const char *str)
{
	if (name)
		json_text_name(j, name);
	if (str)
		jsonw_string(j->w, clean(j, str));
	else
		jsonw_null(j->w);
}

void json_text_tail(struct json_text *j, const char *name, const char *str)
{
	size_t len = str ? strlen(str) : 0;
	const char *line;

	if (len > JSON_TEXT_MAX) {
		str += len - JSON_TEXT_MAX;
		line = strchr(str, '\n');
		if (line)
			str = line + 1;
	}
	json_text_str(j, name, str);
}
