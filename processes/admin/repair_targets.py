"""What an operator may choose from: where tokens stand, and elements that a token can be put before."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from processes.models import ProcessInstance
from processes.runtime import definitions
from processes.runtime.modifications import Cancel

log = logging.getLogger(__name__)

MOST = 200
"""Visits that one form offers."""


def standing_places(row: ProcessInstance, wanted: str = "") -> list[tuple[str, str]]:
    """Live visits as ``#key``, and elements before which tokens wait as ``=id``. One that is `wanted` is among them
    if it is there at all."""
    live = row.nodes.filter(ended_at=None)
    keys = dict(live.order_by("key").values_list("key", "element_id")[:MOST])
    if wanted[:1] == "#" and wanted[1:].isdecimal() and len(wanted) < 11:
        keys |= dict(live.filter(key=int(wanted[1:])).values_list("key", "element_id"))
    process = _process(row)
    flows = row.tokens.order_by("key").values_list("flow_id", flat=True)[:MOST]
    waiting = {process.flows[flow].target for flow in flows if flow in process.flows} if process is not None else set()
    return [
        *((f"#{key}", f"{element} ({key})") for key, element in keys.items()),
        *((f"={element}", f"{element}: tokens that wait before it") for element in sorted(waiting)),
    ]


def place(chosen: str) -> Cancel:
    """What a choice of `standing_places` means."""
    return Cancel(node=int(chosen[1:])) if chosen[0] == "#" else Cancel(element=chosen[1:])


def elements(row: ProcessInstance) -> list[tuple[str, str]]:
    """Elements that may be started, with their names, in the order of the document."""
    process = _process(row)
    return list(_startable(process)) if process is not None else []


def _startable(process: Any) -> Iterator[tuple[str, str]]:
    for node in process.nodes.values():
        around, is_reached = node, not (node.begins or node.attached_to or node.stands_by)
        path: list[str] = []
        while is_reached and around is not None:
            is_reached = not around.handles
            around = process.nodes[around.scope] if around.scope else None
            if around is not None:
                path.insert(0, around.name or around.id)
        if is_reached:
            told = f"{node.name} ({node.id})" if node.name else node.id
            yield node.id, " / ".join([*path, told])


def caught_codes(row: ProcessInstance) -> list[str]:
    """Codes of errors that some event of the process catches."""
    process = _process(row)
    if process is None:
        return []
    catching = [node for node in process.nodes.values() if node.attached_to or node.begins]
    definitions_of = (each for node in catching for each in getattr(node, "definitions", ()))
    found = (
        getattr(getattr(each, "code", None), "text", "") for each in definitions_of if each.tag.startswith("error")
    )
    return sorted({code for code in found if code})


def none_start(row: ProcessInstance) -> str:
    """The id of the none start event, "" where there is none."""
    process = _process(row)
    start = process.starts.get("") if process is not None else None
    return start.id if start is not None else ""


def _process(row: ProcessInstance) -> Any:
    """The model that the row runs; None where it cannot be read, for the page that repairs it opens all the same."""
    try:
        return definitions.process_of(row.definition)
    except Exception:  # whatever it is, it is told where the instance meets it
        log.exception("Expected definition %s to be readable", row.definition_id)
        return None
