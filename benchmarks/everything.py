"""``scripts/bench --all``: the suite, the table of its figures and goals, the conditions, and a JSON of all of it."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.panel import Panel

from benchmarks import goals, machine
from benchmarks.places import sqlite_facts
from benchmarks.scale import QUICK, Scale
from benchmarks.suite import PARTS, suite


def add_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("everything, against the goals")
    add = group.add_argument
    add("--all", action="store_true", help="all workloads and their goals (hours in full; with --quick, a minute)")
    add("--part", action="append", default=[], choices=list(PARTS), help="of --all; default: every one; repeatable")
    add("--sustain", type=float, metavar="SECONDS", help="how long W4 keeps its rate (default 600)")
    add("--parallel", type=int, metavar="N", help="jobs of the wide instance of W5 (default 10000)")
    add("--waiting", type=int, metavar="N", help="waiting instances of W6 (default 100000)")
    add("--history", type=int, metavar="N", help="finished instances in the tables (default 5000000)")


def scale(options: argparse.Namespace) -> Scale:
    """In full or quick, with what was wished for."""
    wishes = {
        "rounds": options.rounds,
        "instances": options.instances,
        "latencies": options.latencies,
        "processes": options.processes,
        "slots": options.concurrency,
        "sustain_seconds": options.sustain,
        "parallel": options.parallel,
        "waiting": options.waiting,
        "history": options.history,
    }
    found = replace(QUICK if options.quick else Scale(), **{name: value for name, value in wishes.items() if value})
    if found.parallel < 2 or found.waiting < 1 or found.history < 1 or found.sustain_seconds <= 0:
        raise ValueError("Expected --parallel of at least 2, and --waiting, --history and --sustain above 0")
    return found


def everything(options: argparse.Namespace, console: Console, notes: Console) -> None:
    wanted = scale(options)
    busy = machine.busy_share()
    conditions: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "profile": options.profile,
        "quick": options.quick,
        "busy_before": busy,
        **machine.facts(),
    }
    noise = _warn(busy, "before", notes)

    def tell(note: str) -> None:
        notes.print(f"… {note}", highlight=False)

    found = suite(options.profile, wanted, options.part, tell, quick=options.quick)
    conditions["busy_after"] = machine.busy_share()
    conditions["load_after"] = machine.facts()["load"]
    noise |= _warn(conditions["busy_after"], "after", notes)
    conditions["servers"] = found.facts | {"sqlite": sqlite_facts()}
    goals.show(found.verdicts, console)
    _conditions(conditions, wanted, noise, console)
    if options.json is not None:
        said = {
            "conditions": conditions,
            "scale": asdict(wanted),
            "verdicts": [one.json() for one in found.verdicts],
            "figures": found.figures,
        }
        options.json.write_text(json.dumps(said, indent=2) + "\n")


def _warn(busy: float, when: str, notes: Console) -> bool:
    """Say loudly that others are at work; whether they are."""
    if busy <= machine.QUIET_SHARE:
        return False
    text = (
        f"THIS MACHINE IS NOT QUIET: {when} the run, {busy:.0%} of its processors were in use by others.\n"
        "These figures are no results: repeat the run where nothing else works."
    )
    notes.print(Panel(text, style="bold red", title="WARNING"))
    return True


def _conditions(conditions: dict[str, Any], wanted: Scale, noise: bool, console: Console) -> None:
    packages = ", ".join(f"{name} {version}" for name, version in conditions["packages"].items())
    servers = "; ".join(
        f"{name}: {', '.join(f'{key} {value}' for key, value in facts.items())}"
        for name, facts in conditions["servers"].items()
    )
    others = ", ".join(f"{name}: {state}" for name, state in conditions["other_engines"].items())
    lines = [
        f"{conditions['profile']}, {conditions['at']}; {wanted.rounds} rounds in turns, medians; "
        f"{wanted.processes} worker processes",
        f"{conditions['cores']} cores, {conditions['processor']}, {conditions['memory_mb']} MB, {conditions['system']}",
        f"Python {conditions['python']}, {packages}",
        servers,
        f"Other engines: {others}",
        f"In use by others: {conditions['busy_before']:.0%} before, {conditions['busy_after']:.0%} after; load average "
        f"{', '.join(f'{one:.1f}' for one in conditions['load'])} before, "
        f"{', '.join(f'{one:.1f}' for one in conditions['load_after'])} after",
    ]
    if conditions["quick"]:
        lines.append("NO RESULTS: a quick run shows that everything works, not how fast it is.")
    if noise:
        lines.append("NO RESULTS: the machine was not quiet.")
    console.print("\n".join(lines), highlight=False)
