"""Process definitions: what is deployed and what runs of it, and the addresses of everything that is asked of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import path
from django.utils.text import get_valid_filename
from django.views.decorators.http import require_POST

from processes.admin import shown
from processes.admin.base import ReadOnlyAdmin, demand
from processes.admin.comparison import compare_view
from processes.admin.definition_page import definition_page, instances_url
from processes.admin.deployment import deploy_view
from processes.admin.filters import LatestFilter, ProcessFilter
from processes.admin.lifecycle import delete_view, turn_view
from processes.admin.migrating import migrate_view
from processes.admin.modeler import drawn_model, modeler_view, new_model
from processes.admin.starting import start_view
from processes.models import Incident, ProcessDefinition, ProcessInstance
from processes.models.instances import FINAL

COUNTED = 1_000
"""Running instances of a version that are counted; what is beyond is told as "+"."""
MOST_INCIDENTS = 10_000
"""Open incidents that are counted, of all versions on a page."""


@admin.register(ProcessDefinition)
class ProcessDefinitionAdmin(ReadOnlyAdmin):
    nothing_yet = (
        "Nothing is deployed yet: deploy a BPMN file, with the button above, or with manage.py deploy_process."
    )
    list_display = ["title", "process_id", "version", "tag", "state", "deployed", "deployed_by", "running", "incidents"]
    list_display_links = ["title"]
    list_filter = [LatestFilter, ProcessFilter, "deployed_at"]
    search_fields = ["process_id", "name"]
    search_help_text = "Process id or name"
    change_form_template = "processes/definition.html"
    change_list_template = "processes/definitions.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProcessDefinition]:
        return super().get_queryset(request).defer("xml")

    def attach(self, rows: Sequence[Any]) -> None:
        """Counts no further than is said: versions of which more run need no count, and the open incidents are counted
        of all versions together."""
        live = ProcessInstance.objects.exclude(state__in=FINAL)
        many = _with_more(live, [row.pk for row in rows])
        running = _counts(live.filter(definition__in=[row.pk for row in rows if row.pk not in many]), "definition")
        opened = Incident.objects.filter(ended_at__isnull=True, instance__definition__in=rows)
        some = Incident.objects.filter(pk__in=opened.order_by("-pk").values("pk")[:MOST_INCIDENTS])
        incidents = _counts(some, "instance__definition")
        cut = sum(incidents.values()) >= MOST_INCIDENTS
        for row in rows:
            row.running_count = COUNTED if row.pk in many else running.get(row.pk, 0)
            row.running_more = row.pk in many
            row.incident_count = incidents.get(row.pk, 0)
            row.incident_more = cut

    @admin.display(description="name", ordering="name")
    def title(self, row: ProcessDefinition) -> str:
        return row.name or row.process_id

    @admin.display(description="tag", ordering="version_tag")
    def tag(self, row: ProcessDefinition) -> str:
        return row.version_tag or shown.NOTHING

    @admin.display(description="deployed", ordering="deployed_at")
    def deployed(self, row: ProcessDefinition) -> str:
        return shown.stamp(row.deployed_at)

    @admin.display(description="running")
    def running(self, row: Any) -> str:
        return shown.count(row.running_count, instances_url(row, state="live"), more=row.running_more)

    @admin.display(description="open incidents")
    def incidents(self, row: Any) -> str:
        return shown.count(row.incident_count, instances_url(row, incident="yes"), "bad", more=row.incident_more)

    @admin.display(description="state", ordering="suspended")
    def state(self, row: ProcessDefinition) -> str:
        return shown.badge("suspended" if row.suspended else "active")

    def page(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        self.attach([row])
        return definition_page(request, row, running=self.running(row), incidents=self.incidents(row))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        may_deploy = request.user.has_perm("processes.add_processdefinition")
        return super().changelist_view(request, {"may_deploy": may_deploy, **(extra_context or {})})

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        views = {
            "start": self.start, "xml": self.xml, "compare": self.compare, "migrate": self.migrate,
            "suspend": require_POST(self.suspend), "resume": require_POST(self.resume),
            "remove": require_POST(self.remove),
        }  # fmt: skip
        return [
            path("deploy/", wrap(self.deploy), name="processes_processdefinition_deploy"),
            path("modeler/", wrap(self.modeler), name="processes_processdefinition_modeler"),
            path("modeler/new.bpmn", wrap(new_model), name="processes_processdefinition_new"),
            path("<int:pk>/modeler/model.bpmn", wrap(drawn_model), name="processes_processdefinition_drawn"),
            path("<int:pk>/modeler/", wrap(self.modeler), name="processes_processdefinition_edit"),
            *(
                path(f"<int:pk>/{name}/", wrap(view), name=f"processes_processdefinition_{name}")
                for name, view in views.items()
            ),
            *super().get_urls(),
        ]

    def _context(self, request: HttpRequest) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "opts": self.opts}

    def _definition(self, request: HttpRequest, pk: int) -> ProcessDefinition:
        return get_object_or_404(self.get_queryset(request), pk=pk)

    def deploy(self, request: HttpRequest) -> HttpResponseBase:
        demand(request, "processes.add_processdefinition")
        return deploy_view(request, self._context(request))

    def modeler(self, request: HttpRequest, pk: int | None = None) -> HttpResponseBase:
        demand(request, "processes.view_processdefinition", "processes.add_processdefinition")
        return modeler_view(request, self._context(request), None if pk is None else self._definition(request, pk))

    def start(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        demand(request, "processes.add_processinstance")
        return start_view(request, self._definition(request, pk), self._context(request))

    def compare(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        if not self.has_view_permission(request):
            demand(request, "processes.view_processdefinition")
        return compare_view(request, self._definition(request, pk), self._context(request))

    def migrate(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        demand(request, "processes.add_batch")
        return migrate_view(request, self._definition(request, pk), self._context(request))

    def suspend(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        demand(request, "processes.change_processdefinition")
        return turn_view(request, self._definition(request, pk), suspended=True)

    def resume(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        demand(request, "processes.change_processdefinition")
        return turn_view(request, self._definition(request, pk), suspended=False)

    def remove(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        demand(request, "processes.delete_processdefinition")
        return delete_view(request, self._definition(request, pk))

    def xml(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """The document, byte for byte as it was deployed; always a download, never a page of this site."""
        if not self.has_view_permission(request):
            demand(request, "processes.view_processdefinition")
        definition = get_object_or_404(ProcessDefinition, pk=pk)
        name = get_valid_filename(f"{definition.process_id[:100]}-v{definition.version}.bpmn")
        response = HttpResponse(bytes(definition.xml), content_type="application/xml")
        response["Content-Disposition"] = f'attachment; filename="{name.encode("ascii", "replace").decode()}"'
        response["X-Content-Type-Options"] = "nosniff"
        return response


def _with_more(live: QuerySet[ProcessInstance], ids: Sequence[int]) -> set[int]:
    """The versions of which more run than are counted. One statement that names each by its number: of a number the
    database knows how many instances there are, and reads the few of a rare one by its index."""
    if not ids:
        return set()
    beyond = {
        f"of_{pk}": Subquery(live.filter(definition=pk).order_by("id").values("pk")[COUNTED : COUNTED + 1])
        for pk in ids
    }
    found = dict(ProcessDefinition.objects.filter(pk=ids[0]).order_by().values(**beyond).get())
    return {pk for pk in ids if found[f"of_{pk}"] is not None}


def _counts(queryset: QuerySet[Any], group: str) -> dict[int, int]:
    return dict(queryset.order_by().values_list(group).annotate(Count("pk")))
