"""Loads on the orchestrator alone, and what is found: W4 to W7, and overload."""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from benchmarks.children import Child, python
from benchmarks.contenders import Contender, Setting
from benchmarks.goals import Verdict, at_least, at_most, below, shown
from benchmarks.numbers import spread
from benchmarks.scale import Scale
from benchmarks.workloads import WORKLOADS

Tell = Callable[[str], None]
EXTERNAL_WORKERS = 4
OVERLOAD = 1.5
LIMIT_SECONDS = 5.0
"""What `ORCHESTRATOR_MAX_QUEUE_AGE` is set to under overload."""
FLAT = 1.25
"""How much more memory workers may hold for "flat"."""


def sustained(contender: Contender, setting: Setting, scale: Scale, tell: Tell) -> list[Verdict]:
    """W4: a rate that is kept up, whole instances of six calls."""
    tell(f"W4: {scale.sustain_rate:g} instances a second for {scale.sustain_seconds:g} s")
    found = contender.load(
        "sustain",
        workload="W4",
        rate=scale.sustain_rate,
        seconds=scale.sustain_seconds,
        patience=setting.patience,
        extra=scale.sustain_seconds,
    )
    done = 60 * found["within"] / found["seconds"]
    # What was started in the last second could not be done by the end of it: that is no backlog.
    backlog = max(0.0, found["backlog"] - scale.sustain_rate)
    return [
        at_least("W4: instances a minute, sustained", done, 0.99 * 60 * scale.sustain_rate, "/min", **found),
        below("W4: a whole instance, p99", found["took"]["p99"], 1, " s"),
        at_most("W4: backlog at the end, but for the last second's", backlog, 0, ""),
    ]


def wide(contender: Contender, setting: Setting, scale: Scale, tell: Tell) -> list[Verdict]:
    """W5: one instance with thousands of parallel jobs against instances of ten."""
    tell(f"W5: {scale.few} instances of 10 jobs and one of {scale.parallel}")
    patience = setting.patience + scale.parallel / 20
    few = [contender.load("many", workload="W5", jobs=10, patience=setting.patience) for _ in range(scale.few)]
    # What threads, connections and caches take is taken once; the question is what grows with the number of jobs.
    contender.load("many", workload="W5", jobs=max(10, scale.parallel // 10), patience=patience)
    before = contender.memory()
    many = contender.load("many", workload="W5", jobs=scale.parallel, patience=patience, extra=patience)
    after = contender.memory()
    at_10 = statistics.median(one["completion"] for one in few)
    ratio = many["completion"] / at_10
    details = {"at_10_ms": 1000 * at_10, "at_many_ms": 1000 * many["completion"], "jobs": scale.parallel, "many": many}
    return [
        at_most(f"W5: a completion at {scale.parallel:,} by one at 10", ratio, 1.5, "x", **details),
        at_most(
            "W5: most memory of workers by that at a tenth of the jobs",
            after / before,
            FLAT,
            "x",
            before=before,
            after=after,
        ),
    ]


def waiting(contender: Contender, setting: Setting, scale: Scale, tell: Tell) -> list[Verdict]:
    """W6: some of very many become due, and other work is done beside it; in turns with other work alone."""
    verdicts = []
    for name in ("W6-timers", "W6-messages"):
        tell(f"{name}: starting {scale.waiting:,} instances")
        contender.load("wait", workload=name, instances=scale.waiting, extra=scale.waiting / 20)
        alone: list[float] = []
        beside: list[dict[str, Any]] = []
        batch = 2 * scale.slots * scale.processes
        # Every turn has some that become due.
        seconds = min(scale.due_seconds, scale.waiting / scale.due_rate / scale.rounds)
        load: dict[str, Any] = {"workload": name, "other": "W1", "seconds": seconds, "batch": batch}
        load |= {"patience": setting.patience, "extra": seconds + setting.patience}
        for number in range(1, scale.rounds + 1):
            tell(f"{name}: turn {number} of {scale.rounds}, {scale.due_rate} due a second")
            alone.append(contender.load("beside", rate=0, **load)["other"])
            beside.append(contender.load("beside", rate=scale.due_rate, **load))
        tell(f"{name}: taking away what waits still")
        contender.load("forget", workload=name, extra=scale.waiting / 50)
        late = {key: 1000 * statistics.median(one["late"][key] for one in beside) for key in ("p50", "p99")}
        down = 1 - statistics.median(one["other"] / lone for one, lone in zip(beside, alone, strict=True))
        found = {"alone": alone, "beside": beside, "waiting": scale.waiting}
        verdicts += [
            shown(f"{name}: lateness p50", f"{late['p50']:.0f} ms"),
            below(f"{name}: lateness p99", late["p99"], 500, " ms", **found),
            below(f"{name}: other work down by", 100 * down, 10, " %", alone=alone),
        ]
    return verdicts


def external(contender: Contender, setting: Setting, scale: Scale, tell: Tell) -> list[Verdict]:
    """W7: our REST API with four processes of external workers."""
    tell(f"W7: {EXTERNAL_WORKERS} external workers over REST")
    with ExitStack() as after:
        port = _free_port()
        server = ["-m", "gunicorn", "-c", "python:orchestrator.gunicorn", "orchestrator.wsgi:application"]
        server += ["--bind", f"127.0.0.1:{port}", "--workers", str(scale.processes), "--no-control-socket"]
        web = Child(python(*server), contender.env, setting.folder / "web.log")
        after.callback(web.end)
        _until_open(web, port, setting.patience)
        token = contender.load("token")["token"]
        for number in range(1, EXTERNAL_WORKERS + 1):
            arguments = ["-m", "benchmarks.external", f"http://127.0.0.1:{port}", token, f"external-{number}"]
            after.callback(Child(python(*arguments), contender.env, setting.folder / f"external{number}.log").end)
        contender.throughput(WORKLOADS["W7"], max(2, scale.external // 4))
        rates = []
        for _ in range(scale.rounds):
            sample = contender.throughput(WORKLOADS["W7"], scale.external)
            rates.append(sample.instances * WORKLOADS["W7"].tasks / sample.seconds)
        latencies = contender.latency(WORKLOADS["W7"], max(2, scale.latencies // 4))
    rate = spread(rates)
    span = f"{rate.median:.0f} ({rate.lower:.0f}-{rate.upper:.0f}) tasks/s"
    return [
        shown("W7: external workers over REST", span, rates=rates),
        shown("W7: 5 tasks on an idle system, p50", f"{1000 * statistics.median(latencies):.0f} ms"),
    ]


def overloaded(contender: Contender, setting: Setting, scale: Scale, tell: Tell) -> list[Verdict]:
    """More than can be done, for a while: how much is done, and how long due jobs lie there."""
    workload = WORKLOADS["W1"]
    samples = [contender.throughput(workload, 2 * scale.instances) for _ in range(max(1, scale.rounds // 2))]
    most = statistics.median(sample.instances / sample.seconds for sample in samples)
    tell(f"overload: {OVERLOAD * most:.0f} instances a second for {scale.overload_seconds:g} s")
    found = contender.load(
        "sustain",
        workload="W1",
        rate=OVERLOAD * most,
        seconds=scale.overload_seconds,
        patience=setting.patience,
        extra=scale.overload_seconds,
        limit=LIMIT_SECONDS,
    )
    goodput = found["within"] / found["seconds"] / most
    ages = found.pop("queue_age")
    oldest = max(ages, default=0.0)
    return [
        at_least("overload 150 %: goodput by the maximum", goodput, 0.95, "x", most=most, **found),
        # The age is noticed as it is reached: what came until then waits for as long again as it was too much.
        at_most(
            "overload 150 %: oldest due job at most",
            oldest,
            OVERLOAD * LIMIT_SECONDS,
            " s",
            limit=LIMIT_SECONDS,
            ages=ages,
        ),
        shown("overload 150 %: refused with Retry-After", f"{found['refused'] / found['planned']:.0%}"),
    ]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _until_open(web: Child, port: int, patience: float) -> None:
    until = time.monotonic() + patience
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > until or not web.alive():
                raise RuntimeError(f"Expected the web server to listen but it does not: {web.tail()}") from None
            time.sleep(0.1)
        else:
            return
