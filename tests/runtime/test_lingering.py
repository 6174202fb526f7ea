"""What is remembered between steps of gateways that open early, and of events that fire anew, lives in rows."""

from __future__ import annotations

from datetime import timedelta

import pytest

from processes.models import MessageSubscription, ProcessInstance
from processes.runtime import jobs, messages, signals
from tests.drawing import Drawing
from tests.runtime.conftest import started
from tests.runtime.test_calls import do

HOUR = timedelta(hours=1)
pytestmark = pytest.mark.django_db(transaction=True)


def standing(instance: ProcessInstance) -> list[str]:
    return list(instance.nodes.filter(ended_at__isnull=True).order_by("id").values_list("element_id", flat=True))


@pytest.mark.parametrize("whole", [200, 0])
def test_a_complex_gateway_knows_which_tokens_came_early(whole: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processes.runtime.loader.WHOLE", whole)
    drawing = Drawing().start().parallel("fork").service("a", type="a").complex("gate", "=activationCount >= 1")
    drawing.when("=waitingForStart").service("early", type="e").end().at("gate").when("=not(waitingForStart)")
    drawing.service("late", type="l").end("end2").at("fork").service("b", type="b").to("gate")
    instance = started(drawing.at("fork").service("c", type="c").to("gate"))
    do("b")
    assert standing(instance) == ["a", "c", "gate", "early"]
    do("e")
    do("a")
    assert standing(instance) == ["c", "gate"]
    do("c")
    assert standing(instance) == ["late"]
    do("l")
    instance.refresh_from_db()
    assert instance.state == "COMPLETED"


def test_a_parallel_multiple_event_waits_anew_and_takes_the_buffered_message() -> None:
    drawing = Drawing().start().service("work", type="w").end()
    both = (("message", "a"), ("signal", "b"))
    drawing.on("work", "both", *both, interrupting=False, parallelMultiple="true").service("note", type="n").end(
        "noted"
    )
    instance = started(drawing)
    messages.publish("a", variables={"n": 1})
    messages.publish("a", variables={"n": 2})
    assert not MessageSubscription.objects.exists()
    for number in (1, 2):
        signals.broadcast("b")
        assert [job.type for job in jobs.claim(["n"], worker="w", limit=9, lease=HOUR)] == ["n"]
        instance.refresh_from_db()
        assert instance.variables == {"n": min(number + 1, 2)}
    assert standing(instance).count("note") == 2
