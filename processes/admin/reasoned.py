"""Rows that operators make by their names: what is made, changed and deleted here has a reason beside it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from processes.admin.forms import ReasonActionForm

WHY: tuple[str, Any] = ("Why it is changed", {"fields": ["reason"]})
"""The last fieldset of their forms."""


class ReasonedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Its form has a field `reason`; so has the page that asks whether to delete, be it one or many."""

    show_full_result_count = False
    action_form = ReasonActionForm

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Who only looks is not asked why."""
        asked = [*super().get_fieldsets(request, obj)]
        may_save = self.has_add_permission(request) if obj is None else self.has_change_permission(request, obj)
        return asked if may_save else [each for each in asked if each is not WHY]

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset:
            self.delete_model(request, row)
