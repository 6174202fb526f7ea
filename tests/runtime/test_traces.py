"""An instance as an OpenTelemetry trace: what a collector would refuse is not in it, and it says what went wrong."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from processes.models import Job, ProcessInstance
from processes.runtime import calls, instances, jobs
from processes.runtime.traces import trace
from tests.admin.eventful import Clock, play
from tests.drawing import Drawing
from tests.runtime.conftest import deployed, started

pytestmark = pytest.mark.django_db

ERROR, CLIENT = 2, 3


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> ProcessInstance:
    """Retries, an incident, a timer, a message, branches, rounds, a called process, and a suspension."""
    return play(Clock(monkeypatch))


def spans(row: ProcessInstance) -> list[dict[str, Any]]:
    row.refresh_from_db()
    (resource,) = trace(row)["resourceSpans"]
    (scope,) = resource["scopeSpans"]
    found: list[dict[str, Any]] = scope["spans"]
    return found


def named(found: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [span for span in found if span["name"] == name]


def attributes(span: dict[str, Any]) -> dict[str, Any]:
    return {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]}


def nano(at: datetime) -> str:
    return str((at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000)


def test_ids_are_as_the_protocol_wants_them(story: ProcessInstance) -> None:
    found = spans(story)
    assert len(found) > 30
    (of,) = {span["traceId"] for span in found}
    assert re.fullmatch("[0-9a-f]{32}", of)
    ids = [span["spanId"] for span in found]
    assert all(re.fullmatch("[0-9a-f]{16}", each) for each in ids)
    assert len(set(ids)) == len(ids)
    root, *others = found
    assert "parentSpanId" not in root
    seen = {root["spanId"]}
    for span in others:
        assert span["parentSpanId"] in seen, "who is above is told before"
        seen.add(span["spanId"])


def test_times_are_text_in_nanoseconds_and_none_ends_before_it_began(story: ProcessInstance) -> None:
    found = spans(story)
    for span in found:
        began, ended = span["startTimeUnixNano"], span["endTimeUnixNano"]
        assert isinstance(began, str)
        assert isinstance(ended, str)
        assert int(began) <= int(ended)
        for event in span.get("events", ()):
            assert int(event["timeUnixNano"]) >= int(found[0]["startTimeUnixNano"])
    assert story.ended_at is not None
    assert found[0]["startTimeUnixNano"] == nano(story.started_at)
    assert found[0]["endTimeUnixNano"] == nano(story.ended_at)


def test_numbers_are_text_and_nothing_is_empty(story: ProcessInstance) -> None:
    """So says the JSON mapping of protocol buffers, of 64-bit integers."""
    for span in spans(story):
        for each in span["attributes"]:
            ((kind, value),) = each["value"].items()
            assert kind in ("intValue", "stringValue")
            assert isinstance(value, str)
            assert value


def test_the_root_says_which_instance_it_is(story: ProcessInstance) -> None:
    root = spans(story)[0]
    told = attributes(root)
    assert (root["name"], root["status"]) == ("order", {"code": 1})
    assert (told["bpmn.instance.id"], told["bpmn.business_key"]) == (str(story.pk), "A-7")
    assert [event["name"] for event in root["events"]] == ["suspended"]
    (resource,) = trace(story)["resourceSpans"]
    assert attributes(resource["resource"]) == {"service.name": "order"}


def test_attempts_that_failed_are_errors_below_their_visit(story: ProcessInstance) -> None:
    found = spans(story)
    (charge,) = named(found, "Charge the card")
    below = [span for span in found if span.get("parentSpanId") == charge["spanId"]]
    failed = named(below, "failed")
    assert [span["kind"] for span in failed] == [CLIENT, CLIENT]
    assert [span["status"] for span in failed] == [
        {"code": ERROR, "message": "attempt 1 failed: 503 Service Unavailable"},
        {"code": ERROR, "message": "attempt 2 failed: timed out after 6 s"},
    ]
    took = [int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"]) for span in failed]
    assert took == [4 * 10**9, 6 * 10**9]
    (work,) = named(below, "work")
    assert (work["kind"], work["status"]) == (CLIENT, {})
    assert charge["status"] == {}, "it went well in the end"


def test_a_visit_with_an_incident_is_an_error_with_an_event(story: ProcessInstance) -> None:
    (ship,) = named(spans(story), "Hand to carrier")
    assert ship["status"]["code"] == ERROR
    (event,) = ship["events"]
    assert event["name"] == "incident"
    assert "no truck today" in attributes(event)["told"]


def test_who_was_called_is_in_the_trace_of_the_outermost_caller() -> None:
    deployed(Drawing("inner").start().service("work", type="work").end())
    deployed(Drawing("middle").start().call("deeper", "inner").end())
    outer = started(Drawing("outer").start().call("deep", "middle").end())
    calls.deliver_due()
    calls.deliver_due()
    middle = ProcessInstance.objects.get(parent=outer)
    inner = ProcessInstance.objects.get(parent=middle)
    roots = [spans(row)[0] for row in (outer, middle, inner)]
    assert len({root["traceId"] for root in roots}) == 1
    assert [root.get("parentSpanId") for root in roots] == [None, roots[0]["spanId"], roots[1]["spanId"]]
    again = instances.start(outer.definition).instance
    assert spans(again)[0]["traceId"] != roots[0]["traceId"]


def test_what_lasts_ends_with_the_export_and_the_rest_is_told_alike_each_time() -> None:
    row = started(Drawing().start().service("a", type="a", name="First").service("b", type="b").end())
    (first,) = named(spans(row), "First")
    assert attributes(first)["bpmn.visit.state"] == "ACTIVE"
    job = Job.objects.get(instance=row)
    (claimed,) = jobs.claim(["a"], worker="w")
    assert claimed.id == job.pk
    jobs.complete(job.pk, 1, {}, by="w")
    ids = {span["spanId"] for span in spans(row)}
    assert first["spanId"] in ids
    assert named(spans(row), "First") == named(spans(row), "First"), "what has ended does not change"
    assert spans(row)[0]["status"] == {}, "neither well nor ill while it lasts"
