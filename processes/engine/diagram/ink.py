"""Strings of SVG: tags, numbers and escaped text, and the colours. The only place that writes a ``<``.

Everything from outside goes through `tag` (attributes) or `text` (content); both escape, so that no id and no
name can end an attribute or open an element. Characters that XML forbids are dropped. There are no style
attributes and no style elements, so that the pictures stay whole under ``style-src 'self'``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

INK = "#22242a"
PAPER = "#ffffff"
FAINT = "#73767e"
LANE = "#5b5e66"
TAKEN = "#1f8a4c"
VISITED_PAPER = "#f0faf4"
ACTIVE = "#1d6fd6"
ACTIVE_PAPER = "#eef5ff"
FAILED = "#c9252d"
FAILED_PAPER = "#fff0f0"
FONT = "Arial, Helvetica, 'Liberation Sans', sans-serif"

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
_IN_ATTRIBUTE = str.maketrans({"\t": "&#9;", "\n": "&#10;", "\r": "&#13;"})


def text(value: str) -> str:
    """Text content, escaped."""
    return _FORBIDDEN.sub("", value).translate(_ESCAPES)


def number(value: float) -> str:
    """At most two decimals and no minus zero: ``12``, ``12.5``."""
    short = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if short == "-0" else short


def tag(name: str, content: str | None = None, /, **attributes: str | float | None) -> str:
    """One element; `content` is SVG already. Underscores in names become hyphens, None leaves an attribute
    out.

    A trailing underscore is dropped, so that ``class_`` is ``class``.
    """
    parts = [name]
    for key, value in attributes.items():
        if value is None:
            continue
        shown = text(value).translate(_IN_ATTRIBUTE) if isinstance(value, str) else number(value)
        parts.append(f'{key.rstrip("_").replace("_", "-")}="{shown}"')
    head = " ".join(parts)
    return f"<{head}/>" if content is None else f"<{head}>{content}</{name}>"


def line(points: Sequence[tuple[float, float]], *, close: bool = False) -> str:
    """Path data through points."""
    data = "M" + "L".join(f"{number(x)},{number(y)}" for x, y in points)
    return data + "Z" if close else data


def rounded(points: Sequence[tuple[float, float]], radius: float = 5.0) -> str:
    """Path data through points with rounded corners."""
    if len(points) < 3:
        return line(points)
    data = [f"M{number(points[0][0])},{number(points[0][1])}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        enter, leave = _towards(corner, before, radius), _towards(corner, after, radius)
        data.append(f"L{number(enter[0])},{number(enter[1])}")
        data.append(f"Q{number(corner[0])},{number(corner[1])} {number(leave[0])},{number(leave[1])}")
    data.append(f"L{number(points[-1][0])},{number(points[-1][1])}")
    return "".join(data)


def _towards(start: tuple[float, float], end: tuple[float, float], by: float) -> tuple[float, float]:
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = (dx * dx + dy * dy) ** 0.5
    part = min(by, length / 2) / length if length else 0.0
    return start[0] + dx * part, start[1] + dy * part
