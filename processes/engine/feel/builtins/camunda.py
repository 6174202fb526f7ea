"""Built-ins that Camunda adds to those of DMN, beside the ones that stand with their kind of value."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from processes.engine.feel.budget import Run
from processes.engine.feel.builtins import contexts  # noqa: F401 - its signature of get value() comes first
from processes.engine.feel.builtins.registry import builtin
from processes.engine.feel.decimals import parse_number
from processes.engine.feel.errors import Mistake
from processes.engine.feel.temporal import DayTimeDuration
from processes.engine.feel.values import to_json

MILLISECOND = 1_000_000
MOST_ATTEMPTS = 1_000


@builtin("to json(value: any)")
def json_of(run: Run, value: Any) -> str:
    """The value as a JSON text; numbers keep every digit."""
    text = "".join(_written(to_json(value)))
    run.made(len(text), "string")
    return text


def _written(value: Any) -> list[str]:
    if isinstance(value, dict):
        parts = ["{"]
        for name, item in value.items():
            parts += [", " if len(parts) > 1 else "", json.dumps(name), ": ", *_written(item)]
        return [*parts, "}"]
    if isinstance(value, list):
        parts = ["["]
        for item in value:
            parts += [", " if len(parts) > 1 else "", *_written(item)]
        return [*parts, "]"]
    return [str(value) if isinstance(value, Decimal) else json.dumps(value)]


@builtin("from json(value: string)")
def from_json(run: Run, value: str) -> Any:
    """The value of a JSON text; null, with a warning, where it is none."""
    run.made(len(value), "string")
    try:
        return json.loads(value, parse_int=parse_number, parse_float=parse_number, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Mistake(f"Expected a JSON text for from json() but found: {error}") from None


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")


@builtin("to base64(value: string)")
def to_base64(run: Run, value: str) -> str:
    run.made(len(value) * 4 // 3 + 4, "string")
    return base64.b64encode(value.encode()).decode()


@builtin(
    "backoff(attempt: number, minDelay?: days and time duration, factor?: number, "
    "maxDelay?: days and time duration, jitterFactor?: number)"
)
def backoff(
    run: Run,
    attempt: Any,
    minDelay: DayTimeDuration = DayTimeDuration(50 * MILLISECOND),  # noqa: B008, N803 - FEEL's names; frozen
    factor: Any = Decimal("1.6"),
    maxDelay: DayTimeDuration = DayTimeDuration(5_000 * MILLISECOND),  # noqa: B008, N803
    jitterFactor: Any = Decimal("0.1"),  # noqa: N803
) -> Any:
    """How long to wait after so many tries, the first is 1: ``minDelay * factor ** (attempt - 1)``, at most `maxDelay`,
    more or less by a share of up to `jitterFactor`, which follows from the moment."""
    count = int(attempt)
    if not 1 <= count <= MOST_ATTEMPTS:
        raise Mistake(f"Expected an attempt of backoff() from 1 to {MOST_ATTEMPTS} but found {attempt}")
    if not (0 <= jitterFactor <= 1 and factor >= 1 and minDelay.nanos >= 0):
        raise Mistake("Expected backoff() with a jitterFactor from 0 to 1, a factor from 1, and no delay below zero")
    nanos = Decimal(minDelay.nanos)
    for _ in range(count - 1):
        if nanos >= maxDelay.nanos:
            break
        nanos *= Decimal(factor)
    digest = hashlib.blake2b(f"{run.now.isoformat()}/{count}".encode(), digest_size=4).digest()
    share = Decimal(int.from_bytes(digest, "big")) / 0x7FFFFFFF - 1
    return DayTimeDuration(int(min(nanos, Decimal(maxDelay.nanos)) * (1 + share * Decimal(jitterFactor))))


@builtin("get value(context: context, keys: list)")
def value_at(run: Run, context: Mapping[str, Any], keys: list[Any]) -> Any:
    """The value at the end of a path of keys, null where there is none."""
    value: Any = context
    for key in keys:
        if not isinstance(value, Mapping) or type(key) is not str:
            return None
        value = value.get(key)
    return value
