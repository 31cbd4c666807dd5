/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Who wants to know what each stage has said: nobody, and it costs nothing. A front end that does
 * want to know includes note_steps.h, this header's twin, before pipeline.h.
 */
#ifndef ROAM_BPF_NOTE_H
#define ROAM_BPF_NOTE_H

#include <roam/explain.h>

/* Called with the verdict of every stage; returns it. */
static __always_inline enum roam_verdict note(struct roam_pkt *pkt, enum roam_stage stage,
					      enum roam_verdict verdict)
{
	(void)pkt;
	(void)stage;
	return verdict;
}

#endif
