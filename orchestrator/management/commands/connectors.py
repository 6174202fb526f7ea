"""What is installed: job types, who brought them, what they want."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from processes.management.door import FAILED, Door
from tasks.jobs import registry
from tasks.registry import Registration, RegistryError


class Command(Door):
    help = "Lists the connectors of this installation: job types, inputs, and where each comes from."
    requires_system_checks = []

    def handle(self, *, as_json: bool, **options: Any) -> None:
        try:
            registrations = registry().registrations
        except (RegistryError, ValueError) as problem:
            if as_json:
                self.json({"error": {"code": "connectors-invalid", "message": str(problem)}})
            raise CommandError(str(problem), returncode=FAILED) from problem
        together: dict[int, list[Registration]] = {}
        for registration in registrations.values():
            together.setdefault(id(registration.connector), []).append(registration)
        # A connector is listed under its own type; its aliases go with it.
        shown = sorted((_described(same) for same in together.values()), key=lambda each: str(each["type"]))
        if as_json:
            self.json({"connectors": shown})
            return
        for each in shown:
            self.say(", ".join([str(each["type"]), *each["aliases"]]))
            self.say(f"    from {each['owner']}")
            if each["inputs"] is None:
                self.say("    inputs are not declared")
                continue
            for given in each["inputs"]:
                marks = [given["kind"], *(["required"] if given["required"] else [])]
                if "header" in given:
                    marks.append("or a task header")
                if "choices" in given:
                    marks.append(" | ".join(given["choices"]))
                if "fields" in given:
                    marks.append(f"of {', '.join(given['fields'])}")
                if "default" in given:
                    marks.append(f"default {given['default']}")
                self.say(f"    {given['name']:<20} {given['help']} ({', '.join(marks)})")


def _described(same: list[Registration]) -> dict[str, Any]:
    connector = same[0].connector
    declared = getattr(connector, "inputs", None)
    return {
        "type": connector.type,
        "aliases": sorted(each.type for each in same if each.type != connector.type),
        "owner": same[0].owner,
        "inputs": None if declared is None else [each.describe() for each in declared],
    }
