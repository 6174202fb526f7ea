"""Process instances: where they stand, and the verbs of an operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import mark_safe

from processes.admin import shown, story
from processes.admin.base import ReadOnlyAdmin
from processes.admin.filters import HasIncidentFilter, ProcessFilter, StateFilter, VersionFilter
from processes.admin.instance_page import instance_page
from processes.admin.instance_parts import InstanceParts
from processes.admin.places import listed
from processes.admin.repairs import Repairs
from processes.admin.standing import open_incidents, standing
from processes.models import ProcessDefinition, ProcessInstance

LARGEST_ID = 2**63 - 1


@admin.register(ProcessInstance)
class ProcessInstanceAdmin(Repairs, InstanceParts, ReadOnlyAdmin):
    """Sorted by number, which is by start, and by nothing else: the others would sort millions of rows for a page. The
    filters narrow down by index, and keep that order; only where those that started last are left out it is the order
    of another index, or all of them would be read on the way down to the first row."""

    nothing_yet = mark_safe(
        'Nothing has been started yet: choose one of the <a href="../processdefinition/">process definitions</a> '
        "and start an instance of it."
    )
    list_display = ["identity", "process", "key", "condition", "where", "incidents", "started", "ended"]
    list_filter = [StateFilter, HasIncidentFilter, "started_at", ProcessFilter, VersionFilter]
    search_fields = ["business_key"]  # shows the box; the search is below
    search_help_text = "Business key (from its beginning) or id"
    sortable_by = ["identity", "started"]
    change_form_template = "processes/instance.html"
    change_list_template = "processes/instances.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProcessInstance]:
        """Without what is large, but for the page of one, which shows it."""
        rows = super().get_queryset(request).select_related("definition")
        match = request.resolver_match
        is_page = match is not None and match.url_name == "processes_processinstance_change"
        return rows if is_page else rows.defer("definition__xml", "variables")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """With the way to a start form: that of the newest version of the process that is filtered by, if one is."""
        may_start = request.user.has_perm("processes.add_processinstance")
        return super().changelist_view(request, {**(_start(request) if may_start else {}), **(extra_context or {})})

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        until = any(name in request.GET for name in ("started_at__lt", "started_at__lte"))
        return ["-started_at", "-id"] if until else ["-id"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By index only: the id itself, or the beginning of the business key, case and all."""
        term = search_term.strip()
        if not term:
            return queryset, False
        wanted = Q(business_key__startswith=term)
        if term.isdecimal() and int(term) <= LARGEST_ID:
            wanted |= Q(pk=int(term))
        return queryset.filter(wanted), False

    def attach(self, rows: Sequence[Any]) -> None:
        places, incidents = standing(rows), open_incidents(rows)
        for row in rows:
            row.places = places.get(row.pk, {})
            row.incident_count = incidents.get(row.pk, 0)

    @admin.display(description="id", ordering="id")
    def identity(self, row: ProcessInstance) -> str:
        return str(row.pk)

    @admin.display(description="process")
    def process(self, row: ProcessInstance) -> str:
        return format_html('{} <span class="quiet">v{}</span>', row.process_id, row.definition.version)

    @admin.display(description="business key")
    def key(self, row: ProcessInstance) -> str:
        return row.business_key or shown.NOTHING

    @admin.display(description="state")
    def condition(self, row: ProcessInstance) -> str:
        return shown.badge(row.state)

    @admin.display(description="where it stands")
    def where(self, row: Any) -> str:
        return shown.elements(row.places)

    @admin.display(description="incidents")
    def incidents(self, row: Any) -> str:
        href = reverse("admin:processes_processinstance_change", args=[row.pk])
        return shown.count(row.incident_count, f"{href}#incidents", "bad")

    @admin.display(description="started", ordering="id")
    def started(self, row: ProcessInstance) -> str:
        return shown.stamp(row.started_at)

    @admin.display(description="ended")
    def ended(self, row: ProcessInstance) -> str:
        return shown.stamp(row.ended_at)

    def page(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        return instance_page(request, row)

    def get_urls(self) -> list[Any]:
        return [*story.urls(self), *super().get_urls()]


def _start(request: HttpRequest) -> dict[str, Any]:
    """Where an instance is started from here, and of what."""
    process_id = request.GET.get("process")
    latest = None
    if process_id:
        versions = ProcessDefinition.objects.filter(process_id=process_id, suspended=False).defer("xml")
        latest = versions.order_by("-version").first()
    if latest is not None:
        return {"start_url": reverse("admin:processes_processdefinition_start", args=[latest.pk]), "start_of": latest}
    if not request.user.has_perm("processes.view_processdefinition"):
        return {}
    return {"start_url": listed("processdefinition", latest="yes")}
