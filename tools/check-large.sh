#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Large guests, for "make check-large", which has built the suite by now and says
# where (KTSTR_PROGRAMS): Linux boots in each, and the topology suite looks at all
# that it sees. KTAP, a line for each guest with its CPUs and times.
#
# KTSTR_LARGE	topologies (the presets below)

set -u
: "${KTSTR_PROGRAMS:?is set by make check-large}"

# The presets of the gauntlet. From 4 to 64 CPUs: one LLC to many, one node to four,
# with SMT and without, odd counts; then 128, and 252 with APIC ids up to 433, which
# take a split irqchip.
all=(1n1l4c1t 1n2l2c1t 1n3l3c1t 1n2l3c2t 1n4l4c1t 2n4l2c2t 1n5l3c1t 4n4l2c2t 1n7l3c1t
     2n4l4c2t 1n8l4c1t 4n8l4c1t 1n3l11c1t 2n6l4c2t 1n1l64c1t 2n8l4c2t 4n16l2c2t
     4n8l8c2t '4n14l9c2t,llcs=4:4:3:3')
read -ra specs <<<"${KTSTR_LARGE:-${all[*]}}"

limit=3600	# seconds for a guest; it has limits of its own for each step
logs=$KTSTR_PROGRAMS/obj/check-large
mkdir -p "$logs" && rm -f "$logs"/* || exit
cd "$KTSTR_PROGRAMS" || exit

# Each emulated host has one CPU; guests that run for real need all there are.
slots=$(nproc)
if [ "${KTSTR_HOST:-}" = native ] || grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo; then
	slots=1
fi

boot()
{
	local start=$SECONDS

	KTSTR_TOPOLOGY=$1 timeout "$limit" ./topology -v env >"$logs/$1.log" 2>&1
	echo "$? $((SECONDS - start))" >"$logs/$1.status"
}

# What boot() has left of the guest: one line, and all the rest if it has failed.
tell()
{
	local log=$logs/$1.log status seconds cpus ready reason

	read -r status seconds <"$logs/$1.status"
	cpus=$(sed -n 's/^# clocksource .*, \([0-9]*\) CPUs online$/\1/p' "$log")
	ready=$(sed -n 's/.*, ready after \([0-9]*\) ms$/\1/p' "$log")
	reason=$(sed -n 's/.*# SKIP *//p' "$log")
	if [ "$status" = 4 ] || { [ "$status" = 0 ] && [ -n "$reason" ]; }; then
		skipped=$((skipped + 1))
		echo "ok $n $1 # SKIP $reason"
	elif [ "$status" = 0 ] && [ -n "$cpus" ]; then
		passed=$((passed + 1))
		echo "ok $n $1: $cpus CPUs, ready after $((ready / 1000)) s, checked after $seconds s"
	else
		failed=$((failed + 1))
		sed 's/^/# /' "$log"
		echo "not ok $n $1: status $status after $seconds s; $log"
	fi
}

echo "TAP version 13"
echo "1..${#specs[@]}"
for spec in "${specs[@]}"; do
	while [ "$(jobs -rp | wc -l)" -ge "$slots" ]; do
		wait -n
	done
	boot "$spec" &
done &
starter=$!
trap 'kill $starter 2>/dev/null' EXIT

n=0
passed=0
failed=0
skipped=0
for spec in "${specs[@]}"; do
	n=$((n + 1))
	until [ -s "$logs/$spec.status" ]; do
		sleep 0.2
	done
	tell "$spec"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
