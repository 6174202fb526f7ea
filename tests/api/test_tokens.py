"""Tokens: obtained with a password or a session, shown once, given up by themselves."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from knox.models import AuthToken
from rest_framework.test import APIClient

from tests.api.conftest import V1, fields, problem

URL = f"{V1}/tokens"


@pytest.fixture
def alice(db):
    return User.objects.create_superuser("alice", password="correct horse")


def basic(name: str, password: str) -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": f"Token {token}"}


def test_with_a_password(anonymous, alice):
    answer = anonymous.post(URL, **basic("alice", "correct horse"))
    assert answer.status_code == 201
    assert answer["Cache-Control"] == "no-store"
    assert answer.json()["expires_at"] is None
    token = answer.json()["token"]
    assert anonymous.get(f"{V1}/jobs", **bearer(token)).status_code == 200
    assert not AuthToken.objects.filter(digest=token).exists()


def test_for_a_time(anonymous, alice):
    answer = anonymous.post(URL, {"expires_in_seconds": 3600}, format="json", **basic("alice", "correct horse"))
    left = datetime.fromisoformat(answer.json()["expires_at"]) - timezone.now()
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    AuthToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))
    problem(anonymous.get(f"{V1}/jobs", **bearer(answer.json()["token"])), 401, "authentication-failed")


def test_what_has_expired_goes_when_another_is_obtained(anonymous, alice):
    bob = User.objects.create_superuser("bob")
    past = timezone.now() - timedelta(seconds=1)
    (old, expired), (_, valid) = AuthToken.objects.create(alice), AuthToken.objects.create(alice)
    AuthToken.objects.create(bob)
    AuthToken.objects.filter(pk__in=[old.pk, AuthToken.objects.get(user=bob).pk]).update(expiry=past)
    problem(anonymous.get(f"{V1}/jobs", **bearer(expired)), 401, "authentication-failed")
    assert anonymous.get(f"{V1}/jobs", **bearer(valid)).status_code == 200
    assert anonymous.post(URL, **basic("alice", "correct horse")).status_code == 201
    assert not AuthToken.objects.filter(pk=old.pk).exists()
    assert (AuthToken.objects.filter(user=alice).count(), AuthToken.objects.filter(user=bob).count()) == (2, 1)


def test_a_request_costs_two_questions_however_many_tokens_and_groups(user_with, anonymous):
    """Who asks, and what they may; each time anew, so that what is revoked ends at once."""
    user_with("change_job", name="worker")
    worker = User.objects.get()
    for number in range(5):
        worker.groups.add(Group.objects.create(name=str(number)))
        _, token = AuthToken.objects.create(worker)
    body = {"type": "t", "worker": "w"}
    anonymous.post(f"{V1}/jobs/claim", body, format="json", **bearer(token))  # the worker is seen
    with CaptureQueriesContext(connection) as asked:
        assert anonymous.post(f"{V1}/jobs/claim", body, format="json", **bearer(token)).status_code == 200
    reads = [query["sql"] for query in asked if query["sql"].lstrip().startswith("SELECT")]
    assert ["knox" in sql for sql in reads] == [True, False], reads
    worker.user_permissions.clear()
    problem(anonymous.post(f"{V1}/jobs/claim", body, format="json", **bearer(token)), 403, "permission-denied")
    AuthToken.objects.all().delete()
    problem(anonymous.post(f"{V1}/jobs/claim", body, format="json", **bearer(token)), 401, "authentication-failed")


def test_with_a_session(alice):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(alice)
    problem(client.post(URL), 403, "permission-denied")
    client.cookies["csrftoken"] = "a" * 32
    assert client.post(URL, HTTP_X_CSRFTOKEN="a" * 32).status_code == 201


@pytest.mark.parametrize(
    ("name", "password"), [("alice", "wrong"), ("nobody", "correct horse"), ("alice\x00", "x"), ("alice", "x\x00")]
)
def test_with_a_wrong_password(anonymous, alice, name, password):
    answer = anonymous.post(URL, **basic(name, password))
    problem(answer, 401, "authentication-failed")
    assert answer["WWW-Authenticate"].startswith("Basic ")


def test_a_token_does_not_make_tokens(api):
    problem(api.post(URL), 401, "not-authenticated")


def test_a_time_that_does_not_validate(anonymous, alice):
    answer = anonymous.post(URL, {"expires_in_seconds": 0}, format="json", **basic("alice", "correct horse"))
    assert fields(problem(answer, 400, "invalid")) == {"expires_in_seconds": "min-value"}


def test_a_token_gives_itself_up(anonymous, alice):
    _, one = AuthToken.objects.create(alice)
    _, other = AuthToken.objects.create(alice)
    assert anonymous.delete(URL, **bearer(one)).status_code == 204
    problem(anonymous.get(f"{V1}/jobs", **bearer(one)), 401, "authentication-failed")
    assert anonymous.get(f"{V1}/jobs", **bearer(other)).status_code == 200


def test_all_tokens_of_a_user_are_given_up(anonymous, alice, api):
    _, one = AuthToken.objects.create(alice)
    AuthToken.objects.create(alice)
    problem(anonymous.delete(f"{URL}?all=perhaps", **bearer(one)), 400, "invalid")
    assert anonymous.delete(f"{URL}?all=true", **bearer(one)).status_code == 204
    assert not AuthToken.objects.filter(user=alice).exists()
    assert api.get(f"{V1}/jobs").status_code == 200


@pytest.mark.parametrize("token", ["x", "", "a b", "ä", "\xff\xfe", "0" * 64, "0" * 5000])
def test_tokens_that_are_none(anonymous, alice, token):
    AuthToken.objects.create(alice)
    answer = anonymous.get(f"{V1}/jobs", HTTP_AUTHORIZATION=f"Token {token}")
    problem(answer, 401, "authentication-failed")
    assert answer["WWW-Authenticate"] == "Token"


def test_one_who_left(anonymous, alice):
    _, token = AuthToken.objects.create(alice)
    User.objects.update(is_active=False)
    problem(anonymous.get(f"{V1}/jobs", **bearer(token)), 401, "authentication-failed")
    problem(anonymous.post(URL, **basic("alice", "correct horse")), 401, "authentication-failed")
