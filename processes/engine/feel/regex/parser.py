r"""The regular expressions of XPath as a tree (XML Schema part 2, appendix G; XPath Functions 3.1, 5.6.1).

What differs from Python: ``.`` does not match a carriage return, ``$`` means the very end, classes can be
subtracted (``[A-Z-[OI]]``), and there is no look-around, no named group and no option inside of a pattern.
"""

from __future__ import annotations

import re

from processes.engine.feel.errors import Mistake
from processes.engine.feel.regex import characters
from processes.engine.feel.regex.syntax import Anchor, Atom, Choice, Group, Node, Reference, Repeat, Sequence

MAX_DEPTH = 50
MAX_REPEAT = 1000

_QUANTITY = re.compile(r"\{([0-9]{1,9})(,([0-9]{0,9}))?\}")
_PROPERTY = re.compile(r"\{([^}]*)\}")


def parse(pattern: str, flags: str) -> tuple[Node, int]:
    """The tree of a pattern under flags out of ``smixq`` and the number of its groups. Raises `Mistake`."""
    if "q" in flags:
        return Sequence(tuple(Atom(re.escape(character)) for character in pattern)), 0
    parser = _Parser(_without_spaces(pattern) if "x" in flags else pattern, flags)
    return parser.whole(), parser.groups


def _without_spaces(pattern: str) -> str:
    """Flag x: white space means nothing outside of a class."""
    kept, inside, escaped = [], 0, False
    for character in pattern:
        if not escaped and character in "[]":
            inside += 1 if character == "[" else -1
        if inside > 0 or character not in " \t\n\r":
            kept.append(character)
        escaped = character == "\\" and not escaped
    return "".join(kept)


class _Parser:
    def __init__(self, pattern: str, flags: str) -> None:
        self.pattern = pattern
        self.index = 0
        self.groups = 0
        self.open: list[int] = []
        self.dot = r"[\s\S]" if "s" in flags else r"[^\n\r]"
        self.end = "$" if "m" in flags else r"\Z"

    def wrong(self, message: str) -> Mistake:
        shown = self.pattern if len(self.pattern) <= 40 else self.pattern[:40] + "..."
        return Mistake(f"{message} at character {self.index + 1} of the pattern '{shown}'")

    def at(self, text: str) -> bool:
        return self.pattern.startswith(text, self.index)

    def take(self) -> str:
        if self.index >= len(self.pattern):
            raise self.wrong("Expected more but found the end")
        self.index += 1
        return self.pattern[self.index - 1]

    def whole(self) -> Node:
        node = self.choice()
        if self.index < len(self.pattern):
            raise self.wrong("Expected '(' before ')'")
        return node

    def choice(self) -> Node:
        options = [self.sequence()]
        while self.at("|"):
            self.index += 1
            options.append(self.sequence())
        return options[0] if len(options) == 1 else Group(0, Choice(tuple(options)))

    def sequence(self) -> Node:
        parts: list[Node] = []
        while self.index < len(self.pattern) and not self.at("|") and not self.at(")"):
            parts.append(self.quantified(self.part()))
        return Sequence(tuple(parts))

    def quantified(self, node: Node) -> Node:
        quantity = _QUANTITY.match(self.pattern, self.index)
        if quantity is not None:
            low = int(quantity[1])
            high = low if quantity[2] is None else int(quantity[3]) if quantity[3] else None
            self.index = quantity.end()
        elif self.at("*") or self.at("+") or self.at("?"):
            sign = self.take()
            low, high = int(sign == "+"), 1 if sign == "?" else None
        else:
            return node
        if max(low, high or 0) > MAX_REPEAT or (high is not None and high < low):
            raise self.wrong(f"Expected a quantity from low to high and at most {MAX_REPEAT}")
        if isinstance(node, Anchor):
            raise self.wrong("Expected a character or group before a quantifier")
        lazy = self.at("?")
        self.index += lazy
        if self.at("*") or self.at("+") or self.at("?"):
            raise self.wrong("Expected one quantifier but found two")
        return Repeat(node, low, high, lazy)

    def part(self) -> Node:
        character = self.take()
        match character:
            case "\\":
                return self.escape()
            case "[":
                return Atom(self.char_class())
            case ".":
                return Atom(self.dot)
            case "^":
                return Anchor("^")
            case "$":
                return Anchor(self.end)
            case "(":
                return self.group()
            case "*" | "+" | "?" | "{" | "}" | "]":
                self.index -= 1
                raise self.wrong(f"Expected a character or group but found '{character}'")
        return Atom(re.escape(character))

    def group(self) -> Node:
        number = 0
        if self.at("?:"):
            self.index += 2
        elif self.at("?"):
            raise self.wrong("Expected '(?:' or a plain group")
        else:
            self.groups += 1
            number = self.groups
        self.open.append(number)
        if len(self.open) > MAX_DEPTH:
            raise self.wrong(f"Expected at most {MAX_DEPTH} groups inside each other")
        body = self.choice()
        if not self.at(")"):
            raise self.wrong("Expected ')' but found the end")
        self.index += 1
        self.open.pop()
        return Group(number, body)

    def escape(self) -> Node:
        if self.pattern[self.index : self.index + 1].isdecimal():
            return self.reference()
        members, opposite = self.escaped()
        return Atom(f"[{'^' if opposite else ''}{members}]")

    def reference(self) -> Reference:
        number = int(self.take())
        if not 1 <= number <= self.groups or number in self.open:
            raise self.wrong(f"Expected a closed group {number} before '\\{number}'")
        while self.pattern[self.index : self.index + 1].isdecimal():
            longer = number * 10 + int(self.pattern[self.index])
            if longer > self.groups:
                break
            number, self.index = longer, self.index + 1
        return Reference(number)

    def escaped(self) -> tuple[str, bool]:
        character = self.take()
        if character in "pP":
            found = _PROPERTY.match(self.pattern, self.index)
            members = characters.named(found[1]) if found else None
            if found is None or not members:
                raise self.wrong("Expected a category or block of Unicode such as {L} or {IsBasicLatin}")
            self.index = found.end()
            return members, character == "P"
        known = characters.escaped(character)
        if known is None:
            raise self.wrong(f"Expected an escape of XPath but found '\\{character}'")
        return known

    def char_class(self) -> str:
        negated = self.at("^")
        self.index += negated
        start = self.index
        members: list[str] = []
        opposites: list[str] = []
        subtracted = ""
        while not self.at("]") or self.index == start:
            if self.at("-[") and self.index > start:
                self.index += 2
                self.open.append(0)
                if len(self.open) > MAX_DEPTH:
                    raise self.wrong(f"Expected at most {MAX_DEPTH} classes inside each other")
                subtracted = self.char_class()
                self.open.pop()
                if not self.at("]"):
                    raise self.wrong("Expected ']' after a subtracted class")
                break
            character = self.take()
            if character == "\\":
                found, opposite = self.escaped()
                (opposites if opposite else members).append(found)
            elif character in "[]":
                raise self.wrong(f"Expected '\\{character}' inside a class")
            else:
                members.append(character if character == "-" else re.escape(character))
        self.index += 1
        source = characters.char_class(members, opposites, negated, subtracted)
        try:
            re.compile(source)
        except re.error as error:
            raise self.wrong(f"Expected a class of characters but found a {error.msg}") from None
        return source
