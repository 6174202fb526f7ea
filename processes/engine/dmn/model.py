"""What a document says: decisions with their logic, what they require, and knowledge that they may call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from processes.engine import feel
from processes.engine.dmn.logic import Logic
from processes.engine.errors import Problem


@dataclass(frozen=True, slots=True)
class InputData:
    """DMN 1.5, 6.3.7: a variable that comes from outside."""

    name: str
    type: str = ""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """A business knowledge model, DMN 1.5, 6.3.4: a function in FEEL."""

    name: str
    function: feel.Expression


@dataclass(frozen=True, slots=True)
class Decision:
    """DMN 1.5, 6.3.1. `variable` is the name under which others see its result, besides `id` and `name`."""

    id: str
    name: str
    variable: str
    type: str
    logic: Logic
    requires: tuple[str, ...] = ()
    """Ids of decisions."""
    inputs: tuple[InputData, ...] = ()
    knowledge: tuple[Knowledge, ...] = ()
    """Whatever it can call, those that others need before them."""
    version_tag: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class DecisionModel:
    """One document: ``dmn:definitions``. `decisions` by id, in document order."""

    id: str
    name: str
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()
