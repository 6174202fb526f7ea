"""The peer: the same work with nothing but Celery, written as somebody would who knows it well.

Kept database connections, and every task publishes the next one itself after its commit. A fan-out is joined by
counting down in the database, or by a chord, which needs a result backend: Redis, without persistence. Kinds of care:

| `BENCH_PEER` | queue | acknowledged | publisher confirms | prefetch | state |
|---|---|---|---|---|---|
| `fast` | classic, durable | early | no | 4 per process | one transaction per task |
| `safe` | quorum | late, and again if the worker is lost | yes | 1 per process | one transaction per task |
| `chord` | as `fast` | | | | one transaction per task, results in Redis |
| `bare` | as `fast` | | | | none: nobody knows afterwards what was done |

A task of `fast` is lost with its worker, and with it the rest of its chain. `safe` survives that, as the orchestrator
does, whose rows are announced again. `bare` has no database at all; that a chain has ended is a byte in a file.
"""

from __future__ import annotations

import os
from typing import Any

import requests
from celery import Celery, chord
from celery.worker.consumer import Consumer
from kombu import Exchange, Queue

from benchmarks import observe
from benchmarks.store import Ends, Store
from benchmarks.workloads import WORKLOADS, Workload

KIND = os.environ.get("BENCH_PEER", "fast")
SAFE, BARE, CHORD = (name == KIND for name in ("safe", "bare", "chord"))
QUEUE = os.environ.get("BENCH_PREFIX", "bench-") + "peer"
BROKER = os.environ.get("BENCH_BROKER", "memory://")

app = Celery("peer", broker=BROKER, backend=os.environ.get("BENCH_RESULTS") if CHORD else None)
app.conf.update(
    task_ignore_result=not CHORD,
    result_expires=600,
    task_default_queue=QUEUE,
    task_queues=[
        Queue(QUEUE, Exchange(QUEUE), QUEUE, queue_arguments={"x-queue-type": "quorum" if SAFE else "classic"})
    ],
    task_acks_late=SAFE,
    task_reject_on_worker_lost=SAFE,
    worker_prefetch_multiplier=1 if SAFE else 4,
    worker_consumer="benchmarks.peer:PeerConsumer",
    worker_redirect_stdouts=False,
    worker_hijack_root_logger=False,
    worker_enable_remote_control=BROKER != "memory://",
    # Whoever is not measured is stopped with SIGSTOP, and cannot tell the broker that it is alive.
    broker_heartbeat=0,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"polling_interval": 0.02} if BROKER == "memory://" else {"confirm_publish": SAFE},
)
store: Store | Ends = (
    Ends(os.environ["BENCH_ENDS"]) if BARE else Store(os.environ.get("BENCH_DATABASE", "sqlite:///:memory:"))
)
_session: requests.Session | None = None


class PeerConsumer(Consumer):
    """Without delayed delivery, which nobody uses here, and for which quorum queues would bring 28 more of them."""

    class Blueprint(Consumer.Blueprint):
        default_steps = [step for step in Consumer.Blueprint.default_steps if not step.endswith(":DelayedDelivery")]


@app.task(name="peer.chain")
def chain(instance: int, step: int) -> None:
    """One of several tasks in a row."""
    if store.done(instance, step, "ok"):
        chain.delay(instance, step + 1)


@app.task(name="peer.fan")
def fan(instance: int, step: int) -> None:
    """One of several tasks side by side; whoever counts to zero has joined them."""
    store.done(instance, step, "ok")


@app.task(name="peer.joined", ignore_result=True)
def joined(results: list[None], instance: int) -> None:
    """What a chord calls when all of its header are done: the end of the instance."""
    assert isinstance(store, Store)
    store.end(instance)


@app.task(name="peer.call")
def call(instance: int, url: str) -> None:
    """One HTTP call."""
    response = session().get(url, timeout=(20, 20))
    response.raise_for_status()
    store.done(instance, 1, f"{response.status_code} {response.json()['ok']}")


def session() -> requests.Session:
    """One for each process; connections are kept."""
    global _session
    if _session is None:
        _session = requests.Session()
        _session.trust_env = False
    return _session


def start(workload: Workload, service: str) -> int:
    """Start one instance: a row, and the first message or, for a fan, all of them."""
    # With a chord, the row is not ended by its last task but by what the chord calls.
    instance = store.begin(workload.shape, workload.tasks + CHORD)
    if workload.shape == "chain":
        chain.delay(instance, 1)
    elif CHORD:
        chord([fan.s(instance, step) for step in range(1, workload.tasks + 1)])(joined.s(instance))
    elif workload.shape == "fan":
        with app.producer_or_acquire() as producer:
            for step in range(1, workload.tasks + 1):
                fan.apply_async((instance, step), producer=producer)
    else:
        call.delay(instance, f"{service}/{workload.delay}")
    return instance


class Peer:
    """The system as its driver knows it."""

    name = "celery"

    def __init__(self, service: str) -> None:
        self._service = service
        self._worker: Any = None

    def prepare(self, workloads: list[str]) -> None:
        store.create()

    def work_here(self, concurrency: int) -> None:
        """Have a worker in a thread of this process."""
        from threading import Thread

        self._worker = app.Worker(
            pool="threads", concurrency=concurrency, hostname="peer@bench", without_heartbeat=True, quiet=True,
            without_mingle=True, without_gossip=True,
        )  # fmt: skip
        Thread(target=self._worker.start, name="worker", daemon=True).start()

    def start(self, workload: str) -> int:
        return start(WORKLOADS[workload], self._service)

    def has_ended(self, instance: int) -> bool:
        return store.has_ended(instance)

    def unfinished(self, workload: str) -> int:
        return store.unfinished()

    def trouble(self) -> str:
        return ""

    def close(self) -> None:
        if self._worker is not None:
            self._worker.stop()


observe.install_from_environment()
