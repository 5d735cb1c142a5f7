/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Descriptions of hosts, unit/trees/NAME.txt, and a directory made from one.
 *
 * Each line is a path, a blank, and the text of that file, or several: "{LIST}"
 * in the path makes one file for each number in a list as sysfs writes it, and
 * in the text "{}" stands for that number, "{+N}" and "{-N}" for one N higher
 * or lower. Empty lines and those that begin with '#' are comments.
 */
#ifndef KTSTR_TREE_H
#define KTSTR_TREE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cpulist.h"
#include "testutil.h"

/* The text of a tree */
#define TREE(name)	EMBED(tree_##name, "unit/trees/" #name ".txt")

/* Each adds a file to @root, or replaces it; -1 if that did not work. */
static inline int tree_put(const char *root, const char *path, const char *text)
{
	char full[1024], *slash;
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", root, path);
	f = fopen(full, "we");
	if (!f && errno == ENOENT) {
		for (slash = strchr(full + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
			*slash = '\0';
			mkdir(full, 0755);
			*slash = '/';
		}
		f = fopen(full, "we");
	}
	if (!f)
		return -1;
	fprintf(f, "%s\n", text);
	return fclose(f);
}

/* Replaces what is in braces in the text by the number. */
static inline void tree_expand(char *to, size_t size, const char *text, unsigned int number)
{
	size_t len = 0;
	char *end;

	for (; *text && len + 12 < size; text++) {
		if (*text != '{') {
			to[len++] = *text;
			continue;
		}
		len += sprintf(to + len, "%ld", number + strtol(text + 1, &end, 10));
		text = *end == '}' ? end : text + 1;
	}
	to[len] = '\0';
}

static inline int tree_put_line(const char *root, char *path, const char *text)
{
	char one[512], content[2048], *list = strchr(path, '{'), *tail;
	struct cpu_set numbers;
	unsigned int i;

	if (!list)
		return tree_put(root, path, text);
	*list++ = '\0';
	tail = strchr(list, '}');
	if (!tail)
		return -1;
	*tail++ = '\0';
	if (cpu_set_parse(&numbers, list))
		return -1;
	for (i = cpu_set_next(&numbers, 0); i < TOPOLOGY_MAX_CPUS;
	     i = cpu_set_next(&numbers, i + 1)) {
		snprintf(one, sizeof(one), "%s%u%s", path, i, tail);
		tree_expand(content, sizeof(content), text, i);
		if (tree_put(root, one, content))
			return -1;
	}
	return 0;
}

/*
 * Makes the tree in a new directory, whose name ends up in @root: in memory, as
 * a large host has thousands of files.
 */
static inline int tree_unpack(const char *tree, char root[64])
{
	char *copy, *rest, *line, *text;
	int ret = 0;

	snprintf(root, 64, "/dev/shm/ktstr_tree_XXXXXX");
	copy = strdup(tree);
	if (!copy || !mkdtemp(root)) {
		free(copy);
		return -1;
	}
	rest = copy;
	while ((line = strsep(&rest, "\n")) && !ret) {
		if (!*line || *line == '#')
			continue;
		text = strchr(line, ' ');
		if (text)
			*text++ = '\0';
		ret = tree_put_line(root, line, text ?: "");
	}
	free(copy);
	return ret;
}

static inline void tree_remove(const char *root)
{
	sh("rm -rf %s", root);
}

#endif /* KTSTR_TREE_H */
