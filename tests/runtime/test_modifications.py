"""Instances are modified and begun again, in rows."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from processes.engine.commands import Cancel, StartBefore
from processes.models import FlowNodeInstance, Incident, Job, ProcessInstance, Step, Timer, Token
from processes.runtime import Rejected, definitions, instances, jobs, loader, modifications, retention
from tests.drawing import Drawing
from tests.runtime.conftest import started

pytestmark = pytest.mark.django_db


def order(**options: Any) -> Drawing:
    inner = Drawing("inner").start("is").service("pack", type="pack").service("post", type="post").end("ie")
    drawing = Drawing("order").start("s").service("charge", type="charge").sub_process("ship", inner)
    drawing = drawing.service("thank", type="thank").end("e")
    return drawing.on_timer("ship", "late", "PT1H", **options).service("chase", type="chase").end("chased")


def standing(instance: ProcessInstance) -> list[str]:
    rows = FlowNodeInstance.objects.filter(instance=instance, ended_at__isnull=True).order_by("key")
    return list(rows.values_list("element_id", flat=True))


def complete(type: str, **variables: Any) -> None:
    (job,) = jobs.claim([type], worker="w")
    jobs.complete(job.id, job.attempt, variables, by="worker:w")


def test_visits_are_moved_and_the_history_says_who_and_why() -> None:
    instance = started(order(), variables={"n": 1})
    (claimed,) = jobs.claim(["charge"], worker="w")
    modifications.modify(
        instance.pk,
        cancel=[Cancel(element="charge")],
        start=[StartBefore("post", variables={"n": Decimal("1.10")}, local={"box": 7})],
        reason="paid by hand",
        by="user:alice",
    )
    assert standing(instance) == ["ship", "post"]
    assert list(Job.objects.values_list("type", flat=True)) == ["post"]
    assert Timer.objects.get().element_id == "late"
    instance.refresh_from_db()
    assert instance.variables == {"n": Decimal("1.10")}
    assert FlowNodeInstance.objects.get(element_id="ship").variables == {"box": 7}
    assert FlowNodeInstance.objects.get(element_id="charge").state == "TERMINATED"
    step = Step.objects.get(command="ModifyInstance")
    assert (step.by, step.facts[0]) == ("user:alice", {"fact": "InstanceModified", "reason": "paid by hand"})
    with pytest.raises(Rejected, match="Expected job"):
        jobs.complete(claimed.id, claimed.attempt, {}, by="worker:w")
    complete("post")
    complete("thank")
    instance.refresh_from_db()
    assert instance.state == "COMPLETED"


def test_cancelling_the_last_visit_ends_the_instance() -> None:
    instance = started(order())
    modifications.modify(instance.pk, cancel=[Cancel(element="charge")], reason="a mistake")
    instance.refresh_from_db()
    assert (instance.state, instance.ended_because) == ("TERMINATED", "a mistake")
    assert not Job.objects.exists()


def test_what_is_refused_changes_nothing() -> None:
    instance = started(order())
    before = Step.objects.count()
    for cancel, start, code in (
        ([], [], "modification-empty"),
        ([Cancel(element="charge")], [StartBefore("late")], "modification-invalid"),
        ([Cancel(element="charge")], [StartBefore("nowhere")], "element-not-found"),
        ([Cancel(node=99)], [StartBefore("post")], "visit-not-found"),
        ([Cancel(element="charge")], [StartBefore("post", variables={"n": "\0"})], "value-invalid"),
    ):
        with pytest.raises(Rejected) as told:
            modifications.modify(instance.pk, cancel=cancel, start=start)
        assert told.value.code == code
    assert (standing(instance), Step.objects.count()) == (["charge"], before)
    instances.cancel(instance.pk)
    with pytest.raises(Rejected, match="to be running but it is terminated"):
        modifications.modify(instance.pk, start=[StartBefore("post")])


def test_a_preview_changes_nothing() -> None:
    instance = started(order())
    facts = modifications.preview(instance.pk, cancel=[Cancel(element="charge")], start=[StartBefore("thank")])
    assert [fact["fact"] for fact in facts][:2] == ["InstanceModified", "NodeEntered"]
    assert (standing(instance), Step.objects.count()) == (["charge"], 1)


def test_of_a_large_instance_all_visits_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "WHOLE", 5)
    drawing = Drawing("many").start("s").service("each", type="a").many("=for i in 1..20 return i")
    instance = started(drawing.service("after", type="z").end("e"))
    modifications.modify(instance.pk, cancel=[Cancel(element="each")], start=[StartBefore("after")])
    assert standing(instance) == ["after"]
    assert Job.objects.count() == 1


def test_what_starts_in_a_suspended_instance_waits_for_it() -> None:
    instance = started(order())
    instances.suspend(instance.pk)
    modifications.modify(instance.pk, cancel=[Cancel(element="charge")], start=[StartBefore("thank")])
    assert jobs.claim(["thank"], worker="w") == []
    instances.resume(instance.pk)
    complete("thank")


def test_an_incident_and_waiting_tokens_go_with_what_is_cancelled() -> None:
    drawing = Drawing("join").start("s").parallel("fork").service("a", type="a").parallel("meet").end("e")
    instance = started(drawing.at("fork").service("b", type="b").to("meet"))
    complete("a")
    (job,) = jobs.claim(["b"], worker="w")
    jobs.fail(job.id, 1, "no", retries=0, by="w")
    assert Token.objects.count() == 1
    modifications.modify(instance.pk, cancel=[Cancel(element="meet"), Cancel(element="b")], start=[StartBefore("e")])
    instance.refresh_from_db()
    assert instance.state == "COMPLETED"
    assert not Token.objects.exists()
    assert Incident.objects.get().ended_at is not None


# -- begun again -------------------------------------------------------------------------------------------------------


def ended(**arguments: Any) -> ProcessInstance:
    instance = started(order(), **arguments)
    complete("charge", paid=True)
    instances.cancel(instance.pk, reason="lost")
    return instance


def test_restart_with_the_variables_of_then() -> None:
    old = ended(variables={"n": Decimal("0.10")}, business_key="o-1", start_key="k")
    new = modifications.restart(old.pk, start=[StartBefore("post")], reason="by mistake", by="user:alice")
    step = Step.objects.get(instance=new)
    assert (step.by, step.facts[1]) == (
        "user:alice", {"fact": "InstanceRestarted", "instance": old.pk, "reason": "by mistake"}
    )  # fmt: skip
    assert (new.restarted_from_id, new.business_key, new.start_key) == (old.pk, "o-1", None)
    assert (new.started_by, new.definition_id) == ("user:alice", old.definition_id)
    assert new.variables == {"n": Decimal("0.10"), "paid": True}
    assert standing(new) == ["ship", "post"]
    complete("post")
    complete("thank")
    new.refresh_from_db()
    assert new.state == "COMPLETED"


def test_restart_from_the_start_with_the_first_variables_and_another_key() -> None:
    old = ended(variables={"n": 1}, business_key="o-1")
    new = modifications.restart(old.pk, initial_variables=True, business_key="")
    assert (new.variables, new.business_key, standing(new)) == ({"n": 1}, "", ["charge"])
    instances.cancel(new.pk)
    again = modifications.restart(new.pk, start=[StartBefore("thank", variables={"m": 2})])
    instances.cancel(again.pk)
    last = modifications.restart(again.pk, initial_variables=True)
    assert last.variables == {"n": 1, "m": 2}


def test_restart_in_another_version() -> None:
    old = ended()
    newer = definitions.deploy(order(interrupting=False).xml()).definitions[0].definition
    assert modifications.restart(old.pk, definition=newer).definition_id == newer.pk


def test_only_what_ended_is_restarted() -> None:
    instance = started(order())
    with pytest.raises(Rejected) as told:
        modifications.restart(instance.pk)
    assert told.value.code == "instance-not-ended"
    with pytest.raises(Rejected) as told:
        modifications.restart(777)
    assert told.value.code == "instance-not-found"
    instances.cancel(instance.pk)
    with pytest.raises(Rejected) as told:
        modifications.restart(instance.pk, start=[StartBefore("late")])
    assert told.value.code == "modification-invalid"
    assert ProcessInstance.objects.count() == 1


def test_the_old_one_may_be_purged() -> None:
    old = ended()
    new = modifications.restart(old.pk)
    assert sum(retention.purge(timedelta())) == 1
    new.refresh_from_db()
    assert new.restarted_from_id is None
