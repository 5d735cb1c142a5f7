/* SPDX-License-Identifier: GPL-2.0 */
/* Lists of words in one string. */
#ifndef KTSTR_WORDS_H
#define KTSTR_WORDS_H

#include <stdbool.h>

/**
 * words_have() - is a word in a list?
 * @list: words that are separated by one or more @separator; NULL for none
 * @word: not empty
 * @separator: no word has it
 *
 * Return: whether @list has exactly this word.
 */
bool words_have(const char *list, const char *word, char separator);

#endif /* KTSTR_WORDS_H */
