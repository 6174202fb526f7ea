"""Mass recovery: what a batch of incidents needs beside its turns.

Its items are gathered piece by piece, so that a million are selected without a statement of a million ids. What came of
an incident that was resolved is not known when it was: its job has yet to be done. So outcomes are watched, and judged:
canaries before anything else is tried, and the share of those that failed again all along.

Nothing here locks an instance but `retry`. Whoever calls holds the row of the batch, and saves it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Min, Q

from processes.engine import facts as f
from processes.engine.errors import Rejected
from processes.engine.parts import JobState
from processes.models import Batch, BatchItem, FlowNodeInstance, Incident, Job
from processes.models.instances import LIVE
from processes.runtime import incidents, values
from processes.runtime.incidents import Selection

MOST = 1_000_000
"""Incidents of one batch."""
MOST_NAMED = 10_000
"""Incidents that may be named one by one."""
PIECE = 2_000
"""Items that are gathered in one transaction."""
GLANCE = 500
"""Items whose outcome is looked for in one transaction."""
AGAIN = timedelta(seconds=1)
"""Until all outcomes that are not known are looked for again."""
PATIENCE = timedelta(days=1)
"""After so long without a turn, outcomes that are not known yet are waited for no longer."""
SAMPLE = 20
"""Outcomes of which a share is taken at least: one failure among the first two is no trend."""
FORESEEN = 3
"""Incidents of which a preview says what would happen."""
MOST_GROUPS = 20

COUNTED = ("state", "note", "ended_at", "due_at", "tried_at", "gathered", "gathered_to", "total", "watch_at",
           "watched_to", "done", "rejected", "retried", "recovered", "failed_again")  # fmt: skip
"""Columns of a batch that its work changes."""


# -- what is selected --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Group:
    """Incidents that are alike; `message` is that of the newest."""

    fingerprint: str
    process_id: str
    element_id: str
    kind: str
    error_code: str
    count: int
    since: datetime
    last_seen: datetime
    message: str
    newest: int


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What resolving one would lead to now: facts as the history tells them, or why it would be refused."""

    incident_id: int
    instance_id: int
    element_id: str
    facts: Sequence[Mapping[str, Any]] = ()
    rejected: str = ""

    @property
    def fails_at_once(self) -> str:
        """The message of the incident that would be raised again in the same step; empty: it would get further."""
        return next((str(fact["message"]) for fact in self.facts if fact["fact"] == "IncidentRaised"), "")


@dataclass(frozen=True, slots=True)
class Preview:
    """`found`: how many, `MOST` + 1 where there are more; `groups`: the largest, of the newest `grouped`."""

    found: int
    grouped: int
    groups: Sequence[Group]
    oldest: datetime | None
    foreseen: Sequence[Foreseen]


def preview(
    chosen: Selection | Sequence[int], *, retries: int | None = None, variables: Mapping[str, Any] | None = None
) -> Preview:
    """What a batch would be about, and what would happen to a few, one of each sort first; it changes nothing.

    Raises `Rejected`: ``value-invalid``, ``variables-invalid``."""
    if retries is not None and not 1 <= retries <= incidents.MOST_TRIES:
        raise Rejected("value-invalid", f"Expected retries from 1 to {incidents.MOST_TRIES} but found {retries}")
    values.checked(variables)
    rows = selected(chosen)
    found = rows.order_by()[: MOST + 1].count()
    first = list(rows.values_list("pk", "raised_at")[:FORESEEN])
    alike = groups(rows)
    # One of each sort, then the oldest.
    some = list(dict.fromkeys([*(group.newest for group in alike), *(pk for pk, _ in first)]))[:FORESEEN]
    places = Incident.objects.filter(pk__in=some).values_list("pk", "instance_id", "element_id")
    foreseen = [
        _foresee(*place, retries, variables) for place in sorted(places, key=lambda place: some.index(place[0]))
    ]
    return Preview(found, min(found, GROUPED), alike, first[0][1] if first else None, foreseen)


def _foresee(
    pk: int, instance_id: int, element_id: str, retries: int | None, variables: Mapping[str, Any] | None
) -> Foreseen:
    try:
        facts = incidents.preview(pk, retries=retries, variables=variables)
    except Rejected as rejection:
        return Foreseen(pk, instance_id, element_id, rejected=str(rejection))
    return Foreseen(pk, instance_id, element_id, facts)


def selected(chosen: Selection | Sequence[int]) -> Any:
    """The open ones, oldest first."""
    if isinstance(chosen, Selection):
        return incidents.chosen(chosen)
    return Incident.objects.filter(pk__in=list(chosen), ended_at__isnull=True).order_by("id")


GROUPED = 50_000
"""Incidents that are looked at for groups: the newest, whatever else there is."""


def groups(rows: Any, most: int = MOST_GROUPS) -> list[Group]:
    """Like with like, the largest first, of the newest `GROUPED`."""
    window = rows.order_by("-id").values("pk")[:GROUPED]
    alike = ("fingerprint", "process_id", "element_id", "kind", "error_code")
    counted = Incident.objects.filter(pk__in=window).order_by().values(*alike)
    counted = counted.annotate(count=Count("pk"), newest=Max("pk"), since=Min("raised_at"), last_seen=Max("raised_at"))
    found = list(counted.order_by("-count", "-newest")[:most])
    newest = Incident.objects.only("message").in_bulk([group["newest"] for group in found])
    return [Group(**group, message=newest[group["newest"]].message) for group in found if group["newest"] in newest]


def choose(batch: Batch, chosen: Selection | Iterable[int]) -> list[tuple[int, int, int]]:
    """Tell a new batch what it is about: what to select, or the incidents that were named, for `add`.

    Raises `Rejected`: ``batch-empty``, ``batch-too-large``, ``incident-not-found``."""
    if not isinstance(chosen, Selection):
        return _named(sorted(set(chosen)))
    found = selected(chosen).order_by()
    last = found.aggregate(last=Max("pk"))["last"]
    if last is None:
        raise Rejected("batch-empty", "Expected at least one open incident but found none")
    if found[: MOST + 1].count() > MOST:
        raise Rejected("batch-too-large", f"Expected at most {MOST:,} incidents but found more")
    batch.selection, batch.gathered, batch.gather_until = chosen.to_json(), False, last
    return []


def _named(ids: Sequence[int]) -> list[tuple[int, int, int]]:
    """Incidents by their ids, oldest first."""
    if not ids:
        raise Rejected("batch-empty", "Expected at least one incident but found none")
    if len(ids) > MOST_NAMED:
        raise Rejected("batch-too-large", f"Expected at most {MOST_NAMED:,} named incidents but found more")
    rows = list(Incident.objects.filter(pk__in=ids).order_by("id").values_list("pk", "instance_id", "node"))
    if missing := sorted(set(ids) - {row[0] for row in rows}):
        raise Rejected("incident-not-found", f"Expected incident {missing[0]} to exist but it does not")
    return rows


def gather(batch: Batch) -> int:
    """Make items of the next piece of what is selected; how many."""
    chosen = incidents.chosen(Selection.from_json(batch.selection or {}))
    piece = chosen.filter(id__gt=batch.gathered_to, id__lte=batch.gather_until)
    rows = list(piece.values_list("pk", "instance_id", "node")[: min(PIECE, MOST - batch.total)])
    if rows:
        add(batch, rows)
        batch.gathered_to = rows[-1][0]
    if len(rows) < PIECE:
        batch.gathered = True
    return len(rows)


def add(batch: Batch, rows: Iterable[tuple[int, int, int]]) -> None:
    """Items of incidents: id, instance, visit."""
    items = [BatchItem(batch=batch, incident_id=pk, instance_id=of, node=node) for pk, of, node in rows]
    BatchItem.objects.bulk_create(items, batch_size=500)
    batch.total += len(items)


# -- turns -------------------------------------------------------------------------------------------------------------


def waits(batch: Batch) -> bool:
    """Whether canaries are out, and nothing else is tried until it is known what came of them."""
    return bool(batch.retried) and batch.known < batch.canaries <= batch.known + batch.retried


def retry(batch: Batch, item: BatchItem, now: datetime) -> None:
    """Resolve the incident; what is known without anybody's work, such as a mapping that failed again, is known now."""
    assert item.incident_id is not None
    said = batch.instructions
    facts = incidents.resolve(
        item.incident_id, retries=said["retries"], variables=said["variables"], by=batch.created_by
    )
    item.state = "RETRIED"
    at_work = any(isinstance(fact, f.JobResumed | f.JobCreated) for fact in facts)
    if at_work and not any(isinstance(fact, f.IncidentRaised) for fact in facts):
        return
    for _, (state, message, result) in _outcomes([item]):
        item.state, item.message, item.result, item.ended_at = state, values.told(message), result, now


def count(batch: Batch, item: BatchItem, now: datetime) -> None:
    """Count an item that had its turn."""
    batch.tried_at = now
    canaries = batch.known < batch.canaries
    setattr(batch, item.state.lower(), getattr(batch, item.state.lower()) + 1)
    if item.state == "RETRIED":
        batch.watch_at = batch.watch_at or now
    elif item.state in ("RECOVERED", "FAILED_AGAIN"):
        judge(batch, canaries=canaries)


# -- outcomes ----------------------------------------------------------------------------------------------------------


def watch(batch: Batch, now: datetime) -> int:
    """Look for the outcomes of the next few that were retried; how many became known."""
    watched = list(batch.items.filter(state="RETRIED", id__gt=batch.watched_to).order_by("id")[:GLANCE])
    known = _outcomes(watched)
    for item, (state, message, result) in known:
        item.state, item.message, item.result, item.ended_at = state, values.told(message), result, now
    BatchItem.objects.bulk_update([item for item, _ in known], ["state", "message", "result", "ended_at"])
    canaries = batch.known < batch.canaries
    counted = Counter(item.state for item, _ in known)
    batch.recovered += counted["RECOVERED"]
    batch.failed_again += counted["FAILED_AGAIN"]
    batch.retried -= len(known)
    if len(watched) == GLANCE:
        batch.watched_to, batch.watch_at = watched[-1].pk, now
    else:
        batch.watched_to, batch.watch_at = 0, now + AGAIN
    if batch.retried == 0:
        batch.watch_at = None
    elif batch.tried_at is not None and now - batch.tried_at > PATIENCE:
        batch.watch_at = None
        if canaries and batch.pending:
            stop(batch, f"The outcome of {batch.retried:,} canaries was not known within a day.")
    if known:
        judge(batch, canaries=canaries)
    return len(known)


def judge(batch: Batch, *, canaries: bool = False) -> None:
    """Pause the batch where too much failed again. `canaries`: they were out until now."""
    failed = batch.failed_again - batch.forgiven_failed
    known = failed + batch.recovered - batch.forgiven_recovered
    if batch.state != "ACTIVE" or not failed or not (batch.pending or not batch.gathered):
        return
    if canaries and batch.canaries <= batch.known:
        if failed * 100 >= (batch.stop_at or 0) * known:
            stop(batch, f"{failed:,} of {known:,} canaries failed again.")
    elif not canaries and batch.stop_at is not None:
        share = failed * 100 / max(known, min(SAMPLE, batch.total))
        if share >= batch.stop_at:
            stop(batch, f"{failed:,} of {known:,} known outcomes failed again: {batch.stop_at:g} % were allowed.")


def stop(batch: Batch, why: str) -> None:
    batch.state, batch.note = "PAUSED", why


Outcome = tuple[str, str, int | None]
"""State, message, and the incident that came back."""


def _outcomes(items: Sequence[BatchItem]) -> list[tuple[BatchItem, Outcome]]:
    """Of those whose outcome is known. What happened to a visit is told by its row, by its job and by its incidents."""
    if not items:
        return []
    places = {(item.instance_id, item.node) for item in items}
    of = Q(instance_id__in={instance for instance, _ in places}, node__in={node for _, node in places})
    # Jobs first: what a job that is at work no more led to was committed with its end, so it is seen by what follows.
    at_work = (JobState.DUE.value, JobState.CLAIMED.value)
    jobs = set(Job.objects.filter(of, state__in=at_work).order_by().values_list("instance_id", "node"))
    raised: dict[tuple[int, int | None], list[tuple[int, str]]] = {}
    later = Incident.objects.filter(of, pk__gt=min(item.incident_id or 0 for item in items)).order_by("id")
    for instance, node, pk, message in later.values_list("instance_id", "node", "pk", "message"):
        raised.setdefault((instance, node), []).append((pk, message))
    visits: dict[tuple[int, int | None], str] = {
        (instance, key): state
        for instance, key, state in FlowNodeInstance.objects.filter(
            instance_id__in={instance for instance, _ in places}, key__in={node for _, node in places}
        ).values_list("instance_id", "key", "state")
    }
    known: list[tuple[BatchItem, Outcome]] = []
    for item in items:
        place = (item.instance_id, item.node)
        again = next((each for each in raised.get(place, ()) if each[0] > (item.incident_id or 0)), None)
        if again is not None:
            known.append((item, ("FAILED_AGAIN", again[1], again[0])))
        elif place not in jobs:
            known.append((item, ("RECOVERED", _how(visits.get(place)), None)))
    return known


def _how(state: str | None) -> str:
    """How a visit went on that has neither a job at work nor an incident."""
    if state is None:
        return "It is there no more."
    return "It goes on without a job." if state in LIVE else f"Its visit is {state.lower()}."
