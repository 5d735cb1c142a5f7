#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# tools/detect.sh with what may come between it and its end. ktstr_detect is a toy
# that has six plays, in two parts.

set -u
repo=$(cd "$(dirname "$0")/.." && pwd -P)
tmp=$(mktemp -d)
# shellcheck source=unit/ktap.sh
. "$repo/unit/ktap.sh"
trap 'rm -rf "$tmp"' EXIT

# Each play is noted in $TOY/played; $TOY/hook, if a test writes one, comes before it.
cat >"$tmp/ktstr_detect" <<'END'
#!/bin/bash
done=${2:--}
[ "$done" != - ] || done=/dev/null
case $1 in
files)	echo "$0" ;;
plan)	[ "${KTSTR_ROUNDS:-5}" -gt 0 ] || { echo "KTSTR_ROUNDS is wrong" >&2; exit 2; }
	left=$((6 - $(grep -a PASS$ "$done" | sort -u | wc -l)))
	echo "6 $left 2 600 $((left * 100))" ;;
play)	part=${3%/*}
	for i in 1 2 3 4 5 6; do
		[ $((i % 2)) = $((part % 2)) ] || continue
		! grep -aqP "^cell\t$i\tPASS$" "$done" || continue
		[ ! -e "$TOY/hook" ] || . "$TOY/hook"
		echo "$i" >>"$TOY/played"
		printf 'cell\t%s\tPASS\n' "$i"
	done ;;
report)	sed 's/^/report: /' "$done"
	echo "caught: 1 of 1"
	echo "false alarms: 0 of 5"
	exit "$(cat "$TOY/status" 2>/dev/null || echo 0)" ;;
esac
END
chmod +x "$tmp/ktstr_detect"

# Background jobs of a script start with SIGINT ignored.
command=(env --default-signal=INT -u KTSTR_FULL -u KTSTR_SHARD -u KTSTR_ROUNDS -u KTSTR_DURATION KTSTR_PROGRAMS="$tmp" KTSTR_CACHE="$tmp/cache"
	 TOY="$tmp" KTSTR_DETECT_EVERY=1)

# run NAME=VALUE...: sets $status.
run()
{
	"${command[@]}" "$@" "$repo/tools/detect.sh" >"$tmp/out" 2>&1 </dev/null
	status=$?
}

anew()
{
	rm -rf "$tmp"/{cache,hook,status,played}
	: >"$tmp/played"
}

# expect_played NAME PLAYS...: by all runs since anew
expect_played()
{
	local name=$1 played

	shift
	played=$(sort "$tmp/played" | tr '\n' ' ')
	if [ "${played% }" = "$*" ]; then
		ok "$name"
	else
		not_ok "$name" "played: $played"
	fi
}

expect_nobody()
{
	local left i

	for ((i = 0; i < 600; i++)); do
		left=$(grep -lsaF "TOY=$tmp" /proc/[0-9]*/environ | grep -v "/proc/$$/")
		[ -n "$left" ] || { ok "$1"; return; }
		sleep 0.1
	done
	not_ok "$1" "left: $left"
}

# interrupt SIGNAL: start a run, and send it SIGNAL when it has played two.
interrupt()
{
	local pid i

	"${command[@]}" "$repo/tools/detect.sh" >"$tmp/out" 2>&1 </dev/null &
	pid=$!
	for ((i = 0; i < 600; i++)); do
		[ "$(cat "$tmp"/cache/detect/*/part-*.log 2>/dev/null | grep -c ^cell)" -lt 2 ] ||
			break
		sleep 0.1
	done
	# It has seen that, too.
	sleep 1
	kill -"$1" "$pid"
	wait "$pid" 2>/dev/null
	status=$?
}

echo "TAP version 13"

anew
run
expect "a run" 0 "6 plays, about 10 min, 2 at a time" "report: cell	6	PASS" "6 of 6 plays"
expect_played "all is played once" 1 2 3 4 5 6
if [ "$(tail -n 2 "$tmp/out")" = "caught: 1 of 1
false alarms: 0 of 5" ]; then
	ok "its last two lines are those of the report"
else
	not_ok "its last two lines are those of the report" "they are not"
fi
run
expect "another run" 0 "6 of 6 plays"
expect_played "starts anew" 1 1 2 2 3 3 4 4 5 5 6 6

echo 1 >"$tmp/status"
run
expect "a report that is not good" 1 "caught: 1 of 1"

anew
run KTSTR_ROUNDS=0
expect "a bad value" 2 "KTSTR_ROUNDS is wrong"
expect_played "is refused before anything is played"

# --- interrupted ------------------------------------------------------------------
for signal in INT TERM; do
	want=130
	[ $signal = INT ] || want=143
	anew
	# shellcheck disable=SC2016 # for the toy
	echo '[ $i -le 2 ] || exec sleep 60' >"$tmp/hook"
	interrupt $signal
	expect "SIG$signal" $want "interrupted; the same command goes on from here"
	expect_nobody "SIG$signal leaves nobody behind"
	expect_played "it has played some" 1 2
	rm "$tmp/hook"
	run KTSTR_ROUNDS=7
	expect "another plan" 0 "6 of 6 plays"
	expect_played "does not take them for its own" 1 1 2 2 3 4 5 6
	run
	expect "the same command" 0 "2 were played by a run before, about 7 min left" "6 of 6 plays"
	expect_played "goes on" 1 1 2 2 3 3 4 4 5 5 6 6
done

anew
# shellcheck disable=SC2016
echo '[ $i -le 2 ] || exec sleep 60' >"$tmp/hook"
interrupt INT
rm "$tmp/hook"
run KTSTR_FRESH=1
expect "KTSTR_FRESH=1" 0 "6 of 6 plays"
expect_played "starts anew" 1 1 2 2 3 4 5 6

anew
# shellcheck disable=SC2016
echo '[ $i -le 2 ] || exec sleep 600' >"$tmp/hook"
interrupt KILL
run
expect "SIGKILL: what is left alive is not disturbed" 1 "another run is at work"
grep -lsaF "TOY=$tmp" /proc/[0-9]*/environ | cut -d/ -f3 | grep -vx $$ | xargs -r kill
expect_nobody "until it has ended"
rm "$tmp/hook"
run
expect "a run after that" 0 "2 were played by a run before" "6 of 6 plays"
expect_played "goes on" 1 2 3 4 5 6

# --- parts that end ------------------------------------------------------------------
anew
cat >"$tmp/hook" <<'END'
if [ $i -gt 2 ] && [ ! -e $TOY/crash$i ]; then
	touch $TOY/crash$i
	printf 'cell\t%s' $i
	kill -9 $$
fi
END
run
expect "parts that crash at times" 0 "6 of 6 plays" "report: cell	5	PASS"
expect_played "are begun again" 1 2 3 4 5 6

anew
# shellcheck disable=SC2016
echo '[ $i != 5 ] || { echo "no fun"; exit 9; }' >"$tmp/hook"
run
expect "a part that always ends" 0 "5 of 6 plays" "no fun" "a part ended with status 9"
expect_played "ends the run" 1 2 3 4 6
rm "$tmp/hook"
run
expect "once that is repaired" 0 "5 were played by a run before" "6 of 6 plays"

anew
echo 'echo "no KVM"; exit 4' >"$tmp/hook"
run
expect "a host that cannot run guests" 4 "no KVM" "this host cannot run guests"

anew
# shellcheck disable=SC2016
echo '[ $i != 4 ] || [ -e $TOY/silent ] || { touch $TOY/silent; exec sleep 60; }' >"$tmp/hook"
run KTSTR_DETECT_SILENCE=10
expect "a part that is silent" 0 "part 2 was silent for 10 s" "4 of 6 plays" "6 of 6 plays"
expect_nobody "is ended"

anew
# shellcheck disable=SC2016
echo '[ $i != 4 ] || { echo slow >>$TOY/played; sleep 4; }' >"$tmp/hook"
run KTSTR_DETECT_SILENCE=1 KTSTR_DURATION=20
expect "a part with longer plays" 0 "6 of 6 plays"
expect_played "is not ended" 1 2 3 4 5 6 slow

echo "1..$n"
exit $bad
