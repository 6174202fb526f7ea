"""JSON out, with exact numbers: a `Decimal` is written digit by digit, as a JSON number. Reading is in `parsing`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import simplejson
from rest_framework import renderers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.utils.encoders import JSONEncoder

_default = JSONEncoder().default


def dumps(data: Any, indent: int | None = None) -> str:
    """JSON text. Raises ValueError for NaN and Infinity, which JSON does not have."""
    return simplejson.dumps(
        data, use_decimal=True, allow_nan=False, ensure_ascii=False, indent=indent, default=_default
    )


class JSONRenderer(renderers.JSONRenderer):
    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        if data is None:
            return b""
        return dumps(data, self.get_indent(accepted_media_type or "", renderer_context or {})).encode()


class Fixed(BaseContentNegotiation):
    """For a document that exists in one format only, such as a drawing: whatever the client accepts, it gets that."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return None

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type
