"""Secrets: their names, who changed them when, and a form to write one. No page shows a value, to nobody."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from processes.admin import shown
from processes.admin.base import ask, reason_of, who
from processes.admin.forms import why
from processes.admin.reasoned import WHY, ReasonedAdmin
from processes.models import Secret
from processes.runtime import Rejected, secrets


class SecretForm(forms.ModelForm):  # type: ignore[type-arg]
    value = forms.CharField(
        strip=False,
        max_length=secrets.MAX_SECRET,
        # Never filled in, not even with what was just typed and found wanting.
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password", "size": 60}),
        help_text="Is kept encrypted and never shown. Several lines, such as a PEM key: `manage.py set_secret --file`.",
    )

    reason = why()

    class Meta:
        model = Secret
        fields = ["name"]

    def clean(self) -> dict[str, Any]:
        try:
            secrets.demand_keys()
        except Rejected as rejected:
            raise ValidationError(str(rejected)) from None
        return super().clean() or {}


@admin.register(Secret)
class SecretAdmin(ReasonedAdmin):
    form = SecretForm
    nothing_yet = "None yet. Models name a secret as {{secrets.NAME}}; only connectors see its value."
    list_display = ["name", "placeholder", "changed", "changed_by"]
    search_fields = ["name"]
    fieldsets = [(None, {"fields": ["name", "value"]}), WHY]
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet[Secret]:
        return super().get_queryset(request).defer("ciphertext")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["name"] if obj is not None else []

    @admin.display(description="in models")
    def placeholder(self, row: Secret) -> str:
        return f"{{{{secrets.{row.name}}}}}"

    @admin.display(description="changed", ordering="changed_at")
    def changed(self, row: Secret) -> str:
        return shown.moment(row.changed_at)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        secrets.put(obj.name, form.cleaned_data["value"], by=who(request), reason=reason_of(request))
        obj.pk = secrets.find(obj.name).pk

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        ask(request, lambda: secrets.drop(obj.name, by=who(request), reason=reason_of(request)))
