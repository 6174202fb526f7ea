"""Reads what a server answered: the body within its limits, and what its status says about trying again.

A body is what its content type says it is, never what it looks like: a price list that happens to parse as
JSON must not turn from text into a list one morning.

| Content type | `body` |
|---|---|
| none, or no content | null where there are no bytes; else text where it is UTF-8, else as binary |
| JSON (also ``+json``) | the parsed value, exact numbers |
| text, XML, forms, JavaScript, YAML, whatever names a charset | text, in the charset named or UTF-8 |
| anything else | base64 text, and ``"bodyEncoding": "base64"`` beside it; or ask for a document |

Text that is not in its charset and JSON that does not parse are errors: the next condition would be decided
on garbage.
"""

from __future__ import annotations

import base64
import codecs
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import collapse_rfc2231_value, parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from urllib3.exceptions import HTTPError

from tasks.connectors import deadline, exact_json
from tasks.connectors.http_body import is_json

CHUNK = 64 * 1024

LONGEST_WAIT = timedelta(days=1)
"""A `Retry-After` beyond it is cut: an operator would want to hear of it before."""

WORTH_ANOTHER_TRY = frozenset({408, 425, 429})
"""Client errors that time may heal (RFC 9110 15.5.9, RFC 8470 5.2, RFC 6585 4)."""

_TEXTS = re.compile(
    r"text/.*|.*[/+]xml(-.*)?|application/(x-)?(javascript|ecmascript|yaml|toml|graphql|ndjson|json-seq|jsonl"
    r"|www-form-urlencoded)|.*\+yaml"
)
_CHARSET = re.compile(r"charset\s*=\s*\"?'?([A-Za-z0-9_.:+-]+)", re.IGNORECASE)
_CHARSETS = (
    "utf-8",
    "utf-16",
    "utf-32",
    "ascii",
    "iso8859",
    "cp",
    "koi8",
    "mac",
    "gb",
    "big5",
    "euc",
    "shift",
)
"""Python knows more, but ``idna`` or ``unicode_escape`` are no charsets, and some cost quadratic time."""


BROKEN = (HTTPError, OSError)
"""What reading a body raises when the connection or the coding breaks, timeouts included."""


class TooLargeError(Exception):
    """The decoded body is longer than allowed."""


class UnreadableError(Exception):
    """The body is not what its headers say. The text says how."""


def read_body(response: requests.Response, into: bytearray, limit: int) -> None:
    """Read the body to its end, decoded, into `into`, where what was read stays when reading breaks off.

    Raises `TooLargeError` beyond `limit` bytes, TimeoutError at the deadline, and what `BROKEN` lists.
    """
    announced = response.headers.get("Content-Length", "")
    plain = "Content-Encoding" not in response.headers and response.request.method != "HEAD"
    if plain and re.fullmatch(r"[0-9]{1,20}", announced) and int(announced) > limit:
        raise TooLargeError  # no need to read a megabyte to learn that there are two
    # read1 gives what is there: a body that drips is seen in the journal as far as it came. It decodes at
    # most as much as asked for, so a gzip bomb goes off in portions.
    while chunk := response.raw.read1(CHUNK, decode_content=True):
        into += chunk
        if len(into) > limit:
            del into[limit:]
            raise TooLargeError
        if deadline.passed():
            raise TimeoutError("the deadline has passed")


def headers_of(response: requests.Response) -> dict[str, Any]:
    """Headers under the names that the server wrote, as Camunda gives them; repeated ones joined with commas.

    Only several `Set-Cookie` become a list, because their values contain commas (RFC 9110 5.3).
    """
    found: dict[str, Any] = {}
    names: dict[str, str] = {}
    for name, value in response.raw.headers.iteritems():
        name = names.setdefault(name.lower(), name)
        if name not in found:
            found[name] = value
        elif name.lower() == "set-cookie":
            earlier = found[name]
            found[name] = [*(earlier if isinstance(earlier, list) else [earlier]), value]
        else:
            found[name] = f"{found[name]}, {value}"
    return found


def reason_of(response: requests.Response) -> str:
    """The server's reason phrase, or the standard one where it sent none (HTTP/2 has none)."""
    if response.reason:
        return str(response.reason)
    try:
        return HTTPStatus(response.status_code).phrase
    except ValueError:
        return ""


def interpret(content: bytes, content_type: str, text_in: str = "") -> dict[str, Any]:
    """``{"body": ...}``, for binary with ``"bodyEncoding"``; see the module. Raises `UnreadableError`.

    `text_in` asks for text in this charset, whatever the content type says.
    """
    if not content:
        return {"body": None}
    if text_in:
        return {"body": _decoded(content, text_in)}
    media_type = content_type.partition(";")[0].strip().lower()
    charset = _CHARSET.search(content_type)
    if is_json(media_type):
        try:
            return {"body": exact_json.loads(_decoded(content, charset[1] if charset else "utf-8"))}
        except ValueError as problem:
            raise UnreadableError(f"a JSON body, but it is not JSON: {problem}") from problem
    if charset or _TEXTS.fullmatch(media_type):
        return {"body": _decoded(content, charset[1] if charset else "utf-8")}
    if not media_type:
        try:
            return {"body": _decoded(content, "utf-8")}
        except UnreadableError:
            pass
    return {"body": base64.b64encode(content).decode(), "bodyEncoding": "base64"}


def as_text(content: bytes, content_type: str) -> str:
    """A body for people to read, whatever it is: never fails."""
    media_type = content_type.partition(";")[0].strip().lower()
    charset = _CHARSET.search(content_type)
    if media_type and not charset and not is_json(media_type) and not _TEXTS.fullmatch(media_type):
        return f"({len(content)} bytes of {media_type:.80})" if content else ""
    try:
        return content.decode(_codec(charset[1] if charset else "utf-8"), "replace")
    except UnreadableError:
        return content.decode("utf-8", "replace")


def file_name(response: requests.Response) -> str:
    """What the server calls the body (``Content-Disposition``, RFC 6266), else the end of its address."""
    said = Message()
    said["Content-Disposition"] = response.headers.get("Content-Disposition", "")
    try:
        names = [value for key, value in said.get_params([], "Content-Disposition") if key.lower() == "filename"]
        # The extended notation, a tuple by now, is the better one where there are both.
        name = collapse_rfc2231_value(max(names, key=lambda value: isinstance(value, tuple), default=""))
    except (ValueError, LookupError):
        name = ""
    return name or unquote(urlsplit(response.url).path.rstrip("/").rpartition("/")[2]) or "response"


def is_retryable(status: int) -> bool:
    """Whether another try may succeed where this one was answered with an error status."""
    return status >= 500 or status in WORTH_ANOTHER_TRY


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """How long the server asks to wait (``Retry-After``, RFC 9110 10.2.3), at most a day; None without a
    valid wish.

    A date is taken relative to the server's own `Date`, so that a wrong clock does no harm, else to `now`.
    """
    wish = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]+", wish):
        # Ten digits are centuries already, and longer ones do not fit a timedelta.
        return min(timedelta(seconds=int(wish[:10])), LONGEST_WAIT)
    until = _date(wish)
    if until is None:
        return None
    wait = until - (_date(headers.get("Date", "")) or now)
    return min(max(wait, timedelta()), LONGEST_WAIT)


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _codec(charset: str) -> str:
    try:
        name = codecs.lookup(charset).name
    except (LookupError, ValueError):
        name = ""
    if not name.startswith(_CHARSETS):
        raise UnreadableError(f"a known charset, but the content type says {charset:.40}")
    return "utf-8-sig" if name == "utf-8" else name


def _decoded(content: bytes, charset: str) -> str:
    try:
        return content.decode(_codec(charset))
    except UnicodeDecodeError as problem:
        raise UnreadableError(f"text in {charset:.40}, but byte {problem.start} is not") from None
