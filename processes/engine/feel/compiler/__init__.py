"""From the syntax tree to closures, one file for each family of expressions."""

from __future__ import annotations

from processes.engine.feel.compiler import collections, invocation, iteration, names, operators
from processes.engine.feel.compiler.core import Code, build

__all__ = ["Code", "build", "collections", "invocation", "iteration", "names", "operators"]
