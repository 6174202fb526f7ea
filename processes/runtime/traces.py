"""An instance as an OpenTelemetry trace: the request that a collector takes at ``/v1/traces``, in JSON (OTLP 1.x).

Traces are told after the fact, from the rows of the timeline, so that nothing has to be switched on before something
goes wrong. Ids are made of the instance and its keys: exporting twice tells the same spans, and an instance that was
called is in the trace of its outermost caller.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import Any

from processes.models import ProcessInstance
from processes.runtime.timelines import Timeline, timeline
from processes.runtime.waterfall import Kind, Line, Span

INTERNAL, CLIENT = 1, 3
OK, ERROR = 1, 2
ATTEMPTS = {Kind.WORK, Kind.FAILED}


def trace(row: ProcessInstance) -> dict[str, Any]:
    """One ``ExportTraceServiceRequest``. What lasts ends with the moment of the export, and says so. As bounded as the
    timeline: where many visits are one line there, they are one span here."""
    told = timeline(row)
    root = row if row.root_id is None else ProcessInstance.objects.only("started_at").get(pk=row.root_id)
    of = _id("trace", root.pk, root.started_at.isoformat(), length=32)
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes({"service.name": row.process_id})},
                "scopeSpans": [
                    {
                        "scope": {"name": "processes"},
                        "spans": [{"traceId": of, **span} for span in _spans(row, told)],
                    }
                ],
            }
        ]
    }


def _spans(row: ProcessInstance, told: Timeline) -> Iterator[dict[str, Any]]:
    instance = _id("instance", row.pk)
    attributes = {
        "bpmn.process.id": row.process_id,
        "bpmn.process.version": row.definition.version,
        "bpmn.instance.id": row.pk,
        "bpmn.instance.state": row.state,
        "bpmn.business_key": row.business_key,
        "bpmn.started_by": row.started_by,
    }
    if told.cut:
        attributes["bpmn.cut"] = " ".join(told.cut)
    yield {
        "spanId": instance,
        **({} if row.parent_id is None else {"parentSpanId": _id("instance", row.parent_id)}),
        "name": row.process_id,
        "kind": INTERNAL,
        **_time(row.started_at, row.ended_at, told.now),
        "attributes": _attributes(attributes),
        "events": [_event(span) for span in told.spans],
        "status": {"code": OK} if row.state == "COMPLETED" else {},
    }
    above: list[str] = [instance]
    for line in told.lines:
        del above[line.depth + 1 :]
        here = _id("visit", row.pk, line.key)
        yield from _visit(line, here, above[-1], told.now)
        above.append(here)


def _visit(line: Line, here: str, parent: str, now: datetime) -> Iterator[dict[str, Any]]:
    attributes = {
        "bpmn.element.id": line.element,
        "bpmn.element.type": line.type,
        "bpmn.visit.key": line.key,
        "bpmn.visit.state": line.state,
    }
    if line.count > 1:
        attributes["bpmn.visits"] = line.count
    yield {
        "spanId": here,
        "parentSpanId": parent,
        "name": line.name or line.element,
        "kind": INTERNAL,
        **_time(line.entered, line.ended, now),
        "attributes": _attributes(attributes),
        "events": [_event(span) for span in line.spans if span.kind is Kind.INCIDENT],
        "status": {"code": ERROR, "message": "incident"} if line.incidents else {},
    }
    for number, span in enumerate(line.spans):
        if span.kind is not Kind.INCIDENT:
            yield {
                "spanId": _id("span", here, number),
                "parentSpanId": here,
                "name": span.kind.value,
                "kind": CLIENT if span.kind in ATTEMPTS else INTERNAL,
                **_time(span.began, span.ended, now),
                "attributes": _attributes({"bpmn.told": span.words}),
                "status": {"code": ERROR, "message": span.words} if span.kind is Kind.FAILED else {},
            }


def _event(span: Span) -> dict[str, Any]:
    return {"timeUnixNano": _nano(span.began), "name": span.kind.value, "attributes": _attributes({"told": span.words})}


def _time(began: datetime, ended: datetime | None, now: datetime) -> dict[str, str]:
    return {"startTimeUnixNano": _nano(began), "endTimeUnixNano": _nano(max(ended or now, began))}


def _nano(at: datetime) -> str:
    """64-bit numbers are text in the JSON of protocol buffers."""
    return str(int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1000)


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": str(value)}}
        for key, value in values.items()
        if value != ""
    ]


def _id(*parts: object, length: int = 16) -> str:
    """Hexadecimal, never all zeros but by a chance of one in 2 to the power of 64."""
    return sha256("/".join(map(str, parts)).encode()).hexdigest()[:length]
