"""Export an instance: its drawing, its history. The name of the file says which."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from json import dumps
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from processes.management.door import USAGE, Door, failed
from processes.models import ProcessInstance
from processes.runtime import drawings, exports, instances, pictures, traces


def _svg(instance: ProcessInstance) -> str:
    return drawings.drawing(instance.definition, instance)


FORMATS: dict[str, Callable[[ProcessInstance], Iterable[str | bytes]]] = {
    ".svg": lambda instance: [_svg(instance)],
    ".png": lambda instance: [pictures.png(_svg(instance))],
    ".json": exports.history_json,
    ".csv": exports.history_csv,
    ".otlp": lambda instance: [dumps(traces.trace(instance))],
}


class Command(Door):
    help = (
        "Writes an instance to a file, which must not exist. By the ending of its name: .svg or .png its drawing with "
        "the path taken, .json or .csv its history, .otlp its trace for an OpenTelemetry collector."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("instance_id", type=int, metavar="INSTANCE")
        parser.add_argument("file", type=Path, metavar="FILE")

    def handle(self, *, instance_id: int, file: Path, as_json: bool, **options: Any) -> None:
        export = FORMATS.get(file.suffix.lower())
        if export is None:
            raise CommandError(
                f"Expected a file ending in {', '.join(FORMATS)} but found {file.name}", returncode=USAGE
            )
        pieces = export(instances.find(instance_id))
        try:
            with file.open("xb") as out:
                size = sum(out.write(piece if isinstance(piece, bytes) else piece.encode()) for piece in pieces)
        except OSError as error:
            raise failed(f"Expected to write {file} but could not: {error.strerror}") from error
        if as_json:
            self.json({"file": str(file), "bytes": size})
        else:
            self.say(f"Instance {instance_id} was written to {file}: {size:,} bytes.")
