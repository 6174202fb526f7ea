"""The ways of the lines of a flow, when its rows are known and its columns are not yet: x is a `Spot`, y a
number.

A line runs level through its own row and upright only in the channels between columns, so it never crosses a
node. Gateways may also let go and take in at their upper and lower corners, one direction at each. What leads
back, or too far to be worth a row, runs around on the outside.
"""

from __future__ import annotations

import itertools

from processes.engine.diagram.channels import Channels, Spot
from processes.engine.diagram.rows import Rows

TRACK = 22.0
"""Distance of lines that run around on the outside."""
EVENT = 36.0
MANY = 1000
"""With more lines than this around the outside, all of them go around everything: nobody could follow any."""


class Routes:
    """Routes for all wires of `rows`, in their order; `ports` says which upper (-1) and lower (1) ends of
    nodes are used.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.channels = Channels(len(rows.layers))
        self.ports: dict[tuple[int, int], str] = {}
        self.found: list[list[tuple[Spot, float]]] = [[] for _ in rows.wires]
        self.top = [min((rows.y[v] - rows.half[v] for v in layer), default=0.0) for layer in rows.layers]
        self.bottom = [max((rows.y[v] + rows.half[v] for v in layer), default=0.0) for layer in rows.layers]
        outside = []
        for number, path in enumerate(rows.paths):
            if path:
                self._forward(number, path)
            else:
                source, target = rows.pairs[number]
                outside.append((abs(rows.rank[source] - rows.rank[target]), number))
        if len(outside) > MANY:
            # One horizon for all columns.
            self.top, self.bottom = [min(self.top)], [max(self.bottom)]
        # Short ways around lie inside long ones.
        for _, number in sorted(outside):
            if rows.pairs[number][0] == rows.pairs[number][1]:
                self._around_itself(number)
            else:
                self._around(number)

    def _clear(self, vertex: int, y: float) -> bool:
        """Whether the way from a vertex straight up or down to a level is free in its column."""
        layer, step = self.rows.layers[self.rows.rank[vertex]], 1 if y > self.rows.y[vertex] else -1
        place = self.rows.place[vertex] + step
        if not 0 <= place < len(layer):
            return True
        other = layer[place]
        near = self.rows.y[other] - step * (6 if other >= self.rows.count else self.rows.half[other])
        return (near - y) * step > 0

    def _port(self, vertex: int, side: int, use: str) -> bool:
        """Takes a corner of a node for lines of one direction; False where the other direction has it."""
        return self.ports.setdefault((vertex, side), use) == use

    def _leave(self, number: int, vertex: int) -> list[tuple[Spot, float]]:
        """The beginning of a line: the right border of a node, or down from a boundary event into its row."""
        event = self.rows.wires[number].source
        if vertex < self.rows.count:
            return [(Spot.of(vertex, 1), self.rows.y[vertex])]
        host = self.rows.nodes[self.rows.host[event]]
        border = self.rows.y[self.rows.host[event]] + host.height / 2 + EVENT / 2
        return [(Spot.event(event), border), (Spot.event(event), self.rows.y[vertex])]

    def _forward(self, number: int, path: list[int]) -> None:
        route, source, target = self.found[number], path[0], path[-1]
        y, following = self.rows.y[source], self.rows.y[path[1]]
        side = 1 if following > y else -1
        self.channels.widen(self.rows.rank[source], self.rows.wires[number].room)
        if (
            source < self.rows.count
            and self.rows.nodes[source].corners
            and abs(following - y) > 1
            and self._clear(source, following)
            and self._port(source, side, "out")
        ):
            route.append((Spot.of(source, 0.5), y + side * self.rows.nodes[source].height / 2))
            route.append((Spot.of(source, 0.5), following))
            y = following
        else:
            route.extend(self._leave(number, source))
        for before, vertex in itertools.pairwise(path):
            if abs(self.rows.y[vertex] - y) > 0.5:
                side = 1 if y > self.rows.y[vertex] else -1
                if (
                    vertex == target
                    and self.rows.nodes[target].corners
                    and self._clear(target, y)
                    and self._port(target, side, "in")
                ):
                    route.append((Spot.of(target, 0.5), y))
                    route.append(
                        (
                            Spot.of(target, 0.5),
                            self.rows.y[target] + side * self.rows.nodes[target].height / 2,
                        )
                    )
                    return
                spot = self.channels.track(self.rows.rank[vertex] - 1, before, y, self.rows.y[vertex])
                route.extend([(spot, y), (spot, self.rows.y[vertex])])
                y = self.rows.y[vertex]
        route.append((Spot.of(target, 0), self.rows.y[target]))

    def _around(self, number: int) -> None:
        """Over or under everything between source and target, whichever is nearer."""
        wire, (source, target) = self.rows.wires[number], self.rows.pairs[number]
        start = self.rows.exit.get(wire.source, source)
        low, high = sorted((self.rows.rank[source], self.rows.rank[target]))
        last = len(self.top) - 1
        low, high = min(low, last), min(high, last)
        choices = []
        for side in (-1, 1):
            edge = min(self.top[low : high + 1]) if side < 0 else max(self.bottom[low : high + 1])
            y = edge + side * TRACK
            out, into = self._outermost(start, side), self._outermost(target, side)
            out = out and self.ports.get((start, side), "out") == "out" and (start < self.rows.count or side > 0)
            into = into and self.ports.get((target, side), "in") == "in"
            into = into and not (side > 0 and self.rows.nodes[target].exits)
            out = out and not (side > 0 and start < self.rows.count and self.rows.nodes[start].exits)
            cost = abs(self.rows.y[start] - y) + abs(self.rows.y[target] - y) + 60 * (not out) + 60 * (not into)
            choices.append((cost, side, y, out, into))
        _, side, y, out, into = min(choices)
        route = self.found[number]
        if out and start >= self.rows.count:
            route.extend(self._leave(number, start)[:1])
            route.append((route[0][0], y))
        elif out:
            self._port(start, side, "out")
            route.append((Spot.of(start, 0.5), self.rows.y[start] + side * self.rows.nodes[start].height / 2))
            route.append((Spot.of(start, 0.5), y))
        else:
            route.extend(self._leave(number, start))
            spot = self.channels.track(self.rows.rank[source], ("out", number), self.rows.y[start], y)
            route.extend([(spot, self.rows.y[start]), (spot, y)])
            high = min(high + 1, last)
        if into:
            self._port(target, side, "in")
            route.append((Spot.of(target, 0.5), y))
            route.append((Spot.of(target, 0.5), self.rows.y[target] + side * self.rows.nodes[target].height / 2))
        else:
            spot = self.channels.track(self.rows.rank[target] - 1, ("in", number), self.rows.y[target], y)
            route.extend([(spot, y), (spot, self.rows.y[target]), (Spot.of(target, 0), self.rows.y[target])])
            low = max(low - 1, 0)
        for rank in range(low, high + 1):
            if side < 0:
                self.top[rank] = min(self.top[rank], y)
            else:
                self.bottom[rank] = max(self.bottom[rank], y)

    def _outermost(self, vertex: int, side: int) -> bool:
        """Whether nothing stands above (-1) or below (1) a vertex in its column, its own exits aside."""
        layer, place = self.rows.layers[self.rows.rank[vertex]], self.rows.place[vertex]
        if side < 0:
            return place == 0
        return all(self.rows.band[other] < 0 for other in layer[place + 1 :])

    def _around_itself(self, number: int) -> None:
        vertex, y = self.rows.pairs[number][0], self.rows.y[self.rows.pairs[number][0]]
        start = self.rows.exit.get(self.rows.wires[number].source, vertex)
        top = y - self.rows.nodes[vertex].height / 2
        self._port(vertex, -1, "in")
        route = self._leave(number, start)
        spot = Spot.of(vertex, 1, 16)
        route += [
            (spot, self.rows.y[start]),
            (spot, top - 16),
            (Spot.of(vertex, 0.5), top - 16),
            (Spot.of(vertex, 0.5), top),
        ]
        self.found[number] = route
