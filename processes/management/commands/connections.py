"""List, show, set, pause, resume and drop connections."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.core.management.base import CommandParser

from processes.management.door import Door, by
from processes.management.named_verbs import add_named_verbs
from processes.models import Connection
from processes.runtime import connections


class Command(Door):
    help = (
        "Connections of connectors. `set NAME JSON` makes one or changes the fields that it gives, "
        """such as '{"url": "https://api.example.com", "rate": 50}'; secrets are placeholders: {{secrets.NAME}}."""
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_named_verbs(
            parser,
            list="all of them, and how they are doing",
            pause="let nobody call it; jobs are parked",
            resume="let them call it again",
            delete="drop one; jobs that name it end as incidents",
        )

    def handle(self, *, verb: str, as_json: bool, **options: Any) -> None:
        if verb == "list":
            self._list(as_json)
        elif verb == "delete":
            connections.drop(options["name"], by=by(), reason=options["reason"])
            self._done({"name": options["name"], "deleted": True}, f"{options['name']} was dropped.", as_json)
        else:
            row = self._carry_out(verb, options)
            self._done(_document(row), _line(row) if verb != "show" else _lines(row), as_json)

    def _carry_out(self, verb: str, options: dict[str, Any]) -> Connection:
        name: str = options["name"]
        if verb == "set":
            return connections.put(name, options["fields"], by=by(), reason=options["reason"])
        if verb == "pause":
            return connections.pause(name, by=by(), reason=options["reason"])
        if verb == "resume":
            return connections.resume(name, by=by(), reason=options["reason"])
        return connections.find(name)

    def _list(self, as_json: bool) -> None:
        rows = list(Connection.objects.select_related("gate"))
        if as_json:
            self.json([_document(row) for row in rows])
            return
        for row in rows:
            self.say(_line(row))
        self.say(f"{len(rows):,} connections.")

    def _done(self, document: Any, text: str, as_json: bool) -> None:
        if as_json:
            self.json(document)
        else:
            self.say(text)


def _document(row: Connection) -> dict[str, Any]:
    settable = {name: getattr(row, name) for name in ("name", *connections.FIELDS)}
    paused = {"paused": row.paused, "paused_because": row.paused_because, "paused_by": row.paused_by}
    return {**settable, **paused, "state": dataclasses.asdict(connections.standing(row))}


def _line(row: Connection) -> str:
    now = connections.standing(row)
    how = f"paused by {row.paused_by}" if row.paused else f"breaker {now.breaker.lower().replace('_', ' ')}"
    if row.paused and row.paused_because:
        how += f" ({row.paused_because})"
    limits = [
        f"{row.rate:g} calls/s" if row.rate is not None else "",
        f"{row.concurrency} at once" if row.concurrency else "",
    ]
    limited = ", ".join(filter(None, limits)) or "no limits"
    return f"{row.name} ({row.kind}) {row.url or '-'}: {how}, {limited}, {now.in_flight} in flight, {now.parked} parked"


def _lines(row: Connection) -> str:
    document = _document(row)
    state = document.pop("state")
    return "\n".join(f"{name}: {value}" for name, value in {**document, **state}.items())
