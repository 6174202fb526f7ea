"""The history of an instance as it is shown: steps with their facts in sentences and their journals as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from processes.admin import narration, shown
from processes.models import ProcessInstance, Step
from processes.runtime import payload

MOST_FACTS = 200
"""Facts told of one step: a step that entered a thousand nodes is not read to its end."""


def told(
    instance: ProcessInstance, steps: Sequence[Step], *, may_see_payload: bool, known: Mapping[int, str] | None = None
) -> list[dict[str, Any]]:
    """Steps ready to show, without values where they may not be seen; one query for the names of all visits in them,
    unless they are `known` by key."""
    facts = {step.pk: _facts(step, may_see_payload) for step in steps}
    keys = narration.keys_in(fact for of_step in facts.values() for fact in of_step)
    keys |= {step.node for step in steps if step.node}
    names = dict(known or {})
    if keys := keys - names.keys() - {0}:
        names |= dict(instance.nodes.filter(key__in=keys).order_by().values_list("key", "element_id"))

    def naming(key: Any) -> str:
        if key == 0:
            return "The process"
        return f"{names[key]} ({key})" if key in names else f"visit {key}"

    return [
        {
            "row": step,
            "command": narration.words(step.command),
            "node": naming(step.node) if step.node else "",
            "facts": [(narration.weight(fact), narration.sentence(fact, naming)) for fact in facts[step.pk]],
            "more_facts": max(0, len(step.facts or ()) - MOST_FACTS),
            "loud": any(narration.weight(fact) == "loud" for fact in facts[step.pk]),
            "reason": _reason(step, facts[step.pk]),
            "journal": shown.json_text(step.journal) if step.journal and may_see_payload else "",
        }
        for step in steps
    ]


def _reason(step: Step, facts: Iterable[dict[str, Any]]) -> str:
    """Why, unless a sentence says so already."""
    return "" if any(fact.get("reason") == step.reason for fact in facts) else step.reason


def _facts(step: Step, may_see_payload: bool) -> list[dict[str, Any]]:
    stored: Iterable[Any] = step.facts or ()
    facts = list(stored)[:MOST_FACTS]
    return [fact for fact in (facts if may_see_payload else payload.without(facts)) if isinstance(fact, dict)]
