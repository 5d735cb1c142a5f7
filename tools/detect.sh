#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Schedulers against scenarios, for "make detect", which has built the suite by now
# and says where (KTSTR_PROGRAMS): ktstr_detect plays, one on each emulated host that
# this machine has a CPU for, or one if guests run for real. What was played is kept
# in the cache until all is; a run that was interrupted goes on from there.
#
# KTSTR_FULL, KTSTR_ROUNDS, KTSTR_SHARD, KTSTR_SCHEDULER, KTSTR_EXPECT, KTSTR_KERNEL,
# KTSTR_CMDLINE	what to play, see Documentation/detect.md
# KTSTR_FRESH	1: forget what an interrupted run has played
# KTSTR_CACHE	where it is kept (~/.cache/ktstr)

set -u
: "${KTSTR_PROGRAMS:?is set by make detect}"

# In seconds. The longest play has limits of its own below that silence, beside the
# time that its workers run.
every=${KTSTR_DETECT_EVERY:-60}
silence=${KTSTR_DETECT_SILENCE:-1200}
[[ ! ${KTSTR_DURATION:-} =~ ^[1-9][0-9]{0,3}$ ]] || silence=$((silence + KTSTR_DURATION))
pids=()

die()
{
	printf 'detect: %s\n' "$1" >&2
	exit "${2:-1}"
}

# shellcheck disable=SC2317 # it is for a trap
stop_parts()
{
	[ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null
	wait
	pids=()
}

# shellcheck disable=SC2317 # it is a trap
on_signal()
{
	trap '' INT TERM HUP
	stop_parts
	echo "detect: interrupted; the same command goes on from here" >&2
	exit "$1"
}

# What decides the results: if it changes, those of before are worth nothing.
key()
{
	{
		env | grep -E '^KTSTR_(FULL|ROUNDS|SHARD|SCHEDULER|EXPECT|KERNEL|CMDLINE|DURATION|HOST|PERFORMANCE)=' |
			sort
		./ktstr_detect files | sort -u | xargs -d '\n' sha256sum
	} | sha256sum | cut -c 1-16
}

# All lines about plays; what was being written when a run was killed is no whole one.
collect()
{
	cat "$state"/part-*.log 2>/dev/null | grep -a "^cell$(printf '\t')" >"$state/done"
	read -r total left parts seconds left_seconds < <(./ktstr_detect plan "$state/done") ||
		die "ktstr_detect has no plan"
}

# Seconds, as $took
duration()
{
	if [ "$1" -ge 5400 ]; then
		took="$((($1 + 1800) / 3600)) h"
	else
		took="$((($1 + 59) / 60)) min"
	fi
}

# What was played since this script began says how long the rest takes.
progress()
{
	collect
	if [ "$left" -lt "$first_left" ] && [ $((SECONDS - start)) -ge "$every" ]; then
		duration $(((SECONDS - start) * left / (first_left - left)))
	else
		duration "$left_seconds"
	fi
	printf '%(%T)T %d of %d plays, %s left\n' -1 $((total - left)) "$total" "$took"
}

# A part that says nothing any more is stuck where no limit of a play is.
end_silent()
{
	local i log now since

	for i in "${!pids[@]}"; do
		log=$state/part-$((i + 1)).log
		read -r since < <(stat -c %Y "$log")
		printf -v now '%(%s)T' -1
		if [ $((now - since)) -gt "$silence" ] &&
		   kill "${pids[$i]}" 2>/dev/null; then
			echo "detect: part $((i + 1)) was silent for $silence s; see $log"
		fi
	done
}

# Until all parts have ended, whatever they could play
play_parts()
{
	local i last=$SECONDS

	cp "$state/done" "$state/begun" || die "cannot write to $state"
	for ((i = 1; i <= parts; i++)); do
		# A line that a killed run has left unfinished is ended first.
		echo >>"$state/part-$i.log"
		./ktstr_detect play "$state/begun" "$i/$parts" >>"$state/part-$i.log" 2>&1 \
			</dev/null &
		pids+=($!)
	done
	while kill -0 "${pids[@]}" 2>/dev/null; do
		sleep 0.5
		if [ $((SECONDS - last)) -ge "$every" ]; then
			last=$SECONDS
			progress
			end_silent
		fi
	done
	status=0
	for i in "${!pids[@]}"; do
		wait "${pids[$i]}" || status=$?
	done
	pids=()
}

cd "$KTSTR_PROGRAMS" || exit
./ktstr_detect plan - >/dev/null || exit
cache=${KTSTR_CACHE:-${HOME:?}/.cache/ktstr}/detect
state=$cache/$(key)
mkdir -p "$state" || exit
find "$cache" -mindepth 1 -maxdepth 1 -type d -mtime +7 ! -path "$state" -exec rm -rf {} +
# Whatever a killed run has left alive holds the lock, too.
exec {lock}>"$state/lock"
flock -n "$lock" || die "another run is at work in $state"
# From here on, there is no $(...): what bash 5.2 is to do on a signal that comes while it
# waits for one is a syntax error to it, and the signal is lost.
trap 'on_signal 130' INT
trap 'on_signal 143' TERM
trap 'on_signal 129' HUP

if [ -e "$state/finished" ] || [ "${KTSTR_FRESH:-}" = 1 ]; then
	rm -f "$state"/finished "$state"/part-*.log
fi
start=$SECONDS
collect
first_left=$left
duration "$seconds"
echo "$total plays, about $took, $parts at a time; logs: $state"
duration "$left_seconds"
[ "$left" -eq "$total" ] ||
	echo "$((total - left)) were played by a run before, about $took left"

# What ended a part may not happen again; a play that always does is found by that.
while [ "$left" -gt 0 ]; do
	before=$left
	play_parts
	collect
	if [ "$left" -eq "$before" ]; then
		tail -n 20 "$state"/part-*.log >&2
		[ "$status" -eq 4 ] && [ "$left" -eq "$total" ] && die "this host cannot run guests" 4
		echo "detect: a part ended with status $status" >&2
		break
	fi
done
echo "$((total - left)) of $total plays, $((SECONDS - start)) s"
[ "$left" -gt 0 ] || touch "$state/finished"
exec ./ktstr_detect report "$state/done"
