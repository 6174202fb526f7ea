"""What a process reads before it sets it is proposed to whoever starts it by hand."""

from __future__ import annotations

import pytest

from processes.engine.parser import parse
from processes.engine.reads import read_variables
from tests.drawing import Drawing


def reads(drawing: Drawing) -> set[str]:
    return set(read_variables(parse(drawing.xml()).processes[0]))


@pytest.mark.parametrize(
    ("drawing", "expected"),
    [
        (Drawing().start().service("a", inputs={"x": "=order.id", "y": "=x + z"}).end(), {"order", "z"}),
        (Drawing().start().service("a", type="=kind").end(), {"kind"}),
        (Drawing().start().service("a", outputs={"paid": "=status"}).exclusive("g").when("=paid").end(), set()),
        (Drawing().start().script("s", "=2 * amount", "twice").exclusive("g").when("=twice > 3").end(), {"amount"}),
        (Drawing().start().service("a", inputs={"x": "=item.id"}).many("=items").end(), {"items"}),
        (Drawing().start().timer("t", "=wait").message("m", "paid", "=orderId").end(), {"wait", "orderId"}),
        (Drawing().start().service("a", type="fixed").end(), set()),
        (
            Drawing()
            .start()
            .service(
                "a", headers={"resultExpression": "={paid: body.x}", "errorExpression": "=bpmnError(1, 2, {why: 3})"}
            )
            .service("b", inputs={"x": "=paid", "y": "=why", "z": "=order"})
            .end(),
            {"order"},
        ),
    ],
    ids=["inputs", "type", "outputs", "script", "loop", "waits", "none", "connectors"],
)
def test_what_is_read_and_not_set(drawing: Drawing, expected: set[str]) -> None:
    assert reads(drawing) == expected
