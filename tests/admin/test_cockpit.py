"""The cockpit: what is stuck, who works, how fast; live without loading anew, and cheap however much there is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from processes.admin.sections import SECTIONS, sections
from processes.admin.sparklines import Line, bars, lines
from processes.models import Connection, Gate, Incident, Job, Minute, ProcessDefinition, ProcessInstance
from processes.runtime import connections, user_tasks, workers
from tests.admin.conftest import deploy, fail, start
from tests.drawing import Drawing

INDEX = "admin:index"
MOST = 25
"""Queries of a page, whatever there is."""


def look(client: Client) -> Any:
    return client.get(reverse(INDEX)).context


def types(client: Client) -> dict[str, Any]:
    return {row.name: row for row in look(client)["queue"].types}


def ago(**columns: Any) -> None:
    Job.objects.filter(state="DUE").update(due_at=timezone.now() - timedelta(minutes=5), **columns)


# -- the queue ---------------------------------------------------------------------------------------------------------


def test_a_type_that_nobody_serves_is_told_first(admin: Client, order: ProcessDefinition) -> None:
    start(order)
    ago()
    assert [row.name for row in look(admin)["queue"].unserved] == ["charge-card"]
    assert "Nobody serves these jobs" in admin.get(reverse(INDEX)).content.decode()
    workers.beat("external-1", ["charge-card"])  # as a claim over REST does
    assert look(admin)["queue"].unserved == []
    assert types(admin)["charge-card"].served_by == 1


def test_work_for_people_and_work_for_later_is_nobodys_fault(admin: Client, order: ProcessDefinition) -> None:
    start(deploy(Drawing("people").start().service("sign", type=user_tasks.TYPE).end()))
    ago()
    start(order)
    Job.objects.filter(type="charge-card").update(due_at=timezone.now() + timedelta(hours=1))
    assert look(admin)["queue"].unserved == []
    assert types(admin)[user_tasks.TYPE].is_for_people


def test_every_number_leads_to_the_rows_that_it_counts(admin: Client, order: ProcessDefinition) -> None:
    for _ in range(3):
        start(order)
    fail(start(order))
    parked, held = Job.objects.filter(state="DUE").values_list("pk", flat=True)[:2]
    ago()
    Job.objects.filter(pk=parked).update(connection="shop", parked="paused")
    lease = timezone.now() + timedelta(minutes=1)
    Job.objects.filter(pk=held).update(state="CLAIMED", worker="w", lease_until=lease)
    row = types(admin)["charge-card"]
    for cell in (row.due, row.running, row.parked, row.failed):
        href = str(cell).split('href="')[1].split('"')[0].replace("&amp;", "&")
        assert f">{admin.get(href).context['cl'].result_count}</a>" in str(cell), href
    assert row.oldest == "5 min"
    assert row.is_old


def test_of_very_many_jobs_the_oldest_are_counted(
    admin: Client, order: ProcessDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        start(order)
    assert ">3</a>" in types(admin)["charge-card"].due
    monkeypatch.setattr("processes.admin.queue.MOST_JOBS", 2)
    assert ">2</a>" in types(admin)["charge-card"].due
    assert "there are more than are counted here" in admin.get(reverse(INDEX)).content.decode()


def test_connections_in_trouble_come_first(admin: Client) -> None:
    for name in ("a", "b", "c"):
        connections.put(name, {"url": f"https://{name}.example"}, by="user:ada")
    connections.pause("c", by="user:ada", reason="Maintenance")
    Gate.objects.filter(connection=Connection.objects.get(name="b")).update(breaker="OPEN", failures=[1.0, 2.0])
    found = look(admin)["connections"]
    assert [each["row"].name for each in found] == ["c", "b", "a"]
    assert found[0]["note"] == "Maintenance"
    assert found[1]["failures"] == 2


# -- the last hour -----------------------------------------------------------------------------------------------------


def test_the_last_hour_is_drawn_and_told(admin: Client, order: ProcessDefinition) -> None:
    at = timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=10)
    Minute.objects.create(at=at, instances=7, jobs=21, failures=2, median=1.5, p95=4.0)
    html = admin.get(reverse(INDEX)).content.decode()
    assert 'aria-label="instances ended a minute: 7 in the last hour, 7 at most"' in html
    assert "1.5 s" in html
    assert html.count('class="spark"') == 6
    assert 'id="failing"' not in html
    assert 'id="times"' not in html


TIMES = {"charge-card": {"waited": {"7": 9, "48": 1}, "worked": {"-8": 10}, "completed": 8, "failed": 2}}
FAILED = {
    "0f3a9c1b2d4e5f60": {
        "process": "order",
        "element": "charge",
        "type": "charge-card",
        "message": "503 <Service Unavailable>",
        "last": "2030-01-31T12:00:00+00:00",
        "count": 2,
    }
}


def minute(minutes_ago: int, **columns: Any) -> None:
    at = timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=minutes_ago)
    Minute.objects.create(at=at, **{"times": TIMES, "failed": FAILED, **columns})


def test_what_fails_is_told_by_what_is_alike(admin: Client, order: ProcessDefinition) -> None:
    fail(start(order))
    like = Incident.objects.get().fingerprint
    minute(9, failed={like: {**FAILED["0f3a9c1b2d4e5f60"], "message": "an older one"}})
    minute(3, failed={like: FAILED["0f3a9c1b2d4e5f60"]})
    (one,) = look(admin)["failing"]
    assert (one.count, one.type, one.element_id, one.message) == (
        "4",
        "charge-card",
        "charge",
        "503 <Service Unavailable>",
    )
    assert "503 &lt;Service Unavailable&gt;" in admin.get(reverse(INDEX)).content.decode()
    assert [row.fingerprint for row in admin.get(one.href).context["cl"].result_list] == [like]


def test_how_long_jobs_waited_and_took_is_told_by_type(admin: Client) -> None:
    minute(9)
    minute(3)
    (one,) = look(admin)["times"]
    assert (one.type, one.completed, one.failed) == ("charge-card", "16", "4")
    assert (one.waited, one.waited_p95, one.worked) == ("2.0 s", "2 min", "489 ms")
    waited, worked = look(admin)["paces"][-2:]
    assert (waited.number, waited.note) == ("2.0 s", "median, and 2 min for 95 of 100")
    assert worked.drawing.count("M") == 4, "a median and a 95th percentile, of two minutes apart"


def test_only_who_may_sees_what_fails_and_what_it_says(staff: Callable[..., Client]) -> None:
    minute(3)
    context = look(staff("view_processinstance"))
    assert (context["times"], context["failing"]) == ([], [])


def test_bars_are_as_tall_as_they_are_many() -> None:
    drawn = str(bars([0, 5, 10], "told"))
    assert drawn.count("<rect") == 2
    assert 'height="20.00"' in drawn
    assert 'height="40.00"' in drawn
    assert 'aria-label="told"' in drawn


def test_a_line_has_a_gap_where_there_is_nothing() -> None:
    drawn = str(lines([Line("p95", [1.0, 2.0, None, 4.0])], "told"))
    assert drawn.count("M") == 2
    assert str(lines([], "nothing")).count("<path") == 0


# -- live --------------------------------------------------------------------------------------------------------------


def test_an_unchanged_cockpit_is_not_sent_again(admin: Client, order: ProcessDefinition) -> None:
    first = admin.get(reverse("admin:cockpit"))
    assert first.status_code == 200
    again = admin.get(reverse("admin:cockpit"), headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["HX-Reswap"]) == (304, b"", "none")
    start(order)
    changed = admin.get(reverse("admin:cockpit"), headers={"If-None-Match": first["ETag"]})
    assert changed.status_code == 200
    assert changed["ETag"] != first["ETag"]
    sent = re.search(r"hx-headers='(.*?)'", changed.content.decode())
    assert sent is not None
    assert json.loads(sent[1]) == {"If-None-Match": changed["ETag"]}, "the next look is about what it shows now"


def test_who_is_logged_out_is_told_to_load_the_page(client: Client, db: None) -> None:
    answer = client.get(reverse("admin:cockpit"))
    assert (answer.status_code, answer["HX-Refresh"]) == (204, "true")


def test_everybody_sees_what_they_may(staff: Callable[..., Client], order: ProcessDefinition) -> None:
    start(order, variables={"iban": "CONFIDENTIAL"})
    context = look(staff("view_connection"))
    assert "queue" not in context
    assert "paces" not in context
    assert context["tiles"] == []


# -- the way -----------------------------------------------------------------------------------------------------------


def test_a_newcomer_is_led_from_nothing_to_the_first_instance(admin: Client) -> None:
    html = admin.get(reverse(INDEX)).content.decode()
    assert "Nothing is deployed yet" in html
    assert reverse("admin:processes_processdefinition_deploy") in html
    deploy(Drawing("order").start().service("t", type="t").end())
    assert "Nothing has been started yet" in admin.get(reverse(INDEX)).content.decode()
    for model in ("processinstance", "job", "incident", "message", "worker", "connection", "secret"):
        html = admin.get(reverse(f"admin:processes_{model}_changelist")).content.decode()
        assert 'class="nothing-yet"' in html, model
        assert "There is nothing here yet." not in html, model
    start(ProcessDefinition.objects.get())
    assert "yet" not in admin.get(reverse(INDEX)).content.decode().split('id="pace"')[0].split('id="cockpit"')[1]


def test_an_empty_filter_leads_back_to_all(admin: Client, order: ProcessDefinition) -> None:
    html = admin.get(reverse("admin:processes_processinstance_changelist"), {"state": "COMPLETED"}).content.decode()
    assert "Nothing matches" in html


def test_every_page_of_ours_is_in_a_section(admin: Client) -> None:
    listed = look(admin)["app_list"]
    assert [section["name"] for section in listed] == list(SECTIONS)
    assert all(model["hint"] for section in listed for model in section["models"])
    stray = {"name": "Elsewhere", "app_label": "x", "app_url": "/x/", "models": [{"object_name": "Thing"}]}
    assert [each["name"] for each in sections([stray])] == ["Elsewhere"]


# -- costs -------------------------------------------------------------------------------------------------------------


def test_every_page_costs_few_queries_in_a_database_that_is_lived_in(admin: Client) -> None:
    call_command("seed_instances", finished=200, running=100, yes=True, stdout=StringIO())
    workers.beat("worker-1", ["charge-card"])
    connections.put("shop", {"url": "https://shop.example"}, by="user:ada")
    urls = [reverse(INDEX), reverse("admin:cockpit")]
    urls += [model["admin_url"] for section in look(admin)["app_list"] for model in section["models"]]
    page = "admin:processes_processinstance_change"
    urls += [reverse(page, args=[row.pk]) for row in ProcessInstance.objects.order_by("?")[:10]]
    for url in urls:
        with CaptureQueriesContext(connection) as queries:
            assert admin.get(url).status_code == 200
        # The page of an instance has many parts, each with a query; see `test_costs`.
        assert len(queries) <= (30 if url.endswith("/change/") else MOST), (url, len(queries))
