"""Who may see what: four groups to begin with, and payload as a right of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from processes.models import Action, Connection, Incident, Job, Message, ProcessDefinition
from processes.runtime import connections, documents, groups, messages
from tests.admin.conftest import claim, fail, start

SECRET = "CONFIDENTIAL-4711"
SEEN = ["view_processinstance", "view_job", "view_incident", "view_message", "view_document"]


def rights(name: str) -> set[str]:
    return set(Group.objects.get(name=name).permissions.values_list("codename", flat=True))


@pytest.mark.django_db
def test_four_groups_are_there_after_a_migration() -> None:
    assert rights("viewer") < rights("operator") < rights("administrator")
    assert rights("viewer") < rights("deployer") < rights("administrator")
    assert "view_payload" in rights("operator") - rights("deployer") - rights("viewer")
    assert {"change_processinstance", "change_incident"} <= rights("operator") - rights("deployer")
    assert "add_processdefinition" in rights("deployer") - rights("operator")
    assert {"change_user", "change_secret", "view_action"} <= rights("administrator")
    for name, wanted in groups.GROUPS.items():
        assert rights(name) == wanted, "every permission that is named exists"


@pytest.mark.django_db
def test_what_an_administrator_changed_stays_changed() -> None:
    Group.objects.get(name="viewer").permissions.clear()
    Group.objects.get(name="deployer").delete()
    call_command("migrate", verbosity=0)
    assert rights("viewer") == set()
    assert rights("deployer") == groups.DEPLOYER
    assert groups.ensure() == []


@pytest.mark.django_db
def test_who_saw_instances_before_the_upgrade_goes_on_seeing_variables() -> None:
    view = Permission.objects.get(codename="view_processinstance")
    bob, eve, team = User.objects.create_user("bob"), User.objects.create_user("eve"), Group.objects.create(name="team")
    bob.user_permissions.add(view)
    team.permissions.add(view)
    migration = import_module("processes.migrations.0017_cockpit_rights_audit")
    migration.keep_what_was_seen(apps, None)
    assert bob.has_perm("processes.view_payload")
    assert team.permissions.filter(codename="view_payload").exists()
    assert not eve.has_perm("processes.view_payload")


@pytest.mark.django_db
def test_who_took_histories_along_before_the_upgrade_goes_on_doing_so() -> None:
    view = Permission.objects.get(codename="view_processinstance")
    bob, eve, team = User.objects.create_user("bob"), User.objects.create_user("eve"), Group.objects.create(name="team")
    bob.user_permissions.add(view)
    team.permissions.add(view)
    import_module("processes.migrations.0018_samples_and_history").keep_the_history(apps, None)
    assert bob.has_perm("processes.view_step")
    assert team.permissions.filter(codename="view_step").exists()
    assert not eve.has_perm("processes.view_step")


@pytest.fixture
def pages(order: ProcessDefinition) -> list[str]:
    """The pages on which something is worked on, each with the word that must be hidden."""
    failed = start(order, variables={"iban": SECRET})
    fail(failed)
    running = start(order, variables={"iban": SECRET})
    job = claim(running)
    documents.store(job.id, job.attempt, b"x", "text/plain", f"{SECRET}.txt")
    messages.publish("paid", variables={"iban": SECRET}, ttl=timedelta(hours=1))
    return [
        reverse("admin:processes_processinstance_change", args=[failed.pk]),
        reverse("admin:processes_processinstance_change", args=[running.pk]),
        reverse("admin:processes_job_change", args=[Job.objects.get(instance=running).pk]),
        reverse("admin:processes_incident_change", args=[Incident.objects.get().pk]),
        reverse("admin:processes_message_change", args=[Message.objects.get().pk]),
    ]


def test_without_the_right_no_page_shows_what_is_worked_on(staff: Callable[..., Client], pages: list[str]) -> None:
    client = staff(*SEEN)
    for page in pages:
        answer = client.get(page)
        assert answer.status_code == 200
        assert answer.context["may_see_payload"] is False
        assert SECRET not in answer.content.decode(), page
        assert "https://pay.example" not in answer.content.decode(), "the request of an attempt is payload"


def test_with_the_right_they_do(staff: Callable[..., Client], pages: list[str]) -> None:
    client = staff(*SEEN, "view_payload")
    shown = [client.get(page).content.decode() for page in pages]
    assert [SECRET in html for html in shown] == [True, True, False, False, True]
    assert "https://pay.example" in shown[0]


def test_a_superuser_sees_all(admin: Client, pages: list[str]) -> None:
    assert SECRET in admin.get(pages[0]).content.decode()


def test_a_viewer_finds_the_way(client: Client, order: ProcessDefinition) -> None:
    user: Any = User.objects.create_user("vera", is_staff=True)
    user.groups.add(Group.objects.get(name="viewer"))
    client.force_login(user)
    index = client.get(reverse("admin:index"))
    for section in index.context["app_list"]:
        for model in section["models"]:
            assert client.get(model["admin_url"]).status_code == 200
    assert "Deploy a file" not in client.get(reverse("admin:processes_processdefinition_changelist")).content.decode()


def test_who_pauses_says_why_and_it_is_on_the_page_of_actions(admin: Client) -> None:
    connections.put("shop", {"url": "https://shop.example"}, by="user:ada")
    lists = reverse("admin:processes_connection_changelist")
    assert 'name="reason"' in admin.get(lists).content.decode()
    for verb, why in (("pause", "Maintenance until ten"), ("resume", "They are back")):
        admin.post(lists, {"action": verb, "_selected_action": [Connection.objects.get().pk], "reason": why})
    actions = reverse("admin:processes_action_changelist")
    html = admin.get(actions).content.decode()
    assert "Maintenance until ten" in html
    assert "They are back" in html
    assert admin.get(actions, {"verb": "pause"}).context["cl"].result_count == 1
    assert admin.get(actions, {"q": "user:root"}).context["cl"].result_count == 2
    newest = Action.objects.first()
    assert newest is not None
    assert "They are back" in admin.get(reverse("admin:processes_action_change", args=[newest.pk])).content.decode()


def test_words_of_incidents_are_looked_for_in_the_newest(
    admin: Client, order: ProcessDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in ("old words", "new words"):
        fail(start(order), words)
    url = reverse("admin:processes_incident_changelist")
    assert admin.get(url, {"q": "words"}).context["cl"].result_count == 2
    monkeypatch.setattr("processes.admin.incidents.MOST_SEARCHED", 1)
    assert [row.message for row in admin.get(url, {"q": "words"}).context["cl"].result_list] == ["new words"]
