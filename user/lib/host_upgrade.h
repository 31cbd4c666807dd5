/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Putting this build's programs in the place of a host's, over the maps and links that it has.
 *
 *   DIR/upgrade-new       the new programs, half pinned: whoever finds it removes it
 *   DIR/upgrade           all of them, by one rename: from here on the change is made, and whoever
 *     maps progs          has the lock carries it through (host_upgrade_finish)
 *     marks               new programs and map `layout` once more, to tell what has been done
 *
 * Then every link and filter is given its new program, and the folders DIR/progs and DIR/maps are
 * exchanged for the new ones, whose maps are the same but for scratch maps. Old and new programs
 * work side by side on the same maps meanwhile.
 */
#ifndef ROAM_LIB_HOST_UPGRADE_H
#define ROAM_LIB_HOST_UPGRADE_H

#include <stdbool.h>

struct host_upgraded {
	unsigned int links; /* and filters, that have got their new programs */
};

/*
 * Refused, naming what differs, if the host's maps are not laid out as this build's: nothing has
 * changed then.
 */
int host_upgrade(const char *dir, struct host_upgraded *ret_upgraded);

/* Whether a killed process has left one; with the host's lock, goes on with it. */
bool host_upgrade_is_due(const char *dir);
int host_upgrade_finish(const char *dir);

#endif
