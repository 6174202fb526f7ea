"""Operators, what they look at, and workers that do as a test says."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from processes.models import Job, ProcessDefinition, ProcessInstance
from processes.runtime import batches, definitions, instances, jobs
from tests.drawing import Drawing


@pytest.fixture(autouse=True)
def _silent(settings: Any, db: None) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "DISPATCHER": "tests.admin.silent.Silent"}


def deploy(drawing: Drawing) -> ProcessDefinition:
    return definitions.deploy(drawing.xml(), resource="test.bpmn", by="user:ada").definitions[0].definition


@pytest.fixture(autouse=True)
def _in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test has carried out is carried out, be it on a machine that is slow."""
    monkeypatch.setattr(batches, "AT_ONCE", 60.0)


@pytest.fixture
def order(db: None) -> ProcessDefinition:
    """One service task, two tries."""
    return deploy(Drawing("order", name="Order").start().service("charge", type="charge-card", retries=2).end())


def start(definition: ProcessDefinition, **given: Any) -> ProcessInstance:
    return instances.start(definition, **{"by": "user:ada", **given}).instance


def claim(instance: ProcessInstance) -> Any:
    job = Job.objects.get(instance=instance)
    claimed = jobs.claim_one(job.pk, worker="worker-1")
    assert claimed is not None
    return claimed


def fail(instance: ProcessInstance, message: str = "503 Service Unavailable") -> None:
    """No tries left: an incident."""
    job = claim(instance)
    journal = {"request": {"url": "https://pay.example"}, "response": {"status": 503}}
    jobs.fail(job.id, job.attempt, message, retries=0, by="worker:worker-1", journal=journal)


def complete(instance: ProcessInstance, **variables: Any) -> None:
    job = claim(instance)
    jobs.complete(job.id, job.attempt, variables, by="worker:worker-1")


def fail_and_wait(instance: ProcessInstance) -> None:
    """One try is left, in an hour."""
    job = claim(instance)
    jobs.fail(job.id, job.attempt, "timed out", retry_in=timedelta(hours=1), by="worker:worker-1")


@pytest.fixture
def admin(client: Client) -> Client:
    """Who may do everything."""
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def staff(client: Client) -> Callable[..., Client]:
    """Logs in somebody with exactly these permissions."""

    def login(*permissions: str) -> Client:
        user = User.objects.create_user("bob", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client.force_login(user)
        return client

    return login


@pytest.fixture
def chromium() -> str:
    found = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if found is None and not os.environ.get("CI"):
        pytest.skip("no Chromium on the PATH; CHROMIUM names another one")
    assert found, "Expected Chromium where CI is set"
    return found


def said(response: Any) -> list[str]:
    """What the page told after a redirect."""
    return [str(message) for message in response.context["messages"]]


def filled(client: Client, address: str, **typed: Any) -> dict[str, Any]:
    """The form of a page as a browser would send it, with what is typed."""
    page = client.get(address)
    assert page.status_code == 200, page
    form = page.context["form"]
    shown = {name: form[name].value() for name in form.fields}
    return {**{name: "" if value is None else value for name, value in shown.items()}, **typed}
