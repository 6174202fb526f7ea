"""Input and output mappings, and the variables that they see: one set over another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from processes.engine.errors import IncidentKind
from processes.engine.expression import Expression


@dataclass(frozen=True, slots=True)
class VariableMapping:
    """One input or output mapping: `target` is a name, or a path that builds contexts."""

    source: Expression
    target: tuple[str, ...]


def mapped(
    mappings: Iterable[VariableMapping],
    variables: Mapping[str, Any],
    at: datetime,
    kind: IncidentKind,
    *,
    base: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What the mappings give; later ones see what earlier ones gave. A path extends the context of that name in
    `base`. Raises `ProcessFault`."""
    given: dict[str, Any] = {}
    for mapping in mappings:
        value = mapping.source.evaluate(Overlay(given, variables), at, kind)
        name, *path = mapping.target
        if not path:
            given[name] = value
            continue
        context = given[name] if name in given else (base or {}).get(name)
        given[name] = _placed(context, path, value)
    return given


def _placed(context: Any, path: list[str], value: Any) -> dict[str, Any]:
    copy = dict(context) if isinstance(context, dict) else {}
    head, *rest = path
    copy[head] = _placed(copy.get(head), rest, value) if rest else value
    return copy


class Overlay(Mapping[str, Any]):
    """One set of variables over another, copying neither."""

    __slots__ = ("_over", "_under")

    def __init__(self, over: Mapping[str, Any], under: Mapping[str, Any]) -> None:
        self._over = over
        self._under = under

    def __getitem__(self, name: str) -> Any:
        return self._over[name] if name in self._over else self._under[name]

    def __contains__(self, name: object) -> bool:
        return name in self._over or name in self._under

    def __iter__(self) -> Any:
        yield from self._over
        yield from (name for name in self._under if name not in self._over)

    def __len__(self) -> int:
        return len({*self._over, *self._under})
