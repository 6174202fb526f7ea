"""What callers rely on: lookups, host functions, caching, JSON, purity."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from processes.engine import feel
from processes.engine.feel.builtins import BUILTINS
from tests.engine.feel.evaluation import NOW, result, value


class Recording(Mapping[str, Any]):
    """A mapping that notes what is asked of it and refuses to be copied."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.asked: list[str] = []

    def __getitem__(self, name: str) -> Any:
        self.asked.append(name)
        return self.data[name]

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("Expected single lookups but the variables were listed")

    def __len__(self) -> int:
        raise AssertionError("Expected single lookups but the variables were counted")


def test_variables_are_looked_up_one_by_one() -> None:
    variables = Recording({"a": {"b": 4}, "unused": 1})
    assert feel.compile("a.b > 3 and is defined(a)").evaluate(variables, now=NOW).value is True
    assert set(variables.asked) == {"a"}


def test_a_host_function_is_called_by_position_and_by_name() -> None:
    calls: list[tuple[str, str]] = []

    def bpmn_error(code: str, error_message: str = "") -> dict[str, str]:
        calls.append((code, error_message))
        return {"code": code}

    functions = {"bpmnError": bpmn_error}
    assert value('if x > 1 then bpmnError("A", "b") else null', {"x": 2}, functions=functions) == {"code": "A"}
    assert value('bpmnError(error message: "c", code: "B").code', functions=functions) == "B"
    assert calls == [("A", "b"), ("B", "c")]
    assert result("bpmnError()", functions=functions).value is None


def test_what_a_host_function_raises_passes_through() -> None:
    def refuse() -> None:
        raise LookupError("closed")

    with pytest.raises(LookupError, match="closed"):
        result("refuse()", functions={"refuse": refuse})


def test_a_text_is_compiled_once_whatever_plain_names_are_in_scope() -> None:
    assert feel.compile("a + 1", names=["a", "b c"]) is feel.compile("a + 1", names=["x", "y"])
    assert feel.compile("a-b + 1", names=["a-b"]) is not feel.compile("a-b + 1")


def test_an_expression_keeps_nothing_of_an_evaluation() -> None:
    expression = feel.compile("for i in xs return i + y")
    assert expression.evaluate({"xs": [1], "y": 1}, now=NOW).value == [2]
    assert expression.evaluate({"xs": [], "y": 1}, now=NOW) == feel.Result([], ())


def test_a_function_value_can_be_a_variable_of_another_evaluation() -> None:
    add = value("function(a) a + n", {"n": 1})
    assert value("add(1)", {"add": add, "n": 10}) == 11


def test_json_of_what_feel_does_not_know_is_refused() -> None:
    with pytest.raises(feel.FeelError, match="Expected a FEEL value but found object"):
        feel.to_json({"a": object()})


def test_chance_is_no_function() -> None:
    assert "random number" not in BUILTINS


@pytest.mark.parametrize("name", sorted(BUILTINS))
def test_every_function_can_be_called_by_its_name(name: str) -> None:
    # Without arguments most are null, but the name itself is read as one and found.
    found = result(f"{name}()", {"date": 1, "list": 2})
    assert not any("does not exist" in warning for warning in found.warnings)


def test_nothing_in_here_knows_the_clock_or_the_world() -> None:
    folder = Path(feel.__file__).parent
    allowed = {
        "__future__",
        "collections",
        "contextlib",
        "dataclasses",
        "datetime",
        "decimal",
        "enum",
        "functools",
    }
    allowed |= {
        "inspect",
        "itertools",
        "math",
        "operator",
        "processes",
        "re",
        "sys",
        "types",
        "typing",
        "unicodedata",
    }
    allowed |= {"zoneinfo", "base64", "hashlib", "json"}
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert {name.split(".")[0] for name in names} <= allowed, path
