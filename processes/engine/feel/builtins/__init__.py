"""The functions that every expression can call, one file for each kind (DMN 1.5, 10.3.4)."""

from __future__ import annotations

from processes.engine.feel.builtins import (
    camunda,
    contexts,
    conversions,
    dates,
    lists,
    numbers,
    ranges,
    statistics,
    strings,
)
from processes.engine.feel.builtins.registry import BUILTINS

__all__ = [
    "BUILTINS",
    "camunda",
    "contexts",
    "conversions",
    "dates",
    "lists",
    "numbers",
    "ranges",
    "statistics",
    "strings",
]
