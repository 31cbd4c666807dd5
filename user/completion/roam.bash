# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Completion for bash, installed as bash-completion's file for `roam`. It knows nothing of roam but
# how `roam help` looks: objects, verbs and keywords are read from there.

# Objects without arguments; verbs with one; the keywords of a verb with two.
_roam_help_words()
{
	case $# in
	0) roam help 2> /dev/null | sed -n '/^objects:/,$s/^  \([a-z]*\) .*/\1/p' ;;
	1) roam help "$1" 2> /dev/null | sed -n "s/^  roam [a-z]* \([a-z]*\).*/\1/p" ;;
	*) roam help "$1" "$2" 2> /dev/null |
		sed -n -e 's/^  roam [a-z]* [a-z]*//p' -e 's/^       //p' | grep -oE '\b[a-z][a-z0-9]+\b' ;;
	esac
}

_roam_vms()
{
	roam vm show 2> /dev/null | cut -d ' ' -f 1
}

_roam()
{
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} list i=1
	local -a said=()

	for ((; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--bpffs | --control) ((i++)) ;;
		-*) ;;
		*) said+=("${COMP_WORDS[i]}") ;;
		esac
	done
	case ${said[0]-} in
	help) said=("${said[@]:1}") && [ ${#said[@]} -lt 2 ] || return ;;
	batch)
		COMPREPLY=()
		return
		;;
	esac
	case $before in
	dev | uplink) list=$(ls /sys/class/net) ;;
	vm) [ ${#said[@]} -gt 1 ] && list=$(_roam_vms) ;;
	save | set | del) [ ${#said[@]} -eq 2 ] && [[ ${said[0]} =~ ^(vm|state)$ ]] && list=$(_roam_vms) ;;
	esac
	[ -n "$list" ] || list=$(_roam_help_words "${said[@]:0:2}")
	[ ${#said[@]} -gt 0 ] || list="$list batch help -j -p --bpffs --control"
	# shellcheck disable=SC2207 # words are names without blanks
	COMPREPLY=($(compgen -W "$list" -- "$word"))
}

complete -o default -F _roam roam
