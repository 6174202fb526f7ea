"""What Camunda 7 passes on by name: ``camunda:in`` and ``camunda:out`` of call activities, and signals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from processes.engine.errors import IncidentKind
from processes.engine.expression import Expression
from processes.engine.source import Source


@dataclass(frozen=True, slots=True)
class Passing:
    """One ``camunda:in`` or ``camunda:out``: the variable `name` or the value of `source`, as `target`; all variables
    where there is no target. Where `local`, what goes in is taken from the local variables of the call activity only,
    and what comes out stays local to it, for its output mappings to see."""

    target: str = ""
    name: str = ""
    source: Expression | None = None
    local: bool = False

    @classmethod
    def read(cls, part: Source) -> Self:
        everything, local = part.get("variables").strip(), part.flag("local")
        if everything == "all":
            return cls(local=local)
        name, source, target = part.get("source"), part.get("sourceExpression"), part.get("target").strip()
        if everything or not target or bool(name) == bool(source):
            what = 'variables="all", or a target and either a source or a sourceExpression'
            part.problem("bad-passing", f"Expected camunda:{part.tag} to have {what}")
        return cls(target or "-", name, part.juel(source, "the sourceExpression") if source else None, local)

    def passed(self, variables: Mapping[str, Any], at: datetime, kind: IncidentKind) -> dict[str, Any]:
        """Raises `ProcessFault`."""
        if not self.target:
            return dict(variables)
        if self.source is not None:
            return {self.target: self.source.evaluate(variables, at, kind)}
        return {self.target: variables.get(self.name)}
