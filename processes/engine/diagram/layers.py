"""Ranks and order of a layered drawing (Sugiyama): which column a vertex is in, and who stands above whom.

Works on bare numbers: vertices 0..n-1 and edges as pairs. Near-linear: cycles are broken by one depth-first
search, ranks are longest paths, and long edges get helper vertices only as far as a budget reaches.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

Pair = tuple[int, int]


def forward(n: int, edges: Sequence[Pair], first: Sequence[int]) -> list[bool]:
    """For each edge whether it leads forward; turning the others round makes the graph acyclic.

    The search begins at the vertices in `first`, then at those without predecessors, then wherever is left,
    so that a loop is closed by the edge that a reader would call the way back.
    """
    out: list[list[int]] = [[] for _ in range(n)]
    entered = [0] * n
    ahead = [True] * len(edges)
    for index, (a, b) in enumerate(edges):
        if a == b:
            ahead[index] = False
            continue
        out[a].append(index)
        entered[b] += 1
    state = bytearray(n)
    roots = [*first, *(v for v in range(n) if not entered[v]), *range(n)]
    for root in roots:
        if state[root]:
            continue
        state[root] = 1
        stack = [(root, 0)]
        while stack:
            vertex, at = stack.pop()
            if at == len(out[vertex]):
                state[vertex] = 2
                continue
            stack.append((vertex, at + 1))
            index = out[vertex][at]
            to = edges[index][1]
            if state[to] == 1:
                ahead[index] = False
            elif not state[to]:
                state[to] = 1
                stack.append((to, 0))
    return ahead


def ranks(n: int, edges: Sequence[Pair]) -> list[int]:
    """The longest path to each vertex of an acyclic graph; sources move right until they touch their
    successors.
    """
    out: list[list[int]] = [[] for _ in range(n)]
    missing = [0] * n
    for a, b in edges:
        out[a].append(b)
        missing[b] += 1
    sources = [v for v in range(n) if not missing[v]]
    rank = [0] * n
    ready = list(sources)
    while ready:
        vertex = ready.pop()
        for to in out[vertex]:
            rank[to] = max(rank[to], rank[vertex] + 1)
            missing[to] -= 1
            if not missing[to]:
                ready.append(to)
    for vertex in sources:
        if out[vertex]:
            rank[vertex] = max(0, min(rank[to] for to in out[vertex]) - 1)
    return rank


def order(layers: list[list[int]], links: Sequence[Pair], band: Sequence[int], rounds: int) -> None:
    """Sorts each layer in place so that few links between neighbouring layers cross.

    A vertex goes to the mean of its neighbours on one side, to and fro; the best of all rounds is kept.
    Vertices of a lower `band` (the lane) always stand above those of a higher one. Vertices whose band is
    negative hang on the vertex before them (the paths of boundary events) and move with it.
    """
    size = sum(len(layer) for layer in layers)
    up: list[list[int]] = [[] for _ in range(size)]
    down: list[list[int]] = [[] for _ in range(size)]
    for a, b in links:
        down[a].append(b)
        up[b].append(a)
    place = [0.0] * size
    where = [0] * size
    for number, layer in enumerate(layers):
        for index, vertex in enumerate(layer):
            place[vertex] = float(index)
            where[vertex] = number
    by_layer: list[list[Pair]] = [[] for _ in layers]
    for a, b in links:
        by_layer[where[a]].append((a, b))

    def sweep(sequence: range, neighbours: list[list[int]]) -> None:
        for number in sequence:
            units: list[list[int]] = []
            for vertex in layers[number]:
                if band[vertex] < 0 and units:
                    units[-1].append(vertex)
                else:
                    units.append([vertex])
            keyed = []
            for index, unit in enumerate(units):
                near = [place[other] for vertex in unit for other in neighbours[vertex]]
                mean = sum(near) / len(near) if near else place[unit[0]]
                keyed.append((band[unit[0]], mean, index))
            layers[number][:] = [vertex for _, _, index in sorted(keyed) for vertex in units[index]]
            for index, vertex in enumerate(layers[number]):
                place[vertex] = float(index)

    def crossings() -> int:
        return sum(_inversions([(place[a], place[b]) for a, b in pairs]) for pairs in by_layer)

    best, least = [list(layer) for layer in layers], crossings()
    for turn in range(rounds):
        if not least:
            break
        if turn % 2 == 0:
            sweep(range(len(layers) - 2, -1, -1), down)
        else:
            sweep(range(1, len(layers)), up)
        found = crossings()
        if found < least:
            best, least = [list(layer) for layer in layers], found
    for layer, kept in zip(layers, best, strict=True):
        layer[:] = kept


def _inversions(pairs: list[tuple[float, float]]) -> int:
    """How many pairs of links cross, counted with a Fenwick tree."""
    if len(pairs) < 2:
        return 0
    pairs.sort()
    size = int(max(b for _, b in pairs)) + 2
    tree = [0] * (size + 1)
    total = 0
    for seen, (_, b) in enumerate(pairs):
        position, not_above = int(b) + 1, 0
        while position > 0:
            not_above += tree[position]
            position -= position & -position
        total += seen - not_above
        position = int(b) + 1
        while position <= size:
            tree[position] += 1
            position += position & -position
    return total


def levels(
    layers: list[list[int]], links: Sequence[Pair], half: Sequence[float], gap: float, helper: Sequence[bool]
) -> list[float]:
    """The y of every vertex: links run level where they can, everything as high as its upper neighbours
    allow.

    Vertices that are aligned make a block, as in Brandes and Koepf's method; each vertex joins the block of
    its uppermost free predecessor, helpers first, as long as the blocks do not cross. The blocks then sink to
    the lowest level at which no two vertices of a layer are closer than half their heights and `gap`.
    """
    size = len(half)
    place = [0] * size
    for layer in layers:
        for index, vertex in enumerate(layer):
            place[vertex] = index
    up: list[list[int]] = [[] for _ in range(size)]
    for a, b in links:
        up[b].append(a)
    root = list(range(size))
    taken = [False] * size
    for layer in layers:
        fixed = [(place[v], place[u]) for v in layer if helper[v] for u in up[v] if helper[u]]
        fence = _fences(layer, fixed)
        lowest = -1
        for vertex in layer:
            candidates = sorted(up[vertex], key=lambda u: place[u])
            inner = [u for u in candidates if helper[u]] if helper[vertex] else []
            for other in inner or candidates:
                floor, ceiling = fence[place[vertex]]
                inside = floor <= place[other] <= ceiling or bool(inner)
                if not taken[other] and place[other] > lowest and inside:
                    taken[other] = True
                    root[vertex] = root[other]
                    lowest = place[other]
                    break
    return _compacted(layers, root, half, gap)


def _fences(layer: list[int], fixed: list[Pair]) -> list[tuple[int, int]]:
    """For each place of a layer the places of the layer before that it can reach without crossing a long
    edge.
    """
    fences = [(0, 1 << 30)] * len(layer)
    if not fixed:
        return fences
    fixed.sort()
    floor, at = 0, 0
    lows = []
    for index in range(len(layer)):
        lows.append(floor)
        while at < len(fixed) and fixed[at][0] == index:
            floor = max(floor, fixed[at][1])
            at += 1
    ceiling, at = 1 << 30, len(fixed) - 1
    for index in range(len(layer) - 1, -1, -1):
        fences[index] = (lows[index], ceiling)
        while at >= 0 and fixed[at][0] == index:
            ceiling = min(ceiling, fixed[at][1])
            at -= 1
    return fences


def _compacted(layers: list[list[int]], root: list[int], half: Sequence[float], gap: float) -> list[float]:
    below: dict[int, list[tuple[int, float]]] = {}
    missing: dict[int, int] = {vertex: 0 for layer in layers for vertex in layer if root[vertex] == vertex}
    for layer in layers:
        for above, vertex in itertools.pairwise(layer):
            below.setdefault(root[above], []).append((root[vertex], half[above] + half[vertex] + gap))
            missing[root[vertex]] += 1
    level = dict.fromkeys(missing, 0.0)
    for layer in layers:
        if layer:
            level[root[layer[0]]] = max(level[root[layer[0]]], half[layer[0]])
    ready = [block for block, count in missing.items() if not count]
    while ready:
        block = ready.pop()
        for other, distance in below.get(block, ()):
            level[other] = max(level[other], level[block] + distance)
            missing[other] -= 1
            if not missing[other]:
                ready.append(other)
    return [level.get(root[vertex], 0.0) for vertex in range(len(root))]
