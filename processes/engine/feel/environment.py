"""Where names are looked up: local frames, then variables, then functions of the host, then built-ins."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from processes.engine.feel.budget import Run
from processes.engine.feel.builtins import BUILTINS
from processes.engine.feel.errors import Mistake
from processes.engine.feel.values import Function, describe


class _Missing:
    pass


MISSING: Any = _Missing()


class Environment:
    """One frame of local names and the frames around it; the outermost has none and leads to the run."""

    __slots__ = ("frame", "parent", "run")

    def __init__(self, run: Run, frame: Mapping[str, Any] | None = None, parent: Environment | None = None) -> None:
        self.run = run
        self.frame = frame
        self.parent = parent

    def local(self, name: str) -> Any:
        """The value of a local name, or `MISSING`."""
        here: Environment | None = self
        while here is not None:
            frame = here.frame
            if frame is not None and name in frame:
                return frame[name]
            here = here.parent
        return MISSING


def find(env: Environment, name: str) -> Any:
    """The value of any name, or `MISSING`."""
    value = env.local(name)
    if value is not MISSING:
        return value
    try:
        return env.run.variables[name]
    except KeyError:
        return function(env.run, name)


def function(run: Run, name: str) -> Any:
    """A function that is no variable, or `MISSING`."""
    host = run.functions.get(name)
    if host is not None:
        return HostFunction(name, host)
    return BUILTINS.get(name, MISSING)


class HostFunction(Function):
    """A Python function that the caller of the expression lends to it.

    Named arguments are its keyword arguments, a space in a name being an underscore. What it raises is the
    caller's own.
    """

    __slots__ = ("body", "name")

    def __init__(self, name: str, body: Callable[..., Any]) -> None:
        self.name = name
        self.body = body

    def call(self, run: Run, positional: list[Any], named: dict[str, Any]) -> Any:
        keywords = {name.replace(" ", "_"): value for name, value in named.items()}
        try:
            inspect.signature(self.body).bind(*positional, **keywords)
        except (TypeError, ValueError) as error:
            found = ", ".join([*map(describe, positional), *(f"{name}: ..." for name in named)])
            raise Mistake(f"Expected other arguments but found {self.name}({found}): {error}") from None
        return self.body(*positional, **keywords)
