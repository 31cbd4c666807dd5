/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a host's pinned maps look like, as text: every struct and list of include/roam that may be
 * in them, from BTF at build time, and the maps. A host keeps the text of the build that made it,
 * as map `layout`: another build may put its programs over these maps only if its own is the same.
 */
#ifndef ROAM_LIB_LAYOUT_H
#define ROAM_LIB_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

struct bpf_object;

/* Of this build, whose object that is; for the caller to free. NULL without memory. */
char *layout_describe(const struct bpf_object *obj);

/* Nothing in the map outlives a run of a program: each set of programs has its own. */
bool layout_is_scratch(const char *map);

/*
 * Whether both texts say the same; else what the first difference is in ("struct roam_flow",
 * "map ct_table").
 */
bool layout_same(const char *a, const char *b, char *ret_what, size_t size);

/*
 * Whether the structs and lists of that text are this build's, without a look at its maps; else the
 * first that is not.
 */
bool layout_is_own(const char *text, char *ret_what, size_t size);

/* To and from the map pinned under that path. -ENOENT if there is none. */
int layout_store(const char *path, const char *text);
int layout_load(const char *path, char **ret_text);

#endif
