"""What changes of a live instance: a small fragment that the page asks for again and again, and mostly gets a 304.

The tag of the fragment is the number of steps: nothing that it shows changes without one.
"""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotModified
from django.template.response import TemplateResponse
from django.urls import reverse

from processes.admin import shown
from processes.admin.drawing import drawing_of
from processes.admin.standing import open_incidents, standing
from processes.models.instances import FINAL

EVERY = 3
"""Seconds between two looks."""


def context(row: Any, *, page: int | None = None) -> dict[str, Any]:
    """What the fragment shows. `page` is the step that the rest of the page shows; None: it is being made."""
    return {
        "live_href": reverse("admin:processes_processinstance_live", args=[row.pk]),
        "live_every": EVERY,
        "live_headers": json.dumps({"If-None-Match": _tag(row)}),
        "live_steps": row.steps,
        "live_page": row.steps if page is None else page,
        "live_state": shown.badge(row.state),
        "live_over": row.state in FINAL,
        "live_places": shown.elements(row.places),
        "live_incidents": row.incident_count,
        "drawing": drawing_of(row.definition, row),
    }


def fragment(request: HttpRequest, row: Any, given: dict[str, Any]) -> HttpResponseBase:
    tag = _tag(row)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if tag in [each.strip().removeprefix("W/") for each in request.headers.get("If-None-Match", "").split(",")]:
        return _headed(HttpResponseNotModified(), headers)
    row.places = standing([row]).get(row.pk, {})
    row.incident_count = open_incidents([row]).get(row.pk, 0)
    page = request.GET.get("page", "")
    found = context(row, page=int(page) if page.isdecimal() and len(page) < 10 else None)
    return _headed(TemplateResponse(request, "processes/_live.html", {**given, **found, "legend": True}), headers)


def _headed(response: HttpResponse, headers: dict[str, str]) -> HttpResponse:
    for name, value in headers.items():
        response[name] = value
    return response


def _tag(row: Any) -> str:
    return f'"{row.pk}-{row.steps}"'
