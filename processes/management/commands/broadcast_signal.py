"""Broadcast a signal."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from processes.management.arguments import variables
from processes.management.door import Door, by
from processes.runtime import signals


class Command(Door):
    help = "Throws a signal: everything that waits for it now gets it, in every instance."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--variables", type=variables, default={}, metavar="JSON", help="or @file.json")

    def handle(self, *, name: str, variables: dict[str, Any], as_json: bool, **options: Any) -> None:
        thrown = signals.broadcast(name, variables, by=by())
        if as_json:
            self.json({"name": thrown.name, "awaited_by": thrown.awaited_by})
            return
        waits = "1 wait" if thrown.awaited_by == 1 else f"{thrown.awaited_by} waits"
        self.say(f"Signal {thrown.name} was thrown; {waits} get it.")
