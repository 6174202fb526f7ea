"""Back-pressure as callers see it: 503 with Retry-After where work would begin, and nothing else is in their way."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import requests
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import F
from django.utils import timezone
from knox.models import AuthToken

from processes.models import InboundBinding, InboundReceipt, Job, Message, ProcessInstance
from processes.runtime import jobs, pressure, secrets
from tests.api.conftest import V1, problem
from tests.api.test_operations import lines
from tests.drawing import Drawing


class Everyone:
    """A dispatcher that tells nobody, though workers serve every type."""

    def jobs_due(self, jobs: Any) -> tuple[()]:
        return ()

    def announces(self) -> tuple[()]:
        return ()

    def serves(self) -> None:
        return None


@pytest.fixture(autouse=True)
def limited(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ORCHESTRATOR = {
        **settings.ORCHESTRATOR,
        "MAX_QUEUE_AGE": timedelta(seconds=30),
        "DISPATCHER": "tests.api.test_pressure.Everyone",
    }
    monkeypatch.setattr(pressure, "_watch", pressure._Watch())
    monkeypatch.setattr(pressure, "LOOK_EVERY", 0.0)


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands: what waits is as old as the test says, to the second."""
    now = timezone.now()
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)


def age(by: float = 60) -> None:
    Job.objects.filter(state="DUE").update(due_at=F("due_at") - timedelta(seconds=by))


def test_a_start_is_503_and_says_when_to_come_again(api, one_task, start, claim, still):
    start()
    age(44.75)
    answer = api.post(f"{V1}/process-instances", {"process_id": "process"}, format="json")
    body = problem(answer, 503, "overloaded")
    assert answer["Retry-After"] == "15"
    assert "Expected due jobs to wait for at most 30 s but one of type 'charge' has waited for 45 s" in body["detail"]
    assert ProcessInstance.objects.count() == 1
    (job,) = claim()
    assert api.post(f"{V1}/jobs/{job['id']}/complete", {"attempt": 1}, format="json").status_code == 204
    start()


def test_whoever_repeats_a_start_gets_its_answer(api, one_task, start):
    begun = start(start_key="k")
    age()
    answer = api.post(f"{V1}/process-instances", {"process_id": "process", "start_key": "k"}, format="json")
    assert (answer.status_code, answer.json()["id"]) == (200, begun["id"])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("messages", {"name": "ordered"}),
        ("signals", {"name": "go"}),
        ("conditions", {"variables": {"degrees": 41}}),
    ],
)
def test_whatever_else_would_only_begin_instances(api, deploy, one_task, start, still, path, body):
    deploy(Drawing("a").start_message("s", "ordered").end())
    deploy(Drawing("b").start_on("s", ("signal", "go")).end())
    deploy(Drawing("c").start_on("s", ("conditional", "=degrees > 40")).end())
    start()
    age()
    answer = api.post(f"{V1}/{path}", body, format="json")
    problem(answer, 503, "overloaded")
    assert answer["Retry-After"] == "30"
    assert (ProcessInstance.objects.count(), Message.objects.count()) == (1, 0)
    age(-60)
    assert api.post(f"{V1}/{path}", body, format="json").status_code in (200, 201)
    assert ProcessInstance.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_webhook_is_told_to_post_it_again(api, anonymous, settings, deploy, one_task, start, still):
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "FIELD_KEYS": [Fernet.generate_key().decode()]}
    secrets.put("token", "tok-123456")
    InboundBinding.objects.create(
        name="shop", kind="webhook", path="shop", message_name="ordered", secret_name="token", proof="token"
    )
    deploy(Drawing("a").start_message("s", "ordered").end())
    start()

    def post() -> Any:
        given = {"Authorization": "Bearer tok-123456"}
        return anonymous.post(f"{V1}/webhooks/shop", b"{}", content_type="application/json", headers=given)

    age()
    answer = post()
    problem(answer, 503, "overloaded")
    assert answer["Retry-After"] == "30"
    assert not InboundReceipt.objects.exists(), "or the next delivery would be taken for a repetition"
    age(-60)
    assert post().status_code == 202
    assert ProcessInstance.objects.count() == 2


def test_health_does_not_suffer(api, anonymous, settings, one_task, start):
    settings.AMQP_URL = ""
    start()
    age()
    problem(api.post(f"{V1}/process-instances", {"process_id": "process"}, format="json"), 503, "overloaded")
    assert anonymous.get("/healthz").status_code == 200
    assert anonymous.get("/readyz").status_code == 200


def test_metrics_show_it(api, one_task, start):
    start()
    found = lines(api.get("/metrics"))
    assert found["orchestrator_queue_age_seconds"] < 30
    assert (found["orchestrator_queue_age_limit_seconds"], found["orchestrator_overloaded"]) == (30, 0)
    age()
    api.post(f"{V1}/process-instances", {"process_id": "process"}, format="json")
    found = lines(api.get("/metrics"))
    assert 60 <= found["orchestrator_queue_age_seconds"] < 90
    assert found["orchestrator_overloaded"] == 1
    (refused,) = (number for name, number in found.items() if name.startswith("orchestrator_refused_total{process="))
    assert refused == 1


@pytest.mark.django_db(transaction=True)
def test_callers_that_outrun_the_worker(live_server, settings, monkeypatch):
    """Over real HTTP, at a limit that is reached: callers that come again when they are told to get all that they want
    done, the worker is never idle for it, and the queue gets no older than the limit allows."""
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "MAX_QUEUE_AGE": timedelta(seconds=0.5)}
    monkeypatch.setattr(pressure, "LOOK_EVERY", 0.1)
    monkeypatch.setattr(pressure, "SOONEST", timedelta(seconds=1))
    _, token = AuthToken.objects.create(User.objects.create_superuser("root"))
    headers = {"Authorization": f"Token {token}"}
    url = live_server.url + V1
    model = Drawing().start().service("charge", type="charge").end().xml()
    sent = requests.post(
        f"{url}/process-definitions", model, headers=headers | {"Content-Type": "application/xml"}, timeout=30
    )
    assert sent.status_code == 201
    refusing, stop = threading.Event(), threading.Event()

    def worker() -> int:
        done = 0
        try:
            refusing.wait(60)  # until then nobody is outrun, however slow the callers are
            while not stop.is_set() or Job.objects.exists():
                for job in jobs.claim(["charge"], worker="w", limit=1):
                    time.sleep(0.05)
                    jobs.complete(job.id, job.attempt, {}, by="worker:w")
                    done += 1
        finally:
            connection.close()
        return done

    def caller(number: int) -> tuple[list[int], int]:
        accepted, refused = [], 0
        while len(accepted) < 15 or not refusing.is_set():
            answer = requests.post(
                f"{url}/process-instances", json={"process_id": "process"}, headers=headers, timeout=30
            )
            if answer.status_code == 503:
                assert answer.json()["code"] == "overloaded"
                refused += 1
                refusing.set()
                time.sleep(int(answer.headers["Retry-After"]))
            else:
                assert answer.status_code == 201
                accepted.append(answer.json()["id"])
        return accepted, refused

    with ThreadPoolExecutor(5) as pool:
        working = pool.submit(worker)
        callers = [pool.submit(caller, number) for number in range(4)]
        try:
            results = [each.result() for each in callers]
        finally:
            stop.set()
        done = working.result()
    accepted = [pk for some, _ in results for pk in some]
    assert sum(refused for _, refused in results) > 0
    assert len(set(accepted)) == done >= 60
    assert set(ProcessInstance.objects.filter(state="COMPLETED").values_list("pk", flat=True)) == set(accepted)
