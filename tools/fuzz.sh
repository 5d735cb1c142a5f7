#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the fuzzers: for "make fuzz", which has built the suite by now and says
# where (KTSTR_DIR, KTSTR_BUILD, KTSTR_PROGRAMS), and, for moments only, for
# "make check", as KTAP.
#
#	tools/fuzz.sh check|fuzz
#
# KTSTR_FUZZ		fuzzers, by the names of their files in fuzz/ (all of them)
# KTSTR_FUZZ_RUNS	inputs for each of them (10000000)
# KTSTR_FUZZ_SECONDS	or until so much time has passed (no limit)
#
# What "make fuzz" learns is kept for its next run, beside its findings.

set -u
: "${KTSTR_DIR:?is set by make fuzz}" "${KTSTR_BUILD:?}" "${KTSTR_PROGRAMS:?}"

action=${1:-fuzz}
out=$KTSTR_PROGRAMS/obj/fuzz
cd "$KTSTR_DIR" || exit
mapfile -t all < <(basename -s .c fuzz/*.c)
read -ra names <<<"${KTSTR_FUZZ:-${all[*]}}"

die()
{
	printf 'fuzz: %s\n' "$1" >&2
	exit 2
}

# A fuzzer takes what is no number for 0, and does nothing or never ends.
check_variables()
{
	local name

	for name in "${names[@]}"; do
		[ -e "fuzz/$name.c" ] ||
			die "KTSTR_FUZZ: there is no fuzzer $name, but ${all[*]}"
	done
	[[ ${KTSTR_FUZZ_RUNS:-1} =~ ^[1-9][0-9]{0,8}$ ]] ||
		die "KTSTR_FUZZ_RUNS=$KTSTR_FUZZ_RUNS: must be 1 to 999999999"
	[[ ${KTSTR_FUZZ_SECONDS:-0} =~ ^(0|[1-9][0-9]{0,8})$ ]] ||
		die "KTSTR_FUZZ_SECONDS=$KTSTR_FUZZ_SECONDS: must be a number of seconds"
}

find_clang()
{
	local c

	for c in clang $(seq -f 'clang-%.0f' 40 -1 16); do
		echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' |
			"$c" -fsanitize=fuzzer,address,undefined -x c - -o /dev/null 2>/dev/null || continue
		echo "$c"
		return
	done
	return 1
}

build()
{
	make -C "$KTSTR_DIR" -j2 -s FUZZ=1 OUTPUT="$KTSTR_PROGRAMS" LLVM="${clang#clang}" \
		CC="$clang" KHDR_INCLUDES="-isystem $KTSTR_BUILD/usr/include" \
		SCX_BUILD="$KTSTR_PROGRAMS/obj/scx/build" WERROR=1 msg= fuzzers
}

# run NAME DIRECTORY OPTION...: new inputs go to DIRECTORY
run()
{
	local name=$1 dir=$2 max_len=8192

	# These are lists of operations, some in a byte or two: more of them take longer, and
	# show nothing new.
	case $name in
	initramfs | virtio_blk) max_len=1024 ;;
	ioapic | virtio_console | virtio_net) max_len=512 ;;
	control) max_len=256 ;;
	esac
	shift 2
	mkdir -p "$dir" "$out/findings"
	"$out/fuzz_$name" -rss_limit_mb=2048 -timeout=20 -max_len=$max_len -print_final_stats=1 \
		-artifact_prefix="$out/findings/$name-" "$@" "$dir" "fuzz/corpus/$name" 2>&1
}

check()
{
	local name n=0 log=$out/check.log new=$out/check

	echo "TAP version 13"
	echo "1..${#names[@]}"
	if ! clang=$(find_clang); then
		for name in "${names[@]}"; do
			n=$((n + 1))
			echo "ok $n fuzz $name # SKIP no clang with libFuzzer (clang-19 and libclang-rt-19-dev)"
		done
		return
	fi
	if ! build >&2; then
		echo "Bail out! the fuzzers do not build"
		return 1
	fi
	for name in "${names[@]}"; do
		n=$((n + 1))
		rm -rf "$new"
		if run "$name" "$new" -seed=1 -runs=10000 >"$log"; then
			echo "ok $n fuzz $name"
		else
			sed 's/^/# /' "$log"
			echo "not ok $n fuzz $name"
		fi
	done
	rm -rf "$new" "$log"
}

fuzz()
{
	local name start status=0 log

	if ! clang=$(find_clang); then
		echo "ktstr: no clang with libFuzzer: install clang-19 and libclang-rt-19-dev" >&2
		return 1
	fi
	build || return
	for name in "${names[@]}"; do
		start=$SECONDS
		log=$out/$name.log
		echo "$name: log: $log"
		if run "$name" "$out/corpus/$name" -runs="${KTSTR_FUZZ_RUNS:-10000000}" \
		       -max_total_time="${KTSTR_FUZZ_SECONDS:-0}" >"$log"; then
			echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs," \
			     "$((SECONDS - start)) s, no finding"
		else
			grep -E 'ERROR|not true|runtime error|^SUMMARY|Test unit' "$log" | head -n 5
			echo "$name: failed after $((SECONDS - start)) s"
			status=1
		fi
	done
	return $status
}

check_variables
case $action in
check | fuzz) "$action" ;;
*)
	echo "usage: $0 check|fuzz" >&2
	exit 1
	;;
esac
