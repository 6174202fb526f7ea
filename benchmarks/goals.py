"""What figures are judged by: each with its goal, what was measured, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

MET, MISSED, SHOWN, OPEN = "met", "missed", "shown", "not measured"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the table. `details` are what the figure was made of."""

    figure: str
    goal: str
    measured: str
    verdict: str
    details: dict[str, Any] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        return asdict(self)


def at_least(figure: str, value: float, goal: float, unit: str = "", **details: Any) -> Verdict:
    return _judged(figure, "≥", value, goal, unit, value >= goal, details)


def at_most(figure: str, value: float, goal: float, unit: str = "", **details: Any) -> Verdict:
    return _judged(figure, "≤", value, goal, unit, value <= goal, details)


def below(figure: str, value: float, goal: float, unit: str = "", **details: Any) -> Verdict:
    return _judged(figure, "<", value, goal, unit, value < goal, details)


def shown(figure: str, measured: str, **details: Any) -> Verdict:
    """A figure without a goal."""
    return Verdict(figure, "", measured, SHOWN, details)


def unmeasured(figure: str, goal: str, why: str) -> Verdict:
    return Verdict(figure, goal, why, OPEN)


def _judged(
    figure: str, sign: str, value: float, goal: float, unit: str, met: bool, details: dict[str, Any]
) -> Verdict:
    return Verdict(
        figure, f"{sign} {goal:g}{unit}", f"{_number(value)}{unit}", MET if met else MISSED, {"value": value, **details}
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def show(verdicts: Sequence[Verdict], console: Console) -> None:
    table = Table(title="Figures and their goals", title_justify="left")
    for heading, justify in (("figure", "left"), ("goal", "right"), ("measured", "right"), ("verdict", "left")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for one in verdicts:
        colour = {MET: "green", MISSED: "red"}.get(one.verdict, "yellow")
        table.add_row(one.figure, one.goal, one.measured, f"[{colour}]{one.verdict}[/{colour}]")
    console.print(table)
