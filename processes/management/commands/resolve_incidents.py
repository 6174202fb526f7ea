"""Resolve incidents, after what caused them was repaired: some at once, or many as a batch for the sweepers."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import QuerySet

from processes.management.arguments import percent, positive, rate, variables
from processes.management.door import USAGE, by, failed
from processes.management.handing_over import HandingOver
from processes.management.progress import progress
from processes.models import Incident
from processes.runtime import batches, incidents, recovery
from processes.runtime.incidents import Selection

FILTERS = {
    "process": "process_id",
    "process_version": "version",
    "kind": "kind",
    "job_type": "job_type",
    "element": "element_id",
    "instance": "instance_id",
    "error_code": "error_code",
    "fingerprint": "fingerprint",
}
CARE = ("rate", "canaries", "stop_at", "variables")
"""What only a batch can do."""
MOST_SHOWN = 50


class Command(HandingOver):
    help = (
        "Resolves open incidents, oldest first, each in its own transaction: what stands there is tried again. "
        "Without filters all open incidents. With --batch, --rate, --canaries, --stop-at or --variables it is left to "
        "the sweepers, see the command batches; else exit code 1 if any was rejected."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--process", metavar="PROCESS_ID")
        parser.add_argument("--process-version", type=positive, metavar="N", help="that its instance runs now")
        kinds = [str(value) for value, _ in Incident._meta.get_field("kind").choices or []]
        parser.add_argument("--kind", choices=kinds)
        parser.add_argument("--job-type", metavar="TYPE")
        parser.add_argument("--element", metavar="ID")
        parser.add_argument("--instance", type=positive, metavar="ID")
        parser.add_argument("--error-code", metavar="CODE")
        parser.add_argument("--fingerprint", metavar="HEX", help="those that are alike")
        parser.add_argument("--ids", type=positive, nargs="+", metavar="ID")
        parser.add_argument("--retries", type=positive, metavar="N", help="tries of each job (as the model says)")
        parser.add_argument("--limit", type=positive, metavar="N", help="at most so many; not of a batch")
        parser.add_argument("--batch", action="store_true", help="leave it to the sweepers, see the command batches")
        parser.add_argument("--rate", type=rate, metavar="N", help="at most so many a second")
        parser.add_argument(
            "--canaries", type=positive, metavar="N", help="so many alone first, until it is known what came of them"
        )
        parser.add_argument(
            "--stop-at", type=percent, metavar="P", help="pause once so many percent of the known outcomes failed again"
        )
        parser.add_argument("--variables", type=variables, metavar="JSON", help="merged into each process; or @file")
        parser.add_argument("--reason", default="", help="for the history, or kept with the batch")
        look = parser.add_mutually_exclusive_group()
        look.add_argument("--preview", action="store_true", help="say how many of what, and what would happen")
        look.add_argument("--dry-run", action="store_true", help="list them, resolve nothing")

    def handle(self, *, as_json: bool, dry_run: bool, preview: bool, **options: Any) -> None:
        retries, limit = options["retries"], options["limit"]
        as_batch = options["batch"] or any(options[name] is not None for name in CARE)
        if as_batch and limit is not None:
            raise CommandError("Expected no --limit with a batch: a batch takes all that fit.", returncode=USAGE)
        given = {column: options[name] for name, column in FILTERS.items() if options[name] is not None}
        if options["ids"] is not None and given:
            raise CommandError("Expected either --ids or filters but found both.", returncode=USAGE)
        chosen = options["ids"] or Selection(**given)
        if preview:
            self._preview(recovery.preview(chosen, retries=retries, variables=options["variables"]), as_json)
        elif dry_run:
            self._list(recovery.selected(chosen)[:limit], as_json)
        elif as_batch:
            batch = batches.retry(
                chosen,
                retries=retries,
                variables=options["variables"],
                canaries=options["canaries"] or 0,
                stop_at=options["stop_at"],
                reason=options["reason"],
                rate=options["rate"],
                by=by(),
            )
            self.handed_over(batch, as_json)
        else:
            ids = options["ids"] or list(recovery.selected(chosen).values_list("pk", flat=True)[:limit])
            self._resolve(ids[:limit], retries, options["reason"], as_json)

    def _resolve(self, ids: list[int], retries: int | None, reason: str, as_json: bool) -> None:
        with progress("Resolving", len(ids)) as advance:
            result = incidents.resolve_many(
                ids, retries=retries, reason=reason, by=by(), on_progress=lambda *_: advance(1)
            )
        if as_json:
            self.json({"found": len(ids), "resolved": result.resolved, "rejected": result.rejected})
        else:
            for incident_id, reason in result.rejected.items():
                self.warn(f"incident {incident_id}: {reason}")
            self.say(f"{len(result.resolved):,} of {len(ids):,} incidents were resolved.")
        if result.rejected:
            raise failed(f"{len(result.rejected):,} incidents were not resolved.")

    def _preview(self, found: recovery.Preview, as_json: bool) -> None:
        if as_json:
            self.json({"found": found.found, "oldest": found.oldest, "groups": [_group(each) for each in found.groups],
                       "foreseen": [_foreseen(each) for each in found.foreseen]})  # fmt: skip
            return
        more = "more than " if found.found > recovery.MOST else ""
        oldest = f", the oldest of {found.oldest:%Y-%m-%d %H:%M:%S}" if found.oldest else ""
        self.say(f"{more}{min(found.found, recovery.MOST):,} incidents would be tried again{oldest}.")
        for group in found.groups:
            where = f"{group.kind} {group.error_code}".strip()
            self.say(f"{group.count:,} x {where} at {group.element_id} of {group.process_id} [{group.fingerprint}]: "
                     f"{_first_line(group.message)}")  # fmt: skip
        for each in found.foreseen:
            if each.rejected or each.fails_at_once:
                self.warn(f"incident {each.incident_id} would come to nothing: {each.rejected or each.fails_at_once}")
            else:
                said = ", ".join(dict.fromkeys(str(fact["fact"]) for fact in each.facts))
                self.say(f"incident {each.incident_id} would go on: {said}")

    def _list(self, chosen: QuerySet[Incident], as_json: bool) -> None:
        rows = list(chosen)
        if as_json:
            self.json({"found": len(rows), "incidents": [_row(row) for row in rows]})
            return
        for row in rows[:MOST_SHOWN]:
            self.say(
                f"incident {row.pk} {row.kind} at {row.element_id} of {row.process_id} {row.instance_id}: "
                f"{_first_line(row.message)}"
            )
        self.say(f"{len(rows):,} incidents would be resolved.")


def _first_line(message: str) -> str:
    return message.splitlines()[0][:120] if message else ""


def _group(group: recovery.Group) -> dict[str, Any]:
    return {
        "fingerprint": group.fingerprint,
        "process_id": group.process_id,
        "element": group.element_id,
        "kind": group.kind,
        "error_code": group.error_code,
        "count": group.count,
        "since": group.since.isoformat(),
        "last_seen": group.last_seen.isoformat(),
        "message": group.message,
    }


def _foreseen(each: recovery.Foreseen) -> dict[str, Any]:
    return {
        "incident": each.incident_id,
        "instance": each.instance_id,
        "facts": [fact["fact"] for fact in each.facts],
        "fails_at_once": each.fails_at_once,
        "rejected": each.rejected,
    }


def _row(row: Incident) -> dict[str, Any]:
    return {
        "id": row.pk,
        "kind": row.kind,
        "element": row.element_id,
        "process_id": row.process_id,
        "instance": row.instance_id,
        "job_type": row.job_type,
        "error_code": row.error_code,
        "fingerprint": row.fingerprint,
        "message": row.message,
        "raised_at": row.raised_at.isoformat(),
    }
