"""Function literals and calls (DMN 1.5, 10.3.2.8)."""

from __future__ import annotations

from typing import Any

from processes.engine.feel import syntax
from processes.engine.feel.budget import Run
from processes.engine.feel.compiler.core import Code, build, builds, weight
from processes.engine.feel.compiler.names import build_defined
from processes.engine.feel.environment import MISSING, Environment, function
from processes.engine.feel.errors import Mistake
from processes.engine.feel.syntax import Type
from processes.engine.feel.types import convert
from processes.engine.feel.values import Function, describe


class Lambda(Function):
    """A function literal with the names around it."""

    __slots__ = ("body", "env", "names", "steps", "types")

    def __init__(
        self,
        names: tuple[str, ...],
        types: tuple[Type | None, ...],
        body: Code,
        steps: int,
        env: Environment,
    ) -> None:
        self.names = names
        self.types = types
        self.body = body
        self.steps = steps
        self.env = env

    @property
    def parameters(self) -> tuple[str, ...]:
        return self.names

    def call(self, run: Run, positional: list[Any], named: dict[str, Any]) -> Any:
        if named:
            if positional or named.keys() != set(self.names):
                raise Mistake(f"Expected arguments {_listed(self.names)} but found {_listed(named)}")
            positional = [named[name] for name in self.names]
        if len(positional) != len(self.names):
            raise Mistake(f"Expected arguments {_listed(self.names)} but found {len(positional)}")
        frame = dict(zip(self.names, positional, strict=True))
        for name, wanted in zip(self.names, self.types, strict=True):
            if wanted is not None:
                frame[name] = convert(run, frame[name], wanted)
        run.charge(self.steps)
        run.enter()
        try:
            # The run is that of the call: a function may have been made by another evaluation.
            return self.body(Environment(run, frame, self.env))
        finally:
            run.leave()


def _listed(names: Any) -> str:
    return f"({', '.join(names)})"


@builds(syntax.FunctionLiteral)
def function_literal(node: syntax.FunctionLiteral, local: bool) -> Code:
    parameters = tuple(name for name, _ in node.parameters)
    types = tuple(wanted for _, wanted in node.parameters)
    body, steps = build(node.body, True), weight(node.body)
    return lambda env: Lambda(parameters, types, body, steps, env)


@builds(syntax.Call)
def call(node: syntax.Call, local: bool) -> Code:
    if isinstance(node.function, syntax.Name):
        if node.function.name == "is defined" and len(node.positional) == 1 and not node.named:
            return build_defined(node.positional[0], local)
        callee = _callee(node.function.name, local)
    else:
        callee = build(node.function, local)
    positional = [build(argument, local) for argument in node.positional]
    named = [(name, build(argument, local)) for name, argument in node.named]

    def invoke(env: Environment) -> Any:
        run, called = env.run, callee(env)
        values = [argument(env) for argument in positional]
        names = {name: argument(env) for name, argument in named}
        try:
            if not isinstance(called, Function):
                raise Mistake(f"Expected a function to call but found {describe(called)}")
            run.charge()
            return called.call(run, values, names)
        except Mistake as mistake:
            run.warn(str(mistake))
            return None

    return invoke


def _callee(name: str, local: bool) -> Code:
    """A variable that is no function hides none: ``date("2020-01-01")`` works beside a variable ``date``."""

    def find(env: Environment) -> Any:
        found = env.local(name) if local else MISSING
        if isinstance(found, Function):
            return found
        run = env.run
        try:
            variable = run.variables[name]
        except KeyError:
            variable = MISSING
        if isinstance(variable, Function):
            return variable
        named = function(run, name)
        if named is not MISSING:
            return named
        if variable is MISSING and found is MISSING:
            run.warn(f"function '{name}' does not exist")
        return None if found is MISSING and variable is MISSING else (found if found is not MISSING else variable)

    return find
