"""Regular expressions of ``matches``, ``replace``, ``split``, ``extract`` (XPath Functions 3.1, 5.6).

Python's matcher cannot be interrupted. It gets a pattern and a text only where even the worst number of its
tries is small; all else is run by `machine`, which pays for each step. What neither can do, a reference to
a group in a pattern with too many ways, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Protocol

from processes.engine.feel.budget import CHARACTERS_PER_STEP, Run
from processes.engine.feel.errors import BudgetExceeded, Mistake
from processes.engine.feel.regex import syntax
from processes.engine.feel.regex.machine import Machine
from processes.engine.feel.regex.parser import parse

__all__ = ["Pattern", "pattern_of"]

FLAGS = frozenset("smixq")
MAX_TRIES = 1_000_000
TRIES_PER_STEP = 1_000


class Found(Protocol):
    """What is needed of a match: its span and the text of a group, None for one that took no part."""

    def start(self) -> int: ...
    def end(self) -> int: ...
    def group(self, number: int, /) -> str | None: ...


class Pattern:
    """One pattern under one set of flags. Raises `Mistake` where the text is no pattern."""

    def __init__(self, pattern: str, flags: str) -> None:
        self._tree, self._groups = parse(pattern, flags)
        self._flags = 0
        for flag, option in (("i", re.IGNORECASE), ("m", re.MULTILINE)):
            self._flags |= option if flag in flags else 0
        self._quick = re.compile(syntax.render(self._tree), self._flags)
        self._length = syntax.length(self._tree)
        self._refers = syntax.has_reference(self._tree)
        self._machine: Machine | None = None

    def occurs(self, run: Run, text: str) -> bool:
        return next(self._matches(run, text), None) is not None

    def all(self, run: Run, text: str) -> list[str]:
        return [found.group(0) or "" for found in self._matches(run, text)]

    def split(self, run: Run, text: str) -> list[str]:
        """What lies between the matches; a match of nothing separates nothing."""
        parts, last = [], 0
        for found in self._matches(run, text):
            if found.end() > found.start():
                parts.append(text[last : found.start()])
                last = found.end()
        return [*parts, text[last:]]

    def replace(self, run: Run, text: str, replacement: str) -> str:
        r"""The text with a replacement for each match: ``$1`` is the text of a group, ``\$`` a dollar."""
        template = _template(replacement, self._groups)
        parts: list[str] = []
        last = size = 0
        for found in self._matches(run, text):
            new = [part if isinstance(part, str) else found.group(part) or "" for part in template]
            size += found.start() - last + sum(map(len, new))
            if size > run.budget.size:
                run.made(size, "string")
            parts += [text[last : found.start()], *new]
            last = found.end()
        run.made(size + len(text) - last, "string")
        return "".join([*parts, text[last:]])

    def _matches(self, run: Run, text: str) -> Iterator[Found]:
        run.charge(len(text) // CHARACTERS_PER_STEP)
        # The ways from one place, times the places where a match may begin, times what each compares.
        ways = syntax.ways(self._tree, len(text), MAX_TRIES + 1)
        compared = len(text) if self._refers else min(self._length, len(text))
        tries = ways * (len(text) + 1) * (compared + 1)
        if ways == 1 or tries <= MAX_TRIES:
            run.charge(tries // TRIES_PER_STEP)
            for found in self._quick.finditer(text):
                run.charge()
                yield found
            return
        if self._machine is None:
            self._machine = Machine(self._tree, self._groups, self._flags)
        yield from self._machine.matches(run, text)


def pattern_of(run: Run, pattern: str, flags: str) -> Pattern:
    """A pattern under flags out of ``smixq``. Raises `Mistake` where it is none, `BudgetExceeded` where
    it is too long.
    """
    if len(pattern) > run.budget.pattern:
        raise BudgetExceeded(f"Expected a pattern of at most {run.budget.pattern} characters but found {len(pattern)}")
    if not FLAGS.issuperset(flags):
        raise Mistake(f"Expected flags out of 's', 'm', 'i', 'x' and 'q' but found '{flags[:40]}'")
    return _pattern(pattern, "".join(sorted(set(flags))))


@lru_cache(maxsize=512)
def _pattern(pattern: str, flags: str) -> Pattern:
    try:
        return Pattern(pattern, flags)
    except (re.error, OverflowError, RecursionError) as error:
        raise Mistake(f"Expected a regular expression but found '{pattern[:40]}': {error}") from None


def _template(replacement: str, groups: int) -> list[str | int]:
    """Texts and numbers of groups. A group that the pattern does not have is empty."""
    parts: list[str | int] = []
    for found in re.finditer(r"\\(.)|\$([0-9]+)|([^\\$]+|.)", replacement, re.DOTALL):
        escaped, digits, plain = found.groups()
        if digits is None:
            parts.append(plain if escaped is None else escaped)
            continue
        number = digits
        while len(number) > 1 and int(number) > groups:  # $12 is group 1 and a 2 where there are no twelve groups
            number = number[:-1]
        parts.append(int(number) if int(number) <= groups else "")
        parts.append(digits[len(number) :])
    return parts
