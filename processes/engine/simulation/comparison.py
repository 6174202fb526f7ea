"""A run against a recorded one: the same lines, whatever their spelling as JSON."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any


def differences(
    recorded: Iterable[dict[str, Any]], found: Iterable[dict[str, Any]], spell: Callable[[Any], str]
) -> list[str]:
    """A unified difference, line by line; empty where there is none. `spell` writes an object in one way only."""
    return list(
        difflib.unified_diff(
            [spell(line) for line in recorded], [spell(line) for line in found], "recorded", "found", lineterm="", n=2
        )
    )
