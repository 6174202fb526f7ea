"""Mass recovery by an operator: like with like, a look ahead, with care, and what came of each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from processes.models import Batch, Incident, ProcessDefinition
from processes.runtime import batches
from processes.runtime.incidents import Selection
from tests.admin.conftest import complete, deploy, fail, said, start
from tests.drawing import Drawing

LIST = "/admin/processes/incident/"
RECOVER = "/admin/processes/batch/recover/"
CARE = {"reason": "the bank is back", "retries": "1", "canaries": "2", "stop_at": "10", "rate": "20"}


def page(batch: Batch, part: str = "change") -> str:
    return reverse(f"admin:processes_batch_{part}", args=[batch.pk])


@pytest.fixture
def stuck(order: ProcessDefinition) -> list[Incident]:
    """Three alike, one of another sort; oldest first."""
    for number in range(3):
        fail(start(order), f"order {number} is unknown")
    fail(start(order), "timed out")
    return list(Incident.objects.order_by("id"))


def test_like_with_like_leads_to_its_list_and_to_its_recovery(admin: Client, stuck: list[Incident]) -> None:
    response = admin.get(LIST)
    assert [(group["count"], group["element"]) for group in response.context["groups"]] == [
        ("3", "charge"),
        ("1", "charge"),
    ]
    group = response.context["groups"][0]
    listed = admin.get(group["list"])
    assert {row.pk for row in listed.context["cl"].result_list} == {row.pk for row in stuck[:3]}
    assert group["recover"] in response.content.decode()
    assert admin.get(group["recover"]).context["found"] == "3"
    assert "groups" not in admin.get(LIST, {"open": "no"}).context


@pytest.mark.parametrize(
    ("filters", "places"),
    [
        ({"process": "order", "version": "1"}, [0, 1, 2, 3]),
        ({"process": "order", "version": "2"}, []),
        ({"age": "10m"}, [1, 2, 3]),
        ({"age": "over1h"}, [0]),
        ({"error_code": "503"}, [1]),
        ({"kind__exact": "INTERNAL"}, []),
        ({"element": "charge", "job_type": "charge-card"}, [0, 1, 2, 3]),
    ],
)
def test_a_filter_finds_the_same_as_a_recovery_of_it(
    admin: Client, stuck: list[Incident], filters: dict[str, str], places: list[int]
) -> None:
    Incident.objects.filter(pk=stuck[0].pk).update(raised_at=timezone.now() - timedelta(hours=2))
    Incident.objects.filter(pk=stuck[1].pk).update(error_code="503")
    listed = {row.pk for row in admin.get(LIST, filters).context["cl"].result_list}
    assert listed == {stuck[place].pk for place in places}
    assert admin.get(RECOVER, filters).context["preview"].found == len(places)


def test_a_recovery_is_looked_at_and_begun(admin: Client, stuck: list[Incident]) -> None:
    url = f"{RECOVER}?fingerprint={stuck[0].fingerprint}"
    looked = admin.get(url)
    (ahead,) = looked.context["ahead"]
    assert ahead.sentences == [("", "The job of type charge-card is due again, 2 tries.")]
    assert [pk for _, pk in ahead.links] == [stuck[2].pk, stuck[0].pk, stuck[1].pk]
    assert not Batch.objects.exists()
    response = admin.post(url, {**CARE, "variables": '{"checked": true}'}, follow=True)
    batch = Batch.objects.get()
    assert response.redirect_chain[-1][0] == page(batch)
    assert (batch.canaries, batch.stop_at, batch.rate, batch.reason) == (2, 10, 20, "the bank is back")
    assert batch.instructions["variables"] == {"checked": True}
    assert batch.created_by == "user:root"
    assert said(response) == [f"Batch {batch.pk} was created; sweepers carry it out from now on."]


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"reason": ""}, "reason"),
        ({"retries": "0"}, "retries"),
        ({"canaries": "-1"}, "canaries"),
        ({"stop_at": "101"}, "stop_at"),
        ({"rate": "0"}, "rate"),
        ({"variables": "[1]"}, "variables"),
    ],
)
def test_what_is_typed_wrong_begins_nothing(
    admin: Client, stuck: list[Incident], typed: dict[str, str], field: str
) -> None:
    response = admin.post(RECOVER, {**CARE, "variables": "{}", **typed})
    assert response.status_code == 200
    assert set(response.context["form"].errors) == {field}
    assert not Batch.objects.exists()


def test_nothing_that_fits_is_told(admin: Client, stuck: list[Incident]) -> None:
    url = f"{RECOVER}?process=nobody"
    assert "No open incident fits any more." in admin.get(url).content.decode()
    assert "[batch-empty]" in said(admin.post(url, {**CARE, "variables": "{}"}))[0]


def test_ticked_ones_and_all_that_fit_become_a_recovery(admin: Client, stuck: list[Incident]) -> None:
    ticked = {"action": "recover_selected", "_selected_action": [stuck[0].pk, stuck[3].pk]}
    url = admin.post(LIST, ticked)["Location"]
    admin.post(url, {**CARE, "variables": "{}"})
    batch = Batch.objects.get()
    assert set(batch.items.values_list("incident_id", flat=True)) == {stuck[0].pk, stuck[3].pk}
    across = {**ticked, "select_across": "1"}
    assert admin.post(f"{LIST}?element=charge", across)["Location"] == f"{RECOVER}?element=charge"
    assert said(admin.post(f"{LIST}?q=order", across, follow=True))[-1].startswith("Not done: Expected filters")


def test_more_than_some_are_not_retried_while_one_waits(admin: Client, stuck: list[Incident], monkeypatch: Any) -> None:
    from processes.admin import incidents

    monkeypatch.setattr(incidents, "MOST_AT_ONCE", 3)
    chosen = {"action": "retry_selected", "_selected_action": ["1"], "select_across": "1"}
    assert "recover them as a batch" in said(admin.post(LIST, chosen, follow=True))[0]
    assert Incident.objects.filter(ended_at=None).count() == 4


ADD = ["add_batch", "view_batch", "view_incident"]


@pytest.mark.parametrize(
    ("permissions", "status"),
    [
        ([*ADD, "change_incident"], 200),
        ([*ADD, "change_processinstance"], 200),
        (ADD, 403),
        (["change_incident", "view_batch", "view_incident"], 403),
    ],
)
def test_who_may_recover_many(
    staff: Callable[..., Client], stuck: list[Incident], permissions: list[str], status: int
) -> None:
    client = staff(*permissions)
    assert client.get(RECOVER).status_code == status
    assert client.post(RECOVER, CARE).status_code == (302 if status == 200 else 403)
    assert client.get(LIST).context["may_recover"] is (status == 200)
    shown = client.get(LIST).content.decode()
    assert (RECOVER in shown) is (status == 200)


def test_variables_need_the_right_to_set_them(staff: Callable[..., Client], stuck: list[Incident]) -> None:
    client = staff(*ADD, "change_incident")
    assert "variables" not in client.get(RECOVER).context["form"].fields
    client.post(RECOVER, {**CARE, "variables": '{"x": 1}'})
    assert Batch.objects.get().instructions["variables"] == {}


def test_who_may_turn_a_batch(staff: Callable[..., Client], stuck: list[Incident]) -> None:
    batch = batches.retry(Selection(), variables={"x": 1})
    client = staff("view_batch", "change_batch", "change_incident")
    assert client.post(page(batch, "pause")).status_code == 302
    assert page(batch, "resume") not in client.get(page(batch)).content.decode()
    assert client.post(page(batch, "resume")).status_code == 403
    assert client.post(page(batch, "cancel")).status_code == 302
    batch.refresh_from_db()
    assert batch.state == "CANCELLED"


def test_reading_alone_changes_nothing(staff: Callable[..., Client], stuck: list[Incident]) -> None:
    batch = batches.retry(Selection())
    client = staff("view_batch")
    html = client.get(page(batch)).content.decode()
    for verb in ("pause", "resume", "cancel"):
        assert page(batch, verb) not in html
        assert client.post(page(batch, verb)).status_code == 403


def test_the_page_follows_and_tells_what_came_of_each(admin: Client, stuck: list[Incident]) -> None:
    batch = batches.retry([row.pk for row in stuck[:3]], retries=1)
    batches.carry_on()
    html = admin.get(page(batch)).content.decode()
    assert f'hx-get="{page(batch, "progress")}"' in html
    complete(stuck[0].instance)
    fail(stuck[1].instance, "still unknown")
    Batch.objects.update(watch_at=timezone.now(), due_at=timezone.now())
    batches.carry_on()
    part = admin.get(page(batch, "progress"))
    assert {each["label"]: each["number"] for each in part.context["parts"]} == {
        "Recovered": "1", "Failed again": "1", "Rejected": "0", "Retried": "1", "Pending": "0"
    }  # fmt: skip
    assert "<html" not in part.content.decode()
    again = Incident.objects.get(instance=stuck[1].instance, ended_at=None)
    failed = admin.get(page(batch), {"state": "FAILED_AGAIN"})
    (row,) = failed.context["rows"]
    assert (row["row"].incident_id, row["message"]) == (stuck[1].pk, "still unknown")
    assert reverse("admin:processes_incident_change", args=[again.pk]) in row["result"]
    assert admin.get(page(batch), {"state": "NONSENSE"}).status_code == 404
    Batch.objects.update(state="COMPLETED", ended_at=timezone.now(), watch_at=None)
    assert "hx-get" not in admin.get(page(batch, "progress")).content.decode()


def test_items_are_turned_page_by_page(admin: Client, stuck: list[Incident], monkeypatch: Any) -> None:
    from processes.admin import batches as room

    monkeypatch.setattr(room, "ROWS", 3)
    batch = batches.retry([row.pk for row in stuck])
    first = admin.get(page(batch))
    assert len(first.context["rows"]) == 3
    second = admin.get(first.context["next"])
    assert [row["row"].incident_id for row in second.context["rows"]] == [stuck[3].pk]
    assert (second.context["next"], bool(second.context["first"])) == ("", True)


def test_the_page_of_an_incident_says_what_was_tried_and_what_a_retry_does(admin: Client) -> None:
    definition = deploy(Drawing("order").start().service("charge", type="charge-card").end())
    fail(start(definition))
    incident = Incident.objects.get()
    response = admin.get(reverse("admin:processes_incident_change", args=[incident.pk]))
    assert response.context["ahead"] == [("", "The job of type charge-card is due again, 3 tries.")]
    html = response.content.decode()
    assert "What was sent and answered in the last attempt" in html
    assert "https://pay.example" in html
    assert f"fingerprint={incident.fingerprint}" in html
    stuck_at_once = deploy(Drawing("typed").start().service("a", type="=kind").end())
    start(stuck_at_once)
    incident = Incident.objects.latest("pk")
    ((weight, sentence),) = admin.get(reverse("admin:processes_incident_change", args=[incident.pk])).context["ahead"]
    assert weight == "loud"
    assert sentence.startswith("It comes back at once: Expected the type of the job")


def test_pages_cost_the_same_for_many(admin: Client, order: ProcessDefinition) -> None:
    costs = []
    for count in (3, 30):
        for number in range(count):
            fail(start(order), f"order {number} is unknown")
        batch = batches.retry(Selection())
        while batches.carry_on():
            pass
        costs.append([])
        for url in (LIST, RECOVER, page(batch), page(batch, "progress"), "/admin/processes/batch/"):
            with CaptureQueriesContext(connection) as queries:
                assert admin.get(url).status_code == 200
            costs[-1].append(len(queries))
    # A preview rehearses up to five, a few statements each.
    assert [costs[1][0], *costs[1][2:]] == [costs[0][0], *costs[0][2:]]
    assert max(costs[1]) <= 40
