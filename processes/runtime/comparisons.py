"""Two deployed versions side by side: what differs in the model, and in the text of the files."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from processes.engine.comparison import Change, ChangeKind, ElementChange, compare
from processes.models import ProcessDefinition

__all__ = ["Change", "ChangeKind", "Comparison", "ElementChange", "of_versions", "text_difference"]

LONGEST = 20_000
"""Lines of both files, beyond which their texts are not compared."""


@dataclass(frozen=True, slots=True)
class Comparison:
    old: ProcessDefinition
    new: ProcessDefinition
    elements: tuple[ElementChange, ...]

    @property
    def same(self) -> bool:
        """Whether nothing of the process differs, though the files may."""
        return not self.elements


def of_versions(old: ProcessDefinition, new: ProcessDefinition) -> Comparison:
    """What differs from one version to the other."""
    if old.digest == new.digest and old.process_id == new.process_id:
        return Comparison(old, new, ())
    elements = compare(bytes(old.xml), bytes(new.xml), old_process=old.process_id, new_process=new.process_id)
    return Comparison(old, new, elements)


def text_difference(old: ProcessDefinition, new: ProcessDefinition) -> str | None:
    """The lines of the files that differ, in unified format; None where there are too many to compare."""
    before, after = (bytes(row.xml).decode("utf-8", "replace").splitlines() for row in (old, new))
    if len(before) + len(after) > LONGEST:
        return None
    return "\n".join(difflib.unified_diff(before, after, _file(old), _file(new), lineterm=""))


def _file(definition: ProcessDefinition) -> str:
    return f"{definition.process_id} v{definition.version}"
