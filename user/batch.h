/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Commands from a file, one a line. */
#ifndef ROAM_BATCH_H
#define ROAM_BATCH_H

#include "cmd.h"

/* `word`: the file's name, or "-". Stops at the first line that fails and says which it was. */
int batch_run(struct cmd *cmd, char *const *word, int count);

#endif
