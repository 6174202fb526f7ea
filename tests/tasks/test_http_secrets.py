"""Long calls with secrets, through connections: what is kept between attempts tells none, and is still of use."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from processes.models import Job
from tasks import outcomes, worker
from tasks.concealment import Concealment
from tasks.connectors.base import Connection, JobError
from tasks.connectors.http import HttpConnector
from tests.tasks.connectors.conftest import make_job
from tests.tasks.connectors.http.conftest import Desk
from tests.tasks.connectors.http.service import CLIENT, ITEMS, SECRET, Service
from tests.tasks.connectors.server import running


@pytest.fixture
def service() -> Iterator[Service]:
    with running(Service()) as service:
        assert isinstance(service, Service)
        yield service


def oauth(endpoint: str) -> dict[str, Any]:
    return {
        "type": "oauth-client-credentials-flow",
        "oauthTokenEndpoint": endpoint,
        "clientId": CLIENT,
        "clientSecret": SECRET,
    }


def through(service: Service, connection: Connection, **variables: Any) -> Any:
    desk = Desk(variables)
    return HttpConnector().run(desk.job(connection=connection))


def test_pages_through_a_connection_with_a_token(service: Service) -> None:
    shop = Connection(name="shop", url=service.url, authentication=oauth(f"{service.url}/token"), allow_private=True)
    assert len(through(service, shop, url="/linked", pagination={"type": "link"})["items"]) == len(ITEMS)
    assert service.grants == 1


def test_the_endpoint_of_a_connection_may_be_elsewhere(service: Service) -> None:
    endpoint = f"{service.url}/token".replace("127.0.0.1", "localhost")
    fields: dict[str, Any] = {"name": "shop", "url": service.url, "allowed_hosts": ("127.0.0.1",)}
    shop = Connection(**fields, authentication=oauth(endpoint), allow_private=True)
    assert through(service, shop, url="/guarded")["body"] == {"welcome": True}
    # One that the task names itself may not.
    shop = Connection(**fields, allow_private=True)
    with pytest.raises(JobError) as caught:
        through(service, shop, url="/guarded", authentication=oauth(endpoint))
    assert (caught.value.code, caught.value.retryable) == ("OAUTH_FAILED", False)


@pytest.mark.django_db(transaction=True)
def test_progress_is_kept_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Mapping[str, Any]] = []
    monkeypatch.setattr(worker.jobs, "checkpoint", lambda job, attempt, progress: kept.append(progress))
    monkeypatch.setattr(worker.leases, "extended", lambda job, until: None)
    worker._keep(Job(pk=1, attempt=1), Concealment(["s3cret-word"]), {"a": ["x s3cret-word y"]})  # type: ignore[arg-type]
    assert kept == [{"a": ["x *** y"]}]
    later = outcomes.concealed(
        outcomes.Later(make_job().deadline - make_job().deadline, {"a": "s3cret-word"}, "s3cret-word"),
        Concealment(["s3cret-word"]),
    )
    assert "s3cret" not in json.dumps(later.progress) + later.reason  # type: ignore[union-attr]
