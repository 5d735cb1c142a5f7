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
limit=120	# seconds for one life, which takes less than one

# What is called and not struck, and why; all else is.
declare -A exempt=(
	[close]="what it fails to close is closed"
	[munmap]="it is for an end, which has no other way"
	[futex]="it waits for other threads of the same program, and cannot be short of anything"
	[getpid]="it cannot fail"
	[tgkill]="a vCPU that could not be interrupted would not stop"
	[write]="eventfds of threads that are to end, whose counters have room"
)
# Without these, it was no VM's life.
needed=(clone3 eventfd2 ioctl mmap openat)

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

# Each call of the life in question, by its name and its number, as strace counts them
calls_of_life()
{
	awk '
		NR == 1					{ main = $1 }
		$1 != main || !match($2, /^[a-z0-9_]+\(/) { next }
							{ name = substr($2, 1, RLENGTH - 1) }
							{ n[name]++ }
		/access\("death"/			{ life = 0 }
		life					{ print name, n[name] }
		/access\("life"/			{ life = 1 }' "$log"
}

# Return: whether all is well with one life, whose call $1 number $2 fails.
strike()
{
	timeout "$limit" strace -f -o /dev/null -e "trace=$1" \
		-e "inject=$1:error=$errno:when=$2" "$program" --life >"$out" 2>&1 || return
	grep -q "^LIVED stopped enough$" "$out" ||
		grep -qE "^(LIVED KVM error .*KVM_RUN: $errno|HOST .*($errno|KVM_CAP_|EAGAIN))" "$out"
}

declare -A numbers
while read -r call number; do
	numbers[$call]+=" $number"
done < <(calls_of_life)
for call in "${!exempt[@]}"; do
	unset "numbers[$call]"
done
mapfile -t calls < <(printf '%s\n' "${!numbers[@]}" "${needed[@]}" | sort -u)

echo "TAP version 13"
echo "1..${#calls[@]}"
n=0
bad=0
for call in "${calls[@]}"; do
	struck=0
	failed=0
	n=$((n + 1))
	for number in ${numbers[$call]:-}; do
		struck=$((struck + 1))
		strike "$call" "$number" && continue
		failed=1
		echo "# $call number $number:"
		sed 's/^/# | /' "$out"
	done
	if [ "$failed" = 0 ] && [ "$struck" -gt 0 ]; then
		echo "ok $n $call: $struck calls"
	else
		bad=1
		echo "not ok $n $call: $struck calls"
	fi
done
exit $bad
