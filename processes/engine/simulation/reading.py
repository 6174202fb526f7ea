"""Reads a scenario value by value; what does not fit is told with its place: ``services.charge[0].after``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from processes.engine import feel, schedule
from processes.engine.errors import EngineError
from processes.engine.expression import Expression, expected

T = TypeVar("T")


class ScenarioInvalid(EngineError):
    """What a scenario says cannot be understood; the message names the place."""


@dataclass(frozen=True, slots=True)
class Given:
    """A value of a scenario and its place."""

    value: Any
    place: str

    def unfit(self, what: str) -> ScenarioInvalid:
        return ScenarioInvalid(f"{self.place}: {expected(what, self.value)}")

    def fields(self, *known: str) -> dict[str, Given]:
        """The members of an object. Raises `ScenarioInvalid` where it is none, or has others than these."""
        if not isinstance(self.value, Mapping):
            raise self.unfit(f"an object with {', '.join(known)}")
        for name in self.value:
            if name not in known:
                raise ScenarioInvalid(f"{self.place}: Expected {', '.join(known)} but found '{name}'")
        return self.members()

    def members(self) -> dict[str, Given]:
        """As `fields`, whatever their names."""
        if not isinstance(self.value, Mapping):
            raise self.unfit("an object")
        return {name: Given(member, f"{self.place}.{name}") for name, member in self.value.items()}

    def several(self) -> list[Given]:
        """The items of a list; what is no list is the only one. Raises `ScenarioInvalid` where there is none."""
        if not isinstance(self.value, list):
            return [self]
        if not self.value:
            raise self.unfit("at least one item")
        return [Given(item, f"{self.place}[{position}]") for position, item in enumerate(self.value)]

    def text(self) -> str:
        if not isinstance(self.value, str) or not self.value:
            raise self.unfit("a text")
        return self.value

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.unfit("true or false")
        return self.value

    def count(self) -> int:
        if isinstance(self.value, bool) or not isinstance(self.value, int) or self.value < 0:
            raise self.unfit("a whole number from 0")
        return self.value

    def span(self) -> timedelta:
        """An ISO 8601 duration."""
        return self._parsed(schedule.span)

    def moment(self) -> datetime:
        """An ISO 8601 date and time."""
        return self._parsed(schedule.moment)

    def moment_from(self, start: datetime) -> datetime:
        """A date and time, or a duration after `start`."""
        if isinstance(self.value, str) and self.value.startswith("P"):
            return start + self.span()
        return self.moment()

    def variables(self) -> dict[str, Any]:
        if not isinstance(self.value, Mapping):
            raise self.unfit("an object of variables")
        return dict(self.value)

    def template(self) -> Template:
        return Template(_compiled(self))

    def _parsed(self, parse: Callable[[str], T]) -> T:
        try:
            return parse(self.text())
        except (ValueError, OverflowError) as error:
            raise ScenarioInvalid(f"{self.place}: {error}") from None


@dataclass(frozen=True, slots=True)
class Template:
    """A value in which every text that begins with ``=`` is FEEL over the variables of the job."""

    value: Any

    def filled(self, variables: Mapping[str, Any], at: datetime) -> Any:
        """The value as JSON. Raises `ProcessFault` where an expression exceeds its budget."""
        return _filled(self.value, variables, at)


def _compiled(given: Given) -> Any:
    if isinstance(given.value, str):
        try:
            expression = Expression.read(given.value)
        except feel.FeelSyntaxError as error:
            raise ScenarioInvalid(f"{given.place}: Expected FEEL but found '{given.value}': {error}") from None
        return expression if expression.code is not None else given.value
    if isinstance(given.value, Mapping):
        return {name: _compiled(member) for name, member in given.members().items()}
    if isinstance(given.value, list):
        return [_compiled(item) for item in given.several()] if given.value else []
    return given.value


def _filled(value: Any, variables: Mapping[str, Any], at: datetime) -> Any:
    if isinstance(value, Expression):
        return value.evaluate(variables, at)
    if isinstance(value, dict):
        return {name: _filled(member, variables, at) for name, member in value.items()}
    if isinstance(value, list):
        return [_filled(item, variables, at) for item in value]
    return value
