"""Moments, durations, cycles, and the pauses between tries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from processes.engine import schedule
from processes.engine.retry import Policy

JANUARY = datetime(2030, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("PT30S", datetime(2030, 1, 31, 12, 0, 30, tzinfo=UTC)),
        ("PT0.25S", datetime(2030, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)),
        ("P1DT1H", datetime(2030, 2, 1, 13, tzinfo=UTC)),
        ("P1M", datetime(2030, 2, 28, 12, tzinfo=UTC)),
        ("P1Y2M", datetime(2031, 3, 31, 12, tzinfo=UTC)),
        ("P2W", datetime(2030, 2, 14, 12, tzinfo=UTC)),
        ("-PT1H", datetime(2030, 1, 31, 11, tzinfo=UTC)),
        ("-P2M", datetime(2029, 11, 30, 12, tzinfo=UTC)),
    ],
)
def test_durations(text: str, after: datetime) -> None:
    assert schedule.duration(text).after(JANUARY) == after


@pytest.mark.parametrize("text", ["", "P", "PT", "P1DT", "1H", "PT1", "PT1H ago", "P1.5D", "P999999999Y", "soon"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="Expected"):
        schedule.duration(text)


def test_moments_have_a_zone() -> None:
    assert schedule.moment("2030-01-31T12:00:00") == JANUARY
    assert schedule.moment("2030-01-31T13:00:00+01:00") == JANUARY
    assert schedule.moment("2030-01-31T13:00:00@Europe/Berlin") == JANUARY
    for text in ("yesterday", "2030-13-01T00:00:00", "2030-01-31T00:00:00@Nowhere/Land"):
        with pytest.raises(ValueError, match="Expected an ISO 8601 date and time"):
            schedule.moment(text)


def test_cycles() -> None:
    three = schedule.cycle("R3/PT10S")
    assert (three.repetitions, three.first(JANUARY)) == (3, JANUARY + timedelta(seconds=10))
    started = schedule.cycle("R/2030-02-01T00:00:00Z/P1D")
    assert started.repetitions == -1
    assert started.following(started.first(JANUARY)) == datetime(2030, 2, 2, tzinfo=UTC)
    assert schedule.cycle("30 8 * * MON").first(JANUARY) == datetime(2030, 2, 4, 8, 30, tzinfo=UTC)
    for text in ("R3", "R-1/PT1S", "Rx/PT1S", "R/PT0S", "R/-PT1S", "61 * * * *", "every day"):
        with pytest.raises(ValueError, match="Expected"):
            schedule.cycle(text)


def test_pauses_grow_up_to_the_maximum_and_differ_by_the_seed() -> None:
    policy = Policy.read({"retryBackoff": "PT1S", "retryFactor": "2", "retryMaximum": "PT5S"})
    assert [policy.pause(attempt, "x").total_seconds() for attempt in range(1, 6)] == [1, 2, 4, 5, 5]
    assert Policy.read({"retryBackoff": "PT1S,PT3S"}).pause(9, "x") == timedelta(seconds=3)
    jittered = {Policy().pause(1, f"job {n}") for n in range(50)}
    assert len(jittered) > 40
    assert all(timedelta(seconds=0.9) <= pause <= timedelta(seconds=1.1) for pause in jittered)
    assert Policy().pause(3, "same") == Policy().pause(3, "same")
    assert Policy().pause(10**6, "x") <= timedelta(minutes=5.5)
    assert Policy.read({"retryBackoff": "R5/PT5M"}).tries == 5


@pytest.mark.parametrize(
    "headers",
    [
        {"retryBackoff": "soon"},
        {"retryBackoff": "P1M"},
        {"retryBackoff": "R/PT1S"},
        {"retryFactor": "0.5"},
        {"retryJitter": "2"},
        {"retryMaximum": "-PT1S"},
        {"retryDeadline": "soon"},
        {"retryDeadline": "PT0S"},
        {"retryDeadline": "P1M"},
        {"retryDeadline": "P9999D"},
    ],
)
def test_bad_policies(headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="Expected"):
        Policy.read(headers)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("R/2024-01-01T08:00:00Z/P1D", datetime(2030, 2, 1, 8, tzinfo=UTC)),
        ("R/2030-01-31T12:00:00Z/PT1S", JANUARY),
        ("R/1900-01-01T00:00:00Z/PT1S", JANUARY),
        ("R/2024-01-15T08:00:00Z/P1M", datetime(2030, 2, 15, 8, tzinfo=UTC)),
        ("R3/2024-01-01T08:00:00Z/P1D", datetime(2024, 1, 1, 8, tzinfo=UTC)),
    ],
)
def test_firings_without_end_begin_with_the_next_one(text: str, first: datetime) -> None:
    assert schedule.cycle(text).first(JANUARY) == first


@pytest.mark.parametrize(
    ("text", "late", "following"),
    [
        ("R/PT1M", timedelta(seconds=2), timedelta(minutes=1)),
        ("R/PT1M", timedelta(days=7, seconds=2), timedelta(days=7, minutes=1)),
        ("R3/PT1M", timedelta(days=7), timedelta(minutes=1)),
        ("* * * * *", timedelta(days=7, seconds=2), timedelta(days=7, minutes=1)),
    ],
)
def test_missed_firings_without_end_are_not_made_up_for(text: str, late: timedelta, following: timedelta) -> None:
    assert schedule.cycle(text).again(JANUARY, JANUARY + late) == JANUARY + following


@pytest.mark.parametrize("text", ["0 0 8 ? * MON", "0 0 8 * * MON", "0 8 ? * MON"])
def test_no_day_in_particular_is_any_day(text: str) -> None:
    assert schedule.cycle(text).first(JANUARY) == datetime(2030, 2, 4, 8, tzinfo=UTC)
    assert schedule.cycle("0 0 8 1 * ?").first(JANUARY) == datetime(2030, 2, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize("text", ["0 0 8 ? * 2", "? 0 8 * * MON", "0 0 8 ? * MON 2031"])
def test_what_dialects_read_otherwise_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Expected"):
        schedule.cycle(text)
