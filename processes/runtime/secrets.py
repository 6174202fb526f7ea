"""Secrets: kept encrypted, named in models as ``{{secrets.NAME}}``, and resolved for connectors only.

`resolve` is the one way out, and workers call it right before a connector runs. Nothing that it returns may be kept;
who calls it masks what comes back. Keys come from the environment: the first encrypts, every one decrypts, so a new key
is put before the old one, `rotate` re-encrypts, and then the old one can go.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core import checks
from django.db import transaction
from django.utils import timezone

from processes.engine.errors import Rejected
from processes.models import Secret
from processes.models.secrets import SECRET_NAME
from processes.runtime import audit, values

MAX_SECRET = 64 * 1024
PLACEHOLDER = re.compile(rf"\{{\{{\s*secrets\.({SECRET_NAME})\s*\}}\}}")
MAX_DEPTH = 100


class Missing(LookupError):
    """A placeholder names a secret that there is not, or that no key of ours opens. Says which, for operators."""


def put(name: str, value: str, *, by: str = "", reason: str = "") -> bool:
    """Keep a secret, or replace it; whether it is new. Raises `Rejected` with ``value-invalid``."""
    if not re.fullmatch(SECRET_NAME, values.text(name, what="the name of a secret")):
        raise Rejected(
            "value-invalid", "Expected the name of a secret to be a letter, then letters, digits, dots, dashes"
        )
    if not isinstance(value, str) or not value:
        raise Rejected("value-invalid", "Expected the value of a secret to be text, but found none")
    values.text(value, what="the value of a secret", limit=MAX_SECRET)
    now, sealed = timezone.now(), _seal(value)
    with transaction.atomic():
        changed = {"ciphertext": sealed, "changed_at": now, "changed_by": values.told(by, 255)}
        made = (
            not Secret.objects.filter(name=name).update(**changed)
            and (
                Secret.objects.update_or_create(
                    name=name, defaults=changed, create_defaults=changed | {"created_at": now}
                )[1]
            )
        )
        audit.record("create" if made else "change", "secret", name, by=by, reason=reason)
    return made


def demand_keys() -> None:
    """Raises `Rejected` with ``secrets-without-key`` where no secret can be kept."""
    _fernet()


def find(name: str) -> Secret:
    """That there is one, not what it is. Raises `Rejected` with ``secret-not-found``."""
    row = Secret.objects.defer("ciphertext").filter(name=name).first()
    if row is None:
        raise Rejected("secret-not-found", f"Expected a secret named '{values.told(name, 255)}' but found none")
    return row


def drop(name: str, *, by: str = "", reason: str = "") -> None:
    """Drop a secret. Raises `Rejected` with ``secret-not-found``."""
    with transaction.atomic():
        if not Secret.objects.filter(name=name).delete()[0]:
            raise Rejected("secret-not-found", f"Expected a secret named '{values.told(name, 255)}' but found none")
        audit.record("drop", "secret", name, by=by, reason=reason)


def rotate(*, by: str = "", reason: str = "") -> int:
    """Encrypt every secret anew with the first key; how many. Raises `Rejected` with ``secret-unreadable`` where no
    key opens one, and then changes none."""
    fernet, rotated = _fernet(), 0
    with transaction.atomic():
        for row in Secret.objects.select_for_update().order_by("pk"):
            try:
                row.ciphertext = fernet.rotate(row.ciphertext.encode()).decode()
            except InvalidToken:
                raise Rejected(
                    "secret-unreadable", f"Expected a key that opens secret '{row.name}' but none does"
                ) from None
            row.save(update_fields=["ciphertext"])
            rotated += 1
        audit.record("rotate", "secret", "", by=by, reason=reason, details={"secrets": rotated})
    return rotated


def mentions(value: Any) -> bool:
    """Whether a placeholder stands anywhere in a JSON value."""
    if isinstance(value, str):
        return "{{" in value and PLACEHOLDER.search(value) is not None
    if isinstance(value, Mapping):
        return any(mentions(member) for member in value.values())
    return isinstance(value, list | tuple) and any(mentions(member) for member in value)


def resolve(value: Any, used: dict[str, str], *, in_url: bool = False, only: Collection[str] | None = None) -> Any:
    """A JSON value with every placeholder in its texts replaced; `used` collects names and values.

    Keys of objects are left alone. `in_url`: what is put in is percent-encoded, unless the placeholder is all there
    is. `only`: placeholders of other names stay as they are. Raises `Missing`.
    """
    if isinstance(value, str):
        if "{{" not in value:
            return value
        whole = PLACEHOLDER.fullmatch(value.strip()) is not None

        def put_in(match: re.Match[str]) -> str:
            if only is not None and match[1] not in only:
                return match[0]
            found = _value_of(match[1], used)
            return quote(found, safe="") if in_url and not whole else found

        return PLACEHOLDER.sub(put_in, value)
    if isinstance(value, Mapping):
        return {name: resolve(member, used, in_url=in_url, only=only) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [resolve(member, used, in_url=in_url, only=only) for member in value]
    return value


def are_there() -> bool:
    """Whether there is any."""
    return Secret.objects.exists()


def every() -> dict[str, str]:
    """The values of all secrets by name, for whoever masks them; those that no key opens are left out."""
    found: dict[str, str] = {}
    for name, sealed in Secret.objects.values_list("name", "ciphertext"):
        with suppress(InvalidToken):
            found[name] = _fernet().decrypt(sealed.encode()).decode()
    return found


def reveal(name: str) -> str:
    """The value of a secret, for whoever compares with it. Raises `Missing` where there is none of that name."""
    return _value_of(name, {})


def _value_of(name: str, used: dict[str, str]) -> str:
    if name not in used:
        sealed = Secret.objects.filter(name=name).values_list("ciphertext", flat=True).first()
        if sealed is None:
            raise Missing(f"Expected a secret named '{name}' but found none")
        try:
            used[name] = _fernet().decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise Missing(
                f"Expected a key that opens secret '{name}' but none of ORCHESTRATOR_FIELD_KEYS does"
            ) from None
    return used[name]


# -- keys --------------------------------------------------------------------------------------------------------------


def _seal(value: str) -> str:
    return _fernet().encrypt(value.encode()).decode()


def _fernet() -> MultiFernet:
    keys = tuple(settings.ORCHESTRATOR.get("FIELD_KEYS") or ())
    if not keys:
        if not settings.DEBUG:
            raise Rejected("secrets-without-key", "Expected ORCHESTRATOR_FIELD_KEYS to be set, but found no key")
        keys = (_derived(settings.SECRET_KEY),)
    return _made(keys)


@lru_cache(maxsize=8)
def _made(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key.strip()) for key in keys])


def _derived(secret_key: str) -> str:
    """A key for development, so that nothing needs to be set up."""
    return base64.urlsafe_b64encode(hashlib.sha256(b"field-key:" + secret_key.encode()).digest()).decode()


@checks.register("security")
def check_keys(**_: Any) -> list[checks.CheckMessage]:
    """Django's system check: secrets can be kept here. Never says what a key is."""
    keys = settings.ORCHESTRATOR.get("FIELD_KEYS") or []
    found: list[checks.CheckMessage] = []
    for number, key in enumerate(keys, start=1):
        try:
            Fernet(key.strip())
        except ValueError:
            hint = "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
            what = f"Expected key {number} of ORCHESTRATOR_FIELD_KEYS to be 32 bytes in URL-safe base64"
            found.append(checks.Error(what, hint=f"Make one with: {hint}", id="processes.E001"))
    if not keys and not settings.DEBUG:
        found.append(
            checks.Warning(
                "ORCHESTRATOR_FIELD_KEYS is not set: no secret can be kept or read.",
                hint="Set it to a Fernet key; several are separated by commas, and the first encrypts.",
                id="processes.W001",
            )
        )
    return found
