"""Checking files says what deploying them would, and changes nothing; deploying is all or none."""

from __future__ import annotations

import pytest

from processes.models import DecisionDefinition, ProcessDefinition
from processes.runtime import ModelInvalid, deployments
from processes.runtime.deployments import File
from tests.decisions import decisions, literal
from tests.drawing import Drawing
from tests.runtime.conftest import deployed

pytestmark = pytest.mark.django_db


def file(drawing: Drawing) -> File:
    return File(f"{drawing.process_id}.bpmn", drawing.xml())


def order(id: str = "work") -> Drawing:
    return Drawing("order", name="Order").start().service(id, type="a").end()


BROKEN = Drawing("broken").start().timer("wait", "in an hour").end()


def test_a_check_foretells_versions_and_changes_nothing() -> None:
    deployed(order())
    files = [file(order()), file(order("other")), file(order("third")), File("d.dmn", decisions(literal("d", "1")))]
    same, second, third, decided = deployments.check(files)
    assert [(one.version, one.created) for one in same.expected] == [(1, False)]
    assert [(one.id, one.name, one.version, one.created) for one in second.expected] == [("order", "Order", 2, True)]
    assert [one.version for one in third.expected] == [3], "what the files before would make is counted"
    assert [(one.kind, one.id, one.version) for one in decided.expected] == [("decision", "d", 1)]
    assert (ProcessDefinition.objects.count(), DecisionDefinition.objects.count()) == (1, 0)
    made = deployments.deploy(files, by="user:ada")
    assert [one.definitions[0].definition.version for one in made[:3]] == [1, 2, 3]


def test_a_check_finds_what_deploying_would_refuse() -> None:
    good, bad, torn = deployments.check([file(order()), file(BROKEN), File("torn.bpmn", b"<bpmn:definitions")])
    assert (good.valid, bad.valid, torn.valid) == (True, False, False)
    assert [(problem.rule, problem.element) for problem in bad.problems] == [("bad-timer", "wait")]
    assert [problem.rule for problem in torn.problems] == ["not-xml"]
    with pytest.raises(ModelInvalid) as refused:
        deployments.deploy([file(order()), file(BROKEN)])
    assert refused.value.problems == bad.problems
    assert not ProcessDefinition.objects.exists()


@pytest.mark.parametrize(("together", "rules"), [(False, ["unknown-process"]), (True, [])])
def test_what_is_deployed_together_may_call_each_other(together: bool, rules: list[str]) -> None:
    caller = file(Drawing("caller").start().call("place", "order").end())
    verdicts = deployments.check([caller, file(order())] if together else [caller])
    assert [problem.rule for problem in verdicts[0].problems] == rules
    assert verdicts[0].valid
