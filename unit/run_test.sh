#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# "make run" with what goes wrong: bad input, no space, signals. The kernel
# tree is a toy whose makefiles do in no time what the real ones do, so that
# all stages of tools/run.sh are passed in a second.

set -u
repo=$(cd "$(dirname "$0")/.." && pwd -P)
tmp=$(mktemp -d)
mounted=
# shellcheck source=unit/ktap.sh
. "$repo/unit/ktap.sh"

# shellcheck disable=SC2317 # it is a trap
cleanup()
{
	[ -z "$mounted" ] || umount "$mounted"
	rm -rf "$tmp"
}

trap cleanup EXIT

# toy_tree DIR: hooks.mk, if a test writes one, is what its stages do.
toy_tree()
{
	mkdir -p "$1/kernel" "$1/tools/testing/selftests" "$1/scripts/kconfig"
	printf 'config SCHED_CLASS_EXT\nconfig BPF\n' >"$1/kernel/Kconfig.preempt"
	touch "$1/Kconfig" "$1/tools/testing/selftests/lib.mk"
	cat >"$1/Makefile" <<-'END'
	VERSION = 6
	PATCHLEVEL = 12
	-include $(TOY_HOOKS)
	allnoconfig: ; cp $(KCONFIG_ALLCONFIG) $(O)/.config
	vmlinux bzImage headers: ; $(TOY_KERNEL)
	END
	cat >"$1/tools/testing/selftests/Makefile" <<-'END'
	-include $(TOY_HOOKS)
	all:
	run_tests: ; $(TOY_RUN) echo "ok 1 selftests: $(TARGETS): toy"
	END
}

# fake COMMAND SCRIPT: in a directory that a test puts before others in PATH.
fake()
{
	mkdir -p "$tmp/fake"
	printf '#!/bin/sh\n%s\n' "$2" >"$tmp/fake/$1"
	chmod +x "$tmp/fake/$1"
}

# run NAME=VALUE...: "make run", without a terminal; sets $status.
run()
{
	(cd "$repo" && exec env -u KDIR -u O -u FULL -u KTSTR_FULL -u KTSTR_SOURCE -u KTSTR_DURATION \
		-u kselftest_override_timeout KTSTR_HOST=native \
		KTSTR_CACHE="$tmp/cache" TOY_HOOKS="$tmp/hooks.mk" "$@" \
		"$repo/tools/run.sh" run) >"$tmp/out" 2>&1 </dev/null
	status=$?
}

# Nothing half done in the cache, and no process that still works on it.
expect_clean()
{
	local left i

	for ((i = 0; i < 600; i++)); do
		left=$(ls -d "$tmp"/cache/.unpack.* 2>/dev/null; grep -lsaF "$tmp/hooks.mk" /proc/[0-9]*/environ |
			grep -v "/proc/$$/")
		[ -n "$left" ] || { ok "$1"; return; }
		sleep 0.1
	done
	not_ok "$1" "left: $left"
}

# interrupt SIGNAL TEXT: start a run, and send it SIGNAL when its output has TEXT.
interrupt()
{
	local signal=$1 text=$2 pid i
	shift 2

	: >"$tmp/out"
	# Background jobs of a script start with SIGINT ignored.
	env --default-signal=INT -u KDIR -u O KTSTR_HOST=native KTSTR_CACHE="$tmp/cache" TOY_HOOKS="$tmp/hooks.mk" \
		KTSTR_SOURCE="$tmp/linux-toy.tar.xz" "$@" \
		setsid "$repo/tools/run.sh" run >"$tmp/out" 2>&1 </dev/null &
	pid=$!
	for ((i = 0; i < 600; i++)); do
		! grep -qF "$text" "$tmp/out" || break
		sleep 0.1
	done
	sleep 0.3
	kill -"$signal" "$pid"
	wait "$pid" 2>/dev/null
	status=$?
}

echo "TAP version 13"
toy_tree "$tmp/linux-toy"
touch "$tmp/hooks.mk"

# --- input -----------------------------------------------------------------
run KDIR="$tmp/none"
expect "KDIR that is not there" 1 "KDIR=$tmp/none is no directory."

mkdir "$tmp/empty"
run KDIR="$tmp/empty"
expect "KDIR that is no kernel tree" 1 "$tmp/empty is not a Linux source tree."

toy_tree "$tmp/old"
sed -i 's/^PATCHLEVEL.*/PATCHLEVEL = 6/' "$tmp/old/Makefile"
: >"$tmp/old/kernel/Kconfig.preempt"
run KDIR="$tmp/old"
expect "KDIR that is too old" 1 "is Linux 6.6, which is without sched_ext." "6.12 is the first"

toy_tree "$tmp/with space"
run KDIR="$tmp/with space"
expect "KDIR with a space in its name" 1 "a directory with a space or colon in its name"

run KTSTR_SOURCE="$tmp/none.tar.xz"
expect "KTSTR_SOURCE that is not there" 1 "cannot read $tmp/none.tar.xz"

echo "no tarball" >"$tmp/linux-bad.tar.xz"
run KTSTR_SOURCE="$tmp/linux-bad.tar.xz"
expect "KTSTR_SOURCE that is no tarball" 1 "cannot unpack $tmp/linux-bad.tar.xz" \
       "the whole log is $tmp/cache/log/unpack.log"
expect_clean "nothing is left of it"

run KTSTR_CACHE=/dev/null/cache
expect "cache that cannot be made" 1 "cannot write to /dev/null/cache" "Set KTSTR_CACHE"

run KTSTR_HOST=qemu KDIR="$tmp/none"
expect "KTSTR_HOST that is neither" 1 "KTSTR_HOST=qemu: must be native or emulated"

run KTSTR_KERNEL="$tmp" KDIR="$tmp/none"
expect "KTSTR_KERNEL that is a directory" 1 "KTSTR_KERNEL=$tmp is no file"

run KTSTR_SCHEDULER="$tmp/none --option" KDIR="$tmp/none"
expect "KTSTR_SCHEDULER that is not there" 1 "KTSTR_SCHEDULER: $tmp/none is no program"

run KTSTR_RESULTS=/proc/results KDIR="$tmp/none"
expect "KTSTR_RESULTS that cannot be made" 1 "KTSTR_RESULTS=/proc/results is no directory"

# All commands but one, for somebody who is not root.
mkdir "$tmp/bin"
cp -s /usr/bin/* /bin/* "$tmp/bin" 2>/dev/null
rm -f "$tmp/bin/pahole"
fake id 'echo 1000'
run PATH="$tmp/fake:$tmp/bin" KDIR="$tmp/linux-toy"
rm "$tmp/fake/id"
if command -v apt-get >/dev/null; then
	expect "packages are missing, and no root" 2 "dwarves" "the kernel's BTF" \
	       "apt-get install -y --no-install-recommends dwarves"
else
	expect "packages are missing, and no apt" 2 "dwarves" "the kernel's BTF"
fi

# --- a tree with its own .config, and with somebody's ktstr ------------------
toy_tree "$tmp/mine"
printf 'CONFIG_BPF=m\n' >"$tmp/mine/.config"
run KDIR="$tmp/mine"
expect "options are missing in the tree's .config" 1 "CONFIG_SCHED_CLASS_EXT=y" "CONFIG_BPF=y" \
       "merge_config.sh -m .config" "make -C $tmp/mine olddefconfig"
if [ "$(cat "$tmp/mine/.config")" = CONFIG_BPF=m ]; then
	ok "that .config is left alone"
else
	not_ok "that .config is left alone" "it has changed"
fi

mkdir -p "$tmp/other" && toy_tree "$tmp/other"
mkdir -p "$tmp/other/tools/testing/selftests/sched_ext/ktstr"
run KDIR="$tmp/other"
expect "the tree has a ktstr of its own" 1 "is there already"

# --- a good run, and again -----------------------------------------------------
tar -C "$tmp" -cJf "$tmp/linux-toy.tar.xz" linux-toy
run KTSTR_SOURCE="$tmp/linux-toy.tar.xz"
expect "a run from a tarball" 0 "1 of 1 programs passed"

copy=$tmp/cache/linux-toy/tools/testing/selftests/sched_ext/ktstr
touch -d '1 hour ago' "$copy/errmsg.h"
echo "changed" >>"$copy/config"
before=$(stat -c %Y "$copy/errmsg.h")
run KTSTR_SOURCE="$tmp/linux-toy.tar.xz"
expect "a second run" 0 "1 of 1 programs passed"
if [ "$(stat -c %Y "$copy/errmsg.h")" = "$before" ] && cmp -s "$copy/config" "$repo/config"; then
	ok "it copies what differs, and nothing else"
else
	not_ok "it copies what differs, and nothing else" "$(ls -l "$copy/errmsg.h" "$copy/config")"
fi

echo 'TOY_RUN = echo "not ok 1 selftests: toy: bad";' >"$tmp/hooks.mk"
run KTSTR_SOURCE="$tmp/linux-toy.tar.xz"
expect "a test that fails" 1 "not ok 1 selftests: toy: bad" "1 of 2 programs passed"

echo 'TOY_KERNEL = echo "toy.c:1: error: no"; false' >"$tmp/hooks.mk"
run KTSTR_SOURCE="$tmp/linux-toy.tar.xz"
expect "a kernel that does not build" 1 "toy.c:1: error: no" "the kernel does not build" \
       "the whole log is $tmp/cache/log/kernel.log"

# shellcheck disable=SC2016
echo 'TOY_RUN = echo "not ok 1 FULL is $(KTSTR_FULL), limit $(kselftest_override_timeout)";' \
	>"$tmp/hooks.mk"
programs=$(echo "$tmp"/cache/build*)/kselftest/sched_ext/ktstr
mkdir -p "$programs"
cat >"$programs/catalogue" <<'END'
#!/bin/sh
[ "$*,$KTSTR_FULL" = -l,1 ] || exit
printf '# %-18s %-25s %s\n' FIXTURE VARIANT TEST
printf '%-20s %-25s %s\n' global '' '' ----- '' '' basic one steady '' two alone '' three ''
printf '%-20s %-25s %s\n' ----- '' '' rt '' hog
END
chmod +x "$programs/catalogue"
run FULL=1 KTSTR_SOURCE="$tmp/linux-toy.tar.xz"
expect "all scenarios" 1 "the catalogue: 7 tests, about 1 min" "not ok 1 FULL is 1, limit "
# Each of them longer: the estimate and the runner's timeout know it.
run FULL=1 KTSTR_DURATION=600 KTSTR_SOURCE="$tmp/linux-toy.tar.xz"
expect "all scenarios, 10 min each" 1 "the catalogue: 7 tests, about 71 min" "limit 8778"
run FULL=1 KTSTR_DURATION=600 kselftest_override_timeout=99 KTSTR_SOURCE="$tmp/linux-toy.tar.xz"
expect "with a timeout of one's own" 1 "about 71 min" "limit 99"
run FULL=1 KTSTR_DURATION=ten KTSTR_SOURCE="$tmp/linux-toy.tar.xz"
expect "a duration that is none" 1 "the catalogue: 7 tests, about 1 min"
run KTSTR_SOURCE="$tmp/linux-toy.tar.xz"
expect "some of them" 1 "FULL is "
if grep -q "the catalogue:" "$tmp/out"; then
	not_ok "without an estimate" "there is one"
else
	ok "without an estimate"
fi
run KTSTR_FULL=0 KTSTR_SOURCE="$tmp/linux-toy.tar.xz"
expect "KTSTR_FULL=0 is as none" 1 "FULL is "
if grep -q "the catalogue:" "$tmp/out"; then
	not_ok "no estimate for KTSTR_FULL=0" "there is one"
else
	ok "no estimate for KTSTR_FULL=0"
fi
run KTSTR_FULL=yes KDIR="$tmp/none"
expect "KTSTR_FULL that is neither" 1 "FULL=yes: 1, or nothing."
run FULL=yes KDIR="$tmp/none"
expect "FULL that is neither" 1 "FULL=yes: 1, or nothing."

# The tests are run elsewhere.
# shellcheck disable=SC2016
echo 'TOY_RUN = echo "seen: $(KTSTR_SCHEDULER), $(KTSTR_RESULTS)";' >"$tmp/hooks.mk"
relative=$(realpath --relative-to="$repo" "$tmp")
run KTSTR_SCHEDULER="$relative/bin/sh -c" KTSTR_RESULTS="$relative/results/new" \
	KTSTR_SOURCE="$tmp/linux-toy.tar.xz"
expect "relative paths" 0 "seen: $repo/$relative/bin/sh -c, $repo/$relative/results/new"
run KTSTR_SCHEDULER="scx_ktstr --fault lifo" KTSTR_SOURCE="$tmp/linux-toy.tar.xz"
expect "a name is no path" 0 "seen: scx_ktstr --fault lifo,"

# --- signals ---------------------------------------------------------------------
# A tar that stays in the middle of its work: tar --strip-components=1 -C DIR ...
# shellcheck disable=SC2016
fake tar 'mkdir -p "$3/kernel" && echo half && sleep 60'

for signal in INT KILL; do
	want=130
	[ $signal = INT ] || want=137

	: >"$tmp/hooks.mk"
	rm -rf "$tmp/cache"
	interrupt $signal "log/unpack.log" PATH="$tmp/fake:$PATH"
	expect "SIG$signal while unpacking" $want
	[ $signal = KILL ] || expect_clean "SIG$signal while unpacking leaves nothing"
	run KTSTR_SOURCE="$tmp/linux-toy.tar.xz"
	expect "a run after it" 0 "1 of 1 programs passed"
	expect_clean "and nothing is left"

	# shellcheck disable=SC2016
	echo 'TOY_KERNEL = echo half >$(O)/$@; sleep 60' >"$tmp/hooks.mk"
	interrupt $signal "log/kernel.log"
	expect "SIG$signal while building" $want
	expect_clean "SIG$signal while building leaves nothing"

	# shellcheck disable=SC2016
	echo 'TOY_RUN = timeout 60 sh -c "sleep 60; true";' >"$tmp/hooks.mk"
	interrupt $signal "log/run.log"
	expect "SIG$signal while testing" $want
	expect_clean "SIG$signal while testing leaves nothing"

	: >"$tmp/hooks.mk"
	run KTSTR_SOURCE="$tmp/linux-toy.tar.xz"
	expect "a run after both" 0 "1 of 1 programs passed"
done

# --- two at once -------------------------------------------------------------------
echo "TOY_RUN = for i in \$\$(seq 600); do [ ! -e $tmp/go ] || break; sleep 0.1; done;" \
	>"$tmp/hooks.mk"
(cd "$repo" && exec env -u KDIR -u O KTSTR_HOST=native KTSTR_CACHE="$tmp/cache" \
	KTSTR_SOURCE="$tmp/linux-toy.tar.xz" TOY_HOOKS="$tmp/hooks.mk" \
	tools/run.sh run >"$tmp/first" 2>&1 </dev/null) &
for ((i = 0; i < 600; i++)); do
	! grep -qs "log/run.log" "$tmp/first" || break
	sleep 0.1
done
: >"$tmp/out"
for ((i = 0; i < 600; i++)); do
	! grep -qs "waiting for process" "$tmp/out" || break
	sleep 0.1
done && touch "$tmp/go" &
run KTSTR_SOURCE="$tmp/linux-toy.tar.xz"
expect "a second run waits for the first" 0 "waiting for process" "1 of 1 programs passed"
wait
cp "$tmp/first" "$tmp/out"
expect "the first is not disturbed" 0 "1 of 1 programs passed"
: >"$tmp/hooks.mk"

# --- no space ------------------------------------------------------------------------
mkdir "$tmp/small"
if mount -t tmpfs -o size=8m tmpfs "$tmp/small" 2>/dev/null; then
	mounted=$tmp/small
	run KTSTR_CACHE="$tmp/small" KTSTR_SOURCE="$tmp/linux-toy.tar.xz"
	expect "too little space is seen before unpacking" 1 "MB free; the kernel, source and build"

	# A disk that fills up only later.
	rm "$tmp/fake/tar"
	fake df 'echo h; echo d 9999999 0 9999999 0 m'
	head -c 12M /dev/zero >"$tmp/linux-toy/large"
	tar -C "$tmp" -cJf "$tmp/linux-large.tar.xz" linux-toy
	run PATH="$tmp/fake:$PATH" KTSTR_CACHE="$tmp/small" KTSTR_SOURCE="$tmp/linux-large.tar.xz"
	expect "the disk is full while unpacking" 1 "The disk is full" "set KTSTR_CACHE"
	if ls -d "$tmp"/small/.unpack.* "$tmp"/small/linux* >/dev/null 2>&1; then
		not_ok "nothing is left of it" "$(ls -A "$tmp/small")"
	else
		ok "nothing is left of it"
	fi

	# With room for the suite
	mount -o remount,size=$(($(du -sm "$repo" | cut -f 1) + 8))m "$tmp/small"
	# shellcheck disable=SC2016
	echo 'TOY_KERNEL = cat /dev/zero >$(O)/$@.o' >"$tmp/hooks.mk"
	run PATH="$tmp/fake:$PATH" KTSTR_CACHE="$tmp/small" KTSTR_SOURCE="$tmp/linux-toy.tar.xz"
	expect "the disk is full while building" 1 "the kernel does not build" "The disk is full"
	: >"$tmp/hooks.mk"
	mount -o remount,size=$(($(du -sm "$repo" | cut -f 1) + 64))m "$tmp/small"
	run PATH="$tmp/fake:$PATH" KTSTR_CACHE="$tmp/small" KTSTR_SOURCE="$tmp/linux-large.tar.xz"
	expect "with more space it works" 0 "1 of 1 programs passed"
else
	ok "no space # SKIP cannot mount a small file system here"
fi

echo "1..$n"
exit $bad
