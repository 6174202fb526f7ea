"""The OpenAPI document: complete, valid, and what it says of errors is what happens."""

from __future__ import annotations

import io

import pytest
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator

from tests.api.conftest import V1


@pytest.fixture(scope="module")
def schema():
    return SchemaGenerator().get_schema(request=None, public=True)


def operations(schema):
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def test_it_is_valid_and_without_warnings():
    call_command("spectacular", fail_on_warn=True, validate=True, file="/dev/null", stdout=io.StringIO())


def test_every_operation_is_described(schema):
    for name, operation in operations(schema):
        assert operation.get("summary"), name
        assert operation["tags"] in [[tag["name"]] for tag in schema["tags"]], name
        for parameter in operation.get("parameters", []):
            if parameter["name"] not in ("id", "resource", "started_after", "started_before"):
                assert parameter.get("description"), (name, parameter["name"])


def test_every_operation_names_its_problems(schema):
    for name, operation in operations(schema):
        answers = set(operation["responses"])
        assert answers >= {"405", "500"}, name
        if V1 in name:
            # Whoever proves who they are in another way than by logging in has every right there is.
            assert answers >= ({"401"} if operation.get("security") == [{}] else {"401", "403"}), name
        if "{" in name:
            assert "404" in answers, name
        if name.startswith(("post", "patch")):
            assert answers >= {"400", "413", "415"}, name


def test_every_problem_is_a_problem_document(schema):
    shared = schema["components"]["responses"]
    for name, operation in operations(schema):
        for status, answer in operation["responses"].items():
            if status >= "400":
                answer = shared[answer["$ref"].rsplit("/", 1)[1]] if "$ref" in answer else answer
                assert set(answer["content"]) == {"application/problem+json"}, (name, status)


def test_every_body_has_an_example_or_is_obvious(schema):
    without = {
        name
        for name, operation in operations(schema)
        for content in [operation.get("requestBody", {}).get("content", {}).get("application/json")]
        if content and "examples" not in content
    }
    # A single optional reason or number explains itself.
    assert {name.rsplit("/", 1)[1] for name in without} <= {"cancel", "fire", "pause", "resume", "suspend", "resolve"}


def test_verbs_that_can_conflict_say_so(schema):
    paths = schema["paths"]
    for verb in ("complete", "fail", "error", "extend"):
        assert "409" in paths[f"{V1}/jobs/{{id}}/{verb}"]["post"]["responses"]
    assert "422" in paths[f"{V1}/process-definitions"]["post"]["responses"]


@pytest.mark.django_db
@pytest.mark.parametrize("page", ["", "swagger/"])
def test_the_pages_need_nothing_from_elsewhere(anonymous, page):
    answer = anonymous.get(f"/api/schema/{page}")
    assert answer.status_code == 200
    if page:
        text = answer.content.decode()
        assert "/static/drf_spectacular_sidecar/" in text
        assert "cdn" not in text
