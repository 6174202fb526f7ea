"""One pass of the sweeper, or one after another."""

from __future__ import annotations

import signal
import threading
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from processes.management.arguments import seconds
from processes.management.door import Door
from processes.runtime import sweep


class Command(Door):
    help = (
        "Finds what is due and nobody was told of: jobs, lapsed leases, timers, messages. Workers do so all the "
        "time; this is for schedulers of the operating system, for installations without workers, and for looking."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--once", action="store_true", help="one pass (the default)")
        how.add_argument("--every", type=seconds, metavar="SECONDS", help="pass after pass until SIGTERM or Ctrl-C")

    def handle(self, *, every: float | None, as_json: bool, **options: Any) -> None:
        if every is None:
            self._pass(as_json)
            return
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        while not stop.is_set():
            self._pass(as_json)
            stop.wait(every)

    def _pass(self, as_json: bool) -> None:
        counts = asdict(sweep.sweep_once())
        if as_json:
            self.json(counts)
        else:
            self.say(", ".join(f"{count} {name}" for name, count in counts.items()))
