"""An XML element of a decision model as the parser reads it, and the list in which every problem ends up.

Every version of DMN has a namespace of its own and says the same in it, as far as it is read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lxml import etree

from processes.engine import feel, xml
from processes.engine.errors import Problem, Severity

NAMESPACES = {
    "http://www.omg.org/spec/DMN/20151101/dmn.xsd": "1.1",
    "http://www.omg.org/spec/DMN/20180521/MODEL/": "1.2",
    "https://www.omg.org/spec/DMN/20191111/MODEL/": "1.3",
    "https://www.omg.org/spec/DMN/20211108/MODEL/": "1.4",
    "https://www.omg.org/spec/DMN/20230324/MODEL/": "1.5",
}
CAMUNDA = "http://camunda.org/schema/1.0/dmn"
"""Of Camunda 7's attributes."""
HARMLESS = frozenset({"description", "extensionElements", "question", "allowedAnswers"})
"""Children of any element that mean nothing to execution."""


@dataclass(slots=True)
class Document:
    """What all parts of a document share."""

    names: frozenset[str] = frozenset()
    """Names of the model that FEEL may have to know."""
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Part:
    """One XML element. `owner` is the id of the nearest element around it that has one."""

    element: etree._Element
    document: Document
    owner: str = ""

    @property
    def id(self) -> str:
        return self.element.get("id", "")

    @property
    def tag(self) -> str:
        return xml.local(self.element)

    @property
    def named(self) -> str:
        """Its id, or that of the element around it."""
        return self.id or self.owner

    def get(self, name: str, default: str = "") -> str:
        return self.element.get(name, default)

    def foreign(self, namespace: str, name: str) -> str:
        """An attribute of another namespace."""
        return self.element.get(f"{{{namespace}}}{name}", "")

    def within(self, element: etree._Element) -> Part:
        return Part(element, self.document, self.named)

    def children(self, *tags: str) -> Iterator[Part]:
        """The DMN children with one of these tags, all of them without tags."""
        space = xml.namespace(self.element)
        for child in self.element:
            if xml.namespace(child) == space and (not tags or xml.local(child) in tags):
                yield self.within(child)

    def child(self, *tags: str) -> Part | None:
        return next(self.children(*tags), None)

    def text(self) -> str:
        """The content of its ``text`` element."""
        found = self.child("text")
        return xml.text_of(found.element) if found is not None else ""

    def problem(self, rule: str, message: str, severity: Severity = Severity.ERROR) -> None:
        self.document.problems.append(Problem(rule, message, xml.line_of(self.element), self.named, severity))

    def warning(self, rule: str, message: str) -> None:
        self.problem(rule, message, Severity.WARNING)

    def refuse(self, what: str) -> None:
        self.problem("not-executable", f"Expected what is executed but found {what}")

    def refuse_others(self, known: Iterable[str]) -> None:
        """Report the DMN children that nobody reads."""
        known = frozenset(known) | HARMLESS
        for part in self.children():
            if part.tag not in known:
                part.refuse(f"{part.tag} in {self.tag}")

    def in_feel(self) -> bool:
        """Whether an expression is in FEEL; a problem where it says that it is not."""
        language = self.get("expressionLanguage").strip()
        if language and "feel" not in language.lower():
            self.problem("not-feel", f"Expected FEEL but found the expression language '{language}'")
            return False
        return True

    def expression(self, text: str, what: str) -> feel.Expression:
        """An expression; null where it is empty. A problem where it is not FEEL."""
        if not self.in_feel():
            return NULL
        try:
            return feel.compile(text, names=self.document.names) if text else NULL
        except feel.FeelSyntaxError as error:
            self.problem("bad-feel", f"Expected {what} to be FEEL but found '{text}': {error}")
            return NULL

    def tests(self, text: str, what: str) -> feel.Expression | None:
        """Unary tests, None where everything passes. A problem where they are not FEEL."""
        if not self.in_feel() or text in ("", "-"):
            return None
        try:
            return feel.compile_unary_tests(text, names=self.document.names)
        except feel.FeelSyntaxError as error:
            self.problem("bad-feel", f"Expected {what} to be unary tests in FEEL but found '{text}': {error}")
            return None

    def each_test(self, what: str) -> tuple[feel.Expression, ...]:
        """The allowed values that it lists, one by one."""
        text = self.text()
        if self.tests(text, what) is None:
            return ()
        return feel.compile_each_test(text, names=self.document.names)


NULL = feel.compile("null")
