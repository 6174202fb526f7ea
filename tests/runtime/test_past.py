"""Instances as they were: what is replayed of any step is what the rows were after it."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any

import pytest
from django.db import transaction as database

from processes.engine import facts as f
from processes.engine import machine
from processes.engine.parser import parse
from processes.engine.parts import Job
from processes.models import ProcessInstance, Step
from processes.runtime import Rejected, definitions, drawings, instances, jobs, migration, past
from processes.runtime.loader import load
from tests.drawing import Drawing
from tests.engine.checked import picture
from tests.engine.random_models import DECISIONS, Artist
from tests.engine.random_play import World
from tests.runtime.conftest import deployed, started
from tests.runtime.stored import Stored

pytestmark = pytest.mark.django_db


def read(pk: int) -> Any:
    """The picture of an instance as its rows tell it, and who held which job, which facts do not say."""
    with database.atomic():
        loaded = load(pk, whole=True)
    assert loaded is not None
    return told(loaded.instance)


def told(instance: Any) -> Any:
    state, variables, last_key, nodes, tokens, waits, _ = picture(instance)
    ignored = {"state", "attempt", "due_at"}
    working = {key: job for key, job in waits.items() if isinstance(job, Job)}
    jobs = {
        key: {name: getattr(job, name) for name in Job.__slots__ if name not in ignored} for key, job in working.items()
    }
    return deepcopy((state, variables, last_key, nodes, tokens, {**waits, **jobs}))


class Watched(Stored):
    """Remembers what the rows were after each step."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.was: list[Any] = []

    def carry_out(self, command: Any, at: Any) -> list[f.Fact]:
        facts = super().carry_out(command, at)
        self.was.append((read(self.pk), drawings.marks(ProcessInstance.objects.get(pk=self.pk))))
        return facts


@pytest.mark.parametrize("seed", range(0, 30, 3))
def test_every_step_of_a_random_model_is_found_again(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MAX_VISITS", 100)
    monkeypatch.setattr(machine, "MAX_ROUNDS", 100)
    monkeypatch.setattr(past, "EVERY", 3)
    random = Random(seed)
    xml = Artist(random, 1 + seed % 10, calls=False).process().xml()
    definitions.deploy(DECISIONS, resource="random.dmn", by="test")
    definitions.deploy(xml, resource="random.bpmn", by="test")
    world = World(random, {process.id: process for process in parse(xml).processes}, Watched)
    world.play(20)
    (player,) = world.players
    assert isinstance(player, Watched)
    row = ProcessInstance.objects.get(pk=player.pk)
    assert row.steps == len(player.was)
    for number in random.sample(range(1, row.steps + 1), row.steps):
        rows, marks = player.was[number - 1]
        then = past.after(row, number)
        assert told(then.instance) == rows
        assert drawings.marks_then(then) == marks


def test_facts_are_read_as_they_were_written() -> None:
    retried = started(Drawing().start().service("a", type="a").on_timer("a", "late", "PT1H").end())
    (job,) = jobs.claim(["a"], worker="w")
    jobs.fail(job.id, 1, "no", by="w")
    documents = [
        fact for facts in Step.objects.filter(instance=retried).values_list("facts", flat=True) for fact in facts
    ]
    assert {"JobFailed", "TimerScheduled", "NodeEntered"} <= {fact["fact"] for fact in documents}
    for document in documents:
        # JSON has no tuples.
        assert {
            k: list(v) if isinstance(v, tuple) else v for k, v in f.to_json(f.from_json(document)).items()
        } == document


@pytest.mark.parametrize(
    "document", [{"fact": "Unheard"}, {}, {"fact": "NodeCompleted"}, {"fact": "TimerFired", "timer": 1, "more": 2}]
)
def test_a_fact_of_another_version_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Expected a fact of this version"):
        f.from_json(document)


def code_of(row: ProcessInstance, number: int) -> str:
    with pytest.raises(Rejected) as rejected:
        past.after(row, number)
    return rejected.value.code


def test_what_cannot_be_found_again_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    row = started(Drawing().start().service("a", type="a").end())
    for number in range(4):
        instances.set_variables(row.pk, {"n": number})
    row.refresh_from_db()
    assert code_of(row, 0) == code_of(row, 6) == "step-not-found"
    monkeypatch.setattr(past, "MOST_STEPS", 3)
    assert code_of(row, 4) == "step-too-late"
    Step.objects.filter(instance=row, number=2).delete()
    assert past.after(row, 1).instance.variables == {}
    assert code_of(row, 3) == "history-incomplete"
    Step.objects.filter(instance=row, number=1).update(facts=[{"fact": "NodeCompleted", "node": 7}])
    assert code_of(row, 1) == "history-incomplete"


def test_the_definition_of_then() -> None:
    first = deployed(Drawing("p").start().service("a", type="a").end())
    row = instances.start(first).instance
    second = deployed(Drawing("p").start().service("a", type="b").end())
    third = deployed(Drawing("p").start().service("a", type="c").end())
    for target in (second, third):
        migration.migrate(row.pk, target)
    row.refresh_from_db()
    assert [past.definition_after(row, number) for number in (1, 2, 3)] == [first.pk, second.pk, third.pk]
    step = Step.objects.get(instance=row, number=2)
    for fact in step.facts:
        fact.pop("source", None)
    step.save()
    assert past.definition_after(row, 1) is None, "older histories did not keep it"


def test_the_path_of_a_long_history_is_that_of_its_newest_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    row = started(Drawing().start().service("a", type="a").service("b", type="b").end())
    for type in ("a", "b"):
        (job,) = jobs.claim([type], worker="w")
        jobs.complete(job.id, 1, {}, by="w")
    monkeypatch.setattr(drawings, "MOST_STEPS", 2)
    assert set(drawings.marks(row).taken) == {"a-b", "b-end"}
