# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Whether text, JSON and pretty JSON of one command say the same: called by json.sh.

  facts.py TEXT JSON PRETTY    files; prints what differs, exit 1

A line of text is an object of JSON. Every value of the object is a word of the line, in the same
order, under its name or bare; and the line has no other words. What takes words of its own: a group
(its name comes before each of its members), an array (one word under its name for each element), a
switch (its name alone, if it is on).
"""
import json
import sys


def words(item, name=""):
    """[alternatives] for what a line says of an object: "KEY VALUE", or "VALUE" alone."""
    for key, value in item.items():
        label = f"{name} {key}" if name else key
        if isinstance(value, dict):
            yield from words(value, label)
        elif isinstance(value, bool):
            yield (key,) if value else ("",)
        elif isinstance(value, list):
            for element in value:
                yield (f"{label} {element}",)
        elif isinstance(value, str):
            yield (f"{label} {value}", value)
        else:
            yield (f"{label} {value}",)


def differs(line, item):
    """What is left of the line when all that the object says is taken off it, or None."""
    for options in words(item):
        for option in options:
            if line == option or line.startswith(option + " ") or not option:
                line = line[len(option):].lstrip(" ") if option else line
                break
        else:
            return f"no {' or '.join(options)} at: {line}"
    return f"more in the text: {line}" if line else None


def main(text, compact, pretty):
    with open(text, encoding="utf-8") as file:
        lines = file.read().splitlines()
    with open(compact, encoding="utf-8") as file:
        data = json.load(file)
    with open(pretty, encoding="utf-8") as file:
        raw = file.read()
    if json.loads(raw) != data:
        return "the two forms of JSON differ"
    items = data if isinstance(data, list) else [data]
    if items and raw.count("\n") <= len(items):
        return "-p is not pretty"
    if len(items) != len(lines):
        return f"{len(lines)} lines, {len(items)} objects"
    found = [differs(line, item) for line, item in zip(lines, items)]
    return next((what for what in found if what), None)


WRONG = main(*sys.argv[1:])
if WRONG:
    print(WRONG)
sys.exit(1 if WRONG else 0)
