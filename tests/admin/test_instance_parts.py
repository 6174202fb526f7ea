"""How a variable came to its value, and the attempts of jobs: told from the history, a page at a time."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from processes.admin import changes, curl, instance_parts
from processes.models import Job, ProcessDefinition, ProcessInstance
from processes.runtime import by_hand, instances, jobs
from tests.admin.conftest import claim, complete, deploy, fail, fail_and_wait, filled, said, start
from tests.drawing import Drawing


def url(word: str, instance: ProcessInstance, **query: Any) -> str:
    return reverse(f"admin:processes_processinstance_{word}", args=[instance.pk], query=query)


def set_to(instance: ProcessInstance, *values: Any, name: str = "n", **more: Any) -> None:
    for value in values:
        instances.set_variables(instance.pk, {name: value}, by="user:ada", **more)
    instance.refresh_from_db()


# -- variables ---------------------------------------------------------------------------------------------------------


def test_every_change_with_old_new_who_why_and_step(admin: Client, order: ProcessDefinition) -> None:
    instance = start(order, variables={"n": {"a": 1, "b": [1, 2]}, "N": 0})
    set_to(instance, {"a": 1, "b": [1, 3]}, reason="a typo")
    set_to(instance, 5, name="N")
    complete(instance, n=Decimal("1.50"))
    instance.refresh_from_db()
    found = changes.of(instance, 0, "n").changes
    assert [(change.step.number, change.step.by) for change in found] == [
        (4, "worker:worker-1"), (2, "user:ada"), (1, "user:ada"),
    ]  # fmt: skip
    assert [change.new for change in found] == [Decimal("1.50"), {"a": 1, "b": [1, 3]}, {"a": 1, "b": [1, 2]}]
    assert found[1].lines == [
        ("", '  "b": ['),
        ("", "    1,"),
        ("del", "    2"),
        ("ins", "    3"),
        ("", "  ]"),
        ("", "}"),
    ]
    assert found[2].old is changes.NOTHING
    html = admin.get(url("variable", instance, scope=0, name="n")).content.decode()
    assert "<del>-     2</del>" in html
    assert "<ins>+     3</ins>" in html
    assert "Reason: a typo" in html
    assert f"{url('change', instance)}?before=3#step-2" in html
    assert "Set another value" not in html, "it has ended"


@pytest.mark.parametrize(
    "name", ["with space", 'quo"te', "percent%_", "back\\slash", "ümlaut", "日本", "a" * 300, "<b>"]
)
def test_variables_of_any_name(admin: Client, order: ProcessDefinition, name: str) -> None:
    instance = start(order, variables={name: 1})
    set_to(instance, 2, name=name)
    assert [change.new for change in changes.of(instance, 0, name).changes] == [2, 1]
    assert admin.get(url("variable", instance, scope=0, name=name)).status_code == 200


def test_local_variables_begin_with_their_visit(admin: Client) -> None:
    inner = Drawing("inner").start("is").service("task", type="t").end("ie")
    instance = start(
        deploy(Drawing("box").start().sub_process("sub", inner, inputs={"n": "=7"}).end()), variables={"n": 1}
    )
    scope = instance.nodes.get(element_id="sub").key
    set_to(instance, 8, scope=scope)
    assert [(one.old, one.new) for one in changes.of(instance, scope, "n").changes] == [(7, 8), (changes.NOTHING, 7)]
    assert [one.new for one in changes.of(instance, 0, "n").changes] == [1]
    assert "sub (" in admin.get(url("change", instance)).content.decode().partition('id="variables"')[2]


def test_many_changes_are_read_page_by_page(
    admin: Client, order: ProcessDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "MOST", 3)
    monkeypatch.setattr(changes, "WINDOW", 10)
    instance = start(order, variables={"n": 0})
    set_to(instance, *range(1, 6))
    set_to(instance, *range(20), name="other")
    before: int | None = None
    seen: list[Any] = []
    for _ in range(20):
        page = changes.of(instance, 0, "n", before)
        seen += [change.new for change in page.changes]
        before = page.older
        if before is None:
            break
    assert list(dict.fromkeys(seen)) == [5, 4, 3, 2, 1, 0]
    response = admin.get(url("variable", instance, scope=0, name="n"))
    assert f"before={changes.of(instance, 0, 'n').older}" in response.content.decode()
    with CaptureQueriesContext(connection) as queries:
        admin.get(url("variable", instance, scope=0, name="n", before="9" * 30))
    assert len(queries) < 15


def test_set_one_variable_where_it_is_still_what_was_seen(admin: Client, order: ProcessDefinition) -> None:
    instance = start(order, variables={"n": Decimal("1.50")})
    there = url("variable", instance, scope=0, name="n")
    data = filled(admin, there)
    assert data["value"] == "1.50"
    assert said(admin.post(there, data, follow=True)) == ["Nothing was changed: that is its value."]
    assert said(admin.post(there, {**data, "value": '"x"', "reason": "why"}, follow=True)) == ["Variable n was set."]
    instance.refresh_from_db()
    assert instance.variables == {"n": "x"}
    late = admin.post(there, {**data, "value": "7"})
    assert late.status_code == 422
    assert "[variables-changed]" in said(late)[0]
    assert "\n7</textarea>" in late.content.decode()
    assert "Expected a JSON value" in admin.post(there, {**data, "value": "{"}).content.decode()


@pytest.mark.parametrize("query", [{"scope": "x"}, {"scope": 99}, {"scope": "9" * 30}])
def test_scopes_that_are_none(admin: Client, order: ProcessDefinition, query: dict[str, Any]) -> None:
    assert admin.get(url("variable", start(order), name="n", **query)).status_code == 404


# -- attempts ----------------------------------------------------------------------------------------------------------


def test_attempts_of_jobs_that_are_gone_too(admin: Client, order: ProcessDefinition) -> None:
    instance = start(order)
    fail_and_wait(instance)
    Job.objects.update(due_at=instance.started_at)
    journal = {
        "request": {
            "method": "POST", "url": "https://pay.example/?key=***", "headers": {"Authorization": "Bearer ***"},
            "body": "it's {}", "bytes": 7,
        },
        "response": {"status": 200, "reason": "OK", "headers": {"X": ["1", "2"]}, "body": "<fine>", "bytes": 6},
        "timings": {"headers": 0.25, "total": 1.5},
    }  # fmt: skip
    job = claim(instance)
    jobs.complete(job.id, job.attempt, {}, by="worker:worker-1", journal=journal)
    response = admin.get(url("attempts", instance))
    newest, oldest = response.context["attempts"]
    assert (newest["attempt"], oldest["attempt"]) == (2, 1)
    assert "timed out" in oldest["why"]
    assert "1 left" in oldest["why"]
    assert newest["took"] == "1.5 s, 250 ms until the answer began"
    html = response.content.decode()
    for shown in ("Completed", "Tried again", "&lt;fine&gt;", "1, 2", "Bearer ***", "worker:worker-1"):
        assert shown in html
    assert newest["curl"].endswith("""--data-raw 'it'"'"'s {}'""")
    assert newest["hints"] == ["*** stands for a secret"]


def test_attempts_are_read_page_by_page(
    admin: Client, order: ProcessDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instance_parts, "MOST_ATTEMPTS", 2)
    instance = start(order)
    for _ in range(2):
        fail_and_wait(instance)
        Job.objects.update(due_at=instance.started_at)
    by_hand.complete_job(instance.pk, Job.objects.get().key, by="user:ada")
    node = instance.nodes.get(element_id="charge").key
    first = admin.get(url("attempts", instance, node=node))
    assert [one["attempt"] for one in first.context["attempts"]] == [3, 2]
    older = admin.get(url("attempts", instance, node=node, before=first.context["older"]))
    assert [one["attempt"] for one in older.context["attempts"]] == [1]
    assert older.context["older"] is None
    assert admin.get(url("attempts", instance, node=1)).context["attempts"] == []


ASKED = {
    "method": "POST",
    "url": "https://pay.example/a'b?[1]&x=$HOME",
    "headers": {"X-One": "it's; rm -rf `x`", "@/etc/passwd": "x", "Content-Length": "3", "Two": ["a\nb", "c"]},
    "body": '@file "$(x)" \\ \n end',
}


def test_a_request_as_curl_means_in_a_shell_what_was_sent() -> None:
    """The shell takes it apart again as it was, and curl is given nothing that it would open or expand."""
    command = curl.command(ASKED)
    asked = subprocess.run(
        ["sh", "-c", f"curl() {{ printf '%s\\0' \"$@\"; }}\n{command}"], capture_output=True, check=True
    )
    assert asked.stdout.decode().split("\0")[:-1] == shlex.split(command.replace("\\\n", ""))[1:]
    assert shlex.split(command.replace("\\\n", ""))[1:] == [
        "--globoff", "--request", "POST", ASKED["url"], "--header", "X-One: it's; rm -rf `x`", "--header", "Two: a b",
        "--header", "Two: c", "--data-raw", ASKED["body"],
    ]  # fmt: skip


@pytest.mark.parametrize("request_", [{}, {"method": "GET"}, {"url": "x"}, {"method": "SEND", "url": "amqp://host"}])
def test_what_was_no_http_has_no_curl(request_: dict[str, Any]) -> None:
    assert curl.command(request_) == ""


# -- who may see -------------------------------------------------------------------------------------------------------


def test_payload_is_hidden_from_who_may_not_see_it(staff: Callable[..., Client], order: ProcessDefinition) -> None:
    instance = start(order, variables={"n": "a private value"})
    fail(instance)
    looker = staff("view_processinstance", "view_job", "change_processinstance", "view_payload")
    shown = looker.get(url("change", instance)).content.decode()
    assert "a private value" in shown
    assert "https://pay.example" in shown
    User.objects.get(username="bob").user_permissions.remove(Permission.objects.get(codename="view_payload"))
    incident = instance.incidents.get()
    job = reverse("admin:processes_job_change", args=[Job.objects.get().pk])
    for address in (
        url("change", instance),
        url("attempts", instance),
        job,
        url("retry", instance, incident=incident.pk),
    ):
        html = looker.get(address).content.decode()
        assert "a private value" not in html, address
        assert "https://pay.example" not in html, address
    assert looker.get(url("variable", instance, scope=0, name="n")).status_code == 403
