"""An XML element of a model as the files of the elements read it, and the list in which every problem ends up.

Reading never stops at the first problem: what cannot be read is reported with its line and a harmless value takes its
place, because a model with problems is refused anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from processes.engine import feel, juel, xml
from processes.engine.errors import Problem, Severity
from processes.engine.expression import Expression

EXTENSIONS = (xml.ZEEBE, xml.ZENBPM)
"""Namespaces whose extension elements mean the same, matched by local name."""


@dataclass(slots=True)
class Document:
    """The model around an element: every element by its id, the event definitions and the loop characteristics that are
    executed, by tag, and the problems found so far."""

    root: etree._Element
    ids: dict[str, etree._Element] = field(default_factory=dict)
    event_definitions: Mapping[str, Any] = field(default_factory=dict)
    loops: Mapping[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    data: Any = None
    """What `data` looked up once."""


@dataclass(frozen=True, slots=True)
class Source:
    """One XML element, with what is around it."""

    element: etree._Element
    document: Document
    owner: str = ""
    """Id of the nearest element around it that has one, for problems of elements without."""

    @property
    def id(self) -> str:
        return self.element.get("id", "")

    @property
    def tag(self) -> str:
        return xml.local(self.element)

    @property
    def line(self) -> int:
        return xml.line_of(self.element)

    def get(self, name: str, default: str = "") -> str:
        return self.element.get(name, default)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean attribute; a problem where it is none."""
        text = self.element.get(name, str(default)).strip().lower()
        if text not in ("true", "1", "false", "0"):
            self.problem("bad-boolean", f"Expected {name} to be true or false but found '{text}'")
        return text in ("true", "1")

    def camunda(self, name: str) -> str | None:
        return self.element.get(f"{{{xml.CAMUNDA}}}{name}")

    def within(self, element: etree._Element) -> Source:
        return Source(element, self.document, self.id or self.owner)

    def children(self, *names: str) -> Iterator[Source]:
        return (self.within(child) for child in xml.children(self.element, *names))

    def child(self, *names: str) -> Source | None:
        return next(self.children(*names), None)

    def text(self) -> str:
        return xml.text_of(self.element)

    def parent(self) -> Source:
        parent = self.element.getparent()
        assert parent is not None, "only the root has no parent, and the root is not read by elements"
        return self.within(parent)

    def extensions(self, *names: str) -> Iterator[Source]:
        """Extension elements of the known dialects with one of these local names; all of them without names."""
        for container in xml.children(self.element, "extensionElements"):
            for child in container:
                if xml.namespace(child) in EXTENSIONS and (not names or xml.local(child) in names):
                    yield self.within(child)

    def extension(self, name: str) -> Source | None:
        return next(self.extensions(name), None)

    def camunda_extensions(self, *names: str) -> Iterator[Source]:
        """Extension elements of Camunda 7 with one of these local names."""
        for container in xml.children(self.element, "extensionElements"):
            for child in container:
                if xml.namespace(child) == xml.CAMUNDA and xml.local(child) in names:
                    yield self.within(child)

    def inner(self) -> Iterator[Source]:
        """All children of an extension element."""
        return (self.within(child) for child in self.element)

    def parts(self, name: str) -> Iterator[Source]:
        """Children of an extension element, which have its namespace."""
        return (self.within(child) for child in self.element if xml.local(child) == name)

    def reference(self, attribute: str, tag: str) -> Source | None:
        """The element that an attribute names by id; a problem where there is none with this tag."""
        name = self.get(attribute).rpartition(":")[2]
        if not name:
            return None
        found = self.document.ids.get(name)
        if found is None or xml.local(found) != tag:
            self.problem("unknown-reference", f"Expected {attribute} to name a {tag} but found no {tag} '{name}'")
            return None
        return self.within(found)

    def problem(
        self, rule: str, message: str, severity: Severity = Severity.ERROR, *, element: str | None = None
    ) -> None:
        """`element` is the id to report where it is not the element's own."""
        named = self.id or self.owner if element is None else element
        self.document.problems.append(Problem(rule, message, self.line, named, severity))

    def warning(self, rule: str, message: str) -> None:
        self.problem(rule, message, Severity.WARNING)

    def expression(self, text: str, what: str, *, always_feel: bool = False) -> Expression:
        """A literal or an expression; a problem where it is not FEEL."""
        if text.lstrip().startswith(("${", "#{")):
            return self.juel(text, what)
        try:
            return Expression.feel(text) if always_feel else Expression.read(text)
        except feel.FeelSyntaxError as error:
            self.problem("bad-feel", f"Expected {what} to be FEEL but found '{text}': {error}")
            return Expression(text)

    def juel(self, text: str, what: str) -> Expression:
        """A literal, or a text with JUEL inside; a problem where it is none, or asks for Java."""
        if not juel.is_juel(text):
            return Expression(text)
        try:
            return Expression(text, juel.compile(text))
        except feel.FeelSyntaxError as error:
            self.problem("bad-juel", f"Expected {what} to be JUEL but found '{text}': {error}")
            return Expression(text)
