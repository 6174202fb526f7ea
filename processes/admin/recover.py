"""The page on which a mass recovery is begun: what it is about, what would happen, and with what care."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from processes.admin import narration, shown
from processes.admin.base import OPERATE, RETRY, ask, demand, who
from processes.admin.forms import VariablesField
from processes.admin.incident_filters import kept, selection
from processes.models import Incident
from processes.runtime import Rejected, batches, incidents, recovery
from processes.runtime.incidents import MOST_TRIES, Selection

ADD = "processes.add_batch"
MOST_IDS = 200
"""Incidents that an address names one by one: those of a page of the list."""


class RecoverForm(forms.Form):
    reason = forms.CharField(
        max_length=1000,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="Why, for whoever looks at this batch later.",
    )
    retries = forms.IntegerField(
        label="Tries",
        min_value=1,
        max_value=MOST_TRIES,
        required=False,
        help_text="Of each job; empty: as many as the model says. With 1 it is known soonest whether it failed again.",
    )
    canaries = forms.IntegerField(
        min_value=0,
        max_value=batches.MOST_CANARIES,
        required=False,
        initial=5,
        help_text="So many alone first, the oldest; nothing else until it is known what came of them.",
    )
    stop_at = forms.FloatField(
        label="Stop at %",
        min_value=0.01,
        max_value=100,
        required=False,
        initial=10,
        help_text="Pause once so many percent of the known outcomes failed again. Empty: only for canaries.",
    )
    rate = forms.FloatField(
        label="Rate a second",
        min_value=batches.SLOWEST,
        max_value=batches.FASTEST,
        required=False,
        initial=20,
        help_text="Empty: as fast as it goes.",
    )
    variables = VariablesField(
        required=False,
        initial="{}",
        widget=forms.Textarea(attrs={"rows": 3, "cols": 60, "class": "json-input", "spellcheck": "false"}),
        help_text="A JSON object that is merged into each process before its retry.",
    )


@dataclass(frozen=True, slots=True)
class Ahead:
    """What would happen to some, in sentences; `links` to their incidents."""

    sentences: list[tuple[str, str]]
    refused: str
    links: list[tuple[str, int]]


def recover_view(request: HttpRequest, context: dict[str, Any]) -> HttpResponseBase:
    demand(request, ADD)
    demand(request, *RETRY)
    chosen = _chosen(request)
    form = RecoverForm(request.POST if request.method == "POST" else None)
    if not request.user.has_perm(OPERATE):
        del form.fields["variables"]
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        batch = ask(
            request,
            lambda: batches.retry(
                chosen,
                retries=said["retries"],
                variables=said.get("variables"),
                canaries=said["canaries"] or 0,
                stop_at=said["stop_at"],
                reason=said["reason"],
                rate=said["rate"],
                by=who(request),
            ),
        )
        if batch is not None:
            messages.success(request, f"Batch {batch.pk} was created; sweepers carry it out from now on.")
            if not request.user.has_perm("processes.view_batch"):
                return redirect("admin:processes_incident_changelist")
            return redirect("admin:processes_batch_change", batch.pk)
    found = recovery.preview(chosen)
    more = {
        "title": "Recover incidents",
        "form": form,
        "found": f"{min(found.found, recovery.MOST):,}{'+' if found.found > recovery.MOST else ''}",
        "too_many": found.found > recovery.MOST,
        "most": f"{recovery.MOST:,}",
        "preview": found,
        "groups": like(found.groups),
        "oldest": shown.since(found.oldest) if found.oldest else "",
        "ahead": _ahead(found.foreseen),
        "looked_at": len(found.foreseen),
        "back": reverse("admin:processes_incident_changelist", query=kept(request.GET.dict())),
        "facts": words(chosen),
    }
    return TemplateResponse(request, "processes/recover.html", {**context, **more})


def _chosen(request: HttpRequest) -> Selection | list[int]:
    if "ids" not in request.GET:
        return selection(request.GET.dict())
    ids = [int(word) for word in request.GET["ids"].split(",") if word.isdecimal() and len(word) < 19]
    return ids[:MOST_IDS]


def words(chosen: Selection | list[int] | dict[str, Any]) -> list[tuple[str, str]]:
    """A selection as facts of a page."""
    if isinstance(chosen, list):
        return [("Incidents", f"{len(chosen)} that were ticked")]
    given = chosen.to_json() if isinstance(chosen, Selection) else chosen
    told = [(name.replace("_", " ").removesuffix(" id").capitalize(), str(value)) for name, value in given.items()]
    return told or [("Incidents", "all open ones")]


def like(groups: Any) -> list[dict[str, Any]]:
    """Groups of those that are alike, ready to show."""
    kinds = dict(Incident._meta.get_field("kind").flatchoices)
    rows = []
    for group in groups:
        query = {"fingerprint": group.fingerprint}
        if not group.fingerprint:  # raised before there were any
            query = {"process": group.process_id, "element": group.element_id, "kind__exact": group.kind}
        rows.append(
            {
                "count": f"{group.count:,}",
                "kind": kinds.get(group.kind, group.kind),
                "code": group.error_code,
                "process": group.process_id,
                "element": group.element_id,
                "since": shown.since(group.since),
                "since_at": group.since,
                "last_seen": shown.since(group.last_seen),
                "last_seen_at": group.last_seen,
                "message": group.message,
                "fingerprint": group.fingerprint,
                "list": reverse("admin:processes_incident_changelist", query=query),
                "recover": reverse("admin:processes_batch_recover", query=query),
            }
        )
    return rows


def _ahead(foreseen: Iterable[recovery.Foreseen]) -> list[Ahead]:
    """The same is said once."""
    found: dict[Any, Ahead] = {}
    for each in foreseen:
        said = sentences(each.facts, each.element_id)
        link = (reverse("admin:processes_incident_change", args=[each.incident_id]), each.incident_id)
        found.setdefault((tuple(said), each.rejected), Ahead(said, each.rejected, [])).links.append(link)
    return list(found.values())


def sentences(facts: Any, element: str) -> list[tuple[str, str]]:
    """Facts that are foreseen, in words: those that say something. The visit is the only one that they speak of."""
    told = [fact for fact in facts if fact["fact"] not in ("IncidentResolved", "NodeActivated", "NodeCompleting")]
    said = [
        ("loud", f"It comes back at once: {fact['message']}")
        if fact["fact"] == "IncidentRaised"
        else (narration.weight(fact), narration.sentence(fact, lambda key: element))
        for fact in told[:12]
    ]
    return said or [("", f"{element} goes on.")]


def foreseen(incident_id: int, element: str) -> tuple[list[tuple[str, str]], str]:
    """What a retry of one would lead to now, in sentences; or why it would be refused."""
    try:
        return sentences(incidents.preview(incident_id), element), ""
    except Rejected as rejection:
        return [], str(rejection)
