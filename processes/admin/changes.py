"""How a variable came to its value: every change, the newest first, from the facts of the steps.

A page looks at `WINDOW` steps and shows `MOST` changes; what was before the last of them is on the next page.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from processes.admin import narration, shown
from processes.models import ProcessInstance, Step

MOST = 50
WINDOW = 20_000
"""Steps that one page looks at, at most."""
LONGEST = 4_000
"""Lines of a value that are compared."""
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.$ ")
"""Characters that are the same in JSON and in how both databases spell it."""


class Nothing:
    """No variable of that name."""


NOTHING = Nothing()


@dataclass(frozen=True, slots=True)
class Change:
    step: Step
    old: Any
    new: Any
    is_first: bool = False
    """Whether what was before is further back than was looked."""

    @property
    def command(self) -> str:
        return narration.words(self.step.command)

    @property
    def lines(self) -> list[tuple[str, str]]:
        """``del``, ``ins`` or nothing, and a line; of large values only what is around the difference."""
        return difference(self.old, self.new)


@dataclass(frozen=True, slots=True)
class Page:
    changes: list[Change]
    older: int | None
    """The steps before this number were not looked at; None: there are none."""


def of(instance: ProcessInstance, scope: int, name: str, before: int | None = None) -> Page:
    """The changes of a variable in steps before that number."""
    top = instance.steps + 1 if before is None else min(before, instance.steps + 1)
    bottom = max(0, top - 1 - WINDOW)
    steps = _mentioning(instance.history.filter(number__lt=top, number__gt=bottom), name).order_by("-number")
    found: list[tuple[Step, Any]] = []
    for step in steps.defer("journal").iterator(chunk_size=100):
        found += [(step, value) for value in _values(step, scope, name)]
        if len(found) > MOST:
            break
    told = [
        Change(step, found[position + 1][1] if position + 1 < len(found) else NOTHING, new)
        for position, (step, new) in enumerate(found)
    ]
    if len(found) > MOST:
        # The step of the next one again, for it may have changed it twice; but never the same page again.
        rest = found[MOST][0].number
        return Page(_real(told[:MOST]), min(rest + 1, top - 1))
    if bottom and told:
        told[-1] = Change(told[-1].step, NOTHING, told[-1].new, is_first=True)
    return Page(_real(told), bottom + 1 if bottom else None)


def _real(changes: list[Change]) -> list[Change]:
    """Without those that left it what it was: no variable."""
    return [change for change in changes if change.new is not NOTHING or change.old is not NOTHING]


def _mentioning(steps: QuerySet[Step], name: str) -> QuerySet[Step]:
    """Steps whose facts have the name in them, looked for by the database where both spell it the same way."""
    if not set(name) <= PLAIN:
        return steps
    return steps.alias(told=Cast("facts", TextField())).filter(told__contains=json.dumps(name))


def _values(step: Step, scope: int, name: str) -> Iterator[Any]:
    """What a step made of a variable, the last first; a visit that begins anew has no others than it is given."""
    for fact in reversed(step.facts or ()):
        given = fact.get("variables")
        kind = fact.get("fact")
        if not isinstance(given, Mapping):
            continue
        if kind == "VariablesSet" and fact.get("scope") == scope:
            if name in given:
                yield given[name]
        elif (scope and kind in ("NodeActivated", "RoundBegan") and fact.get("node") == scope) or (
            not scope and kind == "InstanceStarted"
        ):
            yield given.get(name, NOTHING)


def difference(old: Any, new: Any) -> list[tuple[str, str]]:
    """Two values as a difference of lines."""
    before, after = _lines(old), _lines(new)
    if before == after:
        return [("", line) for line in after[:1]] + ([("", "…")] if len(after) > 1 else [])
    told = []
    for line in list(difflib.unified_diff(before, after, n=2, lineterm=""))[2:]:
        kind = {"-": "del", "+": "ins", "@": "skip"}.get(line[0], "")
        told.append((kind, "…" if kind == "skip" else line[1:]))
    return told[1:] if told and told[0][0] == "skip" else told


def _lines(value: Any) -> list[str]:
    return [] if value is NOTHING else shown.json_text(value).split("\n")[:LONGEST]
