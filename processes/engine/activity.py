"""What all activities share: input and output mappings, boundary events, and quantities.

An `Activity` evaluates its inputs, prepares its boundary events and its work, and only then becomes active. Where it is
repeated its work is to have rounds (see `loop`): visits to the same node inside its own, without boundary events. Work
that is given away is that of a `job_task`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from processes.engine import camunda7, data
from processes.engine.errors import IncidentKind
from processes.engine.machine import Run
from processes.engine.mapping import Overlay, VariableMapping, mapped
from processes.engine.model import FlowNode, SequenceFlow
from processes.engine.parts import FlowNodeInstance, Token
from processes.engine.source import Source
from processes.engine.unread import DATA_ASSOCIATIONS, IDENTITY

if TYPE_CHECKING:
    from processes.engine.loop import Loop

Work = Callable[[], None]
"""Begins the work of an activity; all its values are evaluated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity(FlowNode):
    """BPMN 2.0.2 section 10.3. `inputs` become local variables, `outputs` go to the enclosing scope."""

    attributes: ClassVar[frozenset[str]] = IDENTITY | {
        "completionQuantity",
        "default",
        "isForCompensation",
        "startQuantity",
    }
    children: ClassVar[frozenset[str]] = frozenset(
        {"ioSpecification", "multiInstanceLoopCharacteristics", "property", "standardLoopCharacteristics"}
    ) | set(DATA_ASSOCIATIONS)
    extensions: ClassVar[frozenset[str]] = frozenset({"ioMapping"})
    camunda_elements: ClassVar[frozenset[str]] = FlowNode.camunda_elements | camunda7.MAPPING_ELEMENTS
    inputs: tuple[VariableMapping, ...] = ()
    outputs: tuple[VariableMapping, ...] = ()
    is_for_compensation: bool = False
    """Whether it undoes another activity, and no token reaches it."""
    keeps_result: bool = False
    """Whether the result goes to the enclosing scope beside what is mapped."""
    loop: Loop | None = None
    start_quantity: int = 1
    """Tokens that it takes to begin."""
    completion_quantity: int = 1
    """Tokens that it puts on each flow out of it."""

    @classmethod
    def read(cls, source: Source, **common: Any) -> Self:
        inputs, outputs = _read_data_and_mappings(source)
        loops = list(source.children(*source.document.loops))
        if len(loops) > 1:
            loops[1].problem("two-loops", f"Expected one way to repeat it but found {len(loops)}")
        return cls(
            inputs=inputs,
            outputs=outputs,
            keeps_result=camunda7.keeps_result(source),
            is_for_compensation=source.flag("isForCompensation"),
            loop=source.document.loops[loops[0].tag].read(loops[0]) if loops else None,
            start_quantity=_quantity(source, "startQuantity"),
            completion_quantity=_quantity(source, "completionQuantity"),
            **common,
            **cls.read_work(source),
        )

    @property
    def stands_by(self) -> bool:
        return self.is_for_compensation

    @property
    def is_repeated(self) -> bool:
        return self.loop is not None

    @classmethod
    def read_work(cls, source: Source) -> dict[str, Any]:
        """The fields of the subclass."""
        return {}

    def prepare(self, run: Run, visit: FlowNodeInstance, variables: Mapping[str, Any]) -> Work:
        """Evaluate what the work needs. Raises `ProcessFault`."""
        return lambda: run.complete(visit)

    def activate(self, run: Run, visit: FlowNodeInstance) -> None:
        body = run.body(visit)
        loop = self.loop if body is None else None
        around, given = self.surroundings(run, visit, body)
        inputs = {} if loop is not None else mapped(self.inputs, around, run.at, IncidentKind.INPUT_MAPPING)
        variables = Overlay(inputs, around) if inputs else around
        waits = [(event, event.wait_for(run, variables)) for event in run.boundaries(visit)]
        work = self.prepare(run, visit, variables) if loop is None else loop.prepare(run, visit, around)
        run.wait(visit, {**given, **inputs})
        for event, wait in waits:
            if wait is not None:
                wait.arm(run, visit, event.id)
        work()

    @property
    def kind(self) -> tuple[str, ...]:
        return (self.tag,) if self.loop is None else (self.tag, *self.loop.kind)

    def open(
        self, run: Run, variables: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], Callable[[FlowNodeInstance], None]]:
        inputs = mapped(self.inputs, variables, run.at, IncidentKind.INPUT_MAPPING)
        seen = Overlay(inputs, variables) if inputs else variables
        waits = [(event, event.wait_for(run, seen)) for event in run.process.boundaries[self.id]]

        def activate(visit: FlowNodeInstance) -> None:
            run.wait(visit, inputs)
            for event, wait in waits:
                if wait is not None:
                    wait.arm(run, visit, event.id)

        return inputs, activate

    def surroundings(
        self, run: Run, visit: FlowNodeInstance, body: FlowNodeInstance | None
    ) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """What the inputs see; and what the visit has beside them, as a round of `body`."""
        around = run.visible(visit.scope)
        if self.loop is None or body is None:
            return around, {}
        given = self.loop.given(visit)
        return Overlay(given, around), given

    def gather(self, run: Run, token: Token) -> tuple[Token, ...] | None:
        if self.start_quantity == 1:
            return (token,)
        waiting = [other for other in run.instance.tokens_in(token.scope) if other.flow in self.incoming]
        return tuple(waiting[: self.start_quantity]) if len(waiting) >= self.start_quantity else None

    def completion(self, run: Run, visit: FlowNodeInstance, result: Mapping[str, Any]) -> Work:
        if self.loop is None:
            return super(Activity, self).completion(run, visit, result)
        body = run.body(visit)
        if body is None:
            return run.going_on(visit, result)
        return self.loop.completion(run, body, visit, result, self.output(run, visit, result))

    def departures(self, run: Run, visit: FlowNodeInstance, variables: Mapping[str, Any]) -> tuple[SequenceFlow, ...]:
        flows = super(Activity, self).departures(run, visit, variables)
        return tuple(flow for flow in flows for _ in range(self.completion_quantity))

    def emptied(self, run: Run, visit: FlowNodeInstance) -> None:
        if self.loop is not None and run.body(visit) is None:
            run.complete(visit, self.loop.collected(run, visit), plain=True)
        else:
            run.complete(visit)

    def output(self, run: Run, visit: FlowNodeInstance, result: Mapping[str, Any]) -> Mapping[str, Any]:
        given = mapped_output(self.outputs, run, visit, result)
        return {**result, **given} if self.keeps_result else given


def _read_data_and_mappings(source: Source) -> tuple[tuple[VariableMapping, ...], tuple[VariableMapping, ...]]:
    """Data comes in before mappings, which see it, and goes out after them."""
    own = data.read_own(source)
    for part in source.children("property"):
        if not data.is_executed(part):
            part.warning("data-not-executed", "property is described but not executed; variables carry the data")
    collected = next(
        (ref.text() for loop in source.children(*source.document.loops) for ref in loop.children("loopDataOutputRef")),
        "",
    )
    data_in, data_out = data.read_data(source, collected=collected)
    inputs, outputs = read_mappings(source)
    return (*own, *data_in, *inputs), (*outputs, *data_out)


def _quantity(source: Source, name: str) -> int:
    text = source.get(name, "1").strip()
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 1000):
        source.problem("bad-quantity", f"Expected {name} to be a whole number from 1 to 1000 but found '{text}'")
        return 1
    return int(text)


def mapped_output(
    mappings: tuple[VariableMapping, ...], run: Run, visit: FlowNodeInstance, result: Mapping[str, Any]
) -> Mapping[str, Any]:
    """What goes to the enclosing scope: the whole result where nothing is mapped. Raises `ProcessFault`."""
    if not mappings:
        return result
    variables = Overlay(result, run.visible(visit.key))
    return mapped(mappings, variables, run.at, IncidentKind.OUTPUT_MAPPING, base=run.visible(visit.scope))


def read_mappings(source: Source) -> tuple[tuple[VariableMapping, ...], tuple[VariableMapping, ...]]:
    """The ``ioMapping`` of an element, or Camunda 7's ``inputOutput``: inputs and outputs."""
    mapping = source.extension("ioMapping")
    if mapping is None:
        return camunda7.mappings(source)
    return tuple(_mappings(mapping, "input")), tuple(_mappings(mapping, "output"))


def _mappings(mapping: Source, name: str) -> Iterable[VariableMapping]:
    for part in mapping.parts(name):
        target = part.get("target").strip()
        path = tuple(piece.strip() for piece in target.split("."))
        if not all(path):
            part.problem("no-target", f"Expected the target of an {name} to be a name or a path but found '{target}'")
            continue
        if "source" not in part.element.attrib:
            part.problem("no-source", f"Expected the {name} '{target}' to have a source but found none")
            continue
        yield VariableMapping(part.expression(part.get("source"), f"the source of the {name} '{target}'"), path)
