# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154
#
# For tests of scripts, which source it: results as KTAP. They count in $n, and fail
# if $bad; a run leaves what it said in $tmp/out and how it ended in $status.

n=0
bad=0

ok()
{
	n=$((n + 1))
	echo "ok $n $*"
}

not_ok()
{
	n=$((n + 1))
	bad=1
	sed 's/^/# /' "$tmp/out"
	echo "not ok $n $1 (${*:2})"
}

# expect NAME STATUS TEXT...: about the last run.
expect()
{
	local name=$1 want=$2 text

	shift 2
	[ "$status" = "$want" ] || { not_ok "$name" "status $status instead of $want"; return; }
	for text in "$@"; do
		grep -qF -- "$text" "$tmp/out" || { not_ok "$name" "does not say: $text"; return; }
	done
	ok "$name"
}
