"""Deploying, finding, parsing once, drawing."""

from __future__ import annotations

from functools import partial

import pytest

from processes.models import ProcessDefinition
from processes.runtime import ModelInvalid, Rejected, connections, definitions
from tests.drawing import HEAD, Drawing
from tests.runtime.conftest import deployed, together

pytestmark = pytest.mark.django_db


def drawing(type: str = "a") -> Drawing:
    return Drawing("order", name="Order").start().service("task", type=type).end()


def test_identical_content_is_not_a_new_version() -> None:
    first = definitions.deploy(drawing().xml(), resource="order.bpmn", by="user:alice").definitions[0]
    again = definitions.deploy(drawing().xml()).definitions[0]
    other = definitions.deploy(drawing("b").xml()).definitions[0]
    back = definitions.deploy(drawing().xml()).definitions[0]
    assert [first.created, again.created, other.created, back.created] == [True, False, True, True]
    assert [first.definition.version, other.definition.version, back.definition.version] == [1, 2, 3]
    assert again.definition == first.definition
    assert (first.definition.name, first.definition.deployed_by) == ("Order", "user:alice")


def test_all_processes_of_a_file_or_none() -> None:
    bodies = {id: Drawing(id).start(f"{id}s").end(f"{id}e").body() for id in ("z", "a")}
    processes = (f'<bpmn:process id="{id}" isExecutable="true">{body}</bpmn:process>' for id, body in bodies.items())
    both = "".join([HEAD, *processes]).encode()
    deployment = definitions.deploy(both + b"</bpmn:definitions>")
    assert [each.definition.process_id for each in deployment.definitions] == ["z", "a"]
    with pytest.raises(ModelInvalid):
        definitions.deploy((both + b"</bpmn:definitions>").replace(b'targetRef="ae"', b'targetRef="nowhere"'))
    assert ProcessDefinition.objects.count() == 2


def test_a_connection_that_is_not_there_is_a_warning() -> None:
    model = Drawing("order").start().service("one", headers={"connection": "shop"})
    model.service("two", headers={"connection": "bank"}).service("three").end()
    connections.put("bank", {}, by="user:ada")
    (warning,) = [each for each in definitions.deploy(model.xml()).warnings if each.rule == "connection-unknown"]
    assert (warning.element, warning.message) == ("one", "Expected a connection named 'shop' but found none")
    assert b'id="one"' in model.xml().splitlines()[warning.line - 1]
    connections.put("shop", {}, by="user:ada")
    assert "connection-unknown" not in {each.rule for each in definitions.deploy(model.xml()).warnings}


def test_finding() -> None:
    one, two = deployed(drawing()), deployed(drawing("b"))
    assert definitions.find("order") == two
    assert definitions.find("order", 1) == one
    for arguments in (("nothing",), ("order", 3)):
        with pytest.raises(Rejected) as refused:
            definitions.find(*arguments)
        assert refused.value.code == "definition-not-found"


def test_a_definition_is_parsed_once() -> None:
    definition = deployed(drawing())
    assert definitions.process_of(definition) is definitions.process_of(ProcessDefinition.objects.get())
    assert set(definitions.process_of(definition).nodes) == {"start", "task", "end"}


@pytest.mark.django_db(transaction=True)
def test_versions_under_threads() -> None:
    files = [drawing(f"type{number}").xml() for number in range(4)]
    results = together(*(partial(definitions.deploy, file) for file in files))
    assert sorted(result.definitions[0].definition.version for result in results) == [1, 2, 3, 4]
    same = together(*[partial(definitions.deploy, drawing("same").xml())] * 4)
    assert {result.definitions[0].definition.version for result in same} == {5}
    assert sum(result.definitions[0].created for result in same) == 1
