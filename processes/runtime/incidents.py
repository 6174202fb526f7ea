"""Incidents are selected, looked at ahead, and resolved: the parked visit goes on from exactly where it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from django.db import transaction as database
from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime

from processes.engine import facts as f
from processes.engine.commands import ResolveIncident, SetVariables
from processes.engine.errors import Rejected
from processes.models import Incident
from processes.runtime import bulk, corrections, transaction, values

MOST_TRIES = 1000


@dataclass(frozen=True, slots=True)
class ResolvedMany:
    resolved: list[int] = field(default_factory=list)
    rejected: dict[int, str] = field(default_factory=dict)
    """Why not, by incident."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which open incidents: those that fit all that is given."""

    process_id: str | None = None
    definition_id: int | None = None
    """The version that their instance runs now."""
    version: int | None = None
    """The same by its number, of whatever process."""
    element_id: str | None = None
    kind: str | None = None
    error_code: str | None = None
    job_type: str | None = None
    fingerprint: str | None = None
    instance_id: int | None = None
    raised_before: datetime | None = None
    raised_after: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """What is given, for a column."""
        told = {name: value for name, value in asdict(self).items() if value is not None}
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in told.items()}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Selection:
        moments = {"raised_before", "raised_after"}
        known = {each.name for each in fields(cls)}
        given: dict[str, Any] = {n: parse_datetime(v) if n in moments else v for n, v in told.items() if n in known}
        return cls(**given)


_COLUMNS = {
    "definition_id": "instance__definition_id",
    "version": "instance__definition__version",
    "raised_before": "raised_at__lt",
    "raised_after": "raised_at__gte",
}


def chosen(selection: Selection) -> QuerySet[Incident]:
    """The open incidents that fit now, oldest first."""
    given = {
        _COLUMNS.get(each.name, each.name): value
        for each in fields(selection)
        if (value := getattr(selection, each.name)) is not None
    }
    return Incident.objects.filter(ended_at__isnull=True, **given).order_by("id")


def resolve(
    incident_id: int,
    *,
    retries: int | None = None,
    variables: Mapping[str, Any] | None = None,
    scope: int = 0,
    expected: Mapping[str, Any] | None = None,
    reason: str = "",
    by: str = "",
) -> Sequence[f.Fact]:
    """Try again where the incident stands, with so many tries (None: as many as the model says); the facts that
    followed. With `variables`, these are set in a scope first, as `instances.set_variables` does: both or neither.

    Raises `Rejected`: ``incident-not-found`` also where it is over already, ``instance-ended``, ``value-invalid``, and
    what setting variables may be refused for.
    """
    given = values.checked(variables)
    instance_id, command = _command(incident_id, retries)
    with database.atomic():
        if given:
            transaction.carry_out(instance_id, corrections.of(given, scope, expected), by=by, reason=reason)
        return transaction.carry_out(instance_id, command, by=by, reason=reason).facts


def preview(
    incident_id: int, *, retries: int | None = None, variables: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The facts that resolving it would lead to now, as the history tells them; it changes nothing. What workers would
    answer nobody can foresee. Raises `Rejected` as `resolve` does."""
    instance_id, command = _command(incident_id, retries)
    if not variables:
        return [f.to_json(fact) for fact in transaction.rehearse(instance_id, command, whole=False)]
    with database.atomic():
        transaction.carry_out(instance_id, SetVariables(values.checked(variables), 0), by="preview")
        facts = transaction.rehearse(instance_id, command, whole=False)
        database.set_rollback(True)
    return [f.to_json(fact) for fact in facts]


def _command(incident_id: int, retries: int | None) -> tuple[int, ResolveIncident]:
    if retries is not None and not 1 <= retries <= MOST_TRIES:
        raise Rejected("value-invalid", f"Expected retries from 1 to {MOST_TRIES} but found {retries}")
    found = Incident.objects.filter(pk=incident_id).values_list("instance_id", "key", "ended_at").first()
    if found is None:
        raise Rejected("incident-not-found", f"Expected incident {incident_id} to exist but it does not")
    instance_id, key, ended_at = found
    if ended_at is not None:
        raise Rejected("incident-not-found", f"Expected incident {incident_id} to be open but it is over")
    return instance_id, ResolveIncident(key, retries)


def resolve_many(
    incidents: QuerySet[Incident] | Iterable[int],
    *,
    retries: int | None = None,
    by: str,
    reason: str = "",
    on_progress: Callable[[int, int], None] | None = None,
) -> ResolvedMany:
    """Resolve some while the caller waits, oldest first, each in its own transaction; one that cannot be resolved does
    not stop the others. For many there are batches.

    `on_progress` is told how many are done, and of how many.
    """
    ids = sorted(incidents.values_list("pk", flat=True) if isinstance(incidents, QuerySet) else incidents)
    over = 0

    def advance(_: int) -> None:
        nonlocal over
        over += 1
        if on_progress is not None:
            on_progress(over, len(ids))

    done = bulk.each(ids, lambda pk: resolve(pk, retries=retries, reason=reason, by=by), on_progress=advance)
    return ResolvedMany(done.done, done.rejected)
