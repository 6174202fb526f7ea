"""Everything that "faster than raw Celery" is judged by, in one run, part by part.

| part | what |
|---|---|
| `comparison` | W1 and W2 against all peers; idle latency; statements and commits |
| `calls` | W3 on pools of threads, against raw Celery and against what the target allows |
| `loads` | W4 to W7, overload, start-up |
| `upkeep` | W1 on full tables and beside an old transaction; round trips (PostgreSQL only) |
| `sqlite` | W1 on the embedded default |
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.children import Child, python
from benchmarks.contenders import BARE, CHORD, EMBEDDED, FAST, ORCHESTRATOR, PRODUCTION, SYSTEMS, Contender, Setting
from benchmarks.figures import Figures
from benchmarks.goals import Verdict, at_least, at_most, shown, unmeasured
from benchmarks.numbers import Spread
from benchmarks.places import Redis, Unreachable
from benchmarks.rounds import Plan, Result, place, run
from benchmarks.scale import Scale
from benchmarks.startup import start_up
from benchmarks.trials import external, overloaded, sustained, waiting, wide
from benchmarks.upkeep import history, prepared, round_trips
from benchmarks.workloads import WORKLOADS

Tell = Callable[[str], None]


@dataclass(slots=True)
class Found:
    """What a suite has found so far."""

    verdicts: list[Verdict] = field(default_factory=list)
    facts: dict[str, dict[str, str]] = field(default_factory=dict)
    """Of the servers."""
    figures: list[dict[str, Any]] = field(default_factory=list)
    """Of the comparisons, as they are."""


def suite(profile: str, scale: Scale, parts: Sequence[str], tell: Tell, *, quick: bool) -> Found:
    """Carry out some parts. Raises as `rounds.run` does."""
    found = Found()
    for part in parts or PARTS:
        PARTS[part](found, profile, scale, tell, quick)
    return found


def _plan(profile: str, scale: Scale, names: Sequence[str], systems: Sequence[str], quick: bool, **given: Any) -> Plan:
    embedded = profile == EMBEDDED
    plan: dict[str, Any] = {
        "profile": profile,
        "workloads": [WORKLOADS[name] for name in names],
        "systems": [one for one in systems if not (embedded and one in ("celery-safe", CHORD))],
        "rounds": scale.rounds,
        "instances": scale.instances,
        "share": 1,
        "latencies": scale.latencies,
        "processes": scale.processes,
        "concurrency": scale.slots,
        "pool": "prefork",
        "patience": scale.patience,
        "quick": quick,
        "keep": False,
    }
    return Plan(**plan | given)


def _run(found: Found, plan: Plan, tell: Tell) -> tuple[Result, dict[tuple[str, str], Figures]]:
    result = run(plan, tell)
    found.facts |= result.facts
    found.figures += [{"profile": plan.profile, "pool": plan.pool, **one.json()} for one in result.figures]
    return result, {(one.workload, one.system): one for one in result.figures}


def _comparison(found: Found, profile: str, scale: Scale, tell: Tell, quick: bool) -> None:
    systems = list(SYSTEMS) if not quick else [ORCHESTRATOR, FAST, BARE, CHORD]
    missing = "no such peer in this profile"
    if profile == PRODUCTION:
        try:
            Redis().facts()
        except Unreachable as problem:
            systems.remove(CHORD)
            missing = str(problem)
    result, by = _run(found, _plan(profile, scale, ["W1", "W2"], systems, quick), tell)
    ours, fast = by["W1", ORCHESTRATOR], by["W1", FAST]
    add = found.verdicts.append
    for workload, peer, goal, what in (
        ("W1", FAST, 3.0, "a raw Celery chain, one transaction a task"),
        ("W1", BARE, 1.5, "a raw Celery chain without state"),
        ("W2", CHORD, 1.5, "a Celery chord, results in Redis, one transaction a task"),
    ):
        figure = f"{workload}: throughput by {what}"
        ratio = result.ratios.get((workload, peer))
        if ratio is None:
            add(unmeasured(figure, f"≥ {goal:g}x", missing))
        else:
            add(at_least(figure, ratio.median, goal, "x", **_quartiles(ratio)))
    for which, mine, theirs in (
        ("p50", ours.latency_p50_ms, fast.latency_p50_ms),
        ("p99", ours.latency_p99_ms, fast.latency_p99_ms),
    ):
        add(
            at_most(f"W1: idle latency {which} by a raw chain", mine / theirs, 0.5, "x", ours_ms=mine, theirs_ms=theirs)
        )
    if profile == PRODUCTION:
        add(at_most("W1: SQL statements a service task", ours.counted.statements, 6, ""))
        # The first task of an instance is claimed in a transaction that does not wait for the disk.
        add(at_most("W1: durable commits a service task", round(ours.counted.durable_commits, 2), 1, ""))


def _calls(found: Found, profile: str, scale: Scale, tell: Tell, quick: bool) -> None:
    plan = _plan(
        profile, scale, ["W3-0", "W3-20"], [ORCHESTRATOR, FAST], quick,
        pool="threads", concurrency=scale.threads, instances=scale.calls,
    )  # fmt: skip
    result, by = _run(found, plan, tell)
    with place(plan, Result()) as setting:
        ceiling = _ceiling(setting, 20, scale, tell)
    add = found.verdicts.append
    ratio = result.ratios["W3-0", FAST]
    add(at_least("W3 at 0 ms: throughput by raw Celery", ratio.median, 0.9, "x", **_quartiles(ratio)))
    rate = by["W3-20", ORCHESTRATOR].instances_per_second.median
    slots = (1 if profile == EMBEDDED else scale.processes) * scale.threads
    # What the target allows: what as many threads get out of it on this machine when they do nothing else.
    details = {"ours": rate, "bare_callers": ceiling, "slots_by_20_ms": slots / 0.02}
    add(at_least("W3 at 20 ms: throughput by what the target allows", 100 * rate / ceiling, 85, " %", **details))
    add(shown("W3 at 20 ms: throughput by raw Celery", f"{result.ratios['W3-20', FAST].median:.2f}x"))


def _ceiling(setting: Setting, delay: int, scale: Scale, tell: Tell) -> float:
    """Calls a second that as many processes and threads make, with nothing around them."""
    tell("what the target allows")
    seconds = 5.0 if scale.rounds > 1 else 0.5
    call = ["-m", "benchmarks.ceiling", f"{setting.service}/{delay}", str(setting.concurrency), str(seconds)]
    processes = 1 if setting.profile == EMBEDDED else setting.processes
    log = setting.folder / "ceiling.log"
    callers = [Child(python(*call), dict(os.environ), log, talks=True) for _ in range(processes)]
    try:
        return sum(int(caller.line(setting.patience)) for caller in callers) / seconds
    finally:
        for caller in callers:
            caller.end()


def _loads(found: Found, profile: str, scale: Scale, tell: Tell, quick: bool) -> None:
    names = ["W1", "W4", "W5", "W6-timers", "W6-messages", "W7"]
    plan = _plan(profile, scale, names, [ORCHESTRATOR], quick, pool="threads", concurrency=scale.threads)
    result = Result()
    with place(plan, result) as setting:
        tell("starting the orchestrator")
        contender = Contender(ORCHESTRATOR, setting)
        try:
            contender.prepare(list(plan.workloads))
            for trial in (sustained, wide, external, waiting, overloaded):
                found.verdicts += trial(contender, setting, scale, tell)
            contender.pause()
            found.verdicts += start_up(contender, setting, scale, tell)
        finally:
            contender.end()
    found.facts |= result.facts


def _upkeep(found: Found, profile: str, scale: Scale, tell: Tell, quick: bool) -> None:
    if profile == EMBEDDED:
        return
    plan = _plan(profile, scale, ["W1"], [ORCHESTRATOR], quick)
    result = Result()
    with place(plan, result) as setting:
        found.facts |= result.facts
        prepared(setting)
        found.verdicts += history(setting, scale, tell)
        found.verdicts += round_trips(setting, scale, tell)


def _sqlite(found: Found, profile: str, scale: Scale, tell: Tell, quick: bool) -> None:
    _, by = _run(found, _plan(EMBEDDED, scale, ["W1"], [ORCHESTRATOR], quick), tell)
    rate = by["W1", ORCHESTRATOR].tasks_per_second
    found.verdicts.append(at_least("W1 on SQLite, in one process", rate.median, 500, " tasks/s", **_quartiles(rate)))


def _quartiles(value: Spread) -> dict[str, float]:
    return {"lower": value.lower, "upper": value.upper}


PARTS = {"comparison": _comparison, "calls": _calls, "loads": _loads, "upkeep": _upkeep, "sqlite": _sqlite}
