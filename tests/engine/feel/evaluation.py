"""What the tests of FEEL share: evaluate a text at a fixed moment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hypothesis import settings

from processes.engine import feel

#: For tests with `hypothesis`: how long an example takes depends on what else the machine does.
PROPERTY = settings(deadline=None, max_examples=60)
NOW = datetime(2024, 5, 1, 12, 30, tzinfo=UTC)


def result(text: str, variables: Mapping[str, Any] | None = None, **options: Any) -> feel.Result:
    scope = variables or {}
    return feel.compile(text, names=scope).evaluate(scope, now=NOW, **options)


def value(text: str, variables: Mapping[str, Any] | None = None, **options: Any) -> Any:
    """The value of an expression that has nothing to complain about."""
    found = result(text, variables, **options)
    assert found.warnings == (), found
    return found.value


def shown(text: str, variables: Mapping[str, Any] | None = None) -> str:
    """FEEL's own text of a value."""
    return str(value(f"string({text})", variables))
