"""The command line of the benchmark."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.contenders import BARE, CHORD, EMBEDDED, FAST, ORCHESTRATOR, PRODUCTION, SAFE, SYSTEMS
from benchmarks.everything import add_options, everything
from benchmarks.places import Unreachable
from benchmarks.report import document, show
from benchmarks.rounds import Plan, run
from benchmarks.workloads import WORKLOADS, chosen


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 160)
    notes = Console(stderr=True)
    try:
        if options.all:
            everything(options, console, notes)
            return 0
        plan = _plan(options)
        result = run(plan, lambda note: notes.print(f"… {note}", highlight=False))
    except (ValueError, Unreachable) as problem:
        notes.print(str(problem), markup=False, highlight=False)
        return 2
    except RuntimeError as problem:
        notes.print(str(problem), markup=False, highlight=False)
        return 1
    show(plan, result, console, statements=options.statements)
    if options.json is not None:
        options.json.write_text(document(plan, result))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="The same work by the orchestrator and by raw Celery, in turns."
    )
    add = parser.add_argument
    add("--profile", choices=[EMBEDDED, PRODUCTION], default=EMBEDDED, help="default: embedded")
    add(
        "--workload",
        action="append",
        default=[],
        metavar="NAME",
        help=f"{', '.join(name for name, one in WORKLOADS.items() if one.compared)}; W3 is both; repeatable",
    )
    add("--system", action="append", default=[], choices=SYSTEMS, help="default: all; repeatable")
    add("--rounds", type=_positive, help="turns of each system (default 5)")
    add("--instances", type=_positive, default=0, help="of each throughput phase (default: a few seconds' worth)")
    add("--latencies", type=_positive, help="instances of all latency phases of a workload (default 100)")
    add("--processes", type=_positive, help="worker processes (production; default 2, quick 1)")
    add("--concurrency", type=_positive, help="slots of each worker (default 4, quick 2)")
    add("--pool", choices=["prefork", "threads"], default="prefork", help="of the workers (production)")
    add("--patience", type=float, default=120, help="seconds until a phase counts as failed (default 120)")
    add("--quick", action="store_true", help="a smoke run of less than a minute")
    add("--statements", action="store_true", help="list the statements, too")
    add("--json", type=Path, metavar="FILE", help="write everything as JSON")
    add("--keep", action="store_true", help="keep the database (production)")
    add("--cprofile", type=Path, metavar="FOLDER", help="profile our workers at the end (prefork)")
    add_options(parser)
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"Expected a positive number but found {value}")
    return value


def _plan(options: argparse.Namespace) -> Plan:
    systems = [system for system in SYSTEMS if system in (options.system or SYSTEMS)]
    if options.profile == EMBEDDED:
        # A queue in memory is neither classic nor quorum, and there is nobody to confirm anything.
        # A result backend in memory would not be one.
        systems = [system for system in systems if system not in (SAFE, CHORD)]
    elif options.quick and not options.system:
        systems = [ORCHESTRATOR, FAST, BARE, CHORD]
    plan: dict[str, Any] = {
        "profile": options.profile,
        "workloads": chosen(options.workload),
        "systems": systems,
        "rounds": options.rounds or (1 if options.quick else 5),
        "instances": options.instances,
        "share": 0.1 if options.quick else 1,
        "latencies": options.latencies or (5 if options.quick else 100),
        "processes": options.processes or (1 if options.quick else 2),
        "concurrency": options.concurrency or (2 if options.quick else 4),
        "pool": options.pool,
        "patience": options.patience,
        "quick": options.quick,
        "keep": options.keep,
        "cprofile": options.cprofile,
    }
    if plan["cprofile"] is not None and (options.profile == EMBEDDED or options.pool != "prefork"):
        raise ValueError("Expected --profile production and --pool prefork together with --cprofile")
    return Plan(**plan)


if __name__ == "__main__":
    # So that databases, queues and processes are cleaned up whoever ends the run.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
