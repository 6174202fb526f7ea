"""`manage.py consume_replies`: listens for replies to jobs, and for messages of inbound bindings, until SIGTERM."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tasks.replies import Consumers


class Command(BaseCommand):
    help = (
        "Consume reply queues and streams, and the queues of all inbound bindings. Workers do so as well where "
        "ORCHESTRATOR_REPLIES and ORCHESTRATOR_INBOUND say so. Any number of these may run at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--from",
            dest="addresses",
            action="append",
            metavar="URL#QUEUE",
            help="a reply queue or stream, again for each (default: ORCHESTRATOR_REPLIES)",
        )
        parser.add_argument("--no-inbound", action="store_true", help="leave the queues of inbound bindings to others")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        addresses = options["addresses"] or settings.ORCHESTRATOR["REPLIES"]
        if not addresses and options["no_inbound"]:
            raise CommandError("Expected a reply queue (--from, or ORCHESTRATOR_REPLIES) but found none", returncode=2)
        try:
            consumers = Consumers(addresses, inbound=not options["no_inbound"])
        except ValueError as problem:
            raise CommandError(str(problem), returncode=2) from None
        with consumers.listening():
            self.stdout.write(f"Consuming {len(addresses)} reply queues. Ctrl-C ends it.")
            self.stdout.flush()
            stop.wait()
