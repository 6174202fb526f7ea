"""The story of an instance: addresses of its timeline, its past, and what is new of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import path
from django.views.decorators.http import require_safe

from processes.admin import live, time_travel, timeline

if TYPE_CHECKING:
    from processes.admin.base import ReadOnlyAdmin

View = Callable[[HttpRequest, Any, dict[str, Any]], HttpResponseBase]


def urls(owner: ReadOnlyAdmin) -> list[Any]:
    """Addresses below an instance, for who may see instances."""

    def page(word: str, view: View) -> Any:
        @require_safe
        def shown(request: HttpRequest, pk: int) -> HttpResponseBase:
            row = owner.get_queryset(request).filter(pk=pk).first()
            if not owner.has_view_permission(request, row):
                raise PermissionDenied
            if row is None:
                raise Http404(f"There is no instance {pk}.")
            return view(request, row, {**owner.admin_site.each_context(request), "opts": owner.opts, "original": row})

        name = f"processes_processinstance_{word}"
        return path(f"<int:pk>/{word}/", owner.admin_site.admin_view(shown), name=name)

    return [page("timeline", timeline.page), page("past", time_travel.page), page("live", live.fragment)]
