"""The job functions of the benchmark, for `ORCHESTRATOR_CONNECTORS`."""

from __future__ import annotations

from benchmarks.workloads import NOOP
from tasks.connectors.base import Job, connector


@connector(NOOP)
def noop(job: Job) -> None:
    """Nothing, so that only the machinery around it is measured."""
