#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# The structs and enums of include/roam are ABI: their layout equals the golden file. A wanted
# change is made known by `make abi-update`, and shows in the review as a change of layout.txt.
. "$(dirname "$0")/../lib.sh"

# The golden file's paragraph of one type; $1 is "struct NAME" or "enum NAME".
paragraph()
{
	awk -v RS= -v head="$1 " 'index($0, head) == 1' "$2"
}

test_layout()
{
	local golden="$LIB_DIR/layout.txt"
	"$BUILD/tests/abi/layout" "$BUILD/layout.bpf.o" > "$TMP/layout.txt" || fail "no layout"
	grep -h -E '^(struct|enum) ' "$golden" "$TMP/layout.txt" | cut -d' ' -f1,2 | sort -u |
		while read -r type; do
			paragraph "$type" "$golden" > "$TMP/want"
			paragraph "$type" "$TMP/layout.txt" > "$TMP/got"
			diff -u "$TMP/want" "$TMP/got" > "$TMP/diff" && continue
			fail "$type differs from layout.txt (make abi-update, if it is meant)"
			sed 's/^/#   /' "$TMP/diff"
		done
}

# Every struct and enum that the headers define is in the golden file.
test_complete()
{
	local type
	sed -n -E 's/^(struct|enum) (roam_[a-z_0-9]+) \{.*/\1 \2/p' "$TOP"/include/roam/*.h |
		while read -r type; do
			grep -q "^$type " "$LIB_DIR/layout.txt" ||
				fail "$type is not in tools/layout.bpf.c"
		done
}

run_tests "$@"
