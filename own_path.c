// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "own_path.h"

int own_path(char *path, struct errmsg *err)
{
	ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - 1);

	if (len < 0)
		return errmsg_set(err, ERRMSG_FAILED, errno, "reading /proc/self/exe");
	path[len] = '\0';
	return 0;
}

int own_path_beside(char *path, const char *name, struct errmsg *err)
{
	int ret = own_path(path, err);
	size_t dir;

	if (ret)
		return ret;
	dir = strrchr(path, '/') + 1 - path;
	if (dir + strlen(name) >= PATH_MAX)
		return errmsg_set(err, ERRMSG_FAILED, ENAMETOOLONG, "%s in %s", name, path);
	memcpy(path + dir, name, strlen(name) + 1);
	return 0;
}
