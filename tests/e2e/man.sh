#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# The manual pages and the README tell the truth: every example is run in namespaces and prints what
# is shown there, but for what varies (counters, ages, ports of clients); the synopses are those of
# `roam help`; what is named is there.
#
#   client: eth0 ── eth0 :host: br0 :host: tap0 ── eth0 :vm        host-b: tap3
#
# An example begins with `# ` or `$ ` in a literal display (```console in the README); what follows
# is its output, up to the next one. White space is one blank, as long lines are wrapped. `roam`
# works on the host of its namespace, `ssh host-b` goes to the other one. `cat FILE` makes the file.
. "$(dirname "$0")/../lib.sh"

PAGES=$TOP/user/man
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3

# ---- reading pages ----

# $1: a page or the README; writes N.cmd and N.want into $TMP/examples, N from 100.
extract()
{
	mkdir -p "$TMP/examples"
	awk -v dir="$TMP/examples" '
		/^\.Ed/ || /^```$/ { on = 0 }
		on && more { more = $0 ~ /\\e?$/; gsub(/\\e/, "\\"); print > cmd; next }
		on && /^[#$] / {
			cmd = dir "/" (100 + n) ".cmd"; want = dir "/" (100 + n++) ".want"
			more = $0 ~ /\\e?$/
			gsub(/\\e/, "\\")
			print substr($0, 3) > cmd
			printf "" > want
			next
		}
		on && n { print > want }
		/^\.Bd -literal/ || /^```console/ { on = 1 }' "$1"
}

# What varies from run to run becomes N; so does what depends on the kernel.
mask()
{
	sed -e "s,$BPFFS/host-b,/sys/fs/bpf,g" -e "s,$BPFFS/host,/sys/fs/bpf,g" |
		tr -s ' \t\n' ' ' | sed -E -e 's/ +$//' -e 's/, "/,"/g' \
		-e 's/(^| )((packets|bytes)(_in|_out)?|vm_bytes|rport|[a-z]+_s|incarnation) -?[0-9a-f]+/\1\2 N/g' \
		-e 's/"((packets|bytes)(_in|_out)?|vm_bytes|rport|[a-z]+_s|incarnation)": ?("[0-9a-f]+"|-?[0-9]+)/"\1":N/g' \
		-e 's/ host [^ ]+ sequence/ host N sequence/' \
		-e 's/ports (tcx|clsact)/ports N/' -e 's/"ports": "(tcx|clsact)"/"ports": N/' \
		-e 's/\((native|generic)\)/(N)/g'
}

# ---- the world in which examples run ----

world()
{
	ns_add client host host-b vm
	ns host sh -c 'echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6'
	ns client sh -c 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6'
	ns vm sh -c 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6'
	link client eth0 host eth0
	link vm eth0 host tap0
	ns host ip link add br0 type bridge mcast_snooping 0
	ns host ip link set eth0 master br0
	ns host ip link set tap0 master br0
	ns host ip link set br0 up
	ns host ip link add tap1 type veth peer name tap2 || fail "no devices"
	ns host-b ip link add tap3 type veth peer name peer3 || fail "no devices"
	ns vm ip link set eth0 address 52:54:00:aa:bb:10
	ns vm ip addr add 10.0.0.10/24 dev eth0
	ns vm ip route add 192.0.2.0/24 dev eth0
	ns client ip addr add 192.0.2.7/24 dev eth0
	ns client ip route add 10.0.0.0/24 dev eth0
	shims
}

# `roam` and `ssh` as the examples call them.
shims()
{
	mkdir -p "$TMP/bin" "$TMP/work" "$BPFFS/host" "$BPFFS/host-b"
	cat > "$TMP/bin/roam" <<-END
		#!/bin/sh
		exec "$ROAM" --bpffs "$BPFFS/\${ROAM_HOST:-host}/roam" "\$@"
	END
	cat > "$TMP/bin/ssh" <<-END
		#!/bin/sh
		host=\$1
		shift
		ROAM_HOST=\$host exec nsenter --net="/var/run/netns/roam-$$-\$host" "\$@"
	END
	chmod +x "$TMP/bin/roam" "$TMP/bin/ssh"
	PATH=$TMP/bin:$PATH
	ssh host-b roam host init
}

# What a page takes for granted.
prepare()
{
	case $1 in
	README.md | roam.8 | roam-host.8) return ;;
	esac
	roam_here host init uplink eth0
	case $1 in
	roam-vm.8 | roam-policy.8) return ;;
	esac
	roam_here vm add web-1 uuid 1b4e28ba-2fa1-11d2-883f-0016d3cca427 default in drop out allow
	[ "$1" != roam-port.8 ] || return 0
	roam_here port add vm web-1 dev tap0 mac 52:54:00:aa:bb:10 addr 10.0.0.10 addr fd00::10
	[ "$1" != roam-acl.8 ] || return 0
	roam_here acl add vm web-1 name https in prio 10 allow tcp from any dport 443
}

roam_here()
{
	ns host "$TMP/bin/roam" "$@" || fail "roam $*"
}

# Not by ns(): what is spawned must be the process itself, so that it ends with the test.
spawn_sock()
{
	local name=$1
	shift
	spawn nsenter --net="$(ns_path "$name")" "$PYTHON" "$TOP/tests/e2e/sock.py" "$@"
}

# A client that connects to port 443 and stays, and one that tries port 22: before the first command
# that shows what became of it.
traffic()
{
	[ ! -e "$TMP/traffic" ] || return 0
	: > "$TMP/traffic"
	spawn_sock vm serve 443
	wait_for 20 grep -q ready "$TMP/spawn.1" || fail "no server"
	spawn_sock client hold 10.0.0.10 443 1
	wait_for 20 grep -q 'alive 1' "$TMP/spawn.2" || fail "the client cannot connect"
	check_not "port 22 is closed" \
		ns client "$PYTHON" "$TOP/tests/e2e/sock.py" tcp 10.0.0.10 22
}

# The world moves on where an example says so.
before()
{
	local example=$1 command=$2
	case $command in
	"cat "*) cp "$example.want" "$TMP/work/${command#cat }" ;;
	"roam ct show"* | "roam acl show vm"* | "roam stats"* | "roam state save"*)
		[ "$PAGE" = roam.8 ] || traffic
		;;
	esac
}

run_example()
{
	local example=$1 command got want
	command=$(cat "$example.cmd")
	before "$example" "$command"
	got=$(cd "$TMP/work" && ns host sh -c "$command" 2>&1 < /dev/null | mask)
	want=$(mask < "$example.want")
	check_eq "$PAGE: $command" "$got" "$want"
}

# $1: a page's path. Prints how many examples it has by failing if there are none.
run_examples()
{
	local example
	PAGE=${1##*/}
	world
	prepare "$PAGE"
	extract "$1"
	for example in "$TMP/examples"/*.cmd; do
		[ -e "$example" ] || { fail "$PAGE has no examples"; return; }
		run_example "${example%.cmd}"
	done
}

test_examples_roam() { run_examples "$PAGES/roam.8"; }
test_examples_host() { run_examples "$PAGES/roam-host.8"; }
test_examples_vm() { run_examples "$PAGES/roam-vm.8"; }
test_examples_port() { run_examples "$PAGES/roam-port.8"; }
test_examples_acl() { run_examples "$PAGES/roam-acl.8"; }
test_examples_ct() { run_examples "$PAGES/roam-ct.8"; }
test_examples_ips() { run_examples "$PAGES/roam-ips.8"; }
test_examples_set() { run_examples "$PAGES/roam-set.8"; }
test_examples_lb() { run_examples "$PAGES/roam-lb.8"; }
test_examples_policy() { run_examples "$PAGES/roam-policy.8"; }
test_examples_qos() { run_examples "$PAGES/roam-qos.8"; }
test_examples_stats() { run_examples "$PAGES/roam-stats.8"; }
test_examples_explain() { run_examples "$PAGES/roam-explain.8"; }
test_examples_state() { run_examples "$PAGES/roam-state.8"; }
test_examples_readme() { run_examples "$TOP/README.md"; }

# ---- synopses, reasons, names ----

words()
{
	tr -s ' \t\n' ' ' | sed 's/^ //; s/ $//'
}

objects()
{
	"$ROAM" help | sed -n '/^objects:/,$s/^  \([a-z]*\) .*/\1/p'
}

# The usage lines of one object's help; what a verb does stands six blanks in.
usages()
{
	"$ROAM" help "$1" | sed -n -e 's/^  \(roam .*\)/\1/p' -e 's/^       //p' | words
}

synopsis()
{
	mandoc -T ascii -O width=300 "$1" | sed "s/.$(printf '\b')//g" |
		sed -n '/^SYNOPSIS/,/^DESCRIPTION/{/^[A-Z]/!p;}' | words
}

test_synopses_are_those_of_help()
{
	local object
	command -v mandoc > /dev/null || skip "no mandoc"
	for object in $(objects); do
		check_eq "roam-$object.8" "$(synopsis "$PAGES/roam-$object.8")" "$(usages "$object")"
	done
	check_eq "roam.8" "$(synopsis "$PAGES/roam.8")" \
		"$("$ROAM" help | sed -n '/^usage:/,/^$/p' | sed 's/^usage://' | words)"
}

test_every_object_has_a_page_and_an_entry()
{
	local object page
	for object in $(objects); do
		check "page of $object" test -e "$PAGES/roam-$object.8"
		check "$object in roam.8" grep -q "^\.It Cm $object\$" "$PAGES/roam.8"
	done
	for page in "$PAGES"/roam-*.8; do
		object=${page##*/roam-}
		check "object of $page" "$ROAM" help "${object%.8}"
	done
}

test_every_verb_is_described()
{
	local object verb
	for object in $(objects); do
		for verb in $("$ROAM" help "$object" | sed -n "s/^  roam $object \([a-z]*\).*/\1/p"); do
			check "$object $verb" grep -q "^\.It Cm $object $verb" "$PAGES/roam-$object.8"
		done
	done
}

# "NAME verdict text", as the header has them, and as the page does.
test_reasons_are_those_of_the_header()
{
	sed -n 's/.*X([A-Z_]*, "\([a-z_]*\)", \([PD][A-Z]*\), "\(.*\)").*/\1 \2 \3/p' \
		"$TOP/include/roam/reason.h" | tr '[:upper:]' '[:lower:]' | sort > "$TMP/header"
	awk '/^\.Ss Reasons to/ { verdict = $4 }
		/^\.Sh/ { verdict = "" }
		verdict && text { sub(/\.$/, ""); print text, verdict, $0; text = "" }
		verdict && /^\.It/ { text = $2 }' "$PAGES/roam-stats.8" |
		tr '[:upper:]' '[:lower:]' | sort > "$TMP/page"
	check "there are some" test -s "$TMP/header"
	check "reasons" diff "$TMP/header" "$TMP/page"
}

# "name seconds kind" of every state.
test_states_are_those_of_the_header()
{
	local name seconds kind
	sed -n 's/^\tX([A-Z_]*, "\([a-z_]*\)", \([1-9][0-9]*\), \([A-Z]*\)).*/\1 \2 \3/p' \
		"$TOP/include/roam/ct.h" | tr '[:upper:]' '[:lower:]' > "$TMP/states"
	check "there are some" test -s "$TMP/states"
	while read -r name seconds kind; do
		sed -n "/^\.It $kind\$/,/^\.[EI]/p" "$PAGES/roam-ct.8" > "$TMP/group"
		check "$name $seconds s in $kind" grep -qE "(^| )$name $seconds s(,|\$)" "$TMP/group"
	done < "$TMP/states"
}

# Every line under DIAGNOSTICS is one that the sources can print; words in capitals and conversions
# stand for whatever it is about.
test_diagnostics_are_printed_by_the_sources()
{
	find "$TOP/user" -name '*.c' -exec grep -ho '"[^"]*"' {} + | sed -E -e 's/^"|"$//g' \
		-e 's/%[.0-9*]*l*[a-z]/@/g' -e 's/\b[A-Z]+\b/@/g' > "$TMP/literals"
	sed -n '/^\.Sh DIAG/,/^\.Sh SEE/s/^\.It //p' "$PAGES"/*.8 > "$TMP/lines"
	check "there are some" test -s "$TMP/lines"
	while read -r line; do
		check "$line" grep -qxF "$(echo "$line" | sed -E 's/\b[A-Z]+\b/@/g')" "$TMP/literals"
	done < "$TMP/lines"
}

# What is linked, sources, targets of make, and roam's objects and verbs: one a line.
readme_names()
{
	# shellcheck disable=SC2016 # backquotes of Markdown
	{
		grep -oE '`(sudo )?make [a-z-]+`' "$TOP/README.md" | sed 's/.*make /target /; s/`//'
		grep -o '`[a-z0-9_]*\.[ch]`' "$TOP/README.md" | sed 's/^`/source /; s/`$//'
		grep -o '](\([^)]*\))' "$TOP/README.md" | tr -d '])(' | sed 's/^/path /'
		grep -ohE 'roam (host|vm|port|acl|ct|stats|state) [a-z]+' "$TOP/README.md" |
			sed 's/^roam/verb/'
	} | sort -u
}

find_source()
{
	find "$TOP/include" "$TOP/bpf" "$TOP/user" "$TOP/tests" "$TOP/tools" -name "$1" | grep -q .
}

test_readme_names_what_is_there()
{
	local kind name verb
	readme_names > "$TMP/names"
	check_eq "kinds" "$(cut -d ' ' -f 1 "$TMP/names" | uniq | tr '\n' ' ')" \
		"path source target verb "
	while read -r kind name verb; do
		case $kind in
		path) check "$name" test -e "$TOP/$name" ;;
		source) check "$name" find_source "$name" ;;
		target) check "make $name" grep -q "^$name:" "$TOP/Makefile" ;;
		verb) check "roam $name $verb" "$ROAM" help "$name" "$verb" ;;
		esac
	done < "$TMP/names"
}

# The table of packages is that of tools/deps, group by group.
test_dependencies_are_those_of_deps()
{
	sed -n 's/^| \([a-z]*\) | \([a-z0-9.-]*\) | .*/\1 \2/p' "$TOP/docs/dependencies.md" |
		grep -v '^group ' > "$TMP/page"
	awk '$3 ~ /^(cmd|pc|file):/ { print $1, $2 }' "$TOP/tools/deps" > "$TMP/deps"
	check "there are some" test -s "$TMP/deps"
	check "packages" diff "$TMP/deps" "$TMP/page"
}

run_tests "$@"
