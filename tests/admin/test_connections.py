"""Connections and secrets on the pages of the operators."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from processes.models import Connection, Secret
from processes.runtime import connections, secrets

SHOP = {
    "name": "shop",
    "kind": "http",
    "description": "",
    "url": "https://shop.example.com",
    "authentication": '{"type": "bearer", "token": "{{secrets.T}}"}',
    "tls": "{}",
    "timeout": "",
    "options": "{}",
    "allowed_hosts": '["shop.example.com"]',
    "allow_private": "unknown",
    "rate": "12.5",
    "burst": "2",
    "concurrency": "",
    "breaker_failures": "5",
    "breaker_window": "60",
    "breaker_open": "3",
    "breaker_canaries": "1",
    "breaker_ramp": "10",
}


@pytest.fixture(autouse=True)
def _key(settings: Any) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "FIELD_KEYS": [Fernet.generate_key().decode()]}


def test_a_connection_is_made_changed_paused_and_dropped(admin: Client) -> None:
    add = reverse("admin:processes_connection_add")
    assert admin.get(add).status_code == 200
    assert admin.post(add, SHOP).status_code == 302
    row = Connection.objects.get()
    assert (row.rate, row.burst, row.allow_private, row.allowed_hosts) == (12.5, 2, None, ["shop.example.com"])
    assert row.changed_by.startswith("user:")
    page = reverse("admin:processes_connection_change", args=[row.pk])
    shown = admin.get(page).content.decode()
    assert "{{secrets.T}}" in shown
    assert "Calls per second now" in shown
    assert admin.post(page, {**SHOP, "rate": "7"}).status_code == 302
    assert Connection.objects.get().rate == 7
    lists = reverse("admin:processes_connection_changelist")
    for action, paused in (("pause", True), ("resume", False)):
        answer = admin.post(lists, {"action": action, "_selected_action": [row.pk]}, follow=True)
        assert "shop" in answer.content.decode()
        assert Connection.objects.get().paused is paused
    gone = reverse("admin:processes_connection_delete", args=[row.pk])
    assert admin.post(gone, {"post": "yes"}).status_code == 302
    assert not Connection.objects.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"authentication": '{"type": "bearer", "token": "literally"}'},
        {"url": "https://u:literally@h/"},
        {"allowed_hosts": '{"literally": 1}'},
        {"rate": "0"},
        {"burst": "0"},
        {"authentication": "[]"},
    ],
)
def test_what_cannot_be_is_told_at_the_form(admin: Client, change: dict[str, str]) -> None:
    answer = admin.post(reverse("admin:processes_connection_add"), {**SHOP, **change})
    assert answer.status_code == 200
    assert "error" in answer.content.decode()
    assert not Connection.objects.exists()


def test_a_secret_is_written_and_never_shown(admin: Client) -> None:
    add = reverse("admin:processes_secret_add")
    assert admin.post(add, {"name": "A", "value": " hunter22 "}).status_code == 302
    row = Secret.objects.get()
    assert secrets.resolve("{{secrets.A}}", {}) == " hunter22 "
    page = reverse("admin:processes_secret_change", args=[row.pk])
    for url in (page, reverse("admin:processes_secret_changelist")):
        shown = admin.get(url).content.decode()
        assert "hunter22" not in shown
        assert row.ciphertext not in shown
    # Not even what was just typed comes back with an error.
    assert "hunter33" not in admin.post(add, {"name": "not a name", "value": "hunter33"}).content.decode()
    assert admin.post(page, {"value": "correct horse"}).status_code == 302
    assert secrets.resolve("{{secrets.A}}", {}) == "correct horse"
    log = " ".join(f"{entry.change_message} {entry.object_repr}" for entry in LogEntry.objects.all())
    assert log
    assert "horse" not in log
    assert "hunter" not in log
    assert admin.post(reverse("admin:processes_secret_delete", args=[row.pk]), {"post": "yes"}).status_code == 302
    assert not Secret.objects.exists()


def test_without_a_key(admin: Client, settings: Any) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "FIELD_KEYS": []}
    answer = admin.post(reverse("admin:processes_secret_add"), {"name": "A", "value": "hunter22"})
    assert answer.status_code == 200
    assert "ORCHESTRATOR_FIELD_KEYS" in answer.content.decode()


def test_lists_cost_the_same_for_many(admin: Client, django_assert_max_num_queries: Any) -> None:
    for number in range(30):
        connections.put(f"c{number}", {}, by="user:ada")
        secrets.put(f"s{number}", "x")
    for model in ("connection", "secret"):
        with django_assert_max_num_queries(12):
            admin.get(reverse(f"admin:processes_{model}_changelist"))
