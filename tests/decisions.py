"""Writes DMN models in a few lines, as Camunda Modeler saves them, so that a test can show its table.

decisions(table("dish", inputs=["season"], outputs=["name"], rules=[('"Winter"', '"Roastbeef"')]))
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

SPACE = "https://www.omg.org/spec/DMN/20191111/MODEL/"


def decisions(*inside: str, space: str = SPACE, id: str = "model") -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<definitions xmlns="{space}" '
        'xmlns:camunda="http://camunda.org/schema/1.0/dmn" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" '
        f'xmlns:dmndi="https://www.omg.org/spec/DMN/20191111/DMNDI/" id="{id}" name="Model" '
        'namespace="http://camunda.org/schema/1.0/dmn" exporter="Camunda Modeler" exporterVersion="5.20.0">\n'
        + "\n".join(inside)
        + '\n<dmndi:DMNDI><dmndi:DMNDiagram id="Diagram_1" /></dmndi:DMNDI></definitions>'
    ).encode()


def decision(
    id: str,
    logic: str,
    *,
    name: str = "",
    requires: Sequence[str] = (),
    inputs: Sequence[str] = (),
    knows: Sequence[str] = (),
    inside: str = "",
    **attributes: str,
) -> str:
    """`requires` are ids of decisions, `inputs` of input data, `knows` of business knowledge models."""
    links = [f'<informationRequirement><requiredDecision href="#{one}" /></informationRequirement>' for one in requires]
    links += [f'<informationRequirement><requiredInput href="#{one}" /></informationRequirement>' for one in inputs]
    links += [f'<knowledgeRequirement><requiredKnowledge href="#{one}" /></knowledgeRequirement>' for one in knows]
    given = "".join(f" {key.replace('_', ':')}={quoteattr(value)}" for key, value in attributes.items())
    return (
        f"<decision id={quoteattr(id)} name={quoteattr(name or id)}{given}>{inside}{''.join(links)}{logic}</decision>"
    )


def table(
    id: str,
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    rules: Sequence[Sequence[str]],
    policy: str = "",
    aggregation: str = "",
    input_types: Sequence[str] = (),
    input_values: Sequence[str] = (),
    output_types: Sequence[str] = (),
    output_values: Sequence[str] = (),
    defaults: Sequence[str] = (),
    **around: str | Sequence[str],
) -> str:
    """A decision with a table; a rule has a cell for each input, then one for each output."""
    parts = []
    for number, expression in enumerate(inputs):
        type = f' typeRef="{input_types[number]}"' if input_types else ""
        values = _text("inputValues", input_values[number]) if input_values else ""
        parts.append(
            f'<input id="{id}_in{number}"><inputExpression id="{id}_inx{number}"{type}>'
            f"<text>{escape(expression)}</text></inputExpression>{values}</input>"
        )
    for number, name in enumerate(outputs):
        type = f' typeRef="{output_types[number]}"' if output_types else ""
        values = _text("outputValues", output_values[number]) if output_values else ""
        default = _text("defaultOutputEntry", defaults[number]) if defaults else ""
        parts.append(f'<output id="{id}_out{number}" name={quoteattr(name)}{type}>{values}{default}</output>')
    for number, cells in enumerate(rules, start=1):
        row = [_text("inputEntry", cell) for cell in cells[: len(inputs)]]
        row += [_text("outputEntry", cell) for cell in cells[len(inputs) :]]
        parts.append(f'<rule id="{id}_rule{number}">{"".join(row)}</rule>')
    how = (f' hitPolicy="{policy}"' if policy else "") + (f' aggregation="{aggregation}"' if aggregation else "")
    return decision(id, f'<decisionTable id="{id}_table"{how}>{"".join(parts)}</decisionTable>', **around)  # type: ignore[arg-type]


def literal(id: str, text: str, **around: str | Sequence[str]) -> str:
    return decision(id, expression(text), **around)  # type: ignore[arg-type]


def expression(text: str) -> str:
    return _text("literalExpression", text)


def input_data(id: str, name: str = "", type: str = "") -> str:
    kind = f" typeRef={quoteattr(type)}" if type else ""
    named = quoteattr(name or id)
    return f'<inputData id="{id}" name={named}><variable name={named}{kind} /></inputData>'


def knowledge(id: str, body: str, parameters: dict[str, str], *, knows: Sequence[str] = (), kind: str = "FEEL") -> str:
    """`parameters` are name: type."""
    links = "".join(
        f'<knowledgeRequirement><requiredKnowledge href="#{one}" /></knowledgeRequirement>' for one in knows
    )
    formal = "".join(
        f"<formalParameter name={quoteattr(name)}" + (f" typeRef={quoteattr(type)}" if type else "") + " />"
        for name, type in parameters.items()
    )
    logic = f'<encapsulatedLogic kind="{kind}">{formal}{expression(body)}</encapsulatedLogic>'
    return (
        f'<businessKnowledgeModel id="{id}" name="{id}"><variable name="{id}" />{logic}{links}</businessKnowledgeModel>'
    )


def _text(tag: str, text: str) -> str:
    return f"<{tag}><text>{escape(text)}</text></{tag}>"
