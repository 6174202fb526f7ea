"""Who did what to this installation, when and why: read only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from processes.admin import shown
from processes.admin.base import ReadOnlyAdmin, newest
from processes.admin.filters import DistinctFilter
from processes.models import Action

NEWEST = 10_000
"""Actions whose verbs and kinds are offered as choices."""


class VerbFilter(DistinctFilter):
    title = "what was done"
    parameter_name = column = "verb"

    def rows(self) -> QuerySet[Any]:
        return _newest()


class KindFilter(DistinctFilter):
    title = "to what"
    parameter_name = column = "kind"

    def rows(self) -> QuerySet[Any]:
        return _newest()


def _newest() -> QuerySet[Any]:
    return newest(Action.objects.all(), NEWEST)


@admin.register(Action)
class ActionAdmin(ReadOnlyAdmin):
    list_display = ["happened", "by", "verb", "kind", "name", "reason"]
    list_filter = ["at", VerbFilter, KindFilter]
    search_fields = ["by", "name"]  # shows the box; the search is below
    search_help_text = "Who, such as user:ada, or what it was done to; from its beginning"
    ordering = ["-id"]
    sortable_by = ()
    nothing_yet = "Nobody did anything yet. What is done to one instance is in the history of that instance."

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        return queryset.filter(Q(by__startswith=term) | Q(name__startswith=term)), False

    @admin.display(description="when")
    def happened(self, row: Action) -> str:
        return shown.stamp(row.at)

    def page(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        return {
            "title": f"{row.verb.capitalize()} {row.kind} {row.name}",
            "facts": [
                ("When", shown.moment(row.at)),
                ("Who", row.by or "unknown"),
                ("What", f"{row.verb} {row.kind} {row.name}"),
                ("Why", row.reason or shown.NOTHING),
            ],
            "blocks": [("Details", shown.json_block(row.details))],
        }
