"""Operators: arithmetic, comparison, logic, ``between``, ``in``, ``instance of``, ``if`` (DMN 1.5, 10.3.2).

Numbers, the usual case, are computed in the closure; all else goes to `arithmetic` and `compare`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from processes.engine.feel import syntax
from processes.engine.feel.arithmetic import calculate, negate
from processes.engine.feel.budget import Run
from processes.engine.feel.compare import both, compare, either, matches
from processes.engine.feel.compiler.core import Code, build, builds
from processes.engine.feel.decimals import LIMIT, NUMBERS
from processes.engine.feel.environment import Environment
from processes.engine.feel.types import is_instance
from processes.engine.feel.values import Range, describe

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_WHOLE: dict[str, Callable[[int, int], int]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}


@builds(syntax.Arithmetic)
def arithmetic(node: syntax.Arithmetic, local: bool) -> Code:
    left, right, sign = build(node.left, local), build(node.right, local), node.operator
    whole = _WHOLE.get(sign)
    if whole is None:
        return lambda env: calculate(env.run, sign, left(env), right(env))

    def compute(env: Environment) -> Any:
        one, other = left(env), right(env)
        if type(one) is int and type(other) is int:
            result = whole(one, other)
            if -LIMIT < result < LIMIT:
                return result
        return calculate(env.run, sign, one, other)

    return compute


@builds(syntax.Negate)
def negation(node: syntax.Negate, local: bool) -> Code:
    operand = build(node.operand, local)
    return lambda env: negate(env.run, operand(env))


@builds(syntax.Comparison)
def comparison(node: syntax.Comparison, local: bool) -> Code:
    left, sign = build(node.left, local), node.operator
    numeric = _COMPARE[sign]
    if isinstance(node.right, syntax.Literal):
        return _with_literal(left, sign, node.right.value)
    right = build(node.right, local)

    def test(env: Environment) -> bool | None:
        one, other = left(env), right(env)
        if type(one) in NUMBERS and type(other) in NUMBERS:
            return numeric(one, other)
        return compare(env.run, sign, one, other)

    return test


def _with_literal(left: Code, sign: str, literal: Any) -> Code:
    """``x > 3``, ``x = "a"``: the commonest conditions."""
    numeric, kind = _COMPARE[sign], type(literal)
    alike = NUMBERS if kind in NUMBERS else frozenset((kind,)) if kind in (str, bool) else frozenset()
    if kind is bool and sign not in ("=", "!="):
        alike = frozenset()

    def test(env: Environment) -> bool | None:
        value = left(env)
        if type(value) in alike:
            return numeric(value, literal)
        return compare(env.run, sign, value, literal)

    return test


@builds(syntax.Logic)
def logic(node: syntax.Logic, local: bool) -> Code:
    """Three-valued, no boolean being null (DMN 1.5, 10.3.2.4). The right side waits for the left."""
    left, right, sign = build(node.left, local), build(node.right, local), node.operator
    decisive = sign == "or"
    combine = either if decisive else both

    def decide(env: Environment) -> bool | None:
        one = left(env)
        if type(one) is bool and one == decisive:
            return decisive
        other = right(env)
        if type(one) is bool and type(other) is bool:
            return other
        return combine(_truth(env.run, sign, one), _truth(env.run, sign, other))

    return decide


def _truth(run: Run, sign: str, value: Any) -> bool | None:
    if type(value) is bool:
        return value
    if value is not None:
        run.warn(f"Expected a boolean beside '{sign}' but found {describe(value)}")
    return None


@builds(syntax.Between)
def between(node: syntax.Between, local: bool) -> Code:
    value, low, high = build(node.value, local), build(node.low, local), build(node.high, local)

    def test(env: Environment) -> bool | None:
        run, tested = env.run, value(env)
        return both(compare(run, ">=", tested, low(env)), compare(run, "<=", tested, high(env)))

    return test


@builds(syntax.In)
def membership(node: syntax.In, local: bool) -> Code:
    value = build(node.value, local)
    tests = [(test.operator, build(test.operand, local)) for test in node.tests]

    def test(env: Environment) -> bool | None:
        tested, found = value(env), False if tests else None
        for sign, operand in tests:
            wanted = operand(env)
            answer = compare(env.run, sign, tested, wanted) if sign else matches(env.run, tested, wanted)
            if answer is True:
                return True
            found = either(found, answer)
        return found

    return test


@builds(syntax.Test)
def unary(node: syntax.Test, local: bool) -> Code:
    raise AssertionError("a test is compiled by the expression around it")


@builds(syntax.InstanceOf)
def instance_of(node: syntax.InstanceOf, local: bool) -> Code:
    value, wanted = build(node.value, local), node.type
    return lambda env: is_instance(env.run, value(env), wanted)


@builds(syntax.If)
def choice(node: syntax.If, local: bool) -> Code:
    """Whatever is not true, null too, leads to ``else``."""
    condition, then, otherwise = (build(part, local) for part in (node.condition, node.then, node.otherwise))

    def choose(env: Environment) -> Any:
        answer = condition(env)
        if answer is True:
            return then(env)
        if answer is not False and answer is not None:
            env.run.warn(f"Expected a boolean after 'if' but found {describe(answer)}")
        return otherwise(env)

    return choose


@builds(syntax.HalfRange)
def half_range(node: syntax.HalfRange, local: bool) -> Code:
    operand, sign = build(node.operand, local), node.operator

    def make(env: Environment) -> Range:
        end = operand(env)
        if sign in ("=", "!="):
            return Range(end, end, True, True, sign)
        if sign in ("<", "<="):
            return Range(None, end, False, sign == "<=", sign)
        return Range(end, None, sign == ">=", False, sign)

    return make
