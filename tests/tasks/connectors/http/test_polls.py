"""Work that goes on elsewhere is begun once, and looked at until it is done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.tasks.connectors.http.conftest import Desk
from tests.tasks.connectors.http.service import Service

Made = Callable[..., Desk]

DONE = {"until": '=response.body.status = "done"', "interval": "PT2S"}


def begun(desk: Made, **more: Any) -> Desk:
    return desk("/work", method="POST", body={"order": 7}, poll={**DONE, **more})


def test_accepted_running_done(service: Service, desk: Made) -> None:
    work = begun(desk)
    for polls in range(2):
        postponed = work.is_postponed()
        assert postponed.delay == timedelta(seconds=2)
        assert f"{polls} polls" in str(postponed)
    response = work.run()
    assert (response["status"], response["body"]["result"], response["polls"]) == (200, 42, 2)
    assert response.journal["polls"] == 2
    assert [(seen["method"], seen["path"], seen["body"]) for seen in service.seen] == [
        ("POST", "/work", '{"order":7}'),
        ("GET", "/works/1", ""),
        ("GET", "/works/1", ""),
    ]
    assert "idempotency-key" not in service.seen[1]["headers"]


def test_done_at_once(service: Service, desk: Made) -> None:
    service.works["1"] = 99
    response = desk("/works/1", poll=DONE).run()
    assert (response["body"]["status"], response["polls"]) == ("done", 0)


def test_without_a_location_the_address_of_a_get_is_looked_at(service: Service, desk: Made) -> None:
    service.works["1"] = 0
    work = desk("/works/1", poll=DONE)
    work.is_postponed()
    assert work.run()["polls"] == 1
    error = desk("/target", method="POST", poll=DONE).fails()
    assert (error.code, error.retryable) == ("INVALID_RESPONSE", False)
    assert "Location" in error.message


@pytest.mark.parametrize("url", ["/works/7", '="/works/" + string(3 + 4)', "works/7"])
def test_an_address_of_ones_own(service: Service, desk: Made, url: str) -> None:
    service.works["7"] = 99
    work = begun(desk, url=url)
    work.is_postponed()
    assert work.run()["body"]["status"] == "done"
    assert service.count("/works/7") == 1


def test_retry_after_takes_the_place_of_the_interval(service: Service, desk: Made) -> None:
    service.works["slow"] = 0
    work = desk("/works/slow", poll=DONE)
    assert work.is_postponed().delay == timedelta(seconds=9)


def test_work_that_fails_is_begun_again(service: Service, desk: Made) -> None:
    service.works["bad"] = 1
    work = begun(desk, url="/works/bad", failure='=response.body.status = "failed"')
    work.is_postponed()
    error = work.fails()
    assert (error.code, error.retryable) == ("POLL_FAILED", False)
    assert error.details["response"]["body"]["status"] == "failed"
    assert work.progress == {}
    work.is_postponed()
    assert service.paths("/work")[-1] == "/work"


def test_it_may_take_too_long_and_be_waited_for_again(service: Service, desk: Made) -> None:
    work = begun(desk, maximum="PT10M")
    work.is_postponed()
    late = (datetime.now(UTC) - timedelta(minutes=11)).isoformat()
    work.progress = {"poll": {**work.progress["poll"], "since": late}}
    error = work.fails()
    assert (error.code, error.retryable) == ("POLL_TIMEOUT", False)
    assert "10 min" in error.message
    assert error.details["last"]["status"] == 200
    assert work.run()["body"]["result"] == 42  # an operator retries: looked at again, not begun again
    assert sum(seen["method"] == "POST" for seen in service.seen) == 1


def test_the_last_look_is_at_the_end_of_the_time(service: Service, desk: Made) -> None:
    delay = begun(desk, interval="PT1H", maximum="PT10M").is_postponed().delay
    assert timedelta(minutes=5) < delay <= timedelta(minutes=10)


def test_looks_may_fail_now_and_then(service: Service, desk: Made) -> None:
    work = begun(desk)
    work.is_postponed()
    service.broken_pages["/works/1"] = 4
    assert [work.is_postponed().delay.total_seconds() for _ in range(3)] == [4, 8, 16]
    error = work.fails()
    assert (error.code, error.retryable) == ("503", True)
    work.is_postponed()
    assert work.run()["body"]["status"] == "done"
    assert sum(seen["method"] == "POST" for seen in service.seen) == 1


def test_work_that_nobody_knows_any_more_is_begun_again(service: Service, desk: Made) -> None:
    work = begun(desk)
    work.is_postponed()
    service.works.clear()
    error = work.fails()
    assert (error.code, error.retryable) == ("404", False)
    work.is_postponed()
    assert sum(seen["method"] == "POST" for seen in service.seen) == 2


def test_a_call_that_fails_is_no_poll(service: Service, desk: Made) -> None:
    error = desk("/status/503", method="POST", poll=DONE).fails()
    assert (error.code, error.retryable) == ("503", True)


def test_corrected_inputs_begin_anew(service: Service, desk: Made) -> None:
    work = begun(desk)
    work.is_postponed()
    work.variables = {**work.variables, "body": {"order": 8}}
    work.is_postponed()
    assert sum(seen["method"] == "POST" for seen in service.seen) == 2


def test_another_origin(service: Service, elsewhere: Service, desk: Made) -> None:
    service.elsewhere = elsewhere.url
    error = begun(desk).fails()
    assert (error.code, error.retryable) == ("OTHER_ORIGIN", False)
    elsewhere.works["1"] = 99
    work = begun(desk, allowOtherOrigins="true")
    work.variables = {**work.variables, "authentication": {"type": "bearer", "token": "abcdefgh"}}
    work.is_postponed()
    assert work.run()["body"]["status"] == "done"
    assert "abcdefgh" not in str(elsewhere.seen)


def test_a_key_in_the_query_is_not_kept(service: Service, desk: Made) -> None:
    key = {"type": "apiKey", "apiKeyLocation": "query", "name": "key", "value": "k3ysecret"}
    work = begun(desk)
    work.variables = {**work.variables, "authentication": key}
    work.is_postponed()
    assert "k3ysecret" not in str(work.progress)
    work.is_postponed()
    assert service.seen[1]["path"] == "/works/1?key=k3ysecret"


def test_answers_that_are_neither(service: Service, desk: Made) -> None:
    error = desk("/target", poll={"until": "=response.body.target"}).fails()
    assert (error.code, error.retryable) == ("INVALID_RESPONSE", False)
    assert "`poll.until`" in error.message


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ("until", "`poll` to be a context"),
        ({"interval": "PT1S"}, "`poll.until`"),
        ({**DONE, "every": 5}, "every"),
        ({**DONE, "until": True}, "`poll.until`"),
        ({**DONE, "until": "=)"}, "`poll.until`"),
        ({**DONE, "failure": "=(("}, "`poll.failure`"),
        ({**DONE, "interval": "P1M"}, "`poll.interval`"),
        ({**DONE, "interval": -1}, "`poll.interval`"),
        ({**DONE, "maximum": "P31D"}, "`poll.maximum`"),
        ({**DONE, "maximum": "PT"}, "`poll.maximum`"),
    ],
)
def test_inputs(service: Service, desk: Made, plan: Any, told: str) -> None:
    error = desk("/work", poll=plan).fails()
    assert (error.code, error.retryable) == ("INVALID_INPUT", False)
    assert told in error.message
    assert service.seen == []


def test_one_of_pages_and_polls(service: Service, desk: Made) -> None:
    assert "both" in desk("/work", poll=DONE, pagination={"type": "link"}).fails().message
