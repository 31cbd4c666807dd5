# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What tests could leave behind on a machine: tests/run compares the end with the start."""
import json
import os
import subprocess
import time
from pathlib import Path

# The kernel frees programs and maps some time after their last user is gone.
PATIENCE_S = 5
# What systemd and others load at any time is none of the tests' business.
PROGRAM_TYPES = {"sched_cls", "sched_act", "xdp", "syscall"}
# A prog_array whose last user goes twice in short order, as when `bpftool map show` opens it meanwhile,
# is never freed: each time takes a reference for work that is queued once (prog_array_map_clear in
# kernel/bpf/arraymap.c, seen on 6.18 without any program). A host that is left has other maps, too.
UNFREED_MAP_TYPES = {"prog_array"}


def bpf_objects(kind):
    """{id: name} of programs, maps or links, as far as this user may see them."""
    try:
        output = subprocess.run(["bpftool", "-j", kind, "show"], capture_output=True, text=True,
                                check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {entry["id"]: f"{entry.get('type', '')} {entry.get('name', '')}".strip()
            for entry in json.loads(output or "[]")
            if (kind != "prog" or entry.get("type") in PROGRAM_TYPES)
            and (kind != "map" or entry.get("type") not in UNFREED_MAP_TYPES)}


def processes(scratch):
    """Processes of this run: those that have its scratch folder in their environment."""
    marker = f"TMPDIR={scratch}".encode()
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int(folder.name) != os.getpid() and marker in (folder / "environ").read_bytes():
                name = (folder / "comm").read_text().strip()
                found[folder.name] = f"{folder.name} ({name})"
        except (OSError, ProcessLookupError):
            continue
    return found


def mounts():
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return {line: line.split()[1] for line in lines if line.split()[2] == "bpf"}


def names(folder):
    try:
        return {name: name for name in os.listdir(folder)}
    except OSError:
        return {}


def snapshot(scratch):
    return {
        "scratch": scratch,
        "network namespaces": names("/var/run/netns"),
        "network devices": names("/sys/class/net"),
        "bpffs mounts": mounts(),
        "programs": bpf_objects("prog"),
        "links": bpf_objects("link"),
        "maps": bpf_objects("map"),
        "processes": {},
        "files": {},
    }


def since(before):
    """{what: [names]}; waits a little for what is only slow to go away."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        scratch = before["scratch"]
        after = snapshot(scratch)
        after["processes"] = processes(scratch)
        after["files"] = names(scratch)
        found = {what: [str(name) for key, name in after[what].items() if key not in before[what]]
                 for what in before if what != "scratch"}
        if not any(found.values()) or time.monotonic() > deadline:
            return found
        time.sleep(0.2)
