"""How wide text is and where it breaks, without a font: the widths are close enough for Arial and its kin."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

TASK_FONT = 12.0
LABEL_FONT = 11.0
LINE = 1.25
"""Distance of lines in font sizes."""

_WIDTHS = {
    0.22: "ijl'`",
    0.28: " ft.,:;/!|I\\[]",
    0.35: 'r()-"*{}',
    0.5: "cksvxyzJ",
    0.56: "L?_#$",
    0.61: "FTZ+<>=~^",
    0.67: "ABEKPSVXY&",
    0.72: "CDHNRUw",
    0.78: "GOQ",
    0.84: "mM%",
    0.95: "W",
    1.02: "@",
}
"""Widths of letters in font sizes; what is not named is 0.56 wide, like a digit."""

_WIDTH = {char: wide for wide, chars in _WIDTHS.items() for char in chars}


@lru_cache(maxsize=4096)
def width(text: str, font: float = TASK_FONT) -> float:
    """The width of one line in pixels, rather too wide than too narrow."""
    total = 0.0
    for char in text:
        if char.isascii():
            total += _WIDTH.get(char, 0.56)
        elif not unicodedata.combining(char):
            total += 1.0 if unicodedata.east_asian_width(char) in "WF" else 0.66
    return total * font * 1.02


def wrapped(text: str, room: float, font: float = TASK_FONT, lines: int = 99) -> list[str]:
    """The text broken at white space, and inside words only where a word alone is too wide.

    Line breaks of the author are kept. What does not fit into `lines` ends in an ellipsis.
    """
    broken: list[str] = []
    for paragraph in text.strip().splitlines()[:200]:
        line = ""
        for word in paragraph.split():
            candidate = f"{line} {word}" if line else word
            if width(candidate, font) <= room:
                line = candidate
                continue
            if line:
                broken.append(line)
            while width(word, font) > room and len(word) > 1:
                cut = _fitting(word, room, font)
                broken.append(word[:cut])
                word = word[cut:]
                if len(broken) > lines:
                    break
            line = word
            if len(broken) > lines:
                break
        if line:
            broken.append(line)
        if len(broken) > lines:
            break
    if len(broken) > lines:
        broken = broken[:lines]
        last = broken[-1]
        while last and width(last + "…", font) > room:
            last = last[:-1]
        broken[-1] = last.rstrip() + "…"
    return broken


def _fitting(word: str, room: float, font: float) -> int:
    """How many characters of a word fit into the room, at least one; after a hyphen or underscore by
    choice.
    """
    cut, total = 0, 0.0
    for char in word:
        total += width(char, font)
        if total > room and cut:
            break
        cut += 1
    pause = max(word.rfind(mark, 0, cut) for mark in "-_./")
    return pause + 1 if pause >= cut // 2 and pause > 0 else cut
