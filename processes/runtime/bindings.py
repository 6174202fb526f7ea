"""Inbound bindings as operators see them: made, changed, paused, resumed and dropped. What arrives is `inbound`'s.

A binding holds no secret: it names those that the URL of a broker or the proof of a webhook needs. What is changed
holds for the next event of a webhook at once, and for queues within seconds, when their consumers look again.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import IntegerField

from processes.engine import feel
from processes.engine.errors import ProcessFault, Rejected
from processes.engine.expression import Expression
from processes.models import InboundBinding
from processes.runtime import audit, values

logger = logging.getLogger(__name__)

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
EXPRESSIONS = ("correlation_key", "message_id", "variables")
SCHEMES = ("amqp", "amqps", "redis", "rediss")
FIELDS = (
    "kind", "url", "secret_url", "queue", "path", "message_name", *EXPRESSIONS, "time_to_live", "proof", "secret_name",
    "signature_header", "signature_prefix", "signature_encoding", "timestamp_header", "tolerance", "max_bytes",
)  # fmt: skip
"""What an operator may set."""
MOST_CHARACTERS = 10_000
"""Of an expression."""


def find(name: str) -> InboundBinding:
    """Raises `Rejected` with ``inbound-binding-not-found``."""
    row = InboundBinding.objects.filter(name=name).first()
    if row is None:
        raise _missing(name)
    return row


def put(name: str, given: Mapping[str, Any], *, by: str, new: bool | None = None, reason: str = "") -> InboundBinding:
    """Make a binding, or change the given fields of one. `new`: it must not, or must, exist already (None: either).

    Raises `Rejected`: ``value-invalid``, ``inbound-binding-not-found``, ``inbound-binding-exists``.
    """
    if stray := sorted(set(given) - set(FIELDS)):
        raise Rejected("value-invalid", f"Expected fields of {', '.join(FIELDS)} but found {', '.join(stray)}")
    with transaction.atomic():
        row = InboundBinding.objects.select_for_update().filter(name=name).first()
        if row is None and new is False:
            raise _missing(name)
        if row is not None and new is True:
            raise _exists(name)
        is_new = row is None
        row = row or InboundBinding(name=name)
        for column, value in given.items():
            setattr(row, column, _fit(column, value))
        _check(row, {**given, "name": name} if is_new else given)
        try:
            with transaction.atomic():
                row.save()
        except IntegrityError:  # somebody was faster
            raise _exists(name) from None
        changed = {"fields": sorted(given)}
        audit.record("create" if is_new else "change", "inbound binding", name, by=by, reason=reason, details=changed)
    logger.info("Inbound binding %s was %s by %s", name, "made" if is_new else "changed", by)
    return find(name)


def drop(name: str, *, by: str, reason: str = "") -> None:
    """Drop a binding, with its memory of what was received. Raises `Rejected` with ``inbound-binding-not-found``."""
    with transaction.atomic():
        find(name).delete()
        audit.record("drop", "inbound binding", name, by=by, reason=reason)
    logger.info("Inbound binding %s was dropped by %s", name, by)


def pause(name: str, *, by: str, reason: str = "") -> InboundBinding:
    """Take nothing in until `resume`: a queue keeps what comes, a webhook is not there. Raises `Rejected`."""
    return _enable(name, False, by, reason)


def resume(name: str, *, by: str, reason: str = "") -> InboundBinding:
    """Take in again. Raises `Rejected`."""
    return _enable(name, True, by, reason)


def faults(given: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with these fields, each by itself: field and sentence, which quotes no password."""
    found = {}
    if "name" in given and not (isinstance(given["name"], str) and NAME.fullmatch(given["name"])):
        found["name"] = "Expected up to 100 letters, digits, dots, dashes and underscores"
    for name in EXPRESSIONS:
        if isinstance(given.get(name), str) and given[name] and (reason := compiles(given[name])):
            found[name] = reason
    url = given.get("url")
    if isinstance(url, str) and url:
        scheme, _, rest = url.partition("://")
        if ":" in rest.rpartition("@")[0]:
            found["url"] = "Expected a URL without a password; name a secret that holds the URL instead"
        elif scheme.lower() not in SCHEMES or not rest:
            found["url"] = f"Expected the URL of a broker ({', '.join(SCHEMES)})"
    return found


def compiles(expression: str) -> str:
    """Why an expression is none; empty where it is one."""
    try:
        Expression.feel(expression)
    except (ProcessFault, feel.FeelError) as error:
        return str(error)
    return ""


def _fit(name: str, value: Any) -> Any:
    """A value that its column can hold as it is: nothing is cut or rounded. Raises `Rejected` (``value-invalid``)."""
    column: Any = InboundBinding._meta.get_field(name)
    if isinstance(column, IntegerField):
        if (value is None and column.null) or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        raise Rejected("value-invalid", f"Expected {name} to be a whole number")
    return values.text(value, what=name, limit=column.max_length or MOST_CHARACTERS)


def _check(row: InboundBinding, given: Mapping[str, Any]) -> None:
    """Raises `Rejected` with ``value-invalid``, one sentence for each field that is wrong."""
    wrong = [f"{field}: {reason}" for field, reason in faults(given).items()]
    if not wrong:
        try:
            row.full_clean(validate_unique=False, validate_constraints=False)
            if row.kind == InboundBinding.Kind.WEBHOOK and row.path:
                _check_path(row)
            row.validate_constraints()
        except ValidationError as error:
            for field, messages in error.message_dict.items():
                wrong += [message if field == "__all__" else f"{field}: {message}" for message in messages]
    if wrong:
        raise Rejected("value-invalid", "; ".join(wrong))


def _check_path(row: InboundBinding) -> None:
    other = InboundBinding.objects.filter(kind=InboundBinding.Kind.WEBHOOK, path=row.path).exclude(pk=row.pk).first()
    if other is not None:
        raise ValidationError({"path": f"Expected a path of its own, but '{row.path}' is that of {other.name}"})


def _enable(name: str, enabled: bool, by: str, reason: str) -> InboundBinding:
    row = find(name)
    with transaction.atomic():
        InboundBinding.objects.filter(pk=row.pk).update(enabled=enabled)
        audit.record("resume" if enabled else "pause", "inbound binding", name, by=by, reason=reason)
    logger.info("Inbound binding %s was %s by %s", name, "resumed" if enabled else "paused", by)
    return find(name)


def _missing(name: str) -> Rejected:
    told = values.told(name, 255)
    return Rejected("inbound-binding-not-found", f"Expected an inbound binding named '{told}' but found none")


def _exists(name: str) -> Rejected:
    return Rejected("inbound-binding-exists", f"Expected no inbound binding named '{name}' but there is one")
