# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The result of a bench: rows of ratios, each of two sides measured in turn in one run.

Every part (cost.py, packets.py, images.py) makes rows by Rows.add() and says which commands it ran
by Rows.command(); run prints them and writes them as JSON.
"""
import json
import statistics


def quartiles(values):
    if len(values) < 2:
        return [values[0], values[0]]
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return [first, third]


def ratio(roam, peer):
    """Of medians; 0 if there is nothing to compare with (a difference may come out as nothing)."""
    below = statistics.median(peer)
    return round(statistics.median(roam) / below, 4) if below else 0.0


class Rows:
    def __init__(self, quick):
        self.quick, self.rows, self.commands = quick, [], []

    def rounds(self, count):
        """How often to measure: a quarter of it in a quick run."""
        return max(1, count // 4) if self.quick else count

    def command(self, line):
        if line not in self.commands:
            self.commands.append(line)

    def add(self, name, peer_name, unit, pairs):
        """pairs: (roam, peer) of each round."""
        roam = [pair[0] for pair in pairs]
        peer = [pair[1] for pair in pairs]
        self.rows.append({
            "name": name, "roam": round(statistics.median(roam), 3),
            "peer": round(statistics.median(peer), 3), "peer_name": peer_name, "unit": unit,
            "ratio": ratio(roam, peer),
            "rounds": len(pairs), "roam_quartiles": [round(v, 3) for v in quartiles(roam)],
            "peer_quartiles": [round(v, 3) for v in quartiles(peer)],
        })
        self.print_row(self.rows[-1])

    @staticmethod
    def print_head():
        print(f"{'':44}{'roam':>12}{'peer':>12}  {'unit':<10}{'ratio':>8}  peer", flush=True)

    @staticmethod
    def print_row(row):
        print(f"{row['name']:<44}{row['roam']:>12,.1f}{row['peer']:>12,.1f}  {row['unit']:<10}"
              f"{row['ratio']:>8.3f}  {row['peer_name']}", flush=True)

    def write(self, path):
        with open(path, "w", encoding="utf-8") as target:
            json.dump(self.rows, target, indent=1)
            target.write("\n")


def in_turn(rounds, roam, peer):
    """A B B A, as many rounds; the mean of either side's two in each round."""
    pairs = []
    for _ in range(rounds):
        one, two, three, four = roam(), peer(), peer(), roam()
        pairs.append(((one + four) / 2, (two + three) / 2))
    return pairs
