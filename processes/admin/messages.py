"""Messages: what was published, until when it is buffered, and whom it reached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from processes.admin import shown
from processes.admin.base import ReadOnlyAdmin, may_see_payload
from processes.admin.filters import ExpiredFilter
from processes.models import Message, MessageCorrelation

MOST = 100


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    nothing_yet = (
        "No message was published lately: they come over REST, from inbound bindings and manage.py publish_message."
    )
    list_display = ["identity", "name", "key", "reached", "published", "published_by", "expires"]
    list_filter = [ExpiredFilter]
    search_fields = ["name", "correlation_key"]  # shows the box; the search is below
    search_help_text = "Name or correlation key, from its beginning"
    ordering = ["-id"]
    sortable_by = ["identity", "expires"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        return super().get_queryset(request).defer("variables")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        return queryset.filter(name__startswith=term) | queryset.filter(correlation_key__startswith=term), False

    def attach(self, rows: Sequence[Any]) -> None:
        reached = MessageCorrelation.objects.filter(message__in=[row.pk for row in rows], instance__isnull=False)
        reached = reached.order_by()
        counts: Any = dict(reached.values_list("message_id").annotate(Count("pk")))
        for row in rows:
            row.reached_count = counts.get(row.pk, 0)

    @admin.display(description="id", ordering="id")
    def identity(self, row: Message) -> str:
        return str(row.pk)

    @admin.display(description="correlation key", ordering="correlation_key")
    def key(self, row: Message) -> str:
        return row.correlation_key or shown.NOTHING

    @admin.display(description="instances reached")
    def reached(self, row: Any) -> str:
        return f"{row.reached_count}"

    @admin.display(description="published", ordering="published_at")
    def published(self, row: Message) -> str:
        return shown.stamp(row.published_at)

    @admin.display(description="buffered until", ordering="expires_at")
    def expires(self, row: Message) -> str:
        return shown.stamp(row.expires_at)

    def page(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        reached = row.correlations.filter(instance__isnull=False).order_by("id")[:MOST]
        links = format_html_join(
            "",
            '<li><a href="{}">{} {}</a> at {}</li>',
            (
                (
                    reverse("admin:processes_processinstance_change", args=[correlation.instance_id]),
                    correlation.process_id,
                    correlation.instance_id,
                    shown.moment(correlation.correlated_at),
                )
                for correlation in reached
            ),
        )
        return {
            "title": f"Message {row.pk}: {row.name}",
            "facts": [
                ("Name", row.name),
                ("Correlation key", self.key(row)),
                ("Message id", row.message_id or shown.NOTHING),
                ("Published", format_html("{} by {}", shown.moment(row.published_at), row.published_by or "unknown")),
                ("Buffered until", format_html("{} ({})", shown.moment(row.expires_at), shown.since(row.expires_at))),
            ],
            "blocks": [
                ("Instances reached", format_html("<ul>{}</ul>", links) if links else "None so far."),
                ("Variables", shown.json_block(row.variables, may_see=may_see_payload(request))),
            ],
        }
