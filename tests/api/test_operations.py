"""Probes and metrics: for those who run it, not for those who use it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from processes.api import health
from tests.api.conftest import V1, problem
from tests.drawing import Drawing


def test_alive(anonymous):
    answer = anonymous.get("/healthz", HTTP_ACCEPT="text/html")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    problem(anonymous.post("/healthz"), 405, "method-not-allowed")


def test_ready(anonymous, settings):
    settings.AMQP_URL = ""
    answer = anonymous.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["checks"] == {"database": "ok", "migrations": "ok", "broker": "embedded"}


def test_not_ready_without_migrations(anonymous, settings, monkeypatch):
    settings.AMQP_URL = ""
    monkeypatch.setattr(health, "_migrated", False)
    MigrationRecorder(connection).migration_qs.filter(app="processes").delete()
    body = problem(anonymous.get("/readyz"), 503, "not-ready")
    assert body["checks"] == {"database": "ok", "migrations": "not applied", "broker": "embedded"}


def test_not_ready_without_a_broker(anonymous, settings):
    settings.AMQP_URL = "amqp://guest:secret@127.0.0.1:1//"
    answer = anonymous.get("/readyz")
    assert problem(answer, 503, "not-ready")["checks"]["broker"] == "unreachable"
    assert answer["Retry-After"] == "1"
    assert b"secret" not in answer.content


def lines(answer) -> dict[str, float]:
    assert answer.status_code == 200, answer.content
    rows = (line.rpartition(" ") for line in answer.content.decode().splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in rows}


def test_metrics(api, deploy, start, claim, one_task):
    drawing = Drawing("other").start().parallel("fork").timer("t", "PT0S").at("fork").service("s", type="u")
    deploy(drawing.at("fork").service("v", type="bad", inputs={"a": "=1 / 0"}))
    start()
    start("other")
    claim()
    (job,) = claim("u")
    api.post(f"{V1}/jobs/{job['id']}/fail", {"attempt": 1, "message": "m", "retries": 0}, format="json")
    api.post(f"{V1}/messages", {"name": "m"}, format="json")
    found = lines(api.get("/metrics"))
    assert found['orchestrator_process_instances{state="ACTIVE"}'] == 2
    assert found['orchestrator_jobs{state="CLAIMED",type="charge"}'] == 1
    assert found['orchestrator_jobs{state="FAILED",type="u"}'] == 1
    assert found['orchestrator_open_incidents{kind="JOB_NO_RETRIES"}'] == 1
    assert found['orchestrator_timers{due="yes"}'] == 1
    assert found["orchestrator_buffered_messages"] == 1
    assert found["orchestrator_workers_alive"] >= 0
    assert found["orchestrator_lapsed_leases"] == 0


def test_the_age_of_the_oldest_due_job(api, start, one_task):
    start()
    assert 0 <= lines(api.get("/metrics"))['orchestrator_oldest_due_job_age_seconds{type="charge"}'] < 60


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text", "text/html", "*/*"])
def test_metrics_for_everyone_who_reads_them(api, accept):
    assert api.get("/metrics", HTTP_ACCEPT=accept).status_code == 200


def test_who_may_scrape(anonymous, user_with, settings):
    problem(anonymous.get("/metrics"), 401, "not-authenticated")
    problem(user_with("view_job").get("/metrics"), 403, "permission-denied")
    assert user_with("view_processinstance").get("/metrics").status_code == 200

    anonymous.force_login(User.objects.create_superuser("root"))
    assert anonymous.get("/metrics").status_code == 200
    anonymous.logout()

    settings.ORCHESTRATOR_API = {**settings.ORCHESTRATOR_API, "METRICS_TOKEN": "t0ken"}
    assert anonymous.get("/metrics", HTTP_AUTHORIZATION="Bearer t0ken").status_code == 200
    problem(anonymous.get("/metrics", HTTP_AUTHORIZATION="Bearer other"), 401, "not-authenticated")
    problem(anonymous.get("/metrics", HTTP_AUTHORIZATION="Bearer tökén"), 401, "not-authenticated")

    settings.ORCHESTRATOR_API = {**settings.ORCHESTRATOR_API, "METRICS_TOKEN": "public"}
    assert anonymous.get("/metrics").status_code == 200
