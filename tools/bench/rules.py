# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What an opening costs among few and many rules (rules.c), and how long many take to apply.

The time of the programs alone, by BPF_PROG_TEST_RUN; rules are random in all five fields. Applying is
of whole commands, in turn with nft, which reads the same number of rules into a chain.
"""
import json
import subprocess
import time

from world import BUILD, World, run

NAMES = {"few": "among 10 rules", "empty": "an empty program",
         "unlimited": "a rule without limits"}
APPLY = 10000


def measure_openings(rows):
    rows.command("build/bench/rules ROUNDS")
    pairs = {}
    for line in run(BUILD / "bench/rules", rows.rounds(11)).splitlines():
        name, roam, peer = line.split()
        pairs.setdefault(name, []).append((float(roam), float(peer)))
    for name, values in pairs.items():
        row, peer = name.replace("_", " ").split(":")
        rows.add(f"whole list, {row}" if peer == "empty" else row, NAMES[peer], "ns", values)


def rule(i, change):
    """An address, a port; `change` makes every rule of a file another one."""
    return f"{11 + i % 200}.{change}.{i // 256}.{i % 256}", 1000 + i


def policy(change):
    rules = [{"name": f"r{i}", "dir": "in", "prio": i, "action": "allow", "proto": "tcp",
              "from": rule(i, change)[0], "dport": rule(i, change)[1]} for i in range(APPLY)]
    return json.dumps({"vm": {"name": "web"}, "acl": rules})


def chain(change):
    rules = "\n".join(f"ip saddr {rule(i, change)[0]} tcp dport {rule(i, change)[1]} accept"
                      for i in range(APPLY))
    return f"table inet many\ndelete table inet many\ntable inet many {{ chain c {{\n{rules}\n}}\n}}\n"


def timed(words, text):
    begin = time.monotonic()
    subprocess.run([str(word) for word in words], input=text, text=True, check=True)
    return (time.monotonic() - begin) * 1e3


def measure_apply(rows):
    rows.command("roam policy apply -  # 10,000 rules, all others than before")
    rows.command("nft -f -  # the same in a chain")
    pairs = []
    with World() as world:
        world.make_host()
        roam = [*world.inside("host"), BUILD / "roam", "--bpffs", world.bpffs / "roam", "policy", "apply",
                "-"]
        nft = [*world.inside("host"), "nft", "-f", "-"]
        for change in range(rows.rounds(7)):
            pairs.append((timed(roam, policy(change)), timed(nft, chain(change))))
    rows.add(f"apply {APPLY:,} rules", "nftables, a chain", "ms", pairs)


def measure(rows):
    measure_openings(rows)
    measure_apply(rows)
