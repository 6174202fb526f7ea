"""What a batch has done to each of its instances: how it is written down, and how it is carried out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from processes.engine.errors import Rejected
from processes.models import ProcessDefinition
from processes.runtime import migration, modifications
from processes.runtime.modifications import Cancel, StartBefore


def _modify(instance_id: int, said: Mapping[str, Any], by: str) -> None:
    cancelled = [Cancel(each["node"], each["element"]) for each in said["cancel"]]
    modifications.modify(instance_id, cancel=cancelled, start=_starts(said), reason=said["reason"], by=by)


def _migrate(instance_id: int, said: Mapping[str, Any], by: str) -> None:
    migration.migrate(
        instance_id,
        _definition(said["target_definition_id"]),
        mapping=said["mapping"],
        update_waits=said["update_waits"],
        reason=said["reason"],
        by=by,
    )


def _restart(instance_id: int, said: Mapping[str, Any], by: str) -> int:
    definition = None if said["definition_id"] is None else _definition(said["definition_id"])
    new = modifications.restart(
        instance_id,
        start=_starts(said),
        initial_variables=said["initial_variables"],
        definition=definition,
        reason=said["reason"],
        by=by,
    )
    return new.pk


WORK: Mapping[str, Callable[[int, Mapping[str, Any], str], int | None]] = {
    "MODIFY": _modify,
    "MIGRATE": _migrate,
    "RESTART": _restart,
}


def _definition(pk: int) -> ProcessDefinition:
    found = ProcessDefinition.objects.filter(pk=pk).first()
    if found is None:
        raise Rejected("definition-not-found", f"Expected definition {pk} to exist but it does not")
    return found


def starts_to_json(start: Iterable[StartBefore]) -> list[dict[str, Any]]:
    return [
        {"element": each.element, "scope": each.scope, "variables": dict(each.variables), "local": dict(each.local)}
        for each in start
    ]


def _starts(said: Mapping[str, Any]) -> list[StartBefore]:
    return [StartBefore(each["element"], each["scope"], each["variables"], each["local"]) for each in said["start"]]
