"""Delete instances and batches that ended long ago, with all their history."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser

from processes.management.arguments import add_reason, duration, positive
from processes.management.door import Door, by
from processes.management.progress import progress
from processes.runtime import retention


class Command(Door):
    help = (
        "Deletes instances that ended at least this long ago, with their whole history, piece by piece; and, unless "
        "--process is given, batches that ended as long ago, with what came of each item."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--older-than", type=duration, required=True, metavar="DURATION", help="30d, 12h, PT36H or days"
        )
        parser.add_argument("--process", metavar="PROCESS_ID", help="only instances of this process")
        parser.add_argument("--batch", type=positive, default=500, metavar="N", help="instances per transaction (500)")
        parser.add_argument("--dry-run", action="store_true", help="count, delete nothing")
        add_reason(parser)

    def handle(
        self,
        *,
        older_than: timedelta,
        process: str | None,
        batch: int,
        dry_run: bool,
        reason: str,
        as_json: bool,
        **options: Any,
    ) -> None:
        found, deleted = retention.ended(older_than, process_id=process or None).order_by().count(), 0
        batches = 0 if process else retention.ended_batches(older_than).order_by().count()
        if not dry_run:
            with progress("Deleting", found) as advance:
                for count in retention.purge(older_than, process_id=process, batch=batch, by=by(), reason=reason):
                    deleted += count
                    advance(count)
            batches = 0 if process else sum(retention.purge_batches(older_than))
        if as_json:
            self.json({"found": found, "deleted": deleted, "batches": batches, "dry_run": dry_run})
            return
        would = "would be" if dry_run else "were"
        self.say(f"{found if dry_run else deleted:,} instances {would} deleted.")
        if batches:
            self.say(f"{batches:,} batches {would} deleted.")
