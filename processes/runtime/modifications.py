"""Operators move the tokens of an instance, or begin one that ended again, as another instance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from processes.engine import facts as f
from processes.engine.commands import Cancel, ModifyInstance, StartBefore, StartInstanceAt
from processes.engine.errors import Rejected
from processes.models import ProcessDefinition, ProcessInstance, Step
from processes.runtime import transaction, values

__all__ = ["Cancel", "StartBefore", "checked", "modify", "preview", "restart"]

LEFT = frozenset({"FlowTaken", "NodeActivated", "NodeCompleted"})
"""Facts after which variables are no longer those that an instance began with."""


def modify(
    instance_id: int,
    *,
    cancel: Iterable[Cancel] = (),
    start: Iterable[StartBefore] = (),
    reason: str = "",
    by: str = "",
) -> None:
    """End visits and start elements, all in one step or nothing. Where nothing is left the instance is terminated.

    Raises `Rejected`: ``instance-not-found``, ``instance-ended``, ``modification-empty``, ``modification-invalid``,
    ``element-not-found``, ``visit-not-found``, ``scope-not-found``, ``scope-ambiguous``, ``variables-invalid``,
    ``value-invalid``.
    """
    transaction.carry_out(instance_id, checked(cancel, start, reason), by=by)


def preview(
    instance_id: int, *, cancel: Iterable[Cancel] = (), start: Iterable[StartBefore] = ()
) -> list[dict[str, Any]]:
    """What `modify` would do now, as facts in JSON; nothing changes. Raises `Rejected` as it does."""
    return [f.to_json(fact) for fact in transaction.rehearse(instance_id, checked(cancel, start, ""))]


def restart(
    instance_id: int,
    *,
    start: Iterable[StartBefore] = (),
    initial_variables: bool = False,
    business_key: str | None = None,
    definition: ProcessDefinition | None = None,
    reason: str = "",
    by: str = "",
) -> ProcessInstance:
    """Begin an instance that ended again, as a new one: before elements, or without `start` at its start event.

    It gets the variables of the process as they were at the end, or with `initial_variables` those that it began with;
    its business key unless another one is given; and runs its version unless another `definition` is given.

    Raises `Rejected`: ``instance-not-found``, ``instance-not-ended``, ``no-none-start``, and as `modify` for what
    starts.
    """
    found = ProcessInstance.objects.select_related("definition").filter(pk=instance_id).first()
    if found is None:
        raise Rejected("instance-not-found", f"Expected instance {instance_id} to exist but it does not")
    if found.ended_at is None:
        what = f"Expected instance {instance_id} to have ended but found it {found.state.lower()}"
        raise Rejected("instance-not-ended", what)
    key = found.business_key if business_key is None else values.text(business_key, what="a business key")
    variables = _began_with(instance_id) if initial_variables else found.variables
    before = tuple(_checked(each) for each in start)
    command = StartInstanceAt(variables, before, instance_id, values.told(reason, 1000))
    return transaction.begin(
        definition or found.definition, command, business_key=key, start_key=None, by=by, restarted_from=found.pk
    )


def _began_with(instance_id: int) -> Mapping[str, Any]:
    """The variables that an instance was started with, and those that the event brought which began it."""
    variables: dict[str, Any] = {}
    for fact in Step.objects.values_list("facts", flat=True).get(instance_id=instance_id, number=1):
        if fact["fact"] in LEFT:
            break
        if fact["fact"] == "InstanceStarted" or (fact["fact"] == "VariablesSet" and fact["scope"] == 0):
            variables |= fact["variables"]
    return variables


def checked(cancel: Iterable[Cancel], start: Iterable[StartBefore], reason: str) -> ModifyInstance:
    """The command, with variables that can be kept. Raises `Rejected`: ``variables-invalid``, ``value-invalid``."""
    return ModifyInstance(tuple(cancel), tuple(_checked(each) for each in start), values.told(reason, 1000))


def _checked(each: StartBefore) -> StartBefore:
    return StartBefore(each.element, each.scope, values.checked(each.variables), values.checked(each.local))
