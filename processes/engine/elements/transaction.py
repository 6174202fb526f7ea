"""Transaction, BPMN 2.0.2 section 13.3.4 and 13.5.6: a sub-process that can be cancelled, which undoes what is
completed in it. An error that leaves it is a hazard: it ends as it stands, and nothing is undone."""

from __future__ import annotations

from typing import Any, ClassVar

from processes.engine.scope import Embedded
from processes.engine.source import Source


class Transaction(Embedded):
    tag: ClassVar[str] = "transaction"
    attributes: ClassVar[frozenset[str]] = Embedded.attributes | {"method"}
    cancellable: ClassVar[bool] = True

    @classmethod
    def read_work(cls, source: Source) -> dict[str, Any]:
        if source.get("method", "##Compensate").lower() != "##compensate":
            source.problem("not-executable", f"Expected method ##Compensate but found {source.get('method')}")
        if source.flag("triggeredByEvent"):
            source.problem("not-executable", "Expected a transaction that tokens enter but found triggeredByEvent")
        return super().read_work(source)
