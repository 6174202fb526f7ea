"""Whoever has something done may say why, over every address that changes something."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from django.core.files.uploadedfile import SimpleUploadedFile
from drf_spectacular.generators import SchemaGenerator

from processes.models import Action, Step
from processes.runtime import user_tasks
from tests.api.conftest import V1, problem
from tests.drawing import Drawing

WHY = "The auditor asked"
TRAFFIC = {
    # What programs do all day.
    "conditions_evaluate", "documents_create", "jobs_claim_create", "jobs_complete_create", "jobs_error_create",
    "jobs_extend_create", "jobs_fail_create", "messages_create", "process_instances_create", "signals_create",
    "user_tasks_claim_create", "webhooks_create",
    # What changes nothing.
    "decision_definitions_evaluate_create", "migrations_plan_create", "process_definitions_validate_create",
}  # fmt: skip


def names(schema, part):
    """Of what a body may say, at whatever depth: a batch says why in what it does to each."""
    if "$ref" in part:
        part = schema["components"]["schemas"][part["$ref"].rsplit("/", 1)[1]]
    for name, inner in part.get("properties", {}).items():
        yield name
        yield from names(schema, inner)


def asked(schema, operation):
    """Names of what a body or a query may say."""
    found = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "query"}
    for body in operation.get("requestBody", {}).get("content", {}).values():
        found |= set(names(schema, body["schema"]))
    return found


def test_every_address_that_changes_something_takes_a_reason():
    schema = SchemaGenerator().get_schema(request=None, public=True)
    without = {
        operation["operationId"]
        for methods in schema["paths"].values()
        for method, operation in methods.items()
        if method != "get" and "reason" not in asked(schema, operation)
    }
    assert without == TRAFFIC


@pytest.fixture(autouse=True)
def _key(settings):
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "FIELD_KEYS": [Fernet.generate_key().decode()]}


def told():
    return list(Action.objects.filter(reason=WHY, by="user:root").order_by("id").values_list("verb", flat=True))


@pytest.mark.parametrize(
    ("address", "made"),
    [
        ("connections", {"name": "it", "url": "https://shop.example"}),
        (
            "inbound-bindings",
            {"name": "it", "kind": "webhook", "path": "paid", "secret_name": "PAID", "message_name": "paid"},
        ),
    ],
)
def test_what_is_kept_by_name(api, address, made):
    url = f"{V1}/{address}"
    assert api.post(url, {**made, "reason": WHY}, format="json").status_code == 201
    assert api.patch(f"{url}/it", {"reason": WHY}, format="json").status_code == 200
    for verb in ("pause", "resume"):
        assert api.post(f"{url}/it/{verb}", {"reason": WHY}, format="json").status_code == 200
    assert api.delete(f"{url}/it?reason={WHY}").status_code == 204
    assert told() == ["create", "change", "pause", "resume", "drop"]
    assert Action.objects.filter(verb="change").get().details == {"fields": []}


def test_without_a_body_there_is_no_reason(api):
    api.post(f"{V1}/connections", {"name": "it"}, format="json")
    assert api.post(f"{V1}/connections/it/resume").status_code == 200
    assert api.delete(f"{V1}/connections/it").status_code == 204
    assert set(Action.objects.exclude(kind="token").values_list("reason", flat=True)) == {""}


@pytest.mark.parametrize("query", [{"why": "x"}, {"reason": "x" * 1001}])
def test_a_reason_that_is_none_drops_nothing(api, query):
    api.post(f"{V1}/connections", {"name": "it"}, format="json")
    problem(
        api.delete(f"{V1}/connections/it", QUERY_STRING="&".join(f"{k}={v}" for k, v in query.items())), 400, "invalid"
    )
    assert api.get(f"{V1}/connections/it").status_code == 200


def test_secrets(api):
    url = f"{V1}/secrets/TOKEN"
    assert api.put(url, {"value": "hunter2-hunter2", "reason": WHY}, format="json").status_code == 201
    assert api.put(url, {"value": "hunter3-hunter3", "reason": WHY}, format="json").status_code == 204
    assert api.delete(f"{url}?reason={WHY}").status_code == 204
    assert told() == ["create", "change", "drop"]


def test_batches(api, one_task, start):
    pk = start()["id"]
    body = {"modify": {"cancel": [{"element_id": "charge"}], "reason": WHY}, "instance_ids": [pk]}
    url = f"{V1}/batches/{api.post(f'{V1}/batches', body, format='json').json()['id']}"
    for verb in ("pause", "resume", "cancel"):
        assert api.post(f"{url}/{verb}", {"reason": WHY}, format="json").status_code == 200
    assert told() == ["create", "pause", "resume", "cancel"]


def test_definitions(api):
    url, xml = f"{V1}/process-definitions", Drawing().start().end().xml()
    made = api.post(f"{url}?reason={WHY}", xml, content_type="application/xml").json()["definitions"][0]
    assert api.delete(f"{url}/{made['id']}?reason={WHY}").status_code == 204
    assert told() == ["deploy", "delete"]


def test_a_form_has_a_reason_too(api):
    file = SimpleUploadedFile("a.bpmn", Drawing().start().end().xml())
    answer = api.post(f"{V1}/process-definitions", {"file": file, "reason": WHY}, format="multipart")
    assert answer.status_code == 201, answer.content
    assert told() == ["deploy"]


def test_user_tasks(api, deploy, start):
    deploy(Drawing().start().service("ask", type=user_tasks.TYPE).end())
    start()
    task = api.get(f"{V1}/user-tasks").json()["results"][0]["id"]
    url = f"{V1}/user-tasks/{task}"
    assert api.post(f"{url}/assign", {"assignee": "root", "reason": WHY}, format="json").status_code == 204
    assert api.post(f"{url}/complete", {"reason": WHY}, format="json").status_code == 204
    assert told() == ["assign"]
    assert Step.objects.get(command="CompleteJob").reason == WHY


def test_tokens(api):
    assert api.delete(f"{V1}/tokens?reason={WHY}").status_code == 204
    assert told() == ["drop"]
