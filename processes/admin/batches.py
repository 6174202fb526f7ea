"""Batches: how far they are, what came of each, and pause, resume, cancel."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.views.decorators.http import require_GET, require_POST

from processes.admin import shown
from processes.admin.base import OPERATE, ReadOnlyAdmin, ask_and_say, demand, reason_of, who
from processes.admin.recover import recover_view, words
from processes.models import Batch, BatchItem
from processes.models.batches import ITEM_STATES
from processes.runtime import batches

CHANGE = "processes.change_batch"
ROWS = 50
PACED = 100
"""Turns from which the pace is taken."""
VERBS: dict[str, tuple[Callable[..., None], str]] = {
    "pause": (batches.pause, "paused"),
    "resume": (batches.resume, "resumed"),
    "cancel": (batches.cancel, "cancelled"),
}


@admin.register(Batch)
class BatchAdmin(ReadOnlyAdmin):
    list_display = ["identity", "what", "condition", "far", "why", "bad", "asked", "ended"]
    list_filter = ["state", "kind"]
    ordering = ["-id"]
    change_form_template = "processes/batch.html"

    @admin.display(description="id", ordering="id")
    def identity(self, row: Batch) -> str:
        return str(row.pk)

    @admin.display(description="kind", ordering="kind")
    def what(self, row: Batch) -> str:
        return row.get_kind_display()

    @admin.display(description="state", ordering="state")
    def condition(self, row: Batch) -> str:
        return shown.badge(row.state)

    @admin.display(description="progress")
    def far(self, row: Batch) -> str:
        text = f"{row.tried:,} of {row.total:,}" + ("" if row.gathered else "+")
        return format_html('<progress max="{}" value="{}">{}</progress> {}', row.total or 1, row.tried, text, text)

    @admin.display(description="came to nothing")
    def bad(self, row: Batch) -> str:
        page = reverse("admin:processes_batch_change", args=[row.pk])
        state = "FAILED_AGAIN" if row.failed_again else "REJECTED"
        return shown.count(row.failed_again + row.rejected, f"{page}?state={state}", "bad")

    @admin.display(description="reason")
    def why(self, row: Batch) -> str:
        return (row.reason if len(row.reason) <= 80 else f"{row.reason[:80]}…") or shown.NOTHING

    @admin.display(description="created", ordering="id")
    def asked(self, row: Batch) -> str:
        return format_html("{} by {}", shown.stamp(row.created_at), row.created_by or "unknown")

    @admin.display(description="ended", ordering="ended_at")
    def ended(self, row: Batch) -> str:
        return shown.stamp(row.ended_at)

    def page(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        facts = [
            ("Kind", self.what(row)),
            ("Reason", row.reason or shown.NOTHING),
            ("Created", format_html("{} by {}", shown.moment(row.created_at), row.created_by or "unknown")),
            ("Rate", f"{row.rate:g} a second at most" if row.rate else "as fast as it goes"),
        ]
        if row.kind == "RETRY":
            facts += [
                ("Canaries", f"{row.canaries:,}" if row.canaries else "none"),
                ("Stops at", f"{row.stop_at:g} % failed again" if row.stop_at else shown.NOTHING),
            ]
        facts += [("Ended", shown.moment(row.ended_at))] if row.ended_at else []
        return {
            "title": f"Batch {row.pk}: {row.get_kind_display().lower()}",
            "facts": facts,
            "about": words(row.selection) if row.selection is not None else [],
            "asked": shown.json_block(row.instructions),
            **progress(request, row),
            **items(request, row),
        }

    # -- parts that a page fetches again, and verbs ------------------------------------------------------------------

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view

        def verb(word: str) -> Any:
            def view(request: HttpRequest, pk: int) -> HttpResponseBase:
                return self.turn(request, pk, word)

            return path(f"<int:pk>/{word}/", wrap(view), name=f"processes_batch_{word}")

        return [
            path("recover/", wrap(self.recover), name="processes_batch_recover"),
            path("<int:pk>/progress/", wrap(self.progress), name="processes_batch_progress"),
            path("<int:pk>/items/", wrap(self.items), name="processes_batch_items"),
            *(verb(word) for word in VERBS),
            *super().get_urls(),
        ]

    def recover(self, request: HttpRequest) -> HttpResponseBase:
        return recover_view(request, {**self.admin_site.each_context(request), "opts": self.opts})

    @method_decorator(require_GET)
    def progress(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        row = self._seen(request, pk)
        return TemplateResponse(request, "processes/_batch_progress.html", {"original": row, **progress(request, row)})

    @method_decorator(require_GET)
    def items(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        row = self._seen(request, pk)
        return TemplateResponse(request, "processes/_batch_items.html", {"original": row, **items(request, row)})

    def _seen(self, request: HttpRequest, pk: int) -> Batch:
        if not self.has_view_permission(request):
            demand(request, "processes.view_batch")
        return get_object_or_404(Batch, pk=pk)

    @method_decorator(require_POST)
    def turn(self, request: HttpRequest, pk: int, word: str) -> HttpResponseBase:
        demand(request, CHANGE)
        if word == "resume":
            batch = Batch.objects.filter(pk=pk).first()
            if batch is not None and not may_resume(request, batch):
                raise PermissionDenied(f"Expected the permission to {batch.kind.lower()} one, to have many go on")
        verb, said = VERBS[word]
        ask_and_say(request, lambda: verb(pk, by=who(request), reason=reason_of(request)), f"Batch {pk} was {said}.")
        if not self.has_view_permission(request):
            return redirect("admin:index")
        return redirect("admin:processes_batch_change", pk)


def may_resume(request: HttpRequest, batch: Batch) -> bool:
    """Whether this user may do to one what the batch does to many."""
    if batch.kind == "RETRY" and not batch.instructions.get("variables"):
        return any(request.user.has_perm(each) for each in (OPERATE, *batches.SINGLE["RETRY"]))
    return request.user.has_perm(OPERATE)


def progress(request: HttpRequest, row: Batch) -> dict[str, Any]:
    """What changes while one looks."""
    alive = row.state == "ACTIVE" or row.watch_at is not None
    far = [
        ("recovered", "Recovered", row.recovered, "RECOVERED", "its visit went on"),
        ("done", "Done", row.done, "DONE", ""),
        ("failed", "Failed again", row.failed_again, "FAILED_AGAIN", "the incident came back"),
        ("rejected", "Rejected", row.rejected, "REJECTED", "nothing was changed"),
        ("retried", "Retried", row.retried, "RETRIED", "nobody knows yet" if alive else "nobody knew for a day"),
        ("pending", "Pending", row.pending, "PENDING", "will not be done" if row.state == "CANCELLED" else ""),
    ]
    retries = row.kind == "RETRY"
    hidden = {"done"} if retries else {"recovered", "failed", "retried"}
    parts, at = [], 0.0
    for name, label, number, state, note in far:
        if name in hidden:
            continue
        width = 100 * number / row.total if row.total else 0.0
        parts.append({"name": name, "label": label, "number": f"{number:,}", "state": state,
                      "note": note if number else "",
                      "x": f"{at:.3f}", "width": f"{width:.3f}"})  # fmt: skip
        at += width
    speed, left = pace(row)
    return {
        "state": shown.badge(row.state),
        "parts": parts,
        "tried": f"{row.tried:,}",
        "total": f"{row.total:,}{'' if row.gathered else '+'}",
        "percent": f"{100 * row.tried / row.total:.0f}" if row.total else "0",
        "speed": speed,
        "left": left,
        "canaries_out": row.state == "ACTIVE" and bool(row.canaries) and row.known < row.canaries and row.pending > 0,
        "polls": alive,
        "may_change": request.user.has_perm(CHANGE),
        "may_resume": request.user.has_perm(CHANGE) and may_resume(request, row),
    }


def pace(row: Batch) -> tuple[str, str]:
    """Turns a second of late, and how long the rest takes at that; nothing where it stands still."""
    if row.state != "ACTIVE" or not row.pending or row.tried < 2:
        return "", ""
    first = row.items.filter(state="PENDING").order_by("id").values_list("pk", flat=True).first()
    if first is None:
        return "", ""
    turns = list(row.items.filter(pk__lt=first).order_by("-id").values_list("tried_at", flat=True)[:PACED])
    moments = [moment for moment in turns if moment is not None]
    if len(moments) < 2 or timezone.now() - moments[0] > timedelta(seconds=30):
        return "", ""
    span = (moments[0] - moments[-1]).total_seconds()
    if span <= 0:
        return "", ""
    speed = (len(moments) - 1) / span
    return f"{speed:.1f} a second", shown.length(timedelta(seconds=row.pending / speed))


def items(request: HttpRequest, row: Batch) -> dict[str, Any]:
    """A page of what came of each, from an item on: by key, so that the last page is as near as the first."""
    state = request.GET.get("state", "")
    if state and state not in ITEM_STATES:
        raise Http404(f"no state {state}")
    after = request.GET.get("after", "")
    found = row.items.all().order_by("id")
    if state:
        found = found.filter(state=state)
    if after.isdecimal() and len(after) < 19:
        found = found.filter(pk__gt=int(after))
    rows = list(found[: ROWS + 1])
    query = {"state": state} if state else {}
    again = reverse("admin:processes_batch_items", args=[row.pk], query=query)
    return {
        "rows": [_item(row, each) for each in rows[:ROWS]],
        "chosen_state": state,
        "tabs": [("", "All"), *((each, each.replace("_", " ").capitalize()) for each in _states(row))],
        "first": f"{_page(row, query)}#items" if after else "",
        "next": f"{_page(row, {**query, 'after': str(rows[ROWS - 1].pk)})}#items" if len(rows) > ROWS else "",
        "items_again": again if not after and (row.state == "ACTIVE" or row.watch_at is not None) else "",
        "retries": row.kind == "RETRY",
        "nothing": _nothing(row, state, bool(after)),
    }


def _nothing(row: Batch, state: str, later: bool) -> str:
    """What is said where there is no item to show."""
    if later:
        return "No more."
    if row.total and state:
        return f"None of {row.total:,} is {state.replace('_', ' ').lower()}."
    if not row.gathered and row.state == "ACTIVE":
        return "Nothing yet: a sweeper looks for what the batch is about within moments, piece by piece, and begins."
    if not row.gathered:
        return f"Nothing yet: the batch was {row.state.lower()} before it was looked for what it is about."
    return "Nothing: there was nothing that the batch is about." if not row.total else "None."


def _page(row: Batch, query: dict[str, str]) -> str:
    return reverse("admin:processes_batch_change", args=[row.pk], query=query)


def _states(row: Batch) -> list[str]:
    retry = ["PENDING", "RETRIED", "RECOVERED", "FAILED_AGAIN", "REJECTED"]
    return retry if row.kind == "RETRY" else ["PENDING", "DONE", "REJECTED"]


def _item(batch: Batch, item: BatchItem) -> dict[str, Any]:
    result = ""
    if item.result is not None:
        model = "incident" if batch.kind == "RETRY" else "processinstance"
        href = reverse(f"admin:processes_{model}_change", args=[item.result])
        word = "Incident" if batch.kind == "RETRY" else "Instance"
        result = format_html('<a href="{}">{} {}</a>', href, word, item.result)
    return {
        "row": item,
        "state": shown.badge(item.state, item.get_state_display()),
        "instance": reverse("admin:processes_processinstance_change", args=[item.instance_id]),
        "incident": reverse("admin:processes_incident_change", args=[item.incident_id]) if item.incident_id else "",
        "tried": shown.stamp(item.tried_at),
        "message": item.message if len(item.message) <= 300 else f"{item.message[:300]}…",
        "result": result,
    }
