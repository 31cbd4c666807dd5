// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* roam: options, then one command or a file of them. */
#include <stdio.h>
#include <string.h>
#include <bpf/libbpf.h>
#include "batch.h"
#include "cmd.h"
#include "handover_ask.h"

/* Options before the object; the index of the first word behind them, or -1. */
static int parse_options(int argc, char **argv, struct cmd *cmd, enum out_form *ret_form)
{
	int at = 1;

	for (; at < argc && argv[at][0] == '-' && argv[at][1]; at++) {
		if (!strcmp(argv[at], "-j") || !strcmp(argv[at], "--json")) {
			if (*ret_form == OUT_TEXT)
				*ret_form = OUT_JSON;
		} else if (!strcmp(argv[at], "-p") || !strcmp(argv[at], "--pretty")) {
			*ret_form = OUT_JSON_PRETTY;
		} else if (!strcmp(argv[at], "--bpffs")) {
			if (++at == argc) {
				usage("the folder behind '--bpffs' is missing");
				return -1;
			}
			cmd->bpffs = argv[at];
		} else if (!strcmp(argv[at], "--control")) {
			if (++at == argc) {
				usage("the socket behind '--control' is missing");
				return -1;
			}
			cmd->control = argv[at];
		} else {
			usage("'%s' is no option; see 'roam help'", argv[at]);
			return -1;
		}
	}
	return at;
}

int main(int argc, char **argv)
{
	struct cmd cmd = { .bpffs = HOST_DIR_DEFAULT, .control = HANDOVER_CONTROL };
	enum out_form form = OUT_TEXT;
	int at = parse_options(argc, argv, &cmd, &form), err = CMD_USAGE;

	libbpf_set_print(NULL); /* what went wrong is in fail_line() */
	cmd.out = out_open(form);
	if (at > 0 && at < argc && !strcmp(argv[at], "batch"))
		err = batch_run(&cmd, argv + at + 1, argc - at - 1);
	else if (at > 0)
		err = cmd_run(&cmd, argv + at, argc - at);
	host_close(cmd.host);
	if (!out_close(cmd.out) && !err)
		err = fail(-EIO, "cannot write the output");
	if (err && err != CMD_DIFFERS)
		fprintf(stderr, "roam: %s\n", fail_line());
	return err == CMD_USAGE ? 2 : err ? 1 : 0;
}
