"""A process that drives one system: starts instances, and waits for them to end.

    python -m benchmarks.driver orchestrator http://127.0.0.1:8000 --work 4

One JSON command per line on standard input, one answer per line on standard output. `--work` has a worker in this very
process: the embedded profile, in which broker and workers live together.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from benchmarks import observe

LOOK_SECONDS = 0.02
"""How often a throughput phase looks whether all have ended."""
GLANCE_SECONDS = 0.001
"""The same for a latency phase: the resolution of its figures."""


class System(Protocol):
    """What a driver needs of a system."""

    def prepare(self, workloads: list[str]) -> None: ...
    def work_here(self, concurrency: int) -> None: ...
    def start(self, workload: str) -> int: ...
    def has_ended(self, instance: int) -> bool: ...
    def unfinished(self, workload: str) -> int: ...
    def trouble(self) -> str: ...
    def close(self) -> None: ...


class Driver:
    """Carries out commands on a system. Instances are started from two threads, whose connections are kept."""

    def __init__(self, system: System, work: int) -> None:
        self.system = system
        self.work = work
        self._loads: Any = None
        self.starters = ThreadPoolExecutor(2, thread_name_prefix="starter")

    def prepare(self, workloads: list[str]) -> dict[str, Any]:
        self.system.prepare(workloads)
        if self.work:
            self.system.work_here(self.work)
        return {}

    def throughput(self, workload: str, instances: int, patience: float) -> dict[str, Any]:
        """Seconds from before the first start until the last instance has ended; workers work meanwhile."""
        began = time.monotonic()
        running = [self.starters.submit(self.system.start, workload) for _ in range(instances)]
        for one in running:
            one.result()
        started = time.monotonic() - began
        while self.system.unfinished(workload):
            self._bear(began, patience, workload)
            time.sleep(LOOK_SECONDS)
        seconds = time.monotonic() - began
        if trouble := self.system.trouble():
            raise RuntimeError(f"Expected every instance of {workload} to end well but found an incident at {trouble}")
        return {"seconds": seconds, "started": started}

    def latency(self, workload: str, instances: int, patience: float) -> dict[str, Any]:
        """Seconds of each of several instances that are alone in the system."""
        found = []
        for _ in range(instances):
            began = time.monotonic()
            instance = self.system.start(workload)
            while not self.system.has_ended(instance):
                self._bear(began, patience, workload)
                time.sleep(GLANCE_SECONDS)
            found.append(time.monotonic() - began)
        return {"seconds": found}

    def load(self, what: str, **arguments: Any) -> dict[str, Any]:
        """One of the loads that only the orchestrator bears."""
        if self._loads is None:
            from benchmarks.loads import Loads

            self._loads = Loads(self.system)  # type: ignore[arg-type]
        found: dict[str, Any] = getattr(self._loads, what)(**arguments)
        return found

    def close(self) -> None:
        self.starters.shutdown()
        self.system.close()

    def _bear(self, began: float, patience: float, workload: str) -> None:
        if time.monotonic() - began > patience:
            trouble = self.system.trouble() or f"{self.system.unfinished(workload)} are not"
            raise TimeoutError(f"Expected instances of {workload} to be done in {patience:.0f} s: {trouble}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("system", choices=["orchestrator", "celery"])
    parser.add_argument("service")
    parser.add_argument("--work", type=int, default=0, metavar="THREADS")
    options = parser.parse_args()
    # Answers go where standard output was; what libraries print goes to the log.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    system: System
    if options.system == "orchestrator":
        from benchmarks.ours import Ours

        system = Ours(options.service)
    else:
        from benchmarks.peer import Peer

        system = Peer(options.service)
    observe.install_from_environment("both" if options.work else "driver")
    driver = Driver(system, options.work)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = getattr(driver, asked.pop("do"))(**asked)
        except Exception as problem:  # noqa: BLE001 - told to who asked, who ends the run
            answer = {"problem": f"{type(problem).__name__}: {problem}"}
        answers.write(json.dumps(answer) + "\n")
    driver.close()
    # Workers that live in threads would keep the process for as long as they like.
    os._exit(0)


if __name__ == "__main__":
    main()
