"""Decisions that are there while a model is played: those of the files given, each in its first version."""

from __future__ import annotations

from dataclasses import dataclass

from processes.engine import dmn


@dataclass(frozen=True, slots=True)
class Shelf:
    """A library of decision models; a later one counts where two have the same decision."""

    models: tuple[dmn.DecisionModel, ...] = ()

    def find(self, decision_id: str, *, version: int | None = None, version_tag: str = "") -> dmn.Published | None:
        """Whatever version is asked for, it is the one of the files, if its tag is the one asked for."""
        for model in reversed(self.models):
            found = model.decisions.get(decision_id)
            if found is not None and version_tag in ("", found.version_tag):
                return dmn.Published(model, version or 1)
        return None
