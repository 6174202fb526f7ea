"""What comes in from outside by queue or webhook becomes a message of ours, once, as its binding says.

    take(binding, body=..., headers=..., query=...)  ->  messages.publish(...)

The receipt and the message are one transaction, so whoever delivers may deliver again until it is told "done": a
second delivery finds the receipt. Secrets are named by the binding and revealed here; nobody else compares with them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError
from django.db import transaction as database
from django.utils import timezone

from processes.engine.errors import Rejected
from processes.models import InboundBinding, InboundReceipt
from processes.models.fields import DecimalEncoder
from processes.runtime import jobs, messages, secrets, values

logger = logging.getLogger(__name__)

KEPT = timedelta(days=7)
"""For how long a second delivery is known for one."""

_encode = DecimalEncoder().encode


@dataclass(frozen=True, slots=True)
class Source:
    """A queue to be consumed: a binding, as a consumer needs it. Equal as long as nothing of it changes."""

    binding_id: int
    name: str
    url: str
    queue: str


def sources() -> list[Source]:
    """The queues of all enabled bindings. One whose secret is not there is left out, and the log says so."""
    found = []
    for binding in InboundBinding.objects.filter(kind=InboundBinding.Kind.QUEUE, enabled=True):
        try:
            url = secrets.reveal(binding.secret_url) if binding.secret_url else binding.url
        except (LookupError, Rejected) as missing:
            logger.warning("The inbound binding %s is not consumed: %s", binding.name, missing)
            continue
        found.append(Source(binding.pk, binding.name, url, binding.queue))
    return found


def by_path(path: str) -> InboundBinding | None:
    """The enabled webhook under a path."""
    return InboundBinding.objects.filter(kind=InboundBinding.Kind.WEBHOOK, enabled=True, path=path).first()


def by_id(binding_id: int) -> InboundBinding | None:
    return InboundBinding.objects.filter(pk=binding_id, enabled=True).first()


def take(
    binding: InboundBinding,
    *,
    body: Any,
    headers: Mapping[str, Any],
    query: Mapping[str, Any] | None = None,
    message_id: str = "",
) -> bool:
    """Publish what arrived; False where it had arrived before. `headers` have names in lower case; `message_id` is
    what the transport says, or else a digest of the content, where the binding has no expression for it.

    Raises `Rejected` with ``value-invalid`` or ``variables-invalid`` where the expressions, evaluated over this, give
    nothing that can be published: the reason may quote what arrived. And `Overloaded` as `messages.publish`: then it
    may arrive again.
    """
    seen: dict[str, Any] = {"body": body, "headers": dict(headers)}
    if binding.kind == InboundBinding.Kind.WEBHOOK:
        seen["query"] = dict(query or {})
    key = _text(binding.correlation_key, seen, "a correlation key")
    given = _text(binding.message_id, seen, "a message id") or message_id
    if not given:
        raise Rejected("value-invalid", "Expected a message id but found none")
    if binding.variables:
        variables = values.checked(_evaluate(binding.variables, seen))
    else:
        variables = values.checked(body) if isinstance(body, Mapping) else {}
    ttl = None if binding.time_to_live is None else timedelta(seconds=binding.time_to_live)
    receipt = InboundReceipt(
        binding=binding, digest=hashlib.sha256(given.encode()).hexdigest(), received_at=timezone.now()
    )
    with database.atomic():
        try:
            with database.atomic():
                receipt.save(force_insert=True)
        except IntegrityError:
            logger.info("Inbound %s: message %.80s came again", binding.name, given)
            return False
        # The id of the message is not taken from outside: publishers of other bindings have ids of their own.
        messages.publish(
            binding.message_name,
            correlation_key=key,
            variables=variables,
            message_id=f"inbound:{binding.pk}:{receipt.digest}",
            ttl=ttl,
            by=f"inbound:{binding.name}",
        )
    return True


def forget(limit: int = 1000) -> int:
    """Delete receipts that are older than any second delivery; how many."""
    with database.atomic():
        old = InboundReceipt.objects.filter(received_at__lte=timezone.now() - KEPT).order_by("received_at")
        ids = list(old.select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit])
        InboundReceipt.objects.filter(pk__in=ids).order_by().delete()
    return len(ids)


def digest(*parts: bytes) -> str:
    """An id for what has none: of its content, so that the same content is the same message."""
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "big") + part)
    return found.hexdigest()


# -- proof -------------------------------------------------------------------------------------------------------------


def is_proven(binding: InboundBinding, body: bytes, headers: Mapping[str, str]) -> bool:
    """Whether whoever sent this knows the secret of the binding. `headers` have names in lower case.

    Takes as long for a wrong secret as for a right one. Raises LookupError where the secret is not there.
    """
    secret = secrets.reveal(binding.secret_name).encode()
    if not secret:
        raise LookupError(f"Expected secret {binding.secret_name} to have a value")
    if binding.proof == InboundBinding.Proof.TOKEN:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        return hmac.compare_digest(token.strip().encode(), secret) and scheme.lower() == "bearer"
    signed = body
    if binding.timestamp_header:
        stamp = headers.get(binding.timestamp_header.lower(), "").strip()
        if not _is_fresh(stamp, binding.tolerance):
            return False
        signed = stamp.encode() + b"." + body
    expected = hmac.new(secret, signed, hashlib.sha256).digest()
    return hmac.compare_digest(_signature(binding, headers), expected)


def _signature(binding: InboundBinding, headers: Mapping[str, str]) -> bytes:
    given = headers.get(binding.signature_header.lower(), "").strip()
    if not given.startswith(binding.signature_prefix):
        return b""
    given = given.removeprefix(binding.signature_prefix)
    try:
        if binding.signature_encoding == InboundBinding.Encoding.BASE64:
            return base64.b64decode(given, validate=True)
        return bytes.fromhex(given)
    except (ValueError, binascii.Error):
        return b""


def _is_fresh(stamp: str, tolerance: int) -> bool:
    if not stamp.isascii() or not stamp.isdecimal() or len(stamp) > 15:
        return False
    return abs(timezone.now().timestamp() - int(stamp)) <= tolerance


# -- expressions -------------------------------------------------------------------------------------------------------


def _text(expression: str, seen: Mapping[str, Any], what: str) -> str:
    if not expression:
        return ""
    value = _evaluate(expression, seen)
    if value is None:
        raise Rejected("value-invalid", f"Expected {what} but '{expression}' gives null")
    if isinstance(value, bool | str | int | Decimal):
        return value if isinstance(value, str) else _encode(value)
    raise Rejected("value-invalid", f"Expected {what} but '{expression}' gives a {type(value).__name__}")


def _evaluate(expression: str, seen: Mapping[str, Any]) -> Any:
    try:
        return jobs.evaluate(expression, seen)
    except ValueError as problem:
        raise Rejected("value-invalid", str(problem)) from None
