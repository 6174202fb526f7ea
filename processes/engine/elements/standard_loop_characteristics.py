"""Standard loop, BPMN 2.0.2 section 13.3.6: one round after the other while the condition holds, at most so many.

The condition sees the variables of the round that ends, and `loopCounter`, the number of rounds so far. With
`testBefore` it is asked before the first round too, and there may be none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from processes.engine.activity import Work
from processes.engine.expression import Expression
from processes.engine.loop import COUNTER, Loop, holds, read_condition
from processes.engine.machine import Run
from processes.engine.mapping import Overlay
from processes.engine.parts import FlowNodeInstance
from processes.engine.source import Source
from processes.engine.unread import refuse_unread


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardLoopCharacteristics(Loop):
    """`maximum` 0: without limit."""

    tag: ClassVar[str] = "standardLoopCharacteristics"
    condition: Expression | None = None
    test_before: bool = False
    maximum: int = 0

    @classmethod
    def read(cls, source: Source) -> Self:
        refuse_unread(
            source,
            attributes=frozenset({"id", "loopMaximum", "testBefore"}),
            children=frozenset({"loopCondition"}),
        )
        text = source.get("loopMaximum").strip()
        if text and not (text.isascii() and text.isdigit() and int(text) > 0):
            source.problem("bad-loop", f"Expected loopMaximum to be a whole number above 0 but found '{text}'")
            text = "1"
        condition = read_condition(source, "loopCondition")
        if condition is None and not text:
            source.problem("endless-loop", "Expected a loopCondition or a loopMaximum but found neither")
        return cls(
            condition=condition,
            test_before=source.flag("testBefore"),
            maximum=int(text or 0),
        )

    def prepare(self, run: Run, body: FlowNodeInstance, around: Mapping[str, Any]) -> Work:
        if self.test_before and not self._goes_on(run, 0, Overlay({COUNTER: 0}, around)):
            return lambda: run.complete(body, {}, plain=True)
        return lambda: run.activate(self.begin(run, body, 1, {}))

    def after(self, run: Run, body: FlowNodeInstance, visit: FlowNodeInstance, seen: Mapping[str, Any]) -> Work:
        done = visit.position
        again = self._goes_on(run, done, Overlay({COUNTER: done}, seen))

        def go_on() -> None:
            run.leave(visit, ())
            if again:
                self.next(run, body, done + 1, {})

        return go_on

    def _goes_on(self, run: Run, done: int, variables: Mapping[str, Any]) -> bool:
        if self.maximum and done >= self.maximum:
            return False
        return self.condition is None or holds(self.condition, "loopCondition", run, variables)
