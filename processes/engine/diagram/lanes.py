"""Lanes as rows of an automatic layout, BPMN 2.0.2 section 10.8: which node is in which, and their boxes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from processes.engine.diagram.chart import Chart, chart
from processes.engine.diagram.rows import Node, Wire
from processes.engine.diagram.shapes import Box
from processes.engine.diagram.sketch import Sketch

LANE = frozenset({"lane"})
STRIP = 30.0
PAD = 25.0


def leaves(page: Sketch, process: str) -> list[str]:
    """The lanes of a process that have no lanes of their own, from top to bottom."""
    found = []
    stack = [lane.key for lane in page.of(process, LANE)][::-1]
    while stack:
        key = stack.pop()
        inner = [lane.key for lane in page.of(key, LANE)]
        if inner:
            stack.extend(reversed(inner))
        else:
            found.append(key)
    return found


def rows_of(page: Sketch, process: str, rows: Sequence[str]) -> dict[str, range]:
    """For every lane of a process the rows that it spans."""
    spans = {key: range(row, row + 1) for row, key in enumerate(rows)}
    for row, key in enumerate(rows):
        for outer in page.ancestors(key):
            if page.elements[outer].tag != "lane":
                break
            before = spans.get(outer)
            spans[outer] = range(before.start if before else row, row + 1)
    return spans


def chart_of(page: Sketch, process: str, rows: Sequence[str], nodes: Sequence[Node], wires: Sequence[Wire]) -> Chart:
    """One chart with a band for each lane, and one more for nodes in no lane where there are such."""
    spans = rows_of(page, process, rows)
    placed = []
    for node in nodes:
        span = spans.get(page.lane_of.get(node.key, ""))
        placed.append(replace(node, band=span.start if span else len(rows)))
    count = len(rows) + any(node.band == len(rows) for node in placed)
    return chart(placed, wires, count, 2 * PAD)


def boxes(
    page: Sketch, process: str, rows: Sequence[str], bands: Sequence[tuple[float, float]], frame: Box
) -> dict[str, Box]:
    """The box of every lane, given the bands of the rows and the frame around all content."""
    edges = [frame.y]
    edges += [(above[1] + below[0]) / 2 for above, below in itertools.pairwise(bands)]
    edges.append(frame.bottom)
    found = {}
    depths = {key: depth(page, key) for key in rows_of(page, process, rows)}
    for key, span in rows_of(page, process, rows).items():
        left = frame.x + STRIP * depths[key]
        found[key] = Box(left, edges[span.start], frame.right - left, edges[span.stop] - edges[span.start])
    return found


def depth(page: Sketch, key: str) -> int:
    """In how many lanes a lane is."""
    count = 0
    for outer in page.ancestors(key):
        if page.elements[outer].tag != "lane":
            break
        count += 1
    return count
