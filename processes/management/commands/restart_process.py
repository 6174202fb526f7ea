"""Begin instances that ended again, as new ones."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from processes.management.arguments import positive, rate, variables
from processes.management.door import Door, by, failed
from processes.management.progress import progress
from processes.models import ProcessInstance
from processes.runtime import bulk, definitions, modifications
from processes.runtime.modifications import StartBefore


class Command(Door):
    help = (
        "Begins instances that ended again, each as a new one with the variables of then. Exit code 1 if any was "
        "rejected. Called twice, it begins them twice."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("ids", type=positive, nargs="+", metavar="INSTANCE")
        parser.add_argument("--before", nargs="+", default=[], metavar="ELEMENT", help="(the start event)")
        parser.add_argument("--initial-variables", action="store_true", help="those that it began with, not the last")
        parser.add_argument("--variables", type=variables, default={}, metavar="JSON", help="laid over, with --before")
        parser.add_argument("--business-key", metavar="KEY", help="(the same)")
        parser.add_argument("--reason", default="", help="for the history")
        parser.add_argument("--latest", action="store_true", help="in the latest version (in its own)")
        parser.add_argument("--rate", type=rate, metavar="N", help="at most so many a second")
        parser.add_argument("--dry-run", action="store_true", help="list them, restart nothing")

    def handle(self, *, ids: list[int], as_json: bool, dry_run: bool, **options: Any) -> None:
        ids = list(dict.fromkeys(ids))
        if dry_run:
            self._list(ids, as_json)
            return
        start = [StartBefore(element) for element in options["before"]]
        if options["variables"] and start:
            start[0] = StartBefore(start[0].element, variables=options["variables"])
        begun: dict[int, int] = {}

        def one(pk: int) -> None:
            latest = None
            if options["latest"]:
                row = ProcessInstance.objects.filter(pk=pk).values_list("process_id", flat=True).first()
                latest = definitions.find(row) if row is not None else None
            new = modifications.restart(
                pk,
                start=start,
                initial_variables=options["initial_variables"],
                business_key=options["business_key"],
                definition=latest,
                reason=options["reason"],
                by=by(),
            )
            begun[pk] = new.pk

        with progress("Restarting", len(ids)) as advance:
            outcome = bulk.each(ids, one, rate=options["rate"], on_progress=lambda _: advance(1))
        if as_json:
            self.json({"restarted": begun, "rejected": outcome.rejected})
        else:
            for old, new in begun.items():
                self.say(f"Instance {old} was restarted as {new}.")
            for pk, reason in outcome.rejected.items():
                self.warn(f"instance {pk}: {reason}")
        if outcome.rejected:
            raise failed(f"{len(outcome.rejected):,} instances were not restarted.")

    def _list(self, ids: list[int], as_json: bool) -> None:
        found = {row.pk: row for row in ProcessInstance.objects.filter(pk__in=ids).select_related("definition")}
        told = {pk: found[pk].state if pk in found else "NOT_FOUND" for pk in ids}
        if as_json:
            self.json({"instances": told})
            return
        for pk, state in told.items():
            of = f" of {found[pk].definition}" if pk in found else ""
            self.say(f"instance {pk}{of}: {state.lower().replace('_', ' ')}")
