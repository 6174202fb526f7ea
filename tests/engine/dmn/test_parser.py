"""What is read of DMN documents, and what is refused with its place."""

from __future__ import annotations

import pytest

from processes.engine import dmn
from processes.engine.dmn.part import NAMESPACES
from processes.engine.errors import ModelInvalid, Severity
from tests.decisions import decision, decisions, expression, input_data, knowledge, literal, table
from tests.drawing import Drawing
from tests.engine.dmn.test_policies import NOON

DISH = {"inputs": ["season"], "outputs": ["dish"], "rules": [('"Winter"', '"Roastbeef"')]}

CAMUNDA = b"""<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/"
    xmlns:dmndi="https://www.omg.org/spec/DMN/20191111/DMNDI/" xmlns:dc="http://www.omg.org/spec/DMN/20180521/DC/"
    xmlns:biodi="http://bpmn.io/schema/dmn/biodi/2.0" xmlns:modeler="http://camunda.org/schema/modeler/1.0"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="dinner" name="Dinner"
    namespace="http://camunda.org/schema/1.0/dmn" modeler:executionPlatform="Camunda Cloud"
    modeler:executionPlatformVersion="8.4.0">
  <decision id="dish" name="Dish">
    <extensionElements><zeebe:versionTag value="stable" /></extensionElements>
    <informationRequirement id="r1"><requiredInput href="#season_in" /></informationRequirement>
    <authorityRequirement id="r2"><requiredAuthority href="#chef" /></authorityRequirement>
    <decisionTable id="dish_table">
      <input id="Input_1" label="Season" biodi:width="192">
        <inputExpression id="InputExpression_1" typeRef="string"><text>season</text></inputExpression>
        <inputValues id="UnaryTests_1"><text>"Winter","Summer"</text></inputValues>
      </input>
      <output id="Output_1" label="Dish" name="dish" typeRef="string" biodi:width="192" />
      <annotation name="why" />
      <rule id="Rule_1">
        <description>hearty</description>
        <inputEntry id="UnaryTests_2"><text>"Winter"</text></inputEntry>
        <outputEntry id="LiteralExpression_1"><text>"Roastbeef"</text></outputEntry>
        <annotationEntry><text>cold outside</text></annotationEntry>
      </rule>
    </decisionTable>
  </decision>
  <inputData id="season_in" name="season" />
  <knowledgeSource id="chef" name="Chef" />
  <textAnnotation id="t1"><text>a note</text></textAnnotation>
  <dmndi:DMNDI><dmndi:DMNDiagram><dmndi:DMNShape dmnElementRef="dish"><dc:Bounds height="80" width="180" x="160"
    y="100" /></dmndi:DMNShape></dmndi:DMNDiagram></dmndi:DMNDI>
</definitions>
"""


def problems(document: bytes) -> list[tuple[str, str]]:
    with pytest.raises(ModelInvalid) as invalid:
        dmn.parse(document)
    return [(problem.rule, problem.element) for problem in invalid.value.problems]


def test_as_camunda_modeler_saves_it() -> None:
    model = dmn.parse(CAMUNDA)
    assert (model.id, model.warnings) == ("dinner", ())
    found = model.decisions["dish"]
    assert (found.name, found.version_tag, found.line) == ("Dish", "stable", 8)
    assert dmn.evaluate(model, "dish", {"season": "Winter"}, NOON).result == "Roastbeef"


@pytest.mark.parametrize("space", NAMESPACES)
def test_every_version_of_dmn(space: str) -> None:
    document = decisions(table("d", **DISH), space=space)
    assert dmn.is_dmn(document)
    assert dmn.evaluate(dmn.parse(document), "d", {"season": "Winter"}, NOON).result == "Roastbeef"


def test_a_process_is_no_decision_model() -> None:
    process = Drawing("p").start().end().xml()
    assert not dmn.is_dmn(process)
    assert problems(process) == [("not-dmn", "")]


def test_what_is_no_xml_or_too_much_is_refused_before_it_is_read() -> None:
    for document, rule in [
        (b"<definitions", "not-xml"),
        (b'<!DOCTYPE d [<!ENTITY e "x">]><d>&e;</d>', "doctype"),
        (b" " * (5 * 1024 * 1024 + 1), "too-large"),
    ]:
        with pytest.raises(ModelInvalid) as invalid:
            dmn.is_dmn(document)
        assert [problem.rule for problem in invalid.value.problems] == [rule]


def test_every_problem_is_told_with_line_element_and_rule() -> None:
    document = decisions(
        table("a", inputs=["1 +"], outputs=["o"], rules=[("< ", "2"), ("1", "2", "3")]),
        table("a", **DISH),
        decision("b", ""),
        decision("c", expression("")),
    )
    found = problems(document)
    assert set(found) == {
        ("bad-feel", "a_inx0"), ("bad-feel", "a_rule1"), ("bad-rule", "a_rule2"), ("duplicate-id", "a"),
        ("no-logic", "b"), ("no-expression", "c"),
    }  # fmt: skip
    with pytest.raises(ModelInvalid) as invalid:
        dmn.parse(document)
    assert all(problem.line >= 2 for problem in invalid.value.problems)


@pytest.mark.parametrize(
    ("inside", "what"),
    [
        ('<decisionService id="s" />', "decisionService in definitions"),
        ('<import namespace="x" />', "import in definitions"),
        (decision("d", "<functionDefinition />"), "functionDefinition"),
        (decision("d", "<conditional />"), "conditional"),
        (decision("d", "<for />"), "for"),
        (decision("d", "<filter />"), "filter"),
        (decision("d", "<literalExpression><importedValues /></literalExpression>"), "importedValues"),
        (knowledge("k", "1", {}, kind="Java") + literal("d", "1"), "a function of kind Java"),
        (
            knowledge("k", "1", {}).replace("literalExpression", "decisionTable") + literal("d", "1"),
            "decisionTable as a function",
        ),
    ],
)
def test_what_is_not_executed_is_refused_by_name(inside: str, what: str) -> None:
    with pytest.raises(ModelInvalid) as invalid:
        dmn.parse(decisions(inside if "<decision " in inside else inside + literal("x", "1")))
    assert f"Expected what is executed but found {what}" in str(invalid.value)


def test_other_languages_are_refused() -> None:
    document = decisions(table("d", **DISH))
    for old, new in [
        (b"<inputEntry>", b'<inputEntry expressionLanguage="juel">'),
        (b"<outputEntry>", b'<outputEntry expressionLanguage="groovy">'),
        (b'<inputExpression id="d_inx0"', b'<inputExpression expressionLanguage="javascript" id="d_inx0"'),
        (b'id="model"', b'id="model" expressionLanguage="http://www.w3.org/1999/XPath"'),
    ]:
        assert [rule for rule, _ in problems(document.replace(old, new))] == ["not-feel"]
    feel = document.replace(b"<inputEntry>", b'<inputEntry expressionLanguage="feel">')
    assert dmn.parse(feel).decisions


def test_requirements_must_lead_somewhere_and_not_back() -> None:
    assert problems(decisions(literal("d", "1", requires=["nobody"]))) == [("unknown-reference", "d")]
    circle = decisions(literal("a", "b", requires=["b"]), literal("b", "a", requires=["a"]))
    assert problems(circle) == [("requirement-cycle", "a")]
    itself = decisions(knowledge("k", "k(1)", {"n": ""}, knows=["k"]), literal("d", "1"))
    assert problems(itself) == [("requirement-cycle", "k")]


def test_a_long_chain_is_no_circle() -> None:
    chain = [literal("d0", "x")]
    chain += [literal(f"d{n}", f"d{n - 1} + 1", requires=[f"d{n - 1}"]) for n in range(1, 1500)]
    model = dmn.parse(decisions(*chain))
    assert dmn.evaluate(model, "d1499", {"x": 1}, NOON).result == 1500


def test_types_of_the_models_own_are_told_not_to_be_checked() -> None:
    document = decisions('<itemDefinition name="tDish"><typeRef>string</typeRef></itemDefinition>', table("d", **DISH))
    (warning,) = dmn.parse(document).warnings
    assert (warning.rule, warning.severity) == ("type-not-checked", Severity.WARNING)


def test_outputs_have_names_where_there_are_several() -> None:
    document = decisions(table("d", inputs=["x"], outputs=["", ""], rules=[]))
    assert problems(document) == [("no-name", "d_out0"), ("no-name", "d_out1")]
    twice = decisions(table("d", inputs=["x"], outputs=["a", "a"], rules=[]))
    assert problems(twice) == [("two-outputs", "d_out1")]


def test_camunda_7s_name_for_the_tested_value_is_refused() -> None:
    document = decisions(table("d", **DISH)).replace(
        b'<input id="d_in0"', b'<input id="d_in0" camunda:inputVariable="x"'
    )
    assert problems(document) == [("not-executable", "d_in0")]


def test_names_that_every_cell_is_read_with_have_their_limit() -> None:
    names = [input_data(f"i{n}", f"net-{n}") for n in range(201)]
    assert problems(decisions(*names, literal("d", "1"))) == [("too-many-names", "")]
    words = [input_data(f"w{n}", f"net total x{n}") for n in range(500)]
    model = dmn.parse(decisions(*words, *names[:150], literal("d", "net-7 + net total x8")))
    assert dmn.evaluate(model, "d", {"net-7": 1, "net total x8": 2}, NOON).result == 3
