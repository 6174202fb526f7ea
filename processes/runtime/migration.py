"""Instances go on in another definition: plan it, look at what it would do, do it, one by one or many at a pace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import IntegrityError

from processes.engine import facts as f
from processes.engine import migration as engine
from processes.engine.commands import MigrateInstance
from processes.engine.errors import Rejected
from processes.models import ProcessDefinition, ProcessInstance
from processes.runtime import bulk, definitions, transaction, values

if TYPE_CHECKING:
    from processes.runtime.loader import Loaded

TOLD = {
    f.NodeMigrated: "visits_renamed",
    f.TokenMigrated: "tokens_renamed",
    f.JobMigrated: "jobs_changed",
    f.WaitMigrated: "waits_renamed",
    f.TimerScheduled: "timers_armed",
    f.MessageAwaited: "messages_awaited",
    f.SignalAwaited: "signals_awaited",
    f.ConditionAwaited: "conditions_watched",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """`mapping` names elements and flows of the target by those of the source; `unmapped` are the elements without, at
    which no instance may stand; `problems` say what is wrong with an entry, by the id in the source."""

    source: ProcessDefinition
    target: ProcessDefinition
    mapping: Mapping[str, str]
    unmapped: tuple[str, ...]
    problems: Mapping[str, str]


@dataclass(slots=True)
class MigratedMany:
    """`effects`: how many parts changed in all; `rejected`: why not, by instance."""

    migrated: list[int] = field(default_factory=list)
    rejected: dict[int, str] = field(default_factory=dict)
    effects: Counter[str] = field(default_factory=Counter)


def plan(source: ProcessDefinition, target: ProcessDefinition, mapping: Mapping[str, str] | None = None) -> Plan:
    """The plan that maps what is the same in both, and otherwise as `mapping` says."""
    full = engine.generate(definitions.process_of(source), definitions.process_of(target), mapping)
    return judged(source, target, full)


def judged(source: ProcessDefinition, target: ProcessDefinition, mapping: Mapping[str, str]) -> Plan:
    """The plan that maps exactly this, with what is wrong with it."""
    old, new = definitions.process_of(source), definitions.process_of(target)
    unmapped = tuple(id for id in old.nodes if id not in mapping)
    return Plan(source, target, mapping, unmapped, engine.problems(old, new, mapping))


def migrate(
    instance_id: int,
    target: ProcessDefinition,
    *,
    mapping: Mapping[str, str] | None = None,
    update_waits: bool = False,
    reason: str = "",
    by: str = "",
) -> dict[str, int]:
    """Let an instance go on in another definition, as a whole or not at all; how many of its parts changed.

    `mapping` None is the generated plan. With `update_waits` timers and subscriptions are evaluated anew, in the new
    model. Raises `Rejected`: ``instance-not-found``, ``instance-ended``, ``start-key-taken``, and ``migration-invalid``
    with everything that is wrong.
    """
    command = _command(target, mapping, update_waits, values.told(reason, 1000))
    try:
        return _effects(transaction.carry_out(instance_id, command, by=by, whole=True).facts)
    except IntegrityError:
        # Somebody was faster than the look at the start keys.
        _free(ProcessInstance.objects.get(pk=instance_id), target)
        raise


def preview(
    instance_id: int,
    target: ProcessDefinition,
    *,
    mapping: Mapping[str, str] | None = None,
    update_waits: bool = False,
) -> dict[str, int]:
    """What `migrate` would change now; it changes nothing. Raises `Rejected` as it does."""
    return _effects(transaction.rehearse(instance_id, _command(target, mapping, update_waits, "")))


def migrate_many(
    ids: Iterable[int],
    target: ProcessDefinition,
    *,
    mapping: Mapping[str, str] | None = None,
    update_waits: bool = False,
    dry_run: bool = False,
    rate: float | None = None,
    reason: str = "",
    by: str = "",
    on_progress: Callable[[int], None] | None = None,
) -> MigratedMany:
    """Migrate many, or with `dry_run` only look; as `bulk.each` does it."""
    effects: Counter[str] = Counter()

    def one(instance_id: int) -> None:
        if dry_run:
            effects.update(preview(instance_id, target, mapping=mapping, update_waits=update_waits))
        else:
            effects.update(
                migrate(instance_id, target, mapping=mapping, update_waits=update_waits, reason=reason, by=by)
            )

    done = bulk.each(ids, one, rate=rate, on_progress=on_progress)
    return MigratedMany(done.done, done.rejected, effects)


def _command(
    target: ProcessDefinition, mapping: Mapping[str, str] | None, update_waits: bool, reason: str
) -> transaction.Decide:
    process = definitions.process_of(target)

    def decide(loaded: Loaded, at: datetime) -> MigrateInstance:
        chosen = mapping
        if chosen is None:
            chosen = engine.generate(definitions.process_by_key(loaded.definition_id, loaded.digest), process)
        if loaded.process_id != target.process_id:
            _free(ProcessInstance.objects.only("start_key").get(pk=loaded.id), target)
        return MigrateInstance(process, chosen, target.pk, update_waits, reason, loaded.definition_id)

    return decide


def _free(instance: ProcessInstance, target: ProcessDefinition) -> None:
    """In another process the start key of an instance may be somebody else's."""
    if instance.start_key is None:
        return
    same = ProcessInstance.objects.filter(process_id=target.process_id, start_key=instance.start_key)
    if taken := same.exclude(pk=instance.pk).values_list("pk", flat=True).first():
        what = f"Expected the start key '{instance.start_key}' to be free in process '{target.process_id}'"
        raise Rejected("start-key-taken", f"{what} but found it with instance {taken}")


def _effects(facts: Iterable[f.Fact]) -> dict[str, int]:
    counted: Counter[str] = Counter(dict.fromkeys((*TOLD.values(), "waits_withdrawn"), 0))
    for fact in facts:
        if isinstance(fact, f.WaitsWithdrawn):
            counted["waits_withdrawn"] += len(fact.waits)
        elif name := TOLD.get(type(fact)):
            counted[name] += 1
    return dict(counted)
