"""Whatever goes wrong is a problem document: also where no view was reached, and where the fault is ours."""

from __future__ import annotations

import logging

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404
from rest_framework.exceptions import Throttled
from rest_framework.test import APIClient

from processes.api.errors import exception_handler, status_of
from processes.models import ProcessInstance
from tests.api.conftest import V1, problem


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("definition-not-found", 404),
        ("instance-not-found", 404),
        ("job-not-found", 404),
        ("incident-not-found", 404),
        ("scope-not-found", 404),
        ("timer-not-found", 404),
        ("subscription-not-found", 404),
        ("instance-ended", 409),
        ("instance-suspended", 409),
        ("instance-not-suspended", 409),
        ("job-not-claimed", 409),
        ("variables-invalid", 422),
        ("value-invalid", 422),
        ("a-code-of-tomorrow", 409),
    ],
)
def test_rejections_have_a_status(code, status):
    assert status_of(code) == status


@pytest.mark.parametrize("path", ["/api/", "/api/v1", "/api/v1/", "/api/v2/jobs", "/api/v1/jobs/", "/api/v1/jobs/x"])
@pytest.mark.parametrize("method", ["get", "post", "delete"])
@pytest.mark.parametrize("debug", [True, False])
def test_addresses_that_nobody_knows(anonymous, settings, path, method, debug):
    settings.DEBUG = debug
    problem(getattr(anonymous, method)(path), 404, "not-found")


@pytest.mark.parametrize("number", ["0", "999999999999999999", "9999999999999999999", "9" * 500])
def test_numbers_that_are_too_large(api, number):
    assert api.get(f"{V1}/jobs/{number}").status_code == 404


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Http404(), 404, "not-found"),
        (PermissionDenied(), 403, "permission-denied"),
        (RequestDataTooBig(), 413, "body-too-large"),
        (SuspiciousOperation("odd"), 400, "malformed-body"),
        (Throttled(wait=2.2), 429, "throttled"),
        (OperationalError("could not connect to db.internal"), 503, "database-unavailable"),
        (RuntimeError("the password is swordfish"), 500, "internal-error"),
    ],
)
def test_what_a_view_may_raise(error, status, code):
    answer = exception_handler(error, {})
    problem(answer, status, code)
    assert b"swordfish" not in answer.content
    assert b"db.internal" not in answer.content
    if status == 429:
        assert answer["Retry-After"] == "3"


def test_a_bug_of_ours_is_told_by_number_only(api, start, one_task, caplog):
    start()
    # A row that no hand of ours writes: variables are an object.
    ProcessInstance.objects.update(variables=["swordfish"])
    api.raise_request_exception = False
    with caplog.at_level(logging.ERROR):
        answer = api.post(f"{V1}/jobs/claim", {"type": "charge", "worker": "w"}, format="json")
    body = problem(answer, 500, "internal-error")
    assert "swordfish" not in str(body)
    assert "Traceback" not in str(body)
    assert body["instance"].removeprefix("urn:uuid:") in caplog.text


def test_an_unknown_host(anonymous):
    problem(anonymous.get(f"{V1}/jobs", HTTP_HOST="evil.example"), 400, "bad-request")
    assert anonymous.get("/admin/", HTTP_HOST="evil.example")["Content-Type"].startswith("text/html")


def test_a_middleware_that_breaks(settings, caplog):
    settings.MIDDLEWARE = ["tests.api.test_errors.broken", *settings.MIDDLEWARE]
    client = APIClient(raise_request_exception=False)
    body = problem(client.get(f"{V1}/jobs"), 500, "internal-error")
    assert "swordfish" not in body["detail"]
    assert body["instance"].removeprefix("urn:uuid:") in caplog.text


def broken(get_response):
    def middleware(request):
        raise RuntimeError("swordfish")

    return middleware


def test_the_problem_says_where(api):
    assert problem(api.get(f"{V1}/jobs/777"), 404, "job-not-found")["instance"] == f"{V1}/jobs/777"
