"""Link event definition, BPMN 2.0.2 section 10.5.5: a sequence flow that is not drawn, from every throwing event to the
one catching event of the same name in the same scope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from processes.engine.event_definition import EventDefinition, Role
from processes.engine.source import Source


@dataclass(frozen=True, slots=True)
class LinkEventDefinition(EventDefinition):
    tag: ClassVar[str] = "linkEventDefinition"
    roles: ClassVar[frozenset[Role]] = frozenset({Role.CATCH, Role.THROW})
    children: ClassVar[frozenset[str]] = frozenset({"source", "target"})
    armed: ClassVar[bool] = False
    passes: ClassVar[bool] = True
    link: str = ""

    @classmethod
    def connects(cls, source: Source) -> str:
        return source.get("name").strip()

    @classmethod
    def read(cls, source: Source, role: Role) -> Self:
        event, name = source.parent(), cls.connects(source)
        if not name:
            source.problem("no-link", "Expected the link to have a name but found none")
        if sum(part.tag.endswith("EventDefinition") for part in event.children()) > 1:
            source.problem("not-executable", "Expected a link alone in its event but found other definitions with it")
        for part in source.children("source", "target"):
            other = source.document.ids.get(part.text().rpartition(":")[2])
            if other is None or other.get("name", "").strip() != name:
                what = f"Expected the {part.tag} to name a link '{name}' but found '{part.text()}'"
                part.problem("unknown-reference", what)
        return cls(name)
