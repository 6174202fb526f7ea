"""Connections and secrets over REST."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet

from processes.models import Connection, Secret
from processes.runtime import secrets
from tests.api.conftest import V1, problem


@pytest.fixture(autouse=True)
def _key(settings: Any) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "FIELD_KEYS": [Fernet.generate_key().decode()]}


SHOP = {
    "name": "shop",
    "url": "https://shop.example.com/api",
    "authentication": {"type": "bearer", "token": "{{secrets.T}}"},
    "rate": 12.5,
    "concurrency": 4,
    "allowed_hosts": ["shop.example.com"],
}


def test_the_life_of_a_connection(api):
    made = api.post(f"{V1}/connections", SHOP, format="json")
    assert made.status_code == 201, made.content
    body = made.json()
    assert body["authentication"] == {"type": "bearer", "token": "{{secrets.T}}"}
    assert (body["rate"], body["changed_by"], body["state"]["breaker"]) == (12.5, "user:root", "CLOSED")
    assert body["state"]["tokens"] == 1
    problem(api.post(f"{V1}/connections", SHOP, format="json"), 409, "connection-exists")
    changed = api.patch(f"{V1}/connections/shop", {"rate": None, "allow_private": True}, format="json").json()
    assert (changed["rate"], changed["allow_private"], changed["concurrency"]) == (None, True, 4)
    paused = api.post(f"{V1}/connections/shop/pause", {"reason": "they move"}, format="json").json()
    assert (paused["paused"], paused["paused_because"], paused["paused_by"]) == (True, "they move", "user:root")
    (row,) = api.get(f"{V1}/connections?paused=true").json()["results"]
    assert row["name"] == "shop"
    assert "state" not in row
    assert not api.post(f"{V1}/connections/shop/resume").json()["paused"]
    assert api.get(f"{V1}/connections?breaker=OPEN").json()["results"] == []
    assert api.delete(f"{V1}/connections/shop").status_code == 204
    problem(api.get(f"{V1}/connections/shop"), 404, "connection-not-found")
    problem(api.delete(f"{V1}/connections/shop"), 404, "connection-not-found")
    problem(api.post(f"{V1}/connections/shop/pause", {}, format="json"), 404, "connection-not-found")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"authentication": {"password": "literally"}}, 422),
        ({"url": "https://u:literally@h/"}, 422),
        ({"rate": 0}, 400),
        ({"rate": "fast"}, 400),
        ({"kind": "pigeon"}, 400),
        ({"colour": "red"}, 400),
        ({"paused": True}, 400),
        ({"name": "a/b"}, 422),
        ({"authentication": []}, 400),
    ],
)
def test_refused(api, change, status):
    answer = api.post(f"{V1}/connections", {**SHOP, **change}, format="json")
    assert answer.status_code == status, answer.content
    assert b"literally" not in answer.content
    assert not Connection.objects.exists()


def test_the_life_of_a_secret(api):
    assert api.put(f"{V1}/secrets/API_KEY", {"value": " hunter22\n"}, format="json").status_code == 201
    assert secrets.resolve("{{secrets.API_KEY}}", {}) == " hunter22\n"
    answer = api.put(f"{V1}/secrets/API_KEY", {"value": "correct horse"}, format="json")
    assert (answer.status_code, answer.content) == (204, b"")
    listed = api.get(f"{V1}/secrets")
    assert b"hunter" not in listed.content
    assert b"horse" not in listed.content
    assert b"cipher" not in listed.content
    (row,) = listed.json()["results"]
    assert row.keys() == {"name", "created_at", "changed_at", "changed_by"}
    assert (row["name"], row["changed_by"]) == ("API_KEY", "user:root")
    problem(api.get(f"{V1}/secrets/API_KEY"), 405, "method-not-allowed")
    assert api.delete(f"{V1}/secrets/API_KEY").status_code == 204
    problem(api.delete(f"{V1}/secrets/API_KEY"), 404, "secret-not-found")


@pytest.mark.parametrize("body", [{}, {"value": ""}, {"value": None}, {"value": "x", "name": "y"}])
def test_values_that_are_none(api, body):
    answer = api.put(f"{V1}/secrets/A", body, format="json")
    assert answer.status_code == 400
    assert not Secret.objects.exists()


def test_without_a_key(api, settings):
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "FIELD_KEYS": []}
    problem(api.put(f"{V1}/secrets/A", {"value": "hunter22"}, format="json"), 409, "secrets-without-key")
