"""Every page of the console, found by the addresses of the site: one that is new is visited without being listed.

Pictures are kept in the folder that CONSOLE_SCREENSHOTS names (default: var/console).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.urls import URLPattern, URLResolver, reverse

from processes.models import Action, Incident, Job, Timer
from tests.admin.console.browser import Watched, browse
from tests.admin.console.conftest import Stack
from tests.admin.console.scenery import Scenery, prepare
from tests.admin.test_browser import log_in

pytestmark = [pytest.mark.workers, pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]

NO_PAGES = {
    "autocomplete": "answers a widget of a form, and nobody else",
    "view_on_site": "no row has a page outside of the admin",
}
REFUSED = ("_add", "_delete")
"""Of rows that nobody makes or takes away by hand, these are refused."""

PLAIN = (*REFUSED, "_history")
"""Of Django's own make, alike for all rows: one look is enough."""


def names(patterns: list[Any]) -> Iterator[tuple[str, list[str]]]:
    """Of everything that can be asked of the site, with the arguments that it takes."""
    for each in patterns:
        if isinstance(each, URLResolver):
            yield from names(each.url_patterns)
        elif isinstance(each, URLPattern) and each.name and each.name not in NO_PAGES:
            yield each.name, list(each.pattern.converters) or list(each.pattern.regex.groupindex)


def rows(scene: Scenery) -> dict[str, Any]:
    """One of each model, by the beginning of the names of its addresses."""
    chosen = {"processinstance": scene.failed, "batch": scene.batch, "processdefinition": scene.old}
    found: dict[str, Any] = {}
    for model in admin.site._registry:
        name = model._meta.model_name or ""
        row = chosen.get(name) or model._default_manager.order_by("pk").first()
        assert row is not None, f"Expected a {name} in the scenery, or its page is not visited"
        found[f"{model._meta.app_label}_{name}_"] = row
    return found


def special(scene: Scenery) -> dict[str, list[tuple[Any, str]]]:
    """Pages that are about a part of an instance: which instance, and which part."""
    job = Job.objects.get(instance=scene.packing)
    incident = Incident.objects.get(instance=scene.failed, ended_at=None)
    charge = Job.objects.get(instance=scene.failed)
    message = scene.delivered.subscriptions.get()
    signal = scene.claim.signal_subscriptions.get()
    page = "processes_processinstance_"
    return {
        f"{page}retry": [(scene.failed, f"incident={incident.pk}")],
        f"{page}complete-job": [(scene.packing, f"job={job.key}")],
        f"{page}throw-error": [(scene.failed, f"job={charge.key}")],
        f"{page}skip": [(scene.packing, f"node={job.node}")],
        f"{page}send-message": [(scene.delivered, f"subscription={message.key}")],
        f"{page}send-signal": [(scene.claim, f"subscription={signal.key}")],
        f"{page}variable": [(scene.packing, "scope=0&name=lines"), (scene.packing, "scope=0&name=gift")],
        f"{page}restart": [(scene.ended, "")],
        f"{page}fire-timer": [(scene.cooling, f"timer={Timer.objects.get(instance=scene.cooling).key}")],
        f"{page}past": [(scene.cooling, ""), (scene.cooling, "step=3")],
        f"{page}change": [(row, "") for row in (scene.failed, scene.packing, scene.cooling, scene.claim, scene.ended)],
        f"{page}timeline": [(scene.failed, ""), (scene.cooling, ""), (scene.claim, "")],
        "processes_processdefinition_change": [(scene.old, ""), (scene.new, "")],
        "processes_processdefinition_compare": [(scene.new, f"with={scene.old.pk}")],
        "processes_batch_recover": [(None, "process=order")],
    }


def addresses(scene: Scenery) -> Iterator[tuple[str, str]]:
    """Names and paths."""
    known, parts = rows(scene), special(scene)
    for name, arguments in names(admin.site.get_urls()):
        row = next((row for prefix, row in known.items() if name.startswith(prefix)), None)
        for number, (chosen, query) in enumerate(parts.pop(name, [(row, "")])):
            values = (
                {"app_label": "processes"} if name == "app_list" else dict.fromkeys(arguments, chosen and chosen.pk)
            )
            path = reverse(f"admin:{name}", kwargs=values if arguments else None)
            yield name + (f"-{number}" if number else ""), f"{path}?{query}" if query else path
    assert parts == {}, "these pages are gone"


def test_every_page(stack: Stack, chromium: str) -> None:
    Group.objects.get_or_create(name="Operators")
    asked = list(addresses(prepare()))
    before = Action.objects.count()

    def visit(watched: Watched, some: list[tuple[str, str]]) -> tuple[list[str], list[str]]:
        watched.go(stack.url + reverse("admin:login"))
        log_in(watched.page, stack.url + reverse("admin:index"))
        seen: list[str] = []
        for name, path in some:
            if asking(watched, name, stack.url + path) == "page":
                watched.go(stack.url + path)
                watched.look(name, dark=not name.endswith(PLAIN))
                seen.append(name)
        return watched.wrong, seen

    # Before the others, and in a browser that nobody is logged in with.
    wrong = browse(chromium, partial(see_the_log_in, address=stack.url + reverse("admin:login")))
    seen: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        for bad, good in pool.map(lambda some: browse(chromium, partial(visit, some=some)), (asked[::2], asked[1::2])):
            wrong, seen = wrong + bad, seen + good
    assert not wrong, "\n".join(wrong)
    assert len(seen) > 70
    assert Action.objects.count() == before, "looking changes nothing"


def see_the_log_in(watched: Watched, address: str) -> list[str]:
    watched.go(address)
    watched.look("login")
    return watched.wrong


def asking(watched: Watched, name: str, address: str) -> str:
    """What comes of it: a page, a part of one, a file, or no answer to who only looks."""
    answer = watched.page.request.get(address, max_redirects=0)
    if answer.status == 405:
        return "verb"
    if answer.status == 403 and name.endswith(REFUSED):
        return "refused"
    if answer.status == 302 and name == "login":
        return "elsewhere"
    if answer.status != 200:
        watched.wrong.append(f"{name}: status {answer.status} of {address}")
        return "wrong"
    if "text/html" not in answer.headers.get("content-type", ""):
        return "file"
    return "page" if "</html>" in answer.text() else "part"
