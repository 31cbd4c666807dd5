// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Loading a host's programs: see host_load.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "host_load.h"
#include "roam.skel.h"
#include "util.h"

static char load_error[256];

/*
 * Keeps libbpf's first line, which names the program. The verifier's log is printed as it is: it
 * comes only when loading has failed.
 */
static int keep_error(enum libbpf_print_level level, const char *format, va_list args)
{
	static char text[64 * 1024];

	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(text, sizeof(text), format, args);
	if (strstr(text, "BEGIN PROG LOAD LOG"))
		fputs(text, stderr);
	else if (!load_error[0])
		snprintf(load_error, sizeof(load_error), "%.*s", (int)strcspn(text, "\n"), text);
	return 0;
}

int host_load_open(struct roam **ret_skel)
{
	struct roam *skel;

	load_error[0] = '\0';
	libbpf_set_print(keep_error);
	skel = roam__open();
	if (!skel)
		return fail(-ENOMEM, "host: cannot open the programs");
	/* A port's list behind XDP is for devices whose frames only XDP sees; nobody attaches it.
	 */
	bpf_program__set_autoload(skel->progs.xdp_in, false);
	bpf_program__set_autoload(skel->progs.xdp_out, false);
	*ret_skel = skel;
	return 0;
}

int host_load(struct roam *skel)
{
	int err = roam__load(skel);

	if (err)
		return fail(err, "host: the kernel refuses the programs: %s: %s", strerror(-err),
			    load_error);
	return 0;
}

int host_pin(struct roam *skel, const char *dir)
{
	struct bpf_program *prog;
	struct bpf_map *map;
	char path[600];
	int err = 0;

	bpf_object__for_each_map(map, skel->obj)
	{
		if (bpf_map__is_internal(map))
			continue;
		snprintf(path, sizeof(path), "%s/maps/%s", dir, bpf_map__name(map));
		err = err ? err : bpf_obj_pin(bpf_map__fd(map), path) ? -errno : 0;
	}
	bpf_object__for_each_program(prog, skel->obj)
	{
		if (!bpf_program__autoload(prog))
			continue;
		snprintf(path, sizeof(path), "%s/progs/%s", dir, bpf_program__name(prog));
		err = err ? err : bpf_obj_pin(bpf_program__fd(prog), path) ? -errno : 0;
	}
	return err ? fail_errno(err, "host %s: cannot pin", dir) : 0;
}
