"""Built-ins over lists of numbers (DMN 1.5, 10.3.4.4). Of an empty list, sum, mean and the like are null."""

from __future__ import annotations

from decimal import Overflow
from typing import Any

from processes.engine.feel.arithmetic import add_numbers, divide_numbers, multiply_numbers, subtract_numbers
from processes.engine.feel.budget import ITEMS_PER_STEP, Run
from processes.engine.feel.builtins.registry import builtin
from processes.engine.feel.decimals import CONTEXT, Number, as_number, decimal, simplest
from processes.engine.feel.errors import BudgetExceeded, Mistake
from processes.engine.feel.temporal import DayTimeDuration, YearMonthDuration
from processes.engine.feel.values import describe


def _numbers(run: Run, items: list[Any], function: str) -> list[Number]:
    run.charge(len(items) // ITEMS_PER_STEP)
    found = []
    for item in items:
        number = as_number(item)
        if number is None:
            raise Mistake(f"Expected numbers in the list of {function}() but found {describe(item)}")
        found.append(number)
    return found


def _total(numbers: list[Number]) -> Number:
    try:
        total: Number = 0
        for number in numbers:
            total = add_numbers(total, number)
    except Overflow:
        raise BudgetExceeded("Expected a number of at most 6144 digits but it would have more") from None
    return total


@builtin("sum(list...: list)")
def sum_(run: Run, items: list[Any]) -> Any:
    if items and all(isinstance(item, DayTimeDuration) for item in items):
        return DayTimeDuration(sum(item.nanos for item in items))
    if items and all(isinstance(item, YearMonthDuration) for item in items):
        return YearMonthDuration(sum(item.months for item in items))
    return _total(_numbers(run, items, "sum")) if items else None


@builtin("mean(list...: list)")
def mean(run: Run, items: list[Any]) -> Number | None:
    numbers = _numbers(run, items, "mean")
    return divide_numbers(_total(numbers), len(numbers)) if numbers else None


@builtin("product(list...: list)")
def product(run: Run, items: list[Any]) -> Number | None:
    numbers = _numbers(run, items, "product")
    try:
        result: Number = 1
        for number in numbers:
            result = multiply_numbers(result, number)
    except Overflow:
        raise BudgetExceeded("Expected a number of at most 6144 digits but it would have more") from None
    return simplest(result) if numbers else None


@builtin("median(list...: list)")
def median(run: Run, items: list[Any]) -> Number | None:
    numbers = sorted(_numbers(run, items, "median"))
    if not numbers:
        return None
    middle, odd = divmod(len(numbers), 2)
    return numbers[middle] if odd else divide_numbers(add_numbers(numbers[middle - 1], numbers[middle]), 2)


@builtin("stddev(list...: list)")
def stddev(run: Run, items: list[Any]) -> Number:
    """The deviation of a sample: divided by one less than the count."""
    numbers = _numbers(run, items, "stddev")
    if len(numbers) < 2:
        raise Mistake(f"Expected at least two numbers for stddev() but found {len(numbers)}")
    average = divide_numbers(_total(numbers), len(numbers))
    differences = [subtract_numbers(number, average) for number in numbers]
    total = _total([multiply_numbers(difference, difference) for difference in differences])
    return simplest(CONTEXT.sqrt(decimal(divide_numbers(total, len(numbers) - 1))))


@builtin("mode(list...: list)")
def mode(run: Run, items: list[Any]) -> list[Number]:
    """The most frequent numbers, in ascending order."""
    counts: dict[Number, int] = {}
    for number in _numbers(run, items, "mode"):
        counts[number] = counts.get(number, 0) + 1
    most = max(counts.values(), default=0)
    return sorted(number for number, times in counts.items() if times == most)
