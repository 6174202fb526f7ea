"""Connections: how destinations are doing, what they may be asked to bear, pause and resume."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from processes.admin import shown
from processes.admin.base import ask, ask_and_say, reason_of, who
from processes.admin.forms import why
from processes.admin.reasoned import WHY, ReasonedAdmin
from processes.models import Connection, Job
from processes.runtime import Rejected, connections


class ConnectionForm(forms.ModelForm):  # type: ignore[type-arg]
    reason = why()

    class Meta:
        model = Connection
        fields = ["name", *connections.FIELDS]
        widgets = {
            name: forms.Textarea(attrs={"rows": 4, "cols": 60, "class": "json-input", "spellcheck": "false"})
            for name in ("authentication", "tls", "options", "allowed_hosts")
        }

    def clean(self) -> dict[str, Any]:
        """What the runtime would refuse is told at the form."""
        cleaned: dict[str, Any] = super().clean() or {}
        given = {name: cleaned[name] for name in connections.FIELDS if name in cleaned}
        try:
            connections.check(cleaned.get("name") or self.instance.name or "new", given)
        except Rejected as rejected:
            raise ValidationError(str(rejected)) from None
        return cleaned


class WithJobs(ChangeList):
    """What the columns of a page need of the jobs: one query, for however many connections."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        live = Job.objects.filter(connection__in=[row.name for row in rows]).order_by().values("connection")
        counts = {
            found["connection"]: (found["flying"], found["parked_now"])
            for found in live.annotate(
                flying=Count("id", filter=Q(state="CLAIMED")),
                parked_now=Count("id", filter=Q(state="DUE") & ~Q(parked="")),
            )
        }
        for row in rows:
            row.jobs = counts.get(row.name, (0, 0))
        self.result_list = rows


@admin.register(Connection)
class ConnectionAdmin(ReasonedAdmin):
    form = ConnectionForm
    nothing_yet = "None yet. A connection names a destination once, with its limits, for all models that call it."
    list_display = ["name", "kind", "where", "condition", "limits", "flying", "parked"]
    list_filter = ["kind", "paused", "gate__breaker"]
    search_fields = ["name", "url"]
    list_select_related = ["gate"]
    list_per_page = 50
    actions = ["pause", "resume"]
    readonly_fields = ["standing", "changed"]
    fieldsets = [
        (None, {"fields": ["name", "kind", "description", "standing", "changed"]}),
        ("Destination", {"fields": ["url", "authentication", "tls", "timeout", "options"]}),
        ("Outbound safety", {"fields": ["allowed_hosts", "allow_private"]}),
        ("Limits of the whole fleet", {"fields": ["rate", "burst", "concurrency"]}),
        (
            "Circuit breaker",
            {
                "fields": [
                    "breaker_failures", "breaker_window", "breaker_open", "breaker_canaries", "breaker_ramp",
                ]
            },
        ),
        WHY,
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connection]:
        return super().get_queryset(request).select_related("gate")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*super().get_readonly_fields(request, obj), *(["name"] if obj is not None else [])]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return WithJobs

    # -- columns ---------------------------------------------------------------------------------------------------

    @admin.display(description="address", ordering="url")
    def where(self, row: Connection) -> str:
        return format_html("<code>{}</code>", row.url) if row.url else shown.NOTHING

    @admin.display(description="state", ordering="gate__breaker")
    def condition(self, row: Connection) -> str:
        return shown.badge("PAUSED") if row.paused else shown.badge(row.gate.breaker)

    @admin.display(description="limits")
    def limits(self, row: Connection) -> str:
        rate = "" if row.rate is None else f"{row.rate:g} calls/s"
        return ", ".join(filter(None, (rate, f"{row.concurrency} at once" if row.concurrency else ""))) or shown.NOTHING

    @admin.display(description="in flight")
    def flying(self, row: Connection) -> str:
        return self._count(row, 0, "state__exact=CLAIMED")

    @admin.display(description="parked")
    def parked(self, row: Connection) -> str:
        return self._count(row, 1, "state__exact=DUE")

    def _count(self, row: Connection, which: int, filters: str) -> str:
        number = getattr(row, "jobs", (0, 0))[which]
        href = reverse("admin:processes_job_changelist", query={"q": row.name}) + f"&{filters}"
        return shown.count(number, href)

    # -- page ------------------------------------------------------------------------------------------------------

    @admin.display(description="state")
    def standing(self, row: Connection) -> str:
        if row.pk is None:
            return shown.NOTHING
        now = connections.standing(row)
        facts = [
            ("Breaker", shown.badge(now.breaker)),
            ("Open until", shown.moment(now.open_until)),
            ("Failures in a row", now.failures),
            ("Last failure", now.last_failure or shown.NOTHING),
            ("Calls per second now", "any" if now.rate is None else f"{now.rate:.3g}"),
            ("In flight", now.in_flight),
            ("Parked", ", ".join(f"{count} ({why})" for why, count in now.waiting.items()) or 0),
            ("Paused", f"by {row.paused_by}: {row.paused_because}" if row.paused else "no"),
        ]
        each = format_html_join("", "<div><dt>{}</dt><dd>{}</dd></div>", facts)
        return format_html('<dl class="facts">{}</dl>', each)

    @admin.display(description="changed")
    def changed(self, row: Connection) -> str:
        return format_html("{} by {}", shown.moment(row.changed_at), row.changed_by) if row.pk else shown.NOTHING

    # -- verbs -----------------------------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        given = {name: form.cleaned_data[name] for name in connections.FIELDS if name in form.cleaned_data}
        saved = connections.put(obj.name, given, by=who(request), new=not change, reason=reason_of(request))
        obj.pk = saved.pk

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        ask(request, lambda: connections.drop(obj.name, by=who(request), reason=reason_of(request)))

    @admin.action(description="Pause: let nobody call them", permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        for row in queryset:
            ask_and_say(
                request,
                partial(connections.pause, row.name, by=who(request), reason=reason_of(request)),
                f"{row.name} is paused.",
            )

    @admin.action(description="Resume, and release what is parked", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        for row in queryset:
            ask_and_say(
                request,
                partial(connections.resume, row.name, by=who(request), reason=reason_of(request)),
                f"{row.name} was resumed.",
            )
