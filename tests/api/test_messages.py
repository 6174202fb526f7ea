"""Messages over REST: publish once, reach those who wait, see whom it reached."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from processes.models import Message
from tests.api.conftest import V1, fields, problem
from tests.drawing import Drawing

URL = f"{V1}/messages"

# A message meets those who wait once it is committed.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def waiting(deploy):
    return deploy(Drawing().start().message("paid", "payment", "=key").service("charge", type="charge").end())


def publish(api, **body):
    return api.post(URL, body, format="json")


def test_a_message_reaches_the_instance_that_waits(api, start, waiting):
    number = start(variables={"key": "k-1"})["id"]
    start(variables={"key": "k-2"})
    answer = publish(api, name="payment", correlation_key="k-1", variables={"amount": 1.5})
    assert answer.status_code == 201
    message = answer.json()
    assert [row["instance_id"] for row in message["correlations"]] == [number]
    assert message["published_by"] == "user:root"
    active = api.get(f"{V1}/process-instances/{number}").json()["active"]
    assert [row["element_id"] for row in active] == ["charge"]
    assert api.get(answer["Location"]).json() == message


def test_a_message_for_nobody_waits(api, start, waiting):
    answer = publish(api, name="payment", correlation_key="k-1", time_to_live_seconds=600)
    message = answer.json()
    assert message["correlations"] == []
    lives = datetime.fromisoformat(message["expires_at"]) - datetime.fromisoformat(message["published_at"])
    assert lives == timedelta(minutes=10)
    number = start(variables={"key": "k-1"})["id"]
    (row,) = api.get(f"{URL}/{message['id']}").json()["correlations"]
    assert row["instance_id"] == number


def test_a_second_one_is_the_first(api, start, waiting):
    number = start(variables={"key": "k-1"})["id"]
    first = publish(api, name="payment", correlation_key="k-1", message_id="m-1")
    second = publish(api, name="payment", correlation_key="k-1", message_id="m-1")
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert [row["instance_id"] for row in second.json()["correlations"]] == [number]
    assert Message.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, {"name": "required"}),
        ({"name": ""}, {"name": "blank"}),
        ({"name": "n" * 256}, {"name": "max-length"}),
        ({"name": "n", "variables": []}, {"variables": "invalid"}),
        ({"name": "n", "correlation_key": "k" * 256}, {"correlation_key": "max-length"}),
        ({"name": "n", "message_id": ""}, {"message_id": "blank"}),
        ({"name": "n", "time_to_live_seconds": -1}, {"time_to_live_seconds": "min-value"}),
        ({"name": "n", "time_to_live_seconds": 1e9}, {"time_to_live_seconds": "max-value"}),
        ({"name": "n", "ttl": 1}, {"ttl": "unknown-field"}),
    ],
)
def test_a_message_that_does_not_validate(api, body, wrong):
    assert fields(problem(publish(api, **body), 400, "invalid")) == wrong
    assert not Message.objects.exists()


def test_finding(api, start, waiting):
    start(variables={"key": "k-1"})
    first = publish(api, name="payment", correlation_key="k-1").json()["id"]
    second = publish(api, name="other", message_id="m").json()["id"]

    def found(query: str) -> list[int]:
        return [row["id"] for row in api.get(f"{URL}?{query}").json()["results"]]

    assert found("") == [second, first]
    assert found("name=payment") == [first]
    assert found("correlation_key=k-1") == [first]
    assert found("message_id=m") == [second]
    assert found("correlated=true") == [first]
    assert found("correlated=false") == [second]
    problem(api.get(f"{URL}/777"), 404, "message-not-found")
