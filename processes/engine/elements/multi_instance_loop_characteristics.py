"""Multi-instance, BPMN 2.0.2 section 13.3.7: one round for each element of a collection, or so many, all at once or one
after the other.

The collection and what is collected are named by ``zeebe:loopCharacteristics``, by BPMN's own `loopDataInputRef` and
`loopDataOutputRef`, or by Camunda 7's ``camunda:collection``; a `loopCardinality` stands for none. Every round is given
its element and `loopCounter`. What the rounds give is collected by position, null where one gave nothing. When one
completes and the completion condition holds, the others are terminated. The condition sees the variables of that round,
BPMN's counts (and Camunda 7's names of them), and the output collection as far as it is.

The elements are evaluated once, when the activity begins. No round is asked how many others there are: only a condition
that names a count has it counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from processes.engine import data
from processes.engine import facts as f
from processes.engine.activity import Work
from processes.engine.errors import IncidentKind, ProcessFault
from processes.engine.expression import Expression, expected
from processes.engine.loop import COUNTER, Loop, holds, read_condition
from processes.engine.machine import Run
from processes.engine.mapping import Overlay
from processes.engine.parts import FlowNodeInstance, NodeState
from processes.engine.source import Source
from processes.engine.unread import EXPRESSION, IDENTITY, refuse_language, refuse_unread

ITEM = IDENTITY | {"isCollection", "itemSubjectRef"}
PATH = re.compile(r"=?\s*([^\W\d]\w*)(\s*\.\s*[^\W\d]\w*)*\s*")
"""A variable, or something inside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiInstanceLoopCharacteristics(Loop):
    """`count` says that the collection is a number of rounds. Names are "" where there are none."""

    tag: ClassVar[str] = "multiInstanceLoopCharacteristics"
    sequential: bool = False
    collection: Expression
    count: bool = False
    element: str = ""
    output_collection: str = ""
    output_element: Expression | None = None
    condition: Expression | None = None

    @classmethod
    def read(cls, source: Source) -> Self:
        refuse_unread(
            source,
            attributes=frozenset({"behavior", "id", "isSequential"}),
            children=frozenset({"completionCondition", "loopCardinality", *_PARTS}),
            extensions=frozenset({"loopCharacteristics"}),
            camunda_attributes=frozenset({"collection", "elementVariable"}),
            camunda_elements=frozenset({"failedJobRetryTimeCycle"}),  # of the body, which calls nobody
        )
        if source.get("behavior", "All") != "All":
            source.problem(
                "not-executable",
                f"Expected behavior All but found {source.get('behavior')}, whose events are not thrown",
            )
        given = [*_zeebe(source), *_camunda(source), *_bpmn(source), *_cardinality(source)]
        if len(given) != 1:
            source.problem(
                "no-collection", f"Expected one collection or loopCardinality but found {len(given) or 'neither'}"
            )
        collection, count, element = given[0] if given else (Expression(""), False, "")
        output_collection, output_element = _output(source)
        return cls(
            sequential=source.flag("isSequential"),
            collection=collection,
            count=count,
            element=element,
            output_collection=output_collection,
            output_element=output_element,
            condition=read_condition(source, "completionCondition"),
        )

    @property
    def kind(self) -> tuple[str, ...]:
        return (self.tag, "sequential" if self.sequential else "parallel")

    @property
    def names(self) -> tuple[str, ...]:
        return (COUNTER, *([self.element] if self.element else ()), *self._output_variable())

    def _output_variable(self) -> tuple[str, ...]:
        """The variable that the output element is, or is in: local to each round, or they would share one."""
        if self.output_element is None or (match := PATH.fullmatch(self.output_element.text)) is None:
            return ()
        return (match[1],) if match[1] not in (COUNTER, self.element) else ()

    def prepare(self, run: Run, body: FlowNodeInstance, around: Mapping[str, Any]) -> Work:
        items = self._items(run, around)
        run.plan(body, len(items))

        def in_sequence() -> None:
            run.emit(f.RoundsPlanned(body.key, len(items), tuple(items)))
            run.activate(self.begin(run, body, 1, self._variables(items[0])))

        def at_once() -> None:
            run.emit(f.RoundsPlanned(body.key, len(items)))
            visits = [self.begin(run, body, place, self._variables(item)) for place, item in enumerate(items, 1)]
            for visit in visits:
                if visit.key in run.instance.nodes:
                    run.activate(visit)

        def not_at_all() -> None:
            run.emit(f.RoundsPlanned(body.key, 0))
            run.complete(body, self.collected(run, body), plain=True)

        return not_at_all if not items else in_sequence if self.sequential else at_once

    def _items(self, run: Run, around: Mapping[str, Any]) -> list[Any] | range:
        value, why = self.collection.explain(around, run.at)
        if self.count:
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                what = f"loopCardinality '{self.collection.text}' to give a whole number"
                raise ProcessFault(IncidentKind.EXPRESSION, expected(what, value, why))
            return range(value)
        if not isinstance(value, list):
            what = f"the collection '{self.collection.text}' to be a list"
            raise ProcessFault(IncidentKind.EXPRESSION, expected(what, value, why))
        return value

    def _variables(self, item: Any) -> dict[str, Any]:
        given = {self.element: item} if self.element else {}
        return given | dict.fromkeys(self._output_variable())

    def after(self, run: Run, body: FlowNodeInstance, visit: FlowNodeInstance, seen: Mapping[str, Any]) -> Work:
        output = self.output_element
        value = None if output is None else output.evaluate(seen, run.at, IncidentKind.OUTPUT_MAPPING)
        enough = False
        if self.condition is not None:
            enough = holds(
                self.condition, "completionCondition", run, Overlay(self._whole(run, body, visit, value), seen)
            )
        items = (body.result or {}).get("items", ())
        position = visit.position

        def go_on() -> None:
            if output is not None:
                run.emit(f.OutputCollected(visit.key, value))
            run.leave(visit, ())
            if enough:
                for other in run.instance.nodes_in(body.key):
                    run.terminate(other)
            elif position < len(items):
                self.next(run, body, position + 1, self._variables(items[position]))

        return go_on

    def collected(self, run: Run, body: FlowNodeInstance) -> Mapping[str, Any]:
        if not self.output_collection:
            return {}
        return {self.output_collection: _in_order(body, run.instance.outputs_in(body.key))}

    def _whole(self, run: Run, body: FlowNodeInstance, visit: FlowNodeInstance, value: Any) -> Mapping[str, Any]:
        """What the completion condition may know of all rounds together, once `visit` has completed with that value."""
        planned = int((body.result or {}).get("size", 0))
        begun = visit.position if self.sequential else planned

        def completed() -> int:
            return run.instance.ended_in(body.key, NodeState.COMPLETED) + 1

        def terminated() -> int:
            return run.instance.ended_in(body.key, NodeState.TERMINATED)

        known: dict[str, Callable[[], Any]] = {
            "numberOfInstances": lambda: begun,
            "numberOfActiveInstances": lambda: begun - completed() - terminated(),
            "numberOfCompletedInstances": completed,
            "numberOfTerminatedInstances": terminated,
            "nrOfInstances": lambda: planned,
            "nrOfActiveInstances": lambda: begun - completed() - terminated(),
            "nrOfCompletedInstances": completed,
        }
        if self.output_collection:
            known[self.output_collection] = lambda: _in_order(
                body, {**run.instance.outputs_in(body.key), visit.position: value}
            )
        return _Known(known)


class _Known(Mapping[str, Any]):
    """Variables that are found out when somebody asks."""

    def __init__(self, known: Mapping[str, Callable[[], Any]]) -> None:
        self._known = known

    def __getitem__(self, name: str) -> Any:
        return self._known[name]()

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def _in_order(body: FlowNodeInstance, outputs: Mapping[int, Any]) -> list[Any]:
    size = int((body.result or {}).get("size", 0))
    return [outputs.get(position) for position in range(1, size + 1)]


# -- reading -----------------------------------------------------------------------------------------------------------

_PARTS = ("inputDataItem", "loopDataInputRef", "loopDataOutputRef", "outputDataItem")

Given = tuple[Expression, bool, str]
"""The collection, whether it is a number instead, and the name of its element."""


def _zeebe(source: Source) -> Iterator[Given]:
    extension = source.extension("loopCharacteristics")
    if extension is not None and extension.get("inputCollection"):
        text = extension.get("inputCollection")
        collection = extension.expression(text, "the inputCollection", always_feel=True)
        yield collection, False, extension.get("inputElement").strip()


def _camunda(source: Source) -> Iterator[Given]:
    text, element = source.camunda("collection"), source.camunda("elementVariable")
    if text:
        yield source.expression(text, "camunda:collection", always_feel=True), False, (element or "").strip()
    elif element:
        source.problem("no-collection", "Expected camunda:collection with camunda:elementVariable but found none")


def _bpmn(source: Source) -> Iterator[Given]:
    """What BPMN calls data is a variable of that name; it may be named by its id too."""
    for part in source.children(*_PARTS):
        refuse_unread(part, attributes=ITEM)
    reference, item = source.child("loopDataInputRef"), source.child("inputDataItem")
    if reference is not None:
        collection = data.collection(source.parent(), reference.text())
        if collection is None:
            collection = reference.expression(reference.text(), "loopDataInputRef", always_feel=True)
        yield collection, False, item.get("name").strip() if item is not None else ""
    elif item is not None and source.camunda("collection") is None:
        item.problem("no-collection", "Expected loopDataInputRef with inputDataItem but found none")


def _cardinality(source: Source) -> Iterator[Given]:
    part = source.child("loopCardinality")
    if part is not None:
        refuse_unread(part, attributes=EXPRESSION)
        refuse_language(part, declared=source.document.root.get("expressionLanguage", "").strip())
        yield part.expression(part.text(), "loopCardinality", always_feel=True), True, ""


def _output(source: Source) -> tuple[str, Expression | None]:
    """What is collected, under which name."""
    extension, reference = source.extension("loopCharacteristics"), source.child("loopDataOutputRef")
    item = source.child("outputDataItem")
    name = extension.get("outputCollection").strip() if extension is not None else ""
    text = extension.get("outputElement").strip() if extension is not None else ""
    where = source if extension is None else extension
    if reference is not None or item is not None:
        if name or text:
            source.problem("two-outputs", "Expected one output collection but found two")
        name = reference.text() if reference is not None else ""
        name = data.collector(source.parent(), name) or name
        text = item.get("name").strip() if item is not None else ""
        where = source
    if bool(name) != bool(text):
        found = "the collection" if name else "the element"
        where.problem("half-an-output", f"Expected an output collection and an output element but found only {found}")
    if not (name and text):
        return "", None
    return name, where.expression(text, "the output element", always_feel=True)
