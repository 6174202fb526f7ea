"""Poll until done: what the input `poll` asks for. Decides; sends nothing.

    {until: "=response.body.status = \"done\"", failure: "=response.body.status = \"failed\"", interval: "PT5S"}

| Field | |
|---|---|
| `until` | required: FEEL over ``response`` and ``polls``; true: this response is the result |
| `failure` | FEEL as above: true: the work failed, error ``POLL_FAILED`` |
| `url` | where to look: text, or FEEL with ``=`` over the first response; default its ``Location`` (or |
| | ``Operation-Location``), else the address of a GET |
| `interval` | pause between two looks, ISO 8601 or seconds, PT5S; a ``Retry-After`` of the server takes its place |
| `maximum` | after which nobody looks any more, PT1H: error ``POLL_TIMEOUT`` |
| `allowOtherOrigins` | whether the address may have another origin, where no credentials are sent |
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from tasks.connectors.inputs import context, flag, invalid, number

FIELDS = ("until", "failure", "url", "interval", "maximum", "allowOtherOrigins")
_SPAN = re.compile(
    r"P(?=[0-9T])(?:([0-9]{1,6})D)?(?:T(?=[0-9])(?:([0-9]{1,6})H)?(?:([0-9]{1,8})M)?(?:([0-9]{1,9}(?:\.[0-9]{1,6})?)S)?)?"
)
_UNITS = (86400, 3600, 60, 1)

LONGEST = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """When work that goes on elsewhere is looked at, and when it is over. Expressions are FEEL texts."""

    until: str
    failure: str
    url: str
    interval: timedelta
    maximum: timedelta
    allow_other_origins: bool

    @property
    def expressions(self) -> Mapping[str, str]:
        """Those that are given, by their place."""
        named = {"until": self.until, "failure": self.failure, "url": self.url if self.url.startswith("=") else ""}
        return {f"poll.{name}": text for name, text in named.items() if text}


def read_poll(value: Any) -> Poll | None:
    """What the input asks for; None where it is blank. Raises `JobError`."""
    given = context(value, "poll")
    if not given:
        return None
    if stray := [name for name, item in given.items() if name not in FIELDS and item not in (None, "")]:
        raise invalid(f"Expected `poll` to have {', '.join(FIELDS)}, but found {stray[0]:.60}")
    texts = {}
    for name in ("until", "failure", "url"):
        text = given.get(name) or ""
        if not isinstance(text, str):
            raise invalid(f"Expected `poll.{name}` to be text, but found {type(text).__name__}")
        texts[name] = text.strip()
    if not texts["until"]:
        raise invalid("Expected the input `poll.until`, but found none")
    return Poll(
        **texts,
        interval=_span(given, "interval", timedelta(seconds=5), timedelta(milliseconds=100)),
        maximum=_span(given, "maximum", timedelta(hours=1), timedelta()),
        allow_other_origins=bool(flag(given, "allowOtherOrigins")),
    )


def _span(given: Mapping[str, Any], name: str, default: timedelta, least: timedelta) -> timedelta:
    value = given.get(name)
    if value is None or value == "":
        return default
    match = _SPAN.fullmatch(value.strip()) if isinstance(value, str) else None
    if match:
        seconds = sum((Decimal(part or 0) * unit for part, unit in zip(match.groups(), _UNITS, strict=True)), Decimal())
    else:
        seconds = number(value, f"poll.{name}")
    if not 0 <= seconds <= int(LONGEST.total_seconds()):
        raise invalid(f"Expected `poll.{name}` to be a duration of up to {LONGEST.days} days, but found {value!r:.60}")
    return max(timedelta(seconds=float(seconds)), least)
