"""What all commands share: who asks, how to answer people and machines, and exit codes that scripts can trust.

0  done
1  failed or rejected
2  usage: arguments that cannot be understood
3  not finished in time (`start_process --wait`)
"""

from __future__ import annotations

import getpass
from typing import Any

import simplejson
from django.core.checks import Tags
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, ProgrammingError

from processes.runtime import Rejected

FAILED, USAGE, TIMEOUT = 1, 2, 3


class Door(BaseCommand):
    """A thin command: arguments in, one verb of the runtime, an answer out."""

    requires_migrations_checks = False
    # What may be wrong with what a verb works on, and not with pages: those are checked by whoever serves them, and
    # loading them all takes longer than most verbs.
    requires_system_checks = [Tags.models, Tags.security]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="answer in JSON, for machines")

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Rejections of the runtime become exit code 1, for machines with their code as JSON too."""
        try:
            return super().execute(*args, **options)
        except Rejected as rejection:
            if options.get("as_json"):
                self.json({"error": {"code": rejection.code, "message": str(rejection)}})
            raise CommandError(f"{rejection} [{rejection.code}]", returncode=FAILED) from rejection
        except (OperationalError, ProgrammingError) as error:
            reason = str(error).strip().partition("\n")[0]
            message = f"Expected a database that is there and migrated (manage.py migrate) but found: {reason}"
            if options.get("as_json"):
                self.json({"error": {"code": "database", "message": message}})
            raise CommandError(message, returncode=FAILED) from error

    def json(self, document: Any) -> None:
        """One line of JSON with exact numbers."""
        self.stdout.write(simplejson.dumps(document, use_decimal=True, ensure_ascii=False, default=str))

    def say(self, text: str) -> None:
        self.stdout.write(text)

    def warn(self, text: str) -> None:
        self.stderr.write(self.style.WARNING(text), ending="\n")


def by() -> str:
    """The user of the operating system, as the history names them."""
    try:
        return f"command:{getpass.getuser()}"
    except (KeyError, OSError):  # a container may run under a number without a name
        return "command"


def failed(message: str) -> CommandError:
    return CommandError(message, returncode=FAILED)
