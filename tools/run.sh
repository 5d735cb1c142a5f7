#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# From a fresh machine to a verdict: "make run", "make check", "make check-large",
# "make detect", "make bench" and "make fuzz" end up here. Packages, a kernel tree,
# this directory in it, the kernel, the suite, the tests; every stage may be
# interrupted anyhow and be run again.
#
#	tools/run.sh run|check|check-large|detect|bench|fuzz
#
# FULL		1, with run: all scenarios of the catalogue, on two topologies; with
#		detect: all schedulers in all scenarios
# KDIR		kernel tree to test; with none given, linux-source-6.12 from Debian
# O		where KDIR is built, as for the kernel's own make
# KTSTR_SOURCE	tarball of the kernel to test, if it is not Debian's
# KTSTR_CACHE	where trees, builds and logs are kept (~/.cache/ktstr)
# KTSTR_HOST	native: do not prepare an emulated host; emulated: do

# "A && B || die": die does not return.
# shellcheck disable=SC2015

set -u

action=${1:-run}
repo=$(cd "$(dirname "$0")/.." && pwd -P)
jobs=$(nproc)
suite=sched_ext/ktstr
parent=$PPID
guard_in=
session=0
nstage=0

# Make's own variables are about the make that called this script.
user_o=${O:-}
make_level=${MAKELEVEL:-0}
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL MAKE_TERMOUT MAKE_TERMERR O KBUILD_OUTPUT

die()
{
	local status=1

	if [ "$1" = -s ]; then
		status=$2
		shift 2
	fi
	printf '\nktstr: %s\n' "$1" >&2
	shift
	[ $# -eq 0 ] || printf '       %s\n' "$@" >&2
	exit "$status"
}

# --- variables --------------------------------------------------------------

# The tests run in another directory.
make_absolute()
{
	local name

	for name in KTSTR_KERNEL KTSTR_RESULTS KTSTR_LOCK_DIR KTSTR_EMULATED_HOST; do
		case ${!name:-} in
		"" | /*) ;;
		*)	export "$name=$PWD/${!name}" ;;
		esac
	done
	# Without a slash it is the name of one of the suite's own.
	name=${KTSTR_SCHEDULER:-}
	case ${name%% *} in
	/*)	;;
	*/*)	export KTSTR_SCHEDULER=$PWD/$name ;;
	esac
}

# The programs would say it, too, but a kernel may have to be built before there are any.
check_variables()
{
	local scheduler

	case ${KTSTR_HOST:-} in
	"" | native | emulated) ;;
	*)	die "KTSTR_HOST=$KTSTR_HOST: must be native or emulated." ;;
	esac
	make_absolute
	[ -z "${KTSTR_KERNEL:-}" ] || { [ -f "$KTSTR_KERNEL" ] && [ -r "$KTSTR_KERNEL" ]; } ||
		die "KTSTR_KERNEL=$KTSTR_KERNEL is no file that can be read."
	scheduler=${KTSTR_SCHEDULER:-}
	scheduler=${scheduler%% *}
	[[ $scheduler != */* ]] || { [ -f "$scheduler" ] && [ -x "$scheduler" ]; } ||
		die "KTSTR_SCHEDULER: $scheduler is no program that can be executed."
	[ -z "${KTSTR_RESULTS:-}" ] ||
		{ mkdir -p "$KTSTR_RESULTS" 2>/dev/null && [ -w "$KTSTR_RESULTS" ]; } ||
		die "KTSTR_RESULTS=$KTSTR_RESULTS is no directory that can be written to, or be made."
}

# --- stages ---------------------------------------------------------------

stage()
{
	nstage=$((nstage + 1))
	printf '[%d/7 %s] %s\n' "$nstage" "$(date +%T)" "$1"
}

say()
{
	printf '    %s\n' "$*"
}

# Everything that a stage started is in one session, whatever groups it made.
session_pids()
{
	local stat line

	for stat in /proc/[0-9]*/stat; do
		read -r line 2>/dev/null <"$stat" || continue
		# shellcheck disable=SC2086 # fields: state ppid pgrp session
		set -- "${line%% *}" ${line##*) }
		[ "$5" != "$session" ] || [ "$2" = Z ] || echo "$1"
	done
}

# First ask, so that make removes the file it was writing.
kill_session()
{
	local pids i

	[ "$session" != 0 ] || return 0
	for ((i = 0; i < 100; i++)); do
		pids=$(session_pids)
		[ -n "$pids" ] || break
		# shellcheck disable=SC2086
		case $i in
		0)	kill -TERM $pids 2>/dev/null ;;
		50 | 90) kill -KILL $pids 2>/dev/null ;;
		esac
		sleep 0.1
	done
	session=0
}

# Outlives this script by the moment that it takes to end what it had started,
# even after SIGKILL. It is told which session that is.
guardian()
{
	local line

	trap '' INT TERM HUP
	while read -r line; do
		session=$line
	done
	kill_session
}

on_signal()
{
	trap '' INT TERM HUP
	printf '\nktstr: interrupted\n' >&2
	kill_session
	exit "$1"
}

start_session()
{
	setsid "$@" </dev/null {guard_in}>&- &
	session=$!
	echo "$session" >&"$guard_in"
}

# Wait for the session's leader; call $1 every ten seconds.
wait_session()
{
	local every=$1 last=$SECONDS ppid status

	while kill -0 "$session" 2>/dev/null; do
		sleep 0.1
		if [ $((SECONDS - last)) -ge 10 ]; then
			last=$SECONDS
			$every
		fi
		# The make that called this script was killed.
		read -r _ _ _ ppid _ 2>/dev/null </proc/$$/stat || continue
		[ "$make_level" = 0 ] || [ "$ppid" = "$parent" ] || on_signal 143
	done
	wait "$session"
	status=$?
	kill_session
	echo 0 >&"$guard_in"
	return $status
}

progress()
{
	say "$((SECONDS - start)) s, $(wc -l <"$log") steps, now:" \
	    "$(tail -n 1 "$log" | tr -s ' \t' ' ' | cut -c 1-60)"
}

# run_logged NAME COMMAND...: quiet, but for a sign of life and for failure.
run_logged()
{
	local start=$SECONDS log=$cache/log/$1.log hint=

	shift
	say "log: $log"
	start_session "$@" >"$log" 2>&1
	if wait_session progress; then
		say "done in $((SECONDS - start)) s"
		return 0
	fi
	printf '\n' >&2
	tail -n 25 "$log" | sed 's/^/    | /' >&2
	if grep -q 'No space left on device' "$log"; then
		hint="The disk is full: free some space there, or set KTSTR_CACHE to another disk."
	fi
	failure=("after $((SECONDS - start)) s; the whole log is $log" ${hint:+"$hint"})
	return 1
}

# --- 1 packages -----------------------------------------------------------

# What is checked, Debian's package of it, the reason.
needs()
{
	cat <<-'END'
	cmd:make	make		builds everything
	cmd:gcc	gcc		compiles the kernel and the suite
	cmd:ld	binutils	links the kernel
	hdr:stdio.h	libc6-dev	C library, also to link the guest's PID 1 statically
	cmd:flex	flex		the kernel's configuration language
	cmd:bison	bison		the kernel's configuration language
	cmd:bc	bc		computes the kernel's time constants
	perl	perl		scripts of the kernel's build and of kselftest
	cmd:python3	python3		generates a header of libbpf
	cmd:lz4	lz4		compresses the kernel
	cmd:xz	xz-utils	unpacks the kernel's source
	cmd:rsync	rsync		copies into the tree, and kselftest's install
	cmd:pahole	dwarves		makes the kernel's BTF, which schedulers need
	clang	clang-19	compiles the BPF side of schedulers (16 or later)
	hdr:gelf.h	libelf-dev	the kernel's objtool, libbpf
	hdr:zlib.h	zlib1g-dev	libbpf
	hdr:lz4.h	liblz4-dev	the guest's initramfs
	hdr:xxhash.h	libxxhash-dev	tells whether that has changed
	hdr:numa.h	libnuma-dev	the guest's memory, node by node
	hdr:jansson.h	libjansson-dev	JSON that programs in the guest print
	cmd:numactl	numactl		shows a guest's nodes from inside
	cmd:lscpu	util-linux	shows a guest's CPUs from inside
	END
	case $action in
	check*)	printf 'cmd:lstopo-no-graphics\thwloc-nox\tshows a guest'\''s caches from inside\n' ;;
	esac
	if [ "$action" = check ]; then
		cat <<-'END'
		cmd:iasl	acpica-tools	checks the ACPI tables
		cmd:shellcheck	shellcheck	checks the scripts
		cmd:strace	strace	makes system calls fail
		cmd:cpio	cpio		reads the initramfs archives
		jsonschema	python3-jsonschema	checks the result files
		END
	fi
	if [ "$action" = check ] || [ "$action" = fuzz ]; then
		printf 'libfuzzer\tlibclang-rt-%s-dev\t%s\n' "$(clang_major)" "the fuzzers"
	fi
	if wants_emulated_host || [ "$action" = bench ]; then
		cat <<-'END'
		cmd:qemu-system-x86_64	qemu-system-x86	the emulated host, as KVM cannot run Linux here
		cmd:zstd	zstd		unpacks the emulated host's kernel
		END
	fi
	if [ -z "${KDIR:-}${KTSTR_SOURCE:-}" ] && [ ! -e "$cache/linux-source-6.12/Makefile" ]; then
		echo "file:$debian_source	linux-source-6.12	the kernel to test, as no KDIR= was given"
	fi
}

# The oldest clang that compiles sched_ext programs is 16.
find_clang()
{
	local c v

	for c in ${CLANG:-} clang $(seq -f 'clang-%.0f' 40 -1 16); do
		v=$("$c" -dM -E - </dev/null 2>/dev/null | sed -n 's/.*__clang_major__ //p')
		if [ "${v:-0}" -ge 16 ]; then
			echo "$c"
			return 0
		fi
	done
	return 1
}

# Whichever of those that tools/fuzz.sh would take has it.
find_libfuzzer()
{
	local c

	for c in clang $(seq -f 'clang-%.0f' 40 -1 16); do
		echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' |
			"$c" -fsanitize=fuzzer -x c - -o /dev/null && return
	done
	return 1
}

clang_package()
{
	local p

	for p in clang-19 clang-2{5,4,3,2,1,0} clang-18 clang-17 clang-16; do
		if apt-cache show "$p" >/dev/null 2>&1; then
			echo "$p"
			return
		fi
	done
	echo clang-19
}

clang_major()
{
	local c

	if c=$(find_clang); then
		"$c" -dM -E - </dev/null | sed -n 's/.*__clang_major__ //p'
	else
		clang_package | tr -dc 0-9
	fi
}

present()
{
	case $1 in
	cmd:*)	command -v "${1#cmd:}" ;;
	hdr:*)	echo "#include <${1#hdr:}>" | gcc -E -x c - ;;
	file:*)	[ -e "${1#file:}" ] ;;
	clang)	find_clang ;;
	jsonschema) python3 -c 'import jsonschema' || /usr/bin/python3 -c 'import jsonschema' ;;
	libfuzzer) find_libfuzzer ;;
	# perl-base, which is always there, has no modules.
	perl)	perl -MTerm::ANSIColor -MEncode -e 1 ;;
	esac >/dev/null 2>&1
}

list_missing()
{
	local what pkg why

	needs | while read -r what pkg why; do
		present "$what" || printf '%s\t%s\t%s\n' "$what" "$pkg" "$why"
	done
}

# Lists that are older than a week name versions that are gone.
apt_lists_fresh()
{
	[ -n "$(find /var/lib/apt/lists -name '*_Packages*' -mtime -7 -print -quit 2>/dev/null)" ]
}

apt_install()
{
	export DEBIAN_FRONTEND=noninteractive

	# An installation that was killed is finished first.
	[ -z "$(dpkg --audit)" ] || dpkg --configure -a || return
	apt_lists_fresh || apt-get -q update || return
	apt-get -qy --no-install-recommends -o DPkg::Lock::Timeout=300 install "$@" && return
	apt-get -q update &&
	apt-get -qy --no-install-recommends -o DPkg::Lock::Timeout=300 install "$@"
}

packages()
{
	local missing pkgs

	stage "packages"
	missing=$(list_missing)
	if [ -z "$missing" ]; then
		say "all there"
		return
	fi
	say "missing:"
	printf '%s\n' "$missing" | while IFS=$'\t' read -r _ pkg why; do
		printf '      %-20s %s\n' "$pkg" "$why"
	done
	if ! command -v apt-get >/dev/null; then
		die -s 2 "the packages above are missing; their names are Debian's." \
		    "Install what your distribution calls them, then run this again."
	fi
	missing=${missing//clang-19/$(clang_package)}
	pkgs=$(printf '%s\n' "$missing" | cut -f 2 | sort -u | tr '\n' ' ')
	if [ "$(id -u)" != 0 ]; then
		die -s 2 "run this as root, then the same command as now again:" \
		    "apt-get update && apt-get install -y --no-install-recommends ${pkgs% }"
	fi
	# shellcheck disable=SC2086,SC2016
	run_logged packages bash -c "$(declare -f apt_lists_fresh apt_install); apt_install "'"$@"' \
		   - $pkgs || die "cannot install: ${pkgs% }" "${failure[@]}"
	missing=$(list_missing)
	[ -z "$missing" ] || die "still missing after the installation:" "$missing"
}

# --- 2 tree ---------------------------------------------------------------

need_space()
{
	local want=$1 what=$2 have

	have=$(df -Pk "$cache" | awk 'NR == 2 { print int($4 / 1024) }')
	[ "$have" -ge "$want" ] ||
		die "$cache has $have MB free; $what needs $want MB." \
		    "Free some space there, or set KTSTR_CACHE to a directory on another disk."
}

# What is under its final name is whole: it was renamed to it at the end.
unpack()
{
	local tarball=$1 id new=$cache/.unpack.$$

	id=$(stat -c '%n %s %Y' "$tarball") || die "cannot read $tarball"
	tree=$cache/$(basename "${tarball%.tar*}")
	if [ "$(cat "$tree/.ktstr-source" 2>/dev/null)" = "$id" ]; then
		say "$tree"
		return
	fi
	say "unpacking $tarball"
	if [ -e "$cache/build/vmlinux" ]; then
		need_space 1800 "the kernel's source"
	else
		need_space 3300 "the kernel, source and build,"
	fi
	mkdir "$new" || die "cannot make $new"
	run_logged unpack tar --strip-components=1 -C "$new" -xvf "$tarball" ||
		die "cannot unpack $tarball" "${failure[@]}"
	echo "$id" >"$new/.ktstr-source" || die "cannot write to $new"
	if [ -e "$tree" ]; then
		mv "$tree" "$cache/.unpack.old" || die "cannot rename $tree"
	fi
	mv "$new" "$tree" || die "cannot rename $new to $tree"
	rm -rf "$cache"/.unpack.*
}

make_variable()
{
	sed -n "s/^$1 *= *\([0-9]*\).*/\1/p" "$tree/Makefile" | head -n 1
}

find_tree()
{
	local version

	stage "kernel tree"
	rm -rf "$cache"/.unpack.*
	if [ -n "${KDIR:-}" ]; then
		tree=$(cd "$KDIR" 2>/dev/null && pwd -P) || die "KDIR=$KDIR is no directory."
	elif [ -n "${KTSTR_SOURCE:-}" ]; then
		unpack "$KTSTR_SOURCE"
	elif [ -e "$repo/../../lib.mk" ] && [ -e "$repo/../../../../../Kconfig" ]; then
		tree=$(cd "$repo/../../../../.." && pwd -P)
	elif [ -e "$debian_source" ]; then
		unpack "$debian_source"
	else
		tree=$cache/linux-source-6.12
	fi

	[ -e "$tree/Kconfig" ] && [ -e "$tree/tools/testing/selftests/lib.mk" ] &&
		[ -n "$(make_variable VERSION)" ] ||
		die "$tree is not a Linux source tree." "KDIR= names the top directory of one."
	version=$(make_variable VERSION).$(make_variable PATCHLEVEL)
	grep -qsE '^config SCHED_CLASS_EXT' "$tree"/kernel/Kconfig* "$tree"/init/Kconfig ||
		die "$tree is Linux $version, which is without sched_ext." \
		    "6.12 is the first version that has it."
	case $tree in
	*[[:space:]:]*)
		die "the kernel's build cannot be in a directory with a space or colon in its name:" \
		    "$tree" ;;
	esac
	say "Linux $version in $tree"
}

# --- 3 this directory in the tree -----------------------------------------

place()
{
	dir=$tree/tools/testing/selftests/$suite

	stage "this directory in the tree"
	if [ "$(cd "$dir" 2>/dev/null && pwd -P)" = "$repo" ]; then
		say "it is there"
		return
	fi
	# What somebody else put there may be all that there is of it.
	if [ -e "$dir" ] && [ ! -e "$dir/.ktstr-copy" ]; then
		die "$dir is there already, and not from \"make run\"." \
		    "Use \"make run\" in that directory, or move it away."
	fi
	mkdir -p "$dir" && echo "copied from $repo: make changes there" >"$dir/.ktstr-copy" ||
		die "cannot write to $dir" "KDIR= has to be a tree that you may change."
	# By content and without time stamps: a file is new when it differs from
	# what was compiled, however old it is in the clone that it comes from.
	# A program has the name of a directory here: rsync does not see the difference.
	rsync -rlp --checksum --delete --include=/catalogue/ --exclude=/.git \
		--exclude-from="$repo/.gitignore" \
		"$repo/" "$dir/" || die "cannot copy $repo to $dir"
	say "$dir"
}

# --- 4 kernel -------------------------------------------------------------

# The options of config that .config does not have, though this kernel knows them.
missing_options()
{
	local option

	while read -r option; do
		grep -qx "$option" "$obj/.config" && continue
		grep -rqsE --include='Kconfig*' "^[[:space:]]*(menu)?config[[:space:]]+$(
			echo "$option" | sed 's/^CONFIG_//; s/=.*//')\$" "$tree" || continue
		echo "$option"
	done < <(grep '^CONFIG_' "$repo/config")
}

configure()
{
	local missing

	if [ -n "$own_config" ]; then
		cat "$repo/tools/base.config" "$repo/config" >"$obj/ktstr.config" ||
			die "cannot write to $obj"
	fi
	# A changed Kconfig is for the build to notice.
	if [ -n "$own_config" ] && ! { [ -e "$obj/.config" ] &&
	   cmp -s "$obj/ktstr.config" "$obj/ktstr.configured"; }; then
		rm -f "$obj/ktstr.configured"
		"${kmake[@]}" -s KCONFIG_ALLCONFIG="$obj/ktstr.config" allnoconfig \
			>"$cache/log/config.log" 2>&1 </dev/null || {
			tail -n 25 "$cache/log/config.log" >&2
			die "cannot configure $tree" "The log is $cache/log/config.log"
		}
		cp "$obj/ktstr.config" "$obj/ktstr.configured" || die "cannot write to $obj"
	fi
	missing=$(missing_options)
	[ -n "$missing" ] || return 0
	printf '%s\n' "$missing" | sed 's/^/      /'
	if [ -n "$own_config" ]; then
		die "the options above are in $repo/config, but not in $obj/.config" \
		    "Something that they depend on is not there, or not new enough: gcc, pahole?"
	fi
	die "$obj/.config is yours and is left alone, but a guest needs the options above." \
	    "Add them with these two commands, or move .config away for a small one:" \
	    "(cd $obj && $tree/scripts/kconfig/merge_config.sh -m .config $dir/config)" \
	    "make -C $tree ${out_of_tree:+O=$obj }olddefconfig"
}

kernel()
{
	stage "kernel"
	own_config=
	out_of_tree=y
	if [ -n "$user_o" ]; then
		mkdir -p "$user_o" && obj=$(cd "$user_o" && pwd -P) || die "cannot use O=$user_o"
		[ -e "$obj/.config" ] || own_config=y
		# Our own .config of an earlier run.
		[ ! -e "$obj/ktstr.config" ] || own_config=y
	elif [ -e "$tree/.config" ]; then
		obj=$tree
		out_of_tree=
	else
		own_config=y
		obj=$cache/build
		[ "$tree" = "$cache/linux-source-6.12" ] ||
			obj+=-$(basename "$tree")-$(echo "$tree" | cksum | cut -d ' ' -f 1)
	fi
	mkdir -p "$obj" || die "cannot make $obj"
	say "built in $obj"
	[ -e "$obj/vmlinux" ] || need_space 1500 "the kernel's build"
	kmake=(make -C "$tree" ${out_of_tree:+O="$obj"})
	ksft=(make -C "$tree/tools/testing/selftests" ${out_of_tree:+O="$obj"} "TARGETS=$suite")
	configure
	run_logged kernel "${kmake[@]}" -j"$jobs" vmlinux bzImage headers ||
		die "the kernel does not build" "${failure[@]}"
}

# --- 5 to 7 ---------------------------------------------------------------

wants_emulated_host()
{
	case ${KTSTR_HOST:-} in
	native)	return 1 ;;
	emulated) return 0 ;;
	esac
	# A KVM that does paging in software shows no CPU with VMX or SVM.
	! [ -w /dev/kvm ] || ! grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo
}

emulated_host()
{
	stage "emulated host"
	if ! wants_emulated_host; then
		say "not needed: /dev/kvm runs the guests"
	elif [ -x "$repo/tools/emulated-host.sh" ]; then
		run_logged emulated-host "$repo/tools/emulated-host.sh" ||
			die "cannot prepare the emulated host" "${failure[@]}"
	fi
}

build_suite()
{
	stage "suite"
	run_logged suite "${ksft[@]}" FORCE_TARGETS=1 -j"$jobs" ||
		die "the suite does not build" "${failure[@]}"
	# The same place that the tree's own makefile has for it.
	programs=$dir
	[ -z "$out_of_tree" ] || programs=$obj/kselftest/$suite
}

# How many tests there are in what "-l" of a test program shows: blocks of three
# columns, fixture, variants and tests; each test is run on each variant.
count_tests()
{
	awk 'function block() { nr += tests * (variants ? variants : 1); tests = variants = 0 }
	     /^#/ { next }
	     /^---/ { block(); next }
	     { variants += substr($0, 22, 1) ~ /[^ ]/; tests += substr($0, 48, 1) ~ /[^ ]/ }
	     END { block(); print nr + 0 }'
}

# A scenario runs for KTSTR_DURATION, 3 s without it. The rest of a play, most of it a
# guest's boot, takes 2 to 9 s on an emulated host, and half of that for real. What
# fails on an emulated host is played twice.
plan_catalogue()
{
	local duration=${KTSTR_DURATION:-} each=2 limit

	[[ $duration =~ ^[1-9][0-9]{0,3}$ ]] || duration=3
	! wants_emulated_host || each=5
	full_tests=$("$programs/catalogue" -l 2>&1 | count_tests)
	limit=$((full_tests * (54 + 2 * duration)))
	[ "$limit" -gt "$(sed -n 's/^timeout=//p' "$repo/settings")" ] &&
		export kselftest_override_timeout=${kselftest_override_timeout:-$limit}
	[ -n "${KTSTR_FULL:-}" ] || return 0
	full_begun=0
	full_told=0
	every=progress_full
	say "the catalogue: $full_tests tests," \
	    "about $((full_tests * (each + duration) / 60 + 1)) min"
}

progress_full()
{
	local tests

	[ $((SECONDS - full_told)) -ge 60 ] || return 0
	tests=$(sed -n '/^# selftests: .*: catalogue$/,/^\(not \)\?ok /p' "$log" |
		grep -cE '^# (not )?ok ')
	[ "$tests" -gt 0 ] && [ "$tests" -lt "$full_tests" ] || return 0
	[ "$full_begun" -gt 0 ] || full_begun=$SECONDS
	full_told=$SECONDS
	say "the catalogue: $tests of $full_tests tests," \
	    "$(((SECONDS - full_begun) * (full_tests - tests) / tests / 60 + 1)) min left"
}

finish()
{
	local log=$cache/log/$action.log failed total status out tee every=

	stage "$action, $SECONDS s after the start"
	say "log: $log"
	case $action in
	run)	set -- "${ksft[@]}" run_tests
		plan_catalogue
		;;
	check)	set -- "$repo/tools/check.sh" ;;
	check-large) set -- "$repo/tools/check-large.sh" ;;
	detect)	set -- "$repo/tools/detect.sh" ;;
	bench)	set -- "$repo/bench/run.sh" ;;
	fuzz)	set -- "$repo/tools/fuzz.sh" ;;
	esac
	export KTSTR_TREE=$tree KTSTR_BUILD=$obj KTSTR_DIR=$dir KTSTR_PROGRAMS=$programs
	export KTSTR_CACHE=$cache
	exec {out}> >(trap '' INT TERM HUP; exec tee "$log" {guard_in}>&-)
	tee=$!
	start_session "$@" >&"$out" 2>&1
	exec {out}>&-
	wait_session "${every:-:}"
	status=$?
	wait "$tee"
	[ "$action" = run ] || exit $status

	total=$(grep -cE '^(not )?ok ' "$log")
	failed=$(grep -c '^not ok ' "$log")
	[ $status -eq 0 ] && [ "$total" -gt 0 ] || die "the tests did not run; the log is $log"
	say "$((total - failed)) of $total programs passed, in $SECONDS s; log: $log"
	[ "$failed" -eq 0 ]
}

# --------------------------------------------------------------------------

case $action in
run | check | check-large | detect | bench | fuzz) ;;
*) die "what is \"$action\"? It is run, check, check-large, detect, bench or fuzz." ;;
esac

case ${FULL:=${KTSTR_FULL:-0}} in
0)	unset KTSTR_FULL ;;
1)	[ "$action" = run ] || [ "$action" = detect ] ||
		die "FULL=1 and KTSTR_FULL=1 are for \"make run\" and \"make detect\"."
	export KTSTR_FULL=1
	;;
*)	die "FULL=$FULL: 1, or nothing." ;;
esac
check_variables

debian_source=/usr/src/linux-source-6.12.tar.xz
cache=${KTSTR_CACHE:-${HOME:?}/.cache/ktstr}
mkdir -p "$cache/log" 2>/dev/null && cache=$(cd "$cache" && pwd -P) && [ -w "$cache" ] &&
	[ -w "$cache/log" ] ||
	die "cannot write to $cache" "Set KTSTR_CACHE to a directory that you may write to."

# One at a time: a build must not change under a run. Whatever a killed run has
# left alive holds the lock, too.
exec {lock}<>"$cache/lock" || exit
if ! flock -n "$lock"; then
	say "waiting for process $(cat "$cache/lock"), which uses $cache"
	until flock -n "$lock"; do
		sleep 0.5
	done
fi
echo $$ >"$cache/lock"
rm -f "$cache"/log/*

exec {guard_in}> >(guardian)
trap 'on_signal 130' INT
trap 'on_signal 143' TERM
trap 'on_signal 129' HUP
trap 'rm -rf "$cache"/.unpack.$$' EXIT

packages
find_tree
place
kernel
emulated_host
build_suite
finish
