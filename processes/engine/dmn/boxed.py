"""Reads the logic of decisions: boxed expressions and decision tables."""

from __future__ import annotations

from collections.abc import Callable

from processes.engine import feel
from processes.engine.dmn.logic import Context, Invocation, ListOf, LiteralExpression, Logic, Relation
from processes.engine.dmn.part import CAMUNDA, NULL, Part
from processes.engine.dmn.policies import Aggregator, HitPolicy
from processes.engine.dmn.table import DecisionTable, InputClause, OutputClause, Rule
from processes.engine.dmn.types import known


def read_logic(part: Part) -> Logic | None:
    """The logic of a part that is one; None, with a problem, where it is not executed."""
    read = _READERS.get(part.tag)
    if read is None:
        part.refuse(part.tag)
        return None
    return read(part)


def logic_in(part: Part, *others: str) -> Logic | None:
    """The one expression inside a part, besides `others`; None where there is none, or a problem with it."""
    found = list(part.children(*_READERS, *UNREAD))
    part.refuse_others({*_READERS, *UNREAD, *others})
    if len(found) > 1:
        part.problem("two-expressions", f"Expected one expression in {part.tag} but found {len(found)}")
    return read_logic(found[0]) if found else None


def _literal(part: Part) -> Logic:
    part.refuse_others({"text"})
    text = part.text()
    if not text:
        part.problem("no-expression", "Expected the expression to have a text but found none")
    return LiteralExpression(part.expression(text, "the expression"))


def _context(part: Part) -> Logic:
    part.refuse_others({"contextEntry"})
    entries = []
    for entry in part.children("contextEntry"):
        variable = entry.child("variable")
        name = variable.get("name") if variable is not None else ""
        logic = logic_in(entry, "variable")
        entries.append((name, logic or LiteralExpression(NULL)))
    for name, _ in entries[:-1]:
        if not name:
            part.problem("no-name", "Expected every entry but the last to have a variable with a name")
    return Context(tuple(entries))


def _list(part: Part) -> Logic:
    part.refuse_others({*_READERS, *UNREAD})
    return ListOf(tuple(logic for item in part.children(*_READERS, *UNREAD) if (logic := read_logic(item))))


def _relation(part: Part) -> Logic:
    part.refuse_others({"column", "row"})
    columns = tuple(column.get("name") for column in part.children("column"))
    rows = []
    for row in part.children("row"):
        row.refuse_others({*_READERS, *UNREAD})
        cells = tuple(logic for item in row.children(*_READERS, *UNREAD) if (logic := read_logic(item)))
        if len(cells) != len(columns):
            row.problem("bad-row", f"Expected {len(columns)} cells in the row but found {len(cells)}")
        rows.append(cells)
    return Relation(columns, tuple(rows))


def _invocation(part: Part) -> Logic:
    part.refuse_others({"literalExpression", "binding"})
    called = part.child("literalExpression")
    function = called.expression(called.text(), "the function") if called is not None else NULL
    if called is None:
        part.problem("no-function", "Expected the invocation to say what it calls but found nothing")
    bindings = []
    for binding in part.children("binding"):
        parameter = binding.child("parameter")
        name = parameter.get("name") if parameter is not None else ""
        if not name or "`" in name:
            binding.problem("no-name", "Expected the binding to name a parameter but found none")
            continue
        bindings.append((name, logic_in(binding, "parameter") or LiteralExpression(NULL)))
    arguments = ", ".join(f"`{name}`: `{name}`" for name, _ in bindings)
    try:
        call = feel.compile(f"`called function`({arguments})")
    except feel.FeelSyntaxError as error:
        part.problem("bad-feel", f"Expected names of parameters but found {arguments}: {error}")
        call = NULL
    return Invocation(function, tuple(bindings), call)


# -- decision tables ---------------------------------------------------------------------------------------------------


def _table(part: Part) -> Logic:
    part.refuse_others({"input", "output", "rule", "annotation"})
    policy, aggregator = _policy(part)
    inputs = tuple(_input(clause) for clause in part.children("input"))
    outputs = _outputs(part, policy, aggregator)
    rules = tuple(
        _rule(rule, index, len(inputs), len(outputs)) for index, rule in enumerate(part.children("rule"), start=1)
    )
    return DecisionTable(inputs, outputs, rules, policy, aggregator)


def _policy(part: Part) -> tuple[HitPolicy, Aggregator | None]:
    policy, aggregator = HitPolicy.UNIQUE, None
    text = part.get("hitPolicy", "UNIQUE").strip()
    try:
        policy = HitPolicy(text)
    except ValueError:
        part.problem("bad-hit-policy", f"Expected hitPolicy to be one of {', '.join(HitPolicy)} but found '{text}'")
    text = part.get("aggregation").strip()
    if text:
        try:
            aggregator = Aggregator(text)
        except ValueError:
            message = f"Expected aggregation to be one of {', '.join(Aggregator)} but found '{text}'"
            part.problem("bad-aggregation", message)
        if policy is not HitPolicy.COLLECT:
            part.problem("bad-aggregation", f"Expected aggregation with hit policy COLLECT but found it with {policy}")
            aggregator = None
    return policy, aggregator


def _input(part: Part) -> InputClause:
    part.refuse_others({"inputExpression", "inputValues"})
    expression, values = part.child("inputExpression"), part.child("inputValues")
    text = expression.text() if expression is not None else ""
    if expression is not None:
        expression.refuse_others({"text"})
    if not text:
        part.problem("no-expression", "Expected the input to have an inputExpression with a text but found none")
    if part.foreign(CAMUNDA, "inputVariable"):
        part.refuse("camunda:inputVariable; the value of the input is '?'")
    name = part.get("label") or text
    return InputClause(
        name,
        expression.expression(text, f"the input '{name}'") if expression is not None else NULL,
        known(expression.get("typeRef")) if expression is not None else "",
        values.each_test(f"the input values of '{name}'") if values is not None else (),
    )


def _outputs(part: Part, policy: HitPolicy, aggregator: Aggregator | None) -> tuple[OutputClause, ...]:
    clauses = list(part.children("output"))
    if not clauses:
        part.problem("no-output", "Expected the table to have an output but found none")
    if aggregator is not None and len(clauses) > 1:
        part.problem("bad-aggregation", f"Expected one output to aggregate but found {len(clauses)}")
    outputs: list[OutputClause] = []
    names: set[str] = set()
    for clause in clauses:
        clause.refuse_others({"outputValues", "defaultOutputEntry"})
        name = clause.get("name") or (clause.get("label") or "output" if len(clauses) == 1 else "")
        if not name:
            clause.problem("no-name", "Expected every one of several outputs to have a name but found none")
        elif name in names:
            clause.problem("two-outputs", f"Expected the outputs to have different names but found '{name}' again")
        names.add(name)
        values, default = clause.child("outputValues"), clause.child("defaultOutputEntry")
        outputs.append(
            OutputClause(
                name,
                known(clause.get("typeRef")),
                values.each_test(f"the output values of '{name}'") if values is not None else (),
                default.expression(default.text(), f"the default of '{name}'") if default is not None else None,
            )
        )
    if clauses and policy.is_ordered and not any(output.allowed for output in outputs):
        part.problem("no-output-values", f"Expected outputValues, which hit policy {policy} goes by, but found none")
    return tuple(outputs)


def _rule(part: Part, index: int, inputs: int, outputs: int) -> Rule:
    part.refuse_others({"inputEntry", "outputEntry", "annotationEntry"})
    tests = [entry.tests(entry.text(), f"the test in rule {index}") for entry in part.children("inputEntry")]
    values = [entry.expression(entry.text(), f"the output of rule {index}") for entry in part.children("outputEntry")]
    for what, found, wanted in (("inputEntry", len(tests), inputs), ("outputEntry", len(values), outputs)):
        if found != wanted:
            part.problem("bad-rule", f"Expected {wanted} {what} in rule {index}, one a column, but found {found}")
    return Rule(index, part.id, tuple(tests), tuple(values))


_READERS: dict[str, Callable[[Part], Logic]] = {
    "literalExpression": _literal,
    "decisionTable": _table,
    "context": _context,
    "list": _list,
    "relation": _relation,
    "invocation": _invocation,
}
UNREAD = ("functionDefinition", "conditional", "filter", "for", "every", "some")
"""Boxed expressions that are refused by name."""
