"""Masks the secrets of an attempt in everything that comes back from it, and in everything that is logged meanwhile.

A connector gets secrets in clear, and what it says may hold them again: a service echoes a header, a library quotes a
DSN, a traceback shows a line. So each literal is searched for in all the spellings that protocols give it, and replaced
by ``***``, also where only the beginning of it was left by a text that was cut off.

Log lines of a process are masked while any attempt with secrets runs in it, whichever thread writes them: connectors
start threads, and libraries log from theirs.
"""

from __future__ import annotations

import base64
import html
import json
import logging
import re
import threading
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST = 4
"""Shorter literals are not searched for: masking every "a" hides more than a secret."""
SHORTEST_INNER = 8
"""The same for pieces of a literal: the lines of a key, the inside of a base64 text, a beginning that was cut off."""
_ELLIPSES = ("…", "...")


class Concealment:
    """Masks the given literals."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # The longest first: a password may begin with another one. In upper and lower case: host names are folded.
        found = sorted({spelling for secret in secrets for spelling in _spellings(secret)}, key=len, reverse=True)
        self._folded = [spelling.lower() for spelling in found]
        self._literals = re.compile("|".join(map(re.escape, found)), re.IGNORECASE) if found else None

    def __bool__(self) -> bool:
        return self._literals is not None

    def text(self, text: str) -> str:
        if self._literals is None:
            return text
        return self._without_beginning(self._literals.sub(MASK, text))

    def value(self, value: Any) -> Any:
        """A value of JSON, or what connectors give for it, with the secrets masked at every level, in names too."""
        if self._literals is None or value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes | bytearray):
            return self.text(bytes(value).decode("utf-8", "replace"))
        if isinstance(value, int | float | Decimal):
            # A number that is the secret: `{"echo": 12345678}`.
            return (
                MASK
                if self._literals.search(format(value, "f") if isinstance(value, Decimal) else str(value))
                else value
            )
        if isinstance(value, Mapping):
            return {self.value(name): self.value(member) for name, member in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(member) for member in value]
        return value

    def _without_beginning(self, text: str) -> str:
        """A text that was cut off may end with the beginning of a secret."""
        body, tail = text, ""
        for ellipsis in _ELLIPSES:
            if text.endswith(ellipsis):
                body, tail = text[: -len(ellipsis)], ellipsis
                break
        folded = body.lower()
        for literal in self._folded:
            for size in range(min(len(literal) - 1, len(body)), SHORTEST_INNER - 1, -1):
                if folded.endswith(literal[:size]):
                    return body[:-size] + MASK + tail
        return text


def _spellings(secret: str) -> Iterator[str]:
    for part in {secret, secret.strip()}:
        if len(part) < SHORTEST:
            continue
        yield part
        yield quote(part, safe="")
        yield quote(part)
        yield quote_plus(part)
        yield quote(part, safe="").replace("%", "%25")
        yield json.dumps(part)[1:-1]
        yield json.dumps(part, ensure_ascii=False)[1:-1]
        yield repr(part)[1:-1]
        yield html.escape(part)
        raw = part.encode("utf-8", "surrogatepass")
        yield raw.hex()
        yield from _base64(raw)
        lines = [line.strip() for line in part.splitlines()]
        if len(lines) > 1:
            yield from (line for line in lines if len(line) >= 2 * SHORTEST_INNER and not line.startswith("-----"))


def _base64(raw: bytes) -> Iterator[str]:
    """The whole, and what is the same of it wherever it stands in a longer text: ``Basic base64(user:secret)``."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(raw).decode()
        yield whole
        yield whole.rstrip("=")
        yield quote(whole, safe="")
        for before in range(3):
            # Characters that only bits of the secret decide: those of its neighbours at either end are left out.
            coded = encode(bytes(before) + raw).decode().rstrip("=")
            inner = coded[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6]
            if len(inner) >= SHORTEST_INNER:
                yield inner


# -- logs --------------------------------------------------------------------------------------------------------------

_active: dict[int, Concealment] = {}
_lock = threading.Lock()
_installed = False


@contextmanager
def concealing(concealment: Concealment) -> Iterator[None]:
    """Mask what is logged in this process until the block ends."""
    if not concealment:
        yield
        return
    _install()
    key = id(concealment)
    with _lock:
        _active[key] = concealment
    try:
        yield
    finally:
        with _lock:
            _active.pop(key, None)


def _install() -> None:
    global _installed
    with _lock:
        if _installed:
            return
        made = logging.getLogRecordFactory()

        def masked(*arguments: Any, **named: Any) -> logging.LogRecord:
            record = made(*arguments, **named)
            for concealment in list(_active.values()):
                _conceal(record, concealment)
            return record

        logging.setLogRecordFactory(masked)
        _installed = True


def _conceal(record: logging.LogRecord, concealment: Concealment) -> None:
    try:
        said = record.getMessage()
    except Exception:  # noqa: BLE001 - arguments that do not fit: logging itself would complain, and quote them
        said = str(record.msg)
    hidden = concealment.text(said)
    if hidden != said or record.args:
        record.msg, record.args = hidden, ()
    if record.exc_info:
        told = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        shown = concealment.text(told)
        if shown != told:
            record.exc_text, record.exc_info = shown, None
    if record.stack_info:
        record.stack_info = concealment.text(record.stack_info)
