"""What people do to the installation is written down with it: in the same transaction, so that neither is there alone.

Details say what was changed and never what it holds: no variables, no secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.utils import timezone

from processes.models import Action
from processes.runtime import values


def record(
    verb: str, kind: str, name: Any, *, by: str, reason: str = "", details: Mapping[str, Any] | None = None
) -> None:
    """Somebody had that done; to be called within the transaction that does it."""
    Action.objects.create(
        verb=verb,
        kind=kind,
        name=values.told(f"{name}", 255),
        by=values.told(by, 255),
        reason=values.told(reason, 1000),
        details=dict(details or {}),
        at=timezone.now(),
    )


def forget(limit: int = 1000) -> int:
    """Drop what is older than is kept (`ORCHESTRATOR_AUDIT_DAYS`); how many."""
    old = Action.objects.filter(at__lt=timezone.now() - settings.ORCHESTRATOR["AUDIT"]).order_by("at")
    return Action.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:limit])).delete()[0]
