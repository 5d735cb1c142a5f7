// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "env.h"
#include "results_dir.h"

int results_dir(char *path, struct errmsg *err)
{
	const char *dir = env_get(ENV_RESULTS);
	struct stat st;

	*path = '\0';
	if (!dir)
		return 0;
	if (stat(dir, &st) && (errno != ENOENT || mkdir(dir, 0777) || stat(dir, &st)))
		goto bad;
	errno = ENOTDIR;
	if (!S_ISDIR(st.st_mode) || !realpath(dir, path) || access(path, W_OK | X_OK))
		goto bad;
	return 0;

bad:
	*path = '\0';
	return errmsg_set(err, ERRMSG_INPUT, errno,
			  "%s=%s: must be a directory that can be written to, or be made",
			  ENV_RESULTS, dir);
}
