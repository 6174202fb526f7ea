"""Connections: what they are, and what an operator does to them.

The fields are checked as they are written, and secrets are named there, never kept. Who passes the gate of a
connection is asked of `admission`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from processes.engine.errors import Rejected
from processes.engine.parts import JobState
from processes.models import Connection, Job
from processes.models import Gate as GateRow
from processes.runtime import audit, gate, values
from processes.runtime.admission import moment, release
from processes.runtime.secrets import PLACEHOLDER

MOST = 10**9
"""Of seconds, and of calls per second."""
SECRET_FIELDS = frozenset(
    {
        "apikey", "accesskey", "clientsecret", "key", "keypassword", "passphrase", "password", "privatekey",
        "refreshtoken", "secret", "secretaccesskey", "secretkey", "token", "accesstoken",
    }
)  # fmt: skip
"""Names of fields, without case, dashes and underscores, whose values are secrets and nothing else."""

FIELDS = (
    "kind", "description", "url", "authentication", "tls", "timeout", "allowed_hosts", "allow_private", "options",
    "rate", "burst", "concurrency", "breaker_failures", "breaker_window", "breaker_open", "breaker_canaries",
    "breaker_ramp",
)  # fmt: skip
"""What an operator may set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a connection is doing now."""

    breaker: str
    open_until: datetime | None
    failures: int
    last_failure: str
    rate: float | None
    """Calls per second that may be made now: the configured ones, or fewer while they grow back."""
    tokens: float | None
    """Calls that could be made at once."""
    in_flight: int
    parked: int
    paused: bool
    waiting: Mapping[str, int] = field(default_factory=dict)
    """The parked jobs, by reason."""


def find(name: str) -> Connection:
    """A connection with its gate. Raises `Rejected` with ``connection-not-found``."""
    row = Connection.objects.select_related("gate").filter(name=name).first()
    if row is None:
        raise Rejected("connection-not-found", f"Expected a connection named '{values.told(name, 255)}' but found none")
    return row


def put(name: str, given: Mapping[str, Any], *, by: str, new: bool | None = None, reason: str = "") -> Connection:
    """Make a connection, or change the given fields of one. `new`: it must not, or must, exist already (None: either).

    Raises `Rejected`: ``value-invalid``, ``connection-not-found``, ``connection-exists``.
    """
    if stray := sorted(set(given) - set(FIELDS)):
        raise Rejected("value-invalid", f"Expected fields of {', '.join(FIELDS)} but found {', '.join(stray)}")
    check_secrets(given)
    now = timezone.now()
    with transaction.atomic():
        row = Connection.objects.select_for_update().filter(name=name).first()
        made = row is None
        if row is None and new is False:
            raise Rejected(
                "connection-not-found", f"Expected a connection named '{values.told(name, 255)}' but found none"
            )
        if row is not None and new is True:
            raise Rejected("connection-exists", f"Expected no connection named '{name}' but there is one")
        if row is None:
            row = Connection(name=name, created_at=now)
        for column, value in given.items():
            setattr(row, column, value)
        row.changed_at, row.changed_by = now, values.told(by, 255)
        _check_fields(row)
        row.save()
        GateRow.objects.get_or_create(connection=row)
        changed = {"fields": sorted(given)}
        audit.record("create" if made else "change", "connection", name, by=by, reason=reason, details=changed)
    return find(name)


def drop(name: str, *, by: str = "", reason: str = "") -> None:
    """Drop a connection. Jobs that name it end as incidents. Raises `Rejected` with ``connection-not-found``."""
    with transaction.atomic():
        find(name).delete()
        audit.record("drop", "connection", name, by=by, reason=reason)


def pause(name: str, *, by: str, reason: str = "") -> Connection:
    """Let nobody pass until `resume`; calls that are on their way end. Raises `Rejected`."""
    row = find(name)
    with transaction.atomic():
        _set(
            row,
            paused=True,
            paused_by=values.told(by, 255),
            paused_because=values.told(reason, 1000),
            paused_at=timezone.now(),
        )
        audit.record("pause", "connection", name, by=by, reason=reason)
    return find(name)


def resume(name: str, *, by: str, reason: str = "") -> Connection:
    """Let them pass again, and release what is parked. An open breaker lets its canaries through at once.

    Raises `Rejected`.
    """
    row = find(name)
    with transaction.atomic():
        _set(row, paused=False, paused_by=values.told(by, 255), paused_because="", paused_at=None)
        audit.record("resume", "connection", name, by=by, reason=reason)
    GateRow.objects.filter(pk=row.pk, breaker=gate.OPEN).update(open_until=0.0)
    release(row.pk)
    return find(name)


def standing(row: Connection) -> Standing:
    """How a connection is doing now. Three queries at most."""
    now = timezone.now().timestamp()
    parked = Job.objects.filter(connection=row.name, state=JobState.DUE.value).exclude(parked="").order_by()
    counts = dict(parked.values_list("parked").annotate(Count("id")))
    rate = gate.effective_rate(row, row.gate, now)
    tokens = None
    if rate is not None:
        tokens = round(min(float(row.burst), max(0.0, row.burst - max(0.0, row.gate.next_at - now) * rate)), 3)
    is_open = row.gate.breaker == gate.OPEN
    return Standing(
        breaker=row.gate.breaker,
        open_until=moment(row.gate.open_until) if is_open and row.gate.open_until else None,
        failures=len(row.gate.failures),
        last_failure=row.gate.last_failure,
        rate=rate,
        tokens=tokens,
        in_flight=Job.objects.filter(connection=row.name, state=JobState.CLAIMED.value).count(),
        parked=sum(counts.values()),
        paused=row.paused,
        waiting=counts,
    )


def _set(row: Connection, **columns: Any) -> None:
    by = columns.get("paused_by", "")
    Connection.objects.filter(pk=row.pk).update(**columns, changed_at=timezone.now(), changed_by=by)


def check(name: str, given: Mapping[str, Any]) -> None:
    """Raises `Rejected` with ``value-invalid`` where a connection cannot have these fields."""
    check_secrets(given)
    row = Connection(name=name)
    for column, value in given.items():
        setattr(row, column, value)
    _check_fields(row)


def _check_fields(row: Connection) -> None:
    """Raises `Rejected` with ``value-invalid``, one sentence for each field that is wrong."""
    wrong = []
    for name in ("authentication", "tls", "options"):
        if not isinstance(getattr(row, name), Mapping):
            wrong.append(f"Expected {name} to be a JSON object")
        else:
            setattr(row, name, values.checked(getattr(row, name), what=name))
    hosts = row.allowed_hosts
    if not isinstance(hosts, list) or not all(isinstance(host, str) and host.strip() for host in hosts):
        wrong.append("Expected allowed_hosts to be a list of host names")
    for name in ("rate", "timeout", "breaker_window", "breaker_open", "breaker_ramp"):
        value = getattr(row, name)
        if value is not None and not _is_number(value):
            wrong.append(f"Expected {name} to be a number below {MOST:,} but found {values.told(str(value), 100)}")
    for name in ("burst", "concurrency", "breaker_failures", "breaker_canaries"):
        value = getattr(row, name)
        if value is not None and not (_is_number(value) and isinstance(value, int)):
            wrong.append(f"Expected {name} to be a whole number but found {values.told(str(value), 100)}")
    if not wrong:
        try:
            row.full_clean(exclude=["created_at", "changed_at"], validate_unique=False)
        except ValidationError as error:
            for name, messages in error.message_dict.items():
                wrong += [message if name == "__all__" else f"{name}: {message}" for message in messages]
    if wrong:
        raise Rejected("value-invalid", "; ".join(wrong))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool) and -MOST < value < MOST


def check_secrets(given: Mapping[str, Any]) -> None:
    """What is a secret by its name must be named, not written: a row of ours is no place for it."""
    for column in ("authentication", "tls", "options"):
        for place, value in _secret_fields(given.get(column), column):
            if isinstance(value, str) and value and not PLACEHOLDER.fullmatch(value.strip()):
                raise Rejected(
                    "value-invalid",
                    f"Expected {place} to be a placeholder such as {{{{secrets.NAME}}}}, not the secret",
                )
    url = given.get("url")
    if isinstance(url, str) and "://" in url:
        userinfo = url.partition("://")[2].partition("/")[0].rpartition("@")[0]
        password = userinfo.partition(":")[2]
        if password and not PLACEHOLDER.fullmatch(password):
            raise Rejected(
                "value-invalid",
                "Expected the password in url to be a placeholder such as {{secrets.NAME}}, not the secret",
            )


def _secret_fields(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, member in value.items():
            plain = str(name).lower().replace("_", "").replace("-", "")
            here = f"{place}.{name}"
            is_api_key = plain == "value" and "authentication" in place  # the key itself, in authentication by API key
            if (plain in SECRET_FIELDS or is_api_key) and isinstance(member, str):
                yield here, member
            yield from _secret_fields(member, here)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from _secret_fields(member, place)
