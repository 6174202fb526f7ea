"""All pages, each once, whatever happens in between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from typing import Any

import pytest

from tasks.connectors import http_caller
from tests.tasks.connectors.http import conftest
from tests.tasks.connectors.http.conftest import Desk, Killed
from tests.tasks.connectors.http.service import ITEMS, Service
from tests.tasks.connectors.http.test_oauth import authentication

Made = Callable[..., Desk]

LINK = {"type": "link"}
CURSOR = {
    "type": "cursor",
    "items": "=response.body.data",
    "next": "=response.body.meta.next",
    "cursorParameter": "after",
}
OFFSET = {"type": "offset", "items": "=response.body.rows", "limitParameter": "limit", "limit": 5}
PAGE = {"type": "page", "items": "=response.body.rows"}

KINDS = pytest.mark.parametrize(
    ("path", "plan", "calls"),
    [("/linked", LINK, 5), ("/cursor", CURSOR, 5), ("/offset", OFFSET, 6), ("/page", PAGE, 6)],
    ids=["link", "cursor", "offset", "page"],
)


def ids(items: Any) -> list[int]:
    return [item["id"] for item in items]


@KINDS
def test_all_items(service: Service, desk: Made, path: str, plan: dict[str, Any], calls: int) -> None:
    response = desk(path, pagination=plan).run()
    assert ids(response["items"]) == ids(ITEMS)
    assert str(response["items"][1]["price"]) == "0.1"
    assert (response["status"], response["pages"], response["complete"]) == (200, calls, True)
    assert service.count(path) == calls
    assert [call["items"] for call in response.journal["calls"]][:5] == [5, 5, 5, 5, 3]


@KINDS
def test_a_successor_goes_on_with_the_next_page(
    service: Service, desk: Made, path: str, plan: dict[str, Any], calls: int
) -> None:
    work = desk(path, pagination=plan)
    work.killed_after = 3
    with pytest.raises(Killed):
        work.run()
    assert service.count(path) == 3
    work.killed_after = None
    response = work.run()
    assert ids(response["items"]) == ids(ITEMS)
    assert service.count(path) == calls
    assert len(set(service.paths(path))) == calls
    assert response.journal["resumedAfterPage"] == 3


def test_each_page_is_a_call_of_its_own(service: Service, desk: Made) -> None:
    desk("/cursor", pagination=CURSOR).run()
    keys = [seen["headers"]["idempotency-key"] for seen in service.seen]
    assert keys[0] == "job-7-key"
    assert len(set(keys)) == 5


def test_the_parameters_of_the_job_stay(service: Service, desk: Made) -> None:
    desk("/offset?a=b%2Fc&offset=9", queryParameters={"sort": "id desc"}, pagination=OFFSET).run()
    assert service.seen[1]["path"] == "/offset?a=b%2Fc&sort=id+desc&limit=5&offset=5"


def test_a_cursor_in_the_body(service: Service, desk: Made) -> None:
    plan = {**CURSOR, "cursorIn": "body"}
    response = desk("/cursor", method="POST", body={"query": "all"}, pagination=plan).run()
    assert ids(response["items"]) == ids(ITEMS)
    assert [seen["body"] for seen in service.seen][:2] == ['{"query":"all"}', '{"query":"all","after":"c5"}']


def test_more_ends_without_an_empty_page(service: Service, desk: Made) -> None:
    assert desk("/page", pagination={**PAGE, "more": "=not(response.body.last)"}).run()["pages"] == 5
    plan = {**OFFSET, "more": "=count < response.body.total"}
    assert desk("/offset", pagination=plan).run()["pages"] == 5


@KINDS
def test_limits_that_were_asked_for(service: Service, desk: Made, path: str, plan: dict[str, Any], calls: int) -> None:
    response = desk(path, pagination={**plan, "maximumPages": 2}).run()
    assert (len(response["items"]), response["pages"], response["complete"]) == (10, 2, False)
    response = desk(path, pagination={**plan, "maximumItems": 7}).run()
    assert (len(response["items"]), response["pages"], response["complete"]) == (7, 2, False)
    assert service.count(path) == 4


def test_the_size_of_all_pages_together_is_limited(service: Service, desk: Made) -> None:
    error = desk("/linked", pagination=LINK, maxResponseBytes=300).fails()
    assert (error.code, error.retryable) == ("RESPONSE_TOO_LARGE", False)
    assert "`maxResponseBytes`, 300, together" in error.message
    assert service.count("/linked") < 5


def test_a_page_that_fails_is_tried_again_and_no_other(service: Service, desk: Made) -> None:
    service.broken_pages["/linked?start=10"] = 1
    work = desk("/linked", pagination=LINK)
    error = work.fails()
    assert (error.code, error.retryable, error.journal["page"]) == ("503", True, 3)
    assert ids(work.run()["items"]) == ids(ITEMS)
    assert service.count("/linked") == 6


def test_what_no_try_can_heal_starts_over(service: Service, desk: Made) -> None:
    work = desk("/next-says?next=//127.0.0.1:1/x", pagination={**LINK, "items": "=response.body.items"})
    work.progress = {"unrelated": 1}
    plan = {**LINK, "items": "=response.body.items", "next": "=response.body.next"}
    work.variables = {**work.variables, "pagination": plan}
    assert work.fails().code == "OTHER_ORIGIN"
    assert work.progress == {}


def test_corrected_inputs_start_over(service: Service, desk: Made) -> None:
    work = desk("/linked", pagination=LINK)
    work.killed_after = 2
    with pytest.raises(Killed):
        work.run()
    work.killed_after = None
    work.variables = {**work.variables, "queryParameters": {"only": "new"}}
    assert len(work.run()["items"]) == len(ITEMS)
    assert service.count("/linked?only=new") == 1


@pytest.mark.parametrize(
    ("path", "plan"),
    [("/rounds", CURSOR), ("/deaf", {**OFFSET}), ("/deaf", PAGE), ("/linked", {**LINK, "next": '="/linked?start=0"'})],
)
def test_loops_are_refused(service: Service, desk: Made, path: str, plan: dict[str, Any]) -> None:
    error = desk(path, pagination=plan).fails()
    assert (error.code, error.retryable) == ("PAGINATION_LOOP", False)
    assert len(service.seen) <= 4


def test_another_origin(service: Service, elsewhere: Service, desk: Made) -> None:
    service.elsewhere = elsewhere.url
    bearer = {"type": "bearer", "token": "abcdefgh"}
    error = desk("/linked", pagination=LINK, authentication=bearer).fails()
    assert (error.code, error.retryable) == ("OTHER_ORIGIN", False)
    assert elsewhere.seen == []
    plan = {**LINK, "allowOtherOrigins": True}
    headers = {"X-Api-Key": "abcdefgh", "X-Tenant": "7"}
    response = desk("/linked", pagination=plan, authentication=bearer, headers=headers).run()
    assert ids(response["items"]) == ids(ITEMS)
    assert len(elsewhere.seen) == 4
    for seen in elsewhere.seen:
        assert "abcdefgh" not in str(seen)
        assert seen["headers"]["x-tenant"] == "7"


def test_an_api_key_in_the_query_is_not_kept(service: Service, desk: Made) -> None:
    key = {"type": "apiKey", "apiKeyLocation": "query", "name": "key", "value": "k3y/secret"}
    work = desk("/linked", pagination=LINK, authentication=key)
    response = work.run()
    assert len(response["items"]) == len(ITEMS)
    assert all("key=k3y%2Fsecret" in path for path in service.paths("/linked"))
    assert len(work.kept) == 4
    assert "k3y" not in str(work.kept) + str(response.journal)


def test_tokens_are_fetched_for_pages(service: Service, desk: Made) -> None:
    work = desk("/linked", pagination=LINK, authentication=authentication(service))
    assert len(work.run()["items"]) == len(ITEMS)
    assert service.grants == 1
    assert "token-1" not in str(work.kept)


def test_long_paginations_outlive_the_first_lease(
    service: Service, desk: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = desk("/cursor", pagination=CURSOR)
    moments: list[datetime] = []

    class Clock(datetime):
        """On which each page takes more than half of a lease."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            moments.append(datetime.now(tz) + len(work.kept) * timedelta(seconds=20))
            return moments[-1]

    monkeypatch.setattr(http_caller, "datetime", Clock)
    monkeypatch.setattr(conftest, "datetime", Clock)
    first = work.job()
    assert work.connector.run(first)["complete"]
    assert moments[-1] > first.deadline


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ("link", "`pagination` to be a context"),
        ({"type": "guess"}, "`pagination.type`"),
        ({"items": "=x"}, "`pagination.type`"),
        ({"type": "cursor", "next": "=x"}, "`pagination.cursorParameter`"),
        ({"type": "cursor", "cursorParameter": "x"}, "`pagination.next`"),
        ({**LINK, "cursorParameter": "x"}, "`pagination.cursorParameter`"),
        ({**LINK, "pages": 3}, "`pagination.pages`"),
        ({**CURSOR, "cursorIn": "header"}, "`pagination.cursorIn`"),
        ({**OFFSET, "limit": None}, "together"),
        ({**OFFSET, "limit": "5.5"}, "`pagination.limit`"),
        ({**OFFSET, "limit": 0}, "`pagination.limit`"),
        ({**LINK, "maximumPages": 1001}, "`pagination.maximumPages`"),
        ({**LINK, "maximumItems": "many"}, "`pagination.maximumItems`"),
        ({**LINK, "items": 5}, "`pagination.items`"),
        ({**LINK, "items": "=if if"}, "`pagination.items`"),
        ({**LINK, "more": "=)"}, "`pagination.more`"),
        ({**LINK, "allowOtherOrigins": "maybe"}, "`allowOtherOrigins`"),
    ],
)
def test_inputs(service: Service, desk: Made, plan: Any, told: str) -> None:
    error = desk("/linked", pagination=plan).fails()
    assert (error.code, error.retryable) == ("INVALID_INPUT", False)
    assert told in error.message
    assert service.seen == []


def test_pages_that_are_no_lists(service: Service, desk: Made) -> None:
    error = desk("/target", pagination=LINK).fails()
    assert (error.code, error.retryable) == ("INVALID_RESPONSE", False)
    assert "page 1" in error.message
