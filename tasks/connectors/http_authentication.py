"""Adds the credentials of a call to its headers or its query: none, basic, bearer or API key; or says what a token is
to be fetched with (OAuth 2).

Types that nobody knows are refused by name. A call sent without the authentication that its model asks for would be
worse than none.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from requests.structures import CaseInsensitiveDict

from tasks.connectors.inputs import context, encodable, invalid, scalar
from tasks.connectors.oauth import CLIENT_CREDENTIALS, REFRESH_TOKEN, Grant, read_grant

NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A header name (token, RFC 9110 5.6.2)."""

OF_THE_CONNECTION = frozenset(
    {"connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers that frame a message (RFC 9110 7.6.1, RFC 9112 6): two opinions on them are request smuggling."""

CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

_CLIENT = ("oauthTokenEndpoint", "clientId", "clientSecret", "audience", "scopes", "clientAuthentication")
_AUTHENTICATION: dict[str, tuple[str, ...]] = {
    "noAuth": (),
    "basic": ("username", "password"),
    "bearer": ("token",),
    "apiKey": ("apiKeyLocation", "name", "value"),
    CLIENT_CREDENTIALS: (*_CLIENT,),
    REFRESH_TOKEN: (*_CLIENT, "refreshToken"),
}
TYPES = tuple(_AUTHENTICATION)
FIELDS = ("type", *dict.fromkeys(name for names in _AUTHENTICATION.values() for name in names))
"""What `authentication` may have, of whatever type."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What was added to a call, or what is still to be fetched."""

    secrets: tuple[str, ...] = ()
    """Literals that no operator may read."""
    headers: frozenset[str] = frozenset()
    """Lower-case names of the headers that carry them."""
    parameter: str = ""
    """Name of the query parameter that carries one."""
    grant: Grant | None = None


def authenticate(
    value: Any,
    userinfo: str | None,
    headers: CaseInsensitiveDict[str],
    query: list[tuple[str, str]],
) -> Credentials:
    """Add the credentials to headers or query. Raises `JobError`."""
    given = context(value, "authentication")
    kind = given.get("type") or "noAuth"
    if not isinstance(kind, str) or kind not in _AUTHENTICATION:
        known = ", ".join(_AUTHENTICATION)
        raise invalid(f"Expected `authentication.type` to be one of {known}, but found {kind!r:.60}")
    for name, item in given.items():
        if name != "type" and name not in _AUTHENTICATION[kind] and item not in (None, ""):
            raise invalid(f"The input `authentication.{name:.60}` is not known for authentication of type {kind}")
    if userinfo is not None:
        if kind != "noAuth" or "Authorization" in headers:
            raise invalid("Expected credentials in one place, but `url` has some, too")
        username, _, password = (unquote(part) for part in userinfo.partition(":"))
        return _add_header(headers, "Authorization", _basic(username, password), password or username)
    match kind:
        case "basic":
            username, password = _secret(given, "username"), _secret(given, "password", default="")
            if ":" in username:
                raise invalid("Expected `authentication.username` to have no colon (RFC 7617)")
            return _add_header(headers, "Authorization", _basic(username, password), password)
        case "bearer":
            token = _secret(given, "token")
            return _add_header(headers, "Authorization", f"Bearer {token}", token)
        case "apiKey":
            name, key = _secret(given, "name"), _secret(given, "value")
            location = given.get("apiKeyLocation")
            if location == "query":
                query.append((encodable(name, "authentication.name"), encodable(key, "authentication.value")))
                return Credentials((key,), parameter=name)
            if location != "headers":
                found = f"{location!r:.60}"
                raise invalid(f"Expected `authentication.apiKeyLocation` to be headers or query, but found {found}")
            if not NAME.fullmatch(name) or name.lower() in OF_THE_CONNECTION:
                raise invalid(f"Expected `authentication.name` to be a header name, but found {name!r:.60}")
            return _add_header(headers, name, key, key)
        case "oauth-client-credentials-flow" | "oauth-refresh-token":
            if "Authorization" in headers:
                raise invalid("Expected the header Authorization once, but `headers` and `authentication` set it")
            grant = read_grant(given, kind)
            return Credentials(grant.secrets, frozenset({"authorization"}), grant=grant)
    return Credentials()


def _add_header(headers: CaseInsensitiveDict[str], name: str, value: str, secret: str) -> Credentials:
    if name in headers:
        raise invalid(f"Expected the header {name} once, but both `headers` and `authentication` set it")
    headers[name] = header_value(value, "authentication")
    return Credentials((secret, value, value.rpartition(" ")[2]), frozenset({name.lower()}))


def _secret(given: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = given.get(name)
    if value is None or value == "":
        if default is None:
            raise invalid(f"Expected the input `authentication.{name}`, but found none")
        return default
    return scalar(value, f"authentication.{name}")


def _basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(encodable(f"{username}:{password}", "authentication").encode()).decode()


def header_value(text: str, place: str) -> str:
    text = text.strip(" \t")
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        raise invalid(f"Expected `{place}` to be Latin-1 text, but it has other characters") from None
    if CONTROL.search(text):
        raise invalid(f"Expected `{place}` to be one line of text, but it has control characters")
    return text
