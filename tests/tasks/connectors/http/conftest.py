"""The service, and jobs that remember what they kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from processes.runtime import jobs
from tasks.connectors.base import Job, JobError, Postponed
from tasks.connectors.http import HttpConnector
from tests.tasks.connectors.conftest import as_json, make_job
from tests.tasks.connectors.http.service import Service
from tests.tasks.connectors.server import running


@pytest.fixture(scope="session")
def _service() -> Iterator[Service]:
    with running(Service()) as service:
        assert isinstance(service, Service)
        yield service


@pytest.fixture
def service(_service: Service) -> Service:
    _service.reset()
    return _service


@pytest.fixture
def elsewhere() -> Iterator[Service]:
    """Another origin."""
    with running(Service()) as service:
        assert isinstance(service, Service)
        yield service


@dataclass
class Desk:
    """Runs a job again and again, as the runtime would: what it keeps is there the next time."""

    variables: Mapping[str, Any]
    connector: HttpConnector = field(default_factory=HttpConnector)
    progress: Mapping[str, Any] = field(default_factory=dict)
    kept: list[Mapping[str, Any]] = field(default_factory=list)
    killed_after: int | None = None
    """Checkpoints, after which the worker is killed."""
    lease: float = 30.0

    def job(self, **fields: Any) -> Job:
        return make_job(
            lease=self.lease,
            evaluate=jobs.evaluate,
            variables=self.variables,
            progress=self.progress,
            checkpoint=self._keep,
            **fields,
        )

    def _keep(self, progress: Mapping[str, Any]) -> datetime:
        as_json(progress)
        self.progress = progress
        self.kept.append(progress)
        if self.killed_after is not None and len(self.kept) >= self.killed_after:
            raise Killed
        return datetime.now(UTC) + timedelta(seconds=self.lease)

    def run(self, **fields: Any) -> Any:
        response = self.connector.run(self.job(**fields))
        as_json(response.body)
        as_json(response.journal)
        return response

    def fails(self, **fields: Any) -> JobError:
        with pytest.raises(JobError) as caught:
            self.run(**fields)
        as_json(caught.value.details)
        as_json(caught.value.journal)
        return caught.value

    def is_postponed(self) -> Postponed:
        with pytest.raises(Postponed) as caught:
            self.run()
        self.progress = caught.value.progress
        as_json(self.progress)
        return caught.value


class Killed(BaseException):
    """The worker is no more: nothing that it would still have done happens."""


@pytest.fixture
def desk(service: Service) -> Callable[..., Desk]:
    def make(path: str, **variables: Any) -> Desk:
        return Desk({"url": f"{service.url}{path}", **variables})

    return make
