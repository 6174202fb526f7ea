"""Who is to blame: the four kinds of wrong, and what can be wrong with a model.

    EngineError
    +-- Rejected          the caller's fault: a command that cannot be carried out; nothing changed
    +-- ModelInvalid      the model's fault at deploy time: every problem found, with its place
    +-- ProcessFault      the model's fault at run time: an incident where the token stands
    +-- BpmnError         business: looks for a boundary event with its code, else an incident
    +-- JobError          the world's fault: retried by policy, then an incident

Anything else that escapes the engine is a bug of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class EngineError(Exception):
    """Root of everything that the engine raises on purpose."""


class Rejected(EngineError):
    """A command that cannot be carried out as asked. Nothing changed.

    `code` is stable and meant for programs, e.g. ``job-not-claimed``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ProcessFault(EngineError):
    """The model asked for something impossible at run time; the token stays where it stands."""

    def __init__(self, kind: IncidentKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class BpmnError(EngineError):
    """A business error, BPMN 2.0.2 section 10.5.6: caught by its code, never retried."""

    def __init__(self, code: str, message: str = "", variables: Mapping[str, Any] | None = None) -> None:
        super().__init__(message or code)
        self.code = code
        self.message = message
        self.variables: Mapping[str, Any] = variables or {}


class IncidentKind(StrEnum):
    """Why a part of an instance is parked."""

    JOB_NO_RETRIES = "JOB_NO_RETRIES"
    INPUT_MAPPING = "INPUT_MAPPING"
    OUTPUT_MAPPING = "OUTPUT_MAPPING"
    CONDITION = "CONDITION"
    EXPRESSION = "EXPRESSION"
    DECISION = "DECISION"
    UNHANDLED_ERROR = "UNHANDLED_ERROR"
    CALLED_ELEMENT = "CALLED_ELEMENT"
    ENDLESS_LOOP = "ENDLESS_LOOP"
    INTERNAL = "INTERNAL"


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding about a model.

    `rule` is a stable id such as ``unknown-reference``; `line` counts from 1 (0: unknown); `element` is the id of
    the BPMN element ("" where it has none); `message` says what was expected and what was found.
    """

    rule: str
    message: str
    line: int = 0
    element: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        place = f"line {self.line}" if self.line else "model"
        who = f", element '{self.element}'" if self.element else ""
        return f"{place}{who}: {self.message} [{self.rule}]"


@dataclass
class ModelInvalid(EngineError):
    """A model that is not executable: all its problems, in document order, warnings included."""

    problems: tuple[Problem, ...] = field(default=())

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__("; ".join(str(problem) for problem in self.problems))
