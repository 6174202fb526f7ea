"""Activities that are done more than once, BPMN 2.0.2 sections 13.3.6 and 13.3.7: what both ways of repeating share.

The visit to such an activity encloses its rounds, which are visits to the same node. It has the boundary events; the
rounds have the inputs, the work and the outputs. What a round is given is local to it, and so is what it sets of the
same name; every other variable goes to the scopes around.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from processes.engine import facts as f
from processes.engine.activity import Activity, Work
from processes.engine.errors import IncidentKind, ProcessFault
from processes.engine.expression import Expression, expected
from processes.engine.machine import Run
from processes.engine.mapping import Overlay
from processes.engine.parts import FlowNodeInstance
from processes.engine.source import Source
from processes.engine.unread import EXPRESSION, refuse_language, refuse_unread

COUNTER = "loopCounter"
"""The variable with the number of a round, from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """How an activity is repeated."""

    tag: ClassVar[str] = ""

    @classmethod
    def read(cls, source: Source) -> Self:
        raise NotImplementedError

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that a round is given."""
        return (COUNTER,)

    @property
    def kind(self) -> tuple[str, ...]:
        """In which it has to agree with another one that goes on with its rounds."""
        return (self.tag,)

    def prepare(self, run: Run, body: FlowNodeInstance, around: Mapping[str, Any]) -> Work:
        """Evaluate what there is to do. Raises `ProcessFault`."""
        raise NotImplementedError

    def after(self, run: Run, body: FlowNodeInstance, visit: FlowNodeInstance, seen: Mapping[str, Any]) -> Work:
        """Evaluate what follows from a round that is about to complete, over what it sees; what is returned lets it
        leave. Raises `ProcessFault`."""
        raise NotImplementedError

    def collected(self, run: Run, body: FlowNodeInstance) -> Mapping[str, Any]:
        """The variables that all rounds together give to the scope around."""
        return {}

    def begin(self, run: Run, body: FlowNodeInstance, position: int, variables: Mapping[str, Any]) -> FlowNodeInstance:
        """Enter a round, without activating it yet."""
        node = run.element(body)
        assert isinstance(node, Activity)
        hiding = {mapping.target[0] for mapping in node.inputs}
        given = {COUNTER: position, **variables}
        visit = run.enter(node, body.key)
        run.emit(f.RoundBegan(visit.key, position, given, {name: given[name] for name in given if name in hiding}))
        return visit

    def next(self, run: Run, body: FlowNodeInstance, position: int, variables: Mapping[str, Any]) -> None:
        """The next round begins, unless everything is over by then."""

        def go_on() -> None:
            if body.key in run.instance.nodes:
                run.activate(self.begin(run, body, position, variables))

        run.then(go_on)

    def given(self, visit: FlowNodeInstance) -> Mapping[str, Any]:
        """What a round was given, whatever its inputs made of it."""
        kept = (visit.result or {}).get("given", {})
        return {**{name: visit.variables[name] for name in self.names if name in visit.variables}, **kept}

    def completion(
        self,
        run: Run,
        body: FlowNodeInstance,
        visit: FlowNodeInstance,
        result: Mapping[str, Any],
        outputs: Mapping[str, Any],
    ) -> Work:
        """A round is about to complete. Raises `ProcessFault`."""
        then = self.after(run, body, visit, Overlay({**result, **outputs}, run.visible(visit.key)))

        def go_on() -> None:
            if outputs:
                run.propagate(visit.key, outputs)
            then()

        return go_on


def read_condition(source: Source, tag: str) -> Expression | None:
    """The condition in a child element; None where there is none."""
    part = source.child(tag)
    if part is None:
        return None
    refuse_unread(part, attributes=EXPRESSION)
    if not part.text():
        part.problem("no-condition", f"Expected the {tag} to have a text but found none")
        return None
    refuse_language(part, declared=source.document.root.get("expressionLanguage", "").strip())
    return part.expression(part.text(), f"the {tag}", always_feel=True)


def holds(condition: Expression, what: str, run: Run, variables: Mapping[str, Any]) -> bool:
    """Whether a condition is true. Raises `ProcessFault` unless it is true or false."""
    value, why = condition.explain(variables, run.at, IncidentKind.CONDITION)
    if isinstance(value, bool):
        return value
    what = f"the {what} '{condition.text}' to be true or false"
    raise ProcessFault(IncidentKind.CONDITION, expected(what, value, why))
