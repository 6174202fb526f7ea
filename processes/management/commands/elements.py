"""What of BPMN 2.0 is executed and what is refused, as the parser itself answers it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from processes.engine import standard
from processes.management.door import FAILED, USAGE, Door

BEGIN, END = "<!-- elements: written by manage.py elements -->", "<!-- /elements -->"


class Command(Door):
    help = (
        "Tells which elements and events of BPMN 2.0 are executed and which are refused at deploy. Nothing is listed "
        "by hand: each is a small model that the parser takes or refuses. No database is touched."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--markdown", action="store_true", help="as tables for a page")
        how.add_argument("--into", metavar="FILE", help="write the tables between their marks in a page")
        how.add_argument("--check", metavar="FILE", help="exit code 1 unless the page holds these very tables")

    def handle(self, *, markdown: bool, into: str | None, check: str | None, as_json: bool, **options: Any) -> None:
        if into or check:
            self._page(into or check or "", write=bool(into))
        elif markdown:
            self.say(standard.markdown())
        else:
            for group, name, verdict in _rows():
                if as_json:
                    self.json({"group": group, "name": name, "executed": verdict == "executed"})
                else:
                    self.say(f"{verdict:8}  {group}: {name}")

    def _page(self, file: str, *, write: bool) -> None:
        try:
            text = Path(file).read_text(encoding="utf-8")
        except OSError as error:
            raise CommandError(f"Expected to read {file} but: {error.strerror}", returncode=USAGE) from None
        before, begin, rest = text.partition(BEGIN)
        _, end, after = rest.partition(END)
        if not end:
            raise CommandError(f"Expected {file} to have the marks {BEGIN} and {END}", returncode=USAGE)
        wanted = f"{before}{begin}\n\n{standard.markdown()}\n\n{end}{after}"
        if write:
            Path(file).write_text(wanted, encoding="utf-8")
        elif wanted != text:
            message = f"Expected the tables of {file} to be what is executed; manage.py elements --into {file}"
            raise CommandError(message, returncode=FAILED)


def _rows() -> list[tuple[str, str, str]]:
    found = [(heading, probe.name, probe.verdict) for heading, probe in standard.probes()]
    for kind, places in standard.EVENTS.items():
        found += [(f"{kind} event", place, standard.event(kind, place).verdict) for place in places]
    return found
