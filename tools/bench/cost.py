# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What a packet costs by BPF_PROG_TEST_RUN (cost.c): nanoseconds in the programs alone."""
from world import BUILD, run

NAMES = {
    "empty": "an empty program", "parse": "one that only parses", "admitted": "an admitted opening",
    "alone": "one VM on its host", "ct_and_acl": "ct and acl alone",
    "untranslated": "a flow of no service", "not_copied": "a VM that is not copied",
}


def measure(rows):
    rows.command("build/bench/cost ROUNDS")
    pairs = {}
    for line in run(BUILD / "bench/cost", rows.rounds(11)).splitlines():
        name, roam, peer = line.split()
        pairs.setdefault(name, []).append((float(roam), float(peer)))
    for name, values in pairs.items():
        row, peer = name.split(":")
        rows.add(row.replace("_", " "), NAMES[peer], "ns", values)
