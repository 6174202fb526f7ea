"""Move tokens of instances: end visits here, start elements there."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import CommandError, CommandParser

from processes.management.arguments import positive, rate, variables
from processes.management.door import USAGE, by, failed
from processes.management.handing_over import HandingOver
from processes.management.progress import progress
from processes.runtime import batches, bulk, modifications
from processes.runtime.modifications import Cancel, StartBefore


def start_of(text: str) -> StartBefore:
    """``element`` or ``element@scope``."""
    element, at, scope = text.rpartition("@")
    if not at:
        return StartBefore(text)
    if not (element and scope.isascii() and scope.isdecimal() and len(scope) < 10):
        raise ArgumentTypeError(f"Expected an element, or element@scope with the key of a visit, but found '{text}'")
    return StartBefore(element, int(scope))


def cancel_of(text: str) -> Cancel:
    """``element`` or ``#key``."""
    if text.startswith("#"):
        return Cancel(node=positive(text[1:]))
    return Cancel(element=text)


class Command(HandingOver):
    help = (
        "Ends visits and starts elements of instances, each instance in one transaction. Instances are named, or found "
        "by --process and --standing-at; when the command was interrupted, those that were moved are found no more, so "
        "it is simply called again. Exit code 1 if any was rejected."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("ids", type=positive, nargs="*", metavar="INSTANCE")
        parser.add_argument("--process", metavar="PROCESS_ID", help="running instances of it")
        parser.add_argument("--standing-at", metavar="ELEMENT", help="of those, the ones with a visit there")
        parser.add_argument("--cancel", type=cancel_of, nargs="+", default=[], metavar="ELEMENT|#KEY")
        parser.add_argument("--start", type=start_of, nargs="+", default=[], metavar="ELEMENT[@SCOPE]")
        parser.add_argument("--variables", type=variables, default={}, metavar="JSON", help="or @file.json")
        parser.add_argument("--reason", default="", help="for the history")
        parser.add_argument("--limit", type=positive, metavar="N", help="at most so many")
        parser.add_argument("--rate", type=rate, metavar="N", help="at most so many a second")
        parser.add_argument("--batch", action="store_true", help="leave it to the sweepers, see the command batches")
        parser.add_argument("--dry-run", action="store_true", help="say which could be modified, modify nothing")

    def handle(self, *, as_json: bool, dry_run: bool, **options: Any) -> None:
        cancel, start = options["cancel"], options["start"]
        if options["variables"]:
            if not start:
                raise CommandError("Expected --start with --variables but found none.", returncode=USAGE)
            first = start[0]
            start = [StartBefore(first.element, first.scope, options["variables"]), *start[1:]]
        ids = _chosen(options)
        if options["batch"] and not dry_run:
            reason, rate = options["reason"], options["rate"]
            self.handed_over(
                batches.modify(ids, cancel=cancel, start=start, reason=reason, rate=rate, by=by()), as_json
            )
            return

        def one(pk: int) -> None:
            if dry_run:
                modifications.preview(pk, cancel=cancel, start=start)
            else:
                modifications.modify(pk, cancel=cancel, start=start, reason=options["reason"], by=by())

        with progress("Modifying", len(ids)) as advance:
            outcome = bulk.each(ids, one, rate=options["rate"], on_progress=lambda _: advance(1))
        if as_json:
            self.json({"found": len(ids), "modified": outcome.done, "rejected": outcome.rejected, "dry_run": dry_run})
        else:
            for pk, reason in outcome.rejected.items():
                self.warn(f"instance {pk}: {reason}")
            would = "could be" if dry_run else "were"
            self.say(f"{len(outcome.done):,} of {len(ids):,} instances {would} modified.")
        if outcome.rejected:
            raise failed(f"{len(outcome.rejected):,} instances were not modified.")


def _chosen(options: dict[str, Any]) -> list[int]:
    if bool(options["ids"]) == bool(options["process"]):
        raise CommandError("Expected ids of instances or --process but found neither or both.", returncode=USAGE)
    if options["ids"]:
        return list(dict.fromkeys(options["ids"]))[: options["limit"]]
    found = batches.running(process_id=options["process"], element_id=options["standing_at"])
    return found[: options["limit"]]
