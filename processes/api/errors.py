"""Every error that the API answers: ``application/problem+json``, RFC 9457, with a stable `code`.

    {"type": "urn:orchestrator:problem:job-not-claimed", "title": "Conflict", "status": 409,
     "detail": "...", "code": "job-not-claimed", "instance": "/api/v1/jobs/7/complete"}

A body or query that does not validate has `errors`, one entry for each field; a model that is not executable has
`problems`, one entry for each finding. This is the one module that knows an HTTP status of an error.
"""

from __future__ import annotations

import logging
import math
import uuid
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView, set_rollback

from processes.api.parsing import too_large
from processes.api.rendering import dumps
from processes.runtime import ModelInvalid, Problem, Rejected
from processes.runtime.pressure import Overloaded

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"

REJECTED = {
    "variables-invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
    "value-invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
    "batch-empty": HTTPStatus.UNPROCESSABLE_ENTITY,
    "batch-too-large": HTTPStatus.UNPROCESSABLE_ENTITY,
    "migration-invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
    "window-invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
    "modification-empty": HTTPStatus.UNPROCESSABLE_ENTITY,
    "modification-invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
    "skip-invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
    "result-unfit": HTTPStatus.UNPROCESSABLE_ENTITY,
    "document-invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
    "document-too-large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "decision-failed": HTTPStatus.UNPROCESSABLE_ENTITY,
    "overloaded": HTTPStatus.SERVICE_UNAVAILABLE,
}
"""Status of a rejected command by its code; `status_of` knows the rule for the others."""

CODES = {
    "parse_error": "malformed-body",
    "not_authenticated": "not-authenticated",
    "authentication_failed": "authentication-failed",
}
"""Our codes for those of REST framework, where replacing underscores is not enough."""


class TooManyWaiting(exceptions.APIException):
    """The process has as many long polls as it can bear."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "too-many-waiting"
    default_detail = "Too many workers wait for jobs here already. Ask again in a second, or with wait_seconds 0."
    wait = 1


def status_of(code: str) -> HTTPStatus:
    """The HTTP status for `Rejected.code`: not there 404, a value that cannot be 422, anything else a conflict."""
    if code.endswith("-not-found"):
        return HTTPStatus.NOT_FOUND
    return REJECTED.get(code, HTTPStatus.CONFLICT)


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    instance: str | None = None,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> HttpResponse:
    """A problem document as a response. A plain one: it is the same whatever format was negotiated."""
    body = {
        "type": f"urn:orchestrator:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        "code": code,
        **({"instance": instance} if instance else {}),
        **members,
    }
    return HttpResponse(dumps(body), status=status, content_type=CONTENT_TYPE, headers=dict(headers or {}))


def exception_handler(error: Exception, context: dict[str, Any]) -> HttpResponse:
    """REST framework's hook: the answer for whatever a view raised."""
    set_rollback()
    request: Request | None = context.get("request")
    path = request.path if request is not None else None
    if isinstance(error, Rejected):
        headers = {"Retry-After": f"{error.retry_in.total_seconds():.0f}"} if isinstance(error, Overloaded) else {}
        return problem(status_of(error.code), error.code, str(error), instance=path, headers=headers)
    if isinstance(error, ModelInvalid):
        return _model_invalid(error, path)
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    elif isinstance(error, RequestDataTooBig):
        error = too_large()
    elif isinstance(error, SuspiciousOperation):
        error = exceptions.ParseError("Expected a well-formed request.")
    if isinstance(error, exceptions.APIException):
        return _api_exception(error, path)
    if isinstance(error, (OperationalError, InterfaceError)):
        log.error("The database did not answer", exc_info=error)
        return problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "database-unavailable",
            "The database did not answer. Nothing was changed; ask again.",
            instance=path,
            headers={"Retry-After": "1"},
        )
    return _bug(error, request)


def _model_invalid(error: ModelInvalid, path: str | None) -> HttpResponse:
    found = [describe(finding) for finding in error.problems]
    wrong = [finding for finding in error.problems if finding.severity == "error"] or list(error.problems)
    detail = f"The model cannot be executed: {len(wrong)} problem{'' if len(wrong) == 1 else 's'}. " + (
        f"First: {wrong[0]}" if wrong else ""
    )
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "model-invalid", detail.strip(), instance=path, problems=found)


def describe(finding: Problem) -> dict[str, Any]:
    """A finding about a model as JSON."""
    return {
        "rule": finding.rule,
        "severity": str(finding.severity),
        "line": finding.line,
        "element": finding.element,
        "message": finding.message,
    }


def _api_exception(error: exceptions.APIException, path: str | None) -> HttpResponse:
    headers: dict[str, str] = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]
    if getattr(error, "wait", None) is not None:
        headers["Retry-After"] = str(math.ceil(error.wait))  # type: ignore[attr-defined]
    if isinstance(error, exceptions.ValidationError):
        entries = list(_entries(error.get_full_details(), ""))
        first = entries[0] if entries else {"field": "", "message": "Invalid input."}
        detail = f"{first['field']}: {first['message']}" if first["field"] else str(first["message"])
        if len(entries) > 1:
            detail += f" (and {len(entries) - 1} more)"
        return problem(error.status_code, "invalid", detail, instance=path, headers=headers, errors=entries)
    codes = error.get_codes()
    code = codes if isinstance(codes, str) else error.default_code
    return problem(
        error.status_code,
        CODES.get(code, code.replace("_", "-")),
        str(error.detail if isinstance(error.detail, str) else error.default_detail),
        instance=path,
        headers=headers,
    )


def _entries(details: Any, field: str) -> Iterator[dict[str, str]]:
    """One entry for each message of a validation error; nested fields are joined with dots."""
    if isinstance(details, Mapping) and set(details) == {"message", "code"} and isinstance(details["code"], str):
        yield {
            "field": field,
            "code": str(details["code"]).replace("_", "-"),
            "message": str(details["message"]),
        }
    elif isinstance(details, Mapping):
        for name, inner in details.items():
            here = field if name == "non_field_errors" else f"{field}.{name}".lstrip(".")
            yield from _entries(inner, here)
    elif isinstance(details, list):
        for inner in details:
            yield from _entries(inner, field)


def _bug(error: Exception, request: Request | None) -> HttpResponse:
    """A bug of ours: told to the log in full, and to the caller only by a number that is in the log too."""
    number = uuid.uuid4()
    log.error("Internal error %s at %s", number, getattr(request, "path", "?"), exc_info=error)
    got_request_exception.send(sender=None, request=getattr(request, "_request", None))
    return internal_error(number)


def internal_error(number: uuid.UUID) -> HttpResponse:
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal-error",
        f"Something went wrong on our side. The log has more under {number}.",
        instance=f"urn:uuid:{number}",
    )


class NotFoundView(APIView):
    """The last route of the API: what no other route knows is a problem document too."""

    permission_classes = [AllowAny]
    authentication_classes = []
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise exceptions.NotFound("Nothing lives at this address.")


# -- what goes wrong outside of a view ---------------------------------------------------------------------------------


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """``handler400``: an unknown host, a malformed path."""
    if not _is_api(request):
        return defaults.bad_request(request, exception)
    return problem(HTTPStatus.BAD_REQUEST, "bad-request", "Expected a well-formed request to a known host.")


def server_error(request: HttpRequest) -> HttpResponse:
    """``handler500``: a middleware broke. Django has logged it."""
    if not _is_api(request):
        return defaults.server_error(request)
    number = uuid.uuid4()
    log.error("Internal error %s at %s", number, request.path)
    return internal_error(number)


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith(("/api/", "/healthz", "/readyz", "/metrics"))
