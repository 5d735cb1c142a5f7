// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "contention.h"
#include "host_lock.h"
#include "host_share.h"
#include "kvm_caps.h"

/* An attempt to share the host */
struct attempt {
	const struct host_share_config *cfg;
	struct host_share *share;
	int dir;
	struct llc_state *llcs;
};

static void drop_locks(struct host_share *share)
{
	while (share->nr_locks)
		close(share->locks[--share->nr_locks]);
}

/*
 * Claim what was placed. Return: 0; 1 if another placement is to be tried as
 * one of the caches is somebody else's, which is noted; or a negative errno.
 */
static int take_locks(struct attempt *a, struct errmsg *err)
{
	struct host_share *share = a->share;
	unsigned int llc;
	int fd;

	for (llc = 0; llc < share->ht->nr_llcs; llc++) {
		if (share->placement.claims[llc] == LLC_FREE)
			continue;
		fd = host_lock_take(a->dir, share->ht->llcs[llc].first,
				    share->placement.claims[llc] == LLC_EXCLUSIVE, err);
		if (fd >= 0) {
			share->locks[share->nr_locks++] = fd;
			continue;
		}
		drop_locks(share);
		if (fd != -EAGAIN)
			return fd;
		a->llcs[llc].busy = true;
		return 1;
	}
	return 0;
}

static int place(struct attempt *a, struct errmsg *err)
{
	struct host_share *share = a->share;

	if (a->cfg->performance)
		return placement_dedicate(&share->placement, a->cfg->topo, share->ht, a->llcs, err);
	return placement_share(&share->placement, a->cfg->topo, share->ht, a->llcs, err);
}

static void look_at_others(struct attempt *a)
{
	const struct host_topology *ht = a->share->ht;
	unsigned int llc;

	/* In performance mode they are found out by locking. */
	if (a->dir < 0 || a->cfg->performance)
		return;
	for (llc = 0; llc < ht->nr_llcs; llc++)
		a->llcs[llc].users = host_lock_holders(a->dir, ht->llcs[llc].first, NULL, 0);
}

/* Placements until one can be claimed. Each failure takes away a cache. */
static int try_share(struct attempt *a, struct errmsg *err)
{
	int ret;

	look_at_others(a);
	do {
		ret = place(a, err);
		if (!ret && a->dir >= 0)
			ret = take_locks(a, err);
	} while (ret > 0);
	return ret;
}

static void say_who(const struct attempt *a, struct errmsg *err)
{
	unsigned int llc, first;
	char who[512];
	size_t len;

	for (llc = 0; llc < a->share->ht->nr_llcs; llc++) {
		if (!a->llcs[llc].busy)
			continue;
		first = a->share->ht->llcs[llc].first;
		host_lock_print(a->dir, first, who, sizeof(who));
		len = strlen(err->text);
		snprintf(err->text + len, sizeof(err->text) - len, "; the LLC of CPU %u has %s",
			 first, *who ? who : "somebody unknown (of another container?)");
	}
}

static void list_warnings(struct host_share *share)
{
	unsigned int bit;

	for (bit = 0; bit < PLACEMENT_WARNINGS; bit++)
		if (share->placement.warnings & BIT(bit))
			warnings_add(&share->warnings, "%s", placement_warning(bit));
}

/*
 * A host that has no place for locks has guests all the same. One that is short of
 * files at the moment may have locks that others respect.
 */
static int open_locks(struct attempt *a, struct errmsg *err)
{
	char path[PATH_MAX];

	a->dir = host_lock_dir(path, err);
	if (a->dir >= 0)
		return 0;
	if (kvm_errno_kind(-a->dir) == ERRMSG_HOST)
		return a->dir;
	warnings_add(&a->share->warnings,
		     "no locks, other guests may use the same CPUs and disturb: %s", err->text);
	return 0;
}

static int share_host(struct attempt *a, struct errmsg *err)
{
	int ret = open_locks(a, err);

	if (ret)
		return ret;
	ret = try_share(a, err);
	if (ret)
		say_who(a, err);
	else
		list_warnings(a->share);
	if (a->dir >= 0)
		close(a->dir);
	return ret;
}

static int read_host(struct host_share *share, const char *root, struct errmsg *err)
{
	share->ht = host_topology_read(root, err);
	if (share->ht)
		return 0;
	return kvm_errno_kind(errno) == ERRMSG_HOST ? -errno : -ENODATA;
}

static int take_once(struct host_share **sharep, const struct host_share_config *cfg,
		     struct errmsg *err)
{
	struct attempt a = { .cfg = cfg };
	int ret;

	a.share = calloc(1, sizeof(*a.share));
	if (!a.share)
		return errmsg_set(err, ERRMSG_HOST, ENOMEM, "sharing the host");
	ret = read_host(a.share, cfg->root, err);
	if (ret)
		goto out;
	a.share->locks = calloc(a.share->ht->nr_llcs, sizeof(*a.share->locks));
	a.llcs = calloc(a.share->ht->nr_llcs, sizeof(*a.llcs));
	if (!a.share->locks || !a.llcs)
		ret = errmsg_set(err, ERRMSG_HOST, ENOMEM, "sharing the host");
	else
		ret = share_host(&a, err);
out:
	free(a.llcs);
	if (ret)
		host_share_release(a.share);
	else
		*sharep = a.share;
	return ret;
}

int host_share_take(struct host_share **sharep, const struct host_share_config *cfg,
		    struct errmsg *err)
{
	struct contention contention = {};
	int ret;

	*sharep = NULL;
	do {
		ret = take_once(sharep, cfg, err);
	} while (ret && contention_wait(&contention, cfg->patience_ns, ret, err));
	return ret;
}

void host_share_release(struct host_share *share)
{
	if (!share)
		return;
	drop_locks(share);
	free(share->locks);
	free(share->ht);
	free(share);
}
