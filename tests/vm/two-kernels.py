#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Two kernels of different version and uptime: an image saved on Linux 6.1, loaded on 6.12.

The source opens flows, waits until they are older than the destination's uptime will be, and saves.
The destination loads the image into another slot and another device. Then both judge the same
packets. Ages, counters, verdicts and the reasons of the counters must agree.
"""
import base64
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import guest  # noqa: E402
from results import Results  # noqa: E402

LIMIT_S = 240
WAIT_S = 45
KSFT_SKIP = 4
MAC = "52:54:00:aa:bb:10"

# What the VM's peers and the VM send before the save: an established connection, a half-open one,
# one that is closing, and a UDP exchange; IPv4 and IPv6.
TRAFFIC = """
in tcp {remote} 40000 {local} 443 S
out tcp {local} 443 {remote} 40000 SA
in tcp {remote} 40000 {local} 443 A
in tcp {remote} 40000 {local} 443 PA
out tcp {local} 443 {remote} 40000 PA
in tcp {remote} 40001 {local} 443 S
in tcp {remote} 40002 {local} 443 S
out tcp {local} 443 {remote} 40002 SA
in tcp {remote} 40002 {local} 443 A
in tcp {remote} 40002 {local} 443 FA
out udp {local} 5353 {remote} 53
in udp {remote} 53 {local} 5353
in tcp {remote} 40003 {local} 22 S
"""

# What both hosts judge afterwards.
PROBES = """
in tcp {remote} 40000 {local} 443 PA
out tcp {local} 443 {remote} 40000 PA
out tcp {local} 443 {remote} 40001 SA
out tcp {local} 443 {remote} 40002 FA
in udp {remote} 53 {local} 5353
in udp {remote} 53 {local} 5354
in tcp {remote} 40009 {local} 443 PA
in tcp {remote} 40009 {local} 443 S
in tcp {remote} 40010 {local} 22 S
out tcp {spoofed} 443 {remote} 40000 PA
"""

FAMILIES = (
    {"remote": "192.0.2.7", "local": "10.0.0.10", "spoofed": "10.0.0.11"},
    {"remote": "2001:db8::7", "local": "fd00::10", "spoofed": "fd00::11"},
)

# Both hosts differ in what must not matter: devices, slots.
SHOW = """
show()
{
	echo "@$1"
	shift
	"$@" || echo "@failed $*"
}
report()
{
	show "uptime_$1" cut -d' ' -f1 /proc/uptime
	show "flows_$1" $ROAM -j ct show vm web-1
	show "stats_$1" $ROAM -j stats show vm web-1
	show "rules_$1" $ROAM -j acl show vm web-1
}
judge()
{
	build/tests/vm/inject /sys/fs/bpf/roam "$1" %(mac)s
}
""" % {"mac": MAC}

SOURCE = SHOW + """
ip link add p0 type veth peer name p0b
ip link set p0 up
$ROAM host init || exit
$ROAM vm add web-1 default in drop out allow midstream strict || exit
$ROAM port add vm web-1 dev p0 mac %(mac)s addr 10.0.0.10 addr fd00::10 || exit
$ROAM acl add vm web-1 name https in prio 10 allow tcp dport 443 || exit
show before judge p0 < /traffic
sleep %(wait)d
report saved
show image sh -c "$ROAM state save web-1 - | base64"
show probes judge p0 < /probes
report probed
""" % {"mac": MAC, "wait": WAIT_S}

DESTINATION = SHOW + """
for i in 1 2 3; do
	ip link add "q$i" type veth peer name "q${i}b"
	ip link set "q$i" up
done
$ROAM host init || exit
$ROAM vm add other || exit
$ROAM state load /image dev %(mac)s=q3 || exit
report loaded
show probes judge q3 < /probes
report probed
""" % {"mac": MAC}


def packets(template):
    return "".join(template.format(**family) for family in FAMILIES).encode()


def sections(lines):
    """{name: text}: what stands between `@name` lines."""
    found, name = {}, None
    for line in lines:
        if line.startswith("@") and not line.startswith("@failed"):
            name = line[1:]
            found[name] = []
        elif name:
            found[name].append(line)
    return {name: "\n".join(text).strip() for name, text in found.items()}


def flows(text):
    """{flow: its fields}, and none twice."""
    rows = {}
    for row in json.loads(text):
        key = (row["proto"], row["local"], row.get("lport"), row["remote"], row.get("rport"))
        if key in rows:
            raise ValueError(f"flow twice: {key}")
        rows[key] = row
    return rows


AGES = ("age_s", "idle_s")
CLOCKS = (*AGES, "expires_s")


def compare(results, source, destination):
    saved, loaded = flows(source["flows_saved"]), flows(destination["flows_loaded"])
    results.check("there are flows to move", len(saved) >= 8, source["flows_saved"])
    results.equal("the same flows", sorted(loaded), sorted(saved))
    results.equal("states, counters and marks",
                  {key: {k: v for k, v in row.items() if k not in CLOCKS}
                   for key, row in loaded.items()},
                  {key: {k: v for k, v in row.items() if k not in CLOCKS}
                   for key, row in saved.items()})
    uptime = float(destination["uptime_loaded"])
    results.check("flows are older than the destination's uptime",
                  all(row["age_s"] > uptime for row in loaded.values()),
                  f"uptime {uptime}", destination["flows_loaded"])
    # At rest nothing ages; between show and save, and load and show, some seconds may pass.
    apart = {key: loaded[key][age] - row[age] for key, row in saved.items() if key in loaded
             for age in AGES}
    results.check("ages go on where they were", all(0 <= d <= 10 for d in apart.values()), apart)
    results.equal("counters by reason", destination["stats_loaded"], source["stats_saved"])
    compare_rules(results, json.loads(source["rules_saved"]),
                  json.loads(destination["rules_loaded"]))
    results.check("the packets before the save were judged as meant",
                  source["before"].count("drop") == 2, source["before"])
    results.equal("verdicts after the move", destination["probes"], source["probes"])
    results.equal("reasons after the move", destination["stats_probed"], source["stats_probed"])
    results.equal("states after the move",
                  {key: row["state"] for key, row in flows(destination["flows_probed"]).items()},
                  {key: row["state"] for key, row in flows(source["flows_probed"]).items()})


def compare_rules(results, saved, loaded):
    last = [[rule.pop("last_s") for rule in rules] for rules in (saved, loaded)]
    results.equal("rules and their hits", loaded, saved)
    results.check("ages of hits go on where they were",
                  all(0 <= b - a <= 10 for a, b in zip(*last)), last)


def run(results, scratch):
    source = guest.Guest("6.1", scratch)
    destination = guest.Guest("6.12", scratch)
    lines, status = source.boot(SOURCE, LIMIT_S, {"traffic": packets(TRAFFIC),
                                                  "probes": packets(PROBES)})
    saved = sections(lines)
    whole = status == 0 and {"before", "image", "probes", "flows_probed"} <= saved.keys()
    results.check("the source saves", whole, "\n".join(lines))
    if not whole:
        return
    image = base64.b64decode(saved["image"])
    lines, status = destination.boot(DESTINATION, LIMIT_S, {"image": image,
                                                            "probes": packets(PROBES)})
    loaded = sections(lines)
    whole = status == 0 and {"probes", "flows_probed"} <= loaded.keys()
    results.check("the destination loads", whole, "\n".join(lines))
    if whole:
        print(f"# image: {len(image)} bytes; uptime of the source {saved['uptime_saved']} s, "
              f"of the destination {loaded['uptime_loaded']} s")
        compare(results, saved, loaded)


def main():
    results = Results()
    print("TAP version 13")
    with tempfile.TemporaryDirectory(prefix="roam-vm.") as scratch:
        try:
            run(results, scratch)
        except guest.Missing as missing:
            print(f"1..0 # SKIP {missing}")
            return KSFT_SKIP
    print(f"1..{results.number}")
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
