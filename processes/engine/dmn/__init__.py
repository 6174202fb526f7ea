"""DMN 1.1 to 1.5: decisions from their XML to values (OMG formal/24-01-01 for 1.5).

    document --parser, part--> model: decisions, knowledge, tables --evaluation--> result, and how it came about
                                       |
                        logic (boxed expressions), table, policies over FEEL

Pure, as the rest of the engine: the moment is an argument, and an evaluation has one budget for all its cells. Nobody
in here knows BPMN. What is not executed is refused by name when a document is read.
"""

from __future__ import annotations

from processes.engine.dmn.evaluation import Evaluated, Evaluation, evaluate
from processes.engine.dmn.library import NO_DECISIONS, Library, Published
from processes.engine.dmn.model import Decision, DecisionModel
from processes.engine.dmn.parser import is_dmn, parse

__all__ = [
    "NO_DECISIONS",
    "Decision",
    "DecisionModel",
    "Evaluated",
    "Evaluation",
    "Library",
    "Published",
    "evaluate",
    "is_dmn",
    "parse",
]
