"""Encrypt every secret anew, with the first of ORCHESTRATOR_FIELD_KEYS."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from processes.management.arguments import add_reason
from processes.management.door import Door, by
from processes.runtime import secrets


class Command(Door):
    help = (
        "Encrypts every secret anew with the first key of ORCHESTRATOR_FIELD_KEYS. To change the key: put a new one "
        "before the old one, restart everything, run this, take the old one away."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_reason(parser)

    def handle(self, *, reason: str, as_json: bool, **options: Any) -> None:
        rotated = secrets.rotate(by=by(), reason=reason)
        if as_json:
            self.json({"rotated": rotated})
        else:
            self.say(f"{rotated:,} secrets were encrypted anew.")
