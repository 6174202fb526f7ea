"""What of BPMN 2.0.2 is executed: every flow element and event of the standard as a small model that is parsed.

Nothing is listed by hand but the standard itself, in `models`. What the parser takes is executed, what it refuses, or
says to be drawn only, is not; so a new element shows here by itself. As the pencil, and nobody else, this room names
all of BPMN.
"""

from __future__ import annotations

from processes.engine.standard.models import COLUMNS, EVENTS, FOOT, HEAD, Probe, between, event, probes

__all__ = ["COLUMNS", "EVENTS", "FOOT", "HEAD", "Probe", "between", "event", "markdown", "probes"]


def markdown() -> str:
    """Two tables for a page: activities, gateways and flows; and events by the places where the standard has them."""
    lines = ["| BPMN element | |", "|---|---|"]
    lines += [f"| {probe.name} | {probe.verdict} |" for _, probe in probes()]
    lines += ["", f"| Event | {' | '.join(COLUMNS)} |", f"|---|{'---|' * len(COLUMNS)}"]
    for kind, places in EVENTS.items():
        cells = (event(kind, column).verdict if column in places else "" for column in COLUMNS)
        lines.append(f"| {kind} | {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |"))
    return "\n".join(lines)
