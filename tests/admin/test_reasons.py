"""Whatever is changed on the pages of the operators, they may say why: at the form, at the list, before a deletion."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

import processes.admin
from processes.models import Action, Batch, Connection, InboundBinding, Incident, ProcessDefinition, Secret, Step
from processes.runtime import batches, bindings, connections, secrets
from processes.runtime.modifications import Cancel
from tests.admin.conftest import fail, start
from tests.admin.test_connections import SHOP
from tests.drawing import Drawing

WHY = "The auditor <asked>"
HOOK = {"kind": "webhook", "path": "paid", "message_name": "paid", "proof": "hmac", "secret_name": "PAID"}


@pytest.fixture(autouse=True)
def _key(settings: Any) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "FIELD_KEYS": [Fernet.generate_key().decode()]}


def told() -> list[tuple[str, str]]:
    return list(Action.objects.filter(reason=WHY, by="user:root").order_by("id").values_list("kind", "verb"))


def filled(page: str) -> dict[str, str]:
    """What a form would send as it stands, without its choices and long texts."""
    inputs = re.findall(r"<input[^>]*>", page)
    found = {}
    for tag in inputs:
        said = dict(re.findall(r'([a-z-]+)="([^"]*)"', tag))
        if said.get("name") and said.get("type") not in ("checkbox", "submit"):
            found[said["name"]] = said.get("value", "")
    return found


def test_a_connection_is_saved_with_a_reason(admin: Client) -> None:
    add = reverse("admin:processes_connection_add")
    assert 'name="reason"' in admin.get(add).content.decode()
    assert admin.post(add, {**SHOP, "reason": WHY}).status_code == 302
    page = reverse("admin:processes_connection_change", args=[Connection.objects.get().pk])
    assert admin.post(page, {**SHOP, "rate": "7", "reason": WHY}).status_code == 302
    assert told() == [("connection", "create"), ("connection", "change")]


def test_a_binding_is_saved_with_a_reason(admin: Client) -> None:
    page = reverse("admin:processes_inboundbinding_add")
    given = {**filled(admin.get(page).content.decode()), **HOOK, "name": "it", "signature_encoding": "hex"}
    answer = admin.post(page, {**given, "reason": WHY})
    assert answer.status_code == 302, answer.context["errors"]
    assert told() == [("inbound binding", "create")]


def test_a_secret_is_saved_with_a_reason(admin: Client) -> None:
    add = reverse("admin:processes_secret_add")
    assert admin.post(add, {"name": "TOKEN", "value": "hunter2", "reason": WHY}).status_code == 302
    page = reverse("admin:processes_secret_change", args=[Secret.objects.get().pk])
    assert admin.post(page, {"value": "hunter3", "reason": WHY}).status_code == 302
    assert told() == [("secret", "create"), ("secret", "change")]


NAMED = [
    ("connection", "connection", Connection, lambda: connections.put("it", {}, by="user:ada")),
    ("inboundbinding", "inbound binding", InboundBinding, lambda: bindings.put("it", HOOK, by="user:ada")),
    ("secret", "secret", Secret, lambda: secrets.put("IT", "hunter2", by="user:ada")),
]


@pytest.mark.parametrize(("model", "kind", "rows", "make"), NAMED, ids=lambda each: each if str(each) == each else "")
class TestDeletion:
    def test_one(self, admin: Client, model: str, kind: str, rows: Any, make: Any) -> None:
        make()
        page = reverse(f"admin:processes_{model}_delete", args=[rows.objects.get().pk])
        shown = admin.get(page).content.decode()
        assert 'name="reason"' in shown
        answer = admin.post(page, {**filled(shown), "reason": WHY})
        assert answer.status_code == 302
        assert not rows.objects.exists()
        assert told() == [(kind, "drop")]

    def test_many_with_what_was_typed_beside_the_action(
        self, admin: Client, model: str, kind: str, rows: Any, make: Any
    ) -> None:
        make()
        page = reverse(f"admin:processes_{model}_changelist")
        assert 'name="reason"' in admin.get(page).content.decode()
        chosen = {"action": "delete_selected", "_selected_action": [rows.objects.get().pk], "reason": WHY}
        shown = admin.post(page, chosen).content.decode()
        assert rows.objects.exists()
        assert 'value="The auditor &lt;asked&gt;"' in shown
        answer = admin.post(page, {**filled(shown), "reason": WHY})
        assert answer.status_code == 302
        assert not rows.objects.exists()
        assert told() == [(kind, "drop")]

    def test_who_only_looks_is_not_asked_why(self, staff: Any, model: str, kind: str, rows: Any, make: Any) -> None:
        make()
        shown = staff(f"view_{model}").get(reverse(f"admin:processes_{model}_change", args=[rows.objects.get().pk]))
        assert shown.status_code == 200
        assert "Why it is changed" not in shown.content.decode()


def test_a_batch_is_paused_resumed_and_cancelled_with_a_reason(admin: Client, order: ProcessDefinition) -> None:
    pk = batches.modify([start(order).pk], cancel=[Cancel(element="charge")], by="user:ada").pk
    for verb in ("pause", "resume", "cancel"):
        shown = admin.get(reverse("admin:processes_batch_change", args=[pk])).content.decode()
        here = reverse(f"admin:processes_batch_{verb}", args=[pk])
        assert f'form="batch-verbs" formaction="{here}"' in shown
        form = shown[shown.index('id="batch-verbs"') :]
        assert {"reason", "csrfmiddlewaretoken"} <= set(filled(form[: form.index("</form>")]))
        admin.post(here, {"reason": WHY})
    assert told() == [("batch", "pause"), ("batch", "resume"), ("batch", "cancel")]
    assert Batch.objects.get().state == "CANCELLED"
    over = admin.get(reverse("admin:processes_batch_change", args=[pk])).content.decode()
    assert "batch-verbs" not in over


def test_a_version_is_deployed_and_deleted_with_a_reason(admin: Client) -> None:
    page = reverse("admin:processes_processdefinition_deploy")
    file = SimpleUploadedFile("a.bpmn", Drawing("a").start().end().xml())
    report = admin.post(page, {"document": file, "reason": WHY, "name": "", "verb": "check"}).content.decode()
    assert not Action.objects.exists()
    held = filled(report[report.index('class="held"') : report.index("</form>", report.index('class="held"'))])
    assert held["reason"] == "The auditor &lt;asked&gt;"
    assert admin.post(page, {**held, "reason": WHY, "verb": "deploy-anyway"}).status_code == 302
    pk = ProcessDefinition.objects.get().pk
    shown = admin.get(reverse("admin:processes_processdefinition_change", args=[pk])).content.decode()
    here = reverse("admin:processes_processdefinition_remove", args=[pk])
    assert 'name="reason"' in shown[shown.index(here) :]
    admin.post(here, {"reason": WHY})
    assert told() == [("process definition", "deploy"), ("process definition", "delete")]


def test_no_verb_is_asked_for_without_a_reason() -> None:
    """Every call in somebody's name says why, or passes on all that a form holds."""
    without = set()
    for path in Path(processes.admin.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and any(each.arg == "by" for each in node.keywords):
                names = {each.arg for each in node.keywords}
                if not names & {"reason", None}:
                    without.add(f"{path.stem}: {ast.unparse(node.func)}")
    assert without == {"starting: instances.start"}, "nobody has to say why work begins"


def test_incidents_are_retried_with_a_reason(admin: Client, order: ProcessDefinition) -> None:
    fail(start(order))
    page = reverse("admin:processes_incident_changelist")
    assert 'name="reason"' in admin.get(page).content.decode()
    chosen = {"action": "retry_selected", "_selected_action": [Incident.objects.get().pk], "reason": WHY}
    admin.post(page, chosen)
    assert Step.objects.get(command="ResolveIncident").reason == WHY
