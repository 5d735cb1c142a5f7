// SPDX-License-Identifier: GPL-2.0
#include <stddef.h>
#include <string.h>

#include "words.h"

bool words_have(const char *list, const char *word, char separator)
{
	const char separators[] = { separator, '\0' };
	size_t len, want = strlen(word);

	for (; list && *list; list += len + !!list[len]) {
		len = strcspn(list, separators);
		if (len == want && !strncmp(list, word, len))
			return true;
	}
	return false;
}
