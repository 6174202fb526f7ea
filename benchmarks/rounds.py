"""Who is measured when. Systems take turns within a run, so that whatever else the machine does disturbs all alike.

For every workload: rounds of A, B, C, A, B, C ..., in each a throughput phase (two threads start all instances as fast
as they can while the workers work, the clock runs from before the first start until the last end) and a latency phase
(one instance at a time on an idle system). Then, outside of what is timed, each system works once more under
observation: that counts its statements and commits.
"""

from __future__ import annotations

import os
import pstats
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import observe
from benchmarks.children import Child, python
from benchmarks.contenders import CHORD, EMBEDDED, ORCHESTRATOR, Contender, Sample, Setting, all_queues, fits
from benchmarks.figures import Figures, figures, ratios
from benchmarks.numbers import Spread
from benchmarks.observe import Observed
from benchmarks.places import Postgres, RabbitMQ, Redis
from benchmarks.workloads import WORKLOADS, Workload

IDLE_FLUSH_SECONDS = 11
"""An idle connection of PostgreSQL tells what it counted after ten seconds."""

SPARE = 8
"""Connections of a system beside those of its slots."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done."""

    profile: str
    workloads: Sequence[Workload]
    systems: Sequence[str]
    rounds: int
    instances: int
    """Of a throughput phase; 0: as the workload says."""
    share: float
    """Of the instances that the workload says."""
    latencies: int
    """Instances of all latency phases together."""
    processes: int
    concurrency: int
    pool: str
    patience: float
    quick: bool
    keep: bool
    cprofile: Path | None = None

    def size(self, workload: Workload) -> int:
        return self.instances or max(1, round(workload.instances * self.share))


@dataclass(slots=True)
class Result:
    """What was found."""

    figures: list[Figures] = field(default_factory=list)
    ratios: dict[tuple[str, str], Spread] = field(default_factory=dict)
    """Our throughput by that of a peer, by workload and peer."""
    observed: dict[tuple[str, str], Observed] = field(default_factory=dict)
    """By workload and system."""
    facts: dict[str, dict[str, str]] = field(default_factory=dict)
    """Of the servers."""


def run(plan: Plan, tell: Tell) -> Result:
    """Carry out a plan. Raises `Unreachable` where a server is missing, RuntimeError where a system fails."""
    result = Result()
    with place(plan, result) as setting:
        samples: dict[tuple[str, str], list[Sample]] = {
            (workload.name, system): []
            for workload in plan.workloads
            for system in plan.systems
            if fits(system, workload)
        }
        latencies: dict[tuple[str, str], list[float]] = {key: [] for key in samples}
        with _contenders(plan, setting, plan.systems, tell) as contenders:
            for workload in plan.workloads:
                for number in range(1, plan.rounds + 1):
                    tell(f"{workload.name}: round {number} of {plan.rounds}")
                    for contender in contenders:
                        key = (workload.name, contender.name)
                        if key not in samples:
                            continue
                        contender.resume()
                        samples[key].append(contender.throughput(workload, plan.size(workload)))
                        latencies[key] += contender.latency(workload, max(1, plan.latencies // plan.rounds))
                        contender.pause()
            for contender in contenders:
                tell(f"counting what {contender.name} asks of the database")
                result.observed |= _observe(plan, setting, contender, result)
        for (name, system), observed in result.observed.items():
            key = (name, system)
            result.figures.append(figures(WORKLOADS[name], system, samples[key], latencies[key], observed))
            if system != ORCHESTRATOR and ORCHESTRATOR in plan.systems:
                result.ratios[key] = ratios(samples[name, ORCHESTRATOR], samples[key])
        if plan.cprofile is not None:
            for workload in plan.workloads:
                tell(f"{workload.name}: profiling our workers")
                _profile(plan, setting, workload, plan.cprofile)
    return result


@contextmanager
def place(plan: Plan, result: Result) -> Iterator[Setting]:
    """Database, queues, HTTP service and a folder for logs, all gone afterwards."""
    prefix = f"bench-{secrets.token_hex(3)}-"
    postgres, rabbitmq, redis = Postgres(), RabbitMQ(prefix), Redis()
    with ExitStack() as after:
        folder = Path(after.enter_context(tempfile.TemporaryDirectory(prefix=prefix)))
        if plan.profile != EMBEDDED:
            result.facts = {"postgresql": postgres.facts(), "rabbitmq": rabbitmq.facts()}
            if CHORD in plan.systems:
                result.facts["redis"] = redis.facts()
            postgres.require(len(plan.systems) * (plan.processes * plan.concurrency + SPARE))
            postgres.create()
            if not plan.keep:
                after.callback(postgres.drop)
            after.callback(rabbitmq.clean, all_queues(prefix))
        service = Child(python("-m", "benchmarks.service"), dict(os.environ), folder / "service.log", talks=True)
        after.callback(service.end)
        address = f"http://127.0.0.1:{int(service.line(plan.patience))}"
        yield Setting(
            profile=plan.profile,
            folder=folder,
            prefix=prefix,
            service=address,
            processes=plan.processes,
            concurrency=plan.concurrency,
            pool=plan.pool,
            patience=plan.patience,
            postgres=postgres,
            rabbitmq=rabbitmq,
            redis=redis,
        )


@contextmanager
def _contenders(plan: Plan, setting: Setting, systems: Sequence[str], tell: Tell) -> Iterator[list[Contender]]:
    """Running and warm, but all of them stopped."""
    with ExitStack() as after:
        contenders = []
        for system in systems:
            tell(f"starting {system}")
            contender = Contender(system, setting)
            after.callback(contender.end)
            contender.prepare([workload for workload in plan.workloads if fits(system, workload)])
            contender.pause()
            contenders.append(contender)
        yield contenders


def _observe(plan: Plan, setting: Setting, contender: Contender, result: Result) -> dict[tuple[str, str], Observed]:
    """Let a system work once more, observed. Where there is time, the server is asked for its count as well."""
    asked = plan.profile != EMBEDDED and not plan.quick
    before = _settled_commits(setting) if asked else 0
    contender.resume()
    found = {
        (workload.name, contender.name): contender.observe(workload, max(4, plan.size(workload) // 4))
        for workload in plan.workloads
        if fits(contender.name, workload)
    }
    contender.pause()
    if asked:
        counts = {"by the server": _settled_commits(setting) - before}
        counts["observed"] = observe.transactions(contender.observed)
        result.facts[f"commits of {contender.name}"] = {name: str(count) for name, count in counts.items()}
    return found


def _settled_commits(setting: Setting) -> int:
    """The server's count of commits while everybody is stopped, once all connections have told theirs."""
    time.sleep(IDLE_FLUSH_SECONDS)
    return setting.postgres.commits()


def _profile(plan: Plan, setting: Setting, workload: Workload, folder: Path) -> None:
    """Let our workers work once more under cProfile, and write down where the time went."""
    kept = folder / workload.name
    kept.mkdir(parents=True, exist_ok=True)
    for old in kept.glob("*.prof"):
        old.unlink()
    contender = Contender(ORCHESTRATOR, setting, profile=kept)
    try:
        contender.prepare([workload])
        contender.throughput(workload, plan.size(workload))
    finally:
        contender.end()
    profiles = [str(path) for path in kept.glob("*.prof")]
    if not profiles:
        raise RuntimeError("Expected the processes of a pool to leave profiles: profiling needs --pool prefork")
    with (folder / f"{workload.name}.txt").open("w") as output:
        stats = pstats.Stats(*profiles, stream=output)
        for order in ("cumulative", "tottime"):
            stats.sort_stats(order).print_stats(90)
