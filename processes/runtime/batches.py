"""Batches: the same command for many instances, carried out by the sweeper, one after the other.

Whoever begins one needs the permission to begin batches, and that of the single verb (`SINGLE`): doors ask for both.

The command for an instance and what is written of it in its item are one transaction, so that after a crash nothing is
done twice and nothing is left out. While an item is carried out the row of its batch is held, and then one instance; so
any number of sweepers work on different batches, and a batch that is paused or cancelled stops after that item.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import InterfaceError, OperationalError
from django.db import transaction as database
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from processes.engine.errors import Rejected
from processes.models import Batch, BatchItem, FlowNodeInstance, ProcessDefinition, ProcessInstance
from processes.models.instances import FINAL
from processes.runtime import audit, instructions, modifications, recovery, values
from processes.runtime.incidents import MOST_TRIES, Selection
from processes.runtime.modifications import Cancel, StartBefore

logger = logging.getLogger(__name__)

MOST = 100_000
"""Instances of one batch; of incidents that are selected, `recovery.MOST`."""
MOST_CANARIES = 1000
SLOWEST, FASTEST = 0.001, 100_000
"""Items a second."""
BURST = timedelta(seconds=5)
"""What of its rate a batch may catch up with, where nobody swept for a while."""
AT_ONCE = 0.5
"""Seconds that one pass works on batches; then others have their turn."""


SINGLE: Mapping[str, tuple[str, ...]] = {
    "MODIFY": ("processes.change_processinstance",),
    "MIGRATE": ("processes.change_processinstance",),
    "RESTART": ("processes.change_processinstance",),
    "RETRY": ("processes.change_incident",),
}
"""What who begins or resumes a batch of that kind must also be allowed: to do it to one."""
VARIABLES = "processes.change_processinstance"
"""And this, where a retry sets variables."""


@dataclass(frozen=True, slots=True)
class Progress:
    pending: int = 0
    done: int = 0
    rejected: int = 0
    retried: int = 0
    recovered: int = 0
    failed_again: int = 0


# -- what is asked -----------------------------------------------------------------------------------------------------


def modify(
    ids: Iterable[int],
    *,
    cancel: Iterable[Cancel] = (),
    start: Iterable[StartBefore] = (),
    reason: str = "",
    rate: float | None = None,
    by: str = "",
) -> Batch:
    """Have instances modified. Raises `Rejected`: ``batch-empty``, ``batch-too-large``, ``modification-empty``,
    ``variables-invalid``, ``value-invalid``; what an instance is refused for stands in its item."""
    command = modifications.checked(cancel, start, reason)
    if not command.cancel and not command.start:
        raise Rejected("modification-empty", "Expected something to cancel or to start but found nothing")
    said = {
        "cancel": [{"node": each.node, "element": each.element} for each in command.cancel],
        "start": instructions.starts_to_json(command.start),
        "reason": command.reason,
    }
    return _create("MODIFY", ids, said, rate, by)


def migrate(
    ids: Iterable[int],
    target: ProcessDefinition,
    *,
    mapping: Mapping[str, str] | None = None,
    update_waits: bool = False,
    reason: str = "",
    rate: float | None = None,
    by: str = "",
) -> Batch:
    """Have instances migrated. Raises `Rejected`: ``batch-empty``, ``batch-too-large``."""
    said = {
        "target_definition_id": target.pk,
        "mapping": None if mapping is None else dict(mapping),
        "update_waits": update_waits,
        "reason": values.told(reason, 1000),
    }
    return _create("MIGRATE", ids, said, rate, by)


def restart(
    ids: Iterable[int],
    *,
    start: Iterable[StartBefore] = (),
    initial_variables: bool = False,
    definition: ProcessDefinition | None = None,
    reason: str = "",
    rate: float | None = None,
    by: str = "",
) -> Batch:
    """Have instances that ended begun again. Raises `Rejected` as `modify`, but for ``modification-empty``."""
    said = {
        "start": instructions.starts_to_json(modifications.checked((), start, "").start),
        "initial_variables": initial_variables,
        "definition_id": None if definition is None else definition.pk,
        "reason": values.told(reason, 1000),
    }
    return _create("RESTART", ids, said, rate, by)


def retry(
    chosen: Selection | Iterable[int],
    *,
    retries: int | None = None,
    variables: Mapping[str, Any] | None = None,
    canaries: int = 0,
    stop_at: float | None = None,
    reason: str = "",
    rate: float | None = None,
    by: str = "",
) -> Batch:
    """Have incidents resolved, oldest first: those that are open now and fit, or those with these ids.

    `canaries` are tried alone, and nothing else until their outcome is known; the batch pauses itself if `stop_at`
    percent of them failed again, or any where that is not given. After that it does so at `stop_at` percent of all
    known outcomes. Raises `Rejected`: ``batch-empty``, ``batch-too-large``, ``incident-not-found``, ``value-invalid``,
    ``variables-invalid``.
    """
    if retries is not None and not 1 <= retries <= MOST_TRIES:
        raise Rejected("value-invalid", f"Expected retries from 1 to {MOST_TRIES} but found {retries}")
    if not 0 <= canaries <= MOST_CANARIES:
        raise Rejected("value-invalid", f"Expected up to {MOST_CANARIES:,} canaries but found {canaries}")
    if stop_at is not None and not 0 < stop_at <= 100:
        raise Rejected("value-invalid", f"Expected to stop at more than 0 and up to 100 percent but found {stop_at}")
    said = {"retries": retries, "variables": values.checked(variables), "reason": values.told(reason, 1000)}
    batch = _batch("RETRY", said, rate, by)
    batch.canaries, batch.stop_at = canaries, stop_at
    rows = recovery.choose(batch, chosen)
    with database.atomic():
        batch.save(force_insert=True)
        if rows:
            recovery.add(batch, rows)
            batch.save(update_fields=["total"])
        what = {"kind": "RETRY", "incidents": len(rows)} if rows else {"kind": "RETRY", "selection": batch.selection}
        audit.record("create", "batch", batch.pk, by=by, reason=batch.reason, details=what)
    return batch


def running(
    *, process_id: str | None = None, definition_id: int | None = None, element_id: str | None = None
) -> list[int]:
    """Instances that have not ended, of a process or a definition, with a visit to an element; oldest first."""
    found = ProcessInstance.objects.exclude(state__in=FINAL)
    if process_id is not None:
        found = found.filter(process_id=process_id)
    if definition_id is not None:
        found = found.filter(definition_id=definition_id)
    if element_id is not None:
        visits = FlowNodeInstance.objects.filter(instance=OuterRef("pk"), ended_at__isnull=True)
        found = found.filter(Exists(visits.filter(element_id=element_id)))
    return list(found.order_by("id").values_list("pk", flat=True)[: MOST + 1])


def _create(kind: str, ids: Iterable[int], said: dict[str, Any], rate: float | None, by: str) -> Batch:
    chosen = list(dict.fromkeys(ids))
    if not chosen:
        raise Rejected("batch-empty", "Expected at least one instance but found none")
    batch = _batch(kind, said, rate, by)
    if len(chosen) > MOST:
        raise Rejected("batch-too-large", f"Expected at most {MOST:,} instances but found more")
    batch.total = len(chosen)
    with database.atomic():
        batch.save(force_insert=True)
        BatchItem.objects.bulk_create((BatchItem(batch=batch, instance_id=pk) for pk in chosen), batch_size=500)
        what = {"kind": kind, "instances": len(chosen)}
        audit.record("create", "batch", batch.pk, by=by, reason=batch.reason, details=what)
    return batch


def _batch(kind: str, said: dict[str, Any], rate: float | None, by: str) -> Batch:
    if rate is not None and not SLOWEST <= rate <= FASTEST:
        raise Rejected("value-invalid", f"Expected a rate from {SLOWEST} to {FASTEST:,} but found {rate}")
    now = timezone.now()
    return Batch(
        kind=kind,
        instructions=said,
        reason=said["reason"],
        rate=rate,
        created_at=now,
        created_by=values.told(by, 255),
        due_at=now,
    )


def progress(batch: Batch) -> Progress:
    """As it is now."""
    row = Batch.objects.get(pk=batch.pk)
    return Progress(row.pending, row.done, row.rejected, row.retried, row.recovered, row.failed_again)


# -- pause, resume, cancel ---------------------------------------------------------------------------------------------


def pause(batch_id: int, *, by: str = "", reason: str = "") -> None:
    """Raises `Rejected`: ``batch-not-found``, ``batch-not-active``."""
    _turn("pause", batch_id, ("ACTIVE",), by, reason, state="PAUSED")


def resume(batch_id: int, *, by: str = "", reason: str = "") -> None:
    """Go on. What failed again until now is forgiven: whoever resumes has seen it. Canaries of which nobody knew what
    became of them are waited for no longer. Raises `Rejected`: ``batch-not-found``, ``batch-not-paused``."""
    with database.atomic():
        batch = Batch.objects.select_for_update().filter(pk=batch_id).first()
        given_up = batch is not None and batch.retried and batch.watch_at is None
        _turn(
            "resume",
            batch_id,
            ("PAUSED",),
            by,
            reason,
            state="ACTIVE",
            note="",
            due_at=timezone.now(),
            forgiven_recovered=F("recovered"),
            forgiven_failed=F("failed_again"),
            **({"canaries": F("recovered") + F("failed_again")} if given_up else {}),
        )


def cancel(batch_id: int, *, by: str = "", reason: str = "") -> None:
    """What is done stays done, and what is pending is never done. Raises `Rejected`: ``batch-not-found``,
    ``batch-ended``."""
    _turn("cancel", batch_id, ("ACTIVE", "PAUSED"), by, reason, state="CANCELLED", ended_at=timezone.now())


def _turn(verb: str, batch_id: int, states: tuple[str, ...], by: str, reason: str, **columns: Any) -> None:
    with database.atomic():
        if Batch.objects.filter(pk=batch_id, state__in=states).update(**columns):
            audit.record(verb, "batch", batch_id, by=by, reason=reason)
            return
    state = Batch.objects.filter(pk=batch_id).values_list("state", flat=True).first()
    if state is None:
        raise Rejected("batch-not-found", f"Expected batch {batch_id} to exist but it does not")
    wanted = "ended" if len(states) > 1 else f"not-{states[0].lower()}"
    what = " or ".join(states).lower()
    raise Rejected(f"batch-{wanted}", f"Expected batch {batch_id} to be {what} but found it {state.lower()}")


# -- carrying out ------------------------------------------------------------------------------------------------------


def carry_on(limit: int = 100) -> int:
    """Look for outcomes that are due, and carry out up to so many items of the batches that are due, in turn; how many.
    A batch that somebody else works on is left to them."""
    until = time.monotonic() + AT_ONCE
    _watch()
    done = 0
    while done < limit and time.monotonic() < until:
        due = Batch.objects.filter(state="ACTIVE", due_at__lte=timezone.now()).order_by("due_at", "id")
        some = [_next_item(batch_id) for batch_id in due.values_list("pk", flat=True)[:limit]]
        if not any(some):
            break
        done += sum(some)
    return done


def _watch() -> None:
    """Once for each batch that has outcomes to be looked for."""
    for batch_id in (
        Batch.objects.filter(watch_at__lte=timezone.now()).order_by("watch_at").values_list("pk", flat=True)
    ):
        with database.atomic():
            now = timezone.now()
            batch = Batch.objects.select_for_update(skip_locked=True).filter(pk=batch_id, watch_at__lte=now).first()
            if batch is not None:
                recovery.watch(batch, now)
                if batch.state == "ACTIVE":
                    batch.due_at = min(batch.due_at, now) if batch.rate is None else batch.due_at
                batch.save(update_fields=recovery.COUNTED)


def _next_item(batch_id: int) -> bool:
    """Carry out the next item of a batch, or select more, or end it; whether there was something to do."""
    with database.atomic():
        now = timezone.now()
        held = Batch.objects.select_for_update(skip_locked=True).filter(pk=batch_id, state="ACTIVE", due_at__lte=now)
        batch = held.first()
        if batch is None:
            return False
        busy = _turn_of(batch, now)
        batch.save(update_fields=recovery.COUNTED)
    return busy


def _turn_of(batch: Batch, now: datetime) -> bool:
    if not batch.gathered:
        return recovery.gather(batch) > 0
    if recovery.waits(batch):
        batch.due_at = now + recovery.AGAIN
        return False
    item = batch.items.filter(state="PENDING").order_by("id").first()
    if item is not None:
        _carry_out(batch, item, now)
        if batch.rate is not None:
            batch.due_at = max(batch.due_at, now - BURST) + timedelta(seconds=1 / batch.rate)
    elif batch.watch_at is not None:
        batch.due_at = now + recovery.AGAIN
    else:
        batch.state, batch.ended_at = "COMPLETED", now
    return item is not None


def _carry_out(batch: Batch, item: BatchItem, now: datetime) -> None:
    item.tried_at = now
    try:
        with database.atomic():
            if batch.kind == "RETRY":
                recovery.retry(batch, item, now)
            else:
                item.result = instructions.WORK[batch.kind](item.instance_id, batch.instructions, batch.created_by)
                item.state, item.ended_at = "DONE", now
    except (OperationalError, InterfaceError):
        raise  # the database is busy or away; the item stays pending
    except Rejected as rejection:
        item.state, item.message, item.ended_at = "REJECTED", values.told(str(rejection)), now
    except Exception as error:
        logger.exception("Expected to carry out item %s of batch %s but hit a bug", item.pk, batch.pk)
        item.state, item.message, item.ended_at = "REJECTED", values.told(f"{type(error).__name__}: {error}"), now
    recovery.count(batch, item, now)
    item.save(update_fields=["state", "message", "result", "tried_at", "ended_at"])
