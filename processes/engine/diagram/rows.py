"""Columns and rows of a flow: who stands where in the layers, and the y of everything. No x and no lines yet.

Besides the nodes there are helper vertices, which keep a row free: one in every column that a long line
passes, and one below its host for every boundary event with a path.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from processes.engine.diagram import layers

GAP = 30.0
CELL = 40.0
"""Half of the least height of a row: a task; smaller nodes keep the rest for their names."""


@dataclass(frozen=True, slots=True)
class Node:
    """A box to place. `exits` are the keys of its boundary events from left to right, `band` is its lane.

    `room` is the least width of its column, for a name below it; `pitch` the distance of its boundary events
    and `drop` the height of the name below the last of them.
    """

    key: str
    width: float
    height: float
    room: float = 0.0
    exits: tuple[str, ...] = ()
    pitch: float = 50.0
    drop: float = 0.0
    corners: bool = False
    first: bool = False
    band: int = 0


@dataclass(frozen=True, slots=True)
class Wire:
    """A line to draw between keys of nodes; its source may be a boundary event. `room` is the width of its
    name.
    """

    key: str
    source: str
    target: str
    room: float = 0.0


class Rows:
    """The layers of a flow with the level of every vertex.

    Vertices are numbers: first the nodes, then the exits of boundary events, then the helpers of long lines.
    `paths` holds the vertices that the line of a wire passes; none for a line that runs around on the
    outside.
    """

    def __init__(self, nodes: Sequence[Node], wires: Sequence[Wire], bands: int, between: float) -> None:
        self.nodes, self.between = nodes, between
        self.count = len(nodes)
        self.bands = [(0.0, 0.0)] * bands
        index = {node.key: number for number, node in enumerate(nodes)}
        self.host = {event: number for number, node in enumerate(nodes) for event in node.exits}
        ends = {**index, **self.host}
        self.wires = [wire for wire in wires if wire.source in ends and wire.target in ends]
        # The paths of boundary events come after the ordinary ones, as they lie below them.
        self.wires.sort(key=lambda wire: wire.source in self.host)
        self.pairs = [(ends[wire.source], ends[wire.target]) for wire in self.wires]
        firsts = [number for number, node in enumerate(nodes) if node.first]
        self.ahead = layers.forward(self.count, self.pairs, firsts)
        forward = [pair for pair, ahead in zip(self.pairs, self.ahead, strict=True) if ahead]
        self.rank = layers.ranks(self.count, forward)
        self._vertices()
        self._levels()

    def _vertices(self) -> None:
        """Adds helper vertices: one below the host for each boundary event with a path, one per column
        passed.
        """
        size = self.count
        height = 1 + max(self.rank, default=0)
        self.layers: list[list[int]] = [[] for _ in range(height)]
        begin = self._preorder()
        weight: dict[int, float] = {vertex: float(position) for vertex, position in enumerate(begin)}
        self.band = [node.band for node in self.nodes]
        self.helper = [False] * size
        self.exit: dict[str, int] = {}
        self.drop: dict[int, float] = {}
        used = {wire.source for wire in self.wires}
        hanging: dict[int, list[int]] = {}
        for number, node in enumerate(self.nodes):
            # The rightmost event takes the uppermost row, so that their paths do not cross.
            for event in reversed(node.exits):
                if event in used:
                    first = number not in hanging
                    self.drop[size] = max(12.0, node.drop - 15) if first else 12.0
                    self.exit[event] = size
                    hanging.setdefault(number, []).append(size)
                    self.rank.append(self.rank[number])
                    self.band.append(-1)
                    self.helper.append(False)
                    size += 1
        self.paths: list[list[int]] = [[] for _ in self.wires]
        self.links: list[tuple[int, int]] = []
        budget = 12 * self.count + 100
        spans = sorted((self.rank[b] - self.rank[a], e) for e, (a, b) in enumerate(self.pairs) if self.ahead[e])
        for span, number in spans:
            if span - 1 > budget:
                continue
            budget -= span - 1
            a, b = self.pairs[number]
            path = [self.exit.get(self.wires[number].source, a)]
            for step in range(1, span):
                self.rank.append(self.rank[a] + step)
                self.band.append(self.nodes[a].band)
                self.helper.append(True)
                weight[size] = begin[b] - 0.5
                path.append(size)
                size += 1
            path.append(b)
            self.paths[number] = path
            self.links.extend(itertools.pairwise(path))
        for vertex in range(size):
            if self.band[vertex] >= 0:
                self.layers[self.rank[vertex]].append(vertex)
        for layer in self.layers:
            layer.sort(key=lambda vertex: (self.band[vertex], weight[vertex], vertex))
            layer[:] = [v for vertex in layer for v in (vertex, *hanging.get(vertex, ()))]
        layers.order(self.layers, self.links, self.band, 8 if size < 4000 else 4 if size < 40_000 else 2)

    def _preorder(self) -> list[int]:
        """The place of each node on a walk that follows the longest way to its end before it takes the
        others.

        So the main line runs straight on top, and refusals, repairs and detours hang below it.
        """
        out: list[list[int]] = [[] for _ in range(self.count)]
        entered = [0] * self.count
        side: set[tuple[int, int]] = set()
        for (a, b), ahead, wire in zip(self.pairs, self.ahead, self.wires, strict=True):
            if ahead:
                out[a].append(b)
                entered[b] += 1
                if wire.source in self.host:
                    side.add((a, b))
        longest = [0] * self.count
        for vertex in sorted(range(self.count), key=lambda v: -self.rank[v]):
            longest[vertex] = max((longest[to] + 1 for to in out[vertex]), default=0)
            out[vertex].sort(key=lambda to, at=vertex: ((at, to) in side, -longest[to]))  # type: ignore[misc]
        place, seen = [0] * self.count, bytearray(self.count)
        position = 0
        for root in [*(v for v in range(self.count) if not entered[v]), *range(self.count)]:
            stack = [root]
            while stack:
                vertex = stack.pop()
                if seen[vertex]:
                    continue
                seen[vertex] = 1
                place[vertex] = position
                position += 1
                stack.extend(reversed(out[vertex]))
        return place

    def _levels(self) -> None:
        half = [max(node.height / 2 + (10 if node.exits else 0), CELL) for node in self.nodes]
        half += [self.drop.get(vertex, 12.0) for vertex in range(self.count, len(self.rank))]
        self.half = half
        owner = list(self.band)
        for layer in self.layers:
            for above, vertex in itertools.pairwise(layer):
                if owner[vertex] < 0:
                    owner[vertex] = owner[above]
        self.y = [0.0] * len(half)
        top = 0.0
        for band in range(len(self.bands)):
            part = [[v for v in layer if owner[v] == band] for layer in self.layers]
            inside = [(a, b) for a, b in self.links if owner[a] == band == owner[b]]
            found = layers.levels(part, inside, half, GAP, self.helper)
            bottom = top
            for layer in part:
                for vertex in layer:
                    self.y[vertex] = found[vertex] + top
                    bottom = max(bottom, self.y[vertex] + half[vertex])
            bottom = max(bottom, top + 2 * CELL)
            self.bands[band] = (top, bottom)
            top = bottom + self.between
        self.place = {v: index for layer in self.layers for index, v in enumerate(layer)}
