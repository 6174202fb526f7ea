"""Decisions are deployed on the page of the processes, listed and shown."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from processes.models import DecisionDefinition
from tests.decisions import decisions, literal

DEPLOY = "admin:processes_processdefinition_deploy"


def upload(admin: Client, document: bytes) -> str:
    posted = {"document": SimpleUploadedFile("menu.dmn", document)}
    return admin.post(reverse(DEPLOY), posted, follow=True).content.decode()


def test_a_deployed_decision_has_a_page_and_its_file(admin: Client) -> None:
    document = decisions(literal("dish", "1", name="<b>Dish</b>"))
    page = upload(admin, document)
    assert "&lt;b&gt;Dish&lt;/b&gt; v1 was deployed." in page
    assert "<b>Dish</b>" not in page
    row = DecisionDefinition.objects.get()
    assert (row.resource, row.deployed_by) == ("menu.dmn", "user:root")
    answer = admin.get(reverse("admin:processes_decisiondefinition_xml", args=[row.pk]))
    assert answer.content == document
    assert "dish-v1.dmn" in answer["Content-Disposition"]
    assert "already holds this content" in upload(admin, document)


def test_several_decisions_lead_to_the_list(admin: Client) -> None:
    page = upload(admin, decisions(literal("a", "1"), literal("b", "2")))
    assert "2 decision definitions" in page or page.count("field-decision_id") == 2


def test_problems_are_shown_with_their_line(admin: Client) -> None:
    page = upload(admin, decisions(literal("dish", "1 +")))
    assert "menu.dmn was not deployed: 1 problem" in page
    assert "bad-feel" in page


@pytest.mark.parametrize("name", ["changelist", "change", "xml"])
def test_only_those_who_may_see_them(client: Client, django_user_model: type, db: None, name: str) -> None:
    row = DecisionDefinition.objects.create(
        decision_id="d", version=1, xml=b"", digest="", deployed_at="2030-01-01T00:00:00Z"
    )
    user = django_user_model.objects.create_user("eve", is_staff=True)  # type: ignore[attr-defined]
    client.force_login(user)
    arguments = [] if name == "changelist" else [row.pk]
    assert client.get(reverse(f"admin:processes_decisiondefinition_{name}", args=arguments)).status_code == 403
