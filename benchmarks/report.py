"""What was found: tables for people, JSON for machines."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.contenders import EMBEDDED, ORCHESTRATOR
from benchmarks.figures import Figures
from benchmarks.numbers import Spread
from benchmarks.places import sqlite_facts
from benchmarks.rounds import Plan, Result


def show(plan: Plan, result: Result, console: Console, *, statements: bool) -> None:
    """A table for each workload, with the ratios as they matter to the reader: above 1.00, ours is faster."""
    for workload in plan.workloads:
        table = Table(title=f"{workload.name}: {workload.title}", title_justify="left")
        table.add_column("system", no_wrap=True)
        headings = ("instances/s", "tasks/s", "ours / it", "p50 ms", "p99 ms", "CPU ms/task")
        for heading in (*headings, "SQL/task", "tx/task", "durable/task", "starting"):
            table.add_column(heading, justify="right")
        for one in result.figures:
            if one.workload == workload.name:
                table.add_row(*_row(one, result.ratios.get((workload.name, one.system))))
        console.print(table)
    console.print(_legend(plan), highlight=False)
    if statements:
        _statements(result, console)


def _row(one: Figures, ratio: Spread | None) -> list[str]:
    return [
        one.system,
        _span(one.instances_per_second),
        f"{one.tasks_per_second.median:.0f}",
        "" if ratio is None else _span(ratio, 2),
        f"{one.latency_p50_ms:.0f}",
        f"{one.latency_p99_ms:.0f}",
        _span(one.cpu_ms_per_task),
        f"{one.counted.statements:.1f}",
        f"{one.counted.transactions:.1f}",
        f"{one.counted.durable_commits:.2f}",
        f"{one.starting_share:.0%}",
    ]


def _span(value: Spread, digits: int = 1) -> str:
    return f"{value.median:.{digits}f} ({value.lower:.{digits}f}-{value.upper:.{digits}f})"


def _legend(plan: Plan) -> str:
    where = f"one process with {plan.concurrency} threads, SQLite and memory://"
    if plan.profile != EMBEDDED:
        where = f"{plan.processes} workers with {plan.concurrency} {plan.pool} slots each, PostgreSQL and RabbitMQ"
    return (
        f"{plan.profile}: {where}; {plan.rounds} rounds in turns; median (quartiles).\n"
        "Instances are started from two threads while the workers work; *starting* is the part of the time that took.\n"
        "Latency: one instance at a time on an idle system. SQL, transactions and durable commits are those of workers."
    )


def _statements(result: Result, console: Console) -> None:
    for (workload, system), observed in result.observed.items():
        table = Table(title=f"{workload}: statements of {system}", title_justify="left")
        table.add_column("times", justify="right")
        table.add_column("ms each", justify="right")
        table.add_column("statement")
        for text, times in observed.texts.most_common(25):
            table.add_row(str(times), f"{1000 * observed.seconds[text] / times:.2f}", text[:300])
        console.print(table)


def document(plan: Plan, result: Result) -> str:
    """Everything as JSON."""
    facts: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        **machine.facts(),
        "servers": result.facts or {"sqlite": sqlite_facts()},
    }
    settings = {
        "profile": plan.profile,
        "rounds": plan.rounds,
        "instances": {workload.name: plan.size(workload) for workload in plan.workloads},
        "latencies": plan.latencies,
        "processes": 1 if plan.profile == EMBEDDED else plan.processes,
        "concurrency": plan.concurrency,
        "pool": "threads" if plan.profile == EMBEDDED else plan.pool,
    }
    found = []
    for one in result.figures:
        ratio = result.ratios.get((one.workload, one.system))
        share = None if ratio is None else {"median": ratio.median, "lower": ratio.lower, "upper": ratio.upper}
        found.append(one.json() | {f"{ORCHESTRATOR}_by_it": share})
    return json.dumps({"environment": facts, "settings": settings, "figures": found}, indent=2) + "\n"
