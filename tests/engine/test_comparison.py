"""What differs between two versions of a process is told in the words of the model."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from processes.engine.comparison import Change, ElementChange, compare
from processes.engine.errors import ModelInvalid, Rejected
from tests.drawing import Drawing

BOUNDS = '<dc:Bounds x="{x}" y="80" width="100" height="80" />'
PLACED = (
    '<bpmndi:BPMNDiagram xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI" '
    'xmlns:dc="http://www.omg.org/spec/DD/20100524/DC"><bpmndi:BPMNPlane bpmnElement="order">'
    '<bpmndi:BPMNShape bpmnElement="charge">{bounds}</bpmndi:BPMNShape></bpmndi:BPMNPlane></bpmndi:BPMNDiagram>'
)


def difference(old: Drawing | bytes, new: Drawing | bytes) -> dict[str, ElementChange]:
    before, after = (each if isinstance(each, bytes) else each.xml() for each in (old, new))
    changes = compare(before, after, old_process="order", new_process="order")
    assert len({change.id for change in changes}) == len(changes)
    return {change.id: change for change in changes}


def one(id: str = "charge", **options: object) -> Drawing:
    return Drawing("order").start().service(id, **options).end()  # type: ignore[arg-type]


def placed(x: int) -> bytes:
    diagram = PLACED.format(bounds=BOUNDS.format(x=x))
    return one().xml().replace(b"</bpmn:definitions>", diagram.encode() + b"</bpmn:definitions>")


def waiting(name: str, key: str) -> Drawing:
    return Drawing("order").start().message("charge", name, key).end()


def choosing(*, condition: str = "=a", swapped: bool = False) -> Drawing:
    drawing = Drawing("order").start().exclusive("which")
    ends = [("x", condition), ("y", "=b")]
    for id, when in reversed(ends) if swapped else ends:
        drawing.at("which").when(when).end(id)
    return drawing


def test_the_same_is_no_difference() -> None:
    assert difference(one(type="a"), one(type="a")) == {}
    assert difference(one(), one().xml().replace(b"\n", b"\n\n   ")) == {}


def test_added_and_removed_elements_and_flows() -> None:
    found = difference(one("charge"), one("bill"))
    kinds = {id: str(change.kind) for id, change in found.items()}
    assert kinds == {
        "bill": "added", "start-bill": "added", "bill-end": "added",
        "charge": "removed", "start-charge": "removed", "charge-end": "removed",
    }  # fmt: skip
    assert found["charge"].tag == "serviceTask"


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        (lambda: one(type="a"), lambda: one(type="b"), [("taskDefinition type", "a", "b")]),
        (lambda: one(type="a", retries=3), lambda: one(type="a"), [("taskDefinition retries", "3", None)]),
        (lambda: one(headers={"url": "u"}), lambda: one(headers={"url": "v"}), [("header url", "u", "v")]),
        (
            lambda: one(inputs={"a": "=x"}),
            lambda: one(inputs={"a": "=y", "b": "=z"}),
            [("input a", "=x", "=y"), ("input b", None, "=z")],
        ),
        (
            lambda: one(inputs={"a": "=x", "b": "=y"}),
            lambda: one(inputs={"b": "=y", "a": "=x"}),
            [("order of inputs", "a, b", "b, a")],
        ),
        (lambda: one(), lambda: one(tag="userTask"), [("type", "serviceTask", "userTask")]),
        (lambda: one(name="Pay"), lambda: one(name="Charge"), [("name", "Pay", "Charge")]),
        (
            lambda: waiting("paid", "=id"),
            lambda: waiting("billed", "=id"),
            [("messageEventDefinition message name", "paid", "billed")],
        ),
        (
            lambda: waiting("paid", "=id"),
            lambda: waiting("paid", "=number"),
            [("messageEventDefinition message subscription correlationKey", "=id", "=number")],
        ),
        (
            lambda: Drawing("order").start().timer("charge", "PT1H").end(),
            lambda: Drawing("order").start().timer("charge", "PT2H").end(),
            [("timerEventDefinition timeDuration", "PT1H", "PT2H")],
        ),
        (
            lambda: one().at("charge").many("=items"),
            lambda: one().at("charge").many("=others"),
            [],
        ),
    ],
    ids=lambda value: "",
)
def test_changes_by_name(
    old: Callable[[], Drawing], new: Callable[[], Drawing], changes: list[tuple[str, str | None, str | None]]
) -> None:
    found = difference(old(), new())
    if changes:
        assert found["charge"].changes == tuple(Change(*change) for change in changes)
        assert str(found["charge"].kind) == "changed"
        assert set(found) == {"charge"}
    else:
        (change,) = found["end"].changes
        assert (change.old, change.new) == ("=items", "=others")


def test_a_condition_is_of_its_flow_and_the_order_of_flows_of_its_gateway() -> None:
    assert difference(choosing(), choosing(condition="=c"))["which-x"].changes == (
        Change("conditionExpression", "=a", "=c"),
    )
    swapped = difference(choosing(), choosing(swapped=True))
    assert swapped["which"].changes == (Change("order of flows", "which-x, which-y", "which-y, which-x"),)


def test_the_same_message_under_another_id_is_no_change() -> None:
    old = waiting("paid", "=id")
    assert difference(old, old.xml().replace(b"Message_order_0", b"Message_other")) == {}


def test_what_only_stands_elsewhere_was_moved() -> None:
    found = difference(placed(100), placed(200))
    assert {id: (str(change.kind), change.moved, change.changes) for id, change in found.items()} == {
        "charge": ("moved", True, ())
    }
    assert difference(one(), placed(200)) == {}, "a diagram where there was none moves nothing"


def test_an_element_that_goes_into_a_sub_process() -> None:
    inner = Drawing("x").start("s").service("charge").end("e")
    found = difference(one(), Drawing("order").start().sub_process("around", inner).end())
    assert found["charge"].changes == (Change("inside", None, "around"),)
    assert str(found["around"].kind) == "added"


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ModelInvalid):
        difference(b"<a/>", one())
    with pytest.raises(Rejected, match="process 'order'"):
        difference(Drawing("other").start().end(), one())
