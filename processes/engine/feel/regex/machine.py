"""Matching in steps that can be counted: Pike's machine.

Python's matcher goes back and tries again, for a time that may double with each character and cannot be
interrupted. This one follows all ways at once, so the time is at most the length of the text times the size
of the program, and it pays as it goes. It prefers the same match as Python's: of all that begin first, the
one that the pattern names first.

Thompson, *Regular expression search algorithm*, CACM 1968; Cox, *Regular expression matching: the virtual
machine approach*, 2009.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from processes.engine.feel.budget import Run
from processes.engine.feel.errors import BudgetExceeded
from processes.engine.feel.regex.syntax import Anchor, Atom, Choice, Group, Node, Repeat, Sequence

MAX_PROGRAM = 5_000
THREADS_PER_STEP = 4

Saved = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Character:
    accepts: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Place:
    holds: Callable[[str, int], bool]


@dataclass(frozen=True, slots=True)
class Save:
    slot: int


@dataclass(frozen=True, slots=True)
class Split:
    """Go on at both places, the first one preferred."""

    first: int
    second: int


@dataclass(frozen=True, slots=True)
class Accept:
    pass


Instruction = Character | Place | Save | Split | Accept


@dataclass(frozen=True, slots=True)
class Match:
    """Where a match and its groups lie; -1 where a group took no part."""

    text: str
    saved: Saved

    def start(self) -> int:
        return self.saved[0]

    def end(self) -> int:
        return self.saved[1]

    def group(self, number: int, /) -> str | None:
        start, end = self.saved[2 * number], self.saved[2 * number + 1]
        return None if end < 0 else self.text[start:end]


class Machine:
    """The program of one pattern. Raises `BudgetExceeded` where it would be too long."""

    def __init__(self, tree: Node, groups: int, flags: int) -> None:
        self.slots = 2 * groups + 2
        self.flags = flags
        self.program: list[Instruction] = []
        self._emit(Save(0))
        self._compile(tree)
        self._emit(Save(1))
        self._emit(Accept())

    def _emit(self, instruction: Instruction) -> int:
        if len(self.program) >= MAX_PROGRAM:
            raise BudgetExceeded(f"Expected a pattern of at most {MAX_PROGRAM} parts but it has more, repeats counted")
        self.program.append(instruction)
        return len(self.program) - 1

    def _compile(self, node: Node) -> None:
        match node:
            case Atom(source):
                self._emit(Character(_accepts(source, self.flags)))
            case Anchor(source):
                self._emit(Place(_holds(source, self.flags)))
            case Group(0, body):
                self._compile(body)
            case Group(number, body):
                self._emit(Save(2 * number))
                self._compile(body)
                self._emit(Save(2 * number + 1))
            case Sequence(parts):
                for part in parts:
                    self._compile(part)
            case Choice(options):
                self._choice(options)
            case Repeat(body, low, high, lazy):
                for _ in range(low):
                    self._compile(body)
                if high is None:
                    self._loop(body, lazy)
                else:
                    self._options(body, high - low, lazy)
            case _:
                raise BudgetExceeded(
                    "Expected a pattern without a reference to a group but this one has one and too many ways"
                )

    def _choice(self, options: tuple[Node, ...]) -> None:
        ends = []
        for option in options[:-1]:
            fork = self._emit(Accept())
            self._compile(option)
            ends.append(self._emit(Accept()))
            self.program[fork] = Split(fork + 1, len(self.program))
        self._compile(options[-1])
        for end in ends:
            self.program[end] = Split(len(self.program), len(self.program))

    def _loop(self, body: Node, lazy: bool) -> None:
        fork = self._emit(Accept())
        self._compile(body)
        self._emit(Split(fork, fork))
        self.program[fork] = self._fork(fork + 1, len(self.program), lazy)

    def _options(self, body: Node, times: int, lazy: bool) -> None:
        forks = []
        for _ in range(times):
            forks.append(self._emit(Accept()))
            self._compile(body)
        for fork in forks:
            self.program[fork] = self._fork(fork + 1, len(self.program), lazy)

    @staticmethod
    def _fork(inside: int, behind: int, lazy: bool) -> Split:
        return Split(behind, inside) if lazy else Split(inside, behind)

    def matches(self, run: Run, text: str) -> Iterator[Match]:
        """All matches from left to right that do not overlap."""
        start = 0
        while start <= len(text):
            found = self._search(run, text, start)
            if found is None:
                return
            yield found
            start = found.end() if found.end() > found.start() else found.end() + 1

    def _search(self, run: Run, text: str, start: int) -> Match | None:
        fresh: Saved = (-1,) * self.slots
        threads: list[tuple[int, Saved]] = []
        best: Saved | None = None
        work = 0
        for place in range(start, len(text) + 1):
            seen = {index for index, _ in threads}
            if best is None:
                self._follow(text, place, 0, fresh, threads, seen)
            work += 1 + len(seen)
            if work >= THREADS_PER_STEP:
                run.charge(work // THREADS_PER_STEP)
                work %= THREADS_PER_STEP
            if not threads:
                if best is not None:
                    break
                continue
            following: list[tuple[int, Saved]] = []
            reached: set[int] = set()
            for index, saved in threads:
                instruction = self.program[index]
                if isinstance(instruction, Accept):
                    best = saved
                    break  # whatever is less preferred has lost
                if isinstance(instruction, Character) and place < len(text) and instruction.accepts(text[place]):
                    self._follow(text, place + 1, index + 1, saved, following, reached)
            work += len(reached)
            threads = following
        return None if best is None else Match(text, best)

    def _follow(
        self,
        text: str,
        place: int,
        index: int,
        saved: Saved,
        threads: list[tuple[int, Saved]],
        seen: set[int],
    ) -> None:
        """Add the instructions that wait for a character and are reached without one, the preferred first."""
        waiting = [(index, saved)]
        while waiting:
            index, saved = waiting.pop()
            if index in seen:
                continue
            seen.add(index)
            instruction = self.program[index]
            if isinstance(instruction, Split):
                waiting.append((instruction.second, saved))
                waiting.append((instruction.first, saved))
            elif isinstance(instruction, Save):
                slot = instruction.slot
                waiting.append((index + 1, (*saved[:slot], place, *saved[slot + 1 :])))
            elif isinstance(instruction, Place):
                if instruction.holds(text, place):
                    waiting.append((index + 1, saved))
            else:
                threads.append((index, saved))


def _accepts(source: str, flags: int) -> Callable[[str], bool]:
    pattern = re.compile(source, flags)
    known: dict[str, bool] = {}

    def accepts(character: str) -> bool:
        answer = known.get(character)
        if answer is None:
            if len(known) > 1000:
                known.clear()
            answer = known[character] = pattern.match(character) is not None
        return answer

    return accepts


def _holds(source: str, flags: int) -> Callable[[str, int], bool]:
    pattern = re.compile(source, flags)
    return lambda text, place: pattern.match(text, place) is not None
