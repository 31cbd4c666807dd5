#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# What `make install` puts in place: a binary that needs no other file, the pages, and a completion
# that knows the words of `roam help`.
. "$(dirname "$0")/../lib.sh"

setup()
{
	command -v make > /dev/null || skip "no make"
	# What is built is there: -o.
	check "make install" make -s -C "$TOP" -o all install DESTDIR="$TMP/root" PREFIX=/usr
}

test_the_binary_needs_no_other_file()
{
	local installed=$TMP/root/usr/sbin/roam
	ns_add host
	cd / || return
	check "init" ns host "$installed" --bpffs "$BPFFS/roam" host init
	check "show" ns host "$installed" --bpffs "$BPFFS/roam" host show
	check "teardown" ns host "$installed" --bpffs "$BPFFS/roam" host teardown
}

test_every_page_is_there()
{
	local page
	for page in "$TOP"/user/man/*.8; do
		check "$page" cmp "$page" "$TMP/root/usr/share/man/man8/${page##*/}"
	done
}

test_units()
{
	local unit installed=$TMP/root/usr/lib/systemd/system
	check "the script" test -x "$TMP/root/usr/lib/roam/roam-boot"
	check "the rule" grep -q roam-port@ "$TMP/root/usr/lib/udev/rules.d/90-roam.rules"
	check "the settings" test -e "$TMP/root/etc/roam/host"
	check "a folder for VMs" test -d "$TMP/root/etc/roam/vms.d"
	check_not "a place that was not filled in" grep -r @PREFIX@ "$TMP/root/usr/lib"
	command -v systemd-analyze > /dev/null || return 0
	for unit in roam.service roam-port@.service roamd.service roam-libvirt-events.service; do
		sed "s,=/usr/,=$TMP/root/usr/," "$installed/$unit" > "$TMP/$unit"
		check "$unit" systemd-analyze verify --man=no "$TMP/$unit"
	done
}

test_hooks()
{
	local hook name
	for name in usr/sbin/roam-virsh-migrate usr/lib/roam/release-moved usr/lib/roam/libvirt-events \
		usr/lib/roam/proxmox etc/libvirt/hooks/qemu.d/roam; do
		hook=$TMP/root/$name
		check "$name" test -x "$hook"
		check_not "a place that was not filled in" grep @PREFIX@ "$hook"
	done
	check "the settings" test -e "$TMP/root/etc/roam/handover"
	check "a shutdown" env ROAM=false SETTINGS="$TMP/root/etc/roam/handover" \
		RELEASE="$TMP/root/usr/lib/roam/release-moved" "$TMP/root/etc/libvirt/hooks/qemu.d/roam" \
		web-1 release end -
}

test_settings_are_kept()
{
	echo "UPLINKS=eth7" > "$TMP/root/etc/roam/host"
	check "again" make -s -C "$TOP" -o all install DESTDIR="$TMP/root" PREFIX=/usr
	check_eq "the operator's" "$(cat "$TMP/root/etc/roam/host")" "UPLINKS=eth7"
}

# $1: what is expected among the words; $2…: the line, its last word being completed
completes()
{
	local want=$1 got
	shift
	got=$(PATH=$TMP/root/usr/sbin:$PATH bash -c '
		. "$0"
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_roam
		echo "${COMPREPLY[@]}"' "$TMP/root/usr/share/bash-completion/completions/roam" "$@")
	check_eq "$*" "$got" "$want"
}

test_completion()
{
	command -v bash > /dev/null || skip "no bash"
	completes "stats state" roam st
	completes "batch" roam ba
	completes "show init upgrade teardown" roam host ''
	completes "flush" roam -j --bpffs /sys/fs/bpf/none ct f
	completes "midstream" roam vm add web-1 mids
	completes "zone" roam port add vm web-1 dev tap0 zo
	completes "lo" roam host init uplink lo
	completes "vm" roam help v
	completes "teardown" roam help host t
	completes "" roam nonsense ''
}

run_tests "$@"
