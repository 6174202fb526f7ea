"""What operators do in the place of workers, of the clock, of senders: in rows, recorded with who and why."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from processes.models import Incident, Job, MessageSubscription, ProcessInstance, SignalSubscription, Step, Timer
from processes.runtime import Rejected, by_hand, incidents, instances, jobs
from tests.drawing import Drawing
from tests.runtime.conftest import started, together

pytestmark = pytest.mark.django_db
WHO: dict[str, Any] = {"by": "user:ada", "reason": "the bank called"}


def order(**options: Any) -> ProcessInstance:
    drawing = Drawing("order").start().service("charge", type="charge", **options).service("ship", type="ship").end()
    return started(drawing.on_error("charge", "no_cover", "NO_COVER").service("call", type="call").end("called"))


def the_job(**found: Any) -> Job:
    return Job.objects.get(**found)


def standing(instance: ProcessInstance) -> list[str]:
    return list(instance.nodes.filter(ended_at=None).order_by("key").values_list("element_id", flat=True))


def last_step(instance: ProcessInstance) -> Step:
    return Step.objects.filter(instance=instance).latest("number")


def rejected(code: str, verb: Callable[[], Any]) -> str:
    before = list(Job.objects.order_by("id").values()), Step.objects.count()
    with pytest.raises(Rejected) as told:
        verb()
    assert told.value.code == code
    assert (list(Job.objects.order_by("id").values()), Step.objects.count()) == before
    return str(told.value)


def test_a_job_that_nobody_claimed_is_completed() -> None:
    instance = order(outputs={"receipt": "=number + 1"})
    by_hand.complete_job(instance.pk, the_job().key, {"number": Decimal("1.50")}, **WHO)
    instance.refresh_from_db()
    assert (instance.variables, standing(instance)) == ({"receipt": Decimal("2.50")}, ["ship"])
    step = Step.objects.get(command="CompleteJob")
    assert (step.by, step.reason, step.facts[0]["attempt"]) == ("user:ada", "the bank called", 1)


def test_a_result_expression_is_not_applied_to_it() -> None:
    instance = order(headers={"resultVariable": "whole", "resultExpression": "={x: response.body}"})
    by_hand.complete_job(instance.pk, the_job().key, {"receipt": "R-1"}, **WHO)
    instance.refresh_from_db()
    assert instance.variables == {"receipt": "R-1"}


def test_a_worker_that_is_at_it_is_fenced_off() -> None:
    instance = order()
    (held,) = jobs.claim(["charge"], worker="w")
    by_hand.complete_job(instance.pk, held.key, attempt=1, **WHO)
    with pytest.raises(Rejected, match="gone"):
        jobs.complete(held.id, held.attempt, {}, by="worker:w")
    assert standing(instance) == ["ship"]


def test_a_failed_job_is_completed_and_its_incident_ends() -> None:
    instance = order()
    (held,) = jobs.claim(["charge"], worker="w")
    jobs.fail(held.id, held.attempt, "no", retries=0, by="worker:w")
    by_hand.complete_job(instance.pk, held.key, attempt=1, **WHO)
    assert Incident.objects.get().ended_at is not None
    assert Step.objects.get(command="CompleteJob").facts[0]["attempt"] == 2


def test_a_job_that_was_tried_again_meanwhile_is_left_alone() -> None:
    instance = order()
    jobs.claim(["charge"], worker="w")
    key = the_job().key
    told = rejected("job-moved", lambda: by_hand.complete_job(instance.pk, key, attempt=0, **WHO))
    assert "look again" in told
    rejected("job-moved", lambda: by_hand.throw_error(instance.pk, key, "NO_COVER", attempt=0, **WHO))
    rejected("job-not-found", lambda: by_hand.complete_job(instance.pk, 99, **WHO))
    rejected("value-invalid", lambda: by_hand.throw_error(instance.pk, key, "", **WHO))


def test_a_result_that_does_not_fit_is_refused_instead_of_an_incident() -> None:
    instance = started(Drawing().start().service("ask", type="ask").when("=answer = 42").end())
    key = the_job().key
    told = rejected("result-unfit", lambda: by_hand.complete_job(instance.pk, key, {"answer": 1}, **WHO))
    assert "condition" in told
    assert not Incident.objects.exists()
    by_hand.complete_job(instance.pk, key, {"answer": 42}, **WHO)
    instance.refresh_from_db()
    assert instance.state == "COMPLETED"


def test_an_error_is_thrown_to_who_catches_it_and_refused_where_nobody_does() -> None:
    instance = order()
    (held,) = jobs.claim(["charge"], worker="w")
    told = rejected("error-not-caught", lambda: by_hand.throw_error(instance.pk, held.key, "OTHER", **WHO))
    assert "'OTHER'" in told
    assert not Incident.objects.exists()
    by_hand.throw_error(instance.pk, held.key, "NO_COVER", "12.30 left", {"cover": 12}, **WHO)
    instance.refresh_from_db()
    assert (standing(instance), instance.variables) == (["call"], {"cover": 12})
    with pytest.raises(Rejected):
        jobs.complete(held.id, held.attempt, {}, by="worker:w")


def test_an_activity_is_skipped() -> None:
    instance = order(outputs={"receipt": "=number"})
    by_hand.skip(instance.pk, the_job().node, {"receipt": "none"}, **WHO)
    instance.refresh_from_db()
    assert (instance.variables, standing(instance)) == ({"receipt": "none"}, ["ship"])
    assert instance.nodes.get(element_id="charge").state == "TERMINATED"
    step = last_step(instance)
    assert (step.command, step.by, step.reason) == ("SkipVisit", "user:ada", "the bank called")
    assert step.node == instance.nodes.get(element_id="charge").key
    rejected("visit-not-found", lambda: by_hand.skip(instance.pk, 99, **WHO))


def waiting() -> ProcessInstance:
    drawing = Drawing("waiting").start().event_based("either").timer("late", "PT1H").end()
    drawing.at("either").message("paid", "paid", "=1").end("e1")
    drawing.at("either").catch("called_off", ("signal", "off")).end("e2")
    return started(drawing)


@pytest.mark.parametrize(
    ("verb", "kind", "last"),
    [
        (by_hand.fire_timer, Timer, "late"),
        (by_hand.send_message, MessageSubscription, "paid"),
        (by_hand.send_signal, SignalSubscription, "called_off"),
    ],
)
def test_what_is_waited_for_happens_now(verb: Any, kind: Any, last: str) -> None:
    instance = waiting()
    other = waiting()
    key = kind.objects.get(instance=instance).key
    given = () if kind is Timer else ({"got": 1},)
    instances.suspend(instance.pk)
    rejected("instance-suspended", lambda: verb(instance.pk, key, *given, **WHO))
    instances.resume(instance.pk, reason="again", by="user:ada")
    assert last_step(instance).reason == "again"
    verb(instance.pk, key, *given, **WHO)
    instance.refresh_from_db()
    assert instance.state == "COMPLETED"
    assert instance.nodes.filter(element_id=last, state="COMPLETED").exists()
    assert instance.variables == ({} if kind is Timer else {"got": 1})
    assert (last_step(instance).by, last_step(instance).reason) == ("user:ada", "the bank called")
    other.refresh_from_db()
    assert other.state == "ACTIVE", "it is for one instance only"
    rejected("instance-ended", lambda: verb(instance.pk, key, *given, **WHO))


def test_variables_are_corrected_and_the_incident_resolved_or_neither() -> None:
    instance = started(Drawing().start().service("a", type="=kind").end(), variables={"kind": [1], "other": 2})
    incident = Incident.objects.get()
    correct: dict[str, Any] = {"variables": {"kind": "t"}, **WHO}
    rejected("variables-changed", lambda: incidents.resolve(incident.pk, expected={"kind": 3}, **correct))
    rejected("variables-changed", lambda: incidents.resolve(incident.pk, expected={}, **correct))
    rejected("scope-not-found", lambda: incidents.resolve(incident.pk, scope=99, **correct))
    rejected("variables-invalid", lambda: incidents.resolve(incident.pk, variables=[1], by=""))
    incidents.resolve(incident.pk, expected={"kind": [1], "other": "whatever"}, **correct)
    assert the_job().type == "t"
    steps = Step.objects.order_by("-number").values_list("command", "by", "reason")[:2]
    assert list(steps) == [(name, *WHO.values()) for name in ("ResolveIncident", "SetVariables")]
    rejected("incident-not-found", lambda: incidents.resolve(incident.pk, **correct))
    instance.refresh_from_db()
    assert instance.variables == {"kind": "t", "other": 2}


@pytest.mark.parametrize("verb", [instances.cancel, instances.suspend])
def test_reasons_of_verbs_that_tell_them_are_kept_too(verb: Any) -> None:
    instance = order()
    verb(instance.pk, reason="twice", by="user:ada")
    assert (last_step(instance).reason, last_step(instance).facts[-1]["reason"]) == ("twice", "twice")


@pytest.mark.only_on("postgresql")
@pytest.mark.django_db(transaction=True)
def test_a_worker_and_an_operator_at_once_end_it_once() -> None:
    instance = order()
    (held,) = jobs.claim(["charge"], worker="w")
    ends = together(
        lambda: jobs.complete(held.id, held.attempt, {"who": "worker"}, by="worker:w"),
        lambda: by_hand.complete_job(instance.pk, held.key, {"who": "ada"}, **WHO),
    )
    assert sum(isinstance(end, Rejected) for end in ends) == 1
    assert standing(instance) == ["ship"]
    assert Step.objects.filter(command="CompleteJob").count() == 1
