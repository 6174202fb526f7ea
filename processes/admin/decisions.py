"""Decision definitions: what is deployed, its versions, its file. They are deployed on the page of the processes."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.text import get_valid_filename

from processes.admin import shown
from processes.admin.base import ReadOnlyAdmin, demand
from processes.models import DecisionDefinition


@admin.register(DecisionDefinition)
class DecisionDefinitionAdmin(ReadOnlyAdmin):
    nothing_yet = "No decision is deployed yet: a DMN file is deployed at the same place as a BPMN file."
    list_display = ["title", "decision_id", "version", "tag", "deployed", "deployed_by"]
    list_display_links = ["title"]
    list_filter = ["deployed_at"]
    search_fields = ["decision_id", "name"]
    search_help_text = "Decision id or name"

    def get_queryset(self, request: HttpRequest) -> QuerySet[DecisionDefinition]:
        return super().get_queryset(request).defer("xml")

    @admin.display(description="name", ordering="name")
    def title(self, row: DecisionDefinition) -> str:
        return row.name or row.decision_id

    @admin.display(description="tag", ordering="version_tag")
    def tag(self, row: DecisionDefinition) -> str:
        return row.version_tag or shown.NOTHING

    @admin.display(description="deployed", ordering="deployed_at")
    def deployed(self, row: DecisionDefinition) -> str:
        return shown.stamp(row.deployed_at)

    def page(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        others = DecisionDefinition.objects.filter(decision_id=row.decision_id).order_by("-version")
        versions = others.values_list("pk", "version")[:20]
        address = "admin:processes_decisiondefinition_change"
        return {
            "title": f"{row.name or row.decision_id} v{row.version}",
            "facts": [
                ("Decision id", format_html("<code>{}</code>", row.decision_id)),
                ("Version", f"{row.version} {row.version_tag and f'({row.version_tag})'}"),
                ("File", row.resource or shown.NOTHING),
                ("Deployed", format_html("{} by {}", shown.moment(row.deployed_at), row.deployed_by or "unknown")),
                ("SHA-256", format_html('<code class="digest">{}</code>', row.digest)),
                (
                    "Document",
                    format_html(
                        '<a href="{}">as it was deployed</a>',
                        reverse("admin:processes_decisiondefinition_xml", args=[row.pk]),
                    ),
                ),
                (
                    "Versions",
                    format_html_join(
                        " ", '<a href="{}">v{}</a>', ((reverse(address, args=[pk]), number) for pk, number in versions)
                    ),
                ),
            ],
        }

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/xml/", wrap(self.xml), name="processes_decisiondefinition_xml"),
            *super().get_urls(),
        ]

    def xml(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """The document, byte for byte as it was deployed; always a download, never a page of this site."""
        if not self.has_view_permission(request):
            demand(request, "processes.view_decisiondefinition")
        definition = get_object_or_404(DecisionDefinition, pk=pk)
        name = get_valid_filename(f"{definition.decision_id[:100]}-v{definition.version}.dmn")
        response = HttpResponse(bytes(definition.xml), content_type="application/xml")
        response["Content-Disposition"] = f'attachment; filename="{name.encode("ascii", "replace").decode()}"'
        response["X-Content-Type-Options"] = "nosniff"
        return response
