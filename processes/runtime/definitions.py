"""Deployed processes: from a file to versions, and from a version to the parsed process. One door for DMN files too.

A definition row never changes, so a parsed process is kept for as long as this Python process lives; it is found by
primary key *and* digest, for a database that was rolled back may give the same key again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache, partial

from django.db import IntegrityError, transaction
from django.utils import timezone

from processes.engine.elements.call_activity import CallActivity
from processes.engine.errors import ModelInvalid, Problem, ProcessFault, Rejected, Severity
from processes.engine.event_definition import Start, StartKind
from processes.engine.parser import parse
from processes.engine.parts import Binding
from processes.engine.process import Model, Process
from processes.engine.reads import read_variables
from processes.models import ProcessDefinition, StartSubscription
from processes.runtime import audit, checks, decisions, occurrences, values
from processes.runtime.decisions import DeployedDecision

PARSED = 512
"""How many parsed processes are kept."""
MOST_MISSED = 10_000
"""Firings in the past that are passed over; a timer that missed more of them fires no more."""
TURNS = 10
"""How often a deployment gives way to another one of the same process that was faster."""


@dataclass(frozen=True, slots=True)
class Deployed:
    definition: ProcessDefinition
    created: bool
    """False where the latest version already has exactly this content."""


@dataclass(frozen=True, slots=True)
class Deployment:
    definitions: tuple[Deployed, ...]
    """In the order of the file."""
    warnings: tuple[Problem, ...]
    decisions: tuple[DeployedDecision, ...] = ()
    """Those of a DMN file, in its order."""

    @property
    def created(self) -> bool:
        """Whether there is a version that was not there before."""
        return any([one.created for one in self.definitions] + [one.created for one in self.decisions])


def deploy(xml: bytes, *, resource: str = "", by: str = "", reason: str = "") -> Deployment:
    """Deploy every executable process of a BPMN file, or every decision of a DMN file, or none of them.

    Content identical to the latest version is that version and not a new one. Raises `ModelInvalid`
    with everything that is wrong with the file.
    """
    if decisions.is_dmn(xml):
        found_decisions = decisions.deploy(xml, resource=resource, by=by, reason=reason)
        return Deployment((), found_decisions.warnings, found_decisions.decisions)
    model = parse(xml)
    warnings = (*model.warnings, *checks.findings(model))
    resource = values.text(resource, what="a resource name")
    digest = hashlib.sha256(xml).hexdigest()
    at = timezone.now()
    starts = begun_by(model, at)
    found: dict[str, Deployed] = {}
    with transaction.atomic():
        # Always in the same order, so that two files that share processes cannot wait for each other.
        for process in sorted(model.processes, key=lambda process: process.id):
            deployed = found[process.id] = _version(process, xml, digest, resource, by, reason)
            if deployed.created:
                _subscribe(deployed.definition, _still_due(deployed.definition, process, starts[process.id]), at)
    warnings = (*warnings, *unknown_calls(model))
    return Deployment(tuple(found[process.id] for process in model.processes), warnings)


# -- what begins instances ---------------------------------------------------------------------------------------------


def begun_by(model: Model, at: datetime | None = None) -> dict[str, list[Start]]:
    """What begins each process of a model beside a caller, by its id. Raises `ModelInvalid`."""
    moment = at or timezone.now()
    return {process.id: _starts(process, moment) for process in model.processes}


def _starts(process: Process, at: datetime) -> list[Start]:
    """What begins the process beside a caller. Raises `ModelInvalid`."""
    starts: list[Start] = []
    problems: list[Problem] = []
    for event, _ in process.beginnings.values():
        try:
            begun = event.starts(at)
        except ProcessFault as fault:
            problems.append(Problem("bad-start", str(fault), event.line, event.id))
            continue
        for start in begun:
            if start.name and any((other.kind, other.name) == (start.kind, start.name) for other in starts):
                what = f"Expected every {start.kind.lower()} to begin the process once but found '{start.name}' again"
                problems.append(Problem("start-twice", what, event.line, event.id))
            starts.append(start)
    if problems:
        raise ModelInvalid(problems)
    return starts


def _subscribe(definition: ProcessDefinition, starts: Sequence[Start], at: datetime) -> None:
    """From now on these begin the process, and nothing that older versions waited for."""
    occurrences.carry_over(definition.process_id, definition, starts)
    StartSubscription.objects.filter(process_id=definition.process_id).delete()
    if not starts:
        return
    StartSubscription.objects.bulk_create(
        StartSubscription(
            definition=definition,
            process_id=definition.process_id,
            element_id=start.element,
            kind=start.kind.value,
            name=start.name,
            due_at=start.due_at,
            repetitions=start.repetitions,
            created_at=at,
        )
        for start in starts
    )
    waits_for([start.name for start in starts if start.kind is StartKind.MESSAGE])


def _still_due(definition: ProcessDefinition, process: Process, starts: Sequence[Start]) -> list[Start]:
    """Without the firings that lie in the past. They are made up for by the first version of a process only; later ones
    would do again what an earlier version has done. A firing that an earlier version owes is kept."""
    if definition.version == 1:
        return list(starts)
    # Held until they are replaced, or a sweeper would fire meanwhile what the new version is about to fire.
    timers = StartSubscription.objects.select_for_update().filter(process_id=definition.process_id)
    held = list(timers.values_list("element_id", "due_at"))
    at = timezone.now()  # what fired before they were held has fired
    owed = {(element, due_at) for element, due_at in held if due_at is not None and due_at < at}
    return [start if (start.element, start.due_at) in owed else _from_now_on(process, start, at) for start in starts]


def _from_now_on(process: Process, start: Start, at: datetime) -> Start:
    event, _ = process.beginnings.get(start.element, (None, None))
    for _ in range(MOST_MISSED):
        if event is None or start.due_at is None or start.due_at >= at:
            return start
        start = event.start_again(start, at)
    return replace(start, due_at=None)


def subscribe_again(definition: ProcessDefinition) -> None:
    """A version is the latest again: it waits anew for what begins it. To be called within a transaction."""
    process, at = process_of(definition), timezone.now()
    _subscribe(definition, [_from_now_on(process, start, at) for start in _starts(process, at)], at)


def waits_for(names: Sequence[str]) -> None:
    """Tell, after the commit, that messages with these names begin instances from now on."""
    if names:
        for tell in _listeners:
            transaction.on_commit(partial(tell, list(names)))


def heard_by(process_id: str) -> list[str]:
    """Names of the messages that begin instances of a process."""
    rows = StartSubscription.objects.filter(process_id=process_id, kind=StartKind.MESSAGE.value)
    return list(rows.order_by("name").values_list("name", flat=True))


_listeners: list[Callable[[Sequence[str]], None]] = []


def on_start_messages(tell: Callable[[Sequence[str]], None]) -> None:
    """Register who is told, after the commit, for which messages a process began to wait."""
    if tell not in _listeners:
        _listeners.append(tell)


# -- what is called ----------------------------------------------------------------------------------------------------


def unknown_calls(model: Model, also: Collection[str] = ()) -> Iterator[Problem]:
    """Warnings: processes that are called by name and were never deployed, nor are `also` about to be."""
    here = {process.id for process in model.processes}
    calls = [node for process in model.processes for node in process.nodes.values() if isinstance(node, CallActivity)]
    wanted = {node.calls for node in calls} - {""}
    known = ProcessDefinition.objects.filter(process_id__in=wanted).values_list("process_id", flat=True)
    everywhere = here.union(known, also) if wanted else here
    for node in calls:
        found = here if node.binding is Binding.DEPLOYMENT else everywhere
        if node.calls and node.calls not in found:
            where = "in this file" if node.binding is Binding.DEPLOYMENT else "to be deployed"
            message = f"Expected the called process '{node.calls}' {where} but it is not; calls will be incidents"
            yield Problem("unknown-process", message, node.line, node.id, Severity.WARNING)


# -- versions ----------------------------------------------------------------------------------------------------------


def _version(process: Process, xml: bytes, digest: str, resource: str, by: str, reason: str) -> Deployed:
    for _ in range(TURNS):
        latest = ProcessDefinition.objects.filter(process_id=process.id).order_by("-version").first()
        if latest is not None and latest.digest == digest:
            return Deployed(latest, False)
        definition = ProcessDefinition(
            process_id=process.id,
            version=latest.version + 1 if latest else 1,
            name=values.told(process.name or "", 255),
            version_tag=values.told(process.version_tag or "", 255),
            resource=resource,
            xml=xml,
            digest=digest,
            deployed_at=timezone.now(),
            deployed_by=values.told(by, 255),
        )
        try:
            with transaction.atomic():
                definition.save(force_insert=True)
                what = {"version": definition.version, "resource": resource, "digest": digest}
                audit.record("deploy", "process definition", process.id, by=by, reason=reason, details=what)
        except IntegrityError:
            continue  # somebody else took this version; look again
        return Deployed(definition, True)
    raise RuntimeError(f"Expected a free version of {process.id} within {TURNS} turns")


def find(process_id: str, version: int | None = None) -> ProcessDefinition:
    """A version of a process, the latest if None; raises `Rejected` with ``definition-not-found``."""
    versions = ProcessDefinition.objects.filter(process_id=process_id).defer("xml")
    if version is not None:
        versions = versions.filter(version=version)
    found = versions.order_by("-version").first()
    if found is None:
        wanted = f"process '{process_id}'" + ("" if version is None else f" version {version}")
        raise Rejected("definition-not-found", f"Expected {wanted} to be deployed but it is not")
    return found


def process_of(definition: ProcessDefinition) -> Process:
    """The parsed process of a definition, which is kept. Raises `ModelInvalid` only where the row was damaged."""
    return process_by_key(definition.pk, definition.digest)


@lru_cache(maxsize=PARSED)
def process_by_key(pk: int, digest: str) -> Process:
    """As `process_of`, for who has only the key and the digest at hand; reads the row once. Raises `Rejected` with
    ``definition-not-found``."""
    row = ProcessDefinition.objects.only("process_id", "xml").filter(pk=pk).first()
    if row is None:
        raise Rejected("definition-not-found", f"Expected definition {pk} to be deployed but it is not")
    for process in parse(bytes(row.xml)).processes:
        if process.id == row.process_id:
            return replace(process, decisions=decisions.LIBRARY)
    raise LookupError(f"Expected process '{row.process_id}' in the XML of definition {pk} but it is not there")


def read_by(definition: ProcessDefinition) -> tuple[str, ...]:
    """Variables that a version reads and does not set itself, as far as its model tells."""
    return read_variables(process_of(definition))
