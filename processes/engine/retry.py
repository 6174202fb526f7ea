"""When to try again: a pure decision from the task's headers and the number of the attempt.

| header | example | meaning | default |
|---|---|---|---|
| `retryBackoff` | `PT30S` | the pause before another try | `PT1S`, doubling |
| | `PT1S,PT10S,PT1M` | one pause for each failed try, the last one again and again | |
| | `R5/PT5M` | five tries with a pause of five minutes | |
| `retryFactor` | `2` | every pause is so many times the one before | 1; 2 where `retryBackoff` is not given |
| `retryMaximum` | `PT10M` | no pause is longer | `PT5M` where `retryBackoff` is not given |
| `retryJitter` | `0.1` | pauses differ by up to this share, both ways | 0; 0.1 where `retryBackoff` is not given |
| `retryDeadline` | `PT1H` | no further try begins so long after the job was created, or resumed by an operator | none |

Chance is an argument: the jitter follows from the seed, so the same try of the same job has the same pause.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from processes.engine import schedule

DEFAULT_RETRIES = 3
LONGEST = timedelta(days=30)
LONGEST_DEADLINE = timedelta(days=3660)


@dataclass(frozen=True, slots=True)
class Policy:
    """`tries` is the number of tries that the backoff itself asks for, None where it asks for none; `deadline` the time
    that all tries together have, None: any."""

    pauses: tuple[timedelta, ...] = (timedelta(seconds=1),)
    factor: float = 2.0
    maximum: timedelta = timedelta(minutes=5)
    jitter: float = 0.1
    tries: int | None = None
    deadline: timedelta | None = None

    @classmethod
    def read(cls, headers: Mapping[str, str]) -> Policy:
        """The policy that the headers ask for. Raises ValueError, which says what was expected."""
        given = "retryBackoff" in headers
        pauses, tries = _pauses(headers["retryBackoff"]) if given else (cls().pauses, None)
        return cls(
            pauses=pauses,
            factor=_number(headers, "retryFactor", 1.0 if given else 2.0, 1.0, 100.0),
            maximum=schedule.span(headers["retryMaximum"])
            if "retryMaximum" in headers
            else (LONGEST if given else cls().maximum),
            jitter=_number(headers, "retryJitter", 0.0 if given else 0.1, 0.0, 1.0),
            tries=tries,
            deadline=_deadline(headers),
        )

    def pause(self, attempt: int, seed: str) -> timedelta:
        """How long to wait after the try with this number, from 1, has failed."""
        base = self.pauses[min(attempt, len(self.pauses)) - 1]
        beyond = max(0, attempt - len(self.pauses))
        seconds = min(base.total_seconds() * self.factor ** min(beyond, 64), self.maximum.total_seconds())
        return timedelta(seconds=max(0.0, seconds * (1 + self.jitter * _share(f"{seed}/{attempt}"))))


def until(headers: Mapping[str, str], since: datetime) -> datetime | None:
    """The moment from which on no further try of a job begins that was created, resumed or got on at `since`; None
    where its headers set none."""
    try:
        deadline = _deadline(headers)
        return None if deadline is None else since + deadline
    except (ValueError, OverflowError):
        return None  # Refused at deploy.


def began(headers: Mapping[str, str], until: datetime | None) -> datetime | None:
    """The moment from which the deadline `until` of a job with these headers was counted; None where it has none."""
    try:
        deadline = _deadline(headers)
        return None if deadline is None or until is None else until - deadline
    except (ValueError, OverflowError):
        return None


def _deadline(headers: Mapping[str, str]) -> timedelta | None:
    text = headers.get("retryDeadline")
    if text is None:
        return None
    try:
        found = schedule.span(text)
    except ValueError as error:
        raise ValueError(f"retryDeadline: {error}") from None
    if not timedelta() < found <= LONGEST_DEADLINE:
        raise ValueError(f"Expected retryDeadline to be longer than nothing and up to ten years but found '{text}'")
    return found


def _pauses(text: str) -> tuple[tuple[timedelta, ...], int | None]:
    if text.startswith("R"):
        head, _, rest = text.partition("/")
        if not head[1:].isdigit() or not 1 <= int(head[1:]) <= 1000:
            raise ValueError(f"Expected a repetition such as R5/PT5M but found '{text}'")
        return (schedule.span(rest),), int(head[1:])
    return tuple(schedule.span(part) for part in text.split(",")), None


def _number(headers: Mapping[str, str], name: str, default: float, low: float, high: float) -> float:
    text = headers.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise ValueError(f"Expected {name} to be a number from {low:g} to {high:g} but found '{text}'")
    return value


def _share(seed: str) -> float:
    """A number from -1 to 1 that looks random and is not."""
    digest = hashlib.blake2b(seed.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 0x7FFFFFFF - 1
