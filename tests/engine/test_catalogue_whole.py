"""Nothing that is executed, refused or warned of is without a drawing: the engine itself says what there has to be."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest
from lxml import etree

from processes.engine import standard, xml
from processes.engine.elements import EVENT_DEFINITIONS, FLOW_NODES, GLOBAL_TASKS, LOOPS
from processes.engine.errors import ModelInvalid, Severity
from processes.engine.event_definition import Role
from processes.engine.parser import parse
from tests.engine.catalogue import PLAYED, TOLD, beside, elements, events, name

WHERE = {
    "Task (abstract)": "b:task",
    "Service task": "b:serviceTask",
    "Send task": "b:sendTask",
    "Receive task": "b:receiveTask[not(@instantiate='true')]",
    "Receive task that begins the process": "b:receiveTask[@instantiate='true']",
    "User task": "b:userTask",
    "Manual task": "b:manualTask",
    "Script task": "b:scriptTask",
    "Business rule task": "b:businessRuleTask",
    "Embedded sub-process": "b:subProcess[not(@triggeredByEvent='true')]",
    "Event sub-process": "b:subProcess[@triggeredByEvent='true']",
    "Transaction": "b:transaction",
    "Ad-hoc sub-process": "b:adHocSubProcess",
    "Call activity": "b:callActivity",
    "Global task, called": " | ".join(f".//b:{tag}" for tag in GLOBAL_TASKS).removeprefix(".//"),
    "Standard loop": "b:standardLoopCharacteristics",
    "Multi-instance, parallel": "b:multiInstanceLoopCharacteristics[not(@isSequential='true')]",
    "Multi-instance, sequential": "b:multiInstanceLoopCharacteristics[@isSequential='true']",
    "Compensation activity": "*[@isForCompensation='true']",
    "Exclusive": "b:exclusiveGateway",
    "Parallel": "b:parallelGateway",
    "Inclusive": "b:inclusiveGateway",
    "Complex": "b:complexGateway",
    "Event-based": "b:eventBasedGateway[not(@instantiate='true')]",
    "Event-based that begins the process": "b:eventBasedGateway[@instantiate='true'][not(@eventGatewayType)]",
    "Event-based, parallel, that begins the process": "b:eventBasedGateway[@eventGatewayType='Parallel']",
    "Sequence flow": "b:sequenceFlow",
    "Conditional and default flow out of a gateway": "b:exclusiveGateway[@default]",
    "Conditional and default flow out of an activity": "*[@default][not(contains(local-name(), 'Gateway'))]",
    "Data object": "b:dataObject",
    "Data object reference": "b:dataObjectReference",
    "Property": "b:property",
    "Data input and output": "b:ioSpecification[b:dataInput][b:dataOutput]",
    "Transformation": "b:transformation",
    "Assignment": "b:assignment",
    "Data store": "b:dataStoreReference",
}
"""Where what the standard has is in a drawing; a thing that is new there has to be said here."""

ROLES = {
    "start": Role.START,
    "start of an event sub-process": Role.HANDLER,
    "the same, non-interrupting": Role.HANDLER,
    "catch": Role.CATCH,
    "boundary": Role.BOUNDARY,
    "boundary, non-interrupting": Role.BOUNDARY,
    "throw": Role.THROW,
    "end": Role.END,
}
LIMITS = {"too-large", "too-many-attributes", "too-many-elements"}
"""Rules that only a document of a size finds broken which nobody wants to keep; `test_parser` makes them."""
ENGINE = Path(xml.__file__).parent
ELSEWHERE = {"diagram", "dmn", "feel", "juel", "simulation"}
"""Rooms of the engine that read something else than processes."""


@lru_cache(maxsize=1)
def drawn() -> list[etree._Element]:
    return [elements(path) for path in PLAYED]


@pytest.mark.parametrize("probe", [probe for _, probe in standard.probes()], ids=lambda probe: probe.name)
def test_every_element_that_is_executed_has_a_drawing(probe: standard.Probe) -> None:
    if probe.verdict == "refused":
        return
    found = [root for root in drawn() if root.xpath(f".//{WHERE[probe.name]}", namespaces={"b": xml.BPMN})]
    assert found, f"Expected a drawing in tests/drawings with '{probe.name}', which is executed"


@pytest.mark.parametrize("kind", standard.EVENTS)
def test_every_event_that_is_executed_has_a_drawing_in_every_place(kind: str) -> None:
    places = {place for place in standard.EVENTS[kind] if standard.event(kind, place).is_executed}
    found = {place for root in drawn() for one, place, _ in events(root) if one == kind}
    assert places - found == set(), f"Expected drawings in tests/drawings for these places of the {kind} event"


@pytest.mark.parametrize("tag", [*FLOW_NODES, *EVENT_DEFINITIONS, *LOOPS, *GLOBAL_TASKS])
def test_every_tag_that_is_registered_is_drawn(tag: str) -> None:
    assert any(next(root.iter(f"{{{xml.BPMN}}}{tag}"), None) is not None for root in drawn())


@pytest.mark.parametrize("tag", EVENT_DEFINITIONS)
def test_every_definition_is_drawn_in_every_role_that_it_may_have(tag: str) -> None:
    found = {ROLES[place] for root in drawn() for _, place, tags in events(root) if tag in tags}
    assert found >= EVENT_DEFINITIONS[tag].roles


# -- what is said of models that are not fit ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", TOLD, ids=name)
def test_what_is_said_of_it_is_what_is_written_beside_it(path: Path) -> None:
    try:
        problems = parse(path.read_bytes()).warnings
        assert path.parent.name == "warned"
    except ModelInvalid as invalid:
        problems = invalid.problems
        assert path.parent.name == "refused"
    found = [
        {"rule": one.rule, "severity": one.severity.value, "line": one.line, "message": one.message}
        | ({"element": one.element} if one.element else {})
        for one in problems
    ]
    assert found == beside(path)["findings"]
    assert path.stem.partition("-because-of-")[0] in [one["rule"] for one in found], "it is named after its rule"


@pytest.mark.parametrize("path", PLAYED, ids=name)
def test_what_is_played_is_as_it_should_be(path: Path) -> None:
    """Nothing is said of it, but that a data store is only drawn, which is what its drawing shows."""
    rules = {warning.rule for warning in parse(path.read_bytes()).warnings}
    assert rules == ({"data-not-executed"} if path.stem == "data_store" else set())


def rules_of_the_engine() -> Iterator[tuple[str, str]]:
    """Every rule, as a pattern where a word of it is filled in, and where it is."""
    for file in sorted(ENGINE.rglob("*.py")):
        if ELSEWHERE.isdisjoint(file.relative_to(ENGINE).parts):
            for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(call, ast.Call) and call.args and _called(call) in FINDS:
                    yield from ((rule, file.name) for rule in _texts(call.args[0]))


FINDS = ("Problem", "_invalid", "problem", "warning")


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _texts(rule: ast.expr) -> Iterator[str]:
    if isinstance(rule, ast.Constant) and isinstance(rule.value, str):
        yield re.escape(rule.value)
    elif isinstance(rule, ast.IfExp):
        yield from (*_texts(rule.body), *_texts(rule.orelse))
    elif isinstance(rule, ast.JoinedStr):
        yield "".join(re.escape(str(p.value)) if isinstance(p, ast.Constant) else "[a-z]+" for p in rule.values)


def test_every_rule_has_a_drawing_that_breaks_it() -> None:
    broken = {finding["rule"] for path in TOLD for finding in beside(path)["findings"]} | LIMITS
    rules = dict(rules_of_the_engine())
    assert len(rules) > 80, "the rules are found in the code"
    assert {rule: file for rule, file in rules.items() if not any(re.fullmatch(rule, one) for one in broken)} == {}


def test_every_rule_that_only_warns_is_drawn_where_it_only_warns() -> None:
    for path in TOLD:
        severities = {finding["severity"] for finding in beside(path)["findings"]}
        assert (Severity.ERROR.value in severities) is (path.parent.name == "refused"), name(path)
