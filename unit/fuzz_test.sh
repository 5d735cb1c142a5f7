#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# tools/fuzz.sh with variables that are wrong. There is nothing that it could build.

set -u
repo=$(cd "$(dirname "$0")/.." && pwd -P)
tmp=$(mktemp -d)
# shellcheck source=unit/ktap.sh
. "$repo/unit/ktap.sh"
trap 'rm -rf "$tmp"' EXIT

# Two fuzzers, which no make will find.
mkdir "$tmp/fuzz"
touch "$tmp/fuzz/one.c" "$tmp/fuzz/two.c"

run()
{
	env -u KTSTR_FUZZ -u KTSTR_FUZZ_RUNS -u KTSTR_FUZZ_SECONDS KTSTR_DIR="$tmp" \
		KTSTR_BUILD="$tmp" KTSTR_PROGRAMS="$tmp" "$@" \
		"$repo/tools/fuzz.sh" fuzz >"$tmp/out" 2>&1 </dev/null
	status=$?
}

echo "TAP version 13"

run KTSTR_FUZZ="two three"
expect "a fuzzer that is not there" 2 "there is no fuzzer three, but one two"
for value in abc 0 -1 1e6 9999999999; do
	run KTSTR_FUZZ_RUNS=$value
	expect "$value runs" 2 "KTSTR_FUZZ_RUNS=$value: must be 1 to"
done
for value in abc -1 60s; do
	run KTSTR_FUZZ_SECONDS=$value
	expect "$value seconds" 2 "KTSTR_FUZZ_SECONDS=$value: must be a number"
done
# These are right: what fails is something else.
run KTSTR_FUZZ=one KTSTR_FUZZ_RUNS=10000000 KTSTR_FUZZ_SECONDS=0
if [ $status != 2 ] || ! grep -q "^fuzz: KTSTR" "$tmp/out"; then
	ok "values that are right"
else
	not_ok "values that are right" "they are refused"
fi

echo "1..$n"
exit $bad
