"""Evaluate the conditions that begin processes."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from processes.management.arguments import variables
from processes.management.door import Door, by
from processes.runtime import starts


class Command(Door):
    help = (
        "Begins an instance at every conditional start event, of the latest versions, whose condition is true of these "
        "variables. Who asks again begins them again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--variables", type=variables, default={}, metavar="JSON", help="or @file.json")
        parser.add_argument("--process", default="", metavar="PROCESS_ID", help="only the conditions of this process")
        parser.add_argument("--business-key", default="", metavar="KEY", help="of the instances that begin")

    def handle(
        self, *, variables: dict[str, Any], process: str, business_key: str, as_json: bool, **options: Any
    ) -> None:
        found = starts.evaluate_conditions(variables, process_id=process, business_key=business_key, by=by())
        if as_json:
            started = [
                {"id": one.pk, "process_id": one.process_id, "start_element": one.start_element}
                for one in found.started
            ]
            unknown = [
                {"process_id": one.process_id, "element": one.element, "message": one.message} for one in found.unknown
            ]
            self.json({"started": started, "unknown": unknown})
            return
        for one in found.started:
            self.say(f"Instance {one.pk} of {one.process_id} began at {one.start_element}.")
        for condition in found.unknown:
            self.warn(f"{condition.process_id}, {condition.element}: {condition.message}")
        if not found.started:
            self.say("No condition is true of these variables; nothing began.")
