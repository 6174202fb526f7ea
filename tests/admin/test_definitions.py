"""The pages of definitions: numbers on the drawing, versions compared, files validated, instances migrated, versions
suspended and deleted."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from processes.models import Batch, FlowNodeInstance, ProcessDefinition, ProcessInstance
from processes.runtime import batches, lifecycle
from tests.admin.conftest import complete, deploy, fail, said, start
from tests.admin.test_markup import inline
from tests.drawing import Drawing

DEPLOY = "admin:processes_processdefinition_deploy"
BROKEN = Drawing("broken").start().timer("wait", "in an hour").end()


def order(task: str = "charge", type: str = "charge-card") -> Drawing:
    return Drawing("order", name="Order").start().service(task, type=type, retries=2).end()


def url(name: str, definition: ProcessDefinition) -> str:
    return reverse(f"admin:processes_processdefinition_{name}", args=[definition.pk])


def group(html: str, element: str) -> str:
    """The classes of an element on the drawing."""
    found = re.search(rf'<g class="([^"]*)" data-element-id="{element}"', html)
    assert found, element
    return found[1]


# -- numbers -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def busy(db: None) -> ProcessDefinition:
    definition = deploy(order())
    for _ in range(3):
        complete(start(definition))
    fail(start(definition))
    start(definition)
    return definition


@pytest.mark.parametrize(
    ("measure", "words", "badge"),
    [
        ("visits", "5 visits", "5"),
        ("running", "2 running now", "2"),
        ("failures", "20 % of the visits failed", "20 %"),
        ("incidents", "1 open incidents", "1"),
    ],
)
def test_a_measure_is_heat_a_badge_and_words(
    admin: Client, busy: ProcessDefinition, measure: str, words: str, badge: str
) -> None:
    html = admin.get(url("change", busy), {"measure": measure, "window": "hour"}).content.decode()
    assert "heat-5" in group(html, "charge")
    assert f"({words})" in html
    assert f">{badge}</text>" in html


def test_the_table_has_the_same_numbers_and_is_sorted(admin: Client, busy: ProcessDefinition) -> None:
    response = admin.get(url("change", busy))
    rows = response.context["heat"]["rows"]
    assert [row["id"] for row in rows] == ["start", "charge", "end"], "as the document has them"
    cells = [text for text, _, _ in rows[1]["cells"]]
    assert (cells[0], cells[1], cells[4], cells[5]) == ("5", "2", "20 %", "1")
    ordered = admin.get(url("change", busy), {"order": "running"}).context["heat"]["rows"]
    assert ordered[0]["id"] == "charge"
    assert "the 13 visits that began since" in response.content.decode()
    assert admin.get(url("change", busy), {"measure": "x", "window": "y", "order": "z"}).status_code == 200


def test_the_page_costs_the_same_for_many_instances(admin: Client, busy: ProcessDefinition) -> None:
    costs = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            admin.get(url("change", busy))
        costs.append(len(queries))
        for _ in range(20):
            start(busy)
    assert costs[0] == costs[1]
    assert costs[0] <= 24


# -- versions ----------------------------------------------------------------------------------------------------------


def test_what_differs_is_on_both_drawings_and_in_the_table(admin: Client) -> None:
    first = deploy(order())
    second = deploy(Drawing("order").start().service("charge", type="bill").service("ship", type="ship").end())
    response = admin.get(url("compare", second))
    html = response.content.decode()
    old, new = html.split("(new)</h2>")
    assert response.context["other"] == first
    assert "diff-changed" in group(old, "charge")
    assert "diff-removed" in group(old, "charge-end")
    assert "diff-changed" in group(new, "charge")
    assert "diff-added" in group(new, "ship")
    assert "<del>charge-card</del>" in html
    assert "<ins>bill</ins>" in html
    assert "line-removed" in html
    assert inline(response) == []
    alone = admin.get(url("compare", second), {"with": second.pk})
    assert "Nothing differs in the process." in alone.content.decode()
    assert admin.get(url("compare", second), {"with": "9" * 40}).status_code == 200
    assert "no other version" in admin.get(url("compare", deploy(Drawing("lonely").start().end()))).content.decode()


# -- deploying ---------------------------------------------------------------------------------------------------------


def files(*drawings: Drawing, **more: Any) -> dict[str, Any]:
    given = [SimpleUploadedFile(f"{drawing.process_id}.bpmn", drawing.xml()) for drawing in drawings]
    return {"document": given, **more}


def test_validated_files_are_reported_and_held_and_then_deployed(admin: Client) -> None:
    response = admin.post(reverse(DEPLOY), files(order(), Drawing("other").start().service("x").end(), verb="check"))
    html = response.content.decode()
    assert response.status_code == 200
    assert "order.bpmn can be deployed" in html
    assert "other.bpmn can be deployed, with 1 warning" in html
    assert "finding-warning" in group(html, "x")
    assert not ProcessDefinition.objects.exists()
    names, contents = zip(*response.context["held"], strict=True)
    held = {"held_name": names, "held_content": contents, "verb": "deploy-anyway"}
    admin.post(reverse(DEPLOY), held)
    deployed = ProcessDefinition.objects.get(process_id="order")
    assert (bytes(deployed.xml), deployed.resource) == (order().xml(), "order.bpmn")
    assert ProcessDefinition.objects.count() == 2


def test_warnings_are_shown_before_anything_is_deployed(admin: Client) -> None:
    warned = Drawing("other").start().service("x").end()
    html = admin.post(reverse(DEPLOY), files(warned, verb="deploy")).content.decode()
    assert "Deploy in spite of the warnings" in html
    assert not ProcessDefinition.objects.exists()
    admin.post(reverse(DEPLOY), files(order(), verb="deploy"))
    assert ProcessDefinition.objects.get().process_id == "order"


def test_a_refused_model_is_drawn_with_what_is_wrong(admin: Client) -> None:
    response = admin.post(reverse(DEPLOY), files(order(), BROKEN, verb="deploy"))
    html = response.content.decode()
    assert response.status_code == 422
    assert "finding-error" in group(html, "wait")
    assert 'data-show="wait"' in html
    assert "error: Expected" in html
    assert not ProcessDefinition.objects.exists()
    assert inline(response) == []


def test_a_pasted_document(admin: Client) -> None:
    text = order().xml().decode()
    admin.post(reverse(DEPLOY), {"text": text.replace("\n", "\r\n"), "name": "typed.bpmn", "verb": "deploy"})
    assert ProcessDefinition.objects.get().resource == "typed.bpmn"
    broken = admin.post(reverse(DEPLOY), {"text": "<a", "verb": "check"})
    assert broken.status_code == 422
    damaged = {"held_name": ["a"], "held_content": ["not base64!"], "verb": "deploy-anyway"}
    assert admin.post(reverse(DEPLOY), damaged).context["form"].errors


# -- starting ----------------------------------------------------------------------------------------------------------


def test_the_start_form_proposes_what_the_model_reads(admin: Client) -> None:
    definition = deploy(Drawing("order").start().service("charge", type="t", inputs={"sum": "=amount * 2"}).end())
    html = admin.get(url("start", definition)).content.decode()
    assert "&quot;amount&quot;: null" in html
    wrong = admin.post(url("start", definition), {"variables": '{\n "amount": }'})
    assert "line 2 column 12" in wrong.content.decode()


def test_an_instance_may_begin_elsewhere(admin: Client) -> None:
    definition = deploy(Drawing("order").start().service("charge", type="a").service("ship", type="b").end())
    admin.post(url("start", definition), {"variables": "{}", "before": "ship"})
    assert FlowNodeInstance.objects.get().element_id == "ship"
    refused = admin.post(url("start", definition), {"variables": "{}", "before": "nowhere"})
    assert refused.context["form"].errors
    assert ProcessInstance.objects.count() == 1


# -- migrating ---------------------------------------------------------------------------------------------------------


def test_the_plan_is_shown_tried_and_made_a_batch(admin: Client) -> None:
    first = deploy(order())
    waiting = [start(first).pk for _ in range(3)]
    second = deploy(order("pay"))
    response = admin.get(url("migrate", first))
    html = response.content.decode()
    assert response.context["target"] == second
    assert "Instances that stand here are rejected." in html
    assert "diff-removed" in group(html, "charge")
    chosen = {"map:start": "start", "map:charge": "pay", "map:end": "end", "rate": "50", "reason": "renamed"}
    preview = admin.post(url("migrate", first), {**chosen, "verb": "preview"})
    assert preview.context["preview"]["migratable"] == 3
    assert not Batch.objects.exists()
    response = admin.post(url("migrate", first), {**chosen, "verb": "migrate"}, follow=True)
    assert "migrates 3 instances to Order v2" in said(response)[0]
    batch = Batch.objects.get()
    assert (batch.kind, batch.rate, batch.created_by) == ("MIGRATE", 50.0, "user:root")
    until = time.monotonic() + 60
    while Batch.objects.filter(ended_at=None).exists() and time.monotonic() < until:
        batches.carry_on()
    assert set(ProcessInstance.objects.filter(definition=second).values_list("pk", flat=True)) == set(waiting)


def test_what_is_wrong_with_a_plan_is_shown_and_nothing_is_made_of_it(admin: Client) -> None:
    first = deploy(order())
    start(first)
    deploy(Drawing("order").start().node("userTask", "ask").end())
    chosen = {"map:charge": "ask", "verb": "migrate"}
    html = admin.post(url("migrate", first), chosen).content.decode()
    assert "The plan cannot be carried out" in html
    assert "to be of the same kind as" in html
    assert not Batch.objects.exists()
    left = admin.post(url("migrate", first), {"map:charge": "-", "map:start": "start", "verb": "preview"})
    assert left.context["preview"]["rejected_count"] == 1
    assert "start" in left.context["plan"].mapping


# -- suspending and deleting -------------------------------------------------------------------------------------------


def test_suspended_and_resumed_on_its_page(admin: Client, busy: ProcessDefinition) -> None:
    posted = {"reason": "wrong prices", "with_instances": "on"}
    response = admin.post(url("suspend", busy), posted, follow=True)
    assert said(response) == ["v1 of order was suspended. 2 instances were suspended."]
    html = response.content.decode()
    assert "suspended by user:root" in html
    assert "wrong prices" in html
    assert url("start", busy) not in html
    refused = admin.post(url("start", busy), {"variables": "{}"})
    assert "definition-suspended" in said(refused)[0]
    assert "definition-suspended" in said(admin.post(url("suspend", busy), {}, follow=True))[0]
    assert said(admin.post(url("resume", busy), {}, follow=True)) == ["v1 of order was resumed."]
    assert "Suspended" in admin.get(reverse("admin:processes_processinstance_changelist")).content.decode()


def test_deleted_where_nothing_ran(admin: Client, busy: ProcessDefinition) -> None:
    second = deploy(order("pay"))
    refused = admin.post(url("remove", busy), follow=True)
    assert "2 running and 3 ended" in said(refused)[0]
    done = admin.post(url("remove", second), follow=True)
    assert said(done) == ["Order v2 was deleted. Order v1 is the latest again."]
    assert list(ProcessDefinition.objects.all()) == [busy]


VERBS = [
    ("post", "suspend", "change_processdefinition"),
    ("post", "resume", "change_processdefinition"),
    ("post", "remove", "delete_processdefinition"),
    ("get", "migrate", "add_batch"),
    ("get", "compare", "view_processdefinition"),
]


@pytest.mark.parametrize(("method", "name", "permission"), VERBS)
def test_who_may(
    staff: Callable[..., Client], order: ProcessDefinition, method: str, name: str, permission: str
) -> None:
    others = {other for _, _, other in VERBS} - {permission}
    if name == "compare":
        others.discard("change_processdefinition")  # who may change may view, says Django
    client = staff(*others)
    assert getattr(client, method)(url(name, order)).status_code == 403
    client.logout()
    client.force_login(_with(permission))
    assert getattr(client, method)(url(name, order)).status_code in (200, 302)


def _with(permission: str) -> Any:
    from django.contrib.auth.models import Permission, User

    user = User.objects.create_user("carol", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename=permission))
    return user


def test_a_get_changes_nothing(admin: Client, order: ProcessDefinition) -> None:
    for name in ("suspend", "resume", "remove"):
        assert admin.get(url(name, order)).status_code == 405
    assert not ProcessDefinition.objects.get().suspended
    lifecycle.suspend(order)
    assert "badge-suspended" in admin.get(reverse("admin:processes_processdefinition_changelist")).content.decode()
