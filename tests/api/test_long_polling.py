"""Waiting for jobs, over real HTTP: the answer comes as soon as there is one, and waiting holds nothing."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.contrib.auth.models import User
from django.db import connection, transaction
from knox.models import AuthToken

from processes.api import waiting as waiting_room
from processes.api.waiting import POLL, Waiter, lobby
from processes.models import Job, ProcessDefinition
from processes.runtime import instances
from tests.api.conftest import V1
from tests.drawing import Drawing

pytestmark = pytest.mark.django_db(transaction=True)

LONG = 60
"""Seconds to wait at most for what comes much sooner: nothing here is told by the clock of a busy machine."""
MODEL = Drawing().start().service("charge", type="charge").end().xml()


class Caller:
    """A program that has the token of a user who may do everything."""

    def __init__(self, url: str) -> None:
        user = User.objects.create_superuser("root")
        _, self.token = AuthToken.objects.create(user)
        self.url = url + V1

    def post(self, path: str, body: Any = None, **more: Any) -> requests.Response:
        headers = {"Authorization": f"Token {self.token}"} | more.pop("headers", {})
        return requests.post(self.url + path, json=body, headers=headers, timeout=2 * LONG, **more)

    def claim(self, **body: Any) -> tuple[list[dict[str, Any]], float]:
        """The jobs, and when they came."""
        answer = self.post("/jobs/claim", {"type": "charge", "worker": "w", **body})
        assert answer.status_code == 200, answer.text
        return answer.json()["jobs"], time.monotonic()

    def start(self) -> float:
        """When the start was answered."""
        answer = self.post("/process-instances", {"process_id": "process"})
        assert answer.status_code == 201, answer.text
        return time.monotonic()


@pytest.fixture
def caller(transactional_db, live_server):
    caller = Caller(live_server.url)
    answer = caller.post("/process-definitions", data=MODEL, headers={"Content-Type": "application/xml"})
    assert answer.status_code == 201, answer.text
    yield caller
    # The server's threads and the lobby's may still hold a connection that would be in the way of emptying tables.
    lobby.join()


def until_waiting(number: int) -> None:
    """Return once so many wait, which takes their requests as long as it takes."""
    end = time.monotonic() + LONG
    while len(lobby._waiters) < number:
        assert time.monotonic() < end, f"Expected {number} to wait but found {len(lobby._waiters)}"
        time.sleep(0.01)


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever would wait gets an error instead."""

    def waiting(types: Collection[str]) -> None:
        raise AssertionError("Expected nobody to wait")

    monkeypatch.setattr(lobby, "waiting", waiting)


def test_a_job_that_is_there_is_not_waited_for(caller, closed):
    caller.start()
    jobs, _ = caller.claim(wait_seconds=10)
    assert len(jobs) == 1


def test_nothing_comes(caller):
    began = time.monotonic()
    jobs, came = caller.claim(wait_seconds=0.5)
    assert jobs == []
    assert came - began >= 0.5


def test_no_waiting_unless_asked_for(caller, closed):
    assert caller.claim()[0] == []


def test_a_job_that_becomes_due_wakes_the_waiting(caller, monkeypatch):
    assert POLL <= 0.05, "the promise; how long the rest of the answer takes, a benchmark says"
    due, seen = waiting_room._due, []

    def first(types: Collection[str]) -> set[str]:
        """The looks until there is something, and no later one: what that one does not wake waits in vain."""
        found = set() if any(seen) else due(types)
        seen.append(found)
        return found

    monkeypatch.setattr(waiting_room, "_due", first)
    for _ in range(3):
        seen.clear()
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(caller.claim, wait_seconds=20)
            until_waiting(1)
            caller.start()
            jobs, _ = waiting.result()
        assert len(jobs) == 1
        assert {"charge"} in seen


def test_a_retry_that_becomes_due_wakes_the_waiting(caller):
    caller.start()
    (job,), _ = caller.claim()
    began = time.monotonic()
    caller.post(f"/jobs/{job['id']}/fail", {"attempt": 1, "message": "m", "retry_in_seconds": 1})
    (again,), came = caller.claim(wait_seconds=LONG)
    assert again["attempt"] == 2
    # Two clocks: that of the job, by which people live, may be set meanwhile.
    assert came - began > 0.5


def test_many_wait_and_each_job_goes_to_one(caller):
    with ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(caller.claim, wait_seconds=LONG) for _ in range(6)]
        until_waiting(6)
        for _ in range(4):
            caller.start()
        served = list(islice(as_completed(waiting), 4))
        left = [future for future in waiting if future not in served]
        assert not any(future.done() for future in left)
        for _ in left:
            caller.start()
        found = [job["id"] for future in served + left for job in future.result()[0]]
    assert len(found) == len(set(found)) == 6


def test_those_who_wait_for_something_else_are_not_served(caller):
    with ThreadPoolExecutor(2) as pool:
        other = pool.submit(caller.claim, type="other", wait_seconds=1.5)
        time.sleep(0.3)
        caller.start()
        assert other.result()[0] == []
    assert len(caller.claim()[0]) == 1


def test_one_who_asks_for_many_leaves_some_to_those_who_wait(caller):
    definition = ProcessDefinition.objects.get()
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(caller.claim, max_jobs=100, wait_seconds=LONG) for _ in range(3)]
        until_waiting(3)
        with transaction.atomic():  # all at once
            for _ in range(12):
                instances.start(definition, by="test")
        found = [len(future.result()[0]) for future in waiting]
    # Those who come first may have left the lobby before the last one counts, who then gets what remains.
    assert all(found), found
    assert max(found) <= 8, found
    rest = caller.claim(max_jobs=100)[0]
    assert sum(found) + len(rest) == 12, "and nothing is held back from one who is alone"


def test_no_transaction_is_open_while_waiting(caller):
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(caller.claim, wait_seconds=LONG)
        until_waiting(1)
        while connection.vendor == "postgresql" and in_transaction():
            assert not waiting.done()
        Job.objects.update(error_message="")  # on SQLite, anyone else's transaction would be in the way of this one
        assert not waiting.done()
        caller.start()
        assert len(waiting.result()[0]) == 1


def in_transaction() -> int:
    """How many connections hold a transaction in which nothing happens. Also one that is just between two statements of
    a short one, so it is asked again."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND state LIKE 'idle in transaction%%'"
        )
        return int(cursor.fetchone()[0])


def test_too_many_wait(caller, settings):
    settings.ORCHESTRATOR_API = {**settings.ORCHESTRATOR_API, "MAX_WAITING": 1}
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(caller.claim, wait_seconds=LONG)
        until_waiting(1)
        refused = caller.post("/jobs/claim", {"type": "charge", "worker": "w", "wait_seconds": 5})
        assert refused.status_code == 503
        assert refused.json()["code"] == "too-many-waiting"
        assert refused.headers["Retry-After"] == "1"
        caller.start()
        assert len(first.result()[0]) == 1


def test_a_client_that_hangs_up(caller, monkeypatch):
    came, left, enter = threading.Event(), threading.Event(), lobby.waiting

    @contextmanager
    def waiting(types: Collection[str]) -> Iterator[Waiter]:
        with enter(types) as waiter:
            came.set()
            yield waiter
        left.set()

    monkeypatch.setattr(lobby, "waiting", waiting)
    address = urlsplit(caller.url)
    client = http.client.HTTPConnection(address.netloc, timeout=LONG)
    headers = {"Authorization": f"Token {caller.token}", "Content-Type": "application/json"}
    body = json.dumps({"type": "charge", "worker": "w", "wait_seconds": 1})
    client.request("POST", f"{address.path}/jobs/claim", body, headers)
    assert came.wait(LONG)
    client.close()
    assert left.wait(LONG)
    caller.start()
    assert len(caller.claim()[0]) == 1


def test_the_thread_that_looks_ends_when_nobody_waits(caller):
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(caller.claim, wait_seconds=LONG)
        until_waiting(1)
        assert any(thread.name == "long-polls" for thread in threading.enumerate())
        caller.start()
        assert len(waiting.result()[0]) == 1
    lobby.join()
    assert not any(thread.name == "long-polls" for thread in threading.enumerate())


def test_starts_at_once_with_one_key_are_one(caller):
    def start(_: int) -> requests.Response:
        return caller.post("/process-instances", {"process_id": "process", "start_key": "once"})

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(start, range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


def test_outcomes_at_once_are_one(caller):
    caller.start()
    (job,), _ = caller.claim()

    def complete(_: int) -> int:
        return caller.post(f"/jobs/{job['id']}/complete", {"attempt": 1}).status_code

    with ThreadPoolExecutor(6) as pool:
        answers = sorted(pool.map(complete, range(6)))
    assert answers == [204] + [404] * 5
