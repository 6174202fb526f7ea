"""What the spectator sees: a live picture on a terminal, plain lines everywhere else, and the closing table."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from scripts.demonstration.audit import detours_of
from scripts.demonstration.orders import CANCELLED, DELIVERED, DETOURS, ENDS, REFUNDED, REJECTED
from scripts.demonstration.standing import Case, Standing

COLOURS = {DELIVERED: "green", REJECTED: "yellow", CANCELLED: "yellow", REFUNDED: "cyan"}
REPAIRED = {"maintenance": "invoice service repaired", "address": "address corrected"}
LINE_EVERY_SECONDS = 2.0
FEED = 8
"""Lines of news in the live picture."""


class Show:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._news: deque[Text] = deque(maxlen=FEED)
        self._live: Live | None = None
        self._next_line = 0.0

    def step(self, text: str) -> None:
        """A step of the story."""
        self._console.print(f"[dim]{self._clock}[/dim] [bold]{text}[/bold]", highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        self._console.print(f"        {text}", highlight=False, soft_wrap=True)

    def table(self, table: Table) -> None:
        self._console.print()
        self._console.print(table)
        self._console.print()

    def news(self, text: str) -> None:
        """Something that happened while the orders run: in the picture, or as a line."""
        line = Text.from_markup(f"[dim]{self._clock}[/dim] {text}")
        if self._live is None:
            self._console.print(line, soft_wrap=True)
        else:
            self._news.append(line)

    @contextmanager
    def picture(self, standing: Standing) -> Iterator[None]:
        """While it is open, `refresh` draws."""
        if not self._console.is_terminal:
            yield
            return
        with Live(console=self._console, refresh_per_second=8, transient=True) as self._live:
            self._live.update(self._drawn(standing))
            try:
                yield
            finally:
                self._live = None

    def refresh(self, standing: Standing) -> None:
        if self._live is not None:
            self._live.update(self._drawn(standing))
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LINE_EVERY_SECONDS
            self._console.print(f"[dim]{self._clock}[/dim] {summed(standing)}", highlight=False, soft_wrap=True)

    @property
    def _clock(self) -> str:
        return f"{time.monotonic() - self._began:5.1f} s"

    def _drawn(self, standing: Standing) -> RenderableType:
        bar = Table.grid(padding=(0, 1))
        ended = sum(standing.ends.values())
        bar.add_row(
            ProgressBar(total=len(standing.cases), completed=ended, width=50), f"{ended} of {len(standing.cases)}"
        )
        lines = Table.grid(padding=(0, 2))
        lines.add_column(justify="right")
        for word, number, colour in _counts(standing):
            lines.add_row(str(number), Text(word, style=colour), Text("■" * number, style=colour))
        feed = Group(*self._news) if self._news else Text("")
        return Panel(
            Group(bar, Text(), lines, Text(), feed), title="Order fulfilment", border_style="dim", padding=(1, 2)
        )


def _counts(standing: Standing) -> Iterator[tuple[str, int, str]]:
    yield "under way", standing.under_way, "blue"
    for end, word in ENDS.items():
        yield word, standing.ends[end], COLOURS[end]
    yield "waiting for an operator", standing.parked, "red"


def summed(standing: Standing) -> str:
    """How it stands, in one line."""
    return ", ".join(f"[{colour}]{number} {word}[/{colour}]" for word, number, colour in _counts(standing) if number)


def ended(case: Case) -> str:
    """The news that an order has ended."""
    assert case.story is not None
    end = next((element for element in case.story.path if element in ENDS), "")
    word = f"[{COLOURS.get(end, 'red')}]{ENDS.get(end, 'ended without an end event')}[/]"
    way = ", ".join(_way(case))
    return f"{case.order.id} {word}" + (f" [dim]({way})[/dim]" if way else "")


def _way(case: Case) -> Iterator[str]:
    """What was special about an order that has ended."""
    assert case.story is not None
    yield from (DETOURS[detour] for detour in detours_of(case.story))
    if case.was_parked:
        yield REPAIRED.get(case.expected.repair, "repaired")


def closing_table(cases: list[Case], wrong: dict[str, list[str]]) -> Table:
    """Every order, how it went, and whether that was right."""
    table = Table(box=None, header_style="dim", padding=(0, 1), pad_edge=False)
    table.add_column("order", no_wrap=True)
    table.add_column("went by", no_wrap=True, ratio=1)
    table.add_column("end", no_wrap=True)
    table.add_column("attempts", no_wrap=True, justify="right")
    table.add_column("took", no_wrap=True, justify="right")
    table.add_column("")
    for case in cases:
        story = case.story
        if story is None:
            table.add_row(case.order.id, "", Text(case.state, style="red"), "", "", Text("✗", style="red"))
            continue
        way = list(_way(case))
        end = next((element for element in story.path if element in ENDS), "")
        failed = Text(f" ({story.failures} failed)" if story.failures else "", style="dim")
        table.add_row(
            case.order.id,
            Text(", ".join(way) or "·", style="" if way else "dim"),
            Text(ENDS.get(end, "?"), style=COLOURS.get(end, "red")),
            Text(f"{story.attempts}") + failed,
            f"{case.seconds:.1f} s",
            Text("✗", style="red") if case.order.id in wrong else Text("✓", style="green"),
        )
    return table


def ways_table(told: list[tuple[str, str, str]]) -> Table:
    """The seven ways of a service task: which, what it did, and why not where it was skipped."""
    table = Table(box=None, header_style="dim", padding=(0, 1), pad_edge=False)
    table.add_column("way", no_wrap=True)
    table.add_column("")
    table.add_column("what it did", overflow="fold")
    for way, done, lacking in told:
        word = Text("SKIPPED", style="yellow") if lacking else Text("ran", style="green")
        table.add_row(way, word, Text(lacking, style="yellow") if lacking else Text(done))
    return table


def tally(standing: Standing) -> str:
    """The ends, as a sentence."""
    ends: Counter[str] = standing.ends
    return ", ".join(f"{ends[end]} {word}" for end, word in ENDS.items() if ends[end])
