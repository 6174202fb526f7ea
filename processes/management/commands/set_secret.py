"""Write a secret. Its value is never an argument: those are seen by every process of the machine."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from processes.management.arguments import add_reason
from processes.management.door import Door, by, failed
from processes.runtime import secrets


class Command(Door):
    help = "Keeps a secret, or replaces it. The value is asked for, or read from a pipe or a file."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="NAME", help="as in {{secrets.NAME}}")
        parser.add_argument("--file", metavar="PATH", help="take its content, line ends and all")
        parser.add_argument("--delete", action="store_true", help="drop it instead")
        add_reason(parser)

    def handle(self, *, name: str, file: str | None, delete: bool, reason: str, as_json: bool, **options: Any) -> None:
        if delete:
            secrets.drop(name, by=by(), reason=reason)
            done = "deleted"
        else:
            done = "created" if secrets.put(name, _value(file), by=by(), reason=reason) else "replaced"
        if as_json:
            self.json({"name": name, "done": done})
        else:
            self.say(f"{name} was {done}.")


def _value(file: str | None) -> str:
    if file is not None:
        try:
            return Path(file).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise failed(f"Expected to read {file} but: {error}") from None
    if sys.stdin.isatty():
        return getpass.getpass("Value: ")
    # One line end is the pipe's, as of `echo`; any other is the secret's.
    return sys.stdin.read().removesuffix("\n").removesuffix("\r")
