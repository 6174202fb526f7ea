"""What the index shows first, and again every few seconds: is anything stuck, does anybody work, how fast.

Everything comes from partial indexes, live rows and small tables, and nothing is counted beyond what anybody reads, so
that it costs the same beside ten million finished instances.
"""

from __future__ import annotations

import hashlib
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone

from processes.admin.pace import failing, paces, times
from processes.admin.queue import connections, queue
from processes.admin.summary import tiles, troubles
from processes.models import ProcessDefinition, ProcessInstance
from processes.runtime import throughput

REFRESH = 5
"""Seconds between two looks of an open page."""


def cockpit(request: HttpRequest) -> dict[str, Any]:
    """What this user may see of it; `shown` is the HTML of it, `etag` changes with that."""
    may = request.user.has_perm
    context: dict[str, Any] = {"tiles": tiles(request), "troubles": troubles(request)}
    context["may_see_incidents"] = may("processes.view_incident")
    if may("processes.view_job") and may("processes.view_worker"):
        context["queue"] = queue(timezone.now())
    if may("processes.view_connection"):
        context["connections"] = connections()
    if may("processes.view_processinstance"):
        hour = throughput.last_hour()
        context["paces"] = paces(hour)
        context["times"] = times(hour) if may("processes.view_job") else []
        context["failing"] = failing(hour) if may("processes.view_incident") else []
    if may("processes.view_processdefinition"):
        context["is_empty"] = not ProcessDefinition.objects.exists()
        context["is_idle"] = not context["is_empty"] and not ProcessInstance.objects.exists()
        context["may_deploy"] = may("processes.add_processdefinition")
    html = render_to_string("processes/_cockpit.html", context, request)
    etag = f'"{hashlib.sha256(html.encode()).hexdigest()[:32]}"'
    return {**context, "cockpit": html, "etag": etag, "refresh": REFRESH}


def fresh(request: HttpRequest) -> HttpResponse:
    """The same for a page that is open already: 304 where nothing has changed, and then htmx leaves it alone."""
    found = cockpit(request)
    if request.headers.get("If-None-Match") == found["etag"]:
        answer = HttpResponse(status=304, headers={"HX-Reswap": "none"})
    else:
        answer = HttpResponse(render_to_string("processes/_cockpit_live.html", found, request))
    answer["ETag"] = found["etag"]
    answer["Cache-Control"] = "private, no-cache"
    return answer
