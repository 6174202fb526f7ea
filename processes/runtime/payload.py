"""What processes work on, as opposed to how they do: a right of its own (``processes.view_payload``).

Without it one sees where an instance stands, what was tried, when and by whom, but no variables, no inputs of jobs, no
requests and responses of attempts, no documents. Names, keys (business key, correlation key), codes and messages of
errors are no payload: nobody could operate anything without them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

RIGHT = "processes.view_payload"

IN_FACTS = frozenset({"variables", "response", "items", "given", "output", "decisions", "warnings"})
"""Fields of facts that hold values of processes."""


def without(facts: Iterable[Any] | None) -> list[Any]:
    """The facts with null where they hold values; names of variables go too, for they are keys of the values."""
    return [
        {name: None if name in IN_FACTS else value for name, value in fact.items()}
        if isinstance(fact, Mapping)
        else None
        for fact in facts or ()
    ]
