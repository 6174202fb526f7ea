"""Whatever is drawn and wherever it stands: an instance that is moved or migrated stays whole.

Random block-structured processes, as in the properties of the engine. `Play` replays the facts after every step.
"""

from __future__ import annotations

from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processes.engine import facts as f
from processes.engine.commands import Cancel, MigrateInstance, ModifyInstance, StartBefore
from processes.engine.errors import Rejected
from processes.engine.migration import generate
from processes.engine.parser import parse
from processes.engine.state import InstanceState
from tests.drawing import Drawing
from tests.engine.play import Play
from tests.engine.test_block_structured import Artist, Block, blocks

LESS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def on(play: Play) -> None:
    """Something happens."""
    jobs = play.jobs()
    if jobs:
        play.complete(jobs[0])
    else:
        play.wait(timedelta(minutes=1))


@LESS
@given(block=blocks)
def test_to_the_same_process_nothing_is_different(block: Block) -> None:
    xml = Artist().draw(Drawing().start(), block).end("the-end").xml()
    play, stayed = Play(xml, {"choice": 1}), Play(xml, {"choice": 1})
    while not play.completed:
        same = parse(xml).processes[0]
        facts = play.carry_out(MigrateInstance(same, generate(play.process, same), 7))
        assert facts == [f.InstanceMigrated("process", 7)]
        play.process = same
        on(play)
        on(stayed)
    assert stayed.completed
    assert play.path() == stayed.path()
    assert play.variables == stayed.variables


@LESS
@given(block=blocks, data=st.data())
def test_wherever_tokens_are_moved_the_instance_stays_whole(block: Block, data: st.DataObject) -> None:
    play = Play(Artist().draw(Drawing().start(), block).end("the-end"), {"choice": 1})
    elements = sorted(play.process.nodes)
    for _ in range(8):
        if play.instance.state.is_final:
            return
        targets = data.draw(st.lists(st.sampled_from(elements), max_size=2), label="start")
        standing = [Cancel(node=key) for key in sorted(play.instance.nodes)]
        ends = data.draw(st.lists(st.sampled_from(standing), max_size=2) if standing else st.just([]), label="cancel")
        before = len(play.facts), sorted(play.instance.nodes), sorted(play.instance.tokens), sorted(play.instance.waits)
        try:
            play.carry_out(ModifyInstance(tuple(ends), tuple(StartBefore(target) for target in targets)))
        except Rejected:
            after = sorted(play.instance.nodes), sorted(play.instance.tokens), sorted(play.instance.waits)
            assert (len(play.facts), *after) == before
        for visit in play.instance.nodes.values():
            assert visit.scope == 0 or visit.scope in play.instance.nodes
        for wait in play.instance.waits.values():
            assert wait.node == 0 or wait.node in play.instance.nodes
        if not play.instance.state.is_final and play.instance.waits:
            on(play)
    if play.instance.nodes:
        play.carry_out(ModifyInstance(tuple(Cancel(node=key) for key in play.instance.nodes)))
        assert play.instance.state is InstanceState.TERMINATED or play.instance.tokens
