"""A service is down for a while, and many jobs wait for it: what its breaker and its rate are for.

The service is a real HTTP server that notes when it was called. The workers are threads in this process, with a sweeper
like that of real workers; the large test has real worker processes and a real broker.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from django.db import connection

from processes.models import Connection, Gate, Incident, Job, ProcessInstance
from processes.runtime import connections, definitions, dispatch, gate, instances
from processes.runtime.sweep import sweep_once
from tasks import worker
from tasks.jobs import registry
from tests.drawing import Drawing
from tests.tasks.fleet import Fleet, eventually

pytestmark = pytest.mark.django_db(transaction=True)

RATE = 40.0
TRIES = 3


class Service(ThreadingHTTPServer):
    """Answers 503 while it is down."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.up = False
        self.calls: list[tuple[float, int]] = []
        self.flying = self.most_flying = 0
        self.slow = 0.0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def served(self) -> list[float]:
        return [at for at, status in self.calls if status == 200]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Workers that end hang up."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Service

    def do_GET(self) -> None:
        status = 200 if self.server.up else 503
        with self.server.lock:
            self.server.calls.append((time.monotonic(), status))
            self.server.flying += 1
            self.server.most_flying = max(self.server.most_flying, self.server.flying)
        if self.server.slow:
            time.sleep(self.server.slow)
        with self.server.lock:
            self.server.flying -= 1
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


class Announced:
    """A dispatcher whose broker is a queue in this process."""

    jobs: ClassVar[queue.SimpleQueue[int | None]] = queue.SimpleQueue()

    def jobs_due(self, jobs: Sequence[dispatch.DueJob]) -> Sequence[dispatch.DueJob]:
        for job in jobs:
            self.jobs.put(job.id)
        return ()

    def serves(self) -> None:
        """All there are."""

    def announces(self) -> None:
        return None


@contextmanager
def working(threads: int, every: float = 0.3) -> Iterator[list[int]]:
    """Workers, and a sweeper. Yields how many messages came to nothing."""
    idle: list[int] = []
    stop = threading.Event()
    served = registry()

    def work(number: int) -> None:
        while (job := Announced.jobs.get()) is not None:
            if not list(worker.perform(job, registry=served, worker=f"thread-{number}")):
                idle.append(job)
        connection.close()

    def sweep() -> None:
        while not stop.wait(every):
            sweep_once(thorough=False)
        connection.close()

    running = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(threads)]
    running.append(threading.Thread(target=sweep, daemon=True))
    for thread in running:
        thread.start()
    try:
        yield idle
    finally:
        stop.set()
        for _ in range(threads):
            Announced.jobs.put(None)
        for thread in running:
            thread.join(20)


@pytest.fixture
def here(settings: Any) -> None:
    """Jobs of this test are announced in this process."""
    Announced.jobs = queue.SimpleQueue()
    given = {"DISPATCHER": "tests.tasks.test_outage.Announced", "PRIVATE_ADDRESSES": "allow"}
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, **given}
    dispatch._dispatcher.cache_clear()


def begin(number: int, name: str = "shop") -> None:
    headers = {"connection": name}
    drawing = Drawing("order").start()
    drawing.service("call", type="http", retries=TRIES, headers=headers, inputs={"url": "/orders"})
    definition = definitions.deploy(drawing.end().xml()).definitions[0].definition
    for _ in range(number):
        instances.start(definition)


def most_in(moments: list[float], window: float) -> int:
    """Of these calls, the most that came within any window of so many seconds."""
    most = first = 0
    for last, at in enumerate(moments):
        while at - moments[first] >= window:
            first += 1
        most = max(most, last - first + 1)
    return most


def check_recovery(service: Service, number: int, *, down: float, within: float, threads: int) -> None:
    """Down, until all wait; up again, until all are done. The next one asks within five seconds; when it is served is
    up to the machine."""
    began = time.monotonic()
    what = "every job to be parked"
    eventually(lambda: Job.objects.exclude(parked="").count() >= number - 5, within=within, what=what)
    time.sleep(down)
    burnt = sum(TRIES - retries for retries in Job.objects.values_list("retries", flat=True))
    refused, lasted = len(service.calls), time.monotonic() - began
    # Those before the breaker opened have paid; nobody since, however often the canaries failed.
    assert 0 < burnt <= 4
    assert not Incident.objects.exists()
    assert refused <= 5 + threads + 2 * lasted, "only canaries call a service that is down"
    assert Gate.objects.get().opened > 1
    service.up = True
    asks = Job.objects.filter(state="DUE").earliest("due_at").due_at.timestamp()
    assert max(asks, Gate.objects.get().open_until) <= time.time() + 5
    eventually(service.served, what="the first success")
    eventually(
        lambda: not ProcessInstance.objects.exclude(state="COMPLETED").exists(),
        within=number / RATE * 8 + 60,  # as long as a busy machine needs; what is limited is the load
        what="all to be done",
    )
    served = service.served()
    assert len(served) == number
    for window in (0.5, 1.0, 3.0, 10.0):
        # Permits keep to the rate, one more at the edges of a window. What the service sees may be as many more as
        # there are workers: each can have been given its permit before the window, and waited for a busy machine.
        assert most_in(served, window) <= RATE * window + 1 + threads, window
    # It came back in a ramp.
    assert len([at for at in served if at - served[0] < 0.5]) <= RATE * 0.5 * 0.5 + 1
    gate = Gate.objects.get()
    assert gate.breaker == "CLOSED"


@pytest.mark.timeout(400)
def test_many_wait_for_a_service_that_is_down(here: None, service: Service) -> None:
    number = 300 if connection.vendor == "postgresql" else 80
    connections.put(
        "shop",
        {"url": service.url, "rate": RATE, "breaker_open": 1.5, "breaker_ramp": 2.0, "timeout": 5},
        by="user:ada",
    )
    begin(number)
    with working(6) as idle:
        began = time.monotonic()
        check_recovery(service, number, down=3.0, within=60, threads=6)
        lasted = time.monotonic() - began
    # Waiting is cheap: nobody asks again and again, but as slowly as those that wait are let look.
    assert len(idle) < number * 2 + gate.PARKED_PER_SECOND * lasted


def test_a_lone_job_of_a_service_that_stays_down_ends_in_an_incident(here: None, service: Service) -> None:
    connections.put("shop", {"url": service.url, "breaker_failures": 1, "breaker_open": 0.3}, by="user:ada")
    begin(1)
    with working(2, every=0.1):
        eventually(Incident.objects.exists, what="an incident")
    assert len(service.calls) == TRIES
    job = Job.objects.get()
    assert (job.state, job.retries, job.parked) == ("FAILED", 0, "")


@pytest.mark.workers
@pytest.mark.rabbitmq
@pytest.mark.timeout(900)
def test_two_thousand_wait_for_a_service_that_is_down(fleet: Fleet, service: Service) -> None:
    connections.put(
        "shop",
        {"url": service.url, "rate": RATE, "breaker_open": 2.0, "breaker_ramp": 5.0, "timeout": 5},
        by="user:ada",
    )
    begin(2000)
    fleet.workers(2, concurrency=4, ORCHESTRATOR_PRIVATE_ADDRESSES="allow")
    check_recovery(service, 2000, down=5.0, within=240, threads=8)


def test_no_more_calls_at_once_than_it_bears(here: None, service: Service) -> None:
    service.up, service.slow = True, 0.2
    connections.put("shop", {"url": service.url, "concurrency": 2}, by="user:ada")
    begin(20)
    with working(6):
        eventually(lambda: len(service.served()) == 20, what="all to be served")
    assert service.most_flying == 2


def test_paused_by_hand(here: None, service: Service) -> None:
    service.up = True
    connections.put("shop", {"url": service.url, "rate": RATE}, by="user:ada")
    connections.pause("shop", by="user:ada", reason="they move house")
    begin(20)
    with working(4):
        eventually(lambda: Job.objects.filter(parked="paused").count() == 20, what="all to be parked")
        assert connections.standing(connections.find("shop")).waiting == {"paused": 20}
        assert service.calls == []
        assert set(Job.objects.values_list("attempt", "retries", "state")) == {(0, TRIES, "DUE")}
        connections.resume("shop", by="user:ada")
        eventually(lambda: len(service.served()) == 20, what="all to be served")
    assert most_in(service.served(), 0.25) <= RATE * 0.25 + 1 + 4
    assert Connection.objects.get().paused_because == ""
