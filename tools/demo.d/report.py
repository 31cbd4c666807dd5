# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What the demo found, as a table, and whether it is what roam promises. Used by tools/demo."""

TOLERANCE = 0.05  # of the sender's rate
# Steps between what a save writes and what a load reads: an image at rest does not age, so a bucket
# gets nothing for that time. For the rest of a pause it makes up.
AT_REST = ("save", "device", "load")


def rate(result, when):
    """As a part of the limit."""
    return result["qos"][f"{when}_Bps"] / result["qos"]["limit_Bps"]


def least(result):
    """What the sender gets at least, as a part of the limit."""
    at_rest = sum(steps.get(step, 0) for steps in result["steps_ms"] for step in AT_REST) / 1000
    return 1 - at_rest / result["qos"]["over_s"] - TOLERANCE


def went_on(moves):
    """No rule's counter fell."""
    return all(move["after"].get(rule, 0) >= hits
               for move in moves for rule, hits in move["before"].items())


def lb_row(side):
    return lambda r: f"{r['lb'][side]['alive']} of {r['lb'][side]['connections']}"


ROWS = (
    ("connections before", lambda r: r["connections"]),
    ("connections after", lambda r: r["alive"]),
    ("resets", lambda r: r["resets"]),
    ("lost", lambda r: r["lost"]),
    ("longest stall, ms", lambda r: r["stall_ms_max"]),
    ("UDP exchanges before", lambda r: r["udp_exchanges"]),
    ("UDP exchanges after", lambda r: r["udp_alive"]),
    ("through a VIP to the VM", lb_row("to_vm")),
    ("from the VM to a VIP", lb_row("from_vm")),
    ("sender before, of its limit", lambda r: f"{rate(r, 'before'):.0%}"),
    ("sender over the moves", lambda r: f"{rate(r, 'over'):.0%}"),
    ("sources blocked before", lambda r: r["ips"]["blocked_before"]),
    ("sources blocked after", lambda r: r["ips"]["blocked_after"]),
    ("their tries, got through", lambda r: f"{r['ips']['tries']}, {r['ips']['through']}"),
    ("rule counters", lambda r: "go on" if went_on(r["acl"]["moves"]) else "begin anew"),
    ("forbidden frames sent", lambda r: r["forbidden_sent"]),
    ("forbidden frames arrived", lambda r: r["leaks"]),
    ("entries moved", lambda r: r["entries"]),
    ("bytes moved", lambda r: r["bytes"]),
)


def print_table(results):
    print(f"{'VMs moved there and back':<29}{'with state':>14}{'without':>14}")
    for title, value in ROWS:
        print(f"{title:<29}{value(results['with_state']):>14}{value(results['without_state']):>14}")
    for name, result in results.items():
        for number, steps in enumerate(result["steps_ms"], 1):
            text = ", ".join(f"{step} {ms}" for step, ms in steps.items())
            print(f"{name.replace('_', ' ')}, move {number}, ms: {text}")


def broken_promises(results):
    """What is not as it should be, in words; the contrast must really be one."""
    kept, broken = results["with_state"], results["without_state"]
    most = 1 + TOLERANCE
    gone = broken["resets"] + broken["lost"]
    promises = {
        "a connection was reset": not kept["resets"],
        "a connection was lost": not kept["lost"],
        "a UDP exchange was lost": kept["udp_alive"] == kept["udp_exchanges"],
        "a forbidden frame arrived": not kept["leaks"] and not broken["leaks"],
        "the sender was not held to its limit": rate(kept, "before") <= most
                                                and rate(kept, "over") <= most,
        "the sender lost of its rate": rate(kept, "over") >= least(kept),
        "the attacker was not blocked": kept["ips"]["blocked_before"] == 2,
        "a move let the attacker go": kept["ips"]["blocked_after"] == 2
                                      and not kept["ips"]["through"],
        "a rule's counter fell": went_on(kept["acl"]["moves"]),
        "connections live without their state": gone >= 0.9 * broken["connections"],
        "the attacker stays out without state": broken["ips"]["through"],
        "the limit needs no state": rate(broken, "over") > most,
        "counters go on without state": not went_on(broken["acl"]["moves"]),
    }
    return [promise for promise, holds in promises.items() if not holds]
