"""Pages about parts of an instance: how a variable came to its value, and the attempts of its jobs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_http_methods, require_safe

from processes.admin import attempts, changes, shown
from processes.admin.base import OPERATE, ask_and_say, demand, may_see_payload, who
from processes.admin.repair_forms import VariableForm
from processes.models import ProcessInstance
from processes.runtime import instances

MOST_ATTEMPTS = 20
LARGEST_NUMBER = 2**31 - 1

if TYPE_CHECKING:
    Base = ModelAdmin[ProcessInstance]
else:
    Base = object


class InstanceParts(Base):
    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/variable/", wrap(self.variable), name="processes_processinstance_variable"),
            path("<int:pk>/attempts/", wrap(self.attempts), name="processes_processinstance_attempts"),
            *super().get_urls(),
        ]

    def _found(self, request: HttpRequest, pk: int) -> ProcessInstance:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return get_object_or_404(ProcessInstance.objects.select_related("definition").defer("definition__xml"), pk=pk)

    def _context(self, request: HttpRequest, row: ProcessInstance, title: str) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "title": title,
            "subtitle": f"{row.process_id} {row.pk}",
            "opts": self.opts,
            "row": row,
            "may_operate": request.user.has_perm(OPERATE),
            "may_see_payload": may_see_payload(request),
        }

    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
    def variable(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """One variable of one scope: its value, another value for it, and every change."""
        row = self._found(request, pk)
        if not may_see_payload(request):
            raise PermissionDenied
        asked = request.POST if request.method == "POST" else request.GET
        scope, name = _number(asked.get("scope", "0")), asked.get("name", "")
        if scope is None:
            raise Http404
        visit = row.nodes.filter(key=scope).first() if scope else None
        if scope and visit is None:
            raise Http404
        now = row.variables if visit is None else visit.variables
        there = reverse("admin:processes_processinstance_variable", args=[pk], query={"scope": scope, "name": name})
        if request.method == "POST":
            demand(request, OPERATE)
            form = VariableForm(request.POST)
            if form.is_valid() and self._set(request, pk, form):
                return redirect(there)
        else:
            seen = {name: now[name]} if name in now else {}
            given = {"value": shown.exact(now.get(name)), "scope": scope, "name": name, "seen": shown.exact(seen)}
            form = VariableForm(initial=given)
        before = _number(asked.get("before", ""))
        history = changes.of(row, scope, name, before)
        live = row.ended_at is None and (visit is None or visit.ended_at is None)
        context = {
            "form": form
            if live and request.user.has_perm(OPERATE) and len(shown.exact(now.get(name))) < 50_000
            else None,
            "facts": [
                ("Scope", f"{visit.element_id} ({visit.key})" if visit is not None else "The process"),
                ("Type", shown.kind(now[name]) if name in now else "no variable"),
            ],
            "value": shown.json_text(now[name]) if name in now else None,
            "history": history,
            "newer": before is not None,
            "there": there,
        }
        return TemplateResponse(
            request,
            "processes/variable.html",
            {**self._context(request, row, f"Variable {name}"), **context},
            status=422 if form.is_bound else 200,
        )

    def _set(self, request: HttpRequest, pk: int, form: VariableForm) -> bool:
        said = form.cleaned_data
        given = {said["name"]: said["value"]}
        if not form.changed(given):
            messages.info(request, "Nothing was changed: that is its value.")
            return True
        more = {"expected": form.expected(given), "reason": said["reason"], "by": who(request)}
        verb = partial(instances.set_variables, pk, given, scope=said["scope"], **more)
        return ask_and_say(request, verb, f"Variable {said['name']} was set.")

    @method_decorator(require_safe)
    def attempts(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Every attempt of its jobs, the newest first; of one visit with `node`."""
        row = self._found(request, pk)
        steps = attempts.ends(row)
        node, before = _number(request.GET.get("node", "")), _number(request.GET.get("before", ""))
        if node:
            steps = steps.filter(node=node)
        if before is not None:
            steps = steps.filter(number__lt=before)
        found = list(steps[: MOST_ATTEMPTS + 1])
        context = {
            "attempts": attempts.shown_attempts(row, found[:MOST_ATTEMPTS]),
            "node": node,
            "older": found[MOST_ATTEMPTS - 1].number if len(found) > MOST_ATTEMPTS else None,
            "newer": before is not None,
        }
        title = f"Attempts of {row}" + (f" at visit {node}" if node else "")
        return TemplateResponse(
            request, "processes/attempts.html", {**self._context(request, row, title), **context, "subtitle": None}
        )


def _number(text: str) -> int | None:
    """A number of a step or key, as a link has it."""
    return min(int(text), LARGEST_NUMBER) if text.isascii() and text.isdecimal() and len(text) < 20 else None
