"""Evaluate a deployed decision: what it comes to, and by which rules."""

from __future__ import annotations

from typing import Any

import simplejson
from django.core.management.base import CommandParser

from processes.management.arguments import positive, variables
from processes.management.door import Door
from processes.runtime import decisions


class Command(Door):
    help = (
        "Evaluates a deployed decision with everything that it requires, over variables, and tells which rules "
        "matched. Nothing is recorded. Exit codes: 0 it has a result, null too; 1 there is no such decision, or it has "
        "no answer."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """``--version`` is the version of the decision here, not that of Django."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("decision_id", metavar="DECISION_ID")
        parser.add_argument("--version", type=positive, metavar="N", help="default: the latest version")
        parser.add_argument("--variables", type=variables, default={}, metavar="JSON", help="or @file.json")

    def handle(
        self, *, decision_id: str, version: int | None, variables: dict[str, Any], as_json: bool, **options: Any
    ) -> None:
        found = decisions.evaluate(decisions.find(decision_id, version), variables)
        evaluation = found.evaluation
        if as_json:
            told = {"decision_id": decision_id, "version": found.definition.version, "result": evaluation.result}
            told |= {"decisions": [one.to_json() for one in evaluation.decisions], "warnings": evaluation.warnings}
            self.json(told)
            return
        for warning in evaluation.warnings:
            self.warn(f"warning: {warning}")
        for one in evaluation.decisions:
            inputs = "".join(f" {name} = {_spelled(value)}" for name, value in one.inputs.items())
            rules = ", ".join(str(rule["index"]) for rule in one.rules)
            self.say(f"{one.decision}:{inputs}{f' (rules {rules})' if rules else ''} -> {_spelled(one.result)}")


def _spelled(value: Any) -> str:
    return simplejson.dumps(value, use_decimal=True, ensure_ascii=False, default=str)
