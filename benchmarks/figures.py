"""Numbers out of samples: medians, quartiles, ratios."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.contenders import Sample
from benchmarks.numbers import Spread, percentile, spread
from benchmarks.observe import Observed
from benchmarks.workloads import Workload


@dataclass(frozen=True, slots=True)
class Counted:
    """What one task costs the database, by an observed run."""

    statements: float
    """Without BEGIN and COMMIT."""
    transactions: float
    """Of every kind, reading ones included."""
    durable_commits: float
    """Those that wrote and waited for the disk."""
    background_statements: float
    """Of the sweepers during the run, for each task of it."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One workload on one system."""

    workload: str
    system: str
    instances_per_second: Spread
    tasks_per_second: Spread
    starting_share: float
    """Which part of the time instances were still being started: near 1, the starts are the bottleneck."""
    cpu_ms_per_task: Spread
    latency_p50_ms: float
    latency_p99_ms: float
    counted: Counted

    def json(self) -> dict[str, Any]:
        return asdict(self)


def figures(
    workload: Workload, system: str, samples: Sequence[Sample], latencies: Sequence[float], observed: Observed
) -> Figures:
    rates = [sample.instances / sample.seconds for sample in samples]
    cpu = [1000 * sample.cpu / sample.instances / workload.tasks for sample in samples]
    return Figures(
        workload=workload.name,
        system=system,
        instances_per_second=spread(rates),
        tasks_per_second=spread([rate * workload.tasks for rate in rates]),
        starting_share=statistics.median(sample.started / sample.seconds for sample in samples),
        cpu_ms_per_task=spread(cpu),
        latency_p50_ms=1000 * statistics.median(latencies),
        latency_p99_ms=1000 * percentile(latencies, 0.99),
        counted=_counted(observed),
    )


def _counted(observed: Observed) -> Counted:
    return Counted(
        statements=observed.statements / observed.tasks,
        transactions=observed.commits.total() / observed.tasks,
        durable_commits=observed.commits["durable"] / observed.tasks,
        background_statements=observed.background / observed.tasks,
    )


def ratios(ours: Sequence[Sample], theirs: Sequence[Sample]) -> Spread:
    """Our throughput by theirs, round by round: what disturbs a round disturbs both halves of it."""
    return spread(
        [
            (mine.instances / mine.seconds) / (other.instances / other.seconds)
            for mine, other in zip(ours, theirs, strict=True)
        ]
    )
