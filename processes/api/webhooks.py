"""Webhooks: somebody else's system posts an event, and a message is published.

Who posts proves it with a signature over the very bytes of the body, or with a bearer token; which, and what becomes of
the body, says the binding. The answer tells nothing of processes: 202, whether or not anybody waits for the message.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from processes.api import parsing
from processes.api.errors import problem
from processes.api.rendering import Fixed, JSONRenderer
from processes.api.schema import problems
from processes.models import InboundBinding
from processes.runtime import Rejected, inbound
from processes.runtime.pressure import Overloaded

log = logging.getLogger(__name__)

OPEN: Any = [{}]
"""Nobody has to log in."""
MOST_QUERY = 50
"""Parameters of a query that are looked at."""


class AnyBody(BaseParser):
    """The body as it is: what is signed is bytes."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        raise UnsupportedMediaType(media_type or "")


class Webhook(APIView):
    """One address for all bindings."""

    authentication_classes = []
    permission_classes = [AllowAny]
    parser_classes = [AnyBody]
    renderer_classes = [JSONRenderer]
    content_negotiation_class = Fixed
    http_method_names = ["post"]

    @extend_schema(
        tags=["webhooks"],
        summary="Post an event",
        description=(
            "For the systems of others. The binding under this path says how a request proves who sent it (an "
            "HMAC-SHA256 signature of the body, or a bearer token), and which message is published with it. An event "
            "that was posted before is accepted and dropped. One that would begin an instance is 503 with "
            "`Retry-After` and code `overloaded` while due jobs wait for too long: post it again."
        ),
        auth=OPEN,
        parameters=[
            OpenApiParameter("path", OpenApiTypes.STR, OpenApiParameter.PATH, description="Of the binding."),
        ],
        request={"application/json": OpenApiTypes.OBJECT},
        responses={
            202: OpenApiResponse(description="Taken over, now or before. There is no body."),
            **problems(401, 404, 422),
        },
        examples=[OpenApiExample("A payment", value={"order": "A-1", "paid": 12.5}, request_only=True)],
    )
    def post(self, request: Request, path: str) -> HttpResponse:
        here = request.path
        binding = inbound.by_path(path)
        if binding is None:
            return problem(HTTPStatus.NOT_FOUND, "not-found", "Nothing lives at this address.", instance=here)
        raw = request._request
        body = _body(raw, binding.max_bytes)
        headers = {name.lower(): value for name, value in raw.headers.items()}
        if not self._is_proven(binding, body, headers):
            return problem(
                HTTPStatus.UNAUTHORIZED,
                "authentication-failed",
                "Expected a request that proves who sent it.",
                instance=here,
                headers={
                    "WWW-Authenticate": "Bearer" if binding.proof == InboundBinding.Proof.TOKEN else "HMAC-SHA256"
                },
            )
        try:
            inbound.take(
                binding,
                body=_read(body, raw),
                headers=_shown(binding, headers),
                query=_query(raw),
                message_id=self._message_id(binding, body, headers),
            )
        except Overloaded:
            raise  # nothing is wrong with the event
        except Rejected as rejected:
            log.warning("Webhook %s refused an event: %s", binding.name, rejected)
            detail = "The event cannot become a message of this webhook; its owner finds the reason in the log."
            return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "event-invalid", detail, instance=here)
        return HttpResponse(status=HTTPStatus.ACCEPTED)

    @staticmethod
    def _is_proven(binding: InboundBinding, body: bytes, headers: dict[str, str]) -> bool:
        try:
            return inbound.is_proven(binding, body, headers)
        except (LookupError, Rejected) as missing:
            log.error("Webhook %s lets nobody in: %s", binding.name, missing)
            return False

    @staticmethod
    def _message_id(binding: InboundBinding, body: bytes, headers: dict[str, str]) -> str:
        """What is signed is what is the same: a replay has the same body, and the same timestamp if it has one."""
        stamp = headers.get(binding.timestamp_header.lower(), "") if binding.timestamp_header else ""
        return inbound.digest(stamp.encode(), body)


def _body(request: HttpRequest, limit: int) -> bytes:
    if int(request.META.get("CONTENT_LENGTH") or 0) > limit:
        raise _too_large(limit)
    try:
        body = request.read(limit + 1)
    except RequestDataTooBig:
        raise _too_large(limit) from None
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> parsing.BodyTooLarge:
    return parsing.BodyTooLarge(f"Expected at most {limit} bytes but the body has more")


def _read(body: bytes, request: HttpRequest) -> Any:
    """JSON as data, anything else as text."""
    kind = (request.content_type or "").lower()
    if not body:
        return None
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise ParseError("Expected a body in UTF-8") from None
    if kind == "application/json" or kind.endswith("+json") or not kind:
        return parsing.loads(text)
    return text


def _query(request: HttpRequest) -> dict[str, Any]:
    pairs = list(request.GET.lists())[:MOST_QUERY]
    return {name: given[0] if len(given) == 1 else list(given) for name, given in pairs}


def _shown(binding: InboundBinding, headers: dict[str, str]) -> dict[str, str]:
    """The headers that expressions see: without what proves who sent it, which would be kept with the variables."""
    hidden = {"authorization", "cookie", binding.signature_header.lower()}
    return {name: value for name, value in headers.items() if name not in hidden}
