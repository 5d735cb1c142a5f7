#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Every test there is, for "make check", which has built the suite by now and
# says where: KTSTR_TREE, KTSTR_BUILD (the kernel's objects), KTSTR_DIR (this
# directory in the tree), KTSTR_PROGRAMS (the suite's output). Each test is one
# line of KTAP; the last line here counts them all.

set -u
: "${KTSTR_TREE:?is set by make check}" "${KTSTR_BUILD:?}" "${KTSTR_DIR:?}" "${KTSTR_PROGRAMS:?}"

cd "$KTSTR_DIR" || exit
export KTSTR_TREE KTSTR_BUILD KTSTR_DIR KTSTR_PROGRAMS
logs=$KTSTR_PROGRAMS/obj/check
mkdir -p "$logs" && rm -f "$logs"/*.log "$logs"/*.status || exit
timeout=$(sed -n 's/^timeout=//p' settings)
passed=0
failed=0
skipped=0

# Those that were started, how many of them were told of, and when something was said
names=()
told=0
last=0

# Nobody writes into this pipe: to read from it is to wait.
exec {silence}<> <(:)

# --- single checks, each of which speaks KTAP ------------------------------

# ktap NAME COMMAND...: one test, which fails with all that the command says.
ktap()
{
	local name=$1 out

	shift
	n=$((n + 1))
	if out=$("$@" 2>&1); then
		echo "ok $n $name"
	else
		printf '%s\n' "$out" | sed 's/^/# /'
		echo "not ok $n $name"
	fi
}

plan()
{
	n=0
	echo "TAP version 13"
	echo "1..$1"
}

list()
{
	find . \( -path ./obj -o -path ./san -o -path ./.git \) -prune -o -type f "$@" -print | sort
}

checkpatch()
{
	local files file

	mapfile -t files < <(list -name '*.[ch]')
	plan ${#files[@]}
	for file in "${files[@]}"; do
		ktap "checkpatch $file" "$KTSTR_TREE/scripts/checkpatch.pl" --root="$KTSTR_TREE" \
			--strict --terse --no-summary -f "$file"
	done
}

scripts()
{
	local files file

	mapfile -t files < <(list \( -name '*.sh' -o -path './.ci/run' \))
	plan ${#files[@]}
	for file in "${files[@]}"; do
		if command -v shellcheck >/dev/null; then
			ktap "shellcheck $file" shellcheck -x "$file"
		else
			n=$((n + 1))
			echo "ok $n shellcheck $file # SKIP shellcheck is not installed"
		fi
	done
}

# build KIND VARIABLE...: everything with warnings as errors.
build()
{
	local kind=$1

	shift
	plan 1
	ktap "build $kind" make -C "$KTSTR_DIR" -j2 -s OUTPUT="$KTSTR_PROGRAMS/obj/check-$kind" \
		KHDR_INCLUDES="-isystem $KTSTR_BUILD/usr/include" \
		SCX_BUILD="$KTSTR_PROGRAMS/obj/scx/build" WERROR=1 msg= "$@" programs
}

clang_build()
{
	local clang

	for clang in clang $(seq -f 'clang-%.0f' 40 -1 16); do
		if "$clang" -dM -E - </dev/null 2>/dev/null | grep -qE '__clang_major__ (1[6-9]|[2-9].)'; then
			build clang LLVM="${clang#clang}" CC="$clang"
			return
		fi
	done
	plan 1
	echo "ok 1 build clang # SKIP no clang of version 16 or later"
}

# program PATH ARGUMENT...
program()
{
	(cd "$(dirname "$1")" && exec timeout "$timeout" "./$(basename "$1")" "${@:2}")
}

# --- running them, several at a time, told in order ------------------------

# Looking costs no process: guests that run meanwhile have few CPUs.
has_slot()
{
	local name running=0

	for name in "${names[@]:told}"; do
		[ -s "$logs/$name.status" ] || running=$((running + 1))
	done
	[ "$running" -lt "$slots" ]
}

pause()
{
	read -rt 0.1 -u "$silence"
}

# start NAME COMMAND...
start()
{
	local name=$1

	shift
	until has_slot; do
		tell || pause
	done
	names+=("$name")
	{
		"$@"
		echo $? >"$logs/$name.status"
	} >"$logs/$name.log" 2>&1 {silence}>&- &
}

# Count NAME's results; one that ended early is one failure more.
count()
{
	local log=$logs/$1.log status pass fail skip plan died=

	status=$(cat "$logs/$1.status")
	read -r pass fail skip plan < <(awk '
		/^1\.\.[0-9]/		{ plan = substr($1, 4) }
		/^ok .*# SKIP/		{ skip++; next }
		/^ok /			{ pass++ }
		/^not ok /		{ fail++ }
		END { print pass + 0, fail + 0, skip + 0, plan == "" ? -1 : plan }' "$log")
	if [ "$status" = 4 ] && [ $((pass + fail + skip)) -eq 0 ]; then
		skip=1
	elif [ "$status" = 124 ]; then
		died="ran into its timeout of $timeout s"
	elif [ "$plan" -lt 0 ] || [ $((pass + fail + skip)) -lt "$plan" ]; then
		died="ended with status $status after $((pass + fail + skip)) of its tests"
	elif [ "$status" != 0 ] && [ "$fail" -eq 0 ]; then
		died="ended with status $status though no test failed"
	fi
	if [ -n "$died" ]; then
		echo "not ok $1 $died" >>"$log"
		fail=$((fail + 1))
	fi
	passed=$((passed + pass))
	failed=$((failed + fail))
	skipped=$((skipped + skip))
	case $fail,$1 in
	0,unit_* | 0,build-* | 0,run_test | 0,scripts | 0,checkpatch | 0,fuzz)
		grep -E '^ok .*# SKIP' "$log" ;;
	0,*)
		grep -vE '^# +(RUN|OK) ' "$log" ;;
	*,unit_* | *,build-* | *,run_test | *,scripts | *,checkpatch | *,fuzz)
		grep -v '^ok ' "$log" ;;
	*)
		cat "$log" ;;
	esac
	echo "$1: $pass passed, $fail failed, $skip skipped ($SECONDS s; $log)"
}

# The next one in the order of their start, if it has ended, or else a sign of its life
tell()
{
	local name

	[ "$told" -lt ${#names[@]} ] || return
	name=${names[told]}
	if [ -s "$logs/$name.status" ]; then
		count "$name"
		told=$((told + 1))
		last=$SECONDS
		return 0
	fi
	if [ $((SECONDS - last)) -ge 10 ]; then
		last=$SECONDS
		echo "... $SECONDS s, $name:" \
		     "$(grep -cE '^(not )?ok ' "$logs/$name.log") results so far"
	fi
	return 1
}

finish()
{
	while [ "$told" -lt ${#names[@]} ]; do
		tell || pause
	done
	names=()
	told=0
}

# --- huge pages, for the tests that take some ---------------------------------

pool=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
pool_was=

return_huge_pages()
{
	[ -z "$pool_was" ] || echo "$pool_was" >"$pool"
	pool_was=
}

# As many as the largest of these tests takes; without root they are skipped.
reserve_huge_pages()
{
	[ "$(id -u)" = 0 ] && [ -w "$pool" ] || return 0
	trap return_huge_pages EXIT
	pool_was=$(<"$pool")
	echo $((pool_was + 16)) >"$pool"
}

slots=$(nproc)
start build-gcc build gcc
start build-clang clang_build
start build-sanitizers build sanitizers SAN_FLAGS="-fsanitize=address,undefined \
-fno-sanitize-recover=all -fno-omit-frame-pointer"
finish

# What is built is there by now; the slow perl of checkpatch leaves a CPU to the rest.
start checkpatch checkpatch
start scripts scripts
start fuzz tools/fuzz.sh check

reserve_huge_pages
for unit in unit/*_test.sh; do
	[ ! -e "$unit" ] || start "$(basename "$unit" .sh)" program "$KTSTR_DIR/$unit"
done
for unit in unit/*_test.c; do
	name=unit_$(basename "$unit" _test.c)
	start "$name" program "$KTSTR_PROGRAMS/$name"
	start "$name-sanitized" program "$KTSTR_PROGRAMS/obj/check-sanitizers/$name"
done
finish
return_huge_pages

# Each emulated host has one CPU; guests that run for real need all there are.
if [ "${KTSTR_HOST:-}" = native ] || grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo; then
	slots=1
fi
# The longest first, so that no CPU is left without work for long at the end.
start detect program "$KTSTR_PROGRAMS/ktstr_detect" check
# The largest program has a part for each scheduler: the variants of any of its fixtures.
mapfile -t variants < <("$KTSTR_PROGRAMS/catalogue" -l 2>&1 |
	awk '/^-/ { on = 0 } /^basic / { on = 1 } on && substr($0, 22, 1) != " " {
		print substr($0, 22, index(substr($0, 22) " ", " ") - 1) }')
[ ${#variants[@]} -gt 0 ] || start catalogue program "$KTSTR_PROGRAMS/catalogue"
for variant in "${variants[@]}"; do
	start "catalogue-$variant" program "$KTSTR_PROGRAMS/catalogue" -v "$variant"
done
for scenario in scenarios/*.c; do
	name=$(basename "$scenario" .c)
	[ "$name" = catalogue ] || start "$name" program "$KTSTR_PROGRAMS/$name"
done
finish

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
