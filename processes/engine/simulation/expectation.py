"""What is to come of a run, as its scenario says, and in what the run was otherwise.

    then:
      path: [order-received, charge-card, paid]       # flow nodes in the order in which they were entered
      state: COMPLETED                                # unless something else is said
      variables: {paid: true}                         # all that are left
      incidents: [{element: charge-card, kind: JOB_NO_RETRIES}]   # none, unless something is said
      waiting: [{element: approve, for: Job}]

State, variables, incidents and waits are those of the first instance; the path goes through all of them, as they take
turns. Of an incident and a wait only what is said of it counts. What is not said of path, variables and waits is not
looked at. An empty path says that nothing begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from processes.engine.errors import IncidentKind
from processes.engine.simulation.reading import Given, ScenarioInvalid
from processes.engine.simulation.telling import Line
from processes.engine.state import InstanceState

PARTS = {"incidents": ("element", "kind", "message"), "waiting": ("element", "for", "type", "name", "correlation_key")}


@dataclass(frozen=True, slots=True)
class Expectation:
    """None: not looked at."""

    state: str = InstanceState.COMPLETED.value
    path: tuple[str, ...] | None = None
    variables: Mapping[str, Any] | None = None
    incidents: tuple[Mapping[str, Any], ...] = ()
    waiting: tuple[Mapping[str, Any], ...] | None = None

    def unmet(self, lines: Sequence[Line]) -> list[str]:
        """What a run with these lines was to be and was not, a sentence each."""
        path = tuple(line["element"] for line in lines if line["event"] == "NodeEntered")
        ended = next((line for line in reversed(lines) if line["event"] == "Ended"), None)
        if ended is None:
            return [] if self.path == () else ["Expected an instance but found that nothing began one"]
        wrong = [] if self.path in (None, path) else [_otherwise("the path", list(self.path or ()), list(path))]
        if ended["state"] != self.state:
            wrong.append(_otherwise("the state", self.state, ended["state"]))
        if self.variables is not None and dict(ended["variables"]) != dict(self.variables):
            wrong.append(_otherwise("the variables", dict(self.variables), dict(ended["variables"])))
        if not _alike(self.incidents, ended["incidents"]):
            wrong.append(_otherwise("the incidents", list(self.incidents), ended["incidents"]))
        if self.waiting is not None and not _alike(self.waiting, ended["waiting"]):
            wrong.append(_otherwise("what it waits for to be", list(self.waiting), ended["waiting"]))
        return wrong


def read_expectation(given: Given, elements: frozenset[str]) -> Expectation:
    """Of a model with these flow nodes. Raises `ScenarioInvalid`."""
    fields = given.fields("state", "path", "variables", *PARTS)
    told: dict[str, Any] = {}
    if "state" in fields:
        told["state"] = _one_of(fields["state"], [state.value for state in InstanceState])
    if "path" in fields:
        told["path"] = tuple(_one_of(step, elements) for step in _list(fields["path"]))
    if "variables" in fields:
        told["variables"] = fields["variables"].variables()
    for name, known in PARTS.items():
        if name in fields:
            told[name] = tuple(_part(part, known, elements) for part in _list(fields[name]))
    return Expectation(**told)


def _part(given: Given, known: Sequence[str], elements: frozenset[str]) -> Mapping[str, Any]:
    fields = given.fields(*known)
    if "element" in fields:
        _one_of(fields["element"], elements)
    if "kind" in fields:
        _one_of(fields["kind"], [kind.value for kind in IncidentKind])
    return {name: field.value for name, field in fields.items()}


def _list(given: Given) -> list[Given]:
    return given.several() if given.value != [] else []


def _one_of(given: Given, known: Sequence[str] | frozenset[str]) -> str:
    """A slip of the pen, told as what it is."""
    if given.text() not in known:
        raise ScenarioInvalid(f"{given.place}: Expected one of {', '.join(sorted(known))} but found '{given.value}'")
    return given.text()


def _alike(expected: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]) -> bool:
    """Whether there are as many, and each in its place is as it is said to be."""
    return len(expected) == len(found) and all(
        all(there.get(name) == value for name, value in said.items())
        for said, there in zip(expected, found, strict=True)
    )


def _otherwise(what: str, expected: Any, found: Any) -> str:
    return f"Expected {what} {expected} but found {found}"
