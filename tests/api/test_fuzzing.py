"""Strange requests in great numbers, made from the schema: no server error, and no answer that it does not know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given, seed, settings
from knox.models import AuthToken
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from orchestrator.wsgi import application
from processes.runtime import bindings, connections

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 10
"""For each operation and mode; more would find more, but slower."""

schema = schemathesis.openapi.from_wsgi(
    "/api/schema/", application, headers={"Accept": "application/vnd.oai.openapi+json"}
)
OPERATIONS = [result.ok() for result in schema.get_all_operations()]


@pytest.fixture
def token(start, claim, one_task) -> Iterator[str]:
    """Of a user who may do everything, where there is something to do."""
    for number in range(3):
        start(business_key=f"k-{number}")
    claim()
    connections.put("shop", {"rate": 5}, by="user:ada")
    hook = {"kind": "webhook", "path": "shop", "secret_name": "SHOP", "message_name": "sold"}
    bindings.put("shop", hook, by="user:ada")
    _, token = AuthToken.objects.create(User.objects.create_superuser("fuzzer"))
    # Keeps requests inside of the test's transaction, as Django's own test client does while it asks.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield str(token)
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


ASKS = [
    pytest.param(operation, mode, id=f"{mode.name.lower()} {operation.label}")
    for operation in OPERATIONS
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    # A probe has nothing to get wrong, and neither has who asks for templates: any text is an id.
    if mode is GenerationMode.POSITIVE or (operation.path.startswith("/api") and "/element-t" not in operation.path)
]


@pytest.mark.parametrize(("operation", "mode"), ASKS)
def test_strange_requests(token, operation, mode):
    @seed(4711)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        if isinstance(case.body, dict) and "wait_seconds" in case.body:
            case.body["wait_seconds"] = 0
        aim(case)
        response = case.call(headers={"Authorization": f"Token {token}"})
        case.validate_response(response, checks=CHECKS)

    ask()


def aim(case: Any) -> None:
    """Rows that exist are more interesting than those that do not."""
    for name in ("id", "instance_id"):
        value = (case.path_parameters or {}).get(name)
        if isinstance(value, int):
            case.path_parameters[name] = abs(value) % 4
    named = (case.path_parameters or {}).get("name")
    if isinstance(named, str) and len(named) % 2:
        case.path_parameters["name"] = "shop"
