"""Numbers of a version's elements as badges and heat on its drawing, and as a table with the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.http import urlencode

from processes.admin import shown
from processes.admin.drawing import drawing_of
from processes.models import ProcessDefinition
from processes.runtime import ModelInvalid, definitions, statistics
from processes.runtime.drawings import Note
from processes.runtime.statistics import ElementStatistics, Statistics

HOTTEST = 5
WINDOWS = {"hour": "Last hour", "day": "Last day", "week": "Last week", "all": "All"}


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of an element: what it is called, how it compares, how it is written, and what is said of it."""

    word: str
    label: str
    value: Callable[[ElementStatistics], float]
    text: Callable[[ElementStatistics], str]
    said: str
    bad: bool = False


def _length(span: Any) -> str:
    return shown.NOTHING if span is None else shown.length(span)


def _rate(row: ElementStatistics) -> str:
    if row.failure_rate is None:
        return shown.NOTHING
    percent = 100 * row.failure_rate
    return "0 %" if not percent else "< 1 %" if percent < 1 else f"{percent:.0f} %"


MEASURES = {
    measure.word: measure
    for measure in (
        Measure("visits", "Visits", lambda row: row.visits, lambda row: f"{row.visits:,}", "{} visits"),
        Measure("running", "Running now", lambda row: row.running, lambda row: f"{row.running:,}", "{} running now"),
        Measure(
            "average",
            "Average duration",
            lambda row: row.average.total_seconds() if row.average else 0,
            lambda row: _length(row.average),
            "took {} on average",
        ),
        Measure(
            "p95",
            "95 % within",
            lambda row: row.p95.total_seconds() if row.p95 else 0,
            lambda row: _length(row.p95),
            "95 % took no longer than {}",
        ),
        Measure("failures", "Failure rate", lambda row: row.failure_rate or 0, _rate, "{} of the visits failed", True),
        Measure(
            "incidents",
            "Open incidents",
            lambda row: row.incidents,
            lambda row: f"{row.incidents:,}",
            "{} open incidents",
            True,
        ),
    )
}


def heat_of(request: HttpRequest, definition: ProcessDefinition) -> dict[str, Any]:
    """What the page shows: the drawing, the table, and the links that choose measure, window and order."""
    measure = MEASURES.get(request.GET.get("measure", ""), MEASURES["visits"])
    window = request.GET.get("window", "")
    window = window if window in WINDOWS else "day"
    order = request.GET.get("order", "")
    found = statistics.of_version(definition, statistics.WINDOWS.get(window))
    chosen = {"measure": measure.word, "window": window, **({"order": order} if order in MEASURES else {})}

    def link(**changed: str) -> str:
        return f"?{urlencode(chosen | changed)}"

    return {
        "drawing": drawing_of(definition, notes=notes(found, measure)),
        "measures": [(one.label, link(measure=one.word), one is measure) for one in MEASURES.values()],
        "windows": [(label, link(window=word), word == window) for word, label in WINDOWS.items()],
        "columns": [(one.label, link(order=one.word), one.word == order) for one in MEASURES.values()],
        "document_order": (link(order=""), order not in MEASURES),
        "rows": _rows(definition, found, order, measure),
        "measure": measure,
        "sample": _sample(found),
    }


def notes(found: Statistics, measure: Measure) -> Mapping[str, Note]:
    """Heat from 1 to 5 by the share of the largest value, and the number itself; nothing where it is zero."""
    most = max((measure.value(row) for row in found.elements.values()), default=0)
    marked = {}
    for row in found.elements.values():
        if (value := measure.value(row)) > 0:
            kind = "heat-bad" if measure.bad else "heat-good"
            text = measure.text(row)
            marked[row.element_id] = Note((kind, f"heat-{level(value, most)}"), text, measure.said.format(text))
    return marked


def level(value: float, most: float) -> int:
    return max(1, min(HOTTEST, -int(-HOTTEST * value // most)))


def _rows(definition: ProcessDefinition, found: Statistics, order: str, measure: Measure) -> list[dict[str, Any]]:
    names = element_names(definition)
    place = {id: number for number, id in enumerate(names)}
    rows = sorted(found.elements.values(), key=lambda row: place.get(row.element_id, len(place)))
    if order in MEASURES:
        rows.sort(key=MEASURES[order].value, reverse=True)
    shares = notes(found, measure)
    return [
        {
            "id": row.element_id,
            "name": names.get(row.element_id, ""),
            "level": shares[row.element_id].classes if row.element_id in shares else (),
            "cells": [(one.text(row), one is measure, one.bad and one.value(row) > 0) for one in MEASURES.values()],
        }
        for row in rows
    ]


def element_names(definition: ProcessDefinition) -> dict[str, str]:
    """Names of the flow nodes, in the order of the document; none where the model can be read no more."""
    try:
        return {node.id: node.name for node in definitions.process_of(definition).nodes.values()}
    except (ModelInvalid, LookupError):  # a damaged definition has to be looked at as well
        return {}


def _sample(found: Statistics) -> str:
    since = f"that began since {found.since:%Y-%m-%d %H:%M}" if found.since else "that ever began"
    told = f"Visits, durations and failures: the {found.sampled:,} visits {since}"
    if found.cut:
        told = (
            f"Visits, durations and failures: a sample, the newest {found.sampled:,} visits {since} "
            f"within the newest {statistics.INSTANCES:,} instances; there are more"
        )
    counted = f", counted up to {statistics.COUNTED:,}" if found.more else ""
    return f"{told}. Running and open incidents: now, over all instances{counted}."
