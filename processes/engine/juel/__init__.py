"""JUEL, the expression language of Camunda 7 models, as far as it has a meaning without Java (Jakarta Expression
Language 3.0, chapter 1): read into the syntax tree of FEEL, so that both are compiled and bounded by the same code.

    lexer -> parser -> feel.syntax -> feel.Expression

Its own manners are kept where they differ: null counts as false in conditions, ``==`` of different types is false,
``empty``, indexes from 0, texts with expressions inside. What needs an object behind it (beans, methods of variables,
services of the engine) is refused by name; `METHODS` and `FUNCTIONS` are what is not.
"""

from __future__ import annotations

from processes.engine.juel.parser import compile, is_juel, parse

__all__ = ["compile", "is_juel", "parse"]
