"""What the tests of the memory share: a dispatcher that remembers, and verbs that read as given, when, then."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from processes.models import ProcessDefinition, ProcessInstance
from processes.runtime import definitions, dispatch, instances, loader
from tests.drawing import Drawing


class Recording:
    """A dispatcher that remembers what it was told, or is broken on request."""

    announced: list[dispatch.DueJob] = []
    broken = False
    unreachable: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None

    def jobs_due(self, jobs: Any) -> Any:
        if Recording.broken:
            raise ConnectionError("the broker is away")
        Recording.announced.extend(job for job in jobs if job.type not in Recording.unreachable)
        return [job for job in jobs if job.type in Recording.unreachable]

    def announces(self) -> Any:
        return Recording.only

    def serves(self) -> Any:
        return Recording.only


@pytest.fixture(autouse=True)
def announced(settings: Any) -> list[dispatch.DueJob]:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "DISPATCHER": "tests.runtime.conftest.Recording"}
    Recording.announced = []
    Recording.broken = False
    Recording.unreachable = ()
    Recording.only = None
    return Recording.announced


@pytest.fixture(autouse=True)
def _nothing_is_known_to_be_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests begin with the same primary keys, and some with another idea of what is large."""
    monkeypatch.setattr(loader, "_large", loader._Large())


def deployed(drawing: Drawing) -> ProcessDefinition:
    return definitions.deploy(drawing.xml(), resource="test.bpmn", by="user:test").definitions[0].definition


def started(drawing: Drawing, **arguments: Any) -> ProcessInstance:
    return instances.start(deployed(drawing), **arguments).instance


def together(*works: Callable[[], Any]) -> list[Any]:
    """Run in threads that begin at the same moment, each with its own connection; results, or what was raised."""
    barrier = threading.Barrier(len(works))
    results: list[Any] = [None] * len(works)

    def run(number: int, work: Callable[[], Any]) -> None:
        try:
            barrier.wait(timeout=30)
            results[number] = work()
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number, work)) for number, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    return results


class Statements:
    """What is sent, without what begins and ends transactions; and how many transactions are committed."""

    BOUNDS = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.commits = 0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.lstrip().upper().startswith(self.BOUNDS):
            self.texts.append(" ".join(sql.split()))
            self.commits += not connection.in_atomic_block
        return execute(sql, params, many, context)

    def __len__(self) -> int:
        return len(self.texts)

    def single(self) -> int:
        """Statements, where several that are sent at one go are several."""
        return sum(1 + text.rstrip("; ").count("; ") for text in self.texts)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[Statements]:
    """Counts from now on, in this thread's connection."""
    counted = Statements()
    commit = connection._commit

    def counting() -> None:
        counted.commits += 1
        commit()

    monkeypatch.setattr(connection, "_commit", counting)
    with connection.execute_wrapper(counted):
        yield counted
