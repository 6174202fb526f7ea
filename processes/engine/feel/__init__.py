"""FEEL, the expression language of DMN 1.5, chapter 10, in which conditions and mappings are written.

    lexer -> scope, parser -> syntax -> compiler -> closures -> values
                                        |
                 arithmetic, compare, types, builtins over values, temporal, decimals

Pure: the moment is an argument, nothing is random, no file and no network is touched. An expression comes
from a stranger, so every evaluation has a `Budget`. Nobody in here knows BPMN.
"""

from __future__ import annotations

from processes.engine.feel.budget import Budget
from processes.engine.feel.errors import BudgetExceeded, FeelError, FeelSyntaxError
from processes.engine.feel.expression import Expression, Result, compile, compile_each_test, compile_unary_tests
from processes.engine.feel.scope import needs_scope
from processes.engine.feel.temporal import Date, DateTime, DayTimeDuration, Time, YearMonthDuration
from processes.engine.feel.values import Function, Range, to_json

__all__ = [
    "Budget",
    "BudgetExceeded",
    "Date",
    "DateTime",
    "DayTimeDuration",
    "Expression",
    "FeelError",
    "FeelSyntaxError",
    "Function",
    "Range",
    "Result",
    "Time",
    "YearMonthDuration",
    "compile",
    "compile_each_test",
    "compile_unary_tests",
    "needs_scope",
    "to_json",
]
