"""Every page opens, for every kind of row, and shows what an operator asks: what is stuck, why, since when."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin import site
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from processes.models import Incident, Job, Message, ProcessDefinition, ProcessInstance, Worker
from processes.runtime import batches, definitions, documents, jobs, lifecycle, messages, replies, settlement, workers
from processes.runtime.incidents import Selection
from tests.admin.conftest import claim, complete, deploy, fail, fail_and_wait, start
from tests.decisions import decisions, literal
from tests.drawing import Drawing

EDITED = {"Connection", "InboundBinding", "Secret"}
"""What operators configure is written at forms; see `test_connections`."""
ALL = [model for model in site._registry if model._meta.app_label == "processes"]
OURS = [model for model in ALL if model.__name__ not in EDITED]
"""Rows that the runtime alone makes."""


def page(row: Any) -> str:
    return reverse(f"admin:processes_{row._meta.model_name}_change", args=[row.pk])


@pytest.fixture
def everything(order: ProcessDefinition, django_capture_on_commit_callbacks: Any) -> ProcessDefinition:
    """A row of every kind: running, waiting, failed, completed, with a timer, a message and a sub-process."""
    for _ in range(2):
        fail(start(order))
        complete(start(order))
        fail_and_wait(start(order))
    inner = Drawing("inner").start("inner_start").service("inner_task", type="inner").end("inner_end")
    waiting = Drawing("waiting").start().parallel("fork").sub_process("packing", inner).parallel("join").end()
    waiting.at("fork").message("picked", "picked", "=orderId").to("join")
    waiting.on_timer("packing", "late", "PT1H", interrupting=False).end("hurried")
    start(deploy(waiting), variables={"orderId": "O-1"})
    with django_capture_on_commit_callbacks(execute=True):
        messages.publish("picked", correlation_key="O-1", variables={"by": "DHL"}, by="user:ada")
    messages.publish("nobody waits", ttl=timedelta(hours=1), by="user:ada")
    workers.beat("worker-1", ["charge-card"])
    (asked,) = jobs.claim(["inner"], worker="worker-1")
    replies.expect(asked, "awaited-1", channel="answers", until=timezone.now() + timedelta(hours=1))
    definitions.deploy(decisions(literal("dish", '"Stew"')))
    replies.receive("early-1", settlement.Responded({"body": 1}), channel="answers")
    batches.restart([ProcessInstance.objects.earliest("pk").pk])
    batches.carry_on()
    batches.retry(list(Incident.objects.values_list("pk", flat=True)), canaries=1, reason="the bank is back")
    return order


def test_nobody_adds_changes_or_deletes_a_row(admin: Client, rf: Any) -> None:
    request = rf.get("/")
    request.user = admin.get(reverse("admin:index")).context["user"]
    assert {model.__name__ for model in OURS} == {
        "Action", "AwaitedReply", "Batch", "DecisionDefinition", "EarlyReply", "Incident", "Job", "Message",
        "ProcessDefinition", "ProcessInstance", "Worker",
    }  # fmt: skip
    for model in OURS:
        registered = site._registry[model]
        assert not registered.has_add_permission(request), model
        assert not registered.has_change_permission(request), model
        assert not registered.has_delete_permission(request), model
        assert "delete_selected" not in registered.get_actions(request), model
        assert registered.show_full_result_count is False, model


def test_every_list_and_every_page_opens(admin: Client, everything: ProcessDefinition) -> None:
    assert admin.get(reverse("admin:index")).status_code == 200
    assert admin.get(reverse("admin:app_list", args=["processes"])).status_code == 200
    for model in OURS:
        assert admin.get(reverse(f"admin:processes_{model._meta.model_name}_changelist")).status_code == 200
        rows = list(model._default_manager.all())
        assert rows, model
        for row in rows:
            response = admin.get(page(row))
            assert response.status_code == 200, row
            assert admin.post(page(row), {"name": "x"}).status_code == 403


def test_every_filter_and_the_search_open(admin: Client, everything: ProcessDefinition) -> None:
    for model in ALL:
        url = reverse(f"admin:processes_{model._meta.model_name}_changelist")
        changelist = admin.get(url, {"q": "order"}).context["cl"]
        for spec in changelist.filter_specs:
            for choice in spec.choices(changelist):
                response = admin.get(url + choice["query_string"])
                assert response.status_code == 200, (model, spec, choice)


def test_a_row_that_does_not_exist_leads_back(admin: Client) -> None:
    for model in ALL:
        url = reverse(f"admin:processes_{model._meta.model_name}_change", args=[999])
        assert admin.get(url).status_code == 302


def test_the_list_says_where_an_instance_stands(admin: Client, everything: ProcessDefinition) -> None:
    html = admin.get(reverse("admin:processes_processinstance_changelist"), {"process": "waiting"}).content.decode()
    assert '<code class="element">inner_task</code>' in html
    assert '<code class="element">packing</code>' not in html  # what stands in it says more


def test_search_finds_by_id_and_by_the_beginning_of_the_business_key(admin: Client, order: ProcessDefinition) -> None:
    first, second = start(order, business_key="ORD-1-a"), start(order, business_key="ORD-2-b")
    url = reverse("admin:processes_processinstance_changelist")

    def found(term: str) -> set[int]:
        return {row.pk for row in admin.get(url, {"q": term}).context["cl"].result_list}

    assert found("ORD-2") == {second.pk}
    assert found("ORD") == {first.pk, second.pk}
    assert found(f" {first.pk} ") == {first.pk}
    assert found("9" * 40) == found("nothing") == set()


def test_the_filters_of_instances(admin: Client, order: ProcessDefinition) -> None:
    failed, done, running = start(order), start(order), start(order)
    fail(failed)
    complete(done)
    url = reverse("admin:processes_processinstance_changelist")

    def found(**filters: str) -> set[int]:
        return {row.pk for row in admin.get(url, filters).context["cl"].result_list}

    assert found(incident="yes") == {failed.pk}
    assert found(incident="no") == {done.pk, running.pk}
    assert found(state="live") == {failed.pk, running.pk}
    assert found(state="COMPLETED", process="order", version="1") == {done.pk}
    assert found(process="order", version="2") == set()


def test_the_page_of_a_failed_instance_tells_why_and_what_was_tried(admin: Client, order: ProcessDefinition) -> None:
    instance = start(order, variables={"amount": Decimal("12.50"), "total": Decimal("1234567890.123456789012345")})
    fail(instance, "503 from the <bank>")
    response = admin.get(page(instance))
    html = response.content.decode()
    assert "503 from the &lt;bank&gt;" in html
    assert '<code class="value">12.50</code>' in html
    assert "1234567890.123456789012345" in html
    assert "https://pay.example" in html  # the journal of the attempt
    assert "by worker:worker-1" in html
    assert "<svg" in html
    assert [incident["row"].kind for incident in response.context["incidents"]] == ["JOB_NO_RETRIES"]
    assert "as attempt 2 of type charge-card" in html  # what Retry will do
    assert "A job of type charge-card was created for charge" in html


def test_the_page_of_an_ended_instance_offers_to_begin_it_again_and_nothing_else(
    admin: Client, order: ProcessDefinition
) -> None:
    instance = start(order)
    complete(instance, receipt="R-1")
    assert 'hx-trigger="every 3s"' in admin.get(page(start(order))).content.decode()
    html = admin.get(page(instance)).content.decode()
    assert "R-1" in html
    verbs = html.partition('class="verbs"')[2].partition("</div>")[0]
    assert verbs.count("href=") == 1
    assert f"/{instance.pk}/restart/" in verbs
    assert "<form" not in html.partition('id="content-main"')[2]
    assert "hx-trigger" not in html


def test_a_long_history_is_read_page_by_page(admin: Client, order: ProcessDefinition) -> None:
    from processes.runtime import instances

    instance = start(order)
    for number in range(110):
        instances.set_variables(instance.pk, {"n": number}, by="user:ada")
    first = admin.get(page(instance))
    assert [step["row"].number for step in first.context["steps"]] == list(range(111, 11, -1))
    older = admin.get(page(instance), {"before": first.context["older"]})
    assert [step["row"].number for step in older.context["steps"]] == list(range(11, 0, -1))
    assert older.context["older"] is None
    assert admin.get(page(instance), {"before": "9" * 30}).status_code == 200


def test_open_incidents_come_first_and_ended_ones_are_a_filter_away(admin: Client, order: ProcessDefinition) -> None:
    from processes.runtime import incidents

    resolved, opened = start(order), start(order)
    fail(resolved)
    fail(opened)
    incidents.resolve(Incident.objects.get(instance=resolved).pk, by="user:ada")
    url = reverse("admin:processes_incident_changelist")

    def found(**filters: str) -> set[int]:
        return {row.instance_id for row in admin.get(url, filters).context["cl"].result_list}

    assert found() == {opened.pk}
    assert found(open="no") == {resolved.pk}
    assert found(open="all") == {opened.pk, resolved.pk}
    assert found(element="charge", job_type="charge-card", kind__exact="JOB_NO_RETRIES") == {opened.pk}
    assert found(element="other") == set()


def test_the_index_counts_what_matters_and_leads_there(admin: Client, everything: ProcessDefinition) -> None:
    Job.objects.filter(state="DUE").update(due_at=timezone.now() - timedelta(minutes=5))
    Worker.objects.create(name="gone", types=[], started_at=timezone.now(), seen_at=timezone.now() - timedelta(hours=1))
    response = admin.get(reverse("admin:index"))
    tiles = {tile.label: tile for tile in response.context["tiles"]}
    assert tiles["with incidents"].number == "2"
    assert tiles["workers alive"].number == "1"
    assert tiles["due jobs"].number == str(Job.objects.filter(state="DUE").count())
    assert tiles["running"].number == str(ProcessInstance.objects.filter(state="ACTIVE").count())
    for tile in tiles.values():
        listed = admin.get(tile.href).context["cl"]
        assert tile.number == str(listed.result_count), tile
    [trouble] = response.context["troubles"]
    assert (trouble.count, trouble.kind, trouble.element_id) == ("2", "No retries left", "charge")
    assert admin.get(trouble.href).context["cl"].result_count == 2


def test_the_count_of_a_page_stops_early(admin: Client, order: ProcessDefinition, monkeypatch: Any) -> None:
    monkeypatch.setattr("processes.admin.base.COUNTED", 3)
    for _ in range(5):
        start(order)
    html = admin.get(reverse("admin:processes_processinstance_changelist")).content.decode()
    assert "more than 3 process instances" in " ".join(html.split())


def test_a_model_that_cannot_be_drawn_does_not_close_the_page(
    admin: Client, order: ProcessDefinition, monkeypatch: Any
) -> None:
    def broken(*_: Any) -> str:
        raise ValueError("no ink")

    monkeypatch.setattr("processes.runtime.drawings.drawing", broken)
    instance = start(order)
    for row in (order, instance):
        response = admin.get(page(row))
        assert response.status_code == 200
        assert "could not be drawn" in response.content.decode()


def test_messages_tell_whom_they_reached(admin: Client, everything: ProcessDefinition) -> None:
    reached = Message.objects.get(name="picked")
    html = admin.get(page(reached)).content.decode()
    assert f"waiting {ProcessInstance.objects.get(process_id='waiting').pk}</a>" in html
    assert "None so far." in admin.get(page(Message.objects.get(name="nobody waits"))).content.decode()


def test_the_documents_of_an_instance_are_a_download_away(
    admin: Client, order: ProcessDefinition, staff: Callable[..., Client]
) -> None:
    instance = start(order)
    assert 'id="documents"' not in admin.get(page(instance)).content.decode()
    job = claim(instance)
    stored = documents.store(job.id, job.attempt, b"\0\xff", "image/png", "<plan>.png")
    told = admin.get(page(instance)).content.decode()
    assert "&lt;plan&gt;.png" in told
    href = f"/api/v1/documents/{stored.pk}/content"
    assert f'<a href="{href}" download>' in told
    answer = admin.get(href)
    assert answer.content == b"\0\xff"
    assert answer["Content-Disposition"].startswith("attachment")
    # Who may see instances need not see what is in their documents.
    bob = staff("view_processinstance")
    assert 'id="documents"' not in bob.get(page(instance)).content.decode()
    assert bob.get(href).status_code == 403


def test_signals_and_conditions_that_are_waited_for_are_shown(admin: Client) -> None:
    drawing = Drawing().start().event_based("g").catch("told", ("signal", "prices-changed")).end("e1")
    row = start(deploy(drawing.at("g").catch("hot", ("conditional", "=heat > 9")).end("e2")))
    shown = admin.get(page(row)).content.decode()
    assert "prices-changed" in shown
    assert "=heat &gt; 9" in shown
    assert "not true" in shown
    assert "Nothing." not in shown


def test_what_begins_a_process_is_shown_and_what_is_kept_for_it(
    admin: Client, django_capture_on_commit_callbacks: Any
) -> None:
    drawing = Drawing("deal").start_on("both", ("message", "ordered"), ("message", "paid"), parallelMultiple="true")
    definition = deploy(drawing.end().start_on("hot", ("conditional", "=heat > 30")).end("end2"))
    with django_capture_on_commit_callbacks(execute=True):
        published = messages.publish("ordered", correlation_key="7")
    text = admin.get(page(definition)).content.decode()
    assert "message paid at <code>both</code>" in text
    assert "condition at <code>hot</code>" in text
    assert "ordered with the key “7”" in text
    assert "None so far" in admin.get(page(published.message)).content.decode()


def test_an_instance_is_taken_along_by_who_is_logged_in(staff: Callable[..., Client], order: ProcessDefinition) -> None:
    instance = start(order)
    client = staff("view_processinstance", "view_step")
    html = client.get(page(instance)).content.decode()
    files = re.findall(r'href="(/api/v1/process-instances/[^"]+)"', html)
    assert [file.rpartition("/")[2] for file in files] == [
        "drawing", "drawing.png", "history.json", "history.csv", "trace.json"
    ]  # fmt: skip
    assert [client.get(file).status_code for file in files] == [200] * 5
    assert "Edit in the modeler" not in html, "that deploys, and not everybody may"


def test_what_started_before_a_moment_is_read_from_there(admin: Client, order: ProcessDefinition) -> None:
    late, early = start(order), start(order)
    for row, hour in ((late, 2), (early, 1)):
        ProcessInstance.objects.filter(pk=row.pk).update(started_at=datetime(2026, 1, 1, hour, tzinfo=UTC))
    page = reverse("admin:processes_processinstance_changelist")
    shown = admin.get(page, {"started_at__lt": "2026-01-02 00:00:00+00:00"})
    assert [row.pk for row in shown.context["cl"].result_list] == [late.pk, early.pk]
    assert [row.pk for row in admin.get(page).context["cl"].result_list] == [early.pk, late.pk]


def test_the_history_is_offered_to_who_may_take_it(staff: Callable[..., Client], order: ProcessDefinition) -> None:
    html = staff("view_processinstance").get(page(start(order))).content.decode()
    assert "history.json" not in html
    assert "history.csv" not in html
    assert "trace.json" in html


def starts(client: Client, **query: str) -> list[str]:
    html = client.get(reverse("admin:processes_processinstance_changelist"), query).content.decode()
    return re.findall(r'<a href="([^"]+)" class="addlink">Start an instance', html)


def test_an_instance_is_started_from_the_list(admin: Client, order: ProcessDefinition) -> None:
    (chosen_first,) = starts(admin)
    assert chosen_first == reverse("admin:processes_processdefinition_changelist") + "?latest=yes"
    assert admin.get(chosen_first).status_code == 200
    newer = deploy(Drawing("order").start().service("charge", type="other").end())
    form = "admin:processes_processdefinition_start"
    assert starts(admin, process="order") == [reverse(form, args=[newer.pk])]
    lifecycle.suspend(newer, by="user:ada")
    assert starts(admin, process="order") == [reverse(form, args=[order.pk])]
    assert admin.get(reverse(form, args=[order.pk])).status_code == 200


def test_the_way_to_start_is_for_who_may(staff: Callable[..., Client], order: ProcessDefinition) -> None:
    client = staff("view_processinstance", "view_processdefinition")
    assert starts(client) == starts(client, process="order") == []


def test_who_may_start_and_not_look_at_definitions(staff: Callable[..., Client], order: ProcessDefinition) -> None:
    client = staff("view_processinstance", "add_processinstance")
    assert starts(client) == []
    assert starts(client, process="order") == [reverse("admin:processes_processdefinition_start", args=[order.pk])]


def test_a_new_batch_says_that_it_begins(admin: Client, order: ProcessDefinition) -> None:
    fail(start(order))
    batch = batches.retry(Selection(process_id="order"), by="user:ada")
    assert not batch.items.exists()
    address = reverse("admin:processes_batch_change", args=[batch.pk])

    def said(**query: str) -> str:
        html = admin.get(address, query).content.decode()
        found = re.findall(r'<p class="panel-body quiet">([^<]*)</p>', html[html.index('id="items"') :])
        return str(found[0]) if found else ""

    assert said().startswith("Nothing yet: a sweeper looks for what the batch is about")
    batches.pause(batch.pk)
    assert said() == "Nothing yet: the batch was paused before it was looked for what it is about."
    batches.resume(batch.pk)
    batches.carry_on()
    assert batch.items.count() == 1
    assert said() == ""
    assert said(state="REJECTED") == "None of 1 is rejected."
