"""How far batches are; pause, resume and cancel them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandError, CommandParser

from processes.management.arguments import add_reason, positive
from processes.management.door import USAGE, Door, by
from processes.models import Batch
from processes.runtime import Rejected, batches

VERBS: dict[str, Callable[..., None]] = {
    "pause": batches.pause,
    "resume": batches.resume,
    "cancel": batches.cancel,
}
MOST_SHOWN = 50


class Command(Door):
    help = "Shows the batches that have not ended, or those that are named; or pauses, resumes or cancels them."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("verb", choices=["show", *VERBS])
        parser.add_argument("ids", type=positive, nargs="*", metavar="BATCH")
        add_reason(parser)

    def handle(self, *, verb: str, ids: list[int], reason: str, as_json: bool, **options: Any) -> None:
        if verb in VERBS:
            if not ids:
                raise CommandError(f"Expected batches to {verb} but found none.", returncode=USAGE)
            for pk in ids:
                VERBS[verb](pk, by=by(), reason=reason)
        found = Batch.objects.filter(pk__in=ids) if ids else Batch.objects.filter(ended_at__isnull=True)
        rows = list(found.order_by("id"))
        if missing := sorted(set(ids) - {row.pk for row in rows}):
            raise Rejected("batch-not-found", f"Expected batch {missing[0]} to exist but it does not")
        shown = [_row(row) for row in rows]
        if as_json:
            self.json({"batches": shown})
            return
        for row in shown:
            retried = ("retried", "recovered", "failed_again") if row["kind"] == "RETRY" else ("done",)
            told = [f"{row[name]:,} {name.replace('_', ' ')}" for name in (*retried, "rejected", "pending")]
            self.say(f"batch {row['id']} {row['kind'].lower()} {row['state'].lower()}: {', '.join(told)}")
            if row["note"]:
                self.warn(f"it paused itself: {row['note']}")
            for pk, message in row["messages"].items():
                self.warn(f"instance {pk}: {message}")


def _row(batch: Batch) -> dict[str, Any]:
    bad = batch.items.filter(state__in=["REJECTED", "FAILED_AGAIN"]).order_by("id")
    return {
        "id": batch.pk,
        "kind": batch.kind,
        "state": batch.state,
        "note": batch.note,
        "reason": batch.reason,
        "pending": batch.pending,
        "done": batch.done,
        "rejected": batch.rejected,
        "retried": batch.retried,
        "recovered": batch.recovered,
        "failed_again": batch.failed_again,
        "messages": dict(bad.values_list("instance_id", "message")[:MOST_SHOWN]),
    }
