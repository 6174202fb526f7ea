"""Who may call a destination now, and who comes again when: the arithmetic, without a row and without a clock.

**Rate**: the generic cell rate algorithm. `next_at` is when the next call would come if all came evenly; a call may
come `burst - 1` intervals before it. So in any window of W seconds there are at most `burst + rate * W` calls. A slot
that is near is reserved, and the caller waits for it; who is told to come later has no reservation, and is asked again.

**Breaker**: closed, until so many calls in a row found the destination ill. Then open: nobody passes until its time
is up. Then half open: a few canaries pass. The first that finds the destination well closes the breaker, one that finds
it ill opens it again. After it closed, the rate grows back in a ramp.

**Parking**: who does not pass comes again at a moment of their own, one after the other (`park_at`), so that nobody's
return is a stampede and a long queue is asked no faster than it can be served.

All moments are seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from processes.runtime import values

PATIENCE = 1.0
"""Seconds for which a worker waits with a job for its slot, rather than giving it back."""
PAUSE_LOOK = 300.0
"""Seconds after which a job of a paused connection looks again; `resume` does not wait for it."""
CANARY_PATIENCE = 60.0
"""Seconds after which a canary that says nothing is lost."""
PARKED_PER_SECOND = 20.0
"""How fast jobs come back to a breaker that may still be open. Once it closes, they are released at the right rate."""
RAMP_GOAL = 50.0
"""Calls per second that the ramp of a connection without a rate grows to, before it has none again."""
RAMP_START = 0.1
"""Share of the rate with which the ramp begins."""
FASTEST = 500.0
"""Calls per second at which jobs are released where nothing else bounds it."""

CLOSED, OPEN, HALF_OPEN = "CLOSED", "OPEN", "HALF_OPEN"

Health = Literal["well", "ill", "unknown"]
"""What a call says of its destination: it answers; it does not, or says itself that it cannot; or nothing."""


class Limits(Protocol):
    """What a connection is configured to bear; see its model."""

    rate: float | None
    burst: int
    concurrency: int | None
    breaker_failures: int
    breaker_window: float
    breaker_open: float
    breaker_canaries: int
    breaker_ramp: float
    paused: bool


class Gate(Protocol):
    """What the fleet remembers of it; see its model."""

    breaker: str
    opened: int
    failures: list[float]
    open_until: float
    closed_at: float
    canaries: int
    canaries_until: float
    next_at: float
    park_at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Go:
    """A call may be made at that moment. It owes `report` its outcome."""

    at: float
    opened: int
    canary: bool = False


@dataclass(frozen=True, slots=True)
class Later:
    """Come again at that moment. `soon`: it may well be worth waiting in the meantime."""

    at: float
    reason: str
    soon: float | None = None


def connection_of(headers: Mapping[str, object]) -> str:
    """The name of the connection that task headers ask for; empty where they ask for none."""
    name = headers.get("connection")
    return values.told(name.strip(), 255) if isinstance(name, str) else ""


def is_free(limits: Limits, gate: Gate, now: float) -> bool:
    """Whether nothing bounds calls at the moment, so that one may pass without a note."""
    unlimited = limits.rate is None and limits.concurrency is None and not limits.paused
    return unlimited and gate.breaker == CLOSED and now - gate.closed_at >= limits.breaker_ramp


def admit(limits: Limits, gate: Gate, now: float, in_flight: int, *, breaker: bool = True) -> Go | Later:
    """Whether one more call may be made, beside the `in_flight` ones; without `breaker`, whatever it says. Changes
    the gate."""
    if limits.paused:
        return Later(_park(gate, now + PAUSE_LOOK, PARKED_PER_SECOND), "paused")
    canary = False
    if limits.breaker_failures == 0 and gate.breaker != CLOSED:
        gate.breaker, gate.failures = CLOSED, []  # somebody has switched it off meanwhile
    if breaker and gate.breaker != CLOSED:
        if gate.breaker == OPEN and now >= gate.open_until:
            gate.breaker, gate.canaries, gate.canaries_until = HALF_OPEN, 0, 0.0
        if gate.breaker == HALF_OPEN and gate.canaries and now >= gate.canaries_until:
            gate.canaries = 0
        if gate.breaker == OPEN or gate.canaries >= limits.breaker_canaries:
            return later_than_the_breaker(limits, gate, now)
        canary = True
    if limits.concurrency is not None and in_flight >= limits.concurrency:
        each = max(gate.seconds / limits.concurrency, 0.001)
        return Later(now + each, "concurrency", soon=each)
    at = now
    rate = effective_rate(limits, gate, now)
    if rate is not None:
        interval = 1 / rate
        burst = 1 if _ramping(limits, gate, now) else limits.burst
        at = max(now, gate.next_at - (burst - 1) * interval)
        if at - now > PATIENCE:
            return Later(_park(gate, at, rate), "rate")
        gate.next_at = max(gate.next_at, now) + interval
    if canary:
        gate.canaries += 1
        gate.canaries_until = at + CANARY_PATIENCE
    return Go(at, gate.opened, canary)


def park_for_concurrency(limits: Limits, gate: Gate, now: float) -> Later:
    """For who has waited long enough for one of the others to end."""
    each = max(gate.seconds / (limits.concurrency or 1), 1 / FASTEST)
    return Later(_park(gate, now + each, 1 / each), "concurrency")


def later_than_the_breaker(limits: Limits, gate: Gate, now: float) -> Later:
    """When to come again to a breaker that is not closed."""
    base = gate.open_until if gate.breaker == OPEN else now + 1.0
    return Later(_park(gate, max(base, now), min(limits.rate or PARKED_PER_SECOND, PARKED_PER_SECOND)), "breaker")


def report(
    limits: Limits, gate: Gate, call: Go, health: Health, now: float, *, seconds: float, wait: float | None = None
) -> bool:
    """Note how a call went; whether this closed the breaker. `wait`: the destination asked for so many seconds.

    Changes the gate. Afterwards a breaker that is not closed says that the destination is ill, and that nobody's
    retries should pay for it.
    """
    if limits.concurrency is not None:
        gate.seconds = 0.8 * gate.seconds + 0.2 * min(seconds, 600.0)
    if limits.breaker_failures == 0 or call.opened != gate.opened:
        return False  # it was called before the breaker opened: old news
    if gate.breaker == HALF_OPEN and call.canary:
        if health == "well":
            gate.breaker, gate.closed_at, gate.failures = CLOSED, now, []
            gate.next_at = max(gate.next_at, now)
            return True
        if health == "ill":
            _open(limits, gate, now, wait)
        else:
            gate.canaries = max(0, gate.canaries - 1)
    elif gate.breaker == CLOSED:
        if health == "well":
            gate.failures = []
        elif health == "ill":
            recent = [at for at in gate.failures if now - at < limits.breaker_window]
            gate.failures = [*recent, now][-limits.breaker_failures :]
            if len(gate.failures) >= limits.breaker_failures:
                _open(limits, gate, now, wait)
    return False


def hear(limits: Limits, gate: Gate, health: Health, now: float) -> bool:
    """Note what came of a call that was answered long after it was made; whether this closed the breaker. While it is
    half open, it is as good as what a canary says. Changes the gate."""
    late = Go(now, gate.opened, canary=True)
    return report(limits, gate, late, health, now, seconds=gate.seconds)


def effective_rate(limits: Limits, gate: Gate, now: float) -> float | None:
    """Calls per second that may be made now; None: any number."""
    if not _ramping(limits, gate, now):
        return limits.rate
    goal = RAMP_GOAL if limits.rate is None else limits.rate
    return goal * max(RAMP_START, (now - gate.closed_at) / limits.breaker_ramp)


def slots(limits: Limits, gate: Gate, now: float) -> Iterator[float]:
    """Moments for all that is parked to come back, the ramp included; `park_at` goes along."""
    at = now
    while True:
        gate.park_at = at
        yield at
        rate = effective_rate(limits, gate, at) or FASTEST
        if limits.concurrency is not None:
            rate = min(rate, limits.concurrency / max(gate.seconds, 0.001))
        at += 1 / min(rate, FASTEST)


def _ramping(limits: Limits, gate: Gate, now: float) -> bool:
    return gate.closed_at > 0 and now - gate.closed_at < limits.breaker_ramp


def _open(limits: Limits, gate: Gate, now: float, wait: float | None) -> None:
    gate.breaker, gate.failures, gate.canaries = OPEN, [], 0
    gate.opened += 1
    gate.open_until = now + max(limits.breaker_open, min(wait or 0.0, 3600.0))


def _park(gate: Gate, earliest: float, per_second: float) -> float:
    at = max(gate.park_at, earliest)
    gate.park_at = at + 1 / per_second
    return at
