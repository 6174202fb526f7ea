"""Draws BPMN models in a few lines, so that a test can show its process.

    drawing = Drawing("order").start().service("charge", type="charge-card").end()
    drawing.xml()

Nodes are chained by sequence flows in the order in which they are drawn; `at(id)` goes back to a node to draw another
branch, `to(id)` connects to a node drawn before. The result is what Camunda Modeler would save, without the diagram.
"""

from __future__ import annotations

from typing import Any, Self
from xml.sax.saxutils import escape, quoteattr

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"
 xmlns:camunda="http://camunda.org/schema/1.0/bpmn" id="Definitions_1" targetNamespace="http://bpmn.io/schema/bpmn">
"""


Definition = tuple[str, ...]
"""What an event waits for or throws, see `Drawing._definition`."""


class Drawing:
    def __init__(self, process_id: str = "process", *, name: str = "") -> None:
        self.process_id = process_id
        self.name = name
        self._nodes: list[str] = []
        self._flows: dict[str, tuple[str, str, str]] = {}
        self._defaults: dict[str, str] = {}
        self._globals: list[str] = []
        self._at: str | None = None
        self._condition = ""
        self._default = False

    # -- moving the pen --------------------------------------------------------------------------------------------

    def at(self, id: str) -> Self:
        """Go on drawing from a node."""
        self._at = id
        return self

    def when(self, condition: str) -> Self:
        """The next flow has this condition."""
        self._condition = condition
        return self

    def otherwise(self) -> Self:
        """The next flow is the default flow."""
        self._default = True
        return self

    def to(self, id: str, *, flow: str = "") -> Self:
        """Connect to a node, and go on from there."""
        if self._at is not None:
            flow = flow or f"{self._at}-{id}"
            while flow in self._flows:
                flow += "'"
            self._flows[flow] = (self._at, id, self._condition)
            if self._default:
                self._defaults[self._at] = flow
        self._condition, self._default = "", False
        return self.at(id)

    # -- nodes -----------------------------------------------------------------------------------------------------

    def node(self, tag: str, id: str, inside: str = "", *, connect: bool = True, **attributes: str) -> Self:
        """Any element; `inside` is the XML within it."""
        given = "".join(f" {name}={quoteattr(str(value))}" for name, value in attributes.items())
        self._nodes.append(f"<bpmn:{tag} id={quoteattr(id)}{given} %DEFAULT-{id}%>{inside}</bpmn:{tag}>")
        return self.to(id) if connect else self.at(id)

    def start(self, id: str = "start") -> Self:
        self._at = None
        return self.node("startEvent", id)

    def start_message(self, id: str, name: str, key: str = "") -> Self:
        self._at = None
        return self.node("startEvent", id, self._message(name, key))

    def start_timer(self, id: str, value: str, *, kind: str = "timeDuration") -> Self:
        self._at = None
        return self.node("startEvent", id, timer(value, kind))

    def end(self, id: str = "end") -> Self:
        return self.node("endEvent", id)

    def terminate(self, id: str = "terminate") -> Self:
        return self.node("endEvent", id, "<bpmn:terminateEventDefinition />")

    def error_end(self, id: str, code: str) -> Self:
        return self.node("endEvent", id, f'<bpmn:errorEventDefinition errorRef="{self._error(code)}" />')

    def service(
        self,
        id: str,
        *,
        type: str = "",
        retries: str | int = "",
        headers: dict[str, str] | None = None,
        inputs: dict[str, str] | None = None,
        outputs: dict[str, str] | None = None,
        tag: str = "serviceTask",
        **attributes: str,
    ) -> Self:
        """`inputs` and `outputs` are target: source."""
        definition = ""
        if type:
            tries = f" retries={quoteattr(str(retries))}" if retries != "" else ""
            definition = f"<zeebe:taskDefinition type={quoteattr(type)}{tries} />"
        rows = "".join(
            f"<zeebe:header key={quoteattr(key)} value={quoteattr(value)} />" for key, value in (headers or {}).items()
        )
        given = f"<zeebe:taskHeaders>{rows}</zeebe:taskHeaders>" if rows else ""
        extensions = definition + given + mappings(inputs, outputs)
        inside = f"<bpmn:extensionElements>{extensions}</bpmn:extensionElements>" if extensions else ""
        return self.node(tag, id, inside, **attributes)

    def script(self, id: str, expression: str, variable: str) -> Self:
        body = f"<zeebe:script expression={quoteattr(expression)} resultVariable={quoteattr(variable)} />"
        return self.node("scriptTask", id, f"<bpmn:extensionElements>{body}</bpmn:extensionElements>")

    def decide(self, id: str, decision: str, variable: str) -> Self:
        body = f"<zeebe:calledDecision decisionId={quoteattr(decision)} resultVariable={quoteattr(variable)} />"
        return self.node("businessRuleTask", id, f"<bpmn:extensionElements>{body}</bpmn:extensionElements>")

    def exclusive(self, id: str) -> Self:
        return self.node("exclusiveGateway", id)

    def parallel(self, id: str) -> Self:
        return self.node("parallelGateway", id)

    def inclusive(self, id: str) -> Self:
        return self.node("inclusiveGateway", id)

    def complex(self, id: str, activation: str = "", **attributes: str) -> Self:
        inside = f"<bpmn:activationCondition>{escape(activation)}</bpmn:activationCondition>" if activation else ""
        return self.node("complexGateway", id, inside, **attributes)

    def event_based(self, id: str) -> Self:
        return self.node("eventBasedGateway", id)

    def timer(self, id: str, value: str, *, kind: str = "timeDuration") -> Self:
        return self.node("intermediateCatchEvent", id, timer(value, kind))

    def message(self, id: str, name: str, key: str = "") -> Self:
        return self.node("intermediateCatchEvent", id, self._message(name, key))

    def throw_message(self, id: str, name: str, key: str = "") -> Self:
        return self.node("intermediateThrowEvent", id, self._message(name, key))

    def receive(self, id: str, name: str, key: str = "") -> Self:
        return self.node("receiveTask", id, messageRef=self._message_ref(name, key))

    def sub_process(self, id: str, inner: Drawing, *, inputs: dict[str, str] | None = None) -> Self:
        extensions = mappings(inputs, None)
        inside = f"<bpmn:extensionElements>{extensions}</bpmn:extensionElements>" if extensions else ""
        self._globals += inner._globals
        return self.node("subProcess", id, inside + inner.body())

    def ad_hoc(
        self,
        id: str,
        inner: Drawing,
        *,
        active: str = "",
        until: str = "",
        ordering: str = "Parallel",
        cancel: bool = True,
    ) -> Self:
        """Of `inner`, what nothing leads to may be picked; `active` is picked at once."""
        picked = f"<zeebe:adHoc activeElementsCollection={quoteattr(active)} />" if active else ""
        inside = f"<bpmn:extensionElements>{picked}</bpmn:extensionElements>" if picked else ""
        condition = f"<bpmn:completionCondition>{escape(until)}</bpmn:completionCondition>" if until else ""
        self._globals += inner._globals
        attributes = {"ordering": ordering, "cancelRemainingInstances": str(cancel).lower()}
        return self.node("adHocSubProcess", id, inside + inner.body() + condition, **attributes)

    def apart(self) -> Self:
        """What is drawn next is connected to nothing."""
        self._at = None
        return self

    # -- repeating what was drawn last -----------------------------------------------------------------------------

    def many(
        self,
        collection: str = "",
        element: str = "item",
        *,
        output: tuple[str, str] | None = None,
        cardinality: str = "",
        sequential: bool = False,
        until: str = "",
    ) -> Self:
        """Once for each element of a collection, or so many times. `output` is the collection of outputs and what each
        round gives to it."""
        names = {"inputCollection": collection, "inputElement": element} if collection else {}
        if output is not None:
            names |= {"outputCollection": output[0], "outputElement": output[1]}
        given = "".join(f" {name}={quoteattr(value)}" for name, value in names.items())
        inside = f"<bpmn:extensionElements><zeebe:loopCharacteristics{given} /></bpmn:extensionElements>"
        inside += f"<bpmn:loopCardinality>{escape(cardinality)}</bpmn:loopCardinality>" if cardinality else ""
        inside += f"<bpmn:completionCondition>{escape(until)}</bpmn:completionCondition>" if until else ""
        return self.within(
            f'<bpmn:multiInstanceLoopCharacteristics isSequential="{str(sequential).lower()}">{inside}'
            "</bpmn:multiInstanceLoopCharacteristics>"
        )

    def again(self, condition: str = "", *, before: bool = False, maximum: int | None = None) -> Self:
        """While the condition holds, at most so often."""
        most = f' loopMaximum="{maximum}"' if maximum is not None else ""
        inside = f"<bpmn:loopCondition>{escape(condition)}</bpmn:loopCondition>" if condition else ""
        return self.within(
            f'<bpmn:standardLoopCharacteristics testBefore="{str(before).lower()}"{most}>{inside}'
            "</bpmn:standardLoopCharacteristics>"
        )

    def within(self, xml: str) -> Self:
        """Put XML into the node that was drawn last."""
        head, tag, tail = self._nodes[-1].rpartition("</bpmn:")
        self._nodes[-1] = head + xml + tag + tail
        return self

    def call(
        self,
        id: str,
        process: str,
        *,
        inputs: dict[str, str] | None = None,
        outputs: dict[str, str] | None = None,
        **attributes: str,
    ) -> Self:
        """A call activity as Camunda 8 has it; `attributes` are those of ``calledElement``."""
        given = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
        called = f"<zeebe:calledElement processId={quoteattr(process)}{given} />"
        inside = f"<bpmn:extensionElements>{called}{mappings(inputs, outputs)}</bpmn:extensionElements>"
        return self.node("callActivity", id, inside)

    # -- events with any definitions ----------------------------------------------------------------------------------

    def start_on(self, id: str, *definitions: Definition, interrupting: bool = True, **attributes: str) -> Self:
        """The start event of an event sub-process."""
        self._at = None
        attributes["isInterrupting"] = str(interrupting).lower()
        return self.node("startEvent", id, self._definitions(definitions), **attributes)

    def event_sub_process(self, id: str, inner: Drawing) -> Self:
        self._globals += inner._globals
        at = self._at
        self.node("subProcess", id, inner.body(), connect=False, triggeredByEvent="true")
        self._at = at
        return self

    def catch(self, id: str, *definitions: Definition, **attributes: str) -> Self:
        return self.node("intermediateCatchEvent", id, self._definitions(definitions), **attributes)

    def throw(self, id: str, *definitions: Definition, **attributes: str) -> Self:
        return self.node("intermediateThrowEvent", id, self._definitions(definitions), **attributes)

    def end_on(self, id: str, *definitions: Definition, **attributes: str) -> Self:
        return self.node("endEvent", id, self._definitions(definitions), **attributes)

    def on(self, host: str, id: str, *definitions: Definition, interrupting: bool = True, **attributes: str) -> Self:
        """Go on from a boundary event of `host`."""
        attributes |= {"attachedToRef": host, "cancelActivity": str(interrupting).lower()}
        return self.node("boundaryEvent", id, self._definitions(definitions), connect=False, **attributes)

    def undo_with(self, host: str, handler: str, *, type: str = "t", **options: Any) -> Self:
        """A compensation event on the border of `host`, and the service task that undoes it, which is drawn last; the
        pen stays."""
        at, event, association = self._at, f"undo-of-{host}", f"association-of-{host}"
        self.on(host, event, ("compensate",))
        ends = f'sourceRef="{event}" targetRef="{handler}"'
        self._nodes.append(f'<bpmn:association id="{association}" {ends} %DEFAULT-{association}%/>')
        self._at = None
        self.service(handler, type=type, isForCompensation="true", **options)
        return self.at(at) if at else self

    def transaction(self, id: str, inner: Drawing) -> Self:
        self._globals += inner._globals
        return self.node("transaction", id, inner.body())

    def _definitions(self, definitions: tuple[Definition, ...]) -> str:
        return "".join(self._definition(*definition) for definition in definitions)

    def _definition(self, kind: str, value: str = "", more: str = "") -> str:
        """``("error", code)``, ``("escalation", code)``, ``("signal", name)``, ``("message", name, key)``,
        ``("timer", value, kind)``, ``("conditional", FEEL)``, ``("link", name)``, ``("compensate", activity)``,
        ``("cancel",)``, ``("terminate",)``."""
        if kind == "message":
            return self._message(value, more)
        if kind == "timer":
            return timer(value, more or "timeDuration")
        if kind == "conditional":
            condition = f'<bpmn:condition xsi:type="bpmn:tFormalExpression">{escape(value)}</bpmn:condition>'
            return f"<bpmn:conditionalEventDefinition>{condition}</bpmn:conditionalEventDefinition>"
        if kind == "link":
            return f"<bpmn:linkEventDefinition name={quoteattr(value)} />"
        if kind == "compensate":
            given = f" activityRef={quoteattr(value)}" if value else ""
            return f"<bpmn:compensateEventDefinition{given}{f' {more}' if more else ''} />"
        ref = f" {kind}Ref={quoteattr(self._global(kind, value))}" if value else ""
        return f"<bpmn:{kind}EventDefinition{ref} />"

    def _global(self, kind: str, value: str) -> str:
        """An error or escalation by its code, a signal by its name."""
        id = f"{kind.capitalize()}_{self.process_id}_{len(self._globals)}"
        says = "name" if kind == "signal" else f"{kind}Code"
        self._globals.append(f"<bpmn:{kind} id={quoteattr(id)} {says}={quoteattr(value)} />")
        return id

    # -- boundary events -------------------------------------------------------------------------------------------

    def on_error(self, host: str, id: str, code: str = "") -> Self:
        """Go on from an error boundary event of `host`; it catches every error where no code is given."""
        ref = f' errorRef="{self._error(code)}"' if code else ""
        return self._boundary(host, id, f"<bpmn:errorEventDefinition{ref} />")

    def on_timer(
        self, host: str, id: str, value: str, *, kind: str = "timeDuration", interrupting: bool = True
    ) -> Self:
        return self._boundary(host, id, timer(value, kind), interrupting)

    def on_message(self, host: str, id: str, name: str, key: str = "", *, interrupting: bool = True) -> Self:
        return self._boundary(host, id, self._message(name, key), interrupting)

    def _boundary(self, host: str, id: str, definition: str, interrupting: bool = True) -> Self:
        attributes = {"attachedToRef": host, "cancelActivity": str(interrupting).lower()}
        return self.node("boundaryEvent", id, definition, connect=False, **attributes)

    # -- what stands beside the process ----------------------------------------------------------------------------

    def _error(self, code: str) -> str:
        id = f"Error_{self.process_id}_{len(self._globals)}"
        self._globals.append(f"<bpmn:error id={quoteattr(id)} errorCode={quoteattr(code)} />")
        return id

    def _message_ref(self, name: str, key: str) -> str:
        id = f"Message_{self.process_id}_{len(self._globals)}"
        subscription = f"<zeebe:subscription correlationKey={quoteattr(key)} />" if key else ""
        extension = f"<bpmn:extensionElements>{subscription}</bpmn:extensionElements>" if key else ""
        self._globals.append(f"<bpmn:message id={quoteattr(id)} name={quoteattr(name)}>{extension}</bpmn:message>")
        return id

    def _message(self, name: str, key: str) -> str:
        return f'<bpmn:messageEventDefinition messageRef="{self._message_ref(name, key)}" />'

    # -- the document ----------------------------------------------------------------------------------------------

    def body(self) -> str:
        """The flow elements, as they stand inside a process or sub-process."""
        lines = []
        for node in self._nodes:
            id = node.partition("%DEFAULT-")[2].partition("%")[0]
            default = f"default={quoteattr(self._defaults[id])}" if id in self._defaults else ""
            lines.append(node.replace(f" %DEFAULT-{id}%", f" {default}" if default else ""))
        for id, (source, target, condition) in self._flows.items():
            inside = (
                f'<bpmn:conditionExpression xsi:type="bpmn:tFormalExpression">{escape(condition)}'
                "</bpmn:conditionExpression>"
                if condition
                else ""
            )
            lines.append(
                f"<bpmn:sequenceFlow id={quoteattr(id)} sourceRef={quoteattr(source)} "
                f"targetRef={quoteattr(target)}>{inside}</bpmn:sequenceFlow>"
            )
        return "\n".join(lines)

    def xml(self) -> bytes:
        return together(self)


def together(*drawings: Drawing) -> bytes:
    """Several processes in one document."""
    lines = []
    for drawing in drawings:
        name = f" name={quoteattr(drawing.name)}" if drawing.name else ""
        head = f'<bpmn:process id={quoteattr(drawing.process_id)}{name} isExecutable="true">'
        lines += [f"{head}\n{drawing.body()}\n</bpmn:process>", *drawing._globals]
    return (HEAD + "\n".join(lines) + "\n</bpmn:definitions>\n").encode()


def timer(value: str, kind: str = "timeDuration") -> str:
    inside = f'<bpmn:{kind} xsi:type="bpmn:tFormalExpression">{escape(value)}</bpmn:{kind}>'
    return f"<bpmn:timerEventDefinition>{inside}</bpmn:timerEventDefinition>"


def mappings(inputs: dict[str, str] | None, outputs: dict[str, str] | None) -> str:
    rows = "".join(
        f"<zeebe:{kind} source={quoteattr(source)} target={quoteattr(target)} />"
        for kind, pairs in (("input", inputs), ("output", outputs))
        for target, source in (pairs or {}).items()
    )
    return f"<zeebe:ioMapping>{rows}</zeebe:ioMapping>" if rows else ""
