"""The arithmetic of limits, by the clock of the test."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from processes.runtime import gate
from processes.runtime.gate import Go, Later


@dataclass
class Limits:
    rate: float | None = None
    burst: int = 1
    concurrency: int | None = None
    breaker_failures: int = 3
    breaker_window: float = 60.0
    breaker_open: float = 10.0
    breaker_canaries: int = 1
    breaker_ramp: float = 0.0
    paused: bool = False


@dataclass
class Gate:
    breaker: str = "CLOSED"
    opened: int = 0
    failures: list[float] = field(default_factory=list)
    open_until: float = 0.0
    closed_at: float = 0.0
    canaries: int = 0
    canaries_until: float = 0.0
    next_at: float = 0.0
    park_at: float = 0.0
    seconds: float = 1.0


def go(limits: Limits, found: Gate, now: float, in_flight: int = 0) -> Go:
    answer = gate.admit(limits, found, now, in_flight)
    assert isinstance(answer, Go), answer
    return answer


def later(limits: Limits, found: Gate, now: float, in_flight: int = 0) -> Later:
    answer = gate.admit(limits, found, now, in_flight)
    assert isinstance(answer, Later), answer
    return answer


def told(limits: Limits, found: Gate, call: Go, health: Any, now: float, **more: Any) -> bool:
    return gate.report(limits, found, call, health, now, seconds=0.1, **more)


def opened(limits: Limits, at: float = 1000.0) -> Gate:
    found = Gate()
    for _ in range(limits.breaker_failures):
        told(limits, found, go(limits, found, at), "ill", at)
    assert found.breaker == "OPEN"
    return found


@pytest.mark.parametrize(("rate", "burst"), [(10.0, 1), (10.0, 5), (0.5, 2), (300.0, 30)])
def test_no_window_has_more_calls_than_rate_and_burst(rate: float, burst: int) -> None:
    chance = random.Random(7)
    limits, found, now = Limits(rate=rate, burst=burst), Gate(), 1000.0
    calls: list[float] = []
    for _ in range(2000):
        now += chance.choice([0, 0, 0, 0.3, 3]) / rate * chance.random()
        answer = gate.admit(limits, found, now, 0)
        if isinstance(answer, Go):
            calls.append(answer.at)
            assert now <= answer.at <= now + gate.PATIENCE
        else:
            assert answer.reason == "rate"
    calls.sort()
    for window in (1 / rate, 10 / rate, 50 / rate):
        for first in range(len(calls)):
            inside = [at for at in calls[first:] if at - calls[first] < window - 1e-6]
            assert len(inside) <= burst + rate * window + 1e-6
    assert len(calls) > 100


def test_who_is_refused_comes_back_alone() -> None:
    limits, found = Limits(rate=0.5), Gate()
    assert go(limits, found, 100.0).at == 100.0
    moments = [later(limits, found, 100.0).at for _ in range(10)]
    assert moments[0] >= 102.0
    assert {round(b - a, 6) for a, b in itertools.pairwise(moments)} == {2.0}


def test_the_breaker_opens_after_failures_in_a_row() -> None:
    limits, found = Limits(), Gate()
    for health in ("ill", "ill", "well", "ill", "ill"):
        told(limits, found, go(limits, found, 1000.0), health, 1000.0)
    assert found.breaker == "CLOSED"
    told(limits, found, go(limits, found, 1000.0), "unknown", 1000.0)
    told(limits, found, go(limits, found, 1000.0), "ill", 1000.0)
    assert (found.breaker, found.opened, found.open_until) == ("OPEN", 1, 1010.0)
    assert later(limits, found, 1005.0).reason == "breaker"


def test_failures_long_ago_do_not_count() -> None:
    limits, found = Limits(), Gate()
    for at in (1000.0, 1100.0, 1200.0, 1250.0):
        told(limits, found, go(limits, found, at), "ill", at)
    assert found.breaker == "CLOSED"


def test_zero_failures_means_no_breaker() -> None:
    limits, found = Limits(breaker_failures=0), Gate()
    for _ in range(100):
        told(limits, found, go(limits, found, 1000.0), "ill", 1000.0)
    assert found.breaker == "CLOSED"
    found.breaker = "OPEN"  # as it was when somebody switched it off
    assert go(limits, found, 1000.0)


def test_canaries_decide() -> None:
    limits = Limits(breaker_canaries=2)
    found = opened(limits)
    first, second = go(limits, found, 1010.0), go(limits, found, 1010.0)
    assert first.canary
    assert second.canary
    assert later(limits, found, 1010.0).at == 1011.0
    told(limits, found, first, "ill", 1012.0)
    assert (found.breaker, found.opened, found.open_until) == ("OPEN", 2, 1022.0)
    assert not told(limits, found, second, "well", 1012.0), "it was sent before"
    third = go(limits, found, 1022.0)
    assert told(limits, found, third, "well", 1023.0)
    assert found.breaker == "CLOSED"
    assert not go(limits, found, 1023.0).canary


def test_a_canary_that_learns_nothing_makes_room_for_another() -> None:
    limits = Limits()
    found = opened(limits)
    told(limits, found, go(limits, found, 1010.0), "unknown", 1010.5)
    assert go(limits, found, 1010.5).canary


def test_a_canary_that_dies_is_replaced() -> None:
    limits = Limits()
    found = opened(limits)
    go(limits, found, 1010.0)
    later(limits, found, 1010.0 + gate.CANARY_PATIENCE - 1)
    assert go(limits, found, 1010.0 + gate.CANARY_PATIENCE).canary


def test_old_news_changes_nothing() -> None:
    limits, found = Limits(), Gate()
    slow = go(limits, found, 1000.0)
    for _ in range(3):
        told(limits, found, go(limits, found, 1000.0), "ill", 1000.0)
    for health in ("well", "ill"):
        told(limits, found, slow, health, 1005.0)
    assert (found.breaker, found.open_until, found.opened) == ("OPEN", 1010.0, 1)


def test_a_destination_that_says_when_is_believed() -> None:
    limits, found = Limits(breaker_failures=1), Gate()
    told(limits, found, go(limits, found, 1000.0), "ill", 1000.0, wait=120.0)
    assert found.open_until == 1120.0
    found = Gate()
    told(limits, found, go(limits, found, 1000.0), "ill", 1000.0, wait=10.0**9)
    assert found.open_until == 4600.0, "within reason"


def test_the_rate_grows_back() -> None:
    limits = Limits(rate=100.0, burst=50, breaker_ramp=10.0)
    found = opened(limits)
    told(limits, found, go(limits, found, 1020.0), "well", 1020.0)
    rates = [gate.effective_rate(limits, found, 1020.0 + after) for after in (0, 1, 5, 9.99, 10)]
    assert rates == pytest.approx([10.0, 10.0, 50.0, 99.9, 100.0])
    calls = []
    now = 1020.0
    while now < 1030.0:
        answer = gate.admit(limits, found, now, 0)
        if isinstance(answer, Go):
            calls.append(answer.at)
        now += 0.002
    assert len([at for at in calls if at < 1021]) <= 12
    assert len([at for at in calls if 1029 <= at < 1030]) == pytest.approx(90, abs=8)


def test_without_a_rate_there_is_a_ramp_all_the_same() -> None:
    limits = Limits(breaker_ramp=10.0)
    found = opened(limits)
    assert not gate.is_free(limits, found, 1020.0)
    told(limits, found, go(limits, found, 1020.0), "well", 1020.0)
    assert gate.effective_rate(limits, found, 1025.0) == gate.RAMP_GOAL / 2
    assert gate.effective_rate(limits, found, 1030.0) is None
    assert gate.is_free(limits, found, 1030.0)


def test_release_follows_the_ramp() -> None:
    limits = Limits(rate=50.0, breaker_ramp=4.0)
    found = opened(limits)
    told(limits, found, go(limits, found, 1020.0), "well", 1020.0)
    moments = gate.slots(limits, found, 1020.0)
    taken = [next(moments) for _ in range(500)]
    assert len([at for at in taken if at < 1021]) <= 10
    assert len([at for at in taken if 1025 <= at < 1026]) == pytest.approx(50, abs=1)
    assert found.park_at == taken[-1]


def test_concurrency() -> None:
    limits, found = Limits(concurrency=2), Gate(seconds=0.5)
    go(limits, found, 1000.0, in_flight=1)
    answer = later(limits, found, 1000.0, in_flight=2)
    assert (answer.reason, answer.soon) == ("concurrency", 0.25)
    moments = [gate.park_for_concurrency(limits, found, 1000.0).at for _ in range(4)]
    assert moments == [1000.25, 1000.5, 1000.75, 1001.0]
    told(limits, found, Go(1000.0, 0), "well", 1000.0)
    assert found.seconds == pytest.approx(0.42)


def test_paused() -> None:
    limits, found = Limits(paused=True), Gate()
    assert not gate.is_free(limits, found, 1000.0)
    moments = [later(limits, found, 1000.0).at for _ in range(3)]
    assert moments == pytest.approx([1300.0, 1300.05, 1300.1])


@pytest.mark.parametrize(
    ("headers", "name"),
    [({}, ""), ({"connection": " shop "}, "shop"), ({"connection": None}, ""), ({"connection": 7}, "")],
)
def test_the_name_that_a_task_gives(headers: Any, name: str) -> None:
    assert gate.connection_of(headers) == name
