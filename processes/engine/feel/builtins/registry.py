"""How a built-in is declared, found and called.

A built-in is a plain function ``(run, *arguments)`` under one signature or more, written as DMN writes
them:

    @builtin("substring(string: string, start position: number, length?: number)")

``name?`` may be left out; ``type?`` may be null; ``a|b`` takes either type; ``any`` takes everything, null
too; ``list...`` is one list or several arguments that make it; ``*rest`` takes all that is left. Arguments
are converted as DMN 1.5, 10.3.2.9.4 asks: one value is the list of it where a list is wanted, a list of one
value is that value where a single one is wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from processes.engine.feel.budget import Run
from processes.engine.feel.errors import Mistake
from processes.engine.feel.values import Function, describe, kind_of

Body = Callable[..., Any]
B = TypeVar("B", bound=Body)


@dataclass(frozen=True, slots=True)
class Parameter:
    """`kinds` is empty where everything is taken."""

    name: str
    kinds: tuple[str, ...]
    nullable: bool
    required: bool

    def convert(self, value: Any, function: str) -> Any:
        kinds = self.kinds
        if not kinds or (kind := kind_of(value)) in kinds or (value is None and self.nullable):
            return value
        if value is not None:
            if "list" in kinds:
                return [value]
            if kind == "list" and len(value) == 1 and kind_of(value[0]) in kinds:
                return value[0]
        raise Mistake(f"Expected {self.wanted} for '{self.name}' of {function}() but found {describe(value)}")

    @property
    def wanted(self) -> str:
        return " or ".join(f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}" for kind in self.kinds)


@dataclass(frozen=True, slots=True)
class Overload:
    """One signature with its body. `rest` is "", "list" (``list...``) or "all" (``*rest``)."""

    function: str
    parameters: tuple[Parameter, ...]
    required: int
    rest: str
    body: Body

    def bind(self, positional: list[Any], named: dict[str, Any]) -> list[Any] | None:
        """The arguments in order of the parameters, or None where their number or names do not fit."""
        if self.rest and not named:
            return self._gather(positional)
        if named:
            return self._by_name(positional, named)
        return positional if self.required <= len(positional) <= len(self.parameters) else None

    def _gather(self, positional: list[Any]) -> list[Any] | None:
        fixed = len(self.parameters) - 1
        if self.rest == "list" and len(positional) == 1:
            return positional
        if len(positional) <= fixed:
            return None
        return [*positional[:fixed], positional[fixed:]]

    def _by_name(self, positional: list[Any], named: dict[str, Any]) -> list[Any] | None:
        names = [parameter.name for parameter in self.parameters]
        if positional or not named.keys() <= set(names):
            return None
        found: list[Any] = []
        for parameter in self.parameters:
            if parameter.name in named:
                found.append(named[parameter.name])
            elif parameter.required:
                return None
            else:
                found.append(None)
        while found and self.parameters[len(found) - 1].name not in named:
            found.pop()  # left out at the end is not the same as null
        return found

    def convert(self, arguments: list[Any], given: set[str] | None) -> list[Any]:
        if given is None and self.rest != "all":
            return [
                parameter.convert(value, self.function)
                for parameter, value in zip(self.parameters, arguments, strict=False)
            ]
        converted: list[Any] = []
        for parameter, value in zip(self.parameters, arguments, strict=False):
            if value is None and not parameter.required and given is not None and parameter.name not in given:
                converted.append(None)
            elif self.rest == "all" and parameter is self.parameters[-1]:
                converted.append([parameter.convert(item, self.function) for item in value])
            else:
                converted.append(parameter.convert(value, self.function))
        return converted


class Builtin(Function):
    """A named function of FEEL with all its signatures."""

    __slots__ = ("name", "overloads")

    def __init__(self, name: str) -> None:
        self.name = name
        self.overloads: list[Overload] = []

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(parameter.name for parameter in self.overloads[0].parameters)

    def call(self, run: Run, positional: list[Any], named: dict[str, Any]) -> Any:
        failure: Mistake | None = None
        given = set(named) if named else None
        for overload in self.overloads:
            arguments = overload.bind(positional, named)
            if arguments is None:
                continue
            try:
                converted = overload.convert(arguments, given)
            except Mistake as mistake:
                failure = failure or mistake
                continue
            return overload.body(run, *converted)
        raise failure or Mistake(self._misfit(positional, named))

    def _misfit(self, positional: list[Any], named: dict[str, Any]) -> str:
        wanted = " or ".join(
            f"{self.name}({', '.join(parameter.name for parameter in overload.parameters)})"
            for overload in self.overloads
        )
        found = ", ".join([*(describe(value) for value in positional), *(f"{name}: ..." for name in named)])
        return f"Expected {wanted} but found {self.name}({found})"


BUILTINS: dict[str, Builtin] = {}


def builtin(*signatures: str) -> Callable[[B], B]:
    """Register a function under one signature or more."""

    def register(body: B) -> B:
        for signature in signatures:
            overload = _read(signature, body)
            BUILTINS.setdefault(overload.function, Builtin(overload.function)).overloads.append(overload)
        return body

    return register


def _read(signature: str, body: Body) -> Overload:
    name, _, inside = signature.partition("(")
    parameters, rest = [], ""
    for part in filter(None, inside.rstrip(")").split(", ")):
        left, _, kinds = part.partition(": ")
        if left.endswith("..."):
            rest, left = "list", left.removesuffix("...")
        elif left.startswith("*"):
            rest, left = "all", left.removeprefix("*")
        types = kinds.removesuffix("?")
        parameters.append(
            Parameter(
                left.removesuffix("?"),
                () if types == "any" else tuple(types.split("|")),
                nullable=kinds.endswith("?"),
                required=not left.endswith("?"),
            )
        )
    required = sum(parameter.required for parameter in parameters)
    return Overload(name, tuple(parameters), required, rest, body)
