"""Every fact has its sentence; one that is not known, or not complete, is told all the same."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest

from processes.admin import narration
from processes.engine import facts


def naming(key: Any) -> str:
    return "The process" if key == 0 else f"task ({key})"


def test_every_fact_of_the_engine_has_a_sentence() -> None:
    for kind in facts.Fact.__args__:  # type: ignore[attr-defined]
        empty = {"fact": kind.__name__, **{field.name: "" for field in dataclasses.fields(kind)}}
        told = narration.sentence(empty, naming)
        assert kind.__name__ in narration._SENTENCES, kind
        assert "?" not in told, (kind, told)


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (facts.NodeEntered(5, "charge", 0), "charge was entered."),
        (facts.NodeCompleted(5), "task (5) completed."),
        (facts.VariablesSet(0, {"a": 1, "b": 2}), "The process got a, b."),
        (facts.VariablesSet(5, {str(n): n for n in range(10)}), "task (5) got 0, 1, 2, 3, 4, 5, 6, 7 and 2 more."),
        (
            facts.JobCreated(6, 5, "http", {}, 1, datetime(2026, 1, 1, tzinfo=UTC)),
            "A job of type http was created for task (5), 1 try.",
        ),
        (
            facts.JobFailed(6, 2, 1, datetime(2026, 1, 1, 12, tzinfo=UTC), "503"),
            "Attempt 2 failed: 503 (next at 2026-01-01 12:00:00, 1 try left)",
        ),
        (facts.JobFailed(6, 2, 0, None, "503"), "Attempt 2 failed: 503 (no tries left)"),
        (facts.ErrorThrown(5, "DECLINED", "no", ""), "The error DECLINED was thrown at task (5): nobody catches it."),
        (facts.InstanceTerminated("ordered twice"), "The instance was terminated: ordered twice."),
        (facts.RoundsPlanned(5, 3, ("a", "b", "c")), "task (5) is to be done 3 times."),
        (facts.RoundBegan(5, 2, {"item": "b"}), "task (5) began round 2 with item."),
        (facts.OutputCollected(5, 7), "task (5) gave its output to the collection."),
        (facts.AdHocPlanned(5, ("call", "write")), "task (5) has yet to perform: call, write."),
        (facts.AdHocPlanned(5), "task (5) has yet to perform: nothing more."),
        (facts.InstanceSuspended(), "The instance was suspended."),
    ],
)
def test_sentences(fact: Any, expected: str) -> None:
    assert narration.sentence(facts.to_json(fact), naming) == expected


def test_what_later_or_earlier_versions_wrote() -> None:
    assert narration.sentence({"fact": "MoonLanded", "node": 3, "crew": 2}, naming) == (
        "Moon landed: node task (3), crew 2."
    )
    assert narration.sentence({"fact": "JobCreated"}, naming).startswith("A job of type ?")
    assert narration.sentence({}, naming) == "."
    assert narration.sentence({"fact": "VariablesSet", "scope": 0, "variables": None}, naming)


def test_braces_in_what_strangers_wrote_are_only_text() -> None:
    fact = {"fact": "JobFailed", "attempt": 1, "message": "{node.__class__} {0} {", "retries": 0, "due_at": None}
    assert "{node.__class__} {0} {" in narration.sentence(fact, naming)
