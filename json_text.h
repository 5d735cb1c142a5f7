/* SPDX-License-Identifier: GPL-2.0 */
/*
 * JSON (RFC 8259) in memory. The tree's json_writer.h writes it; what it takes as
 * it comes, strings, is made valid here first, as they may come from a guest.
 */
#ifndef KTSTR_JSON_TEXT_H
#define KTSTR_JSON_TEXT_H

#include <stddef.h>
#include <stdio.h>

#include "json_writer.h"

#define JSON_TEXT_MAX	(16 * 1024)	/* bytes of a string that are taken */

/**
 * struct json_text - JSON being written
 * @w: for all but strings that are no constants: jsonw_uint_field() and so on
 */
struct json_text {
	json_writer_t *w;
	/* private: */
	FILE *f;
	char *buf;
	size_t size;
	char clean[3 * JSON_TEXT_MAX + 1];
};

/**
 * json_text_new() - begin
 *
 * Return: to be given to json_text_end(); or NULL if there is no memory.
 */
struct json_text *json_text_new(void);

/**
 * json_text_end() - end
 * @j: may be NULL; gone afterwards
 * @size: bytes of the text, without its NUL
 *
 * Return: the text, to be freed; or NULL if there was no memory for all of it.
 */
char *json_text_end(struct json_text *j, size_t *size);

/**
 * json_text_str() - a string, of which the first JSON_TEXT_MAX bytes are taken
 * @j: the JSON
 * @name: of the field, which may be any text; NULL in an array
 * @str: any bytes; what is no UTF-8 (RFC 3629) and control characters that are
 *	neither tab nor newline become U+FFFD. NULL is null.
 */
void json_text_str(struct json_text *j, const char *name, const char *str);

/* The same, but the last bytes, from a line's beginning */
void json_text_tail(struct json_text *j, const char *name, const char *str);

/* A field's name that is no constant */
void json_text_name(struct json_text *j, const char *name);

#endif /* KTSTR_JSON_TEXT_H */
