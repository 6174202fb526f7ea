"""Parts by key that can also be asked for by what is around them, without looking at all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

P = TypeVar("P")


class Grouped(dict[int, P]):
    """A dict of parts by key, indexed by one number of each part that never changes: its scope, or its node."""

    __slots__ = ("_around", "_groups")

    def __init__(self, around: Callable[[P], int]) -> None:
        super().__init__()
        self._around = around
        self._groups: dict[int, set[int]] = {}

    def group(self, around: int) -> list[P]:
        """The parts around which that is, by ascending key."""
        return [self[key] for key in sorted(self._groups.get(around, ()))]

    def holds(self, around: int) -> bool:
        """Whether there is any such part."""
        return around in self._groups

    def __setitem__(self, key: int, part: P) -> None:
        super().__setitem__(key, part)
        self._groups.setdefault(self._around(part), set()).add(key)

    def __delitem__(self, key: int) -> None:
        self.pop(key)

    def pop(self, key: int, *default: Any) -> Any:
        if key not in self:
            return super().pop(key, *default)
        part = super().pop(key)
        around = self._around(part)
        keys = self._groups[around]
        keys.discard(key)
        if not keys:
            del self._groups[around]
        return part

    def setdefault(self, key: int, part: P) -> P:
        if key not in self:
            self[key] = part
        return self[key]
