# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The suites once more, on another kernel; called by tests/vm/linux-*.sh.

  suite.py VERSION TIER…

Prints the guest's results as one flat list of KTAP, each under its program's name.
"""
import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import guest  # noqa: E402

# Below tests/run's own, so that what is done by then is reported.
LIMIT_S = 3300
SLOWEST = 12
RESULT = re.compile(r"^(ok|not ok)\s+\d+\s+(.*)$")
KSFT_SKIP = 4


class Suites:
    """Counts what a guest reports, program by program."""

    def __init__(self):
        self.number, self.failed = 0, 0
        self.program, self.planned, self.seen = None, 0, 0
        self.seconds = {}

    def result(self, state, name):
        self.number += 1
        self.failed += state != "ok"
        print(f"{state} {self.number} {name}", flush=True)

    def end(self, status):
        """A program is over: what did it not report?"""
        if status is None:
            self.result("not ok", f"{self.program}: cut off")
        elif status == KSFT_SKIP and not self.seen:
            self.result("ok", f"{self.program} # SKIP says so itself")
        elif self.seen != self.planned:
            self.result("not ok", f"{self.program}: {self.planned} planned, {self.seen} reported, "
                                  f"exit status {status}")
        self.program = None

    def line(self, line):
        word, _, rest = line.partition(" ")
        match = RESULT.match(line)
        if word == "@begin":
            self.program, self.planned, self.seen = rest, 0, 0
        elif word == "@end":
            name, status, seconds = rest.split()
            self.seconds[name] = int(seconds)
            self.end(int(status))
        elif match:
            self.seen += 1
            self.result(match.group(1), f"{self.program}: {match.group(2)}")
        elif line.startswith("1.."):
            self.planned = int(line[3:].split()[0])
        elif line and not line.startswith(("TAP version", "# Totals")):
            print(line if line.startswith("#") else f"# {line}")

    def slowest(self):
        print(f"# {sum(self.seconds.values())} s by the guest's clock; the slowest:")
        for name in sorted(self.seconds, key=self.seconds.get, reverse=True)[:SLOWEST]:
            print(f"# {self.seconds[name]:6} s  {name}")


def main():
    version, tiers = sys.argv[1], sys.argv[2:]
    print("TAP version 13")
    suites = Suites()
    with tempfile.TemporaryDirectory(prefix="roam-vm.") as scratch:
        try:
            machine = guest.Guest(version, scratch)
        except guest.Missing as missing:
            print(f"1..0 # SKIP {missing}")
            return KSFT_SKIP
        lines, status = machine.boot(f"exec sh tests/vm/inside.sh {' '.join(tiers)}\n", LIMIT_S)
        for line in lines:
            suites.line(line)
        if suites.program:
            suites.end(None)
        suites.result("ok" if status == 0 else "not ok", f"Linux {version} runs to its end")
        suites.slowest()
        if status != 0:
            print("\n".join(f"# {line}" for line in machine.last_words()))
    print(f"1..{suites.number}")
    return 1 if suites.failed else 0


if __name__ == "__main__":
    sys.exit(main())
