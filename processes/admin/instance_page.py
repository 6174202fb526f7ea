"""What the page of an instance tells: every part as lines ready to show, in a number of queries that never grows.

Long parts are cut: the live ones first, then the newest; the history pages backwards by step number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.db.models import F
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from processes.admin import attempts, family, live, shown
from processes.admin.base import may_see_payload
from processes.admin.history import told
from processes.admin.outlook import outlook
from processes.admin.standing import open_incidents, standing
from processes.models import FlowNodeInstance, Job, ProcessInstance, Step
from processes.models.instances import FINAL

MOST = 100
"""Rows of one table on the page."""

AD_HOC = "adHocSubProcess"
"""Where an operator may pick what is performed."""

MOST_ATTEMPTS = 10
"""Of jobs, on this page; they have a page of their own."""
MOST_NAMES = 200
"""Variables of the process that are listed."""
MOST_LOCAL = 30
"""The same of one visit."""
MOST_SCOPES = 20
"""Visits whose variables are listed."""


def instance_page(request: HttpRequest, row: Any) -> dict[str, Any]:
    """What the other parts of the page need, `places` and `incident_count`, is hung on the row."""
    alive = row.state not in FINAL
    visits, more_visits = _cut(row.nodes.order_by(F("ended_at").desc(nulls_first=True), "-key"))
    jobs, more_jobs = _cut(row.jobs.order_by("key"))
    before = request.GET.get("before", "")
    history = row.history.order_by("-number")
    if before.isdecimal():
        history = history.filter(number__lt=min(int(before), 2**31 - 1))
    steps, more_steps = _cut(history)
    incidents, more_incidents = _cut(row.incidents.order_by(F("ended_at").desc(nulls_first=True), "-key"))
    if before or more_steps:
        ended, more_attempts = _cut(attempts.ends(row), MOST_ATTEMPTS)
    else:
        every = [step for step in steps if step.command in attempts.ENDS]
        ended, more_attempts = every[:MOST_ATTEMPTS], len(every) > MOST_ATTEMPTS
    standing_now = None if _is_all_live(visits, more_visits) else standing([row]).get(row.pk, {})
    row.places = _places(visits) if standing_now is None else standing_now
    called = list(row.children.defer("variables").order_by(F("ended_at").desc(nulls_first=True), "-id")[:MOST])
    kin = family.gather(row, called) if row.parent_id or called else None
    stuck = open_incidents([row, *called, *(kin.members if kin is not None else ())])
    row.incident_count = stuck.get(row.pk, 0)
    for child in called:
        child.incident_count = stuck.get(child.pk, 0)
        child.badge = shown.badge(child.state)
    names = _names(row, visits, ended)
    may_see = may_see_payload(request)
    return {
        "title": f"{row.definition.name or row.process_id} {row.pk}",
        "base": f"{reverse('admin:processes_processinstance_changelist')}{row.pk}/",
        "live": alive,
        "suspended": row.state == "SUSPENDED",
        "facts": _facts(row),
        **live.context(row),
        "live_over": not alive or bool(before),
        "family": family.tree(row, kin, stuck) if kin is not None else None,
        "variable_scopes": _variable_scopes(row, visits),
        "scopes": [(visit.key, f"{visit.element_id} ({visit.key})") for visit in visits if visit.ended_at is None],
        "ad_hoc": _ad_hoc(row, visits, more_visits),
        "incidents": _open(incidents, visits, jobs),
        "past_incidents": [incident for incident in incidents if incident.ended_at is not None],
        "more_incidents": more_incidents,
        "jobs": [_job(job) for job in jobs],
        "more_jobs": more_jobs,
        "timers": row.timers.order_by("due_at")[:MOST] if alive else [],
        "subscriptions": row.subscriptions.order_by("id")[:MOST] if alive else [],
        "called": called,
        "signals": row.signal_subscriptions.order_by("id")[:MOST] if alive else [],
        "conditions": row.conditions.order_by("id")[:MOST] if alive else [],
        "tokens": row.tokens.order_by("key")[:MOST] if alive else [],
        "documents": _documents(request, row),
        "messages_received": row.messages.select_related("message").order_by("-id")[:MOST],
        "attempts": attempts.shown_attempts(row, ended, names),
        "more_attempts": more_attempts,
        "restarts": row.restarts.order_by("-id").values_list("pk", flat=True)[:20] if not alive else [],
        "visits": [_visit(visit, names, may_see) for visit in visits],
        "more_visits": more_visits,
        "steps": told(row, steps, may_see_payload=may_see, known=names),
        "older": steps[-1].number if more_steps else None,
        "newer": bool(before),
    }


def _documents(request: HttpRequest, row: Any) -> list[dict[str, Any]]:
    if not (request.user.has_perm("processes.view_document") and may_see_payload(request)):
        return []
    found = row.documents.defer("content").order_by("-id")[:MOST]
    return [{"row": each, "href": reverse("document-content", args=[each.pk])} for each in found]


def _is_all_live(visits: Sequence[FlowNodeInstance], more: bool) -> bool:
    """Whether no live visit was cut off: they come first."""
    return not more or visits[-1].ended_at is not None


def _places(visits: Sequence[FlowNodeInstance]) -> dict[str, int]:
    """What `standing` finds, of visits that are at hand."""
    live = [visit for visit in visits if visit.ended_at is None]
    around = {visit.scope for visit in live}
    return dict(sorted(Counter(visit.element_id for visit in live if visit.key not in around).items()))


def _ad_hoc(row: ProcessInstance, visits: Sequence[FlowNodeInstance], more: bool) -> list[FlowNodeInstance]:
    """Live visits inside which an operator may pick, oldest first."""
    if not _is_all_live(visits, more):
        return list(row.nodes.filter(ended_at=None, element_type=AD_HOC).order_by("key")[:MOST])
    return [visit for visit in reversed(visits) if visit.ended_at is None and visit.element_type == AD_HOC]


def _cut(queryset: Any, most: int = MOST) -> tuple[list[Any], bool]:
    rows = list(queryset[: most + 1])
    return rows[:most], len(rows) > most


def _open(incidents: Sequence[Any], visits: Sequence[FlowNodeInstance], jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """The open ones, each with what will happen on retry."""
    live = {visit.key: visit for visit in visits if visit.ended_at is None}
    working = {job.node: job for job in jobs}
    return [
        {
            "row": incident,
            "job": working.get(incident.node),
            "outlook": outlook(incident, live.get(incident.node), working.get(incident.node)),
        }
        for incident in incidents
        if incident.ended_at is None
    ]


def _variable_scopes(row: ProcessInstance, visits: Sequence[FlowNodeInstance]) -> list[dict[str, Any]]:
    """The process, and the live scopes with variables of their own: each with names and beginnings of values."""
    local = [visit for visit in visits if visit.ended_at is None and visit.variables][:MOST_SCOPES]
    return [
        _variables(0, "The process", row.variables, MOST_NAMES),
        *(_variables(visit.key, f"{visit.element_id} ({visit.key})", visit.variables, MOST_LOCAL) for visit in local),
    ]


def _variables(scope: int, label: str, variables: dict[str, Any], most: int) -> dict[str, Any]:
    names = sorted(variables)
    return {
        "scope": scope,
        "label": label,
        "rows": [
            {
                "name": name,
                "kind": shown.kind(variables[name]),
                "preview": shown.preview(variables[name]),
                "query": urlencode({"scope": scope, "name": name}),
            }
            for name in names[:most]
        ],
        "more": max(0, len(names) - most),
    }


def _facts(row: Any) -> list[tuple[str, Any]]:
    definition = reverse("admin:processes_processdefinition_change", args=[row.definition_id])
    facts = [
        ("State", shown.badge(row.state)),
        ("Process", format_html('<a href="{}">{} v{}</a>', definition, row.process_id, row.definition.version)),
        ("Business key", row.business_key or shown.NOTHING),
        ("Started", format_html("{} by {}", shown.moment(row.started_at), row.started_by or "unknown")),
    ]
    if row.start_element:
        facts.append(("Began at", format_html("<code>{}</code>", row.start_element)))
    if row.parent_id:
        caller = reverse("admin:processes_processinstance_change", args=[row.parent_id])
        link = format_html('<a href="{}">instance {}</a> at {}', caller, row.parent_id, row.parent_element)
        facts.append(("Called by", link))
    if row.ended_at is None:
        facts.insert(1, ("Stands at", shown.elements(row.places)))
    else:
        took = shown.length(row.ended_at - row.started_at)
        facts.append(("Ended", format_html("{} after {}", shown.moment(row.ended_at), took)))
    if row.ended_because:
        facts.append(("Because", row.ended_because))
    if row.restarted_from_id:
        before = reverse("admin:processes_processinstance_change", args=[row.restarted_from_id])
        link = format_html('<a href="{}">instance {}</a>', before, row.restarted_from_id)
        facts.append(("Restarted from", link))
    if row.start_key:
        facts.append(("Start key", format_html("<code>{}</code>", row.start_key)))
    facts.append(("Steps", f"{row.steps:,}"))
    return facts


def _names(row: ProcessInstance, visits: Sequence[FlowNodeInstance], ended: Sequence[Step]) -> dict[int, str]:
    """The elements of the shown visits, of the sub-process visits around them, and of those that attempts were for."""
    names = {visit.key: visit.element_id for visit in visits}
    keys = {visit.scope for visit in visits} | {step.node for step in ended if step.node}
    missing = keys - names.keys() - {0}
    if missing:
        names |= dict(row.nodes.filter(key__in=missing).order_by().values_list("key", "element_id"))
    return names


def _visit(visit: FlowNodeInstance, names: dict[int, str], may_see: bool) -> dict[str, Any]:
    return {
        "row": visit,
        "state": shown.badge(visit.state),
        "scope": names.get(visit.scope, f"{visit.scope}") if visit.scope else "",
        "took": shown.length(visit.ended_at - visit.entered_at) if visit.ended_at else "",
        "variables": shown.json_text(visit.variables) if visit.variables and may_see else "",
        "result": shown.json_text(visit.result) if visit.result and may_see else "",
    }


def _job(job: Job) -> dict[str, Any]:
    return {"row": job, "state": shown.badge(job.state)}
