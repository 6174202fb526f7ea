"""Draws curves as an SVG, side by side: medians on a line, quartiles as bars. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from xml.sax.saxutils import escape

from benchmarks.numbers import Spread

WIDTH, HEIGHT = 420, 280
LEFT, RIGHT, TOP, BOTTOM = 56, 20, 34, 52


@dataclass(frozen=True, slots=True)
class Curve:
    """What was measured at each point `along` something, in tasks a second."""

    along: str
    points: tuple[tuple[int, Spread], ...]

    def json(self) -> dict[str, Any]:
        return {"along": self.along, "points": [{"at": at, **asdict(value)} for at, value in self.points]}


def draw(curves: Sequence[Curve]) -> str:
    """One picture, in which all curves have the same height for the same number."""
    top = _ceiling(max(value.upper for curve in curves for _, value in curve.points))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH * len(curves)} {HEIGHT}" '
        'font-family="sans-serif" font-size="12" fill="#333">',
        f'<rect width="{WIDTH * len(curves)}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for number, curve in enumerate(curves):
        parts += [f'<g transform="translate({WIDTH * number} 0)">', *_drawn(curve, top), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _drawn(curve: Curve, top: float) -> list[str]:
    across, upright = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    steps = max(1, len(curve.points) - 1)

    def x(number: int) -> float:
        return LEFT + across * number / steps

    def y(value: float) -> float:
        return TOP + upright * (1 - value / top)

    parts = [f'<text x="{LEFT}" y="18" font-weight="bold">W1, tasks/s, by {escape(curve.along)}</text>']
    for share in range(5):
        value = top * share / 4
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + across}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:,.0f}</text>')
    line = " ".join(f"{x(number):.1f},{y(value.median):.1f}" for number, (_, value) in enumerate(curve.points))
    parts.append(f'<polyline points="{line}" fill="none" stroke="#0a6" stroke-width="2"/>')
    for number, (at, value) in enumerate(curve.points):
        here = f"{x(number):.1f}"
        parts += [
            f'<line x1="{here}" x2="{here}" y1="{y(value.lower):.1f}" y2="{y(value.upper):.1f}" stroke="#0a6"/>',
            f'<circle cx="{here}" cy="{y(value.median):.1f}" r="3.5" fill="#0a6"/>',
            f'<text x="{here}" y="{y(value.median) - 9:.1f}" text-anchor="middle">{value.median:,.0f}</text>',
            f'<text x="{here}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{at:,}</text>',
        ]
    return parts


def _ceiling(value: float) -> float:
    """A round number that is not below."""
    unit = float(10 ** math.floor(math.log10(max(value, 1.0))))
    return math.ceil(value / unit * 2 + 0.2) / 2 * unit
