"""The pages of instances that call each other lead to each other."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from processes.models import ProcessInstance
from processes.runtime import messages
from tests.admin.conftest import deploy, fail, start
from tests.drawing import Drawing

pytestmark = pytest.mark.django_db(transaction=True)


def page(admin: Client, instance: ProcessInstance) -> str:
    return admin.get(reverse("admin:processes_processinstance_change", args=[instance.pk])).content.decode()


def link(instance: ProcessInstance) -> str:
    return f'href="{reverse("admin:processes_processinstance_change", args=[instance.pk])}"'


def test_caller_and_called_lead_to_each_other(admin: Client) -> None:
    deploy(Drawing("child").start().service("charge", type="charge-card").end())
    parent = start(deploy(Drawing("parent").start().call("call", "child").end()))
    child = parent.children.get()
    fail(child)
    shown = page(admin, parent)
    assert "Called processes" in shown
    assert link(child) in shown
    assert '<td class="number">1</td>' in shown.partition("Called processes")[2]
    assert "called the process child" in shown
    assert link(parent) in page(admin, child)
    assert "Called processes" not in page(admin, child)


def test_a_page_tells_what_began_an_instance(admin: Client) -> None:
    drawing = Drawing("order").start_message("hear", "placed").service("charge", type="charge-card").end()
    definition = deploy(drawing.start_timer("night", "R/PT24H", kind="timeCycle").to("charge"))
    (pk,) = messages.publish("placed").started
    shown = page(admin, ProcessInstance.objects.get(pk=pk))
    assert "message:placed" in shown
    assert "<code>hear</code>" in shown
    shown = admin.get(reverse("admin:processes_processdefinition_change", args=[definition.pk])).content.decode()
    assert "message placed at <code>hear</code>; timer, next " in shown
