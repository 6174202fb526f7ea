"""One flow laid out from left to right: columns by rank, rows by order, lines level or upright. No BPMN names
here.

    nodes, wires --layers, rows--> levels (y) --routes, channels--> columns (x) --> boxes, lines, labels
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from processes.engine.diagram.channels import Spot
from processes.engine.diagram.routes import EVENT, Routes
from processes.engine.diagram.rows import Node, Rows, Wire
from processes.engine.diagram.shapes import Box, Label, Point, straightened


@dataclass(slots=True)
class Chart:
    boxes: dict[str, Box] = field(default_factory=dict)
    lines: dict[str, tuple[Point, ...]] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    bands: list[tuple[float, float]] = field(default_factory=list)
    """Top and bottom of each lane's content."""


def chart(nodes: Sequence[Node], wires: Sequence[Wire], bands: int = 1, between: float = 50.0) -> Chart:
    """Boxes, lines and labels for one graph. Any graph will do; `between` parts the contents of two lanes."""
    rows = Rows(nodes, wires, bands, between)
    routes = Routes(rows)
    found = Chart(bands=rows.bands)
    widths = [
        max((max(nodes[v].width, nodes[v].room) for v in layer if v < rows.count), default=0.0) for layer in rows.layers
    ]
    centre = routes.channels.columns(widths)
    for number, node in enumerate(nodes):
        x = centre[rows.rank[number]] - node.width / 2
        box = Box(x, rows.y[number] - node.height / 2, node.width, node.height)
        found.boxes[node.key] = box
        _add_events(found, node, box)
        if node.corners:
            found.labels[node.key] = _corner_label(box, (number, -1) in routes.ports, (number, 1) in routes.ports)

    def x_of(spot: Spot) -> float:
        if spot.event_key:
            return found.boxes[spot.event_key].cx
        if spot.vertex >= 0:
            box = found.boxes[nodes[spot.vertex].key]
            return box.x + box.width * spot.part + spot.offset
        return routes.channels.x_of(spot)

    for wire, route in zip(rows.wires, routes.found, strict=True):
        found.lines[wire.key] = straightened([(x_of(spot), y) for spot, y in route])
    return found


def _add_events(found: Chart, node: Node, box: Box) -> None:
    """Boundary events on the lower border of their host, with their names right of their lines."""
    for index, event in enumerate(node.exits):
        last = index == len(node.exits) - 1
        cx = box.cx + (index - (len(node.exits) - 1) / 2) * node.pitch
        found.boxes[event] = Box(cx - EVENT / 2, box.bottom - EVENT / 2, EVENT, EVENT)
        room = Box(cx + 6, box.bottom + EVENT / 2 + 1, 100 if last else node.pitch - 8, 0)
        found.labels[event] = Label(room, "start")


def _corner_label(box: Box, above: bool, below: bool) -> Label:
    """The name of a gateway goes where no line does: below, above, else to the upper left."""
    if not below:
        return Label(Box(box.cx - 50, box.bottom + 5, 100, 0))
    if not above:
        return Label(Box(box.cx - 55, box.y - 5, 110, 0), above=True)
    return Label(Box(box.cx - 96, box.y - 2, 90, 0), "end", above=True)
