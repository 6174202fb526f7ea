"""An hour as a small drawing: bars for how much, lines for how long. Pure, and styled by classes of our CSS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

WIDTH, HEIGHT = 240, 40
"""Of the drawing, in its own units; the page says how large it is shown."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one line of a drawing shows: a value for each moment, None where there was none."""

    word: str
    values: Sequence[float | None]


def bars(values: Sequence[float], told: str) -> SafeString:
    """A bar for each value; `told` is what the drawing says, for those who do not see it."""
    top = max(values, default=0) or 1
    step = WIDTH / max(1, len(values))
    tall = [(number, value / top * HEIGHT) for number, value in enumerate(values) if value]
    drawn = format_html_join(
        "",
        '<rect x="{}" y="{}" width="{}" height="{}"/>',
        ((f"{n * step:.2f}", f"{HEIGHT - high:.2f}", f"{step * 0.8:.2f}", f"{high:.2f}") for n, high in tall),
    )
    return _drawing(drawn, told)


def lines(drawn: Sequence[Line], told: str) -> SafeString:
    """Lines over the same moments and to the same scale; a moment without value is a gap."""
    top = max((value for line in drawn for value in line.values if value is not None), default=0) or 1
    paths = format_html_join(
        "", '<path class="{}" d="{}"/>', ((f"line-{line.word}", _path(line.values, top)) for line in drawn)
    )
    return _drawing(paths, told)


def _path(values: Sequence[float | None], top: float) -> str:
    step = WIDTH / max(1, len(values) - 1)
    found, pen = [], False
    for number, value in enumerate(values):
        if value is None:
            pen = False
            continue
        x, y = number * step, HEIGHT - 1 - value / top * (HEIGHT - 2)
        # A value alone between two gaps is drawn as a dot: a line of no length with a round end.
        found.append(f"{'L' if pen else 'M'}{x:.2f} {y:.2f}" + ("" if pen else f"L{x:.2f} {y:.2f}"))
        pen = True
    return "".join(found)


def _drawing(inside: SafeString, told: str) -> SafeString:
    return format_html(
        '<svg class="spark" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>',
        WIDTH, HEIGHT, told, inside,
    )  # fmt: skip
