"""Bodies in: JSON with exact numbers, BPMN documents as they are. Whatever could hurt is refused here, with a 4xx.

What PostgreSQL's ``jsonb`` cannot hold, and what would only blow up later, counts as malformed: NUL characters, lone
surrogates, numbers of more than a thousand digits, duplicate names, and nesting beyond `MAX_DEPTH`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import IO, Any

import simplejson
from django.conf import settings
from rest_framework import parsers, status
from rest_framework.exceptions import APIException, ParseError

MAX_DEPTH = 100
MAX_DIGITS = 1000


class BodyTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "body-too-large"
    default_detail = "The body is too large."


def read(stream: IO[bytes], parser_context: Mapping[str, Any] | None) -> bytes:
    """The whole body. Raises `BodyTooLarge` beyond DATA_UPLOAD_MAX_MEMORY_SIZE, without reading it."""
    check_size(parser_context)
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    body = stream.read() if limit is None else stream.read(limit + 1)
    if limit is not None and len(body) > limit:
        raise too_large()
    return body


def check_size(parser_context: Mapping[str, Any] | None) -> None:
    request = (parser_context or {}).get("request")
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if request is None or limit is None:
        return
    # Something that is not a number never gets here: the WSGI request counts it as 0.
    if int(request.META.get("CONTENT_LENGTH") or 0) > limit:
        raise too_large()


def too_large() -> BodyTooLarge:
    return BodyTooLarge(f"Expected at most {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes but the body has more")


class JSONParser(parsers.BaseParser):
    """RFC 8259. Numbers with a fraction or an exponent become `Decimal`; NaN and Infinity are refused."""

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        body = read(stream, parser_context)
        try:
            text = body.decode((parser_context or {}).get("encoding") or "utf-8")
        except (ValueError, LookupError) as error:
            raise ParseError(f"Expected JSON but found: {error}") from None
        return loads(text)


def loads(text: str) -> Any:
    """JSON from a stranger. Raises ParseError."""
    try:
        document = simplejson.loads(
            text,
            parse_int=_integer,
            parse_float=_decimal,
            parse_constant=_refuse,
            object_pairs_hook=_object,
        )
    except ValueError as error:
        raise ParseError(f"Expected JSON but found: {error}") from None
    except RecursionError:
        raise ParseError(f"Expected JSON of at most {MAX_DEPTH} levels but found more") from None
    _check(document, strings="\\u" in text)
    return document


class BPMNParser(parsers.BaseParser):
    """A BPMN document as the whole body, byte for byte."""

    media_type = "application/xml"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        return read(stream, parser_context)


class TextBPMNParser(BPMNParser):
    media_type = "text/xml"


class BinaryBPMNParser(BPMNParser):
    media_type = "application/octet-stream"


class MultiPartParser(parsers.MultiPartParser):
    """Django bounds the fields of a form but not its files; here the limit is for the whole body."""

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        check_size(parser_context)
        return super().parse(stream, media_type, parser_context)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant}, which is not a JSON number")


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number of more than {MAX_DIGITS} digits")
    return int(text)


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"a number of more than {MAX_DIGITS} digits") from None
    if len(text) > MAX_DIGITS or abs(number.adjusted()) > MAX_DIGITS:
        raise ValueError(f"a number of more than {MAX_DIGITS} digits")
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"the name {twice!r} twice in one object")
    return document


def _check(document: Any, *, strings: bool) -> None:
    """Refuses deep nesting and, where escapes could have written them, characters that cannot be stored."""
    stack: list[tuple[Any, int]] = [(document, 1)]
    while stack:
        value, depth = stack.pop()
        if isinstance(value, str):
            if strings:
                _check_text(value)
        elif isinstance(value, (dict, list)):
            if depth > MAX_DEPTH:
                raise ParseError(f"Expected JSON of at most {MAX_DEPTH} levels but found more")
            if isinstance(value, dict):
                if strings:
                    for name in value:
                        _check_text(name)
                value = value.values()
            stack.extend((item, depth + 1) for item in value)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise ParseError("Expected text that can be stored but found the character U+0000")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ParseError("Expected text that can be stored but found half of a surrogate pair") from None
