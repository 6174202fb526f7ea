"""What narrows incidents down: the filters of their list, and the same words as what a batch is to be about."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from processes.admin.filters import IncidentElementFilter, IncidentJobTypeFilter, Lookups, ProcessFilter, VersionFilter
from processes.models import Incident
from processes.runtime.incidents import Selection

MOST_LOOKED_AT = 10_000
"""The newest open incidents, from which the choices of a filter come."""
AGES = {
    "10m": ("In the last 10 minutes", timedelta(minutes=10), "after"),
    "1h": ("In the last hour", timedelta(hours=1), "after"),
    "1d": ("In the last day", timedelta(days=1), "after"),
    "over1h": ("More than an hour ago", timedelta(hours=1), "before"),
    "over1d": ("More than a day ago", timedelta(days=1), "before"),
    "over7d": ("More than a week ago", timedelta(days=7), "before"),
}


class AgeFilter(admin.SimpleListFilter):
    title = "raised"
    parameter_name = "age"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [(value, label) for value, (label, _, _) in AGES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        before, after = moments(self.value())
        if before is not None:
            return queryset.filter(raised_at__lt=before)
        return queryset if after is None else queryset.filter(raised_at__gte=after)


class IncidentVersionFilter(VersionFilter):
    """By the version that the instance runs, once a process is chosen."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value() or ""
        return queryset.filter(instance__definition__version=int(value)) if value.isdecimal() else queryset


class _RecentFilter(admin.SimpleListFilter):
    """By a column, whose choices are what the newest open ones hold."""

    column: str

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        newest = Incident.objects.filter(ended_at__isnull=True).order_by("-id").values("pk")[:MOST_LOOKED_AT]
        rows = Incident.objects.filter(pk__in=newest).exclude(**{self.column: ""})
        values = list(rows.order_by(self.column).values_list(self.column, flat=True).distinct()[:50])
        chosen = self.used_parameters.get(str(self.parameter_name)) or request.GET.get(str(self.parameter_name))
        if chosen and chosen not in values:
            values.append(chosen)
        return [(value, value) for value in values]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{self.column: self.value()}) if self.value() else queryset


class ErrorCodeFilter(_RecentFilter):
    title = "error code"
    parameter_name = column = "error_code"


class FingerprintFilter(admin.SimpleListFilter):
    """One group of those that are alike. Its choices are the groups above the list."""

    title = "alike"
    parameter_name = "fingerprint"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        chosen = request.GET.get("fingerprint")
        return [(chosen, f"Only {chosen}")] if chosen else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(fingerprint=self.value()) if self.value() else queryset


FILTERS: list[Any] = [
    "kind",
    AgeFilter,
    ProcessFilter,
    IncidentVersionFilter,
    IncidentElementFilter,
    IncidentJobTypeFilter,
    ErrorCodeFilter,
    FingerprintFilter,
]
WORDS = {
    "process": "process_id",
    "kind__exact": "kind",
    "element": "element_id",
    "job_type": "job_type",
    "error_code": "error_code",
    "fingerprint": "fingerprint",
}
"""What the address of the list calls the columns of a selection."""


def moments(age: str | None) -> tuple[Any, Any]:
    """Raised before, raised after."""
    if age not in AGES:
        return None, None
    _, span, way = AGES[age]
    moment = timezone.now() - span
    return (moment, None) if way == "before" else (None, moment)


def selection(query: Mapping[str, Any]) -> Selection:
    """What the filters of the list say, as a selection of open ones."""
    given = {column: query[word] for word, column in WORDS.items() if query.get(word)}
    version = str(query.get("version") or "")
    before, after = moments(query.get("age"))
    number = int(version) if version.isdecimal() and len(version) < 10 else None
    return Selection(**given, version=number, raised_before=before, raised_after=after)


def kept(query: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of an address that a selection is made of."""
    return {word: str(query[word]) for word in (*WORDS, "version", "age") if query.get(word)}
