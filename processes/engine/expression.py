"""A value in a model: a literal text, or a FEEL expression where the text starts with ``=``.

Everything that comes out is JSON: numbers are `int` or `Decimal`, moments and durations are ISO 8601 texts, because
what an expression gives becomes a process variable, a header or an address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from processes.engine import feel
from processes.engine.errors import IncidentKind, ProcessFault

MAX_TEXT = 255
"""Characters of a name: of a job type, a message, a correlation key."""


@dataclass(frozen=True, slots=True)
class Expression:
    """`text` is what the model says, `code` the compiled FEEL, None for a literal."""

    text: str
    code: feel.Expression | None = None

    @classmethod
    def read(cls, text: str) -> Expression:
        """A literal, or FEEL behind ``=``. Raises `feel.FeelSyntaxError`."""
        stripped = text.strip()
        if stripped.startswith("="):
            return cls(text, feel.compile(stripped[1:]))
        return cls(text)

    @classmethod
    def feel(cls, text: str) -> Expression:
        """FEEL with or without ``=`` before it. Raises `feel.FeelSyntaxError`."""
        return cls(text, feel.compile(text.strip().removeprefix("=")))

    @property
    def texts(self) -> frozenset[str]:
        """What stands in the model as text: the literal, or the text literals of the expression."""
        return frozenset([self.text]) if self.code is None else self.code.texts

    @property
    def names(self) -> frozenset[str]:
        """The variables that it refers to."""
        return frozenset() if self.code is None else self.code.names

    def evaluate(
        self,
        variables: Mapping[str, Any],
        at: datetime,
        kind: IncidentKind = IncidentKind.EXPRESSION,
        functions: Mapping[str, Callable[..., Any]] | None = None,
    ) -> Any:
        """The value as JSON, None for FEEL's null. Raises `ProcessFault` where a budget is exceeded."""
        return self.explain(variables, at, kind, functions)[0]

    def explain(
        self,
        variables: Mapping[str, Any],
        at: datetime,
        kind: IncidentKind = IncidentKind.EXPRESSION,
        functions: Mapping[str, Callable[..., Any]] | None = None,
    ) -> tuple[Any, str]:
        """The value as JSON, and why it is null where it is."""
        if self.code is None:
            return self.text, ""
        try:
            result = self.code.evaluate(variables, now=at, functions=functions or {})
            return feel.to_json(result.value), "; ".join(result.warnings)
        except feel.FeelError as error:
            raise ProcessFault(kind, f"Expected '{self.text}' to be evaluated but found: {error}") from None

    def text_of(self, variables: Mapping[str, Any], at: datetime, what: str, kind: IncidentKind) -> str:
        """The value as a text that is not empty; a number is written out. Raises `ProcessFault`."""
        value, why = self.explain(variables, at, kind)
        if value is not None and not isinstance(value, str | bool | list | dict):
            value = str(value)
        if isinstance(value, str) and 0 < len(value) <= MAX_TEXT:
            return value
        if isinstance(value, str) and value:
            why = f"which has {len(value)} characters, more than {MAX_TEXT}"
        raise ProcessFault(kind, expected(f"{what} '{self.text}' to give a text", value, why))


def expected(what: str, found: Any, why: str = "") -> str:
    """The one way in which a wrong value is reported."""
    return f"Expected {what} but found {show(found)}" + (f" ({why})" if why else "")


def show(value: Any) -> str:
    """A value as a modeller would write it, cut to a readable length."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = f'"{value}"'
    else:
        text = str(value)
    return text if len(text) <= 200 else text[:200] + "…"
