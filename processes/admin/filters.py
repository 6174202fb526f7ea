"""Filters of the lists. Choices come from small tables or open rows, never from a scan of all instances."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from processes.models import Incident, Job, ProcessDefinition, ProcessInstance
from processes.models.instances import FINAL
from processes.runtime import workers

MOST_CHOICES = 100

Lookups = list[tuple[str, str]]


class ProcessFilter(admin.SimpleListFilter):
    """By process id; the choices are what is deployed."""

    title = "process"
    parameter_name = "process"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        ids = ProcessDefinition.objects.order_by("process_id").values_list("process_id", flat=True).distinct()
        return [(process_id, process_id) for process_id in ids[:MOST_CHOICES]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(process_id=self.value()) if self.value() else queryset


class VersionFilter(admin.SimpleListFilter):
    """By version, once a process is chosen."""

    title = "version"
    parameter_name = "version"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        process_id = request.GET.get("process")
        if not process_id:
            return []
        versions = ProcessDefinition.objects.filter(process_id=process_id).values_list("version", flat=True)
        return [(str(version), f"v{version}") for version in versions.order_by("-version")[:MOST_CHOICES]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value() or ""
        return queryset.filter(definition__version=int(value)) if value.isdecimal() else queryset


class StateFilter(admin.SimpleListFilter):
    """By state, and both live states at once."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        states = ProcessInstance._meta.get_field("state").choices or []
        return [("live", "Live"), *[(str(value), str(label)) for value, label in states]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "live":
            return queryset.exclude(state__in=FINAL)
        return queryset.filter(state=self.value()) if self.value() else queryset


class HasIncidentFilter(admin.SimpleListFilter):
    title = "open incident"
    parameter_name = "incident"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        opened = Incident.objects.filter(ended_at__isnull=True)
        if self.value() == "yes":
            # The open incidents are few: start from them, not from the instances.
            return queryset.filter(pk__in=opened.order_by().values("instance_id"))
        if self.value() == "no":
            return queryset.filter(~Exists(opened.filter(instance=OuterRef("pk"))))
        return queryset


class LatestFilter(admin.SimpleListFilter):
    title = "latest version only"
    parameter_name = "latest"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [("yes", "Yes")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() != "yes":
            return queryset
        newer = ProcessDefinition.objects.filter(process_id=OuterRef("process_id"), version__gt=OuterRef("version"))
        return queryset.filter(~Exists(newer))


class DefaultFilter(admin.SimpleListFilter):
    """A filter that is on unless something else is chosen; subclasses name the default first."""

    default: tuple[str, str]

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        yield {
            "selected": self.value() is None,
            "query_string": changelist.get_query_string(remove=[self.parameter_name]),
            "display": self.default[1],
        }
        for value, label in self.lookup_choices:
            yield {
                "selected": self.value() == str(value),
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": label,
            }


class OpenFilter(DefaultFilter):
    """Open incidents first: the others are history."""

    title = "open"
    parameter_name = "open"
    default = ("yes", "Open")

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [("no", "Ended"), ("all", "All")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "all":
            return queryset
        return queryset.filter(ended_at__isnull=self.value() != "no")


class DistinctFilter(admin.SimpleListFilter):
    """By one column, whose choices are what the rows of a small set hold now."""

    column: str

    def rows(self) -> QuerySet[Any]:
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        values = list(self.rows().order_by(self.column).values_list(self.column, flat=True).distinct()[:MOST_CHOICES])
        chosen = request.GET.get(str(self.parameter_name))
        if chosen and chosen not in values:
            values.append(chosen)  # it stays chosen although its last row has just gone
        return [(value, value) for value in values if value]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{self.column: self.value()}) if self.value() else queryset


class JobTypeFilter(DistinctFilter):
    title = "job type"
    parameter_name = column = "type"

    def rows(self) -> QuerySet[Any]:
        return Job.objects.all()


class IncidentJobTypeFilter(DistinctFilter):
    title = "job type"
    parameter_name = column = "job_type"

    def rows(self) -> QuerySet[Any]:
        return Incident.objects.filter(ended_at__isnull=True)


class IncidentElementFilter(DistinctFilter):
    title = "element"
    parameter_name = "element"
    column = "element_id"

    def rows(self) -> QuerySet[Any]:
        return Incident.objects.filter(ended_at__isnull=True)


class DueFilter(admin.SimpleListFilter):
    title = "due"
    parameter_name = "due"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [("now", "Now"), ("late", "For more than a minute"), ("later", "Later")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        now = timezone.now()
        due = queryset.filter(state="DUE", suspended=False)
        if self.value() == "now":
            return due.filter(due_at__lte=now)
        if self.value() == "late":
            return due.filter(due_at__lte=now - timedelta(minutes=1))
        if self.value() == "later":
            return due.filter(due_at__gt=now)
        return queryset


class AliveFilter(admin.SimpleListFilter):
    title = "alive"
    parameter_name = "alive"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        alive = workers.alive().order_by().values("pk")
        if self.value() == "yes":
            return queryset.filter(pk__in=alive)
        if self.value() == "no":
            return queryset.exclude(pk__in=alive)
        return queryset


class ExpiredFilter(admin.SimpleListFilter):
    title = "expired"
    parameter_name = "expired"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [("no", "No"), ("yes", "Yes")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "yes":
            return queryset.filter(expires_at__lte=timezone.now())
        if self.value() == "no":
            return queryset.filter(expires_at__gt=timezone.now())
        return queryset
