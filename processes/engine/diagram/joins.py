"""Lines between boxes that already stand: associations, message flows, and flows that a diagram has
forgotten.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from processes.engine.diagram.shapes import Box, Drawing, Edge, Point, straightened
from processes.engine.diagram.sketch import LINKS, Element, Sketch

MANY = 400_000
"""More pairs of message flows and nodes than this are not looked at: the flows run straight through."""
NEAR = 40
"""How many boxes around a message flow are looked at for a way between them."""


def join(drawing: Drawing, page: Sketch, scope: set[str] | None = None) -> None:
    """Adds a line for every link whose two ends are drawn and that has none; `scope` limits it to these
    keys.
    """
    boxes = {shape.element.key: shape.box for shape in drawing.shapes}
    drawn = {edge.element.key for edge in drawing.edges}
    lines = {edge.element.key: edge.points for edge in drawing.edges}
    pools = {shape.element.key: shape.box for shape in drawing.shapes if shape.element.tag == "participant"}
    homes = {pool.element.process: pool.element.key for pool in drawing.shapes if pool.element.process}
    # What a message flow goes around: nodes, not what they stand in.
    frames = {"participant", "lane", "group"}
    nodes = [s.box for s in drawing.shapes if s.element.tag not in frames]
    if len(nodes) * sum(1 for e in page.elements.values() if e.tag == "messageFlow") > MANY:
        nodes = []
    tracks: dict[float, float] = {}
    for element in page.elements.values():
        if element.tag not in LINKS or element.key in drawn or (scope is not None and element.key not in scope):
            continue
        source = boxes.get(element.source) or _middle_of(lines.get(element.source))
        target = boxes.get(element.target) or _middle_of(lines.get(element.target))
        if source is None or target is None:
            continue
        if element.tag == "messageFlow":
            ends = [_pool(key, page, homes, pools) for key in (element.source, element.target)]
            points = _message(element, source, target, ends, nodes, tracks, pools)
        elif element.tag == "sequenceFlow":
            points = flow(source, target)
        else:
            points = straight(source, target)
        drawing.edges.append(Edge(element, points))


def flow(source: Box, target: Box) -> tuple[Point, ...]:
    """An orthogonal line from border to border, to the right where there is room."""
    if source == target:
        top, right = source.y - 16, source.right + 16
        way = [(source.right, source.cy), (right, source.cy), (right, top), (source.cx, top)]
        return (*way, (source.cx, source.y))
    if target.x >= source.right + 20:
        # An event that stands a little higher or lower than its task needs no corner.
        small, large = (source, target) if source.height <= target.height else (target, source)
        if large.y + 8 <= small.cy <= large.bottom - 8 and abs(small.cy - large.cy) < 16 and large.height > 50:
            return (source.right, small.cy), (target.x, small.cy)
        middle = target.x - 20 if target.x - source.right > 60 else (source.right + target.x) / 2
        return straightened(
            [(source.right, source.cy), (middle, source.cy), (middle, target.cy), (target.x, target.cy)]
        )
    if target.y >= source.bottom + 10 or target.bottom <= source.y - 10:
        down = target.y > source.y
        start, end = (source.bottom, target.y) if down else (source.y, target.bottom)
        middle = (start + end) / 2
        return straightened([(source.cx, start), (source.cx, middle), (target.cx, middle), (target.cx, end)])
    low = max(source.bottom, target.bottom) + 20
    return straightened([(source.cx, source.bottom), (source.cx, low), (target.cx, low), (target.cx, target.bottom)])


def straight(source: Box, target: Box) -> tuple[Point, ...]:
    """A straight line between the facing sides."""
    if target.y >= source.bottom:
        return (source.cx, source.bottom), (target.cx, target.y)
    if target.bottom <= source.y:
        return (source.cx, source.y), (target.cx, target.bottom)
    if target.x >= source.right:
        return (source.right, source.cy), (target.x, target.cy)
    if target.right <= source.x:
        return (source.x, source.cy), (target.right, target.cy)
    return (source.cx, source.y), (target.cx, target.y)


def _middle_of(points: Sequence[Point] | None) -> Box | None:
    """A point on a line as a box without size, for annotations of flows."""
    if not points:
        return None
    a, b = max(itertools.pairwise(points), key=lambda p: abs(p[0][0] - p[1][0]) + abs(p[0][1] - p[1][1]))
    return Box((a[0] + b[0]) / 2, (a[1] + b[1]) / 2, 0, 0)


def _pool(key: str, page: Sketch, homes: dict[str, str], pools: dict[str, Box]) -> Box | None:
    if key in pools:
        return pools[key]
    return next((pools[homes[k]] for k in page.ancestors(key) if k in homes), None)


def _message(
    element: Element,
    source: Box,
    target: Box,
    ends: Sequence[Box | None],
    boxes: Sequence[Box],
    tracks: dict[float, float],
    pools: dict[str, Box],
) -> tuple[Point, ...]:
    """Up or down through the gap beside the pool of the target; a pool itself is met right above or below."""
    from_pool, to_pool = element.source in pools, element.target in pools
    down = target.cy >= source.cy
    x = source.cx if not from_pool else min(max(target.cx, source.x + 40), source.right - 10)
    to = target.cx if not to_pool else min(max(x, target.x + 40), target.right - 10)
    if from_pool and to_pool:
        between = [b for b in boxes if b.y < max(source.y, target.y) and b.bottom > min(source.bottom, target.bottom)]
        x = to = tracks.get(-1.0, max(source.x, target.x) + 110.0)
        while any(b.x - 12 < x < b.right + 12 for b in between) and x < min(source.right, target.right) - 30:
            x = to = x + 20
        tracks[-1.0] = x + 20
    elif not from_pool and not to_pool and abs(x - to) < 12:
        to = x
    start, end = (source.bottom, target.y) if down else (source.y, target.bottom)
    if abs(x - to) < 0.5 or source.overlaps(target):
        return (x, start), (to, end)
    border = ends[1] or target
    gap = border.y - 18 if down else border.bottom + 18
    track = tracks.get(gap, 0)
    tracks[gap] = track + 1
    gap += (-6 if down else 6) * (int(track) % 4)
    way = _aside(source, x, start, gap, boxes, down) if not from_pool else [(x, start)]
    back = _aside(target, to, end, gap, boxes, not down) if not to_pool else [(to, end)]
    return straightened([*way, (way[-1][0], gap), (back[-1][0], gap), *reversed(back)])


def _aside(node: Box, x: float, y: float, until: float, boxes: Sequence[Box], down: bool) -> list[Point]:
    """The first steps from a node to where the way to a level is free of other nodes."""
    low, high = sorted((y + (14 if down else -14), until))
    # Only what could stand in the way: not what is around the node itself.
    near = [b for b in boxes if b.y < high and b.bottom > low and not b.contains(node) and b != node]

    def free(at: float) -> bool:
        return all(not b.x - 6 < at < b.right + 6 for b in near)

    if free(x):
        return [(x, y)]
    choices = sorted({edge for b in near for edge in (b.x - 12, b.right + 12)}, key=lambda at: abs(at - x))
    found = next((at for at in choices[:NEAR] if free(at)), x)
    step = y + (14 if down else -14)
    return [(x, y), (x, step), (found, step)]
