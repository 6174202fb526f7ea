"""The total deadline of the tries of a job: `retryDeadline`."""

from __future__ import annotations

from datetime import timedelta

import pytest

from processes.engine import commands as c
from processes.engine.errors import Rejected
from tests.drawing import Drawing
from tests.engine.play import Play

SECOND = timedelta(seconds=1)


def play(**headers: str) -> Play:
    given = {"retryBackoff": "PT10S", "retryDeadline": "PT25S", **headers}
    return Play(Drawing().start().service("call", type="t", retries="100", headers=given).end())


def test_a_failure_whose_next_try_would_be_too_late_is_the_last() -> None:
    played = play()
    for moment in (0, 10):
        played.fail("call", f"no at {moment}")
        assert played.incidents() == []
        played.wait(10 * SECOND)
    played.fail("call", "no at 20")
    (incident,) = played.incidents()
    assert incident.message == "no at 20 (no other try within retryDeadline PT25S)"
    assert (played.job("call").state, played.job("call").retries) == ("FAILED", 0)


def test_a_try_at_the_very_deadline_is_too_late() -> None:
    assert play(retryDeadline="PT10S").fail("call")[0].due_at is None  # type: ignore[union-attr]
    assert play(retryDeadline="PT10.001S").fail("call")[0].due_at is not None  # type: ignore[union-attr]


def test_a_try_that_takes_longer_than_the_deadline_is_the_last_if_it_fails() -> None:
    played = play()
    job = played.claim("call")
    played.wait(60 * SECOND)
    played.carry_out(c.FailJob(job.key, job.attempt, "slow"))
    assert played.incidents()[0].message.startswith("slow (no other try")


def test_one_that_succeeds_late_has_succeeded() -> None:
    played = play()
    job = played.claim("call")
    played.wait(60 * SECOND)
    played.carry_out(c.CompleteJob(job.key, job.attempt, {}))
    assert played.completed


def test_no_wish_of_model_worker_or_service_goes_beyond_it() -> None:
    played = play()
    played.fail("call", retries=50, retry_in=24 * SECOND)
    assert played.incidents() == []
    played.wait(24 * SECOND)
    played.fail("call", retries=50, retry_in=timedelta())  # at once is in time
    played.fail("call", retries=50, retry_in=SECOND)
    assert len(played.incidents()) == 1


def test_an_operator_begins_it_anew() -> None:
    played = play()
    played.wait(30 * SECOND)
    played.fail("call")
    played.wait(600 * SECOND)
    played.resolve()
    played.fail("call")
    assert played.incidents() == []
    assert played.job("call").retries == 99


def test_one_that_waits_beyond_it_is_given_up() -> None:
    played = play()
    played.fail("call", "no")
    played.wait(25 * SECOND)
    played.carry_out(c.ExpireJob(played.job("call").key, "no"))
    (incident,) = played.incidents()
    assert incident.message == "no (no other try within retryDeadline PT25S)"
    played.resolve()
    played.complete("call")
    assert played.completed


def test_giving_up_is_refused_before() -> None:
    played = play()
    key = played.job("call").key
    with pytest.raises(Rejected, match="beyond its retryDeadline"):
        played.carry_out(c.ExpireJob(key, ""))
    played.wait(30 * SECOND)
    played.claim("call")
    with pytest.raises(Rejected, match="beyond its retryDeadline"):
        played.carry_out(c.ExpireJob(key, ""))
    with pytest.raises(Rejected, match="ended"):
        played.carry_out(c.ExpireJob(key + 100, ""))


def test_without_one_tries_end_with_their_number() -> None:
    played = Play(Drawing().start().service("call", type="t", retries="2", headers={"retryBackoff": "P20D"}).end())
    played.fail("call")
    assert played.incidents() == []
    with pytest.raises(Rejected):
        played.carry_out(c.ExpireJob(played.job("call").key, ""))
