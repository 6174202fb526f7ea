"""The record of who did what, over REST: newest first, filtered, without secrets."""

from __future__ import annotations

import pytest

from processes.runtime import connections
from tests.api.conftest import V1, problem

URL = f"{V1}/audit"


@pytest.fixture
def done(db):
    connections.put("shop", {"url": "https://shop.example"}, by="user:ada")
    connections.pause("shop", by="user:bob", reason="Maintenance")


def found(api, **query):
    answer = api.get(URL, query)
    assert answer.status_code == 200, answer.content
    return [(row["verb"], row["name"], row["by"], row["reason"]) for row in answer.json()["results"]]


def test_newest_first(api, done):
    assert found(api) == [("pause", "shop", "user:bob", "Maintenance"), ("create", "shop", "user:ada", "")]


@pytest.mark.parametrize(
    ("query", "verbs"),
    [
        ({"verb": "pause"}, ["pause"]),
        ({"by": "user:ada"}, ["create"]),
        ({"kind": "connection", "name": "shop"}, ["pause", "create"]),
        ({"kind": "secret"}, []),
        ({"after": "2020-01-01T00:00:00Z"}, ["pause", "create"]),
        ({"before": "2020-01-01T00:00:00Z"}, []),
    ],
)
def test_filters(api, done, query, verbs):
    assert [verb for verb, *_ in found(api, **query)] == verbs


def test_one_and_none(api, done):
    pk = api.get(URL).json()["results"][0]["id"]
    assert api.get(f"{URL}/{pk}").json()["reason"] == "Maintenance"
    problem(api.get(f"{URL}/999999"), 404, "action-not-found")
    problem(api.get(URL, {"who": "ada"}), 400, "invalid")


def test_tokens_are_recorded_and_not_told(api, user_with):
    worker = user_with(name="worker")
    assert worker.delete(f"{V1}/tokens").status_code == 204
    assert found(api) == [("drop", "", "user:worker", "")]
