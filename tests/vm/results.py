# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What a test of tests/vm says. Used by live.py and two-kernels.py."""


class Results:
    """Counts checks and prints them as KTAP."""

    def __init__(self):
        self.number, self.failed = 0, 0

    def check(self, name, ok, *details):
        self.number += 1
        self.failed += not ok
        for detail in details if not ok else ():
            print("\n".join(f"# {line}" for line in str(detail).splitlines()))
        print(f"{'ok' if ok else 'not ok'} {self.number} {name}", flush=True)

    def equal(self, name, got, expected):
        self.check(name, got == expected, f"expected {expected}", f"got      {got}")
