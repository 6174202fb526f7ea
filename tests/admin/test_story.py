"""The story of an instance in the admin: its timeline, its past, what is new of it, and who called whom."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from processes.admin.timeline import Ruler, lasted, parse_moment
from processes.models import ProcessInstance, Step
from processes.runtime import instances, jobs, past, timelines
from tests.admin.conftest import complete, deploy, fail, start
from tests.admin.eventful import Clock, play
from tests.admin.test_markup import EVIL, EVIL_ATTRIBUTE, inline
from tests.drawing import Drawing

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = ("timeline", "past", "live")


def url(word: str, row: ProcessInstance) -> str:
    return reverse(f"admin:processes_processinstance_{word}", args=[row.pk])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def spans(response: Any, label: str) -> list[tuple[str, str, bool]]:
    """What a line was spent with: look, how long, and whether it is aside."""
    (row,) = (row for row in response.context["rows"] if row["label"] == label)
    bars = [bar for bar in row["bars"] if bar]
    return [(each["look"], each["took"], bar.aside) for each, bar in zip(row["spans"], bars, strict=True)]


# -- timeline ----------------------------------------------------------------------------------------------------------


def test_a_timeline_tells_tries_pauses_waits_and_incidents(admin: Client, clock: Clock) -> None:
    response = admin.get(url("timeline", play(clock)))
    assert spans(response, "Charge the card") == [
        ("queued", "1.5 s", False), ("failed", "4.0 s", False), ("pause", "20.0 s", False),
        ("queued", "1.5 s", False), ("failed", "6.0 s", False), ("pause", "20.0 s", False),
        ("queued", "1.5 s", False), ("work", "3.0 s", False),
    ]  # fmt: skip
    assert spans(response, "cool") == [("timer", "1 min 47 s", False)]
    assert spans(response, "paid") == [("message", "1 min 17 s", False)]
    assert spans(response, "notify") == [("call", "6.5 s", False)]
    assert spans(response, "order") == [("suspended", "25.0 s", False)]
    ship = spans(response, "Hand to carrier")
    assert ("incident", "1 min", False) in ship
    assert [look for look, _, aside in ship if aside] == ["timer"], "the timer on the border"
    rows = {(row["label"], row["depth"]) for row in response.context["rows"]}
    assert {("pack", 0), ("Pick item", 1), ("Pick item", 2), ("Print label", 1)} <= rows
    html = response.content.decode()
    assert "attempt 1 failed: 503 Service Unavailable" in html
    assert "incident: no truck today; resolved by user:ada" in html
    assert inline(response) == []


def test_a_live_timeline_reaches_until_now(admin: Client, clock: Clock) -> None:
    stuck = play(clock, until="incident")
    response = admin.get(url("timeline", stuck))
    (row,) = (row for row in response.context["rows"] if row["label"] == "Hand to carrier")
    assert row["mood"] == "bad"
    assert row["took"].endswith("so far")
    assert response.context["until"] == clock.now


def test_many_visits_are_one_line_that_says_where_it_is_stuck(admin: Client) -> None:
    rounds = (
        Drawing("many").start().service("each", type="t", name="Each", retries=1).many("=for i in 1..20 return i").end()
    )
    row = start(deploy(rounds))
    done, failed = jobs.claim(["t"], worker="w", limit=2)
    jobs.complete(done.id, done.attempt, {}, by="w")
    jobs.fail(failed.id, failed.attempt, "no", by="w")
    (line,) = (each for each in admin.get(url("timeline", row)).context["rows"] if each["line"].count == 20)
    assert (line["label"], line["depth"], line["mood"]) == ("Each", 1, "bad")
    assert line["note"].startswith("p50 ")
    assert line["note"].endswith("19 live · 1 failed try · 1 incident")


def test_a_window_is_a_query_and_a_wrong_one_is_said(admin: Client, clock: Clock) -> None:
    row = play(clock)
    charge = row.nodes.get(element_id="charge")
    window = {"from": charge.entered_at.isoformat(), "to": (charge.ended_at - timedelta(seconds=1)).isoformat()}
    response = admin.get(url("timeline", row), window)
    assert [row["label"] for row in response.context["rows"]] == ["order", "ordered", "Charge the card"]
    (line,) = (row for row in response.context["rows"] if row["label"] == "Charge the card")
    assert (line["base"].x, line["base"].width) == ("0.000%", "100.000%")
    for wrong in (
        {"from": "soon"},
        {"to": "0001-01-01T00:00:00+23:59"},
        {"to": "0001-01-01T00:00:00"},
        {"from": window["to"], "to": window["from"]},
        {"to": "2026-13-01T00:00"},
    ):
        refused = admin.get(url("timeline", row), wrong)
        assert refused.status_code == 400
        assert "Expected" in refused.context["error"]


def test_every_way_to_look_at_more_or_less_leads_somewhere(admin: Client, clock: Clock) -> None:
    row = play(clock)
    middle = {
        "from": (clock.now - timedelta(seconds=90)).isoformat(),
        "to": (clock.now - timedelta(seconds=60)).isoformat(),
    }
    zooms = admin.get(url("timeline", row), middle).context["zooms"]
    assert [word for word, _, _ in zooms] == ["Whole", "Closer", "Wider", "Earlier", "Later"]
    for word, query, here in zooms:
        assert not here
        assert admin.get(url("timeline", row) + query).status_code == 200, word


@pytest.mark.parametrize("seconds", [0.001, 0.05, 3, 250, 5000, 86400, 40 * 86400, 5 * 365 * 86400])
def test_ticks_are_few_at_any_scale(seconds: float, clock: Clock) -> None:
    found = timelines.Timeline(
        began=clock.now, ended=None, now=clock.now, since=clock.now, until=clock.now + timedelta(seconds=seconds),
        lines=(), spans=(), cut=(),
    )  # fmt: skip
    ticks = Ruler(found).ticks()
    assert 1 <= len(ticks) <= 15
    assert all(0 <= float(place.rstrip("%")) <= 100 for place, _, _ in ticks)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0123, "12 ms"), (4, "4.0 s"), (107, "1 min 47 s"), (3600, "1 h"), (11100, "3 h 5 min"), (90000, "1 d 1 h")],
)
def test_durations_have_two_units(seconds: float, words: str) -> None:
    assert lasted(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize("text", ["2026-01-31T12:00:00", "2026-01-31T13:00:00+01:00", "2026-01-31T13:00:00 01:00"])
def test_moments_of_addresses(text: str) -> None:
    moment = parse_moment(text)
    assert moment is not None
    assert moment.timestamp() == 1769860800


# -- time travel -------------------------------------------------------------------------------------------------------


def classes(html: str, element: str) -> str:
    found = re.search(rf'<g class="([^"]*)" data-element-id="{element}"', html)
    return found.group(1) if found else ""


def test_every_step_is_shown_as_it_was(admin: Client, clock: Clock) -> None:
    row = play(clock)
    row.refresh_from_db()
    first = admin.get(url("past", row), {"step": 1}).content.decode()
    assert "is-active" in classes(first, "charge")
    assert "is-taken" not in classes(first, "charge-fork")
    assert "receipt" not in first
    paid = admin.get(url("past", row), {"step": 4})
    html = paid.content.decode()
    assert "is-visited" in classes(html, "charge")
    assert "is-taken" in classes(html, "charge-fork")
    assert "set by this step: receipt" in html
    assert (paid.context["previous"], paid.context["next"]) == (3, 5)
    failed = admin.get(url("past", row), {"step": 14}).content.decode()
    assert "is-failed" in classes(failed, "ship")
    last = admin.get(url("past", row))
    assert last.context["number"] == row.steps
    assert "is-active" not in re.sub(r"is-active[^<>]*\{", "", last.content.decode())
    for number in range(1, row.steps + 1):
        assert inline(admin.get(url("past", row), {"step": number})) == []


def test_htmx_gets_what_changes_only(admin: Client, clock: Clock) -> None:
    row = play(clock, until="retries")
    whole = admin.get(url("past", row), {"step": 2})
    part = admin.get(url("past", row), {"step": 2}, headers={"HX-Request": "true"})
    assert "<html" in whole.content.decode()
    assert part.content.decode().lstrip().startswith('<div id="past" data-step="2"')
    assert "HX-Request" in part["Vary"]


@pytest.mark.parametrize(
    ("query", "number"), [({"step": "0"}, 1), ({"step": "9" * 30}, 3), ({"step": "x"}, 3), ({}, 3)]
)
def test_a_step_that_is_not_there_leads_to_the_nearest(
    admin: Client, clock: Clock, query: dict[str, str], number: int
) -> None:
    assert admin.get(url("past", play(clock, until="retries")), query).context["number"] == number


def test_a_moment_leads_to_its_step(admin: Client, clock: Clock) -> None:
    row = play(clock, until="retries")
    begun = row.started_at
    assert admin.get(url("past", row), {"at": "0001-01-01T00:00:00+23:59"}).context["number"] == 3
    for seconds, number in ((-5, 1), (1, 1), (6, 2), (3600, 3)):
        at = (begun + timedelta(seconds=seconds)).isoformat()
        assert admin.get(url("past", row), {"at": at}).context["number"] == number


def test_trouble_is_a_step_away(admin: Client, clock: Clock) -> None:
    row = play(clock)
    assert admin.get(url("past", row), {"step": 6}).context["loud"] == {"previous": 3, "next": 14}


def test_what_cannot_be_replayed_is_said_and_what_the_step_did_is_shown(
    admin: Client, order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = start(order)
    for number in range(3):
        instances.set_variables(row.pk, {f"n{number}": number}, by="user:ada")
    monkeypatch.setattr(past, "MOST_STEPS", 2)
    late = admin.get(url("past", row), {"step": 4})
    assert "Expected one of the first 2 steps" in late.context["problem"]
    assert "n2" in late.content.decode()
    assert "drawing" not in late.context
    Step.objects.filter(instance=row, number=1).delete()
    assert "history lacks it" in admin.get(url("past", row), {"step": 2}).context["problem"]
    assert "not in the history any more" in admin.get(url("past", row), {"step": 1}).context["problem"]


def test_a_migrated_instance_is_drawn_in_the_definition_of_then(admin: Client) -> None:
    from processes.runtime import migration

    first = deploy(Drawing("p").start().service("a", type="a", name="Old name").end())
    row = start(first)
    migration.migrate(row.pk, deploy(Drawing("p").start().service("a", type="a", name="New name").end()))
    before, after = (admin.get(url("past", row), {"step": step}) for step in (1, 2))
    assert "Old name" in before.content.decode()
    assert before.context["moved"]
    assert "New name" in after.content.decode()
    assert not after.context["moved"]


# -- live --------------------------------------------------------------------------------------------------------------


def test_nothing_new_is_a_304_that_costs_little(admin: Client, order: Any) -> None:
    row = start(order)
    first = admin.get(url("live", row))
    tag = first["ETag"]
    assert 'hx-trigger="every 3s"' in first.content.decode()
    assert (
        f'hx-headers="{{&quot;If-None-Match&quot;: &quot;\\&quot;{row.pk}-1\\&quot;&quot;}}"' in first.content.decode()
    )
    with CaptureQueriesContext(connection) as queries:
        again = admin.get(url("live", row), headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert len(queries) <= 4, "session, user, permission, instance"
    fail(row)
    news = admin.get(url("live", row), {"page": "1"}, headers={"If-None-Match": tag})
    assert news.status_code == 200
    html = news.content.decode()
    assert "is-failed" in classes(html, "charge")
    assert "The tables show step 1" in html
    assert "?page=1" in html


def test_what_ended_is_not_asked_for_again(admin: Client, order: Any) -> None:
    row = start(order)
    complete(row)
    assert "hx-trigger" not in admin.get(url("live", row)).content.decode()


# -- who may, what it costs, what strangers wrote ----------------------------------------------------------------------


@pytest.mark.parametrize("word", PAGES)
def test_only_who_may_see_instances_sees_their_story(staff: Callable[..., Client], order: Any, word: str) -> None:
    row = start(order)
    client = staff("view_job")
    assert client.get(url(word, row)).status_code == 403
    client.logout()
    assert client.get(url(word, row)).status_code == 302


@pytest.mark.parametrize("word", PAGES)
def test_pages_are_for_reading_and_only_of_what_is_there(admin: Client, order: Any, word: str) -> None:
    row = start(order)
    assert admin.post(url(word, row)).status_code == 405
    row.pk += 1
    assert admin.get(url(word, row)).status_code == 404


@pytest.mark.parametrize("word", PAGES)
def test_the_story_costs_the_same_for_many_parts(admin: Client, word: str) -> None:
    def queries(count: int) -> int:
        wide = Drawing(f"wide_{count}").start().parallel("fork")
        for number in range(count):
            wide.at("fork").service(f"task_{number}", type="work").end(f"end_{number}")
        row = start(deploy(wide))
        with CaptureQueriesContext(connection) as queries:
            assert admin.get(url(word, row)).status_code == 200
        return len(queries)

    queries(1)
    few, many = queries(2), queries(60)
    assert few == many
    assert many <= 16


@pytest.mark.parametrize("word", PAGES)
def test_what_strangers_wrote_stays_text_in_the_story(admin: Client, word: str) -> None:
    name = EVIL + EVIL_ATTRIBUTE
    row = start(
        deploy(Drawing("p", name=name).start().service("t", type=name, name=name).end()),
        variables={name: name},
        by=name,
    )
    fail(row, name)
    html = admin.get(url(word, row)).content.decode()
    assert EVIL not in html
    assert 'onmouseover="' not in html.replace("&quot; onmouseover=&quot;", "")
    assert "&lt;script&gt;" in html


# -- call hierarchy ----------------------------------------------------------------------------------------------------


def test_the_call_hierarchy_is_a_tree_with_states(admin: Client, clock: Clock) -> None:
    row = play(clock, until="joined")
    child = row.children.get()
    for seen in (row, child):
        family = admin.get(url("change", seen)).context["family"]
        assert [(each["pk"], each["depth"], each["here"]) for each in family["rows"]] == [
            (row.pk, 0, seen == row),
            (child.pk, 1, seen == child),
        ]
    assert family["rows"][1]["element"] == "notify"
    assert not family["more"]


def test_a_large_family_is_cut_but_not_the_callers(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from processes.admin import family
    from processes.runtime import calls

    deploy(Drawing("leaf").start().service("wait", type="w").end())
    row = start(deploy(Drawing("top").start().call("each", "leaf").many("=for i in 1..6 return i").end()))
    calls.deliver_due()
    monkeypatch.setattr(family, "MOST", 4)
    child = row.children.order_by("id").first()
    found = admin.get(url("change", child)).context["family"]
    assert found["more"]
    assert len(found["rows"]) == 4
    assert {row.pk, child.pk} <= {each["pk"] for each in found["rows"]}
