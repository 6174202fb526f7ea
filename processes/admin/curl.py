"""A request that a connector made, as a command for a shell. Pure.

What it shows is what the journal has: secrets are masked there, and stay ``***`` for whoever runs it to fill in.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110 5.1; what is none, such as ``@file``, would mean something else to curl."""
_OWN = frozenset({"accept-encoding", "connection", "content-length", "host", "transfer-encoding"})
"""Headers that curl makes itself."""
DOCUMENT = "(a document)"
"""What the journal says of a body that is a stored document."""
CUT = "…"


def command(request: Mapping[str, Any]) -> str:
    """The command; "" where the journal tells of no HTTP request."""
    method, url = request.get("method"), request.get("url")
    if not (isinstance(method, str) and isinstance(url, str) and url.startswith(("http://", "https://"))):
        return ""
    lines = [f"curl --globoff --request {shlex.quote(method)} {shlex.quote(url)}"]
    headers = request.get("headers")
    for name, value in headers.items() if isinstance(headers, Mapping) else ():
        if _NAME.fullmatch(name) and name.lower() not in _OWN:
            lines += [f"--header {shlex.quote(f'{name}: {each}')}" for each in _each(value)]
    body = request.get("body")
    if body == DOCUMENT:
        lines.append("--data-binary @document")
    elif isinstance(body, str) and body:
        lines.append(f"--data-raw {shlex.quote(body)}")
    return " \\\n  ".join(lines)


def hints(request: Mapping[str, Any]) -> list[str]:
    """What has to be filled in before the command does what was done."""
    found = []
    said = command(request)
    if "***" in said:
        found.append("*** stands for a secret")
    body = request.get("body")
    if isinstance(body, str) and body.endswith(CUT):
        found.append("the body is cut where … stands")
    if body == DOCUMENT:
        found.append("the body was a stored document")
    return found


def _each(value: Any) -> list[str]:
    """The values of a header, on one line each."""
    values = value if isinstance(value, list) else [value]
    return [" ".join(str(each).split()) for each in values]
