"""Declarative pagination: what the input `pagination` asks for, and where its pages lead. Decides; sends nothing.

    {type: "cursor", items: "=response.body.data", next: "=response.body.meta.next", cursorParameter: "after"}

| Field | |
|---|---|
| `type` | required: ``link``, ``cursor``, ``offset`` or ``page`` |
| `items` | FEEL over ``response``, ``page`` and ``count``: the list of this page; default ``response.body`` |
| `next` | ``link``: the next address, default the ``Link`` header; ``cursor``: required, the next cursor; |
| | null: no more |
| `cursorParameter` | ``cursor``: required, the query parameter (or field of a JSON body, with `cursorIn` ``body``) |
| `offsetParameter`, `pageParameter` | ``offset`` and ``page``: default ``offset`` and ``page`` |
| `limitParameter`, `limit` | the size of a page to ask for, together or not at all |
| `start` | first offset (0) or page (1) |
| `more` | FEEL as above: false ends the pagination |
| `maximumPages`, `maximumItems` | stop there, with ``complete: false`` where there is more; |
| | more than 1000 pages are an error |
| `allowOtherOrigins` | whether `next` may lead to another origin, where no credentials are sent |

``offset`` and ``page`` end with an empty page (or `more`): a server may give fewer items than asked for, and has not
ended for that. So the offset grows by what came, not by what was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote_plus, urlsplit, urlunsplit

from tasks.connectors.inputs import context, encodable, flag, invalid, number, scalar

TYPES = ("link", "cursor", "offset", "page")
MOST_PAGES = 1000
MOST_ITEMS = 1_000_000

_FIELDS = {
    "link": {"next"},
    "cursor": {"next", "cursorParameter", "cursorIn", "limitParameter", "limit"},
    "offset": {"offsetParameter", "limitParameter", "limit", "start"},
    "page": {"pageParameter", "limitParameter", "limit", "start"},
}
_ALL = {"type", "items", "more", "maximumPages", "maximumItems", "allowOtherOrigins"}
FIELDS = tuple(sorted(_ALL.union(*_FIELDS.values())))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pagination:
    """How to go from page to page. Expressions are FEEL texts."""

    type: str
    items: str
    next: str
    more: str
    parameter: str
    """Of the cursor, offset or page."""
    in_body: bool
    limit_parameter: str
    limit: int
    start: int
    maximum_pages: int | None
    maximum_items: int | None
    allow_other_origins: bool

    @property
    def expressions(self) -> Mapping[str, str]:
        """Those that are given, by their place."""
        named = {"items": self.items, "next": self.next, "more": self.more}
        return {f"pagination.{name}": text for name, text in named.items() if text}


def read_pagination(value: Any) -> Pagination | None:
    """What the input asks for; None where it is blank. Raises `JobError`."""
    given = context(value, "pagination")
    if not given:
        return None
    kind = given.get("type")
    if kind not in TYPES:
        raise invalid(f"Expected `pagination.type` to be one of {', '.join(TYPES)}, but found {kind!r:.60}")
    known = _ALL | _FIELDS[kind]
    for name, item in given.items():
        if name not in known and item not in (None, ""):
            raise invalid(f"The input `pagination.{name:.60}` is not known for pagination of type {kind}")
    place = given.get("cursorIn")
    if place not in (None, "", "query", "body"):
        raise invalid(f"Expected `pagination.cursorIn` to be query or body, but found {place!r:.60}")
    parameter = _text(given, f"{kind}Parameter", "" if kind in ("link", "cursor") else kind)
    following = _text(given, "next", "")
    if kind == "cursor":
        for name, found in (("cursorParameter", parameter), ("next", following)):
            if not found:
                raise invalid(f"Expected the input `pagination.{name}`, but found none")
    limit_parameter, limit = _text(given, "limitParameter", ""), _whole(given, "limit", 1, MOST_ITEMS)
    if bool(limit_parameter) != (limit is not None):
        raise invalid("Expected `pagination.limitParameter` and `pagination.limit` together, but found one of them")
    start = _whole(given, "start", 0, MOST_ITEMS)
    return Pagination(
        type=kind,
        items=_text(given, "items", "response.body"),
        next=following,
        more=_text(given, "more", ""),
        parameter=parameter,
        in_body=place == "body",
        limit_parameter=limit_parameter,
        limit=limit or 0,
        start=(1 if kind == "page" else 0) if start is None else start,
        maximum_pages=_whole(given, "maximumPages", 1, MOST_PAGES),
        maximum_items=_whole(given, "maximumItems", 1, MOST_ITEMS),
        allow_other_origins=bool(flag(given, "allowOtherOrigins")),
    )


def with_parameter(url: str, name: str, value: str) -> str:
    """The URL with one query parameter set, in place of what it had by that name; the rest as it is."""
    rest = _without(urlsplit(url).query, name)
    return _with_query(url, "&".join([*rest, f"{quote(name, safe='')}={quote(value, safe='')}"]))


def without_parameter(url: str, name: str) -> str:
    """The URL without a query parameter."""
    return _with_query(url, "&".join(_without(urlsplit(url).query, name)))


def next_link(header: str) -> str | None:
    """The target of the link with relation ``next`` in a ``Link`` header (RFC 8288 3)."""
    for match in re.finditer(r'<([^<>]*)>((?:\s*;\s*[\w*-]+\s*(?:=\s*(?:"[^"]*"|[^\s",;]*))?)*)', header[:20_000]):
        for name, quoted, bare in re.findall(r';\s*([\w*-]+)\s*=\s*(?:"([^"]*)"|([^\s",;]*))', match[2]):
            if name.lower() == "rel" and "next" in (quoted or bare).lower().split():
                return match[1].strip()
    return None


def _without(query: str, name: str) -> list[str]:
    return [pair for pair in query.split("&") if pair and unquote_plus(pair.partition("=")[0]) != name]


def _with_query(url: str, query: str) -> str:
    return urlunsplit(urlsplit(url)._replace(query=query))


def _text(given: Mapping[str, Any], name: str, default: str) -> str:
    value = given.get(name)
    if value is None or value == "":
        return default
    if not isinstance(value, str):
        raise invalid(f"Expected `pagination.{name}` to be text, but found {type(value).__name__}")
    return encodable(value, f"pagination.{name}")


def _whole(given: Mapping[str, Any], name: str, low: int, high: int) -> int | None:
    value = given.get(name)
    if value is None or value == "":
        return None
    found = number(value, f"pagination.{name}")
    if not low <= found <= high or found != int(found):
        raise invalid(f"Expected `pagination.{name}` to be whole, {low} to {high}, but found {scalar(value, name):.60}")
    return int(found)
