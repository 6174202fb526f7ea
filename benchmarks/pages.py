"""Which pages there are: derived from the patterns of the addresses, the filters of the lists, and the rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import combinations
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.urls import get_resolver, reverse
from django.utils import timezone

from processes.models import (
    Batch,
    FlowNodeInstance,
    Incident,
    Job,
    MessageSubscription,
    ProcessDefinition,
    ProcessInstance,
    Step,
    Timer,
    UserTask,
)
from processes.runtime import user_tasks

MOST_CHOICES = 8
"""Of one filter."""
TERMS = ("seed", "503", "worker", "1", "no such thing")
"""What is searched for."""


@dataclass(frozen=True, slots=True)
class Page:
    """One address; `posted`: what a preview is asked with, which changes nothing."""

    address: str
    note: str = ""
    posted: Mapping[str, Any] | None = None
    as_json: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        verb = "POST " if self.posted is not None else ""
        return f"{verb}{self.address}{self.note and f' ({self.note})'}"

    def __str__(self) -> str:
        return self.name

    def ask(self, client: Any) -> int:
        if self.posted is None:
            response = client.get(self.address, headers=self.headers)
        elif self.as_json:
            response = client.post(self.address, self.posted, content_type="application/json")
        else:
            response = client.post(self.address, self.posted)
        if response.streaming:
            for _ in response:
                pass
        return int(response.status_code)


def every_page(client: Any, *, pairs: bool) -> Iterator[Page]:
    yield Page(reverse("admin:index"))
    yield Page(reverse("admin:cockpit"))
    for model, owner in admin.site._registry.items():
        yield from lists(client, model, owner, pairs=pairs)
        yield from changes(model)
    yield from below_rows()
    yield from previews()
    yield from rest()


# -- the admin ---------------------------------------------------------------------------------------------------------


def lists(client: Any, model: Any, owner: Any, *, pairs: bool) -> Iterator[Page]:
    """A list with each choice of each filter, sorted by each column, searched, and its last page."""
    there = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    yield Page(there)
    context = getattr(client.get(there), "context_data", None) or {}
    changelist = context.get("cl")
    if changelist is None:
        return
    filters = [_choices(spec, changelist) for spec in changelist.filter_specs]
    if "process" in changelist.get_query_string({"process": ""}) and any("process=" in q for f in filters for q in f):
        filters.append(["?process=seed-order&version=1"])
    singles = [query for choices in filters for query in choices]
    for query in singles:
        yield Page(there + query)
    for number, column in enumerate(changelist.list_display):
        if changelist.get_ordering_field(column) and (owner.sortable_by is None or column in owner.sortable_by):
            yield from (Page(f"{there}?o={sign}{number}", column) for sign in ("", "-"))
    if owner.get_search_fields(None):
        yield from (Page(f"{there}?{urlencode({'q': term})}") for term in TERMS)
    last = changelist.paginator.num_pages
    yield from (Page(f"{there}?p={number}") for number in sorted({min(2, last), last} - {1}))
    if pairs:
        for one, other in combinations(filters, 2):
            yield from (Page(f"{there}{a}&{b[1:]}") for a in one[:4] for b in other[:4])


def _choices(spec: Any, changelist: Any) -> list[str]:
    chosen = [choice["query_string"] for choice in spec.choices(changelist)]
    return [query for query in chosen if query not in ("?", "")][:MOST_CHOICES]


def changes(model: Any) -> Iterator[Page]:
    """The page of the newest row and of the oldest."""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
    keys = [model._default_manager.order_by(order).values_list("pk", flat=True).first() for order in ("-pk", "pk")]
    yield from (Page(reverse(name, args=[key])) for key in dict.fromkeys(keys) if key is not None)


def _instances() -> dict[str, int]:
    """An instance in every condition, by what it is."""
    rows = ProcessInstance.objects.order_by("-id")
    seeded = rows.filter(business_key="seed")
    found = {
        "completed": seeded.filter(state="COMPLETED"),
        "terminated": seeded.filter(state="TERMINATED"),
        "suspended": seeded.filter(state="SUSPENDED"),
        "active": seeded.filter(state="ACTIVE"),
        "wide": rows.filter(process_id="wide-service"),
        "caller": rows.filter(process_id="wide-calls"),
        "called": rows.filter(parent__isnull=False),
    }
    named = {name: row.values_list("pk", flat=True).first() for name, row in found.items()}
    named["stuck"] = Incident.objects.filter(ended_at=None).order_by("-id").values_list("instance", flat=True).first()
    named["waiting"] = Timer.objects.order_by("-id").values_list("instance", flat=True).first()
    return {name: pk for name, pk in named.items() if pk is not None}


def _queries(pk: int) -> dict[str, list[str]]:
    """What the pages below an instance are asked with: parts that it has."""
    job = Job.objects.filter(instance=pk).order_by("key").first()
    timer = Timer.objects.filter(instance=pk).first()
    awaited = MessageSubscription.objects.filter(instance=pk).first()
    incident = Incident.objects.filter(instance=pk, ended_at=None).first()
    visit = FlowNodeInstance.objects.filter(instance=pk).order_by("ended_at", "key").first()
    step = Step.objects.filter(instance=pk).order_by("number").first()
    live = FlowNodeInstance.objects.filter(instance=pk, ended_at=None).order_by("key").first()
    return {
        "complete-job": [f"job={job.key}"] if job else [],
        "throw-error": [f"job={job.key}"] if job else [],
        "fire-timer": [f"timer={timer.key}"] if timer else [],
        "send-message": [f"subscription={awaited.key}"] if awaited else [],
        "retry": [f"incident={incident.pk}"] if incident else [],
        "skip": [f"node={live.key}"] if live else [],
        "variable": ["scope=0&name=customer", f"scope={visit.key}&name=item" if visit else ""],
        "attempts": ["", f"node={visit.key}" if visit else ""],
        "past": ["", "step=1", f"at={step.at:%Y-%m-%dT%H:%M:%S}" if step else ""],
        "timeline": ["", f"from={step.at:%Y-%m-%dT%H:%M:%S}" if step else ""],
        "live": ["", "page=1"],
        "change": ["", "before=3"],
    }


def below_rows() -> Iterator[Page]:
    """Every address of the admin below the number of a row; those with verbs only answer 405 and are left out."""
    conditions = _instances()
    instances = {name: (pk, _queries(pk)) for name, pk in conditions.items()}
    order = ProcessDefinition.objects.filter(process_id="seed-order").order_by("-version")
    others = {"processdefinition": list(order.values_list("pk", flat=True)), "batch": list(_keys(Batch))}
    for route in routes():
        if not (matched := re.fullmatch(r"admin/processes/(\w+)/(.+)", route)) or "<int:pk>" not in route:
            continue
        model, rest = matched.groups()
        word = rest.removeprefix("<int:pk>/").strip("/")
        if model == "processinstance":
            for name, (pk, queries) in instances.items():
                for query in queries.get(word, [""]):
                    yield Page(f"/{route.replace('<int:pk>', str(pk))}{query and f'?{query}'}", name)
        else:
            for pk in others.get(model, ()):
                yield Page("/" + route.replace("<int:pk>", str(pk)))
    change = "admin:processes_processinstance_change"
    for name, (pk, queries) in instances.items():
        yield from (Page(f"{reverse(change, args=[pk])}{query and f'?{query}'}", name) for query in queries["change"])
        live = reverse("admin:processes_processinstance_live", args=[pk])
        steps = ProcessInstance.objects.values_list("steps", flat=True).get(pk=pk)
        yield Page(live, f"{name}, nothing new", headers={"If-None-Match": f'"{pk}-{steps}"'})
    heat = [
        f"window={window}&measure={measure}"
        for window in ("hour", "day", "week", "all")
        for measure in ("visits", "p95")
    ]
    for pk in others["processdefinition"]:
        there = reverse("admin:processes_processdefinition_change", args=[pk])
        yield from (Page(f"{there}?{query}") for query in heat)
    for pk in others["batch"]:
        there = reverse("admin:processes_batch_change", args=[pk])
        yield from (Page(f"{there}?state={state}") for state in ("PENDING", "RETRIED", "RECOVERED", "REJECTED"))
        last = Batch.objects.get(pk=pk).items.order_by("-id").values_list("pk", flat=True).first()
        yield Page(f"{there}?state=RECOVERED&after={last or 0}")
    recover = reverse("admin:processes_batch_recover")
    for query in ("", "process=seed-order", "process=seed-order&version=1", "age=1h", "age=over1h", "kind__exact=JOB"):
        yield Page(f"{recover}?{query}")
    yield Page(reverse("admin:processes_processdefinition_deploy"))
    yield Page(reverse("admin:processes_processdefinition_modeler"))


def previews() -> Iterator[Page]:
    """What is posted and changes nothing."""
    new, old, *_ = ProcessDefinition.objects.filter(process_id="seed-order").order_by("-version")
    yield Page(
        f"{reverse('admin:processes_processdefinition_migrate', args=[old.pk])}?target={new.pk}",
        posted={"verb": "preview", "reason": "trial", "rate": "20"},
    )
    about = {"source_definition_id": old.pk, "target_definition_id": new.pk}
    yield Page("/api/v1/migrations/plan", posted=about, as_json=True)
    stuck = {"retry": {"retries": 1}, "incidents": {"process_id": "seed-order"}}
    yield Page("/api/v1/batches/preview", posted=stuck, as_json=True)
    live = ProcessInstance.objects.filter(business_key="seed", state="ACTIVE", process_id="seed-order").first()
    if live is not None:
        asked = {"start": [{"element_id": "ship"}]}
        yield Page(f"/api/v1/process-instances/{live.pk}/modify/preview", posted=asked, as_json=True)
        there = reverse("admin:processes_processinstance_move-preview", args=[live.pk])
        yield Page(there, posted={"start": "ship", "variables": "{}"})


# -- the API -----------------------------------------------------------------------------------------------------------


def rest() -> Iterator[Page]:
    """Every list with each filter, and what there is below a row, of an instance in every condition."""
    sample = _samples()
    instances = _instances()
    for route, callback in _routes(get_resolver().url_patterns):
        if not route.startswith("api/v1/"):
            if route in ("metrics", "readyz"):
                yield Page(f"/{route}")
            continue
        actions = getattr(callback, "actions", None) or {}
        if "get" not in actions or "path:" in route:
            continue
        there = "/" + re.sub(r"[\^$]", "", route)
        if "process-instances/(" in there:
            for name, pk in instances.items():
                yield Page(re.sub(r"\(\?P<\w+>.*?\)", str(pk), there, count=1), name)
            continue
        model = getattr(callback.cls.queryset, "model", None)
        if "(?P<" in there:
            key = "name" if "(?P<name>" in there else "pk"
            model = Batch if "batch_id" in there else UserTask if "user-tasks" in there else model
            rows = [] if model is None else model._default_manager.order_by("-pk")
            rows = rows.filter(type=user_tasks.TYPE) if model is UserTask else rows
            keys = [] if model is None else rows.values_list(key, flat=True)[:1]
            if there.endswith("/diff"):
                new, old, *_ = ProcessDefinition.objects.filter(process_id="seed-order").order_by("-version")
                yield Page(f"{re.sub(r'[(].*[)]', str(new.pk), there)}?with={old.pk}")
                continue
            yield from (Page(re.sub(r"\(\?P<\w+>.*\)", str(pk), there)) for pk in keys)
            continue
        yield Page(there)
        yield Page(f"{there}?page_size=500")
        filterset = getattr(callback.cls, "filterset_class", None)
        for name, filter_ in (filterset.base_filters if filterset else {}).items():
            offered = [str(value) for value, _ in getattr(filter_, "extra", {}).get("choices", ()) or ()]
            for value in offered or sample.get(name, ["seed"]):
                yield Page(f"{there}?{urlencode({name: value})}")


def _samples() -> dict[str, list[str]]:
    flags = ["true", "false"]
    now = timezone.now()
    moments = [(now - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ") for days in (0, 1, 20)]
    instances = [str(pk) for pk in _instances().values()][:2]
    definitions = [str(pk) for pk in ProcessDefinition.objects.order_by("-pk").values_list("pk", flat=True)]
    return {
        **dict.fromkeys(("has_incident", "correlated", "latest", "paused", "suspended", "enabled"), flags),
        **dict.fromkeys(("instance", "parent", "root"), instances),
        **dict.fromkeys(("definition", "definition_id"), definitions),
        **dict.fromkeys(
            ("started_after", "started_before", "raised_after", "raised_before", "after", "before"), moments
        ),
        "process_id": ["seed-order", "seed-claim", "no-such"],
        "version": ["1"],
        "business_key": ["seed", "no such"],
        "type": ["charge-card", "wide", "no-such"],
        "job_type": ["charge-card", "no-such"],
        "element_id": ["charge-card", "no-such"],
        "by": ["user:u7", "nobody"],
        "verb": ["deploy", "purge"],
        "kind": ["definition", "secret"],
        "name": ["paid-1", "no-such"],
    }


# -- addresses ---------------------------------------------------------------------------------------------------------


def routes() -> list[str]:
    return [route for route, _ in _routes(get_resolver().url_patterns)]


def _routes(patterns: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from _routes(pattern.url_patterns, route)
        else:
            yield route, pattern.callback


def _keys(model: Any) -> Any:
    return model._default_manager.order_by("-pk").values_list("pk", flat=True)[:3]
