#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# The hooks for libvirt and Proxmox VE, called as those do: what they ask of roam, and what they make
# of its refusal. roam and virsh are scripts that write down how they are called.
. "$(dirname "$0")/../lib.sh"

HOOKS=$TOP/user/hooks

setup()
{
	CALLS=$TMP/calls
	: > "$CALLS"
	mkdir "$TMP/bin"
	cat > "$TMP/bin/roam" <<-END
		#!/bin/sh
		echo "roam \$*" >> "$CALLS"
		for word; do
			case \$word in
			start) [ ! -e "$TMP/later" ] || { rm "$TMP/later"; echo "handover: not_expected"; exit 1; } ;;
			show) cat "$TMP/shown"; exit ;;
			esac
		done
		! grep -q "\${2:-}" "$TMP/refuse" || { echo "handover: no_room_vms" >&2; exit 1; }
	END
	cat > "$TMP/bin/virsh" <<-END
		#!/bin/sh
		echo "virsh \$*" >> "$CALLS"
		case \$1 in
		event) cat "$TMP/events" ;;
		migrate) sleep 0.5; exit "\$(cat "$TMP/status")" ;;
		esac
	END
	chmod +x "$TMP/bin/roam" "$TMP/bin/virsh"
	echo 0 > "$TMP/status"
	echo nothing-is-refused > "$TMP/refuse"
	: > "$TMP/shown"
	export PATH="$TMP/bin:$PATH" SETTINGS="$TMP/settings" RELEASE="$HOOKS/release-moved"
	unset ROAM
}

# $1: what was called, in this order
called()
{
	check_eq "calls" "$(cat "$CALLS")" "$1"
	: > "$CALLS"
}

moved()
{
	echo '[{"vm":"web-1","to":"host-b","state":"'"$1"'","reason":"none","id":"0a0b","epoch":7,"held":false}]' \
		> "$TMP/shown"
}

# ---- libvirt ----

xml()
{
	cat <<-END
		<domain type='kvm'>
		  <name>web-1</name>
		  <devices>
		    <disk type='file'><target dev='vda' bus='virtio'/></disk>
		    <interface type='bridge'>
		      <mac address='52:54:00:AA:BB:10'/>
		      <source bridge='br0'/>
		      <target dev='web-1-0'/>
		    </interface>
		    <interface type='bridge'>
		      <mac address='52:54:00:aa:bb:11'/>
		    </interface>
		  </devices>
		</domain>
	END
}

libvirt()
{
	xml | "$HOOKS/libvirt" web-1 "$@" > "$TMP/stdout"
}

test_libvirt_expects()
{
	echo 'FROM="host-a host-c"' > "$SETTINGS"
	check "migrate" libvirt migrate begin -
	called "roam handover expect vm web-1 from host-a dev 52:54:00:aa:bb:10=web-1-0 for 600
roam handover expect vm web-1 from host-c dev 52:54:00:aa:bb:10=web-1-0 for 600"
	check_eq "nothing that libvirt would read as XML" "$(cat "$TMP/stdout")" ""
}

test_libvirt_cancels()
{
	echo 'FROM=host-a' > "$SETTINGS"
	echo expect > "$TMP/refuse"
	check_not "refused" libvirt migrate begin -
	check_has "why" "$(cat "$TMP/out")" "no_room_vms"
	echo 'FROM=host-a ON_REFUSAL=go-on' > "$SETTINGS"
	check "goes on" libvirt migrate begin -
}

test_libvirt_without_settings()
{
	check "no host to expect it from" libvirt migrate begin -
	for step in "prepare begin" "start begin" "started begin" "stopped end" "reconnect begin"; do
		# shellcheck disable=SC2086 # two words
		check "$step" libvirt $step -
	done
	called ""
}

test_libvirt_releases_what_moved()
{
	moved moved
	check "release" libvirt release end migrated
	called "roam -j handover show vm web-1
roam handover release vm web-1 id 0a0b epoch 7"
	moved rounds
	check "a shutdown while it is copied" libvirt release end shutdown
	called "roam -j handover show vm web-1"
	echo '[{"vm":"web-1","from":"host-b","state":"moved","id":"0a0b","epoch":7}]' > "$TMP/shown"
	check "this is the destination" libvirt release end -
	called "roam -j handover show vm web-1"
	: > "$TMP/shown"
	check "no handover" libvirt release end -
	called "roam -j handover show vm web-1"
}

test_libvirt_events_freeze()
{
	cat > "$TMP/events" <<-END
		event 'lifecycle' for domain 'web-1': Started Booted
		event 'lifecycle' for domain 'web-1': Suspended Paused
		event 'lifecycle' for domain 'web-1': Suspended Migrated
		event 'lifecycle' for domain 'it's': Suspended Migrated
		event 'lifecycle' for domain 'web-1': Stopped Migrated
	END
	check_not "it ends with virsh" "$HOOKS/libvirt-events"
	called "virsh event --loop --event lifecycle
roam handover freeze vm web-1
roam handover freeze vm it's"
}

# ---- roam-virsh-migrate ----

# The copy and libvirt's migration run side by side.
sorted()
{
	sort "$CALLS" > "$CALLS.sorted" && mv "$CALLS.sorted" "$CALLS"
}

test_virsh_migrate()
{
	: > "$TMP/later" # the hook at the destination has not announced it yet
	check "moves" "$HOOKS/roam-virsh-migrate" web-1 host-b --persistent
	check_has "first" "$(head -1 "$CALLS")" "roam handover check vm web-1 to host-b"
	sorted
	called "roam handover check vm web-1 to host-b
roam handover start vm web-1 to host-b fence free
roam handover start vm web-1 to host-b fence free
virsh migrate --live --persistent web-1 qemu+ssh://host-b/system"
}

test_virsh_migrate_refused_first()
{
	echo check > "$TMP/refuse"
	check_not "refused" "$HOOKS/roam-virsh-migrate" web-1 host-b
	called "roam handover check vm web-1 to host-b"
}

test_virsh_migrate_fails()
{
	echo 3 > "$TMP/status"
	"$HOOKS/roam-virsh-migrate" web-1 host-b
	check_eq "virsh's status" $? 3
	check_has "taken back" "$(tail -1 "$CALLS")" "roam handover abort vm web-1"
}

test_virsh_migrate_refused_later()
{
	echo start > "$TMP/refuse"
	check_not "refused" "$HOOKS/roam-virsh-migrate" web-1 host-b
	check_has "why" "$(cat "$TMP/out")" "no_room_vms"
	check_has "libvirt's is ended" "$(tail -1 "$CALLS")" "virsh domjobabort web-1"
}

# ---- Proxmox VE ----

proxmox()
{
	PVE="$TMP/pve" "$HOOKS/proxmox" "$@"
}

configured()
{
	mkdir -p "$TMP/pve/nodes/host-a/qemu-server"
	cat > "$TMP/pve/nodes/host-a/qemu-server/101.conf" <<-END
		name: web
		net0: virtio=BC:24:11:AA:BB:10,bridge=vmbr0,firewall=1
		net1: e1000=BC:24:11:AA:BB:11,bridge=vmbr1
		[before-the-update]
		net2: virtio=BC:24:11:AA:BB:12,bridge=vmbr0
	END
}

test_proxmox_expects()
{
	configured
	export PVE_MIGRATED_FROM=host-a
	check "migrated" proxmox 101 pre-start
	called "roam handover expect vm vm-101 from host-a dev bc:24:11:aa:bb:10=tap101i0 dev bc:24:11:aa:bb:11=tap101i1 for 600"
	echo expect > "$TMP/refuse"
	check_not "refused" proxmox 101 pre-start
	echo ON_REFUSAL=go-on > "$SETTINGS"
	check "goes on" proxmox 101 pre-start
}

test_proxmox_cold()
{
	configured
	check "a cold start" proxmox 101 pre-start
	check "running" proxmox 101 post-start
	check "to be stopped" proxmox 101 pre-stop
	called ""
	check "stopped" proxmox 101 post-stop
	called "roam -j handover show vm vm-101"
}

test_proxmox_releases_what_moved()
{
	moved ready
	check "stopped" proxmox 101 post-stop
	called "roam -j handover show vm vm-101
roam handover release vm vm-101 id 0a0b epoch 7"
}

run_tests "$@"
