"""What all admin classes share: rows that nobody edits, pages that do not count, verbs that may be rejected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst

from processes.runtime import Rejected, payload

COUNTED = 10_000
"""Rows that a page counts at most: an operator narrows down with filters, nobody turns to page 201."""

OPERATE = "processes.change_processinstance"
"""The permission for every verb that changes a running instance."""

RETRY = (OPERATE, "processes.change_incident")
"""Either is enough to resolve an incident: who may cancel an instance may also let it try again."""

T = TypeVar("T")


def count_up_to(queryset: QuerySet[Any], limit: int = COUNTED) -> int:
    """How many rows, but no more than `limit`: as fast on ten million rows as on ten thousand."""
    return queryset.order_by()[:limit].count()


def newest(queryset: QuerySet[Any], limit: int = COUNTED) -> QuerySet[Any]:
    """The newest rows only, so that what reads them all is bounded. One small query by the index of numbers, and then a
    range: a subquery of so many numbers would be looked up one by one."""
    floor = queryset.order_by("-pk").values_list("pk", flat=True)[limit - 1 : limit].first()
    return queryset if floor is None else queryset.filter(pk__gte=floor)


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than `COUNTED` rows; `more` says that there are others behind the last page."""

    @cached_property
    def counted(self) -> int:
        return count_up_to(self.object_list, COUNTED + 1)  # type: ignore[arg-type]

    @property
    def count(self) -> int:
        return min(self.counted, COUNTED)

    @property
    def more(self) -> bool:
        return self.counted > COUNTED


class RowsChangeList(ChangeList):
    """Lets the admin class look up what the rows of one page need, in a query each instead of a query per row."""

    def get_ordering_field(self, field_name: Any) -> Any:
        """What no heading offers to sort by, no address does: Django would, and read a whole table."""
        if self.sortable_by is not None and field_name not in self.sortable_by:
            return None
        return super().get_ordering_field(field_name)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = list(self.result_list)
        if isinstance(self.model_admin, ReadOnlyAdmin):
            self.model_admin.attach(rows)
        self.result_list = rows


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows to look at. What can be asked of them is asked of the runtime, never saved here."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they count every choice of every filter
    paginator = BoundedPaginator
    list_per_page = 50
    list_max_show_all = 0
    change_form_template = "processes/page.html"
    nothing_yet = "There is nothing here yet."
    """What an empty list says: where its rows come from."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(OPERATE)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Asked by actions that are declared with ``permissions=["retry"]``."""
        return any(request.user.has_perm(permission) for permission in RETRY)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RowsChangeList

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """No form at all: `page` says what is shown."""
        return []

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Looked up once for a page: ours asks, and Django's view asks again."""
        found: dict[Any, Any] = request.__dict__.setdefault("_looked_up", {}) if request.method == "GET" else {}
        which = (self.model, object_id, from_field)
        if which not in found:
            found[which] = super().get_object(request, object_id, from_field)
        return found[which]

    def attach(self, rows: Sequence[Any]) -> None:
        """Hook: look up what the columns of these rows need and hang it on them."""

    def page(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Hook: what the page of a row shows, most of all `facts` (label and value) and `blocks` (heading and HTML)."""
        return {}

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        title = capfirst(str(self.opts.verbose_name_plural))
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        row: Model | None = self.get_object(request, unquote(object_id)) if object_id else None
        context = {"title": capfirst(str(self.opts.verbose_name)), "subtitle": None, **(extra_context or {})}
        if row is not None and self.has_view_permission(request, row):
            context |= {
                "may_operate": self.has_operate_permission(request),
                "may_retry": self.has_retry_permission(request),
                "may_see_payload": may_see_payload(request),
                **self.page(request, row),
            }
        return super().changeform_view(request, object_id, form_url, context)


def may_see_payload(request: HttpRequest) -> bool:
    """Whether variables, requests, responses and documents are shown to this user."""
    return request.user.has_perm(payload.RIGHT)


def who(request: HttpRequest) -> str:
    """The user as the history names them."""
    return f"user:{request.user.get_username()}"


def reason_of(request: HttpRequest) -> str:
    """What was typed as the reason of an action, cut to what is kept."""
    return request.POST.get("reason", "").strip()[:1000]


def demand(request: HttpRequest, *permissions: str) -> None:
    """One of these permissions, or the answer is 403."""
    if not any(request.user.has_perm(permission) for permission in permissions):
        raise PermissionDenied


def ask(request: HttpRequest, verb: Callable[[], T]) -> T | None:
    """Ask the runtime for a verb; a rejection is told to the user, and the answer is None."""
    try:
        return verb()
    except Rejected as rejection:
        messages.error(request, f"Not done: {rejection} [{rejection.code}]")
        return None


def ask_and_say(request: HttpRequest, verb: Callable[[], Any], said: str) -> bool:
    """The same for verbs without an answer: says what was done. Returns whether it was."""
    try:
        verb()
    except Rejected as rejection:
        messages.error(request, f"Not done: {rejection} [{rejection.code}]")
        return False
    messages.success(request, said)
    return True
