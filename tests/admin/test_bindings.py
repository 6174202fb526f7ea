"""Inbound bindings are edited by who may, and what could not work is refused."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.urls import reverse

from processes.models import InboundBinding

ADD = "admin:processes_inboundbinding_add"


def form(**fields: Any) -> dict[str, Any]:
    given = {
        "name": "shop", "kind": "webhook", "path": "shop", "proof": "hmac", "secret_name": "shop",
        "signature_header": "X-Signature", "signature_encoding": "hex", "tolerance": "300", "max_bytes": "1000",
        "message_name": "paid", "correlation_key": "=body.order",
    }  # fmt: skip
    return given | fields


def test_one_is_made_changed_paused_and_dropped(admin: Client) -> None:
    assert admin.get(reverse(ADD)).status_code == 200
    assert admin.post(reverse(ADD), form()).status_code == 302
    binding = InboundBinding.objects.get()
    page = reverse("admin:processes_inboundbinding_change", args=[binding.pk])
    assert admin.post(page, form(message_name="charged")).status_code == 302
    binding.refresh_from_db()
    assert binding.message_name == "charged"
    lists = reverse("admin:processes_inboundbinding_changelist")
    assert admin.get(lists).status_code == 200
    for action, enabled in (("pause", False), ("resume", True)):
        answer = admin.post(lists, {"action": action, "_selected_action": [binding.pk]}, follow=True)
        assert "shop" in answer.content.decode()
        assert InboundBinding.objects.get().enabled is enabled
        assert admin.post(page, form(message_name="charged")).status_code == 302, "a change resumes nothing"
        assert InboundBinding.objects.get().enabled is enabled
    gone = reverse("admin:processes_inboundbinding_delete", args=[binding.pk])
    assert admin.post(gone, {"post": "yes"}).status_code == 302
    assert not InboundBinding.objects.exists()


def test_what_could_not_work_is_refused(admin: Client) -> None:
    for fields, says in (
        ({"correlation_key": "=body."}, "correlation_key"),
        ({"secret_name": ""}, "webhook needs"),
        ({"path": "/../x"}, "path"),
        ({"kind": "queue", "queue": "q", "url": "amqp://me:secret@mq"}, "without a password"),
        ({"kind": "queue", "queue": "q"}, "queue needs"),
        ({"max_bytes": "99000000"}, "max_bytes"),
        ({"name": "a/b"}, "letters, digits"),
    ):
        answer = admin.post(reverse(ADD), form(**fields))
        assert answer.status_code == 200, fields
        errors = answer.context["adminform"].form.errors
        assert says in str(errors.as_json()), (fields, errors)
    assert not InboundBinding.objects.exists()
