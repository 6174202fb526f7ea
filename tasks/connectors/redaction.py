"""What an operator may read of a call: everything but the secrets.

Two nets. The literal secrets that a call was given are masked wherever they turn up, also in what the server
echoes. And what looks like a secret by its name (header, query parameter, form field, JSON field, XML
element) is masked by that. The journal of an attempt and the messages of errors pass here; what the model
gets as data does not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus

MASK = "***"
EXCERPT = 8 * 1024
"""Characters of a body that the journal keeps."""

SHORTEST = 4
"""Shorter literals are not searched for: masking every "a" hides more than a secret."""

_SECRET_NAME = re.compile(
    r"authori[sz]ation|cookie|token|secret|passw|passphrase|api[-_]?key|access[-_]?key|private[-_]?key|x[-_]auth"
    r"|credential|signature|session|assertion|^(key|pwd|sig|pin|cvv|cvc|jwt|auth)$",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"(Basic|Bearer|Digest|Negotiate|Token|ApiKey|AWS4-HMAC-SHA256)\s", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=://)[^/?#\s\"'<>]*@")
_PAIR = re.compile(r"(^|[?&;])([^=&;?#\s\"'<>]{1,200})=([^&;#\s\"'<>]*)")
_FIELD = re.compile(r'"([^"\\]{1,100})"(\s*:\s*)"((?:[^"\\]|\\.)*)(\\?$|")', re.DOTALL)
_ELEMENT = re.compile(r"<([\w.:-]{1,100})((?:\s[^<>]{0,400})?)>([^<]+)")


def is_secret_name(name: str) -> bool:
    """Whether a header, parameter or field of this name is taken for a secret."""
    return _SECRET_NAME.search(name) is not None


class Redactor:
    """Masks the given literals, and what is a secret by its name."""

    def __init__(self, secrets: Iterable[str] = (), secret_headers: Iterable[str] = ()) -> None:
        spellings = {
            spelling
            for secret in secrets
            if len(secret) >= SHORTEST
            for spelling in (secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1])
        }
        # The longest first: a password may begin with another one.
        ordered = sorted(spellings, key=len, reverse=True)
        self._literals = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        self._headers = frozenset(name.lower() for name in secret_headers)

    def literals(self, value: Any) -> Any:
        """A JSON value with the literal secrets masked in its texts, at every level."""
        if self._literals is None:
            return value
        if isinstance(value, str):
            return self._literals.sub(MASK, value)
        if isinstance(value, Mapping):
            return {self.literals(key): self.literals(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.literals(item) for item in value]
        return value

    def text(self, text: str) -> str:
        """Prose, a URL, a form, JSON or XML, whole or cut off anywhere."""
        text = self.literals(text)
        text = _USERINFO.sub(MASK + "@", text)
        text = _PAIR.sub(_masked_pair, text)
        text = _FIELD.sub(_masked_field, text)
        text = _ELEMENT.sub(_masked_element, text)
        return text.replace("\0", "\ufffd")  # PostgreSQL stores no NUL

    def excerpt(self, text: str, limit: int = EXCERPT) -> str:
        """The beginning of a long text, redacted, at most `limit` characters and an ellipsis."""
        # Redacted before it is cut, with a margin: half a secret is not recognised as one.
        window = limit + EXCERPT
        shown = self.text(text[:window])
        return shown if len(shown) <= limit and len(text) <= window else shown[:limit] + "…"

    def headers(self, headers: Mapping[str, Any]) -> dict[str, Any]:
        """Headers by name; a secret one keeps its authentication scheme."""
        return {name: self._header(name, value) for name, value in headers.items()}

    def _header(self, name: str, value: Any) -> Any:
        if isinstance(value, list):
            return [self._header(name, item) for item in value]
        if name.lower() in self._headers or is_secret_name(name):
            scheme = _SCHEME.match(value)
            return f"{scheme[1]} {MASK}" if scheme else MASK
        return self.text(value)


def _masked_pair(match: re.Match[str]) -> str:
    start, name, value = match.groups()
    return f"{start}{name}={MASK if value and is_secret_name(unquote_plus(name)) else value}"


def _masked_field(match: re.Match[str]) -> str:
    name, colon, value, end = match.groups()
    return f'"{name}"{colon}"{MASK if value and is_secret_name(name) else value}{end}'


def _masked_element(match: re.Match[str]) -> str:
    name, attributes, value = match.groups()
    hidden = value.strip() and is_secret_name(name.rpartition(":")[2])
    return f"<{name}{attributes}>{MASK if hidden else value}"
