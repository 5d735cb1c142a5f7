#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Each system call by which a VM is built, loaded, started, frozen and thawed
# fails once, with an errno of contention, by strace's fault injection: either
# the VM can do without, or it is a reason to SKIP that names the errno; nothing
# is left open, mapped or running. unit_fault does the same for calls of the C
# library, with more errnos; here are those that the library makes, too.

set -u
program=${KTSTR_PROGRAMS:?is set by make check}/unit_fault
log=$(mktemp)
out=$(mktemp)
trap 'rm -f "$log" "$out"' EXIT
errno=ENOMEM
# The C library shall keep nothing of what was freed, as it would count as left.
export GLIBC_TUNABLES=glibc.pthread.stack_cache_size=0:glibc.malloc.arena_max=1
limit=30	# seconds for one life, which takes less than one

# What may fail, of what is called; close() and the like are for an end.
calls=(clone3 eventfd2 fcntl ioctl madvise mmap mprotect brk newfstatat openat pread64
       rt_sigaction rt_sigprocmask sched_getaffinity)

skip()
{
	echo "TAP version 13"
	echo "1..0 # SKIP $*"
	exit 4
}

command -v strace >/dev/null || skip "strace is not installed"
[ -w /dev/kvm ] || skip "no access to /dev/kvm"
timeout "$limit" strace -f -o "$log" "$program" --life >"$out" 2>&1 ||
	skip "strace does not trace here: $(head -n 1 "$out")"

# Its calls by their numbers, as strace counts them, and whether they are of the
# life in question.
numbers()
{
	awk -v call="$1(" '
		NR == 1			{ main = $1 }
		$1 != main		{ next }
		/access\("life"/	{ life = 1 }
		/access\("death"/	{ life = 0 }
		index($2, call) == 1	{ n++; if (life) print n }' "$log"
}

# Return: whether all is well with one life, whose call $1 number $2 fails.
strike()
{
	timeout "$limit" strace -f -o /dev/null -e "trace=$1" \
		-e "inject=$1:error=$errno:when=$2" "$program" --life >"$out" 2>&1 || return
	grep -q "^LIVED stopped enough$" "$out" ||
		grep -qE "^(LIVED KVM error .*KVM_RUN: $errno|HOST .*($errno|KVM_CAP_|EAGAIN))" "$out"
}

echo "TAP version 13"
echo "1..${#calls[@]}"
n=0
bad=0
for call in "${calls[@]}"; do
	struck=0
	failed=0
	n=$((n + 1))
	for number in $(numbers "$call"); do
		struck=$((struck + 1))
		strike "$call" "$number" && continue
		failed=1
		echo "# $call number $number:"
		sed 's/^/# | /' "$out"
	done
	if [ "$failed" = 0 ]; then
		echo "ok $n $call: $struck calls"
	else
		bad=1
		echo "not ok $n $call"
	fi
done
exit $bad
