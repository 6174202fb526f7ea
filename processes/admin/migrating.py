"""The page on which the running instances of a version are sent to another one: plan, preview, batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html

from processes.admin.base import ask, count_up_to, who
from processes.admin.drawing import drawing_of
from processes.admin.forms import MigrationForm
from processes.models import FlowNodeInstance, ProcessDefinition, ProcessInstance
from processes.models.instances import FINAL
from processes.runtime import batches, definitions, migration
from processes.runtime.drawings import Note
from processes.runtime.migration import Plan

LOOKED_AT = 4
"""Instances on which a preview tries the plan. Each costs four queries."""
MOST_TOLD = 10
COUNTED = 10_000
PREFIX = "map:"
NOWHERE = "-"


def migrate_view(request: HttpRequest, source: ProcessDefinition, context: dict[str, Any]) -> HttpResponseBase:
    """GET: the proposed plan. POST ``preview``: what it would do to some instances; ``migrate``: the batch."""
    versions = ProcessDefinition.objects.filter(process_id=source.process_id).exclude(pk=source.pk).defer("xml")
    target = _target(request, source)
    posted = request.method == "POST"
    form = MigrationForm(request.POST if posted else None)
    shown: dict[str, Any] = {
        "title": f"Migrate the instances of {source}",
        "definition": source,
        "target": target,
        "versions": list(versions.order_by("-version")[:100]),
        "form": form,
        "running": count_up_to(_running(source), batches.MOST + 1),
    }
    if target is not None:
        mapping = _mapping(request) if posted else None
        plan = _plan(source, target, mapping)
        shown |= _shown(plan, mapping or {})
        if posted and form.is_valid() and not plan.problems:
            if request.POST.get("verb") == "migrate":
                made = _batch(request, plan, form.cleaned_data)
                if made is not None:
                    return redirect("admin:processes_processdefinition_change", source.pk)
            else:
                shown["preview"] = _preview(plan, form.cleaned_data["update_waits"])
    return TemplateResponse(request, "processes/definition_migrate.html", {**context, **shown})


def _target(request: HttpRequest, source: ProcessDefinition) -> ProcessDefinition | None:
    """The one that was chosen, else the latest version."""
    asked = request.GET.get("target", "")
    if asked.isdecimal():
        return ProcessDefinition.objects.filter(pk=min(int(asked), 2**63 - 1)).exclude(pk=source.pk).first()
    latest = ProcessDefinition.objects.filter(process_id=source.process_id).order_by("-version").first()
    return None if latest is None or latest.pk == source.pk else latest


def _running(source: ProcessDefinition) -> Any:
    return ProcessInstance.objects.filter(definition=source).exclude(state__in=FINAL)


def _mapping(request: HttpRequest) -> dict[str, str]:
    """What the table says, old id to new id; an element that is to have none is mapped to what cannot be there."""
    given = {name.removeprefix(PREFIX): value for name, value in request.POST.items() if name.startswith(PREFIX)}
    return {old: str(new) for old, new in given.items() if new}


def _plan(source: ProcessDefinition, target: ProcessDefinition, given: Mapping[str, str] | None) -> Plan:
    """`given` decides of all nodes; flows follow from the nodes."""
    if given is None:
        return migration.plan(source, target)
    chosen = {old: new for old, new in given.items() if new != NOWHERE}
    plan = migration.plan(source, target, chosen)
    left_out = {old for old, new in given.items() if new == NOWHERE}
    if not left_out & plan.mapping.keys():
        return plan
    kept = {old: new for old, new in plan.mapping.items() if old not in left_out}
    return migration.judged(source, target, kept)


def _shown(plan: Plan, given: Mapping[str, str]) -> dict[str, Any]:
    old, new = definitions.process_of(plan.source), definitions.process_of(plan.target)
    standing = _standing(plan.source)
    taken = set(plan.mapping.values())
    rows = []
    for node in old.nodes.values():
        mapped = plan.mapping.get(node.id)
        problem = plan.problems.get(node.id, "")
        alike = [other for other in new.nodes.values() if other.kind == node.kind]
        choices = [
            (other.id, _label(other.id, other.name), other.id == (given.get(node.id) or mapped)) for other in alike
        ]
        rows.append({
            "id": node.id, "name": node.name, "field": f"{PREFIX}{node.id}", "choices": choices, "mapped": mapped,
            "problem": problem, "standing": standing.get(node.id, 0), "stuck": not mapped and standing.get(node.id, 0),
        })  # fmt: skip
    left = {id: Note(("diff-removed",), "\N{MINUS SIGN}", "not mapped") for id in plan.unmapped}
    wrong = {id: Note(("finding-error",), "!", message) for id, message in plan.problems.items()}
    renamed = {old_id: new_id for old_id, new_id in plan.mapping.items() if old_id != new_id}
    moved = {id: Note(("diff-changed",), "\N{RIGHTWARDS ARROW}", f"becomes {to}") for id, to in renamed.items()}
    fresh = {id: Note(("diff-added",), "+", "new: nothing is mapped to it") for id in new.nodes if id not in taken}
    came = {to: Note(("diff-changed",), "\N{RIGHTWARDS ARROW}", f"was {id}") for id, to in renamed.items()}
    return {
        "rows": rows,
        "nowhere": NOWHERE,
        "plan": plan,
        "flow_problems": [(id, why) for id, why in plan.problems.items() if id not in old.nodes],
        "old_drawing": drawing_of(plan.source, notes={**left, **moved, **wrong}),
        "new_drawing": drawing_of(plan.target, notes={**fresh, **came}),
        "looked_at": LOOKED_AT,
    }


def _label(id: str, name: str) -> str:
    return f"{name} ({id})" if name else id


def _standing(source: ProcessDefinition) -> dict[str, int]:
    """How many visits stand at each element, counted among the first `COUNTED` instances."""
    live = FlowNodeInstance.objects.filter(ended_at__isnull=True)
    live = live.filter(instance__in=_running(source).order_by("-id").values("pk")[:COUNTED])
    return dict(live.order_by().values_list("element_id").annotate(Count("pk")))


def _preview(plan: Plan, update_waits: bool) -> dict[str, Any]:
    """What the plan would do to the newest instances now; nothing changes."""
    ids = list(_running(plan.source).order_by("-id").values_list("pk", flat=True)[:LOOKED_AT])
    seen = migration.migrate_many(ids, plan.target, mapping=plan.mapping, update_waits=update_waits, dry_run=True)
    return {
        "looked_at": len(ids),
        "migratable": len(seen.migrated),
        "rejected": list(seen.rejected.items())[:MOST_TOLD],
        "rejected_count": len(seen.rejected),
        "effects": [(name.replace("_", " "), count) for name, count in seen.effects.items() if count],
    }


def _batch(request: HttpRequest, plan: Plan, chosen: dict[str, Any]) -> Any:
    made = ask(
        request,
        lambda: batches.migrate(
            batches.running(definition_id=plan.source.pk),
            plan.target,
            mapping=plan.mapping,
            update_waits=chosen["update_waits"],
            reason=chosen["reason"],
            rate=chosen["rate"],
            by=who(request),
        ),
    )
    if made is not None:
        pending = batches.progress(made).pending
        messages.success(
            request,
            format_html("{} migrates {} instances to {}.", _batch_link(made), f"{pending:,}", plan.target),
        )
    return made


def _batch_link(batch: Any) -> Any:
    try:
        href = reverse("admin:processes_batch_change", args=[batch.pk])
    except NoReverseMatch:
        return f"Batch {batch.pk}"
    return format_html('<a href="{}">Batch {}</a>', href, batch.pk)
