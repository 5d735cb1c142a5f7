#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Every measurement, for "make bench", which has built the programs by now and
# says where (KTSTR_PROGRAMS). Each is a line; the same as JSON goes to the file
# that the last line names: bench.json in KTSTR_RESULTS, or beside the programs.
# Fails if a measurement is missing; its program has said why.

set -u -o pipefail
: "${KTSTR_PROGRAMS:?is set by make bench}"

names=(setup-1 setup-8 setup-64 setup-252 setup-1024 initramfs-handoff vm-second pss-shared rss-1
       measuring scenario scenario-crowded scenario-kept scenario-kept-crowded
       boot-1 boot-8 boot-32)
json=${KTSTR_RESULTS:-$KTSTR_PROGRAMS}/bench.json
log=${json%.json}.log
limit=3600	# seconds for a program, whose runs have their own limits
status=0

: >"$log" || exit
for program in setup initramfs rss measuring scenario boot; do
	timeout "$limit" "$KTSTR_PROGRAMS/bench_$program" | tee -a "$log" || status=1
done

# bench: NAME VALUE UNIT ratio=R vs=PEER target=T
awk '	BEGIN	{ printf "[" }
	/^bench: / && NF == 7 {
		sub("ratio=", "", $5); sub("vs=", "", $6); sub("target=", "", $7)
		printf "%s\n  {\"name\": \"%s\", \"value\": %s, \"unit\": \"%s\", \"ratio\": %s, " \
		       "\"vs\": \"%s\", \"target\": %s, \"met\": %s}",
		       comma, $2, $3, $4, $5, $6, $7, $5 + 0 <= $7 + 0 ? "true" : "false"
		comma = ","
	}
	END	{ print "\n]" }' "$log" >"$json" || exit

for name in "${names[@]}"; do
	grep -q "^bench: $name " "$log" && continue
	echo "bench: $name was not measured, see above" >&2
	status=1
done
# No failure: such figures are of this machine, and of what else it did meanwhile.
awk '	/^bench: / && NF == 7 {
		split($5, ratio, "="); split($7, target, "=")
		if (ratio[2] + 0 <= target[2] + 0)
			met++
		else
			print "missed: " $2 " " $5 " " $7
	}
	END	{ printf "targets: %d of %d met\n", met, '${#names[@]}' }' "$log"
echo "results: $json"
exit $status
