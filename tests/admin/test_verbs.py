"""What operators do: buttons and forms ask the runtime in the name of the user, and say what came of it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from processes.models import Incident, Job, ProcessDefinition, ProcessInstance, Step
from tests.admin.conftest import complete, deploy, fail, said, start
from tests.drawing import Drawing

BROKEN = b"""<?xml version="1.0"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" id="D" targetNamespace="x">
  <bpmn:process id="broken" isExecutable="true">
    <bpmn:startEvent id="start" />
    <bpmn:sequenceFlow id="gone" sourceRef="start" targetRef="nowhere" />
  </bpmn:process>
</bpmn:definitions>
"""


def url(verb: str, row: Any) -> str:
    return reverse(f"admin:processes_{row._meta.model_name}_{verb}", args=[row.pk])


def last_step(instance: ProcessInstance) -> Step:
    return Step.objects.filter(instance=instance).latest("number")


# -- instances ---------------------------------------------------------------------------------------------------------


def test_cancel_ends_the_instance_for_a_reason(admin: Client, order: ProcessDefinition) -> None:
    instance = start(order)
    response = admin.post(url("cancel", instance), {"reason": "ordered twice"}, follow=True)
    instance.refresh_from_db()
    assert (instance.state, instance.ended_because) == ("TERMINATED", "ordered twice")
    assert (last_step(instance).command, last_step(instance).by) == ("CancelInstance", "user:root")
    assert said(response) == [f"Instance {instance.pk} was cancelled."]


def test_what_the_runtime_rejects_is_told(admin: Client, order: ProcessDefinition) -> None:
    instance = start(order)
    complete(instance)
    for verb in ("cancel", "suspend", "resume"):
        response = admin.post(url(verb, instance), follow=True)
        assert response.status_code == 200
        assert said(response)[0].startswith("Not done: ")
        assert "[instance-ended]" in said(response)[0]
    assert "[instance-not-found]" in said(admin.post(url("cancel", ProcessInstance(pk=999)), follow=True))[0]


def test_suspend_and_resume(admin: Client, order: ProcessDefinition) -> None:
    instance = start(order)
    html = admin.post(url("suspend", instance), {"reason": "wait"}, follow=True).content.decode()
    instance.refresh_from_db()
    assert instance.state == "SUSPENDED"
    assert url("resume", instance) in html
    admin.post(url("resume", instance))
    instance.refresh_from_db()
    assert instance.state == "ACTIVE"


def test_set_variables_merges_with_every_digit(admin: Client, order: ProcessDefinition) -> None:
    instance = start(order, variables={"kept": 1, "amount": 2})
    admin.post(url("variables", instance), {"variables": '{"amount": 0.10000000000000000001}', "scope": "0"})
    instance.refresh_from_db()
    assert instance.variables == {"kept": 1, "amount": Decimal("0.10000000000000000001")}
    assert last_step(instance).by == "user:root"


def test_elements_of_an_ad_hoc_sub_process_are_activated(admin: Client) -> None:
    inside = Drawing("inside").apart().service("call", type="a").apart().service("write", type="b")
    instance = start(deploy(Drawing("support").start().ad_hoc("any", inside).end()))
    visit = instance.nodes.get(element_id="any")
    assert (
        f'<option value="{visit.key}">any ({visit.key})</option>' in admin.get(url("change", instance)).content.decode()
    )
    response = admin.post(url("ad-hoc", instance), {"node": visit.key, "elements": "call, write"}, follow=True)
    assert said(response) == [f"Instance {instance.pk} was told what to perform."]
    assert set(instance.nodes.filter(ended_at=None).values_list("element_id", flat=True)) == {"any", "call", "write"}
    response = admin.post(url("ad-hoc", instance), {"node": visit.key, "elements": "nobody"}, follow=True)
    assert "found 'nobody'" in said(response)[0]


def test_set_variables_of_one_visit(admin: Client, order: ProcessDefinition) -> None:
    instance = start(order)
    visit = instance.nodes.get(element_id="charge")
    admin.post(url("variables", instance), {"variables": '{"retry": true}', "scope": visit.key})
    visit.refresh_from_db()
    assert visit.variables == {"retry": True}


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "null", '"x"', '{"a": NaN}', '{"a": 1e999999999}', '{"a": "\\u0000"}', '{"a": "\\ud800"}']
)
def test_variables_that_are_no_object_change_nothing(admin: Client, order: ProcessDefinition, text: str) -> None:
    instance = start(order, variables={"kept": 1})
    response = admin.post(url("variables", instance), {"variables": text}, follow=True)
    assert response.status_code == 200
    assert said(response)[0].startswith("Not done: ")
    instance.refresh_from_db()
    assert instance.variables == {"kept": 1}


# -- incidents ---------------------------------------------------------------------------------------------------------


def test_retry_resolves_and_goes_back_to_where_the_button_was(admin: Client, order: ProcessDefinition) -> None:
    instance = start(order)
    fail(instance)
    incident = Incident.objects.get(instance=instance)
    back = url("change", instance)
    response = admin.post(url("retry", incident), {"retries": "7", "next": back})
    assert response["Location"] == back
    incident.refresh_from_db()
    assert incident.resolved_by == "user:root"
    job = Job.objects.get(instance=instance)
    assert (job.state, job.retries) == ("DUE", 7)


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""])
def test_retry_never_leads_to_another_site(admin: Client, order: ProcessDefinition, back: str) -> None:
    instance = start(order)
    fail(instance)
    response = admin.post(url("retry", Incident.objects.get()), {"next": back})
    assert response["Location"] == reverse("admin:processes_incident_changelist")


def test_retry_of_a_resolved_incident_is_rejected(admin: Client, order: ProcessDefinition) -> None:
    fail(start(order))
    incident = Incident.objects.get()
    admin.post(url("retry", incident))
    assert "[incident-not-found]" in said(admin.post(url("retry", incident), follow=True))[-1]
    assert said(admin.post(url("retry", incident), {"retries": "many"}, follow=True))[0].startswith("Not done: ")


def test_retry_of_a_selection_tells_what_came_of_it(admin: Client, order: ProcessDefinition) -> None:
    for _ in range(3):
        fail(start(order))
    ids = list(Incident.objects.values_list("pk", flat=True))
    changelist = reverse("admin:processes_incident_changelist")
    chosen = {"action": "retry_selected", "_selected_action": ids[:2]}
    assert said(admin.post(changelist, chosen, follow=True)) == ["2 incidents were resolved and will be tried again."]
    assert list(Incident.objects.filter(ended_at__isnull=True).values_list("pk", flat=True)) == ids[2:]


def test_retry_of_all_pages_of_a_filtered_list(admin: Client, order: ProcessDefinition) -> None:
    for _ in range(3):
        fail(start(order))
    changelist = reverse("admin:processes_incident_changelist") + "?element=charge"
    chosen = {"action": "retry_selected", "_selected_action": ["1"], "select_across": "1"}
    admin.post(changelist, chosen)
    assert not Incident.objects.filter(ended_at__isnull=True).exists()


def test_what_cannot_be_resolved_is_told_beside_what_was(
    admin: Client, order: ProcessDefinition, monkeypatch: Any
) -> None:
    from processes.runtime import incidents

    for _ in range(8):
        fail(start(order))
    resolve = incidents.resolve

    def picky(incident_id: int, **given: Any) -> None:
        if incident_id != ids[0]:
            raise incidents.Rejected("instance-suspended", "Expected the instance to be active")
        resolve(incident_id, **given)

    ids = sorted(Incident.objects.values_list("pk", flat=True))
    monkeypatch.setattr(incidents, "resolve", picky)
    chosen = {"action": "retry_selected", "_selected_action": ids}
    told = said(admin.post(reverse("admin:processes_incident_changelist"), chosen, follow=True))
    assert told[0] == "1 incident was resolved and will be tried again."
    assert told[1] == f"Incident {ids[1]} was not resolved: Expected the instance to be active"
    assert told[-1] == "2 more were not resolved."


# -- deploy and start --------------------------------------------------------------------------------------------------


def upload(content: bytes, name: str = "order.bpmn") -> dict[str, Any]:
    return {"document": SimpleUploadedFile(name, content, content_type="application/xml")}


DEPLOY = "admin:processes_processdefinition_deploy"


def test_deploy_a_file(admin: Client) -> None:
    document = Drawing("order", name="Order").start().service("charge").end().xml()
    response = admin.post(reverse(DEPLOY), {**upload(document), "verb": "deploy-anyway"}, follow=True)
    definition = ProcessDefinition.objects.get()
    assert (definition.process_id, definition.version) == ("order", 1)
    assert (definition.resource, definition.deployed_by) == ("order.bpmn", "user:root")
    assert said(response)[0] == "Order v1 was deployed."
    assert "job-type-by-id" in said(response)[1]
    assert response.redirect_chain[-1][0] == url("change", definition)
    again = {**upload(document), "verb": "deploy-anyway"}
    assert said(admin.post(reverse(DEPLOY), again, follow=True))[0].startswith("Nothing new")
    assert ProcessDefinition.objects.count() == 1


def test_a_broken_file_is_told_line_by_line(admin: Client) -> None:
    response = admin.post(reverse(DEPLOY), upload(BROKEN, "<b>broken.bpmn"))
    assert response.status_code == 422
    html = response.content.decode()
    assert [finding.problem.line for finding in response.context["findings"]] == [5]
    assert "nowhere" in html
    assert "&lt;bpmn:sequenceFlow id=&quot;gone&quot;" in html
    assert "&lt;b&gt;broken.bpmn" in html
    assert not ProcessDefinition.objects.exists()


@pytest.mark.parametrize("content", [b"not xml", b"\x00\xff\xfe", b"<a/>", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"])
def test_a_file_that_is_no_bpmn(admin: Client, content: bytes) -> None:
    response = admin.post(reverse(DEPLOY), upload(content))
    assert response.status_code == 422
    assert response.context["findings"]


def test_no_file_at_all_and_an_empty_one(admin: Client) -> None:
    for data in ({}, upload(b"")):
        response = admin.post(reverse(DEPLOY), data)
        assert response.status_code == 200
        assert response.context["form"].errors


def test_download_the_document_byte_for_byte(admin: Client, order: ProcessDefinition) -> None:
    response = admin.get(url("xml", order))
    assert response.content == bytes(order.xml)
    assert response["Content-Disposition"] == 'attachment; filename="order-v1.bpmn"'


def test_start_an_instance_of_a_version(admin: Client, order: ProcessDefinition) -> None:
    assert admin.get(url("start", order)).status_code == 200
    data = {"business_key": "O-1", "variables": '{"amount": 12.50}'}
    response = admin.post(url("start", order), data, follow=True)
    instance = ProcessInstance.objects.get()
    assert (instance.business_key, instance.started_by) == ("O-1", "user:root")
    assert str(instance.variables["amount"]) == "12.50"
    assert response.redirect_chain[-1][0] == url("change", instance)
    admin.post(url("start", order), {"variables": ""})
    assert ProcessInstance.objects.latest("id").variables == {}


@pytest.mark.parametrize("text", ["{", "[]", '{"a": Infinity}', '{"a": "\\u0000"}'])
def test_start_with_variables_that_are_none(admin: Client, order: ProcessDefinition, text: str) -> None:
    response = admin.post(url("start", order), {"variables": text})
    assert response.status_code == 200
    assert not ProcessInstance.objects.exists()
    assert response.context["form"].errors or said(response)


# -- who may -----------------------------------------------------------------------------------------------------------


def every_verb(definition: ProcessDefinition, instance: ProcessInstance, incident: Incident) -> list[str]:
    verbs = [url(verb, instance) for verb in ("cancel", "suspend", "resume", "variables", "ad-hoc")]
    return [*verbs, url("retry", incident), url("start", definition), reverse(DEPLOY)]


def test_who_may_only_look_can_do_nothing(staff: Callable[..., Client], order: ProcessDefinition) -> None:
    instance = start(order)
    fail(instance)
    incident = Incident.objects.get()
    looker = staff("view_processinstance", "view_incident", "view_processdefinition", "view_job")
    for verb in every_verb(order, instance, incident):
        assert looker.post(verb, {"variables": "{}"}).status_code == 403, verb
    html = looker.get(url("change", instance)).content.decode()
    assert "<form" not in html.partition('id="content-main"')[2]
    chosen = {"action": "retry_selected", "_selected_action": [incident.pk]}
    looker.post(reverse("admin:processes_incident_changelist"), chosen)
    incident.refresh_from_db()
    assert incident.ended_at is None


def test_who_may_change_instances_may_operate(staff: Callable[..., Client], order: ProcessDefinition) -> None:
    instance = start(order)
    fail(instance)
    operator = staff("view_processinstance", "change_processinstance", "view_incident")
    assert "Retry" in operator.get(url("change", instance)).content.decode()
    assert operator.post(url("retry", Incident.objects.get())).status_code == 302
    assert operator.post(url("cancel", instance)).status_code == 302
    instance.refresh_from_db()
    assert instance.state == "TERMINATED"
    assert last_step(instance).by == "user:bob"
    assert operator.post(url("start", order)).status_code == 403


def test_who_may_change_incidents_may_retry_and_nothing_else(
    staff: Callable[..., Client], order: ProcessDefinition
) -> None:
    instance = start(order)
    fail(instance)
    repairer = staff("view_processinstance", "view_incident", "change_incident")
    html = repairer.get(url("change", instance)).content.decode()
    assert "Retry" in html
    assert 'class="verbs"' not in html
    chosen = {"action": "retry_selected", "_selected_action": [Incident.objects.get().pk]}
    repairer.post(reverse("admin:processes_incident_changelist"), chosen)
    assert Incident.objects.get().resolved_by == "user:bob"
    assert repairer.post(url("cancel", instance)).status_code == 403


def test_who_may_start_needs_not_see_the_instance(staff: Callable[..., Client], order: ProcessDefinition) -> None:
    starter = staff("view_processdefinition", "add_processinstance")
    response = starter.post(url("start", order), {"variables": "{}"}, follow=True)
    assert response.status_code == 200
    assert ProcessInstance.objects.count() == 1
    assert response.context["newest"] is None


def test_who_may_see_nothing_sees_nothing(staff: Callable[..., Client], order: ProcessDefinition) -> None:
    instance = start(order)
    fail(instance)
    nobody = staff()
    index = nobody.get(reverse("admin:index"))
    assert index.context["tiles"] == []
    assert index.context["troubles"] == []
    for row in (order, instance, Incident.objects.get(), Job.objects.get()):
        assert nobody.get(url("change", row)).status_code == 403
    assert nobody.get(url("xml", order)).status_code == 403


def test_strangers_are_asked_to_log_in(client: Client, order: ProcessDefinition) -> None:
    instance = start(order)
    for verb in ("change", "cancel"):
        response = client.post(url(verb, instance)) if verb == "cancel" else client.get(url(verb, instance))
        assert response["Location"].startswith(reverse("admin:login"))
    instance.refresh_from_db()
    assert instance.state == "ACTIVE"


def test_verbs_are_posts_with_a_token(admin: Client, order: ProcessDefinition) -> None:
    instance = start(order)
    fail(instance)
    for verb in [*every_verb(order, instance, Incident.objects.get())[:5]]:
        assert admin.get(verb).status_code == 405, verb
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = admin.cookies
    for verb in every_verb(order, instance, Incident.objects.get()):
        assert strict.post(verb).status_code == 403, verb
