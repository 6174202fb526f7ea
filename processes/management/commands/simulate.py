"""Play a model without a database or a broker: mocked services, a virtual clock, every fact as a line of JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import simplejson
from django.core.management.base import CommandError, CommandParser

from processes.engine import diagram
from processes.engine.dmn import DecisionModel
from processes.engine.dmn import parse as parse_decisions
from processes.engine.parser import parse
from processes.engine.process import Model
from processes.engine.simulation import (
    MAX_STEPS,
    Coverage,
    Scenario,
    ScenarioInvalid,
    Shelf,
    Simulation,
    differences,
    read_scenarios,
)
from processes.management import documents
from processes.management.arguments import positive, variables
from processes.management.commands.deploy_process import problem_line
from processes.management.door import FAILED, USAGE, Door
from processes.models.fields import DecimalDecoder
from processes.runtime import ModelInvalid, values

MOST_DIFFERENCES = 200


class Command(Door):
    help = (
        "Plays a model in the engine alone: no database and no broker are touched. Prints one JSON object per line. "
        "Exit codes: 0 every run completed, or was as its scenario says or as recorded; 1 a run has an incident, has "
        "not ended, or was otherwise; 2 the model or a file is not what was expected."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("model", metavar="MODEL", help="the BPMN file that is played")
        parser.add_argument("others", nargs="*", metavar="MODEL", help="further ones, whose processes it may call")
        parser.add_argument("--process", metavar="ID", help="which process, where the model has several")
        parser.add_argument(
            "--services", metavar="FILE", help="what services answer, and whatever else a scenario says; YAML or JSON"
        )
        parser.add_argument("--messages", metavar="FILE", help="{messages: [...]}, where they are in another file")
        parser.add_argument("--variables", type=variables, default={}, metavar="JSON", help="or @file.json")
        parser.add_argument(
            "--decisions", action="append", default=[], metavar="FILE", help="a DMN file; may be given again"
        )
        parser.add_argument("--seed", metavar="TEXT", help="what is due at the same moment happens in another order")
        parser.add_argument("--steps", type=positive, default=MAX_STEPS, metavar="N", help=f"at most ({MAX_STEPS})")
        parser.add_argument("--expect", metavar="FILE", help="the lines of another run, which this one is to repeat")
        parser.add_argument("--coverage", action="store_true", help="what of the process no run has been through")
        parser.add_argument("--coverage-svg", metavar="FILE", help="the same as a drawing")

    def handle(
        self, *, model: str, others: list[str], steps: int, seed: str | None, expect: str | None, **options: Any
    ) -> None:
        document = self._document(model)
        try:
            models = [self._model(model, document), *(self._model(other, self._document(other)) for other in others)]
            scenarios = self._scenarios(models, **options)
            recorded = _recorded(expect) if expect else None
        except (ScenarioInvalid, ValueError) as error:
            raise CommandError(str(error), returncode=USAGE) from None
        told: list[dict[str, Any]] = []
        bad = unmet = 0
        coverage: dict[str, Coverage] = {}
        for scenario in scenarios:
            simulation = Simulation(scenario, seed=seed, max_steps=steps)
            before = len(told)
            for line in simulation.lines():
                self.json(line)
                told.append(line)
            unmet += self._unmet(scenario, told[before:])
            coverage.setdefault(scenario.process.id, Coverage())
            for id, part in simulation.world.coverages.items():
                coverage.setdefault(id, Coverage())
                coverage[id] += part
            bad += scenario.then is None and not simulation.ended_well
        if options["coverage"]:
            for process in (process for process in scenarios[0].processes if process.id in coverage):
                line = coverage[process.id].line(process)
                self.json(line)
                told.append(line)
        if options["coverage_svg"]:
            self._draw(options["coverage_svg"], document, sum_of(coverage))
        if unmet:
            raise CommandError(f"{unmet} of {len(scenarios)} runs were not as the scenario says.", returncode=FAILED)
        if recorded is not None:
            self._compare(recorded, told, str(expect))
        elif bad:
            raise CommandError(f"{bad} of {len(scenarios)} runs did not complete.", returncode=FAILED)

    def _unmet(self, scenario: Scenario, lines: list[dict[str, Any]]) -> bool:
        """Whether a run was not what its scenario says; then it is told in what."""
        wrong = scenario.then.unmet(lines) if scenario.then is not None else []
        for what in wrong:
            self.stderr.write(f"{scenario.name}: {what}" if scenario.name else what, ending="\n")
        return bool(wrong)

    def _document(self, model: str) -> bytes:
        try:
            return Path(model).read_bytes()
        except OSError as error:
            raise CommandError(f"Expected to read {model} but: {error.strerror}", returncode=USAGE) from None

    def _model(self, model: str, document: bytes) -> Model:
        try:
            parsed = parse(document)
        except ModelInvalid as invalid:
            for problem in invalid.problems:
                self.stderr.write(problem_line(model, problem), ending="\n")
            raise CommandError(f"{model} cannot be executed.", returncode=USAGE) from None
        for warning in parsed.warnings:
            self.stderr.write(problem_line(model, warning), ending="\n")
        return parsed

    def _scenarios(self, models: list[Model], **options: Any) -> list[Scenario]:
        shelf = Shelf(tuple(self._decisions(file) for file in options["decisions"]))
        models = [
            replace(model, processes=tuple(replace(process, decisions=shelf) for process in model.processes))
            for model in models
        ]
        given: dict[str, Any] = documents.read(options["services"]) if options["services"] else {}
        if options["messages"]:
            further = documents.read(options["messages"])
            if further.keys() != {"messages"} or "messages" in given:
                raise ValueError(f"{options['messages']}: Expected messages, and nothing but messages, once")
            given |= further
        if options["process"]:
            given["process"] = options["process"]
        if options["variables"]:
            own = given.get("variables", {})
            if isinstance(own, dict):  # or else the scenario says what is wrong with it
                given["variables"] = {**own, **values.checked(options["variables"])}
        return read_scenarios(given, *models, place=options["services"] or "scenario")

    def _decisions(self, file: str) -> DecisionModel:
        try:
            return parse_decisions(self._document(file))
        except ModelInvalid as invalid:
            for problem in invalid.problems:
                self.stderr.write(problem_line(file, problem), ending="\n")
            raise CommandError(f"{file} cannot be executed.", returncode=USAGE) from None

    def _draw(self, file: str, document: bytes, coverage: Coverage) -> None:
        drawn = diagram.draw(document, marks=coverage.marks(), title="Coverage")
        try:
            Path(file).write_text(drawn, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"Expected to write {file} but: {error.strerror}", returncode=USAGE) from None

    def _compare(self, recorded: list[dict[str, Any]], told: list[dict[str, Any]], file: str) -> None:
        found = [json.loads(simplejson.dumps(line, use_decimal=True, default=str), cls=DecimalDecoder) for line in told]
        lines = differences(recorded, found, _spelled)
        for line in lines[:MOST_DIFFERENCES]:
            self.stderr.write(line, ending="\n")
        if lines:
            raise CommandError(f"Expected the run recorded in {file} but found another one.", returncode=FAILED)


def sum_of(coverage: dict[str, Coverage]) -> Coverage:
    """Of several processes of one drawing."""
    whole = Coverage()
    for part in coverage.values():
        whole += part
    return whole


def _recorded(file: str) -> list[dict[str, Any]]:
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
        return [json.loads(line, cls=DecimalDecoder) for line in lines if line.strip()]
    except OSError as error:
        raise ValueError(f"Expected to read {file} but: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"Expected {file} to hold one JSON object per line but: {error}") from None


def _spelled(line: Any) -> str:
    return simplejson.dumps(line, use_decimal=True, ensure_ascii=False, sort_keys=True)
