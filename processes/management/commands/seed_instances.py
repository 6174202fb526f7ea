"""Fill a database with instances for trials: finished ones with their histories, and live ones in every condition."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from processes.management.arguments import natural, positive
from processes.management.door import USAGE, Door
from processes.management.progress import progress
from processes.runtime import seeding


class Command(Door):
    help = "Deploys three processes and makes instances of them by the thousand, to try pages and queries at scale."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--finished", type=natural, default=10_000, metavar="N", help="instances that ended (10000)"
        )
        parser.add_argument("--running", type=natural, default=500, metavar="N", help="live instances (500)")
        parser.add_argument("--batch", type=positive, default=seeding.BATCH, metavar="N", help="in one transaction")
        parser.add_argument(
            "--yes", action="store_true", help="also where DEBUG is off: this is not a production database"
        )

    def handle(self, *, finished: int, running: int, batch: int, yes: bool, as_json: bool, **options: Any) -> None:
        if not settings.DEBUG and not yes:
            raise CommandError(
                "Expected a database for trials: DEBUG is off. Workers would perform the jobs of these instances. "
                "With --yes they are made all the same.",
                returncode=USAGE,
            )
        done = 0
        with progress("Seeding", finished + running) as advance:
            for count in seeding.seed(finished=finished, running=running, batch=batch):
                done += count
                advance(count)
        if as_json:
            self.json({"finished": finished, "running": running})
        else:
            self.say(f"{done:,} instances are there.")
