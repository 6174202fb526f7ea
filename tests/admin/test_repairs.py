"""Operators repair an instance from its page: every verb shows what it is about, asks why, and is refused when late."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from processes.admin.repair_pages import PAGES
from processes.models import Incident, Job, ProcessDefinition, ProcessInstance, Step
from processes.runtime import instances, jobs
from tests.admin.conftest import claim, complete, deploy, fail, filled, said, start
from tests.drawing import Drawing

WHY = {"reason": "the bank called"}


def url(word: str, instance: ProcessInstance, **query: Any) -> str:
    return reverse(f"admin:processes_processinstance_{word}", args=[instance.pk], query=query)


def send(client: Client, word: str, instance: ProcessInstance, query: dict[str, Any], **typed: Any) -> Any:
    return client.post(url(word, instance), filled(client, url(word, instance, **query), **typed), follow=True)


def standing(instance: ProcessInstance) -> set[str]:
    return set(instance.nodes.filter(ended_at=None).values_list("element_id", flat=True))


def last_step(instance: ProcessInstance) -> tuple[str, str, str]:
    step = Step.objects.filter(instance=instance).latest("number")
    return step.command, step.by, step.reason


@pytest.fixture
def shop(db: None) -> ProcessDefinition:
    drawing = Drawing("shop").start().service("charge", type="charge", outputs={"receipt": "=number"})
    drawing = drawing.service("ship", type="ship", name="Ship it").message("paid", "paid", "=1")
    drawing = drawing.timer("nap", "PT1H").catch("off", ("signal", "off")).end()
    return deploy(drawing.on_error("charge", "no_cover", "NO_COVER").service("call", type="call").end("called"))


# -- jobs --------------------------------------------------------------------------------------------------------------


def test_complete_a_job_by_hand(admin: Client, shop: ProcessDefinition) -> None:
    instance = start(shop)
    fail(instance)
    job = Job.objects.get()
    response = send(admin, "complete-job", instance, {"job": job.key}, variables='{"number": 1.50}', **WHY)
    assert said(response) == [f"Instance {instance.pk} was moved on: the job was completed by hand."]
    instance.refresh_from_db()
    assert (instance.variables, standing(instance)) == ({"receipt": Decimal("1.50")}, {"ship"})
    assert last_step(instance) == ("CompleteJob", "user:root", "the bank called")
    html = response.content.decode()
    assert "by hand, user:root" in html
    assert html.count("Reason: the bank called") == 2, "at the attempt and in the history"


def test_what_was_typed_stays_until_it_is_right(admin: Client, shop: ProcessDefinition) -> None:
    instance = start(shop)
    job = Job.objects.get()
    typed = {"variables": '{"number": 1', "reason": "the bank <called>"}
    response = send(admin, "complete-job", instance, {"job": job.key}, **typed)
    assert response.status_code == 422
    html = response.content.decode()
    assert "{&quot;number&quot;: 1</textarea>" in html
    assert "the bank &lt;called&gt;" in html
    assert "Expected a JSON object" in html
    assert send(admin, "complete-job", instance, {"job": job.key}, reason="").status_code == 422
    assert instance.history.count() == 1


def test_a_job_that_was_tried_again_meanwhile_is_not_completed(admin: Client, shop: ProcessDefinition) -> None:
    instance = start(shop)
    data = filled(admin, url("complete-job", instance, job=Job.objects.get().key), **WHY)
    claimed = claim(instance)
    response = admin.post(url("complete-job", instance), data)
    assert response.status_code == 422
    assert "[job-moved]" in response.content.decode()
    jobs.complete(claimed.id, claimed.attempt, {"number": 1}, by="worker:worker-1")
    response = admin.post(url("complete-job", instance), data, follow=True)
    assert said(response) == [
        f"Not done: Expected job {claimed.key} to be there but found none: the instance moved meanwhile."
    ]
    assert standing(instance) == {"ship"}


def test_throw_an_error(admin: Client, shop: ProcessDefinition) -> None:
    instance = start(shop)
    there = url("throw-error", instance, job=Job.objects.get().key)
    data = filled(admin, there, **WHY)
    assert data["code"] == "NO_COVER", "the one that the model catches"
    refused = admin.post(there, {**data, "code": "OTHER"})
    assert "[error-not-caught]" in refused.content.decode()
    assert standing(instance) == {"charge"}
    admin.post(there, {**data, "variables": '{"cover": 1}'})
    assert standing(instance) == {"call"}
    assert last_step(instance)[1:] == ("user:root", "the bank called")


# -- visits, timers, messages, signals ---------------------------------------------------------------------------------


def test_skip_send_fire_and_signal_on_the_way_to_the_end(admin: Client, shop: ProcessDefinition) -> None:
    instance = start(shop)

    def visit() -> int:
        return int(instance.nodes.get(ended_at=None).key)

    send(admin, "skip", instance, {"node": visit()}, variables='{"receipt": "none"}', **WHY)
    assert (standing(instance), last_step(instance)[0]) == ({"ship"}, "SkipVisit")
    send(admin, "skip", instance, {"node": visit()}, **WHY)
    awaited = {"subscription": instance.subscriptions.get().key}
    send(admin, "send-message", instance, awaited, variables='{"amount": 12.50}')
    assert last_step(instance) == ("CorrelateMessage", "user:root", "")
    send(admin, "fire-timer", instance, {"timer": instance.timers.get().key}, **WHY)
    assert last_step(instance) == ("FireTimer", "user:root", "the bank called")
    send(admin, "send-signal", instance, {"subscription": instance.signal_subscriptions.get().key})
    instance.refresh_from_db()
    assert (instance.state, instance.variables) == ("COMPLETED", {"receipt": "none", "amount": Decimal("12.50")})
    late = admin.get(url("fire-timer", instance, timer=1), follow=True)
    assert "the instance moved meanwhile" in said(late)[0]


def test_move_a_token_after_a_look_at_what_would_happen(admin: Client, shop: ProcessDefinition) -> None:
    instance = start(shop)
    key = instance.nodes.get(ended_at=None).key
    data = filled(admin, url("move", instance, cancel=f"#{key}"), start="ship", variables='{"paid": true}', **WHY)
    assert data["cancel"] == f"#{key}"
    fragment = admin.post(url("move-preview", instance), data).content.decode()
    assert "ship was entered." in fragment
    assert f"charge ({key}) was terminated." in fragment
    assert instance.history.count() == 1
    assert standing(instance) == {"charge"}
    admin.post(url("move", instance), data)
    instance.refresh_from_db()
    assert (standing(instance), instance.variables) == ({"ship"}, {"paid": True})
    assert last_step(instance) == ("ModifyInstance", "user:root", "the bank called")
    again = admin.post(url("move", instance), data)
    assert again.status_code == 422
    assert "the instance moved meanwhile" in again.content.decode()
    assert "Expected something" in admin.post(url("move-preview", instance), {}).content.decode()


def test_only_elements_that_a_token_reaches_are_offered(admin: Client) -> None:
    inner = Drawing("inner").start("is").service("pack", type="t", name="Pack").end("ie")
    handler = Drawing("h").start_on("on_off", ("signal", "off")).service("tidy", type="t").end("he")
    drawing = Drawing("box").start().sub_process("sub", inner).end().event_sub_process("aside", handler)
    instance = start(deploy(drawing.on_timer("sub", "late", "PT1H").end("e2")))
    form = admin.get(url("move", instance)).context["form"]
    assert dict(form.fields["start"].choices) == {
        "": "nowhere: it ends here", "sub": "sub", "pack": "sub / Pack (pack)", "ie": "sub / ie", "end": "end",
        "e2": "e2",
    }  # fmt: skip


def test_begin_an_ended_instance_again_before_an_element(admin: Client, shop: ProcessDefinition) -> None:
    instance = start(shop, business_key="O-1")
    assert "[instance-not-ended]" not in said(admin.get(url("restart", instance), follow=True))[0]
    instances.cancel(instance.pk, by="user:ada")
    response = send(admin, "restart", instance, {}, before="ship", variables='{"n": 1}', **WHY)
    new = ProcessInstance.objects.latest("id")
    assert (new.restarted_from_id, new.business_key, standing(new)) == (instance.pk, "O-1", {"ship"})
    assert said(response) == [f"Instance {instance.pk} was restarted as {new.pk}."]
    assert response.redirect_chain[-1][0] == url("change", new)
    send(admin, "restart", instance, {}, variables='{"n": 2}', **WHY)
    newest = ProcessInstance.objects.latest("id")
    assert (standing(newest), newest.variables) == ({"charge"}, {"n": 2})
    html = admin.get(url("change", instance)).content.decode()
    assert url("change", newest) in html


# -- variables ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def misspelt(db: None) -> ProcessInstance:
    inner = Drawing("inner").start("is").service("charge", type="=kind").end("ie")
    drawing = Drawing("odd").start().sub_process("sub", inner, inputs={"local": "=1"}).end()
    return start(deploy(drawing), variables={"kind": [1], "amount": Decimal("1.50"), "text": "x"})


def test_edit_variables_and_retry(admin: Client, misspelt: ProcessInstance) -> None:
    incident = Incident.objects.get()
    there = url("retry", misspelt, incident=incident.pk)
    data = filled(admin, there, reason="typo")
    instances.set_variables(misspelt.pk, {"text": "changed meanwhile"}, by="user:ada")
    data["variables"] = data["variables"].replace("[\n    1\n  ]", '"charge"')
    assert said(admin.post(there, data, follow=True)) == [f"Instance {misspelt.pk} was corrected and is tried again."]
    misspelt.refresh_from_db()
    assert misspelt.variables == {"kind": "charge", "amount": Decimal("1.50"), "text": "changed meanwhile"}
    commands = misspelt.history.order_by("-number").values_list("command", "by", "reason", "facts")[:2]
    (resolved, corrected) = list(commands)
    assert resolved[:3] == ("ResolveIncident", "user:root", "typo")
    assert corrected[3][0]["variables"] == {"kind": "charge"}, "only what was changed"
    assert Job.objects.get().type == "charge"


def test_what_somebody_changed_meanwhile_is_not_overwritten(admin: Client, misspelt: ProcessInstance) -> None:
    there = url("retry", misspelt, incident=Incident.objects.get().pk)
    data = filled(admin, there)
    instances.set_variables(misspelt.pk, {"kind": "other"}, by="user:ada")
    data["variables"] = data["variables"].replace("[\n    1\n  ]", '"charge"')
    response = admin.post(there, data)
    assert "[variables-changed]" in response.content.decode()
    assert "&quot;charge&quot;" in response.content.decode(), "what was typed is still there"
    assert Incident.objects.get().ended_at is None
    missing = admin.post(there, {**data, "variables": "{}"}).content.decode()
    assert "Expected amount, kind, text too" in missing


def test_variables_of_the_scope_around_an_incident(admin: Client, misspelt: ProcessInstance) -> None:
    sub = misspelt.nodes.get(element_id="sub").key
    there = url("retry", misspelt, incident=Incident.objects.get().pk, scope=sub)
    data = filled(admin, there, variables='{"local": 1, "kind": "charge"}')
    assert data["scope"] == sub
    admin.post(there, data)
    assert misspelt.nodes.get(key=sub).variables == {"local": 1, "kind": "charge"}
    assert Job.objects.get().type == "charge"


# -- who may -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", [*PAGES, "move-preview"])
def test_who_may_only_look_can_do_none_of_it(staff: Callable[..., Client], order: ProcessDefinition, word: str) -> None:
    instance = start(order)
    looker = staff("view_processinstance", "view_incident", "change_incident", "view_job")
    assert looker.post(url(word, instance)).status_code == 403
    assert looker.get(url(word, instance)).status_code in (403, 405)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = looker.cookies
    assert strict.post(url(word, instance)).status_code == 403


@pytest.mark.parametrize("word", PAGES)
@pytest.mark.parametrize("named", ["", "x", "0", "99", "9" * 18, "9" * 40, "-1"])
def test_links_to_nothing_lead_back(admin: Client, order: ProcessDefinition, word: str, named: str) -> None:
    instance = start(order)
    if word == "restart":
        complete(instance)
    names = ("job", "node", "timer", "subscription", "incident", "cancel", "scope")
    response = admin.get(url(word, instance, **dict.fromkeys(names, named)), follow=True)
    assert response.status_code == 200
    if word not in ("move", "restart"):
        assert said(response)[0].startswith("Not done: ")
    assert admin.get(reverse(f"admin:processes_processinstance_{word}", args=[999])).status_code == 404
