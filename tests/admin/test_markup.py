"""Pages hold under a strict content security policy, and nothing that a stranger wrote becomes markup."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from processes.models import Incident, Job, Message, ProcessDefinition, ProcessInstance, Worker
from processes.runtime import messages, workers
from tests.admin.conftest import deploy, fail, start
from tests.drawing import Drawing

EVIL = "<script>alert(1)</script>"
EVIL_ATTRIBUTE = '" onmouseover="alert(1)'


class Inline(HTMLParser):
    """Collects what ``script-src 'self'; style-src 'self'`` would refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._script = False

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        given = dict(attrs)
        self._script = tag == "script"
        if tag == "style" or (tag == "script" and "src" not in given):
            self.found.append(f"<{tag}>")
        for name, value in given.items():
            if name == "style" or name.startswith("on"):
                self.found.append(f"<{tag} {name}={value!r}>")
            if name in ("href", "src", "action", "xlink:href") and (value or "").lower().startswith("javascript:"):
                self.found.append(f"<{tag} {name}={value!r}>")
            if name in ("src", "href") and (value or "").startswith(("http:", "https:", "//")):
                self.found.append(f"<{tag} {name}={value!r}>")

    def handle_data(self, data: str) -> None:
        if self._script and data.strip():
            self.found.append(f"script: {data[:40]}")
        self._script = False


def inline(response: Any) -> list[str]:
    parser = Inline()
    parser.feed(response.content.decode())
    return parser.found


@pytest.fixture
def hostile(django_capture_on_commit_callbacks: Any) -> ProcessDefinition:
    """Everything that a stranger can name is named so as to break out of its place."""
    name = EVIL + EVIL_ATTRIBUTE
    drawing = Drawing("hostile", name=name).start()
    drawing.service("task", type=name, name=name, headers={name: name}).message("wait", name, "=key").end()
    definition = deploy(drawing)
    instance = start(definition, business_key=name, variables={name: name, "key": name}, start_key=name, by=name)
    fail(instance, name)
    start(definition, business_key=name, variables={"key": name})
    with django_capture_on_commit_callbacks(execute=True):
        messages.publish(name, correlation_key=name, message_id=name, variables={name: name}, by=name)
    workers.beat(name, [name])
    return definition


def here(instance: ProcessInstance, word: str, **query: Any) -> str:
    return reverse(f"admin:processes_processinstance_{word}", args=[instance.pk], query=query)


def pages(definition: ProcessDefinition) -> list[str]:
    models = [ProcessDefinition, ProcessInstance, Incident, Job, Message, Worker]
    lists = [reverse(f"admin:processes_{model._meta.model_name}_changelist") for model in models]
    rows = [
        reverse(f"admin:processes_{model._meta.model_name}_change", args=[row.pk])
        for model in models
        for row in model._default_manager.all()
    ]
    forms = [
        reverse("admin:processes_processdefinition_start", args=[definition.pk]),
        reverse("admin:processes_processdefinition_deploy"),
    ]
    instance = ProcessInstance.objects.earliest("id")
    waiting = ProcessInstance.objects.latest("id")
    job, incident = Job.objects.get(instance=instance), Incident.objects.get()
    parts = [
        here(instance, "variable", scope=0, name=EVIL + EVIL_ATTRIBUTE),
        here(instance, "attempts"),
        here(instance, "retry", incident=incident.pk),
        here(instance, "complete-job", job=job.key),
        here(instance, "throw-error", job=job.key),
        here(instance, "skip", node=job.node),
        here(waiting, "move"),
    ]
    searches = [f"{url}?q=%3Cscript%3E" for url in lists]
    return [reverse("admin:index"), *lists, *searches, *rows, *forms, *parts]


def test_no_page_needs_an_inline_script_or_style(admin: Client, hostile: ProcessDefinition) -> None:
    for url in pages(hostile):
        response = admin.get(url)
        assert response.status_code == 200, url
        assert inline(response) == [], url


def test_what_strangers_wrote_stays_text(admin: Client, hostile: ProcessDefinition) -> None:
    seen = 0
    for url in pages(hostile):
        html = admin.get(url).content.decode()
        assert EVIL not in html, url
        assert 'onmouseover="' not in html.replace("&quot; onmouseover=&quot;", ""), url
        seen += "&lt;script&gt;" in html
    assert seen >= 10


def test_messages_to_the_user_stay_text(admin: Client, hostile: ProcessDefinition) -> None:
    url = reverse("admin:processes_incident_retry", args=[Incident.objects.get().pk])
    html = admin.post(url, {"next": reverse("admin:index")}, follow=True).content.decode()
    assert EVIL not in html


def test_our_templates_and_scripts_know_no_inline_code() -> None:
    root = Path(settings.BASE_DIR)
    templates = list((root / "templates").rglob("*.html"))
    assert templates
    for template in templates:
        text = template.read_text()
        assert "|safe" not in text, template
        assert "style=" not in text, template
        assert "autoescape off" not in text, template
    for script in (root / "processes/static/processes").glob("*.js"):
        assert "innerHTML" not in script.read_text(), script
        assert "eval(" not in script.read_text(), script
