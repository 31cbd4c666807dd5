/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Words that every other header of this folder uses: sizes, directions, addresses, names, and the
 * tag that says which fields of a struct travel in a VM's image.
 *
 * All headers here are seen by the BPF programs (clang -target bpf) and by user space; together
 * they are roam's ABI. They hold types and constants only: no functions, no maps.
 */
#ifndef ROAM_TYPES_H
#define ROAM_TYPES_H

#include <linux/types.h>

/* VMs on one host. Slot 0 belongs to no VM: it counts what cannot be laid at any VM's door. */
#define ROAM_VM_MAX  4096
#define ROAM_VM_NONE 0

/* A name with its NUL: [A-Za-z0-9][A-Za-z0-9._:/-]{0,62}. Zero-padded, so that it can be a key. */
#define ROAM_NAME_LEN 64

#define ROAM_MAC_LEN 6

/* The point of view is the VM's: `in` is toward the VM, `out` is from it. */
#define ROAM_DIRS(X)                                                                               \
	X(IN, "in")                                                                                \
	X(OUT, "out")

enum roam_dir {
#define X(id, text) ROAM_DIR_##id,
	ROAM_DIRS(X)
#undef X
		ROAM_DIR_COUNT
};

/* An IPv6 address, or an IPv4 one as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2). Network byte order. */
struct roam_addr {
	union {
		__u8 bytes[16];
		__be32 words[4];
	};
};

#define ROAM_FAMILY_IPV4 4
#define ROAM_FAMILY_IPV6 6

/*
 * 802.1Q tags of a frame: outer VLAN id << 12 | inner VLAN id; 0 is untagged. Priority bits are not
 * part of it. An outer id of 0 (a priority tag) counts as untagged.
 */
#define ROAM_VLAN(outer, inner) (((__u32)(outer) << 12) | (__u32)(inner))
#define ROAM_VLAN_MASK          0xffffffu

/*
 * ROAM_CARRY(kind, need) marks a field that travels in an image; a field without it never leaves
 * the host (a struct's own fields are looked at where it is part of another). The build reads the
 * marks from BTF (tools/schema.c); docs/image.md tells how each kind looks in an image. kind  uint,
 * be, bytes, addr, mac, name: as the field is;  age: a time of this host's monotonic clock, in ns;
 * until: the same of what may be far ahead;  enum/NAME: a number with a name in the list
 * ROAM_<NAME>S;  rule, zone, gen: numbers that mean something on this host only, carried by name or
 * relation need  required: a verdict depends on it; optional: a reader may leave it out; later:
 * required of a reader once it is there, and 0 in images of versions that did not have it
 */
#if defined(__bpf__)
#define ROAM_CARRY(kind, need) __attribute__((btf_decl_tag("roam:" kind ":" need)))
#else
#define ROAM_CARRY(kind, need)
#endif

/*
 * ROAM_MERGE(operator) beside ROAM_CARRY: what becomes of a field of a row that the image and the
 * host that loads it both have: max, sum or union (user/lib/merge.h). Without it the image's stays.
 */
#if defined(__bpf__)
#define ROAM_MERGE(operator) __attribute__((btf_decl_tag("roam-merge:" operator)))
#else
#define ROAM_MERGE(operator)
#endif

/*
 * ROAM_SPREAD marks an array of structs that an image knows as arrays of the structs' fields: FIELD
 * of all elements is one field, and a struct STRUCT within is STRUCT[0], STRUCT[1]. For a struct of
 * here that has been taken apart otherwise than the image was made.
 */
#if defined(__bpf__)
#define ROAM_SPREAD __attribute__((btf_decl_tag("roam-spread:")))
#else
#define ROAM_SPREAD
#endif

/* Layouts are ABI: an offset or a size that changes must break the build, not a load. */
#define ROAM_ASSERT_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " is ABI")
#define ROAM_ASSERT_OFFSET(type, field, at)                                                        \
	_Static_assert(__builtin_offsetof(type, field) == (at), #type "." #field " is ABI")

ROAM_ASSERT_SIZE(struct roam_addr, 16);

#endif
