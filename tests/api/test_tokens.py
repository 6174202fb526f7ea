"""Tokens: obtained with a password or a session, shown once, given up by themselves."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
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
