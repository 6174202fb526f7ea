"""Whatever is drawn and whatever happens: the engine never breaks, and looking lazily changes nothing.

Random block-structured processes are played with random outcomes. After every step the facts are replayed on a blank
instance (`Play` does that), the same command on a copy gives the same facts, and an instance that is fetched piece by
piece gives them as well.
"""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processes.engine import commands as c
from processes.engine.parts import Condition, FlowNodeInstance, Job, JobState, NodeState, Timer, Token, Wait
from processes.engine.state import Changes, Instance
from processes.engine.stepping import step
from tests.drawing import Drawing
from tests.engine.play import Play


class Fetcher:
    """Serves the parts of a whole instance one by one, as the database does for a large one."""

    def __init__(self, whole: Instance) -> None:
        self.whole = deepcopy(whole)

    def node(self, key: int) -> FlowNodeInstance | None:
        return deepcopy(self.whole.nodes.get(key))

    def nodes_in(self, scope: int) -> list[FlowNodeInstance]:
        return [deepcopy(node) for node in self.whole.nodes.values() if node.scope == scope]

    def tokens_in(self, scope: int) -> list[Token]:
        return [token for token in self.whole.tokens.values() if token.scope == scope]

    def waits_of(self, node: int) -> list[Wait]:
        return [deepcopy(wait) for wait in self.whole.waits.values() if wait.node == node]

    def wait(self, kind: type[Wait], key: int) -> Wait | None:
        found = self.whole.waits.get(key)
        return deepcopy(found) if isinstance(found, kind) else None

    def conditions(self) -> list[Wait]:
        return [deepcopy(wait) for wait in self.whole.waits.values() if isinstance(wait, Condition)]

    def occupied(self, scope: int, *, but: Any) -> bool:
        keys = {part.key for part in (*self.nodes_in(scope), *self.tokens_in(scope))}
        return bool(keys - set(but))


class Shelf:
    """Remembers the visits that ended, as the rows do."""

    def __init__(self, changes: list[Changes]) -> None:
        self.changes = changes

    def ended_in(self, scope: int) -> Counter[NodeState]:
        found: Counter[NodeState] = Counter()
        for changes in self.changes:
            found.update({state: count for (around, state), count in changes.ended.items() if around == scope})
        return found

    def outputs_in(self, scope: int) -> list[dict[str, Any]]:
        ended = [node for changes in self.changes for node in changes.nodes.values() if node.scope == scope]
        return [node.result for node in ended if node.state is NodeState.COMPLETED and node.result]


def lazily(whole: Instance) -> Instance:
    instance = Instance(reader=Fetcher(whole))
    instance.archive = whole.archive
    instance.state, instance.variables, instance.last_key = whole.state, dict(whole.variables), whole.last_key
    return instance


Block = Any
leaf = st.sampled_from(["service", "pass", "timer", "guarded"])
blocks: st.SearchStrategy[Block] = st.recursive(
    leaf,
    lambda inner: st.tuples(
        st.sampled_from(
            ["sequence", "parallel", "exclusive", "inclusive", "sub", "each", "in turn", "again", "ad hoc"]
        ),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=8,
)


class Artist:
    """Draws a block between the pen and wherever it ends."""

    def __init__(self) -> None:
        self.count = 0

    def ordering(self) -> str:
        return "Sequential" if self.count % 2 else "Parallel"

    def id(self, word: str) -> str:
        self.count += 1
        return f"{word}{self.count}"

    def draw(self, drawing: Drawing, block: Block) -> Drawing:
        if block == "service":
            return drawing.service(self.id("service"), type="t", headers={"retryBackoff": "PT1S"})
        if block == "pass":
            return drawing.node("task", self.id("pass"))
        if block == "timer":
            return drawing.timer(self.id("timer"), "PT1M")
        if block == "guarded":
            task, merge = self.id("guarded"), self.id("merge")
            drawing.service(task, type="t").exclusive(merge)
            drawing.on_error(task, self.id("caught")).to(merge)
            drawing.on_timer(task, self.id("late"), "PT2M").to(merge)
            return (
                drawing.on_timer(task, self.id("note"), "PT30S", interrupting=False)
                .node("task", self.id("noted"))
                .at(merge)
            )
        kind, parts = block
        if kind == "sequence":
            for part in parts:
                drawing = self.draw(drawing, part)
            return drawing
        if kind == "ad hoc":
            inner = Drawing(self.id("inner"))
            firsts = []
            for part in parts:
                firsts.append(self.id("first"))
                inner = self.draw(inner.apart().node("task", firsts[-1]), part)
            picked = f"={firsts}".replace("'", '"')
            return drawing.ad_hoc(self.id("adhoc"), inner, active=picked, ordering=self.ordering())
        if kind in ("sub", "each", "in turn", "again"):
            inner = Drawing(self.id("inner")).start(self.id("start"))
            for part in parts:
                inner = self.draw(inner, part)
            inner.end(self.id("end"))
            drawing.sub_process(self.id("sub"), inner)
            if kind == "again":
                return drawing.again("=choice > loopCounter", before=bool(self.count % 2), maximum=2)
            if kind != "sub":
                output, until = ("outputs", "=[loopCounter, item]"), "=numberOfCompletedInstances > choice"
                return drawing.many("=[1, 2, 3]", output=output, until=until, sequential=kind == "in turn")
            return drawing
        split, join = self.id("split"), self.id("join")
        tag = f"{kind}Gateway"
        drawing.node(tag, split)
        for number, part in enumerate(parts):
            drawing.at(split)
            if kind != "parallel":
                drawing = drawing.otherwise() if number == len(parts) - 1 else drawing.when(f"=choice > {number}")
            # A task in front, so that two branches never share a flow.
            drawing = self.draw(drawing.node("task", self.id("pass")), part)
            if number == 0:
                drawing.node(tag, join)
            else:
                drawing.to(join)
        return drawing.at(join)


def carry_out(play: Play, command: c.Command) -> None:
    # What happened before is no longer held by the instance, only known to its archive.
    shelf = play.instance.archive or Shelf([])
    assert isinstance(shelf, Shelf)
    shelf.changes.append(play.instance.changes)
    play.instance.archive = shelf
    play.instance.changes = Changes()
    again = step(play.process, deepcopy(play.instance), command, play.now)
    lazy = step(play.process, lazily(play.instance), command, play.now)
    facts = play.carry_out(command)
    assert facts == again, "same inputs, same facts"
    assert facts == lazy, "fetching piece by piece changes nothing"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(block=blocks, data=st.data())
def test_every_random_process_comes_to_its_end(block: Block, data: st.DataObject) -> None:
    drawing = Artist().draw(Drawing().start(), block).end("the-end")
    play = Play(drawing, {"choice": data.draw(st.integers(0, 2), label="choice")})
    for _ in range(300):
        if play.instance.state.is_final:
            break
        assert play.instance.waits, f"stuck at {play.standing()} with {play.instance.tokens}"
        wait = data.draw(st.sampled_from(sorted(play.instance.waits.values(), key=lambda wait: wait.key)), label="wait")
        if isinstance(wait, Timer):
            play.now = max(play.now, wait.due_at)
            carry_out(play, c.FireTimer(wait.key))
        elif isinstance(wait, Job) and wait.state is JobState.DUE:
            play.now = max(play.now, wait.due_at)
            visit = play.instance.nodes[wait.node]
            element = visit.element
            job = play.claim(wait)
            outcome = data.draw(st.sampled_from(["complete", "complete", "fail", "throw"]), label="outcome")
            if outcome == "fail":
                carry_out(play, c.FailJob(job.key, job.attempt, "boom"))
            elif outcome == "throw":
                carry_out(play, c.ThrowError(job.key, job.attempt, "X"))
            else:
                carry_out(play, c.CompleteJob(job.key, job.attempt, {element: True}))
        else:
            incidents = play.incidents()
            if incidents:
                carry_out(play, c.ResolveIncident(incidents[0].key))
    else:
        carry_out(play, c.CancelInstance())
    assert play.instance.nodes == {}
    assert play.instance.tokens == {}
    assert play.instance.waits == {}
    if play.completed and "the-end" in play.path():
        assert play.path().count("the-end") >= 1


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(block=blocks)
def test_without_trouble_every_process_ends_exactly_once(block: Block) -> None:
    play = Play(Artist().draw(Drawing().start(), block).end("the-end"), {"choice": 1})
    while not play.completed:
        jobs = play.jobs()
        if jobs:
            play.complete(jobs[0])
        else:
            play.wait(timedelta(minutes=1))
    assert play.path().count("the-end") == 1
