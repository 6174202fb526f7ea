"""What the world does while a model is played: start variables, services, messages, signals, conditions, one run or
several.

    process: order                    # where the model has several that no other calls
    start: 2030-01-01T08:00:00Z       # where the clock begins
    variables: {amount: 10}
    services: {charge-card: {answer: {paid: true}}}
    messages:
      - {name: cancelled, key: order-1, at: PT5M, variables: {why: changed my mind}, ttl: PT1H}
    signals: [{name: closing, at: PT8H, variables: {}}]
    conditions: [{at: PT1H, variables: {heat: 41}, process: cooling}]
    then: {path: [placed, charge-card, paid]}   # what is to come of it, see `expectation`
    runs:                             # each adds to the above, and has a name
      - {name: rich, variables: {amount: 10000}, then: {path: [placed, charge-card, paid]}}

A message without a time to live is kept until somebody waits for it; a signal is for who waits at that moment. By
`conditions` those with which processes begin are evaluated: of one, or of all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from processes.engine.errors import ProcessFault
from processes.engine.event_definition import Start
from processes.engine.job_task import JobTask
from processes.engine.process import Model, Process
from processes.engine.simulation.expectation import Expectation, read_expectation
from processes.engine.simulation.reading import Given, ScenarioInvalid
from processes.engine.simulation.services import ANY, Services, Turn, read_services

START = datetime(2030, 1, 1, 12, tzinfo=UTC)
MAX_RUNS = 1000
COMMON = ("process", "start", "variables", "services", "messages", "signals", "conditions", "then")


@dataclass(frozen=True, slots=True)
class Published:
    """A message for whoever waits for it, or a signal. `until` None: it is kept for ever."""

    name: str
    key: str
    at: datetime
    variables: Mapping[str, Any] = field(default_factory=dict)
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Variables of which the conditions that begin a process, "": any, may be true."""

    at: datetime
    variables: Mapping[str, Any] = field(default_factory=dict)
    process: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run. `name` is "" where it is the only one. `processes` are those that there are, and `beginnings` the events
    that begin them."""

    process: Process
    processes: Sequence[Process] = ()
    beginnings: Sequence[tuple[Process, Start]] = ()
    name: str = ""
    start: datetime = START
    variables: Mapping[str, Any] = field(default_factory=dict)
    services: Services = field(default_factory=dict)
    messages: Sequence[Published] = ()
    signals: Sequence[Published] = ()
    conditions: Sequence[Asked] = ()
    then: Expectation | None = None
    """What is to come of it; None: that it completes."""


def read_scenarios(
    document: Mapping[str, Any], model: Model, *others: Model, place: str = "scenario"
) -> list[Scenario]:
    """The runs of a model that a document describes, which is called `place`; the processes of `others` can be called.
    Raises `ScenarioInvalid`."""
    given = Given(document, place)
    fields = given.fields(*COMMON, "runs")
    processes = _together(model, *others)
    if "runs" not in fields:
        return [_scenario(model, processes, "", fields, {})]
    runs = fields["runs"].several()
    if len(runs) > MAX_RUNS:
        raise ScenarioInvalid(f"{place}.runs: Expected at most {MAX_RUNS} runs but found {len(runs)}")
    found: dict[str, Scenario] = {}
    for number, run in enumerate(runs, start=1):
        own = run.fields("name", *COMMON)
        name = own["name"].text() if "name" in own else f"run {number}"
        if name in found:
            raise ScenarioInvalid(f"{run.place}: Expected every name once but found '{name}' again")
        found[name] = _scenario(model, processes, name, fields, own)
    return list(found.values())


def _together(*models: Model) -> tuple[Process, ...]:
    """All processes. Raises `ScenarioInvalid` where two have the same id."""
    found: dict[str, Process] = {}
    for process in (process for model in models for process in model.processes):
        if found.setdefault(process.id, process) is not process:
            raise ScenarioInvalid(f"Expected every process in one model but found '{process.id}' in two")
    return tuple(found.values())


def _scenario(
    model: Model, processes: tuple[Process, ...], name: str, common: dict[str, Given], own: dict[str, Given]
) -> Scenario:
    process = _process(model, own.get("process") or common.get("process"))
    start = own.get("start") or common.get("start")
    begins = start.moment() if start is not None else START
    variables: dict[str, Any] = {}
    services: dict[str, Sequence[Turn]] = {}
    messages: list[Published] = []
    signals: list[Published] = []
    conditions: list[Asked] = []
    for fields in (common, own):
        if "variables" in fields:
            variables |= fields["variables"].variables()
        if "services" in fields:
            services |= _known(read_services(fields["services"]), fields["services"], processes)
        if "messages" in fields:
            messages += [_message(one, begins) for one in fields["messages"].several()]
        if "signals" in fields:
            signals += [_signal(one, begins) for one in fields["signals"].several()]
        if "conditions" in fields:
            conditions += [_asked(one, begins, processes) for one in fields["conditions"].several()]
    if variables and "" not in process.starts:
        raise ScenarioInvalid(
            f"Expected no variables for '{process.id}', which is begun by events that bring theirs, but found some"
        )
    told = own.get("then") or common.get("then")
    elements = frozenset(id for process in processes for id in process.nodes)
    then = read_expectation(told, elements) if told is not None else None
    beginnings = _beginnings(processes, begins)
    given = (variables, services, messages, signals, conditions)
    return Scenario(process, processes, beginnings, name, begins, *given, then)


def _beginnings(processes: tuple[Process, ...], at: datetime) -> list[tuple[Process, Start]]:
    """The events that begin processes, as evaluated where they are deployed."""
    try:
        events = ((process, event) for process in processes for event, _ in process.beginnings.values())
        return [(process, start) for process, event in events for start in event.starts(at)]
    except ProcessFault as fault:
        raise ScenarioInvalid(str(fault)) from None


def _process(model: Model, given: Given | None) -> Process:
    by_id = {process.id: process for process in model.processes}
    if given is None:
        called = {node.calls for process in model.processes for node in process.nodes.values()}
        first = [process for process in model.processes if process.id not in called] or list(model.processes)
        if len(first) > 1:
            raise ScenarioInvalid(f"Expected process to name one of {', '.join(by_id)} but found none")
        return first[0]
    if given.text() not in by_id:
        raise given.unfit(f"one of {', '.join(by_id)}")
    return by_id[given.text()]


def _known(
    services: dict[str, Sequence[Turn]], given: Given, processes: Sequence[Process]
) -> dict[str, Sequence[Turn]]:
    """A name that no job will ever have is a slip of the pen, and would go unnoticed."""
    nodes = [node for process in processes for node in process.nodes.values()]
    tasks = [node for node in nodes if isinstance(node, JobTask)]
    if all(task.type.code is None for task in tasks):
        names = {ANY, *(node.id for node in nodes), *(task.type.text for task in tasks)}
        for name in services:
            if name not in names:
                raise ScenarioInvalid(
                    f"{given.place}: Expected elements or job types of the model but found '{name}'; "
                    f"its job types are {', '.join(sorted({task.type.text for task in tasks})) or 'none'}"
                )
    return services


def _message(given: Given, start: datetime) -> Published:
    fields = given.fields("name", "key", "at", "variables", "ttl")
    if "name" not in fields:
        raise given.unfit("a name")
    at = fields["at"].moment_from(start) if "at" in fields else start
    try:
        until = at + fields["ttl"].span() if "ttl" in fields else None
    except OverflowError:
        until = None
    key = fields.get("key")
    return Published(
        fields["name"].text(),
        # A number is written out, as the engine does with correlation keys.
        "" if key is None else key.text() if isinstance(key.value, str) else str(key.value),
        at,
        fields["variables"].variables() if "variables" in fields else {},
        until,
    )


def _signal(given: Given, start: datetime) -> Published:
    fields = given.fields("name", "at", "variables")
    if "name" not in fields:
        raise given.unfit("a name")
    return Published(
        fields["name"].text(),
        "",
        fields["at"].moment_from(start) if "at" in fields else start,
        fields["variables"].variables() if "variables" in fields else {},
    )


def _asked(given: Given, start: datetime, processes: Sequence[Process]) -> Asked:
    fields = given.fields("at", "variables", "process")
    process = fields["process"].text() if "process" in fields else ""
    if process and process not in {one.id for one in processes}:
        raise fields["process"].unfit(f"one of {', '.join(one.id for one in processes)}")
    return Asked(
        fields["at"].moment_from(start) if "at" in fields else start,
        fields["variables"].variables() if "variables" in fields else {},
        process,
    )
