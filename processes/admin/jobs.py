"""Jobs: the live queue of work, and every attempt of one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from processes.admin import attempts, shown
from processes.admin.base import ReadOnlyAdmin, may_see_payload
from processes.admin.filters import DueFilter, JobTypeFilter, ProcessFilter
from processes.models import FlowNodeInstance, Job
from processes.runtime import workers

MOST_ATTEMPTS = 50


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    nothing_yet = "No jobs: instances make them, and a job is gone when it is done. See the history of its instance."
    list_display = ["identity", "type", "condition", "tries", "due", "held", "element", "of"]
    list_filter = ["state", "parked", DueFilter, JobTypeFilter, ProcessFilter, "suspended"]
    search_fields = ["worker__exact", "connection__exact"]
    search_help_text = "Name of the worker that holds it, or of the connection that it calls"
    ordering = ["-id"]
    sortable_by = ["identity", "due"]
    change_form_template = "processes/job.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        return super().get_queryset(request).defer("headers")

    @admin.display(description="id", ordering="id")
    def identity(self, row: Job) -> str:
        return str(row.pk)

    @admin.display(description="state", ordering="state")
    def condition(self, row: Job) -> str:
        if row.suspended:
            return shown.badge("SUSPENDED")
        return shown.badge("PARKED", f"Parked: {row.parked}") if row.parked else shown.badge(row.state)

    @admin.display(description="attempt", ordering="attempt")
    def tries(self, row: Job) -> str:
        return format_html('{}<span class="quiet">, {} left</span>', row.attempt, row.retries)

    @admin.display(description="due", ordering="due_at")
    def due(self, row: Job) -> str:
        return shown.stamp(row.due_at)

    @admin.display(description="held by", ordering="worker")
    def held(self, row: Job) -> str:
        if row.lease_until is None:
            return shown.NOTHING
        return format_html("{} until {}", row.worker, shown.stamp(row.lease_until))

    @admin.display(description="element", ordering="element_id")
    def element(self, row: Job) -> str:
        return format_html('<code class="element">{}</code>', row.element_id)

    @admin.display(description="instance", ordering="instance_id")
    def of(self, row: Job) -> str:
        return instance_link(row)

    def page(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        visit = FlowNodeInstance.objects.filter(instance=row.instance_id, key=row.node).first()
        ended = list(attempts.ends(row.instance).filter(node=row.node)[: MOST_ATTEMPTS + 1])
        may_see = may_see_payload(request)
        served_by = [worker.name for worker in workers.alive() if row.type in worker.types]
        return {
            "title": f"Job {row.pk}: {row.type}",
            "facts": [
                ("State", self.condition(row)),
                ("Instance", instance_link(row)),
                ("Element", self.element(row)),
                ("Attempt", self.tries(row)),
                ("Due", format_html("{} ({})", shown.moment(row.due_at), shown.since(row.due_at))),
                ("Connection", row.connection or shown.NOTHING),
                ("Announced", shown.moment(row.hinted_at)),
                ("Held by", self.held(row)),
                ("Created", shown.moment(row.created_at)),
                ("Served by", _list(served_by) or "no worker that is alive; external workers may claim it"),
            ],
            "error": row.error_message,
            "blocks": [
                ("Inputs of the visit", shown.json_block(visit.variables if visit else None, may_see=may_see)),
                ("Headers", shown.json_block(row.headers)),
            ],
            "attempts": attempts.shown_attempts(row.instance, ended[:MOST_ATTEMPTS]),
            "older": len(ended) > MOST_ATTEMPTS,
        }


def instance_link(row: Any) -> str:
    """A link to the instance of any part; process id and instance id, so that no row needs a query."""
    href = reverse("admin:processes_processinstance_change", args=[row.instance_id])
    return format_html('<a href="{}">{} {}</a>', href, row.process_id, row.instance_id)


def _list(names: list[str]) -> str:
    return format_html_join(", ", "{}", ((name,) for name in names))
