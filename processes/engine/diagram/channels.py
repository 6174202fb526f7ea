"""The channels between columns, in which lines run upright: who takes which track, and how wide they
become.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from dataclasses import dataclass

WIDTH = 50.0
STEP = 10.0
MANY = 150
"""With more lines than this in a channel the order of tracks no longer helps anybody, and only space
counts.
"""


@dataclass(frozen=True, slots=True)
class Spot:
    """An x that is not known yet: a part of a node's width, a boundary event's middle or a track of a
    channel.
    """

    vertex: int = -1
    part: float = 0.0
    offset: float = 0.0
    event_key: str = ""
    channel: int = 0
    group: int = -1

    @staticmethod
    def of(vertex: int, part: float, offset: float = 0.0) -> Spot:
        return Spot(vertex=vertex, part=part, offset=offset)

    @staticmethod
    def event(key: str) -> Spot:
        return Spot(event_key=key)


@dataclass(slots=True)
class _Group:
    """Lines that leave one vertex share one upright line: where it begins, its upper and its lower end."""

    start: float
    top: float
    bottom: float


class Channels:
    """Channel `c` lies right of column `c`; channel -1 left of the first."""

    def __init__(self, columns: int) -> None:
        self._groups: list[list[_Group]] = [[] for _ in range(columns + 1)]
        self._index: list[dict[Hashable, int]] = [{} for _ in range(columns + 1)]
        self._least = [WIDTH] * (columns + 1)
        self._tracks: list[list[int]] = []
        self._left: list[float] = []

    def widen(self, channel: int, room: float) -> None:
        """Makes room for a name of this width beside a line."""
        if room:
            self._least[channel + 1] = max(self._least[channel + 1], min(room, 90.0) + 36)

    def track(self, channel: int, owner: Hashable, y: float, to: float) -> Spot:
        """A place for an upright line from `y` to `to`; the same owner gets the same one."""
        groups, index = self._groups[channel + 1], self._index[channel + 1]
        if owner not in index:
            index[owner] = len(groups)
            groups.append(_Group(y, y, y))
        group = groups[index[owner]]
        group.top, group.bottom = min(group.top, y, to), max(group.bottom, y, to)
        return Spot(channel=channel, group=index[owner])

    def columns(self, widths: list[float]) -> list[float]:
        """The middle of each column, with the channels as wide as their tracks need; the first line is at
        0.
        """
        self._tracks = [_assigned(groups) for groups in self._groups]
        x, middles = 0.0, []
        for number, tracks in enumerate(self._tracks):
            wide = max(self._least[number], WIDTH + STEP * max(tracks, default=0))
            if number == 0 and not tracks:
                wide = 0.0
            self._left.append(x + (wide - STEP * max(tracks, default=0)) / 2)
            x += wide
            if number < len(widths):
                middles.append(x + widths[number] / 2)
                x += widths[number]
        return middles

    def x_of(self, spot: Spot) -> float:
        return self._left[spot.channel + 1] + STEP * self._tracks[spot.channel + 1][spot.group]


def _assigned(groups: list[_Group]) -> list[int]:
    """A track for each group so that no two on one track touch; crossings are avoided where there are few."""
    tracks = [0] * len(groups)
    if len(groups) > MANY:
        free: list[int] = []
        busy: list[tuple[float, int]] = []
        used = 0
        for number in sorted(range(len(groups)), key=lambda n: groups[n].top):
            while busy and busy[0][0] < groups[number].top - 6:
                heapq.heappush(free, heapq.heappop(busy)[1])
            if free:
                tracks[number] = heapq.heappop(free)
            else:
                tracks[number], used = used, used + 1
            heapq.heappush(busy, (groups[number].bottom, tracks[number]))
        return tracks

    def turn(number: int) -> tuple[int, float]:
        group = groups[number]
        down = group.bottom - group.start >= group.start - group.top
        return (0, -group.start) if down else (1, group.start)

    placed: list[int] = []
    for number in sorted(range(len(groups)), key=turn):
        group = groups[number]
        near = [
            tracks[other]
            for other in placed
            if groups[other].top < group.bottom + 6 and group.top < groups[other].bottom + 6
        ]
        tracks[number] = max(near, default=-1) + 1
        placed.append(number)
    return tracks
