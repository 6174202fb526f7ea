"""Inbound bindings: made, changed, paused and dropped by who may, through the verbs of the runtime."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from processes.admin.base import ask, ask_and_say, reason_of, who
from processes.admin.forms import why
from processes.admin.reasoned import WHY, ReasonedAdmin
from processes.models import InboundBinding
from processes.runtime import bindings


class BindingForm(forms.ModelForm):  # type: ignore[type-arg]
    reason = why()

    class Meta:
        model = InboundBinding
        fields = ["name", *bindings.FIELDS]
        widgets = {
            name: forms.Textarea(attrs={"rows": 2, "cols": 80, "spellcheck": "false"}) for name in bindings.EXPRESSIONS
        }

    def clean(self) -> dict[str, Any]:
        """What the runtime would refuse is told at the form."""
        given: dict[str, Any] = super().clean() or {}
        for name, reason in bindings.faults(given).items():
            self.add_error(name, reason)
        return given


@admin.register(InboundBinding)
class InboundBindingAdmin(ReasonedAdmin):
    form = BindingForm
    show_facets = admin.ShowFacets.NEVER
    nothing_yet = "None yet. A binding makes messages of what comes in a queue, a stream or a webhook."
    list_display = ["name", "kind", "enabled", "where", "message_name"]
    list_filter = ["kind", "enabled"]
    search_fields = ["name"]
    ordering = ["name"]
    actions = ["pause", "resume"]
    readonly_fields = ["enabled"]
    fieldsets = [
        (None, {"fields": ["name", "kind", "enabled"]}),
        ("Queue", {"fields": ["url", "secret_url", "queue"]}),
        (
            "Webhook",
            {
                "fields": [
                    *("path", "proof", "secret_name", "signature_header", "signature_prefix", "signature_encoding"),
                    *("timestamp_header", "tolerance", "max_bytes"),
                ]
            },
        ),
        ("Message", {"fields": ["message_name", "correlation_key", "message_id", "variables", "time_to_live"]}),
        WHY,
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*super().get_readonly_fields(request, obj), *(["name"] if obj is not None else [])]

    @admin.display(description="where")
    def where(self, row: InboundBinding) -> str:
        return row.queue if row.kind == InboundBinding.Kind.QUEUE else f"/api/v1/webhooks/{row.path}"

    # -- verbs -----------------------------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        given = {name: form.cleaned_data[name] for name in bindings.FIELDS if name in form.cleaned_data}
        obj.pk = bindings.put(obj.name, given, by=who(request), new=not change, reason=reason_of(request)).pk

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        ask(request, lambda: bindings.drop(obj.name, by=who(request), reason=reason_of(request)))

    @admin.action(description="Pause: take nothing in", permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[InboundBinding]) -> None:
        for row in queryset:
            ask_and_say(
                request,
                partial(bindings.pause, row.name, by=who(request), reason=reason_of(request)),
                f"{row.name} is paused.",
            )

    @admin.action(description="Resume: take in again", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[InboundBinding]) -> None:
        for row in queryset:
            ask_and_say(
                request,
                partial(bindings.resume, row.name, by=who(request), reason=reason_of(request)),
                f"{row.name} was resumed.",
            )
