#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Prepares the kernel of the emulated host: the one on which tests run where
# KVM cannot run Linux. It is a distribution's kernel, known to be good, never
# the one under test: Debian's 6.12, downloaded and unpacked but not installed,
# or else one that is installed here. No root needed.
#
#	tools/emulated-host.sh
#
# KTSTR_EMULATED_HOST	where it is put ($KTSTR_CACHE/host)
# KTSTR_CACHE		where downloads and builds are kept (~/.cache/ktstr)
#
# What is put there: "kernel", modules, their names in the order of loading in
# "modules", and the kernel's release in "release".

set -u
export LC_ALL=C

dest=${KTSTR_EMULATED_HOST:-${KTSTR_CACHE:-${HOME:-/root}/.cache/ktstr}/host}
metapackages="linux-image-6.12-amd64 linux-image-amd64"
wanted="virtio_pci virtio_console 9pnet_virtio 9p kvm_amd"
need_mib=500
tmp=
looked=()

say()
{
	printf 'emulated-host: %s\n' "$*"
}

die()
{
	say "error: $1" >&2
	shift
	[ $# -eq 0 ] || printf '               %s\n' "$@" >&2
	exit 1
}

# One that was killed could not remove its directory; its name has the pid.
remove_stale()
{
	local dir

	for dir in "$dest".tmp.*; do
		[ -d "$dir" ] && ! [ -d "/proc/${dir##*.}" ] && rm -rf "$dir"
	done
}

# --- where the kernel comes from: sets $image, $moddir and $config ----------

debian_package()
{
	local meta

	for meta in $metapackages; do
		apt-cache depends "$meta" 2>/dev/null |
			sed -n 's/^ *Depends: \(linux-image-6\.12\.[^ ]*-amd64\)$/\1/p'
	done | head -n 1
}

from_debian()
{
	local cmd package log=$tmp/log

	for cmd in apt-get apt-cache dpkg-deb; do
		if ! command -v $cmd >/dev/null; then
			looked+=("Debian's packages: there is no $cmd here")
			return 1
		fi
	done
	package=$(debian_package)
	if [ -z "$package" ]; then
		looked+=("Debian's packages: none of $metapackages is known or is 6.12")
		looked+=("    (if the lists are missing or old: apt-get update)")
		return 1
	fi
	say "downloading $package (about 110 MB)"
	# No $(...): bash 5.2 loses the signals that come while it waits for one.
	if ! (cd "$tmp" && apt-get -q download "$package") >"$log" 2>&1; then
		looked+=("Debian's packages: cannot download $package:")
		looked+=("    $(grep '^E:' "$log" | tail -n 1)")
		looked+=("    (no network? or lists that are old: apt-get update)")
		return 1
	fi
	say "unpacking"
	dpkg-deb -x "$tmp"/linux-image-*.deb "$tmp/root" >"$log" 2>&1 ||
		die "cannot unpack $package in $tmp" "$(head -n 1 "$log")"
	rm -f "$tmp"/linux-image-*.deb
	image=$(echo "$tmp"/root/boot/vmlinuz-*)
	release=${image##*/vmlinuz-}
	moddir=$(find "$tmp/root" -type d -path "*/lib/modules/$release")
	config=$tmp/root/boot/config-$release
}

from_installed()
{
	local dir found

	for dir in $(printf '%s\n' /lib/modules/*/ | sort -rV); do
		release=$(basename "$dir")
		for found in "/boot/vmlinuz-$release" "${dir}vmlinuz"; do
			if ! [ -r "$found" ] || ! [ -d "${dir}kernel" ]; then
				continue
			fi
			image=$found
			moddir=${dir%/}
			config=/boot/config-$release
			[ -r "$config" ] || config=${dir}config
			say "taking the installed kernel $release"
			return 0
		done
	done
	looked+=("kernels installed here: none that can be read in /boot/vmlinuz-*"
		 "    or /lib/modules/*/vmlinuz with modules in /lib/modules")
	return 1
}

# --- modules -----------------------------------------------------------------

module_file()
{
	find -L "$moddir/kernel" -name "${1//[-_]/[-_]}.ko*" | head -n 1
}

is_builtin()
{
	grep -qE "/${1//[-_]/[-_]}\.ko$" "$moddir/modules.builtin"
}

# Modules are stored as they are loaded: not compressed, dependencies first.
add_module()
{
	local file dep out=${1//-/_}.ko

	[ ! -e "$tmp/host/$out" ] || return 0
	file=$(module_file "$1")
	if [ -z "$file" ]; then
		is_builtin "$1" && return 0
		die "kernel $release has no module $1, which the emulated host needs"
	fi
	case $file in
	*.xz)	xz -dc "$file" ;;
	*.zst)	zstd -dcq "$file" ;;
	*.gz)	gzip -dc "$file" ;;
	*)	cat "$file" ;;
	esac >"$tmp/host/$out" || die "cannot decompress $file to $tmp"
	for dep in $(tr '\0' '\n' <"$tmp/host/$out" | sed -n 's/^depends=//p' | tr , ' '); do
		add_module "$dep"
	done
	echo "$out" >>"$tmp/host/modules" || die "cannot write to $tmp"
}

# --- the kernel's image --------------------------------------------------------

u32()
{
	od -An -tu4 -j "$2" -N 4 "$1" | tr -d ' '
}

# The ELF image inside a bzImage (Documentation/arch/x86/boot.rst, fields
# setup_sects, payload_offset and payload_length). Its size is at its end.
extract_vmlinux()
{
	local setup start length payload=$tmp/payload out=$tmp/host/kernel

	setup=$(od -An -tu1 -j $((0x1f1)) -N 1 "$image" | tr -d ' ')
	start=$(((${setup:-4} + 1) * 512 + $(u32 "$image" $((0x248)))))
	length=$(u32 "$image" $((0x24c)))
	tail -c +$((start + 1)) "$image" | head -c "$length" >"$payload"
	case $(od -An -tx1 -N 4 "$payload" | tr -d ' ') in
	28b52ffd)	zstd -dcq "$payload" ;;
	fd377a58)	xz -dc "$payload" ;;
	1f8b*)		gzip -dc "$payload" ;;
	02214c18)	lz4 -dcq "$payload" ;;
	*)		false ;;
	esac >"$out" 2>/dev/null
	# Most tools complain about the size that follows what they know.
	[ "$(od -An -tx1 -N 4 "$out" | tr -d ' ')" = 7f454c46 ] &&
		[ "$(stat -c %s "$out")" = "$(u32 "$payload" $((length - 4)))" ]
}

# The emulator starts an ELF image through its PVH entry, and spends no seconds
# on decompressing it.
add_kernel()
{
	if grep -q '^CONFIG_PVH=y' "$config" 2>/dev/null && extract_vmlinux; then
		return
	fi
	say "note: taking the compressed image, which starts slower (is zstd missing?)"
	cp "$image" "$tmp/host/kernel" || die "cannot copy $image to $tmp"
}

# --- all of it -------------------------------------------------------------------

[ $# -eq 0 ] || die "what is \"$1\"? It takes no arguments, see the head of $0"
if [ -e "$dest/modules" ]; then
	say "ready in $dest ($(cat "$dest/release"))"
	exit 0
fi

[ "$(uname -m)" = x86_64 ] || die "the emulated host is an x86-64 one, this is $(uname -m)"
tmp=$dest.tmp.$$
mkdir -p "$tmp/host" || die "cannot make $tmp"
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
remove_stale
free_mib=$(df -Pm "$tmp" | awk 'NR == 2 { print $4 }')
[ "${free_mib:-0}" -ge "$need_mib" ] ||
	die "$need_mib MiB are needed for a while in $tmp, $free_mib are free" \
	    "make room, or set KTSTR_CACHE to a directory on another disk"

from_debian || from_installed ||
	die "found no kernel for the emulated host. Looked for:" "${looked[@]}"
for module in $wanted; do
	add_module "$module"
done
add_kernel
echo "$release" >"$tmp/host/release" || die "cannot write to $tmp"

# Whoever comes first wins: a directory is not replaced by a rename.
if ! mv -T "$tmp/host" "$dest" 2>/dev/null && ! [ -e "$dest/modules" ]; then
	die "cannot rename $tmp/host to $dest" "is there something else? remove it"
fi
say "ready in $dest ($release)"
