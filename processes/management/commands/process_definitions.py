"""Show what is deployed; suspend, resume and delete versions."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.db.models import Exists, OuterRef

from processes.management.arguments import add_reason, positive
from processes.management.door import Door, by
from processes.models import ProcessDefinition
from processes.runtime import definitions, lifecycle

MOST_SHOWN = 1000
VERBS = {
    "list": "the latest versions, or all of one process",
    "suspend": "let no instance begin",
    "resume": "undo it; what became due or is buffered has its turn",
    "delete": "a version of which there is no instance",
}


class Command(Door):
    help = "Shows deployed processes, suspends and resumes their versions, deletes those that were never used."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=type(parser))
        for verb, text in VERBS.items():
            inner = verbs.add_parser(verb, help=text)
            super().add_arguments(inner)
            inner.add_argument("process_id", metavar="PROCESS_ID", nargs="?" if verb == "list" else None)
            if verb == "list":
                continue
            inner.add_argument("--version", type=positive, dest="of_version", metavar="N", help="(the latest)")
            add_reason(inner, "why, for the record" if verb == "delete" else "kept with the definition")
            if verb != "delete":
                inner.add_argument("--all-versions", action="store_true", help="every version that there is now")
                inner.add_argument("--with-instances", action="store_true", help="the running instances too")

    def handle(self, *, verb: str, process_id: str | None, as_json: bool, **options: Any) -> None:
        if verb == "list":
            self._list(process_id, as_json)
            return
        definition = definitions.find(process_id or "", options["of_version"])
        if verb == "delete":
            self._delete(definition, options["reason"], as_json)
            return
        turn = lifecycle.suspend if verb == "suspend" else lifecycle.resume
        turned = turn(
            definition,
            all_versions=options["all_versions"],
            with_instances=options["with_instances"],
            reason=options["reason"],
            by=by(),
            limit=None,
        )
        if as_json:
            rows = [_row(row) for row in turned.definitions]
            self.json({"definitions": rows, "instances": list(turned.instances), "rejected": turned.rejected})
            return
        done = "suspended" if verb == "suspend" else "resumed"
        for row in turned.definitions:
            self.say(f"{row.process_id} v{row.version} {done}")
        if options["with_instances"]:
            self.say(f"{len(turned.instances):,} instances {done}")
        for pk, why in turned.rejected.items():
            self.warn(f"instance {pk}: {why}")

    def _list(self, process_id: str | None, as_json: bool) -> None:
        rows = ProcessDefinition.objects.defer("xml").order_by("process_id", "-version")
        if process_id is not None:
            rows = rows.filter(process_id=process_id)
        else:
            newer = ProcessDefinition.objects.filter(process_id=OuterRef("process_id"), version__gt=OuterRef("version"))
            rows = rows.filter(~Exists(newer))
        found = [_row(row) for row in rows[:MOST_SHOWN]]
        if as_json:
            self.json({"definitions": found})
            return
        for row in found:
            state = f"suspended by {row['by']}: {row['reason']}" if row["suspended"] else "active"
            self.say(f"{row['process_id']} v{row['version']} {state}")

    def _delete(self, definition: ProcessDefinition, reason: str, as_json: bool) -> None:
        latest = lifecycle.remove(definition, by=by(), reason=reason)
        if as_json:
            self.json({"deleted": _row(definition), "latest": None if latest is None else _row(latest)})
            return
        self.say(f"{definition.process_id} v{definition.version} deleted")
        if latest is not None:
            self.say(f"{latest.process_id} v{latest.version} is the latest again")


def _row(row: ProcessDefinition) -> dict[str, Any]:
    return {
        "id": row.pk,
        "process_id": row.process_id,
        "version": row.version,
        "suspended": row.suspended,
        "reason": row.suspension_reason,
        "by": row.suspension_by,
    }
