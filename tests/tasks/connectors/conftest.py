"""Jobs and servers for the connectors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tasks.connectors.base import Job, JobError
from tasks.connectors.http import HttpConnector
from tests.tasks.connectors.server import Server, running


@pytest.fixture(scope="session")
def _server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def server(_server: Server) -> Server:
    _server.seen.clear()
    return _server


@pytest.fixture
def other() -> Iterator[Server]:
    """Another origin."""
    with running() as server:
        yield server


def no_feel(expression: str, variables: Mapping[str, Any]) -> Any:
    raise ValueError("no expressions here")


def make_job(*, lease: float = 30.0, evaluate: Callable[..., Any] = no_feel, **fields: Any) -> Job:
    given: dict[str, Any] = {
        "id": 7,
        "type": "http",
        "element_id": "Charge",
        "process_id": "order",
        "instance_id": 3,
        "deadline": datetime.now(UTC) + timedelta(seconds=lease),
        "idempotency_key": "job-7-key",
        "evaluate": evaluate,
    }
    return Job(**given | fields)


CONNECTOR = HttpConnector()


def call(url: Any, *, lease: float = 30.0, **variables: Any) -> Any:
    """The response of a call."""
    return CONNECTOR.run(make_job(lease=lease, variables={"url": url, **variables}))


def failure(url: Any, *, lease: float = 30.0, **variables: Any) -> JobError:
    """The error of a call that must fail, and that must be storable."""
    with pytest.raises(JobError) as caught:
        call(url, lease=lease, **variables)
    as_json(caught.value.details)
    as_json(caught.value.journal)
    assert caught.value.message
    return caught.value


def as_json(value: Any) -> str:
    """JSON text, as it would be stored; fails where the value is no JSON."""

    def decimal(item: Any) -> str:
        assert isinstance(item, Decimal), item
        return str(item)

    return json.dumps(value, default=decimal, allow_nan=False)
