"""Who asks in these tests, and what is deployed: everything through the real addresses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from knox.models import AuthToken
from rest_framework.test import APIClient

from processes.api.waiting import lobby
from processes.runtime import batches
from tests.drawing import Drawing

V1 = "/api/v1"


@pytest.fixture(scope="session", autouse=True)
def _nobody_waits_at_the_end() -> Iterator[None]:
    yield
    lobby.join()


@pytest.fixture(autouse=True)
def _in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test has carried out is carried out, be it on a machine that is slow."""
    monkeypatch.setattr(batches, "AT_ONCE", 60.0)


@pytest.fixture
def user_with(db: None) -> Callable[..., APIClient]:
    """A client with a token of a user who has exactly these permissions."""

    def make(*permissions: str, name: str = "") -> APIClient:
        user = User.objects.create_user(name or f"user-{User.objects.count()}")
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        assert user.user_permissions.count() == len(permissions)
        return with_token(user)

    return make


def with_token(user: User) -> APIClient:
    _, token = AuthToken.objects.create(user)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    return client


@pytest.fixture
def api(db: None) -> APIClient:
    """A client who may do everything."""
    return with_token(User.objects.create_superuser("root"))


@pytest.fixture
def anonymous(db: None) -> APIClient:
    return APIClient()


@pytest.fixture
def deploy(api: APIClient) -> Callable[..., dict[str, Any]]:
    """Deploys drawings; what the API says of the first process."""

    def do(drawing: Drawing) -> dict[str, Any]:
        answer = api.post(f"{V1}/process-definitions", drawing.xml(), content_type="application/xml")
        assert answer.status_code in (200, 201), answer.content
        found: dict[str, Any] = answer.json()["definitions"][0]
        return found

    return do


@pytest.fixture
def start(api: APIClient) -> Callable[..., dict[str, Any]]:
    def do(process_id: str = "process", **body: Any) -> dict[str, Any]:
        answer = api.post(f"{V1}/process-instances", {"process_id": process_id, **body}, format="json")
        assert answer.status_code == 201, answer.content
        found: dict[str, Any] = answer.json()
        return found

    return do


@pytest.fixture
def claim(api: APIClient) -> Callable[..., list[dict[str, Any]]]:
    def do(type: str = "charge", **body: Any) -> list[dict[str, Any]]:
        answer = api.post(f"{V1}/jobs/claim", {"type": type, "worker": "w1", **body}, format="json")
        assert answer.status_code == 200, answer.content
        found: list[dict[str, Any]] = answer.json()["jobs"]
        return found

    return do


@pytest.fixture
def one_task(deploy: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """A process `process` of one service task `charge`."""
    return deploy(Drawing(name="One task").start().service("charge", type="charge").end())


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """The problem document of an answer, which must be one with this status and code."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = json.loads(answer.content)
    assert body["status"] == status
    assert body["code"] == code, body
    assert body["type"] == f"urn:orchestrator:problem:{code}"
    assert body["title"]
    assert body["detail"]
    return body


def fields(body: dict[str, Any]) -> dict[str, str]:
    """Field to code, of a problem document with `errors`."""
    assert body["code"] == "invalid"
    return {entry["field"]: entry["code"] for entry in body["errors"]}
