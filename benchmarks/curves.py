"""How throughput goes with parallelism and with history: `python -m benchmarks.curves --picture benchmarks/curves.svg`.

W1 on PostgreSQL and RabbitMQ, by the orchestrator alone. Each point has worker processes and a database of its own; the
points of a curve are measured in turns.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from benchmarks import machine
from benchmarks.contenders import ORCHESTRATOR, PRODUCTION, Contender, Setting
from benchmarks.numbers import spread
from benchmarks.picture import Curve, draw
from benchmarks.places import Unreachable
from benchmarks.rounds import Plan, Result, place
from benchmarks.upkeep import own_database, prepared, seed
from benchmarks.workloads import WORKLOADS

SLOTS = ("1x1", "1x2", "2x2", "2x4", "4x4")
"""Worker processes by slots of each."""
HISTORY = (0, 10_000, 100_000, 1_000_000)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.curves", description="Curves of W1 on PostgreSQL.")
    add = parser.add_argument
    add("--rounds", type=int, default=3, help="turns of each point (default 3)")
    add("--instances", type=int, default=300, help="of a turn (default 300)")
    add("--slots", nargs="+", default=SLOTS, metavar="PxS", help="worker processes by slots of each")
    add("--history", type=int, nargs="*", default=list(HISTORY), metavar="N", help="finished instances in the tables")
    add("--picture", type=Path, metavar="FILE", help="draw an SVG")
    add("--json", type=Path, metavar="FILE", help="write the points")
    options = parser.parse_args(arguments)
    notes = Console(stderr=True)
    plan = Plan(
        profile=PRODUCTION,
        workloads=[WORKLOADS["W1"]],
        systems=[ORCHESTRATOR],
        rounds=options.rounds,
        instances=options.instances,
        share=1,
        latencies=1,
        processes=2,
        concurrency=4,
        pool="prefork",
        patience=120,
        quick=False,
        keep=False,
    )
    try:
        with place(plan, Result()) as setting:
            prepared(setting)
            curves = [
                _curve("worker slots", plan, _parallel(setting, options.slots), {}, notes),
                _curve("finished instances in the tables", plan, *_full(setting, options.history), notes),
            ]
    except Unreachable as problem:
        notes.print(str(problem), markup=False, highlight=False)
        return 2
    busy = machine.busy_share()
    print(json.dumps([curve.json() for curve in curves], indent=2))
    if options.json is not None:
        options.json.write_text(json.dumps({"busy_after": busy, "curves": [one.json() for one in curves]}, indent=2))
    if options.picture is not None:
        options.picture.write_text(draw(curves))
    return 0


def _parallel(setting: Setting, given: Sequence[str]) -> dict[int, Setting]:
    pairs = [tuple(map(int, one.split("x"))) for one in given]
    return {processes * slots: replace(setting, processes=processes, concurrency=slots) for processes, slots in pairs}


def _full(setting: Setting, history: list[int]) -> tuple[dict[int, Setting], dict[int, int]]:
    return dict.fromkeys(history, setting), {number: number for number in history if number}


def _curve(along: str, plan: Plan, points: Mapping[int, Setting], seeded: Mapping[int, int], notes: Console) -> Curve:
    """Tasks a second at each point. `seeded` is how many finished instances it has."""
    workload = plan.workloads[0]
    with ExitStack() as after:
        contenders = {}
        for at, setting in points.items():
            notes.print(f"… preparing {at:,} {along}", highlight=False)
            own = after.enter_context(own_database(setting, f"{along.rpartition(' ')[2]}{at}"))
            contender = contenders[at] = Contender(ORCHESTRATOR, own)
            after.callback(contender.end)
            contender.prepare([workload])
            contender.pause()
            if at in seeded:
                seed(contender, seeded[at], own.postgres.url)
        rates: dict[int, list[float]] = {at: [] for at in points}
        for number in range(1, plan.rounds + 1):
            notes.print(f"… {along}: round {number} of {plan.rounds}", highlight=False)
            for at, contender in contenders.items():
                contender.resume()
                sample = contender.throughput(workload, plan.instances)
                rates[at].append(sample.instances * workload.tasks / sample.seconds)
                contender.pause()
    return Curve(along, tuple((at, spread(some)) for at, some in rates.items()))


if __name__ == "__main__":
    sys.exit(main())
