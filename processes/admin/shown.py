"""How values look on every page: moments, spans of time, states, counts and JSON. No queries here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import simplejson
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

LONGEST_JSON = 50_000
"""Characters of one JSON document on a page: a browser must survive what a service sent."""

TIMES = "\N{MULTIPLICATION SIGN}"
NOTHING = "\N{EN DASH}"
HIDDEN = format_html(
    '<span class="quiet">{}</span>', "Hidden: your account may not view what processes work on (view_payload)."
)


def moment(value: datetime | None) -> SafeString | str:
    """To the second, in UTC as everywhere on the server; the full precision is in the tooltip."""
    if value is None:
        return NOTHING
    return format_html(
        '<time datetime="{0}" title="{0}">{1}</time>', value.isoformat(), f"{value:%Y-%m-%d} {value:%H:%M:%S}"
    )


def stamp(value: datetime | None, now: datetime | None = None) -> SafeString | str:
    """The same for lists, where space is short: the year only where it is not this one."""
    if value is None:
        return NOTHING
    pattern = "%d %b %H:%M:%S" if value.year == (now or timezone.now()).year else "%d %b %Y %H:%M"
    return format_html('<time datetime="{0}" title="{0}">{1}</time>', value.isoformat(), value.strftime(pattern))


def since(value: datetime | None, now: datetime | None = None) -> str:
    """How long ago, or how long until then: ``3 min ago``, ``in 2 h``."""
    if value is None:
        return NOTHING
    span = (now or timezone.now()) - value
    return f"{length(span)} ago" if span >= timedelta() else f"in {length(-span)}"


def length(span: timedelta) -> str:
    """A span of time in its largest unit, three digits at most for what machines do."""
    seconds = span.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def seconds(value: float) -> str:
    """The same of a number of seconds."""
    return length(timedelta(seconds=float(value)))


def badge(value: str, label: str | None = None) -> SafeString:
    """A state as a coloured word. The class is made of letters only, whatever the value holds."""
    word = "".join(letter for letter in value.lower() if letter.isalpha())
    return format_html('<span class="badge badge-{}">{}</span>', word, label or value.replace("_", " ").capitalize())


def elements(counts: Mapping[str, int]) -> SafeString | str:
    """Element ids, with a number where more than one visit stands there."""
    if not counts:
        return NOTHING
    return format_html_join(
        " ",
        '<code class="element">{}</code>',
        ((f"{element} {TIMES}{count}" if count > 1 else element,) for element, count in counts.items()),
    )


def count(value: int, href: str, kind: str = "", *, more: bool = False) -> SafeString | str:
    """A number that leads to what it counts; nothing loud about none. `more`: others were not counted."""
    if not value:
        return format_html('<span class="quiet">{}</span>', 0)
    return format_html('<a class="count {}" href="{}">{}</a>', kind, href, f"{value:,}{'+' if more else ''}")


def json_text(value: Any) -> str:
    """Indented JSON with numbers as they were written, cut where it would be too long to look at."""
    text = simplejson.dumps(value, use_decimal=True, ensure_ascii=False, indent=2)
    if len(text) > LONGEST_JSON:
        return f"{text[:LONGEST_JSON]}\n… {len(text) - LONGEST_JSON:,} more characters"
    return text


def exact(value: Any) -> str:
    """The whole of a JSON document, for a form to begin with."""
    return simplejson.dumps(value, use_decimal=True, ensure_ascii=False, indent=2)


def preview(value: Any, most: int = 160) -> str:
    """The beginning of a JSON document in one line."""
    if isinstance(value, str) and len(value) > most:
        value = value[:most] + "…"
    text = simplejson.dumps(value, use_decimal=True, ensure_ascii=False)
    return text if len(text) <= most else f"{text[:most]}…"


def kind(value: Any) -> str:
    """What kind of JSON a value is, and how much of it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "truth value"
    if isinstance(value, str):
        return f"text of {len(value):,}" if len(value) > 80 else "text"
    if isinstance(value, Mapping):
        return f"object of {len(value):,}"
    return f"list of {len(value):,}" if isinstance(value, list) else "number"


def json_block(value: Any, *, may_see: bool = True) -> SafeString | str:
    """The same as a block for fields of a page; for who may not see it, only that it is hidden."""
    if not may_see:
        return HIDDEN
    if value is None or value == {}:
        return NOTHING
    return format_html('<pre class="json">{}</pre>', json_text(value))
