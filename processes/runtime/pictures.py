"""Pictures of drawings for who cannot show an SVG: documents, chats, e-mails."""

from __future__ import annotations

import re
from functools import cache

import resvg_py

from processes.engine.errors import Rejected

ZOOM = 2.0
"""Pixels of the picture to one of the drawing: sharp on today's screens."""
LARGEST = 8000
"""Pixels of its longer side; a drawing that needs more is made smaller."""
FAMILIES = ("Arial", "Helvetica", "Liberation Sans", "DejaVu Sans", "Noto Sans", "Segoe UI", "Roboto", "FreeSans")
"""What may stand for sans-serif, the first that this machine has."""

_SIZE = re.compile(r' (?:width|height)="([0-9.]+)"')
_PROBE = '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><text y="16" font-family="{}">{}</text></svg>'


def png(svg: str) -> bytes:
    """A drawing of `processes.engine.diagram` as a PNG on white ground.

    Raises `Rejected` with ``no-fonts`` where this machine has none: a drawing without its words would look complete.
    """
    family = _sans_serif()
    if family is None:
        raise Rejected("no-fonts", f"Expected a font on this machine to write with, one of {', '.join(FAMILIES)}")
    size = max(float(length) for length in _SIZE.findall(svg[: svg.index(">")]))
    zoom = min(ZOOM, LARGEST / max(size, 1.0))
    return resvg_py.svg_to_bytes(svg_string=svg, background="#ffffff", zoom=zoom, sans_serif_family=family)


@cache
def _sans_serif() -> str | None:
    """A font that writes something."""
    for family in FAMILIES:
        blank, written = (resvg_py.svg_to_bytes(svg_string=_PROBE.format(family, word)) for word in ("", "x"))
        if blank != written:
            return family
    return None
