"""Let instances go on in another version of their process, or in another process."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import CommandParser

from processes.management.arguments import positive, rate
from processes.management.door import by, failed
from processes.management.handing_over import HandingOver
from processes.management.progress import progress
from processes.models import ProcessDefinition
from processes.runtime import batches, definitions, migration

MOST_SHOWN = 50


def entry(text: str) -> tuple[str, str]:
    """``old=new``."""
    old, equals, new = text.partition("=")
    if not (old and equals and new):
        raise ArgumentTypeError(f"Expected OLD=NEW with two ids but found '{text}'")
    return old, new


class Command(HandingOver):
    help = (
        "Migrates running instances of one version of a process, oldest first, each in one transaction. The plan maps "
        "what has the same id; --map says what differs. When the command was interrupted, those that migrated are "
        "found no more, so it is simply called again. Exit code 1 if the plan is wrong or any instance was rejected."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("process_id", metavar="PROCESS_ID")
        parser.add_argument("--from", type=positive, required=True, dest="source", metavar="VERSION")
        parser.add_argument("--to", type=positive, dest="target", metavar="VERSION", help="(the latest)")
        parser.add_argument("--to-process", metavar="PROCESS_ID", help="(the same process)")
        parser.add_argument("--map", type=entry, nargs="+", default=[], metavar="OLD=NEW")
        parser.add_argument("--ids", type=positive, nargs="+", metavar="INSTANCE", help="only these")
        parser.add_argument("--update-waits", action="store_true", help="evaluate timers and subscriptions anew")
        parser.add_argument("--reason", default="", help="for the history")
        parser.add_argument("--limit", type=positive, metavar="N", help="at most so many")
        parser.add_argument("--rate", type=rate, metavar="N", help="at most so many a second")
        parser.add_argument("--batch", action="store_true", help="leave it to the sweepers, see the command batches")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, change nothing")

    def handle(self, *, as_json: bool, dry_run: bool, **options: Any) -> None:
        source = definitions.find(options["process_id"], options["source"])
        target = definitions.find(options["to_process"] or options["process_id"], options["target"])
        plan = migration.plan(source, target, dict(options["map"]))
        if plan.problems:
            if as_json:
                self.json({"problems": plan.problems})
            for message in plan.problems.values():
                self.warn(message)
            raise failed(f"The plan from {source} to {target} cannot be carried out.")
        ids = _chosen(source, options)
        if options["batch"] and not dry_run:
            batch = batches.migrate(
                ids,
                target,
                mapping=plan.mapping,
                update_waits=options["update_waits"],
                reason=options["reason"],
                rate=options["rate"],
                by=by(),
            )
            self.handed_over(batch, as_json)
            return
        with progress("Looking" if dry_run else "Migrating", len(ids)) as advance:
            outcome = migration.migrate_many(
                ids,
                target,
                mapping=plan.mapping,
                update_waits=options["update_waits"],
                dry_run=dry_run,
                rate=options["rate"],
                reason=options["reason"],
                by=by(),
                on_progress=lambda _: advance(1),
            )
        if as_json:
            self.json(
                {
                    "found": len(ids),
                    "migrated": outcome.migrated,
                    "rejected": outcome.rejected,
                    "effects": outcome.effects,
                    "unmapped": plan.unmapped,
                    "dry_run": dry_run,
                }
            )
        else:
            self._tell(plan, outcome, len(ids), dry_run)
        if outcome.rejected:
            raise failed(f"{len(outcome.rejected):,} instances were not migrated.")

    def _tell(self, plan: migration.Plan, outcome: migration.MigratedMany, found: int, dry_run: bool) -> None:
        for pk, reason in list(outcome.rejected.items())[:MOST_SHOWN]:
            self.warn(f"instance {pk}: {reason}")
        if len(outcome.rejected) > MOST_SHOWN:
            self.warn(f"and {len(outcome.rejected) - MOST_SHOWN:,} more")
        if plan.unmapped:
            self.say(f"Not mapped: {', '.join(plan.unmapped)}")
        for name, count in outcome.effects.items():
            if count:
                self.say(f"{name.replace('_', ' ')}: {count:,}")
        would = "would be" if dry_run else "were"
        self.say(f"{len(outcome.migrated):,} of {found:,} instances {would} migrated to {plan.target}.")


def _chosen(source: ProcessDefinition, options: dict[str, Any]) -> list[int]:
    found = batches.running(definition_id=source.pk)
    if options["ids"]:
        asked = set(options["ids"])
        found = [pk for pk in found if pk in asked]
    return found[: options["limit"]]
