"""Replies that jobs wait for, and replies that came before anybody waited."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from processes.admin import shown
from processes.admin.base import ReadOnlyAdmin, may_see_payload
from processes.models import AwaitedReply, EarlyReply


@admin.register(AwaitedReply)
class AwaitedReplyAdmin(ReadOnlyAdmin):
    nothing_yet = "No job waits for a reply by message."
    list_display = ["correlation_id", "channel", "what", "instance", "attempt", "asked", "until", "replies"]
    list_filter = ["ending"]
    search_fields = ["correlation_id__startswith"]
    search_help_text = "Correlation id, from its beginning"
    ordering = ["-id"]

    @admin.display(description="state", ordering="ending")
    def what(self, row: AwaitedReply) -> str:
        return shown.badge(row.get_ending_display().upper())

    @admin.display(description="instance", ordering="instance_id")
    def instance(self, row: AwaitedReply) -> str:
        page = reverse("admin:processes_processinstance_change", args=[row.instance_id])
        return format_html('<a href="{}">{}</a>', page, row.instance_id)

    @admin.display(description="asked", ordering="asked_at")
    def asked(self, row: AwaitedReply) -> str:
        return shown.stamp(row.asked_at) if row.asked_at else "not yet"

    @admin.display(description="until", ordering="expires_at")
    def until(self, row: AwaitedReply) -> str:
        return shown.stamp(row.expires_at)

    def page(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        return {
            "title": f"Awaited reply {row.correlation_id}",
            "facts": [
                ("State", self.what(row)),
                ("Channel", row.channel),
                ("Instance", self.instance(row)),
                ("Job", f"{row.job_id}, attempt {row.attempt}"),
                ("Asked", self.asked(row)),
                ("Until", shown.moment(row.expires_at)),
                ("Closed", shown.moment(row.closed_at) if row.closed_at else shown.NOTHING),
                ("Replies", f"{row.replies}"),
            ],
            "blocks": [("Asked", shown.json_block(row.journal, may_see=may_see_payload(request)))],
        }


@admin.register(EarlyReply)
class EarlyReplyAdmin(ReadOnlyAdmin):
    nothing_yet = "No reply came that nobody waited for."
    list_display = ["correlation_id", "channel", "received"]
    search_fields = ["correlation_id__startswith"]
    search_help_text = "Correlation id, from its beginning"
    ordering = ["-id"]

    @admin.display(description="received", ordering="received_at")
    def received(self, row: EarlyReply) -> str:
        return shown.stamp(row.received_at)

    def page(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        return {
            "title": f"Early reply {row.correlation_id}",
            "facts": [("Channel", row.channel), ("Received", self.received(row))],
            "blocks": [("What it says", shown.json_block(row.outcome, may_see=may_see_payload(request)))],
        }
