"""The verbs of an operator at the page of an instance: some are a button with a reason, others have a page."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_http_methods, require_POST

from processes.admin.base import OPERATE, ask_and_say, demand, may_see_payload, who
from processes.admin.forms import PickForm, ReasonForm, VariablesForm
from processes.admin.narration import sentence
from processes.admin.repair_forms import MoveForm
from processes.admin.repair_pages import PAGES, Gone, RepairPage
from processes.admin.repair_targets import place
from processes.models import ProcessInstance
from processes.runtime import Rejected, instances, modifications

MOST_FORESEEN = 200
"""Facts that a preview tells."""

if TYPE_CHECKING:
    Base = ModelAdmin[ProcessInstance]
else:
    Base = object


class Repairs(Base):
    def get_urls(self) -> list[Any]:
        def verb(word: str, view: Callable[..., HttpResponseBase], tail: str = "") -> Any:
            name = f"processes_processinstance_{word}{tail and '-' + tail}"
            there = f"<int:pk>/{word}/{tail and tail + '/'}"
            return path(there, self.admin_site.admin_view(view), name=name)

        return [
            verb("cancel", self.cancel),
            verb("suspend", self.suspend),
            verb("resume", self.resume),
            verb("variables", self.set_variables),
            verb("ad-hoc", self.activate_ad_hoc),
            verb("move", self.preview, "preview"),
            *(verb(word, partial(self.repair, page=page)) for word, page in PAGES.items()),
            *super().get_urls(),
        ]

    # -- buttons -------------------------------------------------------------------------------------------------------

    @method_decorator(require_POST)
    def cancel(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        return self._do(request, pk, ReasonForm, instances.cancel, "cancelled")

    @method_decorator(require_POST)
    def suspend(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        return self._do(request, pk, ReasonForm, instances.suspend, "suspended")

    @method_decorator(require_POST)
    def resume(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        return self._do(request, pk, ReasonForm, instances.resume, "resumed")

    @method_decorator(require_POST)
    def set_variables(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        def merge(pk: int, *, variables: dict[str, Any], scope: int | None, reason: str, by: str) -> None:
            instances.set_variables(pk, variables, scope=scope or 0, reason=reason, by=by)

        return self._do(request, pk, VariablesForm, merge, "given the variables")

    @method_decorator(require_POST)
    def activate_ad_hoc(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        return self._do(request, pk, PickForm, instances.activate_ad_hoc, "told what to perform")

    def _do(
        self, request: HttpRequest, pk: int, form_class: type[forms.Form], verb: Callable[..., Any], said: str
    ) -> HttpResponseBase:
        """Check the form, ask the runtime, say what came of it, and go back to the page."""
        demand(request, OPERATE)
        form = form_class(request.POST)
        if form.is_valid():
            ask_and_say(request, partial(verb, pk, **form.cleaned_data, by=who(request)), f"Instance {pk} was {said}.")
        for name, errors in form.errors.items():
            for error in errors:
                messages.error(request, f"Not done: {name.capitalize()}: {error}")
        return self._back(request, pk)

    def _back(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        if not self.has_view_permission(request):
            return redirect("admin:index")
        return redirect("admin:processes_processinstance_change", pk)

    # -- pages ---------------------------------------------------------------------------------------------------------

    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
    def repair(self, request: HttpRequest, pk: int, page: RepairPage) -> HttpResponseBase:
        """Show what it is about and ask; what was typed stays until it is right."""
        demand(request, OPERATE)
        row = get_object_or_404(ProcessInstance.objects.select_related("definition").defer("definition__xml"), pk=pk)
        posted = request.method == "POST"
        payload = may_see_payload(request)
        try:
            prepared = page.prepare(row, request.POST if posted else request.GET, payload)
        except Gone as gone:
            messages.error(request, f"Not done: {gone}.")
            return self._back(request, pk)
        form = page.form(request.POST if posted else None, initial=prepared.initial, **prepared.choices)
        if posted and form.is_valid():
            try:
                new = page.do(row, form, who(request))
            except Rejected as rejection:
                form.add_error(None, f"Not done: {rejection} [{rejection.code}]")
            else:
                messages.success(request, f"Instance {pk} was {page.said}{f' as {new}' if new else ''}.")
                return self._back(request, new or pk)
        context = {
            **self.admin_site.each_context(request),
            "title": page.title,
            "subtitle": f"{row.process_id} {pk}",
            "opts": self.opts,
            "row": row,
            "page": page,
            "form": form,
            "facts": prepared.facts,
            "links": prepared.links,
            "previews": page.form is MoveForm,
            "may_see_payload": payload,
        }
        return TemplateResponse(request, "processes/repair.html", context, status=422 if form.errors else 200)

    @method_decorator(require_POST)
    def preview(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """What moving a token would lead to now, as a fragment for the page that asks; nothing changes."""
        demand(request, OPERATE)
        row = get_object_or_404(ProcessInstance.objects.select_related("definition").defer("definition__xml"), pk=pk)
        prepared = PAGES["move"].prepare(row, request.POST, may_see_payload(request)) if row.ended_at is None else None
        form = MoveForm({**request.POST.dict(), "reason": "preview"}, **(prepared.choices if prepared else {}))
        facts: list[dict[str, Any]] = []
        error = ""
        if form.is_valid():
            said = form.cleaned_data
            cancel = [place(said["cancel"])] if said["cancel"] else []
            start = [modifications.StartBefore(said["start"], variables=said["variables"])] if said["start"] else []
            try:
                facts = modifications.preview(pk, cancel=cancel, start=start)
            except Rejected as rejection:
                error = str(rejection)
        else:
            error = " ".join(str(message) for errors in form.errors.values() for message in errors)
        return TemplateResponse(request, "processes/_preview.html", {"told": _told(row, facts), "error": error})


def _told(row: ProcessInstance, facts: list[dict[str, Any]]) -> list[str]:
    """Facts in sentences; visits that would be new are known from the facts themselves."""
    names = {fact["node"]: fact["element"] for fact in facts if fact["fact"] == "NodeEntered"}
    keys = {fact["node"] for fact in facts if isinstance(fact.get("node"), int)}
    names |= dict(row.nodes.filter(key__in=keys - names.keys()).order_by().values_list("key", "element_id"))

    def naming(key: Any) -> str:
        return "The process" if key == 0 else f"{names.get(key, 'visit')} ({key})"

    return [sentence(fact, naming) for fact in facts[:MOST_FORESEEN]]
