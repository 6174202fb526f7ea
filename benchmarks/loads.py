"""Loads that a driver puts on the orchestrator: open ones at a rate, one wide instance, thousands that wait.

Part of a driver's process. Every load is bounded in number and in time. Moments are those of the rows: an instance has
taken from when it *should* have been started until its row says that it ended, so that a driver that falls behind does
not hide what a caller would have waited (coordinated omission).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

from benchmarks.numbers import percentile
from benchmarks.ours import Ours
from benchmarks.workloads import MESSAGE
from processes.models import FlowNodeInstance, Job, ProcessInstance, Timer
from processes.models.instances import FINAL
from processes.runtime import messages
from processes.runtime.pressure import Overloaded

STARTERS = 4
SLICES = 100
"""So many times a second something becomes due."""
CHUNK = 5000
"""Rows looked up at once."""


class Loads:
    """What a driver of ours can do beside throughput and latency."""

    def __init__(self, system: Ours) -> None:
        self._system = system
        self._waiting: dict[str, list[int]] = {}
        """Instances that wait, and have not been made due, by workload."""

    # -- at a rate ---------------------------------------------------------------------------------------------------

    def sustain(self, workload: str, rate: float, seconds: float, patience: float, limit: float = 0) -> dict[str, Any]:
        """Start so many instances a second, whatever becomes of them, then let all end. With a `limit` of seconds, new
        ones are refused while the oldest due job has waited for longer, and nobody asks for those again.

        `within` is how many ended while the load was on, `backlog` how many had not at its end; `queue_age` what the
        oldest due job had waited, looked at twice a second.
        """
        settings.ORCHESTRATOR["MAX_QUEUE_AGE"] = timedelta(seconds=limit)
        planned = max(1, round(rate * seconds))
        ages, over = [], threading.Event()

        def watch() -> None:
            while not over.wait(0.5):
                ages.append(_oldest_due())
            connection.close()

        watcher = threading.Thread(target=watch, name="starter-watch", daemon=True)
        watcher.start()
        began, clock = timezone.now(), time.monotonic()
        with ThreadPoolExecutor(STARTERS, thread_name_prefix="starter") as pool:
            starts = []
            for number in range(planned):
                _sleep_until(clock + number / rate)
                starts.append(pool.submit(self._start, workload))
            _sleep_until(clock + seconds)
            stopped = timezone.now()
            over.set()
            unstarted = sum(not start.done() for start in starts)
        ids = [start.result() for start in starts]
        settings.ORCHESTRATOR["MAX_QUEUE_AGE"] = timedelta()
        self._drain(workload, patience)
        watcher.join()
        ended = _ends([id_ for id_ in ids if id_ is not None])
        took = [
            (ended[id_] - began).total_seconds() - number / rate for number, id_ in enumerate(ids) if id_ is not None
        ]
        within = sum(moment <= stopped for moment in ended.values())
        return {
            "planned": planned,
            "refused": ids.count(None),
            "within": within,
            "backlog": planned - ids.count(None) - within,
            "unstarted": unstarted,
            "seconds": (stopped - began).total_seconds(),
            "drained_after": (max(ended.values()) - stopped).total_seconds(),
            "took": _percentiles(took),
            "queue_age": ages,
        }

    def _start(self, workload: str) -> int | None:
        """None where it is refused for now."""
        try:
            return self._system.start(workload)
        except Overloaded:
            return None

    # -- one wide instance -------------------------------------------------------------------------------------------

    def many(self, workload: str, jobs: int, patience: float) -> dict[str, Any]:
        """One instance with so many parallel jobs: from its first completion to its last."""
        began = time.monotonic()
        instance = self._system.start(workload, items=list(range(jobs)))
        entered = time.monotonic() - began
        self._drain(workload, patience)
        moments = sorted(
            FlowNodeInstance.objects.filter(
                instance_id=instance, element_id="work", element_type="serviceTask", ended_at__isnull=False
            ).values_list("ended_at", flat=True)
        )
        # The visit that holds the others, where there is one, ends with the last of them.
        if len(moments) not in (jobs, jobs + 1):
            raise RuntimeError(f"Expected {jobs} completions but found {len(moments)}")
        span = (moments[jobs - 1] - moments[0]).total_seconds()
        return {"start": entered, "completion": span / max(1, jobs - 1), "seconds": time.monotonic() - began}

    # -- thousands that wait -----------------------------------------------------------------------------------------

    def wait(self, workload: str, instances: int) -> dict[str, Any]:
        """Have so many instances wait; seconds that it took to start them."""
        began = time.monotonic()
        with ThreadPoolExecutor(STARTERS, thread_name_prefix="starter") as pool:
            numbers = range(instances)
            ids = list(pool.map(lambda number: self._system.start(workload, key=str(number)), numbers, chunksize=1))
        self._waiting[workload] = list(ids)
        return {"seconds": time.monotonic() - began}

    def beside(
        self, workload: str, other: str, rate: int, seconds: float, batch: int, patience: float
    ) -> dict[str, Any]:
        """Do other work for so many seconds, and have so many waiting instances a second become due meanwhile.

        Other work is done batch by batch, each when the last has ended. A rate of 0: other work alone.
        """
        waiting = self._waiting[workload]
        count = min(round(rate * seconds), len(waiting))
        ids, self._waiting[workload] = waiting[:count], waiting[count:]
        first = timezone.now() + timedelta(seconds=0.5)
        publisher: threading.Thread | None = None
        if workload.endswith("timers"):
            self._set_due(ids, rate, first)
        elif ids:
            publisher = threading.Thread(target=self._publish, args=(ids, rate, first), name="starter-publish")
            publisher.start()
        _sleep_until(time.monotonic() + (first - timezone.now()).total_seconds())
        clock, done = time.monotonic(), 0
        with ThreadPoolExecutor(2, thread_name_prefix="starter") as pool:
            while not done or time.monotonic() < clock + seconds:
                for start in [pool.submit(self._system.start, other) for _ in range(batch)]:
                    start.result()
                self._drain(other, patience, look=0.005)
                done += batch
        spent = time.monotonic() - clock
        if publisher is not None:
            publisher.join()
        until = time.monotonic() + patience
        while len(ended := _ends(ids)) < len(ids):
            if time.monotonic() > until:
                raise TimeoutError(f"Expected {len(ids)} of {workload} to end but {len(ids) - len(ended)} have not")
            time.sleep(0.2)
        late = [(ended[id_] - _due(first, rate, number)).total_seconds() for number, id_ in enumerate(ids)]
        return {"other": done / spent, "fired": len(ids), "late": _percentiles(late)}

    def left(self, workload: str) -> dict[str, Any]:
        return {"waiting": len(self._waiting[workload])}

    def forget(self, workload: str) -> dict[str, Any]:
        """Instances that wait still are taken away, lest later loads meet them."""
        for some in _chunks(self._waiting.pop(workload)):
            ProcessInstance.objects.filter(pk__in=some).delete()
        return {}

    def _set_due(self, ids: Sequence[int], rate: int, first: datetime) -> None:
        """Timers far away are moved near: the benchmark's only writing of its own, before the clock runs."""
        width = max(1, rate // SLICES)
        for at in range(0, len(ids), width):
            Timer.objects.filter(instance_id__in=ids[at : at + width]).update(due_at=_due(first, rate, at))

    def _publish(self, ids: Sequence[int], rate: int, first: datetime) -> None:
        """One message for each, when its moment has come."""
        keys: dict[int, str] = {}
        for some in _chunks(ids):
            rows = ProcessInstance.objects.filter(pk__in=some).values_list("pk", "variables")
            keys.update((pk, variables["key"]) for pk, variables in rows)
        clock = time.monotonic() - (timezone.now() - first).total_seconds()
        with ThreadPoolExecutor(STARTERS, thread_name_prefix="starter") as pool:
            for number, id_ in enumerate(ids):
                _sleep_until(clock + number // max(1, rate // SLICES) * max(1, rate // SLICES) / rate)
                pool.submit(messages.publish, MESSAGE, correlation_key=keys[id_], by="bench")
        connection.close()

    # -- of the web --------------------------------------------------------------------------------------------------

    def token(self) -> dict[str, Any]:
        """Access for external workers."""
        from django.contrib.auth import get_user_model
        from knox.models import AuthToken

        user = get_user_model().objects.create_superuser("bench", password=None)
        return {"token": AuthToken.objects.create(user=user)[1]}

    def _drain(self, workload: str, patience: float, look: float = 0.02) -> None:
        until = time.monotonic() + patience
        while left := self._system.unfinished(workload):
            if time.monotonic() > until:
                trouble = self._system.trouble() or f"{left} are not"
                raise TimeoutError(f"Expected instances of {workload} to be done in {patience:.0f} s: {trouble}")
            time.sleep(look)
        if trouble := self._system.trouble():
            raise RuntimeError(f"Expected every instance of {workload} to end well but found an incident at {trouble}")


def _due(first: datetime, rate: int, number: int) -> datetime:
    """Of one of many; so many at once as make `SLICES` a second."""
    width = max(1, rate // SLICES)
    return first + timedelta(seconds=number // width * width / rate)


def _ends(ids: Sequence[int]) -> dict[int, datetime]:
    found: dict[int, datetime] = {}
    for some in _chunks(ids):
        rows = ProcessInstance.objects.filter(pk__in=some, state__in=FINAL).values_list("pk", "ended_at")
        found.update((pk, moment) for pk, moment in rows if moment is not None)
    return found


def _chunks(ids: Sequence[int]) -> list[Sequence[int]]:
    return [ids[at : at + CHUNK] for at in range(0, len(ids), CHUNK)]


def _oldest_due() -> float:
    now = timezone.now()
    first = Job.objects.filter(state="DUE", suspended=False).order_by("due_at").values_list("due_at", flat=True).first()
    return max(0.0, (now - first).total_seconds()) if first else 0.0


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    return {"p50": percentile(values, 0.5), "p99": percentile(values, 0.99), "most": max(values)}


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))
