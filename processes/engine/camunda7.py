"""The service tasks of Camunda 7: what its ``camunda:`` attributes and extension elements ask for, in our words.

| Camunda 7 | here |
|---|---|
| `camunda:type="external"`, `camunda:topic` | a job of that type |
| `camunda:connector` | a job of the type `connectorId`; its outputs are read from its result only |
| `camunda:expression`, `camunda:resultVariable` | evaluated at once |
| `camunda:class`, `camunda:delegateExpression` | a job of the type that they name, for a worker of yours |
| `camunda:field` | task headers of such a job |
| `camunda:inputOutput` | input and output mappings; texts, expressions, lists, maps, scripts in FEEL or JUEL |
| `camunda:failedJobRetryTimeCycle` | the header `retryBackoff`, and the number of tries |
| `camunda:errorEventDefinition` of an external task | thrown where its expression holds as the job ends |

Expressions are JUEL (see `juel`); scripts of mappings are FEEL or JUEL. Everything else of Camunda 7 is refused by name
where it would have done something.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from processes.engine import feel, juel, schedule
from processes.engine.errors import BpmnError, ProcessFault
from processes.engine.expression import Expression
from processes.engine.feel import parser as feel_parser
from processes.engine.feel import syntax
from processes.engine.mapping import Overlay, VariableMapping
from processes.engine.source import Source

EXPRESSION_ATTRIBUTES = frozenset({"expression", "resultVariable"})
JOB_ATTRIBUTES = frozenset({"class", "delegateExpression", "topic", "type"})
JOB_ELEMENTS = frozenset({"connector", "errorEventDefinition", "failedJobRetryTimeCycle", "field"})
MAPPING_ELEMENTS = frozenset({"inputOutput"})
SCRIPTS = frozenset({"feel", "application/feel", "juel"})
"""Formats of scripts inside mappings that are executed."""


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """A ``camunda:errorEventDefinition`` inside a task. `condition` None: it always holds."""

    condition: Expression | None
    code: str
    message: str

    def holds(self, variables: Mapping[str, Any], at: datetime) -> bool:
        """Raises `ProcessFault`."""
        return self.condition is None or self.condition.evaluate(variables, at) is True


@dataclass(frozen=True, slots=True)
class Implementation:
    """How Camunda 7 says that the work of a task is done: `type` of a job with `headers`, or an `expression`."""

    type: Expression | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    expression: Expression | None = None


def place(source: Source) -> Source:
    """The element on which Camunda 7 says how the work is done: of a throwing event its message definition, else the
    element itself."""
    return next(
        (part for part in source.children() if part.tag.endswith("EventDefinition") and names_work(part)), source
    )


def names_work(source: Source) -> bool:
    """Whether an element says how work is done."""
    words = JOB_ATTRIBUTES | EXPRESSION_ATTRIBUTES
    return any(source.camunda(name) is not None for name in words) or any(source.camunda_extensions("connector"))


def implementation(source: Source) -> Implementation | None:
    """What the attributes and elements of a task name; a problem where that is more than one thing, or half of one."""
    found = [name for name in ("class", "delegateExpression", "expression", "type") if source.camunda(name) is not None]
    connector = next(source.camunda_extensions("connector"), None)
    named = [f"camunda:{name}" for name in found] + (["camunda:connector"] if connector is not None else [])
    if len(named) > 1:
        source.problem("two-implementations", f"Expected one implementation but found {', '.join(named)}")
    if source.camunda("topic") is not None and source.camunda("type") is None:
        what = f"Expected camunda:type 'external' with a topic but found only topic '{source.camunda('topic')}'"
        source.problem("not-executable", what)
    alone = source.camunda("expression") is None and source.child("script") is None
    if source.camunda("resultVariable") is not None and alone:
        source.problem("not-executable", "Expected camunda:resultVariable with camunda:expression but found it alone")
    if not named:
        return None
    if connector is not None:
        return Implementation(_connector_id(connector))
    value = (source.camunda(found[0]) or "").strip()
    if found[0] == "type":
        topic = (source.camunda("topic") or "").strip()
        if value != "external" or not topic:
            what = f"'{value}' and topic '{topic}'"
            source.problem("not-executable", f"Expected camunda:type 'external' with a topic but found {what}")
        return Implementation(source.juel(topic, "camunda:topic"))
    if found[0] == "expression":
        return Implementation(expression=source.juel(value, "camunda:expression"))
    kind = value if found[0] == "class" else value.removeprefix("$").removeprefix("#").strip("{} ")
    source.warning(
        "java-as-job", f"camunda:{found[0]} is Java; here it is a job of type '{kind}' for a worker of yours"
    )
    return Implementation(Expression(kind), dict(_fields(source)))


def _connector_id(connector: Source) -> Expression:
    part = next(connector.parts("connectorId"), None)
    if part is None or not part.text():
        connector.problem("no-job-type", "Expected the connector to have a connectorId but found none")
        return Expression("connector")
    return connector.juel(part.text(), "the connectorId")


def _fields(source: Source) -> Iterator[tuple[str, str]]:
    """Fields that are injected into Java objects, as task headers; static ones only."""
    for part in source.camunda_extensions("field"):
        text = part.get("stringValue") or next((inner.text() for inner in part.parts("string")), "")
        expression = part.get("expression") or next((inner.text() for inner in part.parts("expression")), "")
        if expression and juel.is_juel(expression):
            part.problem("not-executable", f"Expected a literal field but found the expression '{expression}'")
        yield part.get("name"), text or expression


def mappings(source: Source) -> tuple[tuple[VariableMapping, ...], tuple[VariableMapping, ...]]:
    """Inputs and outputs of ``camunda:inputOutput`` and of the connector's own, which lies inside."""
    own = list(source.camunda_extensions("inputOutput"))
    connectors = [
        part for connector in place(source).camunda_extensions("connector") for part in connector.parts("inputOutput")
    ]
    inputs = tuple(_parameters([*own, *connectors], "inputParameter"))
    outputs = tuple(_parameters([*connectors, *own], "outputParameter"))
    return inputs, outputs


def keeps_result(source: Source) -> bool:
    """Whether the variables of a completed job are set beside its output mappings, as those of external tasks are; a
    connector's result is for its mappings only."""
    return any(source.camunda_extensions("inputOutput")) and not any(place(source).camunda_extensions("connector"))


def retry_cycle(source: Source) -> tuple[str, int] | None:
    """``failedJobRetryTimeCycle`` as `retryBackoff` and number of tries; a problem where it is none."""
    part = next(source.camunda_extensions("failedJobRetryTimeCycle"), None)
    if part is None or not part.text():
        return None
    text = part.text()
    head, slash, rest = text.rpartition("/")
    pauses = [pause.strip() for pause in rest.split(",")]
    try:
        for pause in pauses:
            schedule.span(pause)
        if not slash:
            # A list of pauses, one after each try that failed, so one try more than pauses.
            return ",".join(pauses), len(pauses) + 1
        if head[:1] != "R" or not head[1:].isdigit() or not 1 <= int(head[1:]) <= 1000 or len(pauses) != 1:
            raise ValueError(f"Expected a cycle such as R5/PT5M or PT1M,PT5M but found '{text}'")
    except ValueError as error:
        part.problem("bad-retry", str(error))
        return None
    return rest, int(head[1:])


def error_rules(source: Source) -> tuple[ErrorRule, ...]:
    """The ``errorEventDefinition`` elements of an external task."""
    rules = []
    for part in source.camunda_extensions("errorEventDefinition"):
        if source.camunda("type") != "external":
            part.problem("not-executable", "Expected an external task but found errorEventDefinition on another one")
        error = part.reference("errorRef", "error")
        code = error.get("errorCode").strip() if error is not None else ""
        if not code:
            part.problem("no-error-code", "Expected errorRef to name an error with an errorCode but found none")
        text = part.get("expression")
        condition = source.juel(text, "the expression of the errorEventDefinition") if text else None
        rules.append(ErrorRule(condition, code, error.camunda("errorMessage") or "" if error is not None else ""))
    return tuple(rules)


def completed(
    rules: tuple[ErrorRule, ...], given: Mapping[str, Any], variables: Mapping[str, Any], at: datetime
) -> BpmnError | None:
    """The error that a job throws which was completed with variables, by the first rule that holds. Raises
    `ProcessFault`."""
    seen = Overlay({"externalTask": {}, **given}, variables)
    for rule in rules:
        if rule.holds(seen, at):
            return BpmnError(rule.code, rule.message, given)
    return None


def failed(rules: tuple[ErrorRule, ...], message: str, variables: Mapping[str, Any], at: datetime) -> BpmnError | None:
    """The error that a job throws which failed, by the first rule that holds; one that cannot be evaluated does not."""
    seen = Overlay({"externalTask": {"errorMessage": message, "errorDetails": message}}, variables)
    for rule in rules:
        try:
            if rule.holds(seen, at):
                return BpmnError(rule.code, rule.message or message)
        except ProcessFault:
            continue
    return None


# -- values ------------------------------------------------------------------------------------------------------------


def _parameters(containers: list[Source], name: str) -> Iterator[VariableMapping]:
    for container in containers:
        for part in container.parts(name):
            target = part.get("name").strip()
            if not target:
                part.problem("no-target", f"Expected the {name} to have a name but found none")
                continue
            what = f"the {name} '{target}'"
            yield VariableMapping(_value(part, what), (target,))


def _value(part: Source, what: str) -> Expression:
    inner = [child for child in part.element if isinstance(child.tag, str)]
    if not inner:
        return part.juel(part.text(), what) if part.text() else Expression("", feel.compile("null"))
    try:
        return Expression(part.tag, feel.Expression(part.tag, _tree(part, what)))
    except feel.FeelSyntaxError as error:
        part.problem("bad-expression", f"Expected {what} to be an expression but found: {error}")
        return Expression("")


def _tree(part: Source, what: str) -> syntax.Node:
    """The value of a parameter, an item or an entry. Raises `FeelSyntaxError`."""
    for child in part.parts("script"):
        return _script(child, what)
    for child in part.parts("list"):
        return syntax.ListLiteral(tuple(_tree_of(item, what) for item in child.inner()))
    for child in part.parts("map"):
        entries = {entry.get("key"): _tree(entry, what) for entry in child.parts("entry")}
        return syntax.ContextLiteral(tuple(entries.items()))
    text = part.text()
    if not text:
        return syntax.Literal(None)
    return juel.parse(text) if juel.is_juel(text) else syntax.Literal(text)


def _tree_of(item: Source, what: str) -> syntax.Node:
    """An item of a list: ``camunda:value`` with a text, or a script, a list or a map itself."""
    if item.tag == "script":
        return _script(item, what)
    if item.tag == "list":
        return syntax.ListLiteral(tuple(_tree_of(inner, what) for inner in item.inner()))
    if item.tag == "map":
        return syntax.ContextLiteral(tuple((entry.get("key"), _tree(entry, what)) for entry in item.parts("entry")))
    return _tree(item, what)


def _script(script: Source, what: str) -> syntax.Node:
    language = script.get("scriptFormat").strip().lower()
    if language not in SCRIPTS or script.get("resource"):
        found = script.get("resource") or language
        script.problem("not-executable", f"Expected {what} to be a script in FEEL or JUEL but found '{found}'")
        return syntax.Literal(None)
    if language == "juel":
        return juel.parse(script.text())
    return feel_parser.parse(script.text().removeprefix("="))
