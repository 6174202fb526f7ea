"""Start instances of a process, and wait for how they end."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import CommandError, CommandParser

from processes.management.arguments import positive, seconds, variables
from processes.management.door import FAILED, TIMEOUT, Door, by
from processes.management.progress import progress
from processes.models import ProcessInstance
from processes.models.instances import FINAL
from processes.runtime import definitions, instances
from processes.runtime.pressure import Overloaded

WAIT = 60.0
SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 1.0


class Command(Door):
    help = (
        "Starts instances of a process. With --wait it waits until each has ended or needs an operator; exit codes "
        "then: 0 all completed, 1 one was terminated or has an open incident, 3 one was still running when time "
        "was up. With --json it prints one JSON document per line and instance."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """``--version`` is the version of the process here, not that of Django."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("process_id", metavar="PROCESS_ID")
        parser.add_argument("--version", type=positive, metavar="N", help="default: the latest version")
        parser.add_argument("--variables", type=variables, default={}, metavar="JSON", help="or @file.json")
        parser.add_argument("--business-key", default="", metavar="KEY")
        parser.add_argument("--key", metavar="IDEMPOTENCY", help="a second start with this key finds the first")
        parser.add_argument("--count", type=positive, default=1, metavar="N", help="how many instances to start")
        parser.add_argument(
            "--force", action="store_true", help="start even while due jobs wait for longer than the settings allow"
        )
        parser.add_argument(
            "--wait", type=seconds, nargs="?", const=WAIT, metavar="SECONDS", help=f"how long at most ({WAIT:.0f})"
        )

    def handle(
        self,
        *,
        process_id: str,
        version: int | None,
        variables: dict[str, Any],
        business_key: str,
        key: str | None,
        count: int,
        force: bool,
        wait: float | None,
        as_json: bool,
        **options: Any,
    ) -> None:
        if key is not None and count > 1:
            raise CommandError("Expected --key or --count but found both: one key names one instance.", returncode=2)
        definition = definitions.find(process_id, version)
        started: list[tuple[int, bool]] = []
        with progress("Starting", count, beside_output=wait is None) as advance:
            for _ in range(count):
                try:
                    one = instances.start(
                        definition, variables=variables, business_key=business_key, start_key=key, force=force, by=by()
                    )
                except Overloaded as told:
                    raise _interrupted(told, [pk for pk, _ in started], count) from None
                started.append((one.instance.pk, one.created))
                advance(1)
                if wait is None:
                    self._tell_start(one.instance.pk, str(definition), one.created, as_json)
        if wait is not None:
            self._tell_outcomes(started, wait, as_json)

    def _tell_start(self, pk: int, definition: str, created: bool, as_json: bool) -> None:
        if as_json:
            self.json({"id": pk, "created": created})
        else:
            self.say(f"Instance {pk} of {definition} {'was started' if created else 'was started before'}.")

    def _tell_outcomes(self, started: list[tuple[int, bool]], wait: float, as_json: bool) -> None:
        until = time.monotonic() + wait
        running = stuck = 0
        with progress("Waiting", len(started), beside_output=True) as advance:
            for pk, created in started:
                outcome = {"created": created, **_outcome(pk, until)}
                running += outcome["outcome"] == "running"
                stuck += outcome["outcome"] in ("terminated", "incident")
                advance(1)
                if as_json:
                    self.json(outcome)
                else:
                    self._tell_outcome(outcome)
        if stuck:
            raise CommandError(f"{stuck} of {len(started)} did not complete.", returncode=FAILED)
        if running:
            message = f"{running} of {len(started)} still running after {wait:g} seconds."
            raise CommandError(message, returncode=TIMEOUT)

    def _tell_outcome(self, outcome: dict[str, Any]) -> None:
        because = f": {outcome['ended_because']}" if outcome["ended_because"] else ""
        self.say(f"Instance {outcome['id']} {_SAID[outcome['outcome']]}{because}")
        for incident in outcome["incidents"]:
            self.say(f"  incident {incident['id']} {incident['kind']} at {incident['element']}: {incident['message']}")
        for name, value in outcome["variables"].items():
            self.say(f"  {name} = {_short(value)}")


_SAID = {
    "completed": "completed",
    "terminated": "was terminated",
    "incident": "needs an operator",
    "running": "is still running",
}


def _interrupted(told: Overloaded, started: list[int], count: int) -> Overloaded:
    """The same, and what was started until then: with --wait nobody else tells."""
    done = f" {len(started)} of {count} were started: {started[0]} to {started[-1]}." if started else ""
    return Overloaded(f"{told}{done} --force starts all the same.", told.retry_in)


def _outcome(pk: int, until: float) -> dict[str, Any]:
    """Look until the instance has ended or needs an operator, or until time is up. Looks once at least."""
    pause = SHORTEST_PAUSE
    while True:
        instance = ProcessInstance.objects.get(pk=pk)
        opened = list(instance.incidents.filter(ended_at__isnull=True).order_by("key"))
        left = until - time.monotonic()
        if instance.state in FINAL or opened or left <= 0:
            break
        time.sleep(min(pause, max(left, 0.001)))
        pause = min(pause * 1.5, LONGEST_PAUSE)
    if instance.state in FINAL:
        word = instance.state.lower()
    else:
        word = "incident" if opened else "running"
    return {
        "id": instance.pk,
        "outcome": word,
        "state": instance.state,
        "business_key": instance.business_key,
        "started_at": instance.started_at.isoformat(),
        "ended_at": instance.ended_at.isoformat() if instance.ended_at else None,
        "ended_because": instance.ended_because,
        "variables": instance.variables,
        "incidents": [
            {"id": one.pk, "kind": one.kind, "element": one.element_id, "message": one.message} for one in opened
        ],
    }


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
