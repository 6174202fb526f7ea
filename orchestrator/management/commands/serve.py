"""`manage.py serve`: one command that runs everything, or with AMQP_URL set, just the web server."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import connections

from orchestrator.embedded import Server


class Command(BaseCommand):
    help = (
        "Serve REST API and admin. Without AMQP_URL, jobs are worked on in the same process; with it, start "
        "`celery -A orchestrator worker` beside it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on (default 8000)")
        parser.add_argument("--threads", type=int, default=16, help="requests served at once (default 16)")
        parser.add_argument("--jobs", type=int, default=8, help="jobs worked on at once, when embedded (default 8)")
        parser.add_argument("--migrate", action="store_true", help="bring the database up to date first")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["migrate"]:
            call_command("migrate", interactive=False, verbosity=options["verbosity"])
        what = "web and embedded worker" if settings.EMBEDDED else "web only, workers are separate"
        self.stdout.write(f"Serving on http://{options['host']}:{options['port']} ({what})")
        self.stdout.flush()
        # gunicorn forks: no connection of ours may go with it.
        connections.close_all()
        Server(host=options["host"], port=options["port"], threads=options["threads"], jobs=options["jobs"]).run()
