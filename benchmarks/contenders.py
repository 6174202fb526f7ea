"""A system under test: its driver and its worker processes. Only one works at a time; the others are stopped."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import observe
from benchmarks.children import Child, python
from benchmarks.observe import Observed
from benchmarks.places import Postgres, RabbitMQ, Redis
from benchmarks.workloads import NOOP, Workload

EMBEDDED, PRODUCTION = "embedded", "production"
ORCHESTRATOR, FAST, SAFE = "orchestrator", "celery-fast", "celery-safe"
BARE, CHORD = "celery-bare", "celery-chord"
SYSTEMS = (ORCHESTRATOR, FAST, SAFE, BARE, CHORD)
ONLY = {BARE: ("W1",), CHORD: ("W2",)}
"""What a peer can do at all: without state nothing is joined, and a chord joins."""


def fits(system: str, workload: Workload) -> bool:
    """Whether a system can do this work. Only ours waits for timers, and is told of parallel work by the thousand."""
    return system == ORCHESTRATOR or (workload.name in ONLY[system] if system in ONLY else workload.compared)


@dataclass(frozen=True, slots=True)
class Setting:
    """What all contenders of a run have in common."""

    profile: str
    folder: Path
    prefix: str
    service: str
    """Base URL of the HTTP service."""
    processes: int
    concurrency: int
    pool: str
    patience: float
    """Seconds for anything that is waited for."""
    postgres: Postgres
    rabbitmq: RabbitMQ
    redis: Redis


@dataclass(frozen=True, slots=True)
class Sample:
    """One throughput phase."""

    instances: int
    seconds: float
    started: float
    """Seconds until the last instance was started."""
    cpu: float
    """Seconds of processor time of the workers; embedded, of the whole process."""


class Contender:
    """A running system. `profile` names a folder for the profiles of its workers; `database_of_workers` is where these
    reach their database, if not where everybody does."""

    def __init__(
        self, name: str, setting: Setting, *, profile: Path | None = None, database_of_workers: str = ""
    ) -> None:
        self.name = name
        self._setting = setting
        self._embedded = setting.profile == EMBEDDED
        self.env = environment(name, setting)
        self.observed = setting.folder / f"{name}.observed"
        self.observed.touch()
        self._switch = observe.mapped(self.observed)
        self.env["BENCH_OBSERVE"] = str(self.observed)
        if profile is not None:
            self.env["BENCH_PROFILE"] = str(profile)
        module = ["-m", "benchmarks.driver", "orchestrator" if name == ORCHESTRATOR else "celery", setting.service]
        threads = ["--work", str(setting.concurrency)] if self._embedded else []
        log = setting.folder / f"{name}-driver.log"
        self.driver = Child(python(*module, *threads), self.env, log, talks=True)
        self.workers: list[Child] = []
        self._of_workers = {"DATABASE_URL": database_of_workers} if database_of_workers else {}

    def prepare(self, workloads: list[Workload]) -> int:
        """Tables, definitions, workers; then one small round of everything, so that all is warm. How many instances."""
        self._ask("prepare", workloads=[workload.name for workload in workloads])
        if not self._embedded:
            self.workers = [self._worker(number) for number in range(1, self._setting.processes + 1)]
        warm = 2 * self._setting.concurrency * (1 if self._embedded else self._setting.processes)
        # What others do, or what waits, cannot be warmed by working.
        able = [one for one in workloads if one.shape in ("chain", "fan", "call", "calls")]
        return sum(self.throughput(workload, max(5, warm // workload.tasks)).instances for workload in able)

    def pause(self) -> None:
        for child in (self.driver, *self.workers):
            child.signal(signal.SIGSTOP)

    def resume(self) -> None:
        for child in (self.driver, *self.workers):
            child.signal(signal.SIGCONT)

    def throughput(self, workload: Workload, instances: int) -> Sample:
        before = self._cpu()
        told = self._ask("throughput", workload=workload.name, instances=instances, patience=self._setting.patience)
        return Sample(instances, told["seconds"], told["started"], self._cpu() - before)

    def latency(self, workload: Workload, instances: int) -> list[float]:
        told = self._ask("latency", workload=workload.name, instances=instances, patience=self._setting.patience)
        return list(told["seconds"])

    def load(self, what: str, *, extra: float = 0, **arguments: Any) -> dict[str, Any]:
        """One of `benchmarks.loads`, which is given `extra` seconds beside the usual patience to answer."""
        return self._ask("load", what=what, extra=extra, **arguments)

    def memory(self) -> int:
        """Kilobytes that the workers have held at most so far; embedded, the whole process."""
        return sum(child.memory() for child in (self.workers or [self.driver]))

    def observe(self, workload: Workload, instances: int) -> Observed:
        """A throughput phase under observation."""
        start = self.observed.stat().st_size
        self._switch[0] = 1
        try:
            self.throughput(workload, instances)
        finally:
            self._switch[0] = 0
        return observe.read(self.observed, start, instances * workload.tasks)

    def end(self) -> None:
        children = (self.driver, *self.workers)
        for child in children:
            child.ask_to_end()
        for child in children:
            child.end()

    def _ask(self, do: str, *, extra: float = 0, **arguments: Any) -> dict[str, Any]:
        try:
            return self.driver.ask({"do": do, **arguments}, extra + 2 * self._setting.patience + 30)
        except RuntimeError as problem:
            children = [child for child in (self.driver, *self.workers) if child.log.stat().st_size]
            logs = [f"\n{child.log.name}: {child.tail()}" for child in children]
            raise RuntimeError(f"{self.name}: {problem}{''.join(logs)}") from None

    def _cpu(self) -> float:
        return sum(child.cpu() for child in (self.workers or [self.driver]))

    def worker_arguments(self, name: str) -> list[str]:
        """The command line of one of its workers, but for the level of its log."""
        module = "benchmarks.worker" if self.name == ORCHESTRATOR else "benchmarks.peer"
        queues = (
            job_queues(self._setting.prefix) if self.name == ORCHESTRATOR else [_peer_queue(self.name, self._setting)]
        )
        arguments = ["-m", "celery", "-A", module, "worker", "-P", self._setting.pool]
        arguments += ["-c", str(self._setting.concurrency), "-Q", ",".join(queues)]
        arguments += ["-n", f"{self._setting.prefix}{self.name}-{name}@bench"]
        # Ours has neither mingling nor gossip; the peer should not pay for them either.
        return [*arguments, "--without-mingle", "--without-gossip"]

    def _worker(self, number: int) -> Child:
        arguments = [*self.worker_arguments(str(number)), "-l", "warning"]
        log = self._setting.folder / f"{self.name}-worker{number}.log"
        return Child(python(*arguments), self.env | self._of_workers, log)


def job_queues(prefix: str) -> list[str]:
    """The queues of our workers that consume what the workloads need."""
    return [f"{prefix}{type_}" for type_ in (NOOP, "http")]


def all_queues(prefix: str) -> list[str]:
    """Every queue that a run declares."""
    return [*job_queues(prefix), f"{prefix}dead", *(f"{prefix}{system[7:]}-peer" for system in SYSTEMS[1:])]


def _peer_queue(name: str, setting: Setting) -> str:
    return f"{setting.prefix}{name.removeprefix('celery-')}-peer"


def environment(name: str, setting: Setting) -> dict[str, str]:
    """Ours without the settings of whoever runs the benchmark: only what is said here."""
    ours = ("ORCHESTRATOR_", "CELERY_", "BENCH_", "DJANGO_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    for key in ("DEBUG", "DATABASE_URL", "AMQP_URL", "LOG_LEVEL"):
        kept.pop(key, None)
    embedded = setting.profile == EMBEDDED
    database = f"sqlite:///{setting.folder / name}.sqlite3" if embedded else setting.postgres.url
    broker = "memory://" if embedded else setting.rabbitmq.url
    if name == ORCHESTRATOR:
        return kept | {
            "DJANGO_SETTINGS_MODULE": "orchestrator.settings",
            "SECRET_KEY": f"of one benchmark {time.time()}",
            "DEBUG": "false",
            "DATABASE_URL": database,
            "AMQP_URL": "" if embedded else broker,
            "LOG_LEVEL": "WARNING",
            "ORCHESTRATOR_CONNECTORS": "benchmarks.connectors",
            "ORCHESTRATOR_QUEUE_PREFIX": setting.prefix,
            "ORCHESTRATOR_PRIVATE_ADDRESSES": "allow",  # the service of W3 is on this machine
        }
    kind = name.removeprefix("celery-")
    return kept | {
        "BENCH_PEER": kind,
        "BENCH_PREFIX": f"{setting.prefix}{kind}-",
        "BENCH_DATABASE": database,
        "BENCH_BROKER": broker,
        "BENCH_RESULTS": setting.redis.url,
        "BENCH_ENDS": str(setting.folder / f"{name}.ends"),
    }
