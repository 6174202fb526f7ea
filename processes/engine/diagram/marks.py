"""What a running instance adds to its drawing: walked flows, done, active and failed nodes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from processes.engine.diagram.ink import ACTIVE, FAILED, FONT, INK, PAPER, TAKEN, tag, text
from processes.engine.diagram.shapes import Box


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody has to say of an element: classes for stylesheets, a few characters on it, a sentence."""

    classes: tuple[str, ...] = ()
    badge: str = ""
    sentence: str = ""


@dataclass(frozen=True)
class Marks:
    """Ids and numbers of one instance; the default marks nothing.

    `taken` holds the ids of the sequence flows that a token has walked; `visited`, `active` and `failed` say
    for a node id how often it completed, how many tokens it holds now and how many incidents are open there.
    Ids that the drawing does not show are ignored, and numbers below one mark nothing.
    """

    taken: Collection[str] = ()
    visited: Mapping[str, int] = field(default_factory=dict)
    active: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    notes: Mapping[str, Note] = field(default_factory=dict)

    def classes(self, key: str) -> list[str]:
        """The words of one element for the ``class`` attribute."""
        words = (("is-visited", self.visited), ("is-active", self.active), ("is-failed", self.failed))
        note = self.notes.get(key)
        return [word for word, counts in words if counts.get(key, 0) > 0] + list(note.classes if note else ())

    def sentence(self, key: str) -> str:
        """The same for people: ``completed 2 times, 1 active token``."""
        parts = []
        if (times := self.visited.get(key, 0)) > 0:
            parts.append("completed once" if times == 1 else f"completed {times} times")
        if (tokens := self.active.get(key, 0)) > 0:
            parts.append(f"{tokens} active token{'s' if tokens > 1 else ''}")
        if (incidents := self.failed.get(key, 0)) > 0:
            parts.append(f"{incidents} open incident{'s' if incidents > 1 else ''}")
        if (note := self.notes.get(key)) is not None and note.sentence:
            parts.append(note.sentence)
        return ", ".join(parts)


def badges(box: Box, active: int, failed: int, visited: int = 0) -> str:
    """The counts on the upper right corner of a node, the red one left of the blue one; and on the lower left one how
    often it was visited, where that is more than once."""
    drawn, x = [], box.right
    for count, colour, word in ((active, ACTIVE, "badge-active"), (failed, FAILED, "badge-failed")):
        if count < 1:
            continue
        label = str(count) if count < 1000 else "999+"
        width = _width(label)
        drawn.append(_pill(label, x, box.y, f"badge {word}", fill=colour, stroke=PAPER, ink=PAPER))
        x -= width + 2
    if visited > 1:
        label = f"{visited if visited < 1000 else '999+'}\N{MULTIPLICATION SIGN}"
        drawn.append(_pill(label, box.x, box.bottom, "badge badge-visited", fill=PAPER, stroke=TAKEN, ink=TAKEN))
    return "".join(drawn)


def note_badge(note: Note, x: float, y: float) -> str:
    """The few characters of a note, around a point."""
    words = " ".join(("badge", "badge-note", *note.classes))
    return _pill(note.badge, x, y, words, fill=INK, stroke=PAPER, ink=PAPER)


def _width(label: str) -> int:
    return 18 if len(label) == 1 else 10 + 7 * len(label)


def _pill(label: str, x: float, y: float, words: str, *, fill: str, stroke: str, ink: str) -> str:
    width = _width(label)
    pill = tag("rect", x=-width / 2, y=-9, width=width, height=18, rx=9, fill=fill, stroke=stroke, stroke_width=1.5)
    figure = tag(
        "text", text(label), y=4, text_anchor="middle", font_family=FONT, font_size=11, font_weight="bold", fill=ink
    )
    return tag("g", pill + figure, class_=words, transform=f"translate({x:.2f} {y:.2f})")
