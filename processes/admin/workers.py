"""Workers: who was seen lately, and what they serve."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from processes.admin import shown
from processes.admin.base import ReadOnlyAdmin
from processes.admin.filters import AliveFilter
from processes.models import Worker

ALIVE_WITHIN = timedelta(seconds=60)


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    nothing_yet = "No worker was seen for a day: manage.py serve starts server and worker in one."
    list_display = ["name", "condition", "serves", "seen", "started"]
    list_filter = [AliveFilter]
    search_fields = ["name"]
    ordering = ["-seen_at"]

    @admin.display(description="state", ordering="seen_at")
    def condition(self, row: Worker) -> str:
        return shown.badge("ALIVE" if timezone.now() - row.seen_at <= ALIVE_WITHIN else "GONE")

    @admin.display(description="serves")
    def serves(self, row: Worker) -> str:
        return format_html_join(" ", '<code class="element">{}</code>', ((kind,) for kind in _types(row)))

    @admin.display(description="seen", ordering="seen_at")
    def seen(self, row: Worker) -> str:
        return format_html("{} ({})", shown.moment(row.seen_at), shown.since(row.seen_at))

    @admin.display(description="started", ordering="started_at")
    def started(self, row: Worker) -> str:
        return shown.moment(row.started_at)

    def page(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        held = reverse("admin:processes_job_changelist", query={"q": row.name})
        return {
            "title": f"Worker {row.name}",
            "facts": [
                ("State", self.condition(row)),
                ("Serves", self.serves(row) or shown.NOTHING),
                ("Seen", self.seen(row)),
                ("Started", self.started(row)),
                ("Jobs", format_html('<a href="{}">that it holds</a>', held)),
            ],
        }


def _types(row: Worker) -> list[str]:
    return [str(kind) for kind in row.types] if isinstance(row.types, list) else []
